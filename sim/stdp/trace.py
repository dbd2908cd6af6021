"""Reads the trace words of docs/stdp.md, those of the model and of the gateware: membranes, spikes, learning steps."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.recording import Event, LayerRecording, Waveform
from memtwin.sim.stdp.quantize import VOLT
from memtwin.sim.stdp.spec import StdpSpec
from memtwin.sim.trace_format import TraceFormat

__all__ = ["FORMAT", "KIND", "KINDS", "Words", "decode_layer", "fields", "read"]

KINDS = {1: "row", 2: "neuron", 4: "conductance"}
KIND = {name: kind for kind, name in KINDS.items()}
# Name, first bit and width of what is in the value of each kind.
_VALUES = {
    "row": (("x", 0, 20), ("input", 20, 1)),
    "neuron": (("v", 0, 20), ("y", 20, 20), ("spike", 40, 1), ("forced", 41, 1)),
    "conductance": (("conductance", 0, 16), ("row", 16, 16)),
}


def _when(spec: StdpSpec, words: NDArray[np.int64]) -> dict[str, Any]:
    """Step of the last of `words`, counted from power-up."""
    step = FORMAT.passes(words) - 1
    return {"step": step, "time_s": step * spec.step}


FORMAT = TraceFormat(KINDS, _VALUES, "1, 2 or 4", begins="row", when=_when)
fields = FORMAT.fields


@dataclass(frozen=True)
class Words:
    """The words of one trial, sorted by kind; S steps.

    Attributes
    ----------
    rows : dict of str to int64 array (S, rows)
        `x` and `input`.
    neurons : dict of str to int64 array (S, neurons)
        `v`, `y`, `spike`, `forced`.
    synapses : dict of str to int64 array (words,)
        `conductance`, `row`, and also `step`, `neuron`, in the order of the trace.
    """

    rows: dict[str, NDArray[np.int64]]
    neurons: dict[str, NDArray[np.int64]]
    synapses: dict[str, NDArray[np.int64]]


def read(words: NDArray[np.uint64], structure: dict) -> Words:
    """Sort the words of one trial by kind.

    Raises
    ------
    ValueError
        If they are not those of whole steps, rows and neurons in order.
    """
    kind = (words & np.uint64(15)).astype(np.int64)
    index = (words >> np.uint64(4) & np.uint64(0xFFFF)).astype(np.int64)
    value = (words >> np.uint64(20)).astype(np.int64)
    state = kind != KIND["conductance"]
    pattern = (
        np.concatenate([np.full(structure["rows"], KIND["row"]), np.full(structure["neurons"], KIND["neuron"])])
        | np.concatenate([np.arange(structure["rows"]), np.arange(structure["neurons"])]) << 4
    )
    found = (kind | index << 4)[state]
    if found.size % pattern.size or (found.reshape(-1, pattern.size) != pattern).any():
        raise ValueError("the words of a trace must be whole steps, with rows and then neurons in order")
    taken = value[state].reshape(-1, pattern.size)
    synapse = ~state
    step = (np.cumsum(state)[synapse] - 1) // pattern.size
    return Words(
        rows=FORMAT.take("row", taken[:, : structure["rows"]]),
        neurons=FORMAT.take("neuron", taken[:, structure["rows"] :]),
        synapses={**FORMAT.take("conductance", value[synapse]), "step": step, "neuron": index[synapse]},
    )


def decode_layer(layer: LayerRecording, spec: StdpSpec, coefficients: LayerCoefficients) -> None:
    """Fill `waveform`, `events` and `learning` of `layer` from its `words`.

    The waveform has the membrane `u` (V) and the spikes `on`, right after the spikes of each step; `time_s` is the end
    of the step, until which, but for the leak, they hold.
    """
    for trial, words in enumerate(layer.words):
        taken = read(words, coefficients.structure)
        spike = taken.neurons["spike"]
        ends = np.arange(1, len(spike) + 1, dtype=np.float64) * spec.step
        layer.events.append(
            [Event(float(step * spec.step), int(n), "spike") for step, n in zip(*np.nonzero(spike), strict=True)]
        )
        layer.waveform.append(
            Waveform(
                time_s=ends,
                clk=np.asarray(taken.rows["input"].any(axis=1), dtype=np.uint8),
                signals={
                    "u": taken.neurons["v"] * VOLT + spec.device["u_rest"],
                    "on": spike.astype(np.uint8),
                },
            )
        )
        layer.learning.append(_learning(taken, spec, coefficients, trial))


def _learning(
    words: Words, spec: StdpSpec, coefficients: LayerCoefficients, trial: int
) -> list[tuple[float, int, NDArray[np.float64]]]:
    """Learning steps: time, neuron, its conductances at the end of the step, S."""
    neurons = coefficients.structure["neurons"]
    now = coefficients.words["conductance"][trial].reshape(-1, neurons).T.copy()
    out: list[tuple[float, int, NDArray[np.float64]]] = []
    synapses = words.synapses
    place = synapses["step"] * neurons + synapses["neuron"]
    starts = np.flatnonzero(np.diff(place, prepend=-1))
    for first, last in pairwise([*starts, place.size]):
        neuron = int(synapses["neuron"][first])
        # A synapse that is depressed and then potentiated in one step has two words; the last one stays.
        now[neuron, synapses["row"][first:last]] = synapses["conductance"][first:last]
        out.append((float(synapses["step"][first] * spec.step), neuron, now[neuron] * coefficients.weight_unit))
    return out
