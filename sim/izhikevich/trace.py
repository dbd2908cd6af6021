"""Reads the trace words of docs/izhikevich.md, section 4, those of the model and of the gateware: membranes, spikes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.izhikevich.quantize import CENTRE, UNIT, word_b
from memtwin.sim.izhikevich.spec import MILLI, IzhikevichSpec
from memtwin.sim.recording import Event, LayerRecording, Waveform
from memtwin.sim.trace_format import TraceFormat

__all__ = ["FORMAT", "KINDS", "U_ONE", "V_ONE", "decode_layer", "fields", "neuron_words", "read"]

KINDS = {1: "neuron"}
(_NEURON,) = KINDS
# Name, first bit and width of what is in the value.
_VALUES = {"neuron": (("v", 0, 20), ("u", 20, 23), ("spike", 43, 1))}

V_ONE, U_ONE = 2.0**16, 2.0**19
"""A 1 in units of the words `v` and `u`."""

Ints = NDArray[np.int64]


def _when(spec: IzhikevichSpec, words: Ints) -> dict[str, Any]:
    """Step of the last of `words`, counted from power-up."""
    step = FORMAT.passes(words) - 1
    return {"step": step, "time_s": step * spec.step}


FORMAT = TraceFormat(KINDS, _VALUES, "1", begins="neuron", when=_when, signed={"v", "u"})
fields = FORMAT.fields


def neuron_words(v: Ints, u: Ints, spike: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Words of every neuron in every step, from arrays (S, neurons)."""
    value = (v & 0xFFFFF | (u & 0x7FFFFF) << 20).astype(np.uint64) | spike.astype(np.uint64) << np.uint64(43)
    head = _NEURON | np.arange(v.shape[1]) << 4
    return (head.astype(np.uint64) | value << np.uint64(20)).ravel()


def read(words: NDArray[np.uint64], neurons: int) -> dict[str, Ints]:
    """Take the words of one trial apart: `v`, `u`, `spike`, each (S, neurons).

    Raises
    ------
    ValueError
        If they are not those of whole steps, with the neurons in order.
    """
    words = np.asarray(words, dtype=np.uint64)
    head = _NEURON | np.arange(neurons) << 4
    if words.size % neurons or ((words & np.uint64(0xFFFFF)).reshape(-1, neurons) != head).any():
        raise ValueError("the words of a trace must be whole steps, with the neurons in order")
    return FORMAT.take("neuron", (words >> np.uint64(20)).reshape(-1, neurons))


def decode_layer(layer: LayerRecording, job: Job, own: LayerCoefficients) -> None:
    """Fill `waveform`, `events` and `learning` of `layer` from its `words`.

    The waveform has the membrane `v` (V), the recovery `u` (V/s, as many as mV/ms) and `spike`, the number of spikes,
    of each step at its end; `clk` is 1 where there is an input spike.
    """
    spec, drive = job.spec, job.shown
    time = np.arange(1, sum(drive.steps) + 1, dtype=np.float64) * spec.step
    for trial, words in enumerate(layer.words):
        taken = read(words, spec.neurons)
        layer.waveform.append(
            Waveform(
                time_s=time.copy(),
                clk=drive.inputs[trial].any(axis=1).astype(np.uint8),
                signals={
                    "v": MILLI * (taken["v"] / V_ONE * UNIT - CENTRE),
                    "u": taken["u"] / U_ONE * UNIT - CENTRE * word_b(own),
                    "spike": taken["spike"].astype(np.uint8),
                },
            )
        )
        layer.events.append(
            [Event(float(time[step]), int(n), "spike") for step, n in zip(*np.nonzero(taken["spike"]), strict=True)]
        )
        layer.learning.append([])
