"""What is shown: currents that are constant in each presentation, and trains of spikes, step by step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError

__all__ = ["MOST_CURRENT", "MOST_STEPS", "Drive"]

MOST_STEPS = 2**16 - 1
MOST_CURRENT = 100.0
"""Largest magnitude of a current and of a weight, mV/ms: what their words hold with any `b`."""


@dataclass(frozen=True, kw_only=True)
class Drive:
    """Spikes and currents of every trial.

    Attributes
    ----------
    steps : tuple of int
        Steps of each presentation (P), the same in all trials; S steps together.
    inputs : uint8 array (T, S, rows)
        1 where the row has a spike in the step.
    current : float array (T, P, neurons)
        Constant current of each neuron in each presentation, mV/ms.

    Raises
    ------
    InputError
        If there is nothing to show, the shapes do not fit together, a presentation is too long for the gateware's
        counter, or a current is out of range.
    """

    steps: tuple[int, ...]
    inputs: NDArray[np.uint8]
    current: NDArray[np.float64]

    def __post_init__(self) -> None:
        if not self.steps or not all(1 <= steps <= MOST_STEPS for steps in self.steps):
            raise InputError(f"drive, steps: expected 1 to {MOST_STEPS} in each presentation, not {self.steps}")
        if self.inputs.ndim != 3 or 0 in self.inputs.shape or self.inputs.shape[1] != sum(self.steps):
            raise InputError(
                f"drive, inputs: expected (trials, {sum(self.steps)} steps, rows), not the shape {self.inputs.shape}"
            )
        wanted = (self.trials, len(self.steps))
        if self.current.ndim != 3 or 0 in self.current.shape or self.current.shape[:2] != wanted:
            raise InputError(
                f"drive, current: expected ({wanted[0]} trials, {wanted[1]} presentations, neurons), "
                f"not the shape {self.current.shape}"
            )
        if not (np.abs(self.current) <= MOST_CURRENT).all():
            raise InputError(f"drive, current: expected -{MOST_CURRENT:g} to {MOST_CURRENT:g} (mV/ms)")

    @property
    def trials(self) -> int:
        """Number of trials."""
        return self.inputs.shape[0]

    @property
    def presentations(self) -> int:
        """Number of presentations in each trial."""
        return len(self.steps)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Step with which each presentation starts, (P,)."""
        return np.cumsum(self.steps) - np.array(self.steps)
