"""What a run of STDP synapses leaves behind, beside what every run does."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.recording import Recording

__all__ = ["StdpRecording"]


@dataclass
class StdpRecording(Recording):
    """One run; presentations are epochs, `duration` the steps of each, events are of the kind ``"spike"``.

    Attributes
    ----------
    history : float array (trials, epochs, neurons, rows)
        Conductance at the end of each epoch, S.
    """

    history: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0, 0, 0)))
