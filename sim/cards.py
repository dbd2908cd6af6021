"""Cards: every physical constant with its unit and its source.

A card is a TOML file. `name`, `kind`, `title` and `citation` describe it; every other entry is a table with a `value`
(an SI string) and a `source` (where the value is read, or how it is derived)::

    name = "ag-sio2"
    kind = "threshold switch"
    title = "Au/Ag/SiO2:Ag/Au threshold switch"
    citation = "Zhang et al., Science Bulletin 2021, doi 10.1016/j.scib.2021.04.014"

    [tau_leak]
    value = "4ms"
    source = "derived: ..."

Scalars are nominal values. Spreads, as fractions of the mean, are fields that end in ``_c2c`` (cycle to cycle) or
``_d2d`` (device to device).
"""

import dataclasses
import importlib.resources
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from memtwin.sim.errors import InputError, Mistakes
from memtwin.sim.files import read_text
from memtwin.sim.parsers import parse_toml
from memtwin.sim.units import check_range, format_si, parse_si

__all__ = ["KINDS", "Card", "Field", "card_names", "load_card"]

_LARGEST = 2**17  # bytes in a card file
_LONGEST_NAME = 100  # characters; it becomes a name in NIR files


@dataclass(frozen=True)
class FieldRule:
    """What a kind of card says of one field: unit, meaning, and its range where that of its unit is too wide."""

    unit: str
    meaning: str
    zero: bool = False  # zero is allowed
    most: float | None = None
    least: float | None = None


def _resistance(meaning: str) -> FieldRule:
    """A resistance that the gateware of the op-amp neurons can represent (docs/opamp-arithmetic.md, section 1)."""
    return FieldRule("Ohm", meaning, least=257.0, most=1e12)


