"""Takes the layers of the physics through images, and decodes the answers (docs/lif-arithmetic.md, sections 2 and 4).

Layer by layer through whole images, where the integers go step by step through all layers (`sim/lif/course.py`); the
two share nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.lif.images import Images
from memtwin.sim.lif.physics_encoder import Encoder

__all__ = ["Neurons", "Shown", "answer", "show"]

_ROOM = 2**22  # numbers of a block of images; more need memory and gain nothing

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Neurons(Protocol):
    """Neurons of one layer with J images side by side: membrane after the step, before the reset, and steps to hold."""

    neurons: int
    v: Floats
    u: Floats
    hold: NDArray[np.int64]

    def begin(self, trial: NDArray[np.int64]) -> None:
        """Begin images, which belong to `trial` (J,)."""

    def step(self, events: NDArray, live: Bools) -> Bools:
        """Take a step with the inputs `events` (J, rows); returns who spikes, (J, neurons)."""


@dataclass(frozen=True)
class Shown:
    """One image, as far as it was shown: S steps.

    Attributes
    ----------
    trial, presentation : int
        Which.
    events : bool array (S, rows)
        Of the encoder.
    v, u, spike, hold : list of array (S, neurons)
        Of each layer in every step.
    answer : int
        Neuron that the decoder chooses.
    """

    trial: int
    presentation: int
    events: Bools
    v: list[Floats]
    u: list[Floats]
    spike: list[Bools]
    hold: list[NDArray[np.int64]]
    answer: int


def show(
    images: Images, encoder: Encoder, layers: Sequence[Neurons], progress: Callable[[float], None] | None = None
) -> Iterator[Shown]:
    """Show all images; of one trial they come in order."""
    done = 0
    for block in _blocks(images, encoder, layers):
        yield from _block(images, encoder, layers, block)
        done += len(block)
        if progress:
            progress(done / images.steps.size)


def _blocks(images: Images, encoder: Encoder, layers: Sequence[Neurons]) -> Iterator[list[tuple[int, int]]]:
    """Yield trial and presentation of images that can be shown side by side."""
    trials, presentations = images.steps.shape
    if images.mode == "rate" and images.decoder == "first spike":
        # Where the generator of a trial is depends on when its image before was over.
        for presentation in range(presentations):
            yield [(trial, presentation) for trial in range(trials)]
        return
    width = encoder.rows + sum(8 * layer.neurons for layer in layers)
    size = max(1, _ROOM // (width * int(images.steps.max())))
    every = [(trial, presentation) for trial in range(trials) for presentation in range(presentations)]
    for start in range(0, len(every), size):
        yield every[start : start + size]


def _block(
    images: Images, encoder: Encoder, layers: Sequence[Neurons], block: list[tuple[int, int]]
) -> Iterator[Shown]:
    """Show the images of a block, and cut each where it was over."""
    encoded = [encoder.events(trial, presentation) for trial, presentation in block]
    events = np.zeros((max(map(len, encoded)), len(block), encoder.rows), dtype=bool)
    for place, own in enumerate(encoded):
        events[: len(own), place] = own
    trial = np.array([trial for trial, _ in block])
    inputs, records = events, []
    for layer in layers:
        records.append(_through(layer, inputs, trial))
        inputs = records[-1][2]
    for place, ((own_trial, presentation), own) in enumerate(zip(block, encoded, strict=True)):
        steps = len(own)
        if images.decoder == "first spike":
            fired = np.flatnonzero(inputs[:steps, place].any(axis=1))
            steps = int(fired[0]) + 1 if fired.size else steps
            encoder.ended(own_trial, steps)
        v, u, spike, hold = ([record[part][:steps, place] for record in records] for part in range(4))
        chosen = answer(images.decoder, v[-1], u[-1], spike[-1])
        yield Shown(own_trial, presentation, own[:steps], v, u, spike, hold, chosen)


def _through(layer: Neurons, events: Bools, trial: NDArray[np.int64]) -> tuple[Floats, Floats, Bools, NDArray]:
    """Take a layer through every step of `events` (S, J, rows); returns v, u, spikes and hold, (S, J, neurons)."""
    shape, everyone = (len(events), trial.size, layer.neurons), np.ones(trial.size, dtype=bool)
    v, u, spike, hold = (np.empty(shape, dtype=kind) for kind in (float, float, bool, np.int64))
    layer.begin(trial)
    for step, now in enumerate(events):
        spike[step] = layer.step(now, everyone)
        v[step], u[step], hold[step] = layer.v, layer.u, layer.hold
    return v, u, spike, hold


def answer(decoder: str, v: Floats, u: Floats, spike: Bools) -> int:
    """Choose a neuron by what the last layer did in an image, (S, neurons)."""
    if decoder == "first spike":
        if not spike[-1].any():  # it was shown to its end
            return int(np.argmax(v[-1]))
        candidates, by = np.flatnonzero(spike[-1]), u[-1]
    else:
        counts = spike.sum(axis=0)
        candidates, by = np.flatnonzero(counts == counts.max()), v[-1]
    return int(candidates[np.argmax(by[candidates])])
