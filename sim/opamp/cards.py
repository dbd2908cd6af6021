"""Types of cards for op-amp neurons, in the words of us12387090."""

from memtwin.sim.card_types import CardType, FieldRule
from memtwin.sim.cards import Card
from memtwin.sim.errors import InputError

__all__ = ["CARD_TYPES"]


def _resistance(meaning: str) -> FieldRule:
    """A resistance that the gateware can represent (docs/opamp-arithmetic.md, section 1)."""
    return FieldRule("Ohm", meaning, least=257.0, most=1e12)


def _between_bounds(card: Card) -> None:
    if not card["g_off"] <= card["g_initial"] <= card["g_on"]:
        raise InputError(
            f"card {card.name}, field g_initial: expected {card.fields['g_off']} to {card.fields['g_on']}, "
            f"not {card.fields['g_initial']}"
        )


CARD_TYPES = {
    "dynamic memristor": CardType(
        {
            "r_initial": _resistance("resistance at rest"),
            "r_floor": _resistance("lowest resistance"),
            "v_floor": FieldRule(
                "V", "constant voltage that holds the device just at its lowest resistance", most=100.0
            ),
            "exponent": FieldRule("", "exponent n of the growth: (V / v_floor)**n", least=1.0, most=15.0),
            "tau": FieldRule("s", "time constant with which the logarithm of the resistance recovers"),
            "r_d2d": FieldRule("", "device-to-device spread of the resistance at rest", zero=True, most=0.25),
        },
        ordered=(("r_floor", "r_initial"),),
    ),
    "threshold-switching memristor": CardType(
        {
            "r_off": _resistance("high resistance (HRS)"),
            "r_on": _resistance("low resistance (LRS)"),
            "v_th": FieldRule("V", "threshold voltage: above it the device sets", most=100.0),
            "v_hold": FieldRule("V", "hold voltage: below it the device resets", most=100.0),
            "tau_on": FieldRule("s", "time from high to low resistance"),
            "tau_off": FieldRule("s", "time from low to high resistance"),
            "v_th_d2d": FieldRule("", "device-to-device spread of the threshold voltage", zero=True, most=0.25),
        },
        ordered=(("r_on", "r_off"), ("v_hold", "v_th")),
    ),
    "non-volatile synapse": CardType(
        {
            "g_off": FieldRule("S", "lowest conductance"),
            "g_on": FieldRule("S", "highest conductance"),
            "g_initial": FieldRule("S", "conductance before learning"),
            "potentiation": FieldRule("", "part of the range that one step up covers at g_off", most=1.0),
            "depression": FieldRule("", "part of the range that one step down covers at g_on", most=1.0),
            "nonlinearity": FieldRule(
                "",
                "how much smaller a step is at the far end: 0 for equal steps, 1 for a soft bound",
                zero=True,
                most=1.0,
            ),
            "g_d2d": FieldRule("", "device-to-device spread of the initial conductance", zero=True, most=0.25),
        },
        ordered=(("g_off", "g_on"),),
        check=_between_bounds,
    ),
    "op-amp neuron": CardType(
        {
            "r1": _resistance("resistor R_1 from OUT2 to the first voltage terminal"),
            "r2": _resistance("resistor R_2 of a circuit whose first resistive device is one"),
            "v1": FieldRule("V", "first voltage terminal V1", zero=True, most=3.9),
            "v_sat": FieldRule("V", "highest output voltage of the amplifier", most=15.0),
            "v_pulse": FieldRule("V", "amplitude with which a pulse drives the synapses of the next layer", most=15.0),
        },
    ),
}
