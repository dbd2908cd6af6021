"""Sums of the weights of the inputs that spike, of many images at once, which may be of several trials."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["Synapses"]


class Synapses:
    """Weights (trials, rows, neurons), or (1, rows, neurons) if they are the same in all trials."""

    def __init__(self, weight: NDArray[np.floating]) -> None:
        # Devices without spread: one matrix, and one product for all images.
        self._weight = weight[:1] if (weight == weight[:1]).all() else weight

    def begin(self, trial: NDArray[np.int64]) -> None:
        """Begin images, which belong to `trial` (J,)."""
        self._trial = trial

    def sums(self, events: NDArray[np.floating]) -> NDArray[np.floating]:
        """Add up, for the inputs `events` (J, rows), 1 where there is one; returns (J, neurons)."""
        if len(self._weight) == 1:
            return events @ self._weight[0]
        out = np.empty((len(events), self._weight.shape[2]), dtype=self._weight.dtype)
        for trial in np.unique(self._trial):
            own = self._trial == trial
            out[own] = events[own] @ self._weight[trial]
        return out
