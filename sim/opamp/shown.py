"""What is shown to a network: presentations, each driven for a while and then not (docs/opamp-arithmetic.md, 7)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError

__all__ = ["Stimulus"]

_MOST = 2**16 - 1


@dataclass(frozen=True, kw_only=True)
class Stimulus:
    """Presentations of every trial, as arrays with the leading axes (trials, presentations).

    Attributes
    ----------
    pixels : uint8 array (T, P, rows of layer 1)
        1 where the input is driven, with the amplitude `v_pulse` of the layer's circuit.
    on, off : int64 array (T, P)
        Substeps with and, after them, without input.
    gates : uint8 array (T, P, neurons of the last layer)
        1 where the neuron's synapses are connected.
    learn : uint8 array (T, P, layers)
        1 where the layer learns.

    Raises
    ------
    InputError
        If there is nothing to show, or a presentation is too long for the gateware's counters.
    """

    pixels: NDArray[np.uint8]
    on: NDArray[np.int64]
    off: NDArray[np.int64]
    gates: NDArray[np.uint8]
    learn: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if not (self.on.any() or self.off.any()):
            raise InputError("stimulus: expected at least one substep; it is empty")
        for name in ("on", "off"):
            values = getattr(self, name)
            if values.min() < 0 or values.max() > _MOST:
                raise InputError(
                    f"stimulus, {name}: expected 0 to {_MOST} substeps, not {values.max()}; use a longer substep"
                )

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
        on: int | NDArray | Sequence[int],
        off: int | NDArray | Sequence[int],
        gates: NDArray | Sequence[int],
        learn: NDArray | Sequence[int],
    ) -> "Stimulus":
        """Build a stimulus from `pixels` (T, P, rows); everything else is broadcast over trials and presentations."""
        trials, presentations = pixels.shape[:2]

        def vectors(array: NDArray | Sequence[int]) -> NDArray[np.uint8]:
            values = np.asarray(array, dtype=np.uint8)
            return np.broadcast_to(values, (trials, presentations, values.shape[-1])).copy()

        def scalars(array: int | NDArray | Sequence[int]) -> NDArray[np.int64]:
            return np.broadcast_to(np.asarray(array, dtype=np.int64), (trials, presentations)).copy()

        return cls(
            pixels=np.asarray(pixels, dtype=np.uint8),
            on=scalars(on),
            off=scalars(off),
            gates=vectors(gates),
            learn=vectors(learn),
        )

    def starts(self, trial: int) -> NDArray[np.int64]:
        """Substep at which each presentation starts, and at which the last one ends, (P + 1,)."""
        return np.concatenate([[0], np.cumsum(self.on[trial] + self.off[trial])])
