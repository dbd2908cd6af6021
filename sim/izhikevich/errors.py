"""Comparison of two recordings of Izhikevich neurons, one of them of the physics.

`event_time_s`
    Largest difference in time between a spike and its counterpart: the k-th of the same neuron. Forward Euler is late
    with each spike, and the times add up (docs/izhikevich.md, section 6).
`interval_s`
    Largest difference between an interval of two spikes and its counterpart.
`event_count_difference`
    How many spikes more one recording has than the other, summed over neurons and trials.
`rms_between_events`
    Root mean square difference of `v` (V) and `u` (V/s), of each neuron up to the first spike of either.
`divergence`
    For each trial in which a neuron does not spike as often in both, the first spike without counterpart.
`bounds`
    The largest part of its allowance that was used, by what it is of (see `memtwin.sim.izhikevich.check`).

`within` is true if every step of both recordings follows from the states before it: of the physics by the differential
equations, of the integers by forward Euler and rounding; every spike and its absence as well, and counts, events and
periods are those of the samples. Nothing is excused, and nothing is said of how far Euler is from the physics in the
end: that is what the other numbers measure.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.bounded import judged, root_mean
from memtwin.sim.izhikevich.check import Check
from memtwin.sim.recording import Recording

__all__ = ["errors"]


def errors(job: Job, a: Recording, b: Recording) -> dict[str, Any]:
    """Compare two recordings of `job`, made with ``record=True``.

    Returns
    -------
    dict
        ``errors``, with the keys in the head of this module; ``within``; and ``outside``, why not. All are JSON values.
    """
    checks = [(recording.backend, Check(job, recording, words=recording.backend != "physics")) for recording in (a, b)]
    outside, bounds = judged(checks)
    late, interval, count = 0.0, 0.0, 0
    divergence: list[dict[str, Any]] = []
    squares: dict[str, list[NDArray]] = {"v": [], "u": []}
    for trial in range(job.shown.trials):
        lost: list[tuple[float, int]] = []
        for neuron in range(job.spec.neurons):
            one, other = (_times(recording, trial, neuron) for recording in (a, b))
            pairs = min(one.size, other.size)
            late = max(late, float(np.abs(one[:pairs] - other[:pairs]).max(initial=0.0)))
            gaps = np.abs(np.diff(one[:pairs]) - np.diff(other[:pairs]))
            interval = max(interval, float(gaps.max(initial=0.0)))
            count += abs(one.size - other.size)
            lost += [(float(time), neuron) for time in [*one[pairs:], *other[pairs:]][:1]]
        if lost:
            time, neuron = min(lost)
            divergence.append({"trial": trial, "time_s": time, "neuron": neuron})
        ours, theirs = (recording.layers[0].waveform[trial].signals for recording in (a, b))
        if len(ours["spike"]) == len(theirs["spike"]):
            silent = np.cumsum(ours["spike"] | theirs["spike"], axis=0) == 0
            for name, parts in squares.items():
                parts.append((ours[name] - theirs[name])[silent] ** 2)
    found = {
        "event_time_s": late,
        "interval_s": interval,
        "event_count_difference": count,
        "rms_between_events": {name: root_mean(parts) for name, parts in squares.items()},
        "divergence": divergence,
        "bounds": bounds,
    }
    return {"errors": found, "within": not outside, "outside": outside}


def _times(recording: Recording, trial: int, neuron: int) -> NDArray[np.float64]:
    """Times of the spikes of a neuron."""
    return np.array([event.time_s for event in recording.layers[0].events[trial] if event.neuron == neuron])
