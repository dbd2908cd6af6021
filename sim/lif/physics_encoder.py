"""The encoder of the physics: which rows spike in each step of an image (docs/lif-arithmetic.md, section 3).

The random bits are part of the stimulus: every level is shown the same events. They are made here a second time, from
the page and from Marsaglia's xorshift32, one number after the other, and nothing is shared with the encoder of the
integers (`sim/lif/encoder.py`), so that equal events mean that both encode as the page says.
"""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.trains import Trains

__all__ = ["Encoder", "Player", "numbers", "source"]


def numbers(state: int, count: int) -> list[int]:
    """Return the next `count` numbers of the generator, each of which is its state."""
    out = []
    for _ in range(count):
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        out.append(state)
    return out


def source(shown: Images | Trains, rows: int, seeds: NDArray[np.uint32]) -> "Encoder | Player":
    """Return what drives layer 1."""
    return Player(shown) if isinstance(shown, Trains) else Encoder(shown, rows, seeds)


class Player:
    """Plays trains of spikes in the place of an encoder."""

    def __init__(self, trains: Trains) -> None:
        self._spikes, self.rows = trains.spikes, trains.spikes.shape[2]

    def events(self, trial: int, presentation: int) -> NDArray[np.uint8]:
        """Spikes of a trial, (steps, rows)."""
        return self._spikes[trial]

    def ended(self, trial: int, steps: int) -> None:
        """Nothing is drawn that would have to be taken back."""


class Encoder:
    """Encodes the images of every trial, in order.

    Parameters
    ----------
    images : Images
        What is shown.
    rows : int
        Rows of layer 1.
    seeds : array (trials,)
        Where the generator of each trial starts.
    """

    def __init__(self, images: Images, rows: int, seeds: NDArray[np.uint32]) -> None:
        self._images, self.rows = images, rows
        self._state = [int(seed) for seed in seeds]
        self._drawn: dict[int, NDArray[np.uint32]] = {}  # by trial, (steps, pairs) of its last image

    def events(self, trial: int, presentation: int) -> NDArray[np.bool_]:
        """Encode an image as if it were shown to its end, (steps, rows); it comes after the one encoded before."""
        images, steps = self._images, int(self._images.steps[trial, presentation])
        there = images.value[trial, presentation] > 0
        value = images.value[trial, presentation][there].astype(np.int64)
        row = images.row[trial, presentation][there].astype(np.int64)
        out = np.zeros((steps, self.rows), dtype=bool)
        if images.mode == "latency":
            early = value <= steps
            out[value[early] - 1, row[early]] = True
            return out
        pairs = (value.size + 1) // 2
        drawn = np.array(numbers(self._state[trial], steps * pairs), dtype=np.uint32).reshape(steps, pairs)
        thrown = np.stack([drawn & 255, drawn >> 16 & 255], axis=2).reshape(steps, 2 * pairs)
        out[:, row] = thrown[:, : value.size] < value
        self._drawn[trial] = drawn
        self.ended(trial, steps)
        return out

    def ended(self, trial: int, steps: int) -> None:
        """Take back what was drawn for later steps than `steps` of the trial's last image: it was over by then."""
        drawn = self._drawn.get(trial)
        if drawn is not None and drawn.size:
            self._state[trial] = int(drawn[steps - 1, -1])
