"""Takes a network through its images: steps, spike counts, answers (docs/lif-arithmetic.md, sections 2 and 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Progress
from memtwin.sim.lif.encoder import Encoder, Player, TrainWave, Wave
from memtwin.sim.lif.shown import DECODERS, Images
from memtwin.sim.lif.trains import Trains

__all__ = ["History", "Neurons", "Outcome", "follow"]


class Neurons(Protocol):
    """The neurons of one layer, in a wave of J images.

    `v` is the membrane after the step, `u` before the reset, `hold` the steps of the refractory period that are left,
    all (J, neurons).
    """

    neurons: int
    v: NDArray
    u: NDArray
    hold: NDArray[np.int64]

    def begin(self, trial: NDArray[np.int64]) -> None:
        """Begin images, which belong to `trial` (J,)."""

    def step(self, events: NDArray[np.float32], live: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Take a step with the inputs `events` (J, rows), 1 where there is one; returns who spikes, (J, neurons).

        Images that are not `live` (J,) are over; what becomes of them has no meaning.
        """


@dataclass(frozen=True)
class History:
    """One image, step by step.

    Attributes
    ----------
    v, spike, hold : list of array (S, neurons)
        Of each layer after every step.
    events : int64 array (S,)
        Events of the encoder.
    """

    v: list[NDArray]
    spike: list[NDArray[np.bool_]]
    hold: list[NDArray[np.int64]]
    events: NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """What came of all images.

    Attributes
    ----------
    spikes : list of int64 array (T, P, neurons)
        Of each layer.
    answers, steps : int64 array (T, P)
        Answer of each image, and the steps that it took. Trains have no answers, (T, 0).
    history : list (trials) of list (presentations) of History
        Empty unless recorded.
    """

    spikes: list[NDArray[np.int64]]
    answers: NDArray[np.int64]
    steps: NDArray[np.int64]
    history: list[list[History]]


def follow(
    encoder: Encoder | Player, layers: Sequence[Neurons], *, record: bool = False, progress: Progress | None = None
) -> Outcome:
    """Show all images of `encoder` to `layers`."""
    images = encoder.images
    shape = images.steps.shape
    outcome = Outcome(
        spikes=[np.zeros((*shape, layer.neurons), dtype=np.int64) for layer in layers],
        answers=np.zeros(shape if images.decoder in DECODERS else (images.trials, 0), dtype=np.int64),
        steps=np.zeros(shape, dtype=np.int64),
        history=[[] for _ in range(images.trials)] if record else [],
    )
    done = 0
    for wave in encoder.waves():
        _show(wave, images, layers, outcome)
        done += wave.trial.size
        if progress:
            progress(done / images.steps.size)
    return outcome


def _show(wave: Wave | TrainWave, images: Images | Trains, layers: Sequence[Neurons], outcome: Outcome) -> None:
    """Show the images of one wave."""
    which = wave.trial, wave.presentation
    record = bool(outcome.history)
    for layer in layers:
        layer.begin(wave.trial)
    live = np.ones(wave.trial.size, dtype=bool)
    fired = np.zeros((wave.trial.size, layers[-1].neurons), dtype=bool)  # with the first spike of the image
    u, v = (np.zeros(fired.shape, dtype=layers[-1].v.dtype) for _ in range(2))  # with the first spike, at the end
    taken: list[tuple] = []
    for number in range(int(wave.steps.max())):
        live &= number < wave.steps
        if not live.any():
            break
        count = wave.step(number, live)
        events: NDArray = wave.events[:, :-1]
        spikes = []
        for layer, total in zip(layers, outcome.spikes, strict=True):
            spikes.append(layer.step(events, live))
            total[which] += spikes[-1] & live[:, None]
            events = spikes[-1].astype(np.float32)
        outcome.steps[which] += live
        if record:
            taken.append((count, spikes, [layer.v.copy() for layer in layers], [layer.hold.copy() for layer in layers]))
        if images.decoder == "first spike":
            ends = live & spikes[-1].any(axis=1)
            fired[ends], u[ends] = spikes[-1][ends], layers[-1].u[ends]
            live &= ~ends
        ends = live & (number + 1 == wave.steps)
        v[ends] = layers[-1].v[ends]

    if images.decoder == "rate":
        outcome.answers[which] = _largest(v, _of_most(outcome.spikes[-1][which]))
    elif images.decoder == "first spike":
        outcome.answers[which] = np.where(fired.any(axis=1), _largest(u, fired), np.argmax(v, axis=1))
    if record:
        _keep(wave, taken, outcome)


def _of_most(spikes: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark the neurons with the most spikes of each image."""
    return spikes == spikes.max(axis=1, keepdims=True)


def _largest(v: NDArray, among: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Find the neuron with the largest `v` among some; of several the lowest."""
    return np.argmax(np.where(among, v, -np.inf), axis=1)


def _keep(wave: Wave | TrainWave, taken: list[tuple], outcome: Outcome) -> None:
    """Keep what happened in each image of a wave, as long as it was live."""
    count = np.stack([step[0] for step in taken])
    spike, v, hold = (
        [np.stack([step[part][layer] for step in taken]) for layer in range(len(outcome.spikes))] for part in (1, 2, 3)
    )
    for job, (trial, presentation) in enumerate(zip(wave.trial, wave.presentation, strict=True)):
        own = outcome.steps[trial, presentation]
        outcome.history[trial].append(
            History(
                v=[part[:own, job] for part in v],
                spike=[part[:own, job] for part in spike],
                hold=[part[:own, job] for part in hold],
                events=count[:own, job],
            )
        )
