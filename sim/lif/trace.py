"""Writes and reads the trace words of docs/lif-arithmetic.md, section 5: waveforms, events, answers.

Reading is the same for words of the integer model and of the gateware.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.lif.quantize import v_unit
from memtwin.sim.lif.spec import LifSpec
from memtwin.sim.recording import Event, LayerRecording, Waveform
from memtwin.sim.trace_format import TraceFormat

__all__ = [
    "FORMAT",
    "KINDS",
    "Words",
    "answer_words",
    "decode",
    "decode_layer",
    "event_words",
    "fields",
    "membrane_words",
    "read",
    "waveform",
]

KINDS = {13: "membrane", 14: "answer", 15: "events"}
_MEMBRANE, _ANSWER, _EVENTS = KINDS
# Name, first bit and width of what is in the value of each kind; `v` is signed.
_VALUES = {
    "membrane": (("v", 0, 20), ("spike", 20, 1), ("hold", 21, 8)),
    "answer": (("answer", 0, 16), ("spikes", 16, 16)),
    "events": (("events", 0, 16),),
}


def _when(spec: LifSpec, words: NDArray[np.int64]) -> dict[str, Any]:
    """Step of the last of `words`, counted from power-up."""
    step = max(FORMAT.passes(words) - 1, 0)
    return {"step": step, "time_s": step * spec.dt}


FORMAT = TraceFormat(KINDS, _VALUES, "13 to 15", begins="membrane", when=_when, signed={"v"})
fields = FORMAT.fields

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Words:
    """The words of one layer in one trial, sorted by kind; S steps of N neurons.

    Attributes
    ----------
    v, spike, hold : int64 array (S, N)
        Fields of each neuron after each step.
    events : int64 array (S,)
        Events of the encoder in each step; empty in a later layer than the first.
    answer, spikes, end : int64 array (P,)
        Answer of each image, its spikes, and the step before which the image ended; only in the last layer.
    """

    v: Ints
    spike: Ints
    hold: Ints
    events: Ints
    answer: Ints
    spikes: Ints
    end: Ints


def membrane_words(v: Ints, spike: NDArray, hold: Ints) -> Ints:
    """Words of every neuron in every step, from arrays (S, N)."""
    return _word(_MEMBRANE, np.arange(v.shape[1]), v & 0xFFFFF | spike.astype(np.int64) << 20 | hold << 21)


def event_words(events: Ints) -> Ints:
    """Words of the encoder in every step, (S, 1)."""
    return _word(_EVENTS, 0, events[:, None])


def answer_words(answer: int, spikes: int) -> Ints:
    """The word at the end of an image, (1,)."""
    return _word(_ANSWER, 0, np.array([int(answer) | int(spikes) << 16]))


def _word(kind: int, index: Ints | int, value: Ints) -> Ints:
    return kind | np.asarray(index, dtype=np.int64) << 4 | value << 20


def read(words: NDArray[np.uint64], neurons: int) -> Words:
    """Sort the words of a layer of `neurons` neurons in one trial by kind.

    Raises
    ------
    ValueError
        If the words are not those of whole steps in the order of section 5.
    """
    words = np.asarray(words, dtype=np.uint64)
    kind, index = (words & np.uint64(15)).astype(int), (words >> np.uint64(4) & np.uint64(0xFFFF)).astype(int)
    value = (words >> np.uint64(20)).astype(np.int64)
    membrane, events, answer = kind == _MEMBRANE, kind == _EVENTS, kind == _ANSWER
    _demand((membrane | events | answer).all(), "must be of kind 13 to 15")
    _demand(np.count_nonzero(membrane) % neurons == 0, f"must be whole steps of {neurons} neurons")
    _demand((index[membrane].reshape(-1, neurons) == np.arange(neurons)).all(), "must have the neurons in order")
    _demand(not index[~membrane].any(), "must have the index 0 if they are not of a neuron")
    before = np.cumsum(membrane) - membrane
    _demand((before[~membrane] % neurons == 0).all(), "must have nothing between the neurons of a step")
    steps = np.count_nonzero(membrane) // neurons
    if events.any():
        at = before[events] // neurons
        _demand(np.array_equal(at, np.arange(steps)), "must have the events of the encoder once in each step")
    end = before[answer] // neurons
    _demand((np.diff(end, prepend=0) > 0).all(), "must have an answer after the steps of an image")
    if answer.any():
        _demand(end[-1] == steps and kind[-1] == _ANSWER, "must end with an answer if there are any")
        # An answer comes before the events of the next image.
        _demand(not (kind[np.flatnonzero(answer) - 1] == _EVENTS).any(), "must have an answer after whole steps")

    taken = FORMAT.take("membrane", value[membrane].reshape(-1, neurons))
    answers = FORMAT.take("answer", value[answer])
    return Words(**taken, events=FORMAT.take("events", value[events])["events"], **answers, end=end)


def _demand(right: bool | np.bool_, what: str) -> None:
    if not right:
        raise ValueError(f"the words of a trace {what}")


def decode_layer(layer: LayerRecording, spec: LifSpec, number: int) -> None:
    """Fill `waveform`, `events` and `learning` of layer `number` (0 is layer 1) from its `words`."""
    decoded = [decode(words, spec, number) for words in layer.words]
    layer.waveform = [wave for wave, _ in decoded]
    layer.events = [events for _, events in decoded]
    layer.learning = [[] for _ in decoded]


def decode(words: NDArray[np.uint64], spec: LifSpec, number: int) -> tuple[Waveform, list[Event]]:
    """Decode the words of layer `number` (0 is layer 1) in one trial; see `waveform` for what is returned.

    Raises
    ------
    ValueError
        If the words are not those of whole steps in the order of section 5.
    """
    layer = spec.layers[number]
    taken = read(words, layer.neurons)
    v = layer.per_neuron("v_leak") + taken.v * v_unit(layer)
    return waveform(v, taken.spike, taken.hold, spec.dt, taken.events if number == 0 else None)


def waveform(
    v: NDArray[np.float64], spike: NDArray, hold: Ints, dt: float, events: Ints | None = None
) -> tuple[Waveform, list[Event]]:
    """Make waveform and spikes of arrays (S, neurons), one image after the other.

    Returns
    -------
    Waveform
        One sample at the end of each step: `time_s` is that end, `clk` is 1 (an image is being shown); signals `v`
        (the membrane after the step, in the unit of `v_threshold`), `spike` 0/1, `hold` (steps of the refractory period
        that are left), and of layer 1 `events` (S,), the number of events of the encoder.
    list of Event
        Of the kind ``"spike"``, at the end of their step.
    """
    time: NDArray[np.float64] = np.arange(1, len(v) + 1, dtype=np.float64) * dt
    signals: dict[str, NDArray] = {"v": v, "spike": spike.astype(np.uint8), "hold": hold}
    if events is not None:
        signals["events"] = events
    spikes = [Event(float(time[step]), int(neuron), "spike") for step, neuron in zip(*np.nonzero(spike), strict=True)]
    return Waveform(time_s=time, clk=np.ones(time.size, dtype=np.uint8), signals=signals), spikes
