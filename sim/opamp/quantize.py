"""Quantiser of the op-amp neurons: from cards and devices to the integers of docs/opamp-arithmetic.md, section 1."""

import math

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.errors import InputError
from memtwin.sim.opamp.spec import CIRCUITS, LayerSample, LayerSpec, OpampSpec
from memtwin.sim.quantised import Quantiser
from memtwin.sim.units import format_si

__all__ = ["AMPERE", "OHM", "VOLT", "quantize"]

# Units of the log words.
AMPERE, OHM, VOLT = 2.0**-44, 2.0**8, 2.0**-20

_LOG = 2.0**11  # a coefficient is UQ(5, 11)
_OCTAVE = {"s": 2.0**12, "u": 2.0**22}


def quantize(spec: OpampSpec, sample: list[LayerSample]) -> list[LayerCoefficients]:
    """Quantise every layer.

    Raises
    ------
    InputError
        If a value does not fit the range of its word; the message names the card and the field.
    """
    return [_layer(spec, layer, devices) for layer, devices in zip(spec.layers, sample, strict=True)]


class _Logs(Quantiser):
    """Rounds values into the logarithms of quantities."""

    def put_log(self, name: str, card: Card, field: str, unit: float, factors: float | NDArray = 1.0) -> None:
        """Round ``log2(card[field] * factors / unit)``; `factors` are (trials, neurons) or 1."""
        asked = card[field] * np.asarray(factors)
        got = unit * 2.0 ** (self.put_octaves(name, card, field, np.log2(asked / unit)) / _LOG)
        self.tell(f"{card.name}.{field}", card.fields[field].unit, asked, got, of=name)

    def put_octaves(self, name: str, card: Card, field: str, octaves: float | NDArray) -> NDArray[np.int64]:
        """Round octaves into UQ(5, 11); return the words."""
        if np.min(octaves) < 0 or np.max(octaves) * _LOG > 65535:
            raise InputError(
                f"card {card.name}, field {field}: {card.fields[field]} is outside what the gateware can represent; "
                "see docs/opamp-arithmetic.md, section 1"
            )
        return self.put(name, octaves, _LOG)


def _layer(spec: OpampSpec, layer: LayerSpec, devices: LayerSample) -> LayerCoefficients:
    neuron = layer.neuron
    q = _Logs(devices.v_th.shape[0])
    first, second = CIRCUITS[layer.circuit]

    # Synapses: the unit of conductance is the smallest power of two that holds the largest one.
    largest = float(devices.conductance.max())
    if layer.learns:
        largest = max(largest, spec.synapse["g_on"])
    if not largest > 0:
        raise InputError("synapses: expected at least one conductance above zero")
    g_lsb = 2.0 ** math.ceil(math.log2(largest / 65535))
    flat = devices.conductance.transpose(0, 2, 1).reshape(q.trials, -1)
    q.tell("conductance", "S", flat, q.put("conductance", flat, 1 / g_lsb) * g_lsb)
    q.put_octaves("current_log", neuron, "v_pulse", math.log2(neuron["v_pulse"] * g_lsb / AMPERE))
    if layer.learns:
        _synapse(q, spec.synapse, g_lsb)

    # Circuit.
    q.put_log("r1_log", neuron, "r1", OHM)
    q.put_log("v_sat_log", neuron, "v_sat", VOLT)
    if first == "resistor":
        q.put_log("r2_log", neuron, "r2", OHM)
    if neuron["v1"] > 0:
        q.tell(f"{neuron.name}.v1", "V", neuron["v1"], q.put("v1", neuron["v1"], 2.0**14) * 2.0**-14, of="v1")
    _switch(q, layer.switch, devices, spec.substep)
    for place, card in layer.memristors.items():
        _memristor(q, place, card, getattr(devices, f"r_{place}"), spec.substep)
    structure = {
        "rows": layer.rows,
        "neurons": layer.neurons,
        "lanes": layer.lanes,
        "first": first,
        "second": second,
        "terminal": neuron["v1"] > 0,
        "learns": layer.learns,
    }
    return LayerCoefficients(structure=structure, words=q.words, weight_unit=g_lsb, report=q.report)


