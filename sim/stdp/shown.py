"""What is shown: trains of spikes, step by step, in epochs of equal length (docs/stdp.md)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError

__all__ = ["SpikeTrains", "check_steps"]

_MOST_STEPS = 2**16 - 1


def check_steps(steps: float) -> None:
    """Refuse an epoch that would take too much memory, before arrays of it are made.

    Raises
    ------
    InputError
        If it has more than 65535 steps.
    """
    if steps > _MOST_STEPS:
        raise InputError(f"spike trains: expected at most {_MOST_STEPS} steps, not {steps:.10g}; use a longer step")


@dataclass(frozen=True, kw_only=True)
class SpikeTrains:
    """Spikes of every trial, as arrays with the leading axes (trials, epochs, steps).

    Attributes
    ----------
    inputs : uint8 array (T, P, L, rows)
        1 where the row has a spike, at the very start of the step.
    forced : uint8 array (T, P, L, neurons)
        1 where the neuron is made to spike, right after the inputs of the step.
    learn : uint8 array (T, P)
        1 where the synapses learn.

    Raises
    ------
    InputError
        If there is nothing to show, or the shapes do not fit together.
    """

    inputs: NDArray[np.uint8]
    forced: NDArray[np.uint8]
    learn: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if self.inputs.ndim != 4 or 0 in self.inputs.shape:
            raise InputError(f"spike trains: expected (trials, epochs, steps, rows) of inputs, not {self.inputs.shape}")
        for name, wanted, got in (
            ("forced", self.inputs.shape[:3], self.forced.shape[:3]),
            ("learn", self.inputs.shape[:2], self.learn.shape),
        ):
            if wanted != got:
                raise InputError(f"spike trains, {name}: expected the shape {wanted} as of inputs, not {got}")

    @property
    def trials(self) -> int:
        """Number of trials."""
        return self.inputs.shape[0]

    @property
    def epochs(self) -> int:
        """Number of epochs in each trial."""
        return self.inputs.shape[1]

    @property
    def presentations(self) -> int:
        """Epochs, by the word of other kinds of networks."""
        return self.epochs

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.inputs.shape[2]
