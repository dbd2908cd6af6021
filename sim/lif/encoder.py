"""The encoder: events of layer 1 from the entries of images (docs/lif-arithmetic.md, section 3).

Many images are encoded side by side, also those of one
trial, which share a generator: how often it steps in an image is known before, unless an image may end early.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.lif import xorshift
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LayerSample, LifSpec
from memtwin.sim.lif.trains import Trains
from memtwin.sim.state import State, join

__all__ = ["Encoder", "Player", "TrainWave", "Wave", "source"]

_TOGETHER = 2048  # images in a wave; more need memory and gain nothing


class Wave:
    """Images that are shown side by side, J of them.

    Attributes
    ----------
    trial, presentation : int64 array (J,)
        Which images.
    steps : int64 array (J,)
        For how many steps each is shown.
    events : float32 array (J, rows + 1)
        1 where there is an event in the step taken last. The last column is where entries go that are not there.
    state : uint32 array (J,)
        Generators.
    """

    def __init__(
        self,
        images: Images,
        trial: NDArray[np.int64],
        presentation: NDArray[np.int64],
        rows: int,
        state: xorshift.States,
    ) -> None:
        self.trial, self.presentation, self.state = trial, presentation, state
        self.steps = images.steps[trial, presentation]
        self._latency = images.mode == "latency"
        value = images.value[trial, presentation]
        entries = np.count_nonzero(value, axis=1)
        width = int(entries.max(initial=0))
        value, row = value[:, :width], images.row[trial, presentation, :width]
        # An odd last entry has an empty partner.
        self._value = np.pad(value, ((0, 0), (0, width % 2)))
        row = np.pad(np.where(value > 0, row, rows).astype(np.int64), ((0, 0), (0, width % 2)), constant_values=rows)
        self._place = row + np.arange(trial.size)[:, None] * (rows + 1)
        self._pairs = (entries + 1) // 2
        self.events = np.zeros((trial.size, rows + 1), dtype=np.float32)

    @property
    def draws(self) -> NDArray[np.int64]:
        """How often the generator of each image steps, if it is shown to its end."""
        return np.zeros_like(self.steps) if self._latency else self.steps * self._pairs

    def step(self, number: int, live: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Set `events` to those of step `number`; returns how many there are, (J,).

        The generators of images that are not `live` (J,) stay; their events have no meaning.
        """
        if self._latency:
            spikes = self._value == number + 1
        else:
            numbers = xorshift.stream(self.state, self._value.shape[1] // 2)
            spikes = np.empty(self._value.shape, dtype=bool)
            spikes[:, ::2] = (numbers & 255) < self._value[:, ::2]
            spikes[:, 1::2] = (numbers >> 16 & 255) < self._value[:, 1::2]
            moves = np.flatnonzero(live & (self._pairs > 0))
            self.state[moves] = numbers[moves, self._pairs[moves] - 1]
        # Every entry writes its row, so that nothing is left of the step before.
        self.events.reshape(-1)[self._place] = spikes
        return np.count_nonzero(spikes, axis=1)


class Encoder:
    """Takes the generator of every trial from image to image, from `start` on, or from its seed.

    The physics has an encoder of its own (`sim/lif/physics_encoder.py`).

    Raises
    ------
    InputError
        If an image has more entries than the encoder holds, or a row that layer 1 does not have.
    """

    def __init__(self, spec: LifSpec, images: Images, sample: LayerSample, start: State | None = None) -> None:
        self.rows = spec.layers[0].rows
        self.images = images
        self._state = sample.seed.copy()
        if start is not None:
            low, high = join([start], self.state())["encoder.random"].T
            self._state = (low | high << 16).astype(np.uint32)
        images.check(self.rows, spec.capacity)

    def state(self) -> dict[str, NDArray[np.int64]]:
        """Return what lasts from one image to the next (docs/link.md, section 5), when all waves are over."""
        state = self._state.astype(np.int64)
        return {"encoder.random": np.stack([state & 0xFFFF, state >> 16], axis=1)}

    def waves(self) -> Iterator[Wave]:
        """Yield all images, in waves; a wave must be run to its end before the next is asked for."""
        trials, presentations = self.images.steps.shape
        if self.images.mode == "rate" and self.images.decoder == "first spike":
            # Where the generator is depends on when the image before was over.
            for presentation in range(presentations):
                for start in range(0, trials, _TOGETHER):
                    trial = np.arange(start, min(start + _TOGETHER, trials))
                    yield from self._wave(trial, np.full_like(trial, presentation))
        else:
            for start in range(0, trials * presentations, _TOGETHER):
                image = np.arange(start, min(start + _TOGETHER, trials * presentations))
                yield from self._wave(image // presentations, image % presentations)

    def _wave(self, trial: NDArray[np.int64], presentation: NDArray[np.int64]) -> Iterator[Wave]:
        wave = Wave(self.images, trial, presentation, self.rows, self._state[trial])
        # Images of one trial follow each other: each starts where the one before will have ended.
        before = np.cumsum(wave.draws) - wave.draws
        first = np.searchsorted(trial, trial)  # place of the first image of the same trial
        wave.state = xorshift.jump(wave.state, before - before[first])
        yield wave
        last = np.append(np.diff(trial) > 0, True)
        self._state[trial[last]] = wave.state[last]


class TrainWave:
    """Trains that are shown side by side; attributes as those of `Wave`."""

    def __init__(self, trains: Trains, trial: NDArray[np.int64]) -> None:
        self.trial, self.presentation = trial, np.zeros_like(trial)
        self.steps = trains.steps[trial, 0]
        self._spikes = trains.spikes
        self.events = np.zeros((trial.size, trains.spikes.shape[2] + 1), dtype=np.float32)

    def step(self, number: int, live: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Set `events` to those of step `number`; returns how many there are, (J,)."""
        spikes = self._spikes[self.trial, number]
        self.events[:, :-1] = spikes
        return spikes.sum(axis=1, dtype=np.int64)


class Player:
    """Plays trains of spikes in the place of an encoder; nothing lasts beyond them.

    Raises
    ------
    InputError
        If a train has other rows than layer 1, or more spikes in a step than the gateware holds.
    """

    def __init__(self, spec: LifSpec, trains: Trains) -> None:
        self.images = trains
        trains.check(spec.layers[0].rows, spec.capacity)

    def state(self) -> dict[str, NDArray[np.int64]]:
        """Return what lasts."""
        return {}

    def waves(self) -> Iterator[TrainWave]:
        """Yield all trains, in waves."""
        for start in range(0, self.images.trials, _TOGETHER):
            yield TrainWave(self.images, np.arange(start, min(start + _TOGETHER, self.images.trials)))


def source(spec: LifSpec, shown: Images | Trains, sample: LayerSample, start: State | None = None) -> Encoder | Player:
    """Return what drives layer 1 of a network.

    Raises
    ------
    InputError
        If what is shown is not for this network.
    """
    if isinstance(shown, Trains):
        return Player(spec, shown)
    return Encoder(spec, shown, sample, start)
