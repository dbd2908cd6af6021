"""Reads the trace words of docs/arithmetic.md, section 11: waveforms, events and learning steps.

The same for words of the integer model and of the gateware.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.hybrid.spec import NetworkSpec
from memtwin.sim.recording import Event, LayerRecording, Waveform
from memtwin.sim.trace_format import TraceFormat

__all__ = ["FLAGS", "FORMAT", "KINDS", "Decoded", "decode", "decode_layer", "fields", "thresholds"]

KINDS = {1: "drive", 2: "substep", 3: "threshold", 4: "conductance", 5: "reciprocal", 6: "half"}
FLAGS = ("on", "node2", "l1", "l2", "t1", "lifted", "gate", "driven")  # of a substep word, from bit 20 of its value
# Waves of 0 and 1, in the order of Fig. 3b of zhang2021.
_LEVELS = ("on", "node2", "l1", "l2", "g1", "v_l", "t1", "t3", "gate")
# Name, first bit and width of what is in the value of each kind.
_VALUES = {
    "drive": (("v1", 0, 16), ("growth", 16, 16), ("active", 32, 1)),
    "substep": (("x", 0, 20), *((name, 20 + bit, 1) for bit, name in enumerate(FLAGS))),
    "threshold": (("theta", 0, 16), ("adapt", 16, 16)),
    "conductance": (("conductance", 0, 16), ("row", 16, 16)),
    "reciprocal": (("reciprocal", 0, 16),),
    "half": (("clk", 0, 1), ("skipped", 1, 1), ("learn", 2, 1), ("count", 3, 16)),
}
_HALF = next(number for number, name in KINDS.items() if name == "half")


def _when(spec: NetworkSpec, words: NDArray[np.int64]) -> dict[str, Any]:
    """Half-period of the last of `words`, counted from power-up; -1 before the first."""
    half = int(np.count_nonzero(words & 15 == _HALF)) - 1
    return {"half_period": half, "time_s": max(half, 0) * spec.half_period}


FORMAT = TraceFormat(KINDS, _VALUES, "1 to 6", begins="substep", when=_when)
fields = FORMAT.fields


@dataclass(frozen=True)
class Decoded:
    """What the words of one layer in one trial say; the fields are those of `LayerRecording`."""

    waveform: Waveform
    events: list[Event]
    learning: list[tuple[float, int, NDArray[np.float64]]]


def decode_layer(layer: LayerRecording, spec: NetworkSpec, coefficients: LayerCoefficients) -> None:
    """Fill `waveform`, `events` and `learning` of `layer` from its `words`."""
    decoded = [decode(words, spec, coefficients, trial) for trial, words in enumerate(layer.words)]
    layer.waveform = [one.waveform for one in decoded]
    layer.events = [one.events for one in decoded]
    layer.learning = [one.learning for one in decoded]


def decode(words: NDArray[np.uint64], spec: NetworkSpec, coefficients: LayerCoefficients, trial: int = 0) -> Decoded:
    """Decode the words of one layer in one trial.

    Parameters
    ----------
    words : uint64 array
        The trace from power-up on.
    spec : NetworkSpec
        For the times, and for the voltage to which T3 lifts node 1.
    coefficients : LayerCoefficients
        For the number of neurons, the conductances at power-up, and their unit.
    trial : int
        Row of `coefficients` that the words belong to.

    Returns
    -------
    Decoded
        The waveform has one sample for each pass: a half-period taken in one pass has one, at its end. Events at
        an edge of CLK have the time of the edge, all others that of the end of their substep.

    Raises
    ------
    ValueError
        If the words are not whole passes of every neuron, in order, each in a half-period.
    """
    words = np.asarray(words).astype(np.int64)
    kind, index, value = words & 15, words >> 4 & 0xFFFF, words >> 20
    neurons = coefficients.structure["neurons"]
    half = np.cumsum(kind == 6) - 1
    halves = value[kind == 6]

    is_substep = kind == 2
    if np.count_nonzero(is_substep) % neurons or (index[is_substep].reshape(-1, neurons) != np.arange(neurons)).any():
        raise ValueError(f"substep words must be whole passes of {neurons} neurons in order")
    substep = value[is_substep].reshape(-1, neurons)
    of_pass = half[is_substep].reshape(-1, neurons)
    if (of_pass != of_pass[:, :1]).any() or (of_pass < 0).any():
        raise ValueError("a pass must lie in one half-period")
    of_pass = of_pass[:, 0]
    clk = (halves[of_pass] & 1).astype(np.uint8)
    passes = np.bincount(of_pass, minlength=halves.size)
    first = np.cumsum(passes) - passes
    time = (of_pass + (np.arange(of_pass.size) - first[of_pass] + 1) / passes[of_pass]) * spec.half_period

    signals: dict[str, NDArray] = {
        name: (substep >> 20 + bit & 1).astype(np.uint8) for bit, name in enumerate(FLAGS) if name != "driven"
    }
    signals["t3"] = signals.pop("lifted")
    signals["g1"] = signals["l2"] & clk[:, None]
    signals["v_l"] = signals["l1"] | signals["l2"]
    v1 = np.zeros((halves.size, neurons))
    drive = kind == 1
    v1[half[drive], index[drive]] = (value[drive] & 0xFFFF) * 2.0**-14
    divider = np.where(signals["gate"] == 1, v1[of_pass], 0.0)
    lifted = np.where(signals["t3"] == 1, spec.neuron["v_dep"], divider)
    waveform = Waveform(
        time_s=time,
        clk=clk,
        signals={
            "v1": np.where(signals["t1"] == 1, 0.0, lifted),
            "x": (substep & 0xFFFFF) * 2.0**-18,
            **{name: signals[name] for name in _LEVELS},
        },
    )
    events = _events(waveform, of_pass * spec.half_period)

    conductance = coefficients.words["conductance"][trial].reshape(-1, neurons).T.copy()  # (neurons, rows)
    learning = []
    for position in np.flatnonzero((half >= 0) & ((kind == 4) | (kind == 5))):
        neuron = index[position]
        if kind[position] == 4:
            conductance[neuron, value[position] >> 16] = value[position] & 0xFFFF
        else:
            moment = (half[position] + 1) * spec.half_period
            learning.append((float(moment), int(neuron), conductance[neuron] * coefficients.weight_unit))
    return Decoded(waveform, events, learning)


def thresholds(words: NDArray[np.uint64], neurons: int) -> NDArray[np.float64]:
    """Threshold of each neuron in each half-period, adaptation included: (half-periods, neurons)."""
    words = words.astype(np.int64)
    kind = words & 15
    halves = np.cumsum(kind == 6)
    drawn = np.flatnonzero(kind == 3)
    values = FORMAT.take("threshold", words[drawn] >> 20)
    out = np.zeros((int(halves[-1]), neurons))
    # Drawn at power-up or at the end of a half-period, for those after it.
    levels = np.minimum(values["theta"] + values["adapt"], 65535) * 2.0**-14
    for half, neuron, level in zip(halves[drawn], words[drawn] >> 4 & 0xFFFF, levels, strict=True):
        out[half:, neuron] = level
    return out


def _events(waveform: Waveform, edge_s: NDArray[np.float64]) -> list[Event]:
    """Find the changes of the signals; `edge_s` is, for each sample, the time of the CLK edge before it."""
    out = []
    for kind, name, rising, times in (
        ("on", "on", True, waveform.time_s),
        ("off", "on", False, waveform.time_s),
        ("fire", "l1", True, waveform.time_s),
        ("spike", "g1", True, edge_s),
        ("l2_rise", "l2", True, edge_s),
        ("l2_fall", "l2", False, edge_s),
    ):
        levels = waveform.signals[name].astype(np.int8)
        change = np.diff(levels, axis=0, prepend=np.zeros((1, levels.shape[1]), dtype=np.int8))
        samples, neurons = np.nonzero(change == (1 if rising else -1))
        out += [Event(float(times[sample]), int(neuron), kind) for sample, neuron in zip(samples, neurons, strict=True)]
    return sorted(out, key=lambda event: (event.time_s, event.neuron))