# The fields of each kind, in the words of the papers. A card has all of them and no other.
KINDS: dict[str, dict[str, FieldRule]] = {
    "threshold switch": {
        "g0": FieldRule("/s", "growth rate of the filament, extrapolated to 0 V: g(V) = g0 exp(V / v0)"),
        # Less, and exp(V / v0) leaves the range of float64 within the input voltages; kT / q is 26 mV.
        "v0": FieldRule("V", "voltage that multiplies the growth rate by e", least=10e-3),
        "tau_leak": FieldRule("s", "time constant of the leak while the device is off"),
        "tau_relax": FieldRule("s", "time constant of the relaxation while the device is on and not driven"),
        "theta_off": FieldRule("", "filament at which the device ruptures (1 is the nominal threshold)", most=1.0),
        "x_max": FieldRule("", "ceiling of the filament (1 is the nominal threshold)", most=4.0),
        "v_hold": FieldRule("V", "hold voltage: at or below it the device is not driven"),
        "theta_c2c": FieldRule("", "cycle-to-cycle spread of the threshold", zero=True, most=1.0),
        "theta_d2d": FieldRule("", "device-to-device spread of the threshold", zero=True, most=0.25),
        "gain_d2d": FieldRule("", "device-to-device spread of the growth rate", zero=True, most=0.25),
    },
    "synapse": {
        "g_min": FieldRule("S", "lower soft bound of the conductance"),
        "g_max": FieldRule("S", "upper soft bound of the conductance"),
        "g_medium": FieldRule("S", "initial conductance of an unsupervised layer"),
        "g_low": FieldRule("S", "initial conductance of a supervised layer"),
        "potentiation": FieldRule("", "part of the distance to g_max that one fire covers", most=1.0),
        "depression": FieldRule("", "part of the distance to g_min that one fire covers", most=1.0),
        "g_d2d": FieldRule("", "device-to-device spread of the initial conductance", zero=True, most=0.25),
    },
    "hybrid neuron": {
        "clock": FieldRule("Hz", "frequency of the global CLK, 50 % duty"),
        "g_load": FieldRule("S", "load at node 1: TS in its off state, and wiring", zero=True),
        "v_dep": FieldRule("V", "voltage to which T3 lifts node 1", most=3.0),
        "v_spike": FieldRule("V", "amplitude of the output spike", most=3.9),
        "adapt_step": FieldRule("", "rise of the threshold at an own fire (adaptive option)", most=2.0),
        "tau_adapt": FieldRule("s", "time constant with which the rise decays (adaptive option)"),
    },
    "inhibition array": {
        "g_inhibit": FieldRule("S", "conductance from a neuron to every other neuron"),
        "g_self": FieldRule("S", "conductance from a neuron to itself"),
        "g_bias": FieldRule("S", "conductance of the bias row"),
        "g_load": FieldRule("S", "load of a column, beside its own memristors", zero=True),
        "v_l": FieldRule("V", "high level of the lateral inhibition signal V_L"),
        "v_bias": FieldRule("V", "bias voltage"),
        "v_ref": FieldRule("V", "reference of the comparators"),
    },
    "dynamic memristor": {
        "r_initial": _resistance("resistance at rest"),
        "r_floor": _resistance("lowest resistance"),
        "v_floor": FieldRule("V", "constant voltage that holds the device just at its lowest resistance", most=100.0),
        "exponent": FieldRule("", "exponent n of the growth: (V / v_floor)**n", least=1.0, most=15.0),
        "tau": FieldRule("s", "time constant with which the logarithm of the resistance recovers"),
        "r_d2d": FieldRule("", "device-to-device spread of the resistance at rest", zero=True, most=0.25),
    },
    "threshold-switching memristor": {
        "r_off": _resistance("high resistance (HRS)"),
        "r_on": _resistance("low resistance (LRS)"),
        "v_th": FieldRule("V", "threshold voltage: above it the device sets", most=100.0),
        "v_hold": FieldRule("V", "hold voltage: below it the device resets", most=100.0),
        "tau_on": FieldRule("s", "time from high to low resistance"),
        "tau_off": FieldRule("s", "time from low to high resistance"),
        "v_th_d2d": FieldRule("", "device-to-device spread of the threshold voltage", zero=True, most=0.25),
    },
    "non-volatile synapse": {
        "g_off": FieldRule("S", "lowest conductance"),
        "g_on": FieldRule("S", "highest conductance"),
        "g_initial": FieldRule("S", "conductance before learning"),
        "potentiation": FieldRule("", "part of the range that one step up covers at g_off", most=1.0),
        "depression": FieldRule("", "part of the range that one step down covers at g_on", most=1.0),
        "nonlinearity": FieldRule(
            "", "how much smaller a step is at the far end: 0 for equal steps, 1 for a soft bound", zero=True, most=1.0
        ),
        "g_d2d": FieldRule("", "device-to-device spread of the initial conductance", zero=True, most=0.25),
    },
    "op-amp neuron": {
        "r1": _resistance("resistor R_1 from OUT2 to the first voltage terminal"),
        "r2": _resistance("resistor R_2 of a circuit whose first resistive device is one"),
        "v1": FieldRule("V", "first voltage terminal V1", zero=True, most=3.9),
        "v_sat": FieldRule("V", "highest output voltage of the amplifier", most=15.0),
        "v_pulse": FieldRule("V", "amplitude with which a pulse drives the synapses of the next layer", most=15.0),
    },
    "volatile and non-volatile switch": {
        "i_volatile": FieldRule("A", "compliance current below which the device is a volatile threshold switch"),
        "v_th": FieldRule("V", "volatile mode: threshold voltage, that of the neuron", most=3.9),
        "v_hold": FieldRule("V", "volatile mode: hold voltage, below which it relaxes to its high resistance"),
        "tau": FieldRule("s", "volatile mode: membrane time constant of the neuron"),
        "u_rest": FieldRule("V", "volatile mode: resting potential of the neuron", zero=True),
        "i_non_volatile": FieldRule("A", "compliance current of non-volatile resistive switching"),
        "v_set": FieldRule("V", "non-volatile mode: voltage at which it is set"),
        "v_reset": FieldRule("V", "non-volatile mode: magnitude of the negative voltage at which it is reset"),
        "r_on": FieldRule("Ohm", "low resistance (LRS)"),
        "r_off": FieldRule("Ohm", "high resistance (HRS)"),
        "r_on_c2c": FieldRule("", "cycle-to-cycle spread of the low resistance", zero=True, most=0.25),
        "r_off_c2c": FieldRule("", "cycle-to-cycle spread of the high resistance", zero=True, most=0.25),
        "g_initial": FieldRule("S", "conductance at which the STDP window was measured, and before learning"),
        "w_plus": FieldRule("", "potentiation for dt just above 0, per cent of g_initial"),
        "tau1": FieldRule("s", "time constant of the window for dt > 0 (input before output)"),
        "w_minus": FieldRule("", "depression for dt just below 0, per cent of g_initial"),
        "tau2": FieldRule("s", "time constant of the window for dt < 0 (input after output)"),
    },
}


@dataclass(frozen=True)
class Field:
    """One value of a card, in SI units, with its source."""

    value: float
    unit: str
    source: str

    def __str__(self) -> str:
        return format_si(self.value, self.unit)


@dataclass(frozen=True)
class Card:
    """A device or circuit, read from a card file; ``card["tau_leak"]`` is a float in SI units."""

    name: str
    kind: str
    title: str
    citation: str
    fields: Mapping[str, Field]

    def __getitem__(self, name: str) -> float:
        return self.fields[name].value

    def replace(self, **values: str | float) -> "Card":
        """Return a card with some values replaced: SI strings, or floats in SI units.

        Raises
        ------
        InputError
            If the card has no such field, or a value has the wrong unit or range; the message has all of them.
        """
        fields = dict(self.fields)
        mistakes = Mistakes(f"card {self.name}")
        for name, value in values.items():
            with mistakes.collected():
                if name not in fields:
                    raise InputError(f"card {self.name} has no field {name}; it has {', '.join(self.fields)}")
                rule = KINDS[self.kind][name]
                number = _value(value, rule, f"card {self.name}, field {name}")
                fields[name] = Field(number, rule.unit, "set by the user")
        mistakes.refuse()
        card = dataclasses.replace(self, fields=fields)
        _check_together(card)
        return card


