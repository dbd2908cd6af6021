"""Random numbers of the physics: the sequence of docs/arithmetic.md, section 2, read as a continuous spread.

Same seed, same bits on every level: a threshold is drawn from the same random number at every level, and only what is
made of it (a float here, a rounded word below) differs.
"""

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["BELL_SD", "Xorshift32", "bell"]

BELL_SD = math.sqrt(4 * (256**2 - 1) / 12)
"""Standard deviation of `bell`: the sum of four uniform bytes (Irwin-Hall)."""


class Xorshift32:
    """Marsaglia's xorshift32, one generator per trial.

    Parameters
    ----------
    seed : uint32 array (trials,)
        State after power-up; zero would stay zero.
    """

    def __init__(self, seed: NDArray[np.uint32]) -> None:
        self.state = np.asarray(seed, dtype=np.uint32).copy()

    def take(self, trials: NDArray[np.bool_]) -> NDArray[np.uint32]:
        """Step the generators of the marked trials once; return every state (trials,)."""
        s = self.state.copy()
        s ^= s << np.uint32(13)
        s ^= s >> np.uint32(17)
        s ^= s << np.uint32(5)
        self.state = np.where(trials, s, self.state)
        return self.state


def bell(state: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Noise read from random numbers: sum of the four bytes minus 510; mean 0, sd `BELL_SD`, at most 3.45 sd."""
    total = (state & 255) + ((state >> 8) & 255) + ((state >> 16) & 255) + (state >> 24)
    return total.astype(np.float64) - 510.0
