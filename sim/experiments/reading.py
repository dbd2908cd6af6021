"""What the single-device experiments read from a recording."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.recording import LayerRecording

__all__ = ["amplitude", "by_amplitude", "rate", "times"]


def times(layer: LayerRecording, trial: int, kind: str, neuron: int = 0) -> NDArray[np.float64]:
    """Times, s, of the events of one kind of one neuron."""
    return np.array([event.time_s for event in layer.events[trial] if event.kind == kind and event.neuron == neuron])


def rate(spike_s: NDArray[np.float64]) -> float:
    """Mean rate, Hz, between the first and the last of some spikes, to twelve digits; zero for fewer than two."""
    if spike_s.size < 2:
        return 0.0
    # Equal rates must be equal numbers, whatever the rounding of the times.
    return float(f"{(spike_s.size - 1) / (spike_s[-1] - spike_s[0]):.12g}")


def amplitude(volts: float) -> str:
    """Key of an amplitude: ``"1.4"``."""
    return f"{volts:.1f}"


def _mean_sd(values: NDArray[np.float64]) -> dict[str, float | int | None]:
    """Mean, standard deviation (of the sample) and number of the values that are not nan; null where too few are."""
    there = values[~np.isnan(values)]
    n = there.size
    return {
        "mean": float(there.mean()) if n else None,
        "sd": float(there.std(ddof=1)) if n > 1 else None,
        "n": n,
    }


def by_amplitude(volts: Sequence[float], measured: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    """Distributions of what was measured at several amplitudes, (trials, amplitudes), and the values themselves.

    Each `n` counts the trials in which there was something to measure.
    """
    keys = [amplitude(value) for value in volts]
    out: dict[str, Any] = {"n": len(next(iter(measured.values())))}
    for name, values in measured.items():
        out[name] = {key: _mean_sd(column) for key, column in zip(keys, values.T, strict=True)}
    out["per_trial"] = {
        name: {key: _or_null(column) for key, column in zip(keys, values.T, strict=True)}
        for name, values in measured.items()
    }
    return out


def _or_null(values: NDArray[np.float64]) -> list[float | None]:
    """Values as JSON has them: null for nan."""
    return [None if np.isnan(value) else float(value) for value in values]