def _value(value: str | float, rule: FieldRule, where: str) -> float:
    """Return a value in SI units, checked."""
    number = parse_si(value, rule.unit, where) if isinstance(value, str) else value
    check_range(number, rule.unit, where, zero=rule.zero, least=rule.least, most=rule.most)
    return number


# Fields of a kind, the first of which must be smaller than the second.
_ORDERED = {
    "synapse": (("g_min", "g_max"),),
    "dynamic memristor": (("r_floor", "r_initial"),),
    "threshold-switching memristor": (("r_on", "r_off"), ("v_hold", "v_th")),
    "non-volatile synapse": (("g_off", "g_on"),),
    "volatile and non-volatile switch": (("v_hold", "v_th"), ("u_rest", "v_th"), ("r_on", "r_off")),
}


def _check_together(card: Card) -> None:
    for low, high in _ORDERED.get(card.kind, ()):
        if not card[low] < card[high]:
            expected = f"less than {high} ({card.fields[high]})"
            raise InputError(f"card {card.name}, field {low}: expected {expected}, not {card.fields[low]}")
    if card.kind == "non-volatile synapse" and not card["g_off"] <= card["g_initial"] <= card["g_on"]:
        raise InputError(
            f"card {card.name}, field g_initial: expected {card.fields['g_off']} to {card.fields['g_on']}, "
            f"not {card.fields['g_initial']}"
        )
    if card.kind == "volatile and non-volatile switch" and not 1 / card["r_off"] < card["g_initial"] < 1 / card["r_on"]:
        raise InputError(
            f"card {card.name}, field g_initial: expected a conductance between those of r_off "
            f"({card.fields['r_off']}) and r_on ({card.fields['r_on']}), not {card.fields['g_initial']}"
        )
    if card.kind == "threshold switch" and not card["x_max"] > 1:
        raise InputError(f"card {card.name}, field x_max: expected more than the threshold, 1, not {card['x_max']}")


def card_names() -> list[str]:
    """Names of the cards that are shipped."""
    folder = importlib.resources.files("memtwin.sim") / "cards"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_card(name: str | Path) -> Card:
    """Load a shipped card by name, or a card file by path.

    Raises
    ------
    InputError
        If there is no such card, or it is not a whole and valid card of its kind; the message has all that is wrong.
    """
    path = Path(name)
    if str(name) in card_names():
        where = f"card {name}"
        text = (importlib.resources.files("memtwin.sim") / "cards" / f"{name}.toml").read_text(encoding="utf-8")
    elif path.suffix == ".toml" or os.path.exists(path):
        where = f"card file {path}"
        text = read_text(path, where, _LARGEST)
    else:
        raise InputError(
            f"card {name}: unknown; expected one of {', '.join(card_names())}, or the path of a .toml file"
        )
    return _parse(parse_toml(text, where), where)


def _parse(data: dict, where: str) -> Card:
    mistakes = Mistakes(where)
    heads: dict[str, str] = {}
    for head in ("name", "kind", "title", "citation"):
        with mistakes.collected():
            heads[head] = _head(head, data.pop(head, None), where)
    rules = KINDS.get(heads.get("kind", ""), {})
    for name in data if rules else ():
        with mistakes.collected():
            if name not in rules:
                raise InputError(f"{where}: unknown field {name}; a {heads['kind']} card has {', '.join(rules)}")
    fields = {}
    for name, rule in rules.items():
        with mistakes.collected():
            fields[name] = _field(name, rule, data.get(name), where)
    mistakes.refuse()
    card = Card(fields=fields, **heads)
    _check_together(card)
    return card


def _head(head: str, value: object, where: str) -> str:
    """Return a line at the top of a card, checked."""
    if not isinstance(value, str) or not value:
        raise InputError(f'{where}: expected {head} = "..." at the top')
    if head == "name" and (not value.isprintable() or "/" in value or len(value) > _LONGEST_NAME):
        raise InputError(
            f"{where}: expected a name of at most {_LONGEST_NAME} printable characters, without /, not {value!r}"
        )
    if head == "kind" and value not in KINDS:
        raise InputError(f"{where}: kind must be one of {', '.join(KINDS)}, not {value!r}")
    return value


def _field(name: str, rule: FieldRule, entry: object, where: str) -> Field:
    """Return a field of a card from its table, checked."""
    if entry is None:
        raise InputError(f"{where}: field {name} is missing ({rule.meaning}); add [{name}] with value and source")
    if not isinstance(entry, dict) or set(entry) != {"value", "source"}:
        raise InputError(f"{where}: field {name} must be a table with value and source, both strings")
    if not all(isinstance(part, str) and part for part in entry.values()):
        raise InputError(f"{where}: field {name} must have a value and a source, both strings, not empty")
    return Field(_value(entry["value"], rule, f"{where}, field {name}"), rule.unit, entry["source"])
