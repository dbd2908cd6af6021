"""Takes the layers of the physics through images, and decodes the answers (docs/lif-arithmetic.md, sections 2 and 4).

Layer by layer through whole images, where the integers go step by step through all layers (`sim/lif/course.py`); the
two share nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.lif.physics_encoder import Encoder, Player
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.trains import Trains

__all__ = ["Neurons", "Shown", "Traces", "answer", "show"]

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
class Traces:
    """What a layer did in S steps: `v`, `u`, `spike`, `hold`, each (S, neurons), or (S, J, neurons) of J images."""

    v: Floats
    u: Floats
    spike: Bools
    hold: NDArray[np.int64]

    def of(self, place: int, steps: int) -> "Traces":
        """Return those of one image, as far as it was shown."""
        return Traces(*(getattr(self, name)[:steps, place] for name in ("v", "u", "spike", "hold")))


@dataclass(frozen=True)
class Shown:
    """One image, as far as it was shown: S steps.

    Attributes
    ----------
    trial, presentation : int
        Which.
    events : array (S, rows)
        Of the encoder, or spikes of a train.
    layers : list of Traces
        Of each layer.
    answer : int or None
        Neuron that the decoder chooses; a train has none.
    """

    trial: int
    presentation: int
    events: NDArray
    layers: list[Traces]
    answer: int | None


def show(
    images: Images | Trains,
    encoder: Encoder | Player,
    layers: Sequence[Neurons],
    progress: Callable[[float], None] | None = None,
) -> Iterator[Shown]:
    """Show all images; of one trial they come in order."""
    done = 0
    for block in _blocks(images, encoder, layers):
        yield from _block(images, encoder, layers, block)
        done += len(block)
        if progress:
            progress(done / images.steps.size)


def _blocks(
    images: Images | Trains, encoder: Encoder | Player, layers: Sequence[Neurons]
) -> Iterator[list[tuple[int, int]]]:
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
    images: Images | Trains, encoder: Encoder | Player, layers: Sequence[Neurons], block: list[tuple[int, int]]
) -> Iterator[Shown]:
    """Show the images of a block, and cut each where it was over."""
    encoded = [encoder.events(trial, presentation) for trial, presentation in block]
    events = np.zeros((max(map(len, encoded)), len(block), encoder.rows), dtype=encoded[0].dtype)
    for place, own in enumerate(encoded):
        events[: len(own), place] = own
    trial = np.array([trial for trial, _ in block])
    inputs: NDArray = events
    traces = []
    for layer in layers:
        traces.append(_through(layer, inputs, trial))
        inputs = traces[-1].spike
    for place, ((own_trial, presentation), own) in enumerate(zip(block, encoded, strict=True)):
        steps = len(own)
        if images.decoder == "first spike":
            fired = np.flatnonzero(inputs[:steps, place].any(axis=1))
            steps = int(fired[0]) + 1 if fired.size else steps
            encoder.ended(own_trial, steps)
        cut = [of_layer.of(place, steps) for of_layer in traces]
        chosen = None if isinstance(images, Trains) else answer(images.decoder, cut[-1].v, cut[-1].u, cut[-1].spike)
        yield Shown(own_trial, presentation, own[:steps], cut, chosen)


def _through(layer: Neurons, events: NDArray, trial: NDArray[np.int64]) -> Traces:
    """Take a layer through every step of `events` (S, J, rows)."""
    shape, everyone = (len(events), trial.size, layer.neurons), np.ones(trial.size, dtype=bool)
    out = Traces(np.empty(shape), np.empty(shape), np.empty(shape, dtype=bool), np.empty(shape, dtype=np.int64))
    layer.begin(trial)
    for step, now in enumerate(events):
        out.spike[step] = layer.step(now, everyone)
        out.v[step], out.u[step], out.hold[step] = layer.v, layer.u, layer.hold
    return out


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
