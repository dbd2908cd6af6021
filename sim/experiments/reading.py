"""What the single-device experiments read from a recording."""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.recording import LayerRecording

__all__ = ["amplitude", "mean_sd", "rate", "times"]


def times(layer: LayerRecording, trial: int, kind: str, neuron: int = 0) -> NDArray[np.float64]:
    """Times, s, of the events of one kind of one neuron."""
    return np.array([event.time_s for event in layer.events[trial] if event.kind == kind and event.neuron == neuron])


def rate(spike_s: NDArray[np.float64]) -> float:
    """Mean rate, Hz, between the first and the last of some spikes, to a microhertz; zero for fewer than two."""
    if spike_s.size < 2:
        return 0.0
    # Equal rates must be equal numbers, whatever the rounding of the times.
    return round(float((spike_s.size - 1) / (spike_s[-1] - spike_s[0])), 6)


def amplitude(volts: float) -> str:
    """Key of an amplitude: ``"1.4"``."""
    return f"{volts:.1f}"


def mean_sd(values: list[float]) -> dict[str, float | int | None]:
    """Mean, standard deviation (of the sample) and number of some values; null where there are too few."""
    n = len(values)
    return {
        "mean": float(np.mean(values)) if n else None,
        "sd": float(np.std(values, ddof=1)) if n > 1 else None,
        "n": n,
    }
