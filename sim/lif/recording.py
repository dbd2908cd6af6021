"""What a run of a LIF network leaves behind, beside what every run does."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.recording import Recording

__all__ = ["LifRecording"]


@dataclass
class LifRecording(Recording):
    """One run of images; `duration` is the steps that each took, presentations are images.

    Attributes
    ----------
    answers : int64 array (trials, presentations)
        Neuron of the last layer that the decoder chose for each image; of trains there are none, (trials, 0).
    events : int64 array (trials, presentations) or None
        Events of the encoder in each image (`rtl` only).
    """

    answers: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), dtype=np.int64))
    events: NDArray[np.int64] | None = None
