"""Quantiser of Izhikevich neurons: from cards to the integers of docs/izhikevich.md, section "Words"."""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.errors import InputError
from memtwin.sim.izhikevich.shown import Drive
from memtwin.sim.izhikevich.spec import MILLI, IzhikevichSpec, LayerSample
from memtwin.sim.quantised import Quantiser

__all__ = ["CENTRE", "LEVEL", "UNIT", "current_words", "quantize", "word_b"]

UNIT = 25.0
"""mV, and mV/ms, in a 1 of the words: 1 / 0.04."""
CENTRE = 62.5
"""mV above which, upside down, the membrane is 0: 5 / (2 * 0.04)."""
LEVEL = 16.25
"""mV/ms by which the parabola is below zero there: 5**2 / (4 * 0.04) - 140."""

_RATE = 2.0**19  # UQ(-3, 19)
_PART = 2.0**15  # SQ(1, 15) and UQ(1, 15)
_STATE = 2.0**12  # SQ(4, 12)


def quantize(spec: IzhikevichSpec, sample: list[LayerSample]) -> list[LayerCoefficients]:
    """Quantise the layer; a list of one.

    Raises
    ------
    InputError
        If a value does not fit the range of its word; the message names the card and the field.
    """
    q = Quantiser(sample[0].trials)
    step = spec.step / MILLI
    fields = {name: spec.per_neuron(name)[None] for name in spec.devices[0].fields}
    rates = fields["a"] * step
    for device, rate in zip(spec.devices, rates[0], strict=True):
        if rate * _RATE > 65535:
            raise InputError(
                f"card {device.name}, field a: expected at most {65535 / _RATE / step:.4g}, not {device.fields['a']}; "
                "use a shorter step"
            )
        if rate * _RATE < 64:
            raise InputError(
                f"card {device.name}, field a: expected at least {64 / _RATE / step:.4g}, not {device.fields['a']}; "
                "use a longer step"
            )
    q.tell("a", "", fields["a"], q.put("a", rates, _RATE) / _RATE / step)
    b = q.put("b", fields["b"], _PART, signed=True) / _PART
    q.tell("b", "", fields["b"], b)
    q.tell("d", "", fields["d"], q.put("d", fields["d"] / UNIT, _PART, signed=True) * UNIT / _PART)
    for name, field in (("c", "c"), ("threshold", "v_threshold"), ("v_start", "v_initial")):
        got = q.put(name, (fields[field] + CENTRE) / UNIT, _STATE, signed=True) / _STATE
        q.tell(field, "V", MILLI * fields[field], MILLI * (got * UNIT - CENTRE), of=name)
        if name == "v_start":
            q.put("u_start", b * got, _STATE, signed=True)

    flat = spec.weight.T.reshape(1, -1)
    q.tell("weight", "", flat, q.put("weight", flat / UNIT, _STATE, signed=True) * UNIT / _STATE)
    q.tell("step", "s", spec.step, q.put("step", step, _PART) / _PART * MILLI)
    structure = {"rows": spec.rows, "neurons": spec.neurons}
    return [LayerCoefficients(structure=structure, words=q.words, weight_unit=UNIT / _STATE, report=q.report)]


def word_b(own: LayerCoefficients) -> NDArray[np.float64]:
    """Return `b` of each neuron as its word has it, (neurons,)."""
    return ((own.words["b"][0] ^ 0x8000) - 0x8000) / _PART


def current_words(own: LayerCoefficients, drive: Drive) -> NDArray[np.int64]:
    """Words `current` of each presentation, (T, P, neurons); what a `Drive` may ask for fits."""
    words = np.rint((drive.current - LEVEL + CENTRE * word_b(own)) / UNIT * _STATE).astype(np.int64)
    return words & 0xFFFF
