"""What is shown to a LIF network without an encoder: trains of spikes (docs/lif-arithmetic.md, section 7)."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError

__all__ = ["Trains"]

_LONGEST = 2**16 - 1  # steps of a presentation, which the gateware counts


@dataclass(frozen=True, kw_only=True, eq=False)
class Trains:
    """One train of spikes in every trial, from rest on; it is one presentation, however long.

    Attributes
    ----------
    spikes : uint8 array (trials, S, rows of layer 1)
        How many spikes a row has in each step.

    Raises
    ------
    InputError
        If there is nothing to show.
    """

    mode: ClassVar[str] = "trains"
    decoder: ClassVar[str] = "none"
    presentations: ClassVar[int] = 1

    spikes: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.spikes.ndim != 3 or 0 in self.spikes.shape:
            raise InputError(f"trains: expected (trials, steps, rows), not the shape {self.spikes.shape}")

    @property
    def trials(self) -> int:
        """Number of trials."""
        return self.spikes.shape[0]

    @property
    def steps(self) -> NDArray[np.int64]:
        """Steps of each train, (trials, 1)."""
        return np.full((self.trials, 1), self.spikes.shape[1], dtype=np.int64)

    def check(self, rows: int, capacity: int) -> None:
        """Refuse trains that do not fit a layer 1 of `rows`, or a list of so many events.

        Raises
        ------
        InputError
            Then.
        """
        if self.spikes.shape[2] != rows:
            raise InputError(f"trains: expected {rows} rows (of layer 1), not {self.spikes.shape[2]}")
        if (most := int(self.spikes.sum(axis=2, dtype=np.int64).max())) > capacity:
            raise InputError(f"trains: expected at most {capacity} spikes in a step (capacity), not {most}")

    def pieces(self, trial: int, capacity: int) -> list[slice]:
        """Steps of a trial, in pieces that the counter and a list of `capacity` events hold."""
        until = np.cumsum(self.spikes[trial].sum(axis=1, dtype=np.int64))
        out, start, before = [], 0, 0
        while start < until.size:
            end = min(start + _LONGEST, int(np.searchsorted(until, before + capacity, side="right")))
            out.append(slice(start, end))
            start, before = end, int(until[end - 1])
        return out
