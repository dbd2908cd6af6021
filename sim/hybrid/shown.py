"""What is shown to a network: a sequence of presentations (docs/arithmetic.md, section 10), one sequence per trial."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Program"]


@dataclass(frozen=True, kw_only=True)
class Program:
    """Presentations of every trial, as arrays with the leading axes (trials, presentations).

    Users give `mt.simulate` an array, events or `mt.program` instead.

    Attributes
    ----------
    pixels : uint8 array (T, P, rows of layer 1)
        1 where the input pulses.
    gates : uint8 array (T, P, neurons of the last layer)
        1 where the shared gate of the neuron's synapses is open.
    learn : uint8 array (T, P, layers)
        1 where the layer learns.
    until, fires, periods, rest : int64 array (T, P)
        Layer (0 is layer 1) whose fires are counted; fires that end the presentation, or 0 for exactly `periods`;
        the most clock periods; periods of rest after it.
    """

    pixels: NDArray[np.uint8]
    gates: NDArray[np.uint8]
    learn: NDArray[np.uint8]
    until: NDArray[np.int64]
    fires: NDArray[np.int64]
    periods: NDArray[np.int64]
    rest: NDArray[np.int64]

    @property
    def trials(self) -> int:
        """Number of trials."""
        return self.pixels.shape[0]

    @property
    def presentations(self) -> int:
        """Number of presentations in each trial."""
        return self.pixels.shape[1]

    @classmethod
    def build(
        cls,
        pixels: NDArray,
        *,
        gates: NDArray,
        learn: NDArray | tuple[int, ...],
        periods: int | NDArray,
        until: int | NDArray = 0,
        fires: int | NDArray = 0,
        rest: int | NDArray = 0,
    ) -> "Program":
        """Build a program from `pixels` (T, P, rows); everything else is broadcast over trials and presentations."""
        trials, presentations = pixels.shape[:2]

        def vectors(array: NDArray | tuple[int, ...]) -> NDArray[np.uint8]:
            array = np.asarray(array, dtype=np.uint8)
            return np.broadcast_to(array, (trials, presentations, array.shape[-1])).copy()

        def scalars(array: int | NDArray) -> NDArray[np.int64]:
            return np.broadcast_to(np.asarray(array, dtype=np.int64), (trials, presentations)).copy()

        return cls(
            pixels=np.asarray(pixels, dtype=np.uint8),
            gates=vectors(gates),
            learn=vectors(learn),
            until=scalars(until),
            fires=scalars(fires),
            periods=scalars(periods),
            rest=scalars(rest),
        )

    def take(self, presentations: slice) -> "Program":
        """Return some of the presentations of every trial."""
        return Program(**{name: values[:, presentations] for name, values in vars(self).items()})

    def then(self, other: "Program") -> "Program":
        """Return this program followed by `other`, trial by trial."""
        return Program(
            **{name: np.concatenate([getattr(self, name), getattr(other, name)], axis=1) for name in vars(self)}
        )
