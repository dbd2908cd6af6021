"""All that a recording holds, as arrays with names: what two recordings are compared by, whatever kind they are of."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.recording import LayerRecording, Recording

__all__ = ["GROUPS", "Key", "Part", "not_finite", "parts", "shown"]

GROUPS = ("words", "counts", "state", "traces")

Key = tuple[str, int | None, int | None]  # name, layer (the first is 1), trial if every trial has its own array

_OWN = ("clocks",)  # of one backend: how long its fabric takes is no part of what a network does


@dataclass(frozen=True)
class Part:
    """One array of a recording.

    Attributes
    ----------
    group : str
        One of `GROUPS`: words of the trace; counts, conductances, answers and times; windows of the state; or what is
        sampled and logged: waveforms, events, learning steps.
    values : array
        Where the key has no trial, its first axis are the trials.
    """

    group: str
    values: NDArray


def parts(recording: Recording) -> dict[Key, Part]:
    """Return every array of a recording, in the order of `GROUPS`; what it does not have is left out."""
    out: dict[Key, Part] = {}
    numbered = list(enumerate(recording.layers, 1))
    for trial in range(max((len(layer.words) for layer in recording.layers), default=0)):
        for number, layer in numbered:
            if trial < len(layer.words):
                out["words", number, trial] = Part("words", layer.words[trial])
    for name, values in _arrays(recording):
        out[name, None, None] = Part("counts", values)
    for number, layer in numbered:
        for name, values in _arrays(layer):
            out[name, number, None] = Part("counts", values)
    for name, values in recording.state.items():
        out[name, None, None] = Part("state", values)
    for number, layer in numbered:
        for trial, name, values in _logged(layer):
            out[name, number, trial] = Part("traces", values)
    return out


def _arrays(holder: Recording | LayerRecording) -> Iterator[tuple[str, NDArray]]:
    """Fields that are arrays, also those that only some kinds have."""
    for field in fields(holder):
        values = getattr(holder, field.name)
        if isinstance(values, np.ndarray) and field.name not in _OWN:
            yield field.name, values


def _logged(layer: LayerRecording) -> Iterator[tuple[int, str, NDArray]]:
    """Trial, name and values of everything that is sampled or logged."""
    for trial, wave in enumerate(layer.waveform):
        signals: dict[str, NDArray] = {"time_s": wave.time_s, "clk": wave.clk, **wave.signals}
        for name, values in signals.items():
            yield trial, f"waveform.{name}", values
    for trial, events in enumerate(layer.events):
        yield trial, "event.time_s", np.array([event.time_s for event in events], dtype=float)
        yield trial, "event.neuron", np.array([event.neuron for event in events], dtype=np.int64)
        yield trial, "event.kind", np.array([event.kind for event in events], dtype=np.str_)
    for trial, steps in enumerate(layer.learning):
        yield trial, "learning.time_s", np.array([time for time, _, _ in steps], dtype=float)
        yield trial, "learning.neuron", np.array([neuron for _, neuron, _ in steps], dtype=np.int64)
        yield trial, "learning.conductance", np.array([column for _, _, column in steps], dtype=float)


def not_finite(values: NDArray) -> NDArray[np.int64]:
    """Where an array holds NaN or an infinity, as `numpy.argwhere`; nowhere if it cannot."""
    if not np.issubdtype(values.dtype, np.inexact):
        return np.zeros((0, values.ndim), dtype=np.int64)
    return np.argwhere(~np.isfinite(values))


def shown(value: np.generic) -> int | float | str:
    """Return a value for JSON, which has no NaN and no infinity."""
    plain = value.item()
    return plain if not isinstance(plain, float) or np.isfinite(plain) else str(plain)