def _synapse(q: _Logs, card: Card, g_lsb: float) -> None:
    for name in ("g_off", "g_on"):
        q.tell(f"{card.name}.{name}", "S", card[name], q.put(name, card[name], 1 / g_lsb) * g_lsb, of=name)
    width = (card["g_on"] - card["g_off"]) / g_lsb
    for field, direction in (("potentiation", "up"), ("depression", "down")):
        step, bend = f"step_{direction}", f"bend_{direction}"
        q.tell(f"{card.name}.{field}", "", card[field], q.put(step, card[field] * width, 1.0) / width, of=step)
        asked = card["nonlinearity"] * card[field]
        q.tell(f"{card.name}.nonlinearity x {field}", "", asked, q.put(bend, asked, 2.0**16) * 2.0**-16, of=bend)


def _switch(q: _Logs, card: Card, devices: LayerSample, substep: float) -> None:
    q.put_log("r_off_log", card, "r_off", OHM)
    q.put_log("v_th_log", card, "v_th", VOLT, devices.v_th)
    q.put_log("v_hold_log", card, "v_hold", VOLT)
    swing = math.log2(card["r_off"] / card["r_on"])
    got = card["r_off"] * 2.0 ** (-q.put("swing", swing, _OCTAVE["s"]) / _OCTAVE["s"])
    q.tell(f"{card.name}.r_on", "Ohm", card["r_on"], got, of="swing")
    steps = {}
    for name, field in (("rise", "tau_on"), ("fall", "tau_off")):
        steps[name] = swing * substep / card[field]
        if steps[name] > swing / 4:
            raise InputError(
                f"card {card.name}, field {field}: expected at least 4 substeps ({format_si(4 * substep, 's')}), "
                f"not {card.fields[field]}; use a shorter substep"
            )
        if steps[name] * _OCTAVE["s"] < 32:
            most = format_si(swing * substep * _OCTAVE["s"] / 32, "s")
            raise InputError(
                f"card {card.name}, field {field}: expected at most {most}, not {card.fields[field]}; "
                "use a longer substep"
            )
        word = q.put(name, steps[name], _OCTAVE["s"])
        q.tell(f"{card.name}.{field}", "s", card[field], swing * substep * _OCTAVE["s"] / word, of=name)
    if (swing + steps["rise"]) * _OCTAVE["s"] > 65535:
        raise InputError(
            f"card {card.name}, field r_off: expected less than 4000 times r_on, not {card.fields['r_off']}"
        )
    for name, ratio in (
        ("rise_per_fall", steps["rise"] / steps["fall"]),
        ("fall_per_rise", steps["fall"] / steps["rise"]),
    ):
        if ratio >= 256:
            raise InputError(
                f"card {card.name}, fields tau_on and tau_off: expected less than a factor of 256 between them"
            )
        q.tell(f"{card.name}.tau_on, tau_off ({name})", "", ratio, q.put(name, ratio, 2.0**8) * 2.0**-8, of=name)


def _memristor(q: _Logs, place: str, card: Card, factors: NDArray[np.float64], substep: float) -> None:
    q.put_log(f"r0_{place}_log", card, "r_initial", OHM, factors)
    q.put_log(f"v_floor_{place}_log", card, "v_floor", VOLT)
    exponent, span = f"exponent_{place}", f"span_{place}"
    got = q.put(exponent, card["exponent"], 2.0**12) * 2.0**-12
    q.tell(f"{card.name}.exponent", "", card["exponent"], got, of=exponent)
    leak = -math.expm1(-substep / card["tau"])
    if leak >= 2.0**-4:
        raise InputError(
            f"card {card.name}, field tau: expected at least {format_si(15.5 * substep, 's')} (15.5 substeps), "
            f"not {card.fields['tau']}; use a shorter substep"
        )
    if leak * 2.0**20 < 64:
        raise InputError(
            f"card {card.name}, field tau: expected at most {format_si(substep * 2**14, 's')} (16384 substeps), "
            f"not {card.fields['tau']}; use a longer substep"
        )
    q.put_decay(f"leak_{place}", f"{card.name}.tau", substep, card["tau"], 20)
    octaves = math.log2(card["r_initial"] / card["r_floor"])
    got = card["r_initial"] * 2.0 ** (-q.put(span, octaves, _LOG) / _LOG)
    q.tell(f"{card.name}.r_floor", "Ohm", card["r_floor"], got, of=span)
    # At v_floor growth and leak balance just when the device is at its floor.
    q.put_octaves(f"growth_{place}_log", card, "tau", math.log2(octaves * leak * _OCTAVE["u"]))
