"""The small parts of the integer model: rounding, saturation, random numbers, the inhibition array, trace words.

Everything is vectorised over trials; a trial has one row in every array. Section numbers are those of
docs/arithmetic.md.
"""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.coefficients import LayerCoefficients

__all__ = ["Inhibition", "Log", "Random", "Saturations", "round_shift"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


def round_shift(value: Ints, shift: int) -> Ints:
    """Shift right by `shift`, rounding half up (page head)."""
    return (value + (1 << (shift - 1))) >> shift if shift else value


class Saturations:
    """Clamps words, and counts by name and by trial how many were out of range."""

    def __init__(self, trials: int) -> None:
        self._counts: dict[str, Ints] = {}
        self._trials = trials

    def clamp(self, value: Ints, trials: Ints, name: str) -> Ints:
        """Clamp to 16 bits; row `r` of `value` belongs to trial ``trials[r]``."""
        outside = (value < 0) | (value > 65535)
        return np.clip(value, 0, 65535) if self.count(outside, trials, name) else value

    def count(self, outside: Bools, trials: Ints, name: str) -> bool:
        """Count what is set in `outside` under `name`; returns whether anything is."""
        if not outside.any():
            return False
        counts = self._counts.setdefault(name, np.zeros(self._trials, dtype=np.int64))
        np.add.at(counts, trials, outside.reshape(trials.size, -1).sum(axis=1))
        return True

    def of(self, trials: slice) -> dict[str, int]:
        """Counts of some trials by name, in alphabetical order, without those that are zero."""
        totals = {name: int(counts[trials].sum()) for name, counts in sorted(self._counts.items())}
        return {name: total for name, total in totals.items() if total}


class Random:
    """One xorshift32 generator per trial (section 2)."""

    def __init__(self, seed: Ints) -> None:
        self.state = seed.astype(np.uint32)

    def take(self, trials: Ints) -> Ints:
        """Step the generators of `trials` (an index array) once and return their new states, as int64."""
        s = self.state[trials]
        s ^= s << np.uint32(13)
        s ^= s >> np.uint32(17)
        s ^= s << np.uint32(5)
        self.state[trials] = s
        return s.astype(np.int64)

    def noise(self, trials: Ints, count: int) -> Ints:
        """Take `count` numbers of each trial: the bell curve `noise` of each, shape (len(trials), count)."""
        out = np.empty((trials.size, count), dtype=np.int64)
        for column in range(count):
            s = self.take(trials)
            out[:, column] = (s & 255) + (s >> 8 & 255) + (s >> 16 & 255) + (s >> 24) - 510
        return out


class Inhibition:
    """Lateral inhibition array of one layer (section 8; zhang2021, Fig. 4).

    Parameters
    ----------
    coefficients : LayerCoefficients
        Words `inhibition` and `reference`, structure `neurons`, `inhibition` and `tie`.
    random : Random
        The layer's generator, for ties.

    Attributes
    ----------
    v_l, l_g : bool array (trials, neurons)
        Inputs at the last evaluation, and the gates that it gave.
    """

    def __init__(self, coefficients: LayerCoefficients, random: Random) -> None:
        words, neurons = coefficients.words, coefficients.structure["neurons"]
        trials = words["v_in"].size
        self.tie = coefficients.structure["tie"]
        self.random = random
        self.v_l = np.zeros((trials, neurons), dtype=bool)
        self.suppressed = np.zeros((trials, neurons), dtype=bool)
        self.l_g = np.ones((trials, neurons), dtype=bool)
        self.present = coefficients.structure["inhibition"]
        if self.present:
            array = words["inhibition"].reshape(trials, neurons + 1, neurons)
            self.inhibition, self.bias = array[:, :-1], array[:, -1]
            self.reference = words["reference"]

    def restore(self, v_l: Bools, suppressed: Bools, l_g: Bools) -> None:
        """Go on from what an evaluation with `v_l` left; all (trials, neurons)."""
        self.v_l, self.suppressed, self.l_g = v_l.copy(), suppressed.copy(), l_g.copy()

    def evaluate(self, trials: Ints, v_l: Bools) -> None:
        """Set `l_g` of `trials` (an index array) from their `v_l` (len(trials), neurons).

        An evaluation with an unchanged `v_l` has no effect, so that it may be left out.
        """
        new = v_l & ~self.v_l[trials]
        self.v_l[trials] = v_l
        if not self.present:
            return
        suppressed = self.suppressed[trials] & v_l
        if self.tie != "inhibit":
            tied = np.flatnonzero(np.count_nonzero(new, axis=1) > 1)
            if tied.size:
                losers = new[tied]
                losers[np.arange(tied.size), self._pick(trials[tied], losers)] = False
                suppressed[tied] |= losers
        self.suppressed[trials] = suppressed
        seen = (v_l & ~suppressed).astype(np.int64)
        current = np.einsum("ti,tij->tj", seen, self.inhibition[trials]) + self.bias[trials]
        self.l_g[trials] = current < self.reference[trials]

    def _pick(self, trials: Ints, new: Bools) -> Ints:
        """Choose one of the new rows of each trial."""
        if self.tie == "lowest":
            return np.argmax(new, axis=1)
        neurons = new.shape[1]
        start = (self.random.take(trials) >> 16) * neurons >> 16
        order = (start[:, None] + np.arange(neurons)) % neurons
        first = np.argmax(np.take_along_axis(new, order, axis=1), axis=1)
        return order[np.arange(trials.size), first]


class Log:
    """Trace words of one layer, one list per trial (section 11)."""

    DRIVE, SUBSTEP, THRESHOLD, CONDUCTANCE, RECIPROCAL, HALF = range(1, 7)

    def __init__(self, trials: int) -> None:
        self._parts: list[list[Ints]] = [[] for _ in range(trials)]

    def put(self, trials: Ints, kind: int, index: Ints | np.integer | int, value: Ints) -> None:
        """Append words to each of `trials`; `value` is (len(trials), words), `index` is broadcast over it."""
        words = kind | np.asarray(index, dtype=np.int64) << 4 | value << 20
        for trial, row in zip(trials, words, strict=True):
            self._parts[trial].append(row)

    def words(self) -> list[NDArray[np.uint64]]:
        """Return everything that was put, one array per trial."""
        empty = [np.zeros(0, dtype=np.int64)]
        return [np.concatenate(empty + parts).astype(np.uint64) for parts in self._parts]
