"""Comparison of two recordings of STDP synapses, one of them of the physics.

`event_time_s`
    Largest difference in time between a spike and its counterpart, before `divergence`.
`event_count_difference`
    How many spikes more one recording has than the other, summed over neurons and trials.
`rms_between_events`
    Root mean square difference of `g`, the conductances at the ends of the epochs, and of `u`, the membrane, as
    fractions of 1 / `r_on` and of `v_th`, before `divergence`.
`divergence`
    For each trial in which a spike of one recording is not in the other, the time and neuron of the first such spike;
    from there on the two learn from different spikes.
`bounds`
    The largest part of its allowance that was used, by what it is of: `membrane`, `threshold`, `initial`, `conductance`
    (see `memtwin.sim.stdp.check`).

`within` is true if every step of every membrane and every learning step of both recordings is off by no more than
rounding explains, every spike and its absence as well, and counts, events, periods and conductances are those of the
steps. Nothing is excused: where one membrane crosses the threshold and the other just does not, the two go on with
different states, and each goes on being checked.
"""

from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.bounded import judged, root_mean
from memtwin.sim.recording import Recording
from memtwin.sim.stdp.check import Check
from memtwin.sim.stdp.recording import StdpRecording

__all__ = ["errors"]


def errors(job: Job, a: Recording, b: Recording) -> dict[str, Any]:
    """Compare two recordings of `job`, made with ``record=True``.

    Returns
    -------
    dict
        ``errors``, with the keys in the head of this module; ``within``; and ``outside``, why not. All are JSON values.
    """
    assert isinstance(a, StdpRecording)
    assert isinstance(b, StdpRecording)
    checks = [(recording.backend, Check(job, recording, words=recording.backend != "physics")) for recording in (a, b)]
    outside, bounds = judged(checks)
    trains, spec = job.shown, job.spec
    time_error, count_difference = 0.0, 0
    divergence: list[dict[str, Any]] = []
    squares: dict[str, list[NDArray]] = {"g": [], "u": []}
    for trial in range(trains.trials):
        count_difference += int(np.abs(a.layers[0].spikes[trial].sum(0) - b.layers[0].spikes[trial].sum(0)).sum())
        matched, found = _divergence(job, a, b, trial)
        time_error = max(time_error, matched)
        steps = trains.epochs * trains.steps
        if found is not None:
            divergence.append({"trial": trial, **found})
            steps = round(found["time_s"] / spec.step)
        epochs = steps // trains.steps
        one, other = (recording.layers[0].waveform[trial].signals["u"][:steps] for recording in (a, b))
        shared = min(len(one), len(other))
        squares["g"].append(((a.history[trial, :epochs] - b.history[trial, :epochs]) / spec.g_on).ravel() ** 2)
        squares["u"].append(((one[:shared] - other[:shared]) / spec.device["v_th"]).ravel() ** 2)
    return {
        "errors": {
            "event_time_s": time_error,
            "event_count_difference": count_difference,
            "rms_between_events": {name: root_mean(parts) for name, parts in squares.items()},
            "divergence": divergence,
            "bounds": bounds,
        },
        "within": not outside,
        "outside": outside,
    }


def _divergence(job: Job, a: StdpRecording, b: StdpRecording, trial: int) -> tuple[float, dict[str, Any] | None]:
    """Largest difference in time of the spikes before recordings diverge, and where they do."""
    half_step = job.spec.step / 2
    worst = 0.0
    for ours, theirs in zip_longest(a.layers[0].events[trial], b.layers[0].events[trial]):
        if ours and theirs and ours.neuron == theirs.neuron and abs(ours.time_s - theirs.time_s) < half_step:
            worst = max(worst, abs(ours.time_s - theirs.time_s))
            continue
        time, neuron = min((event.time_s, event.neuron) for event in (ours, theirs) if event)
        return worst, {"time_s": time, "neuron": neuron}
    return worst, None
