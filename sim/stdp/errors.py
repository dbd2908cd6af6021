"""Comparison of two recordings of STDP synapses, one of them of the physics.

`event_time_s`
    Largest difference in time between a spike and its counterpart, before `divergence`.
`event_count_difference`
    How many spikes more one recording has than the other, summed over neurons and trials.
`rms_between_events`
    Root mean square difference of `g`, the conductances at the ends of the epochs, and of `u`, the membrane, as
    fractions of 1 / `r_on` and of `v_th`, before `divergence`.
`divergence`
    For each trial in which a spike of one recording is not in the other, the time of the first such spike; from there
    on the two learn from different spikes. `reason` says what decided: ``"threshold"`` if the membrane of the one that
    stayed silent was within `NEAR` of its threshold, which rounding cannot tell apart, or ``"unexplained"``.

`within` is true if no divergence is unexplained and no trace is off by more than `RMS_LIMIT`.
"""

from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Run
from memtwin.sim.recording import Recording
from memtwin.sim.stdp.recording import StdpRecording

__all__ = ["NEAR", "RMS_LIMIT", "errors"]

RMS_LIMIT = 0.002
NEAR = 0.005


def errors(job: Run, a: Recording, b: Recording) -> dict[str, Any]:
    """Compare two recordings of `job`; returns ``errors`` and ``within``, JSON values.

    Raises
    ------
    ValueError
        If a recording has no events, because the run was not recorded.
    """
    assert isinstance(a, StdpRecording)
    assert isinstance(b, StdpRecording)
    if not (a.layers[0].waveform and b.layers[0].waveform):
        raise ValueError("a comparison with continuous time must have events: run both with record=True")
    trains, spec = job.program, job.spec
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
        squares["g"].append(((a.history[trial, :epochs] - b.history[trial, :epochs]) / spec.g_on).ravel() ** 2)
        squares["u"].append(((one - other) / spec.device["v_th"]).ravel() ** 2)
    values = {name: np.concatenate(parts) for name, parts in squares.items()}
    rms = {name: float(np.sqrt(part.mean())) if part.size else 0.0 for name, part in values.items()}
    return {
        "errors": {
            "event_time_s": time_error,
            "event_count_difference": count_difference,
            "rms_between_events": rms,
            "divergence": divergence,
        },
        "within": all(entry["reason"] == "threshold" for entry in divergence) and max(rms.values()) <= RMS_LIMIT,
    }


def _divergence(job: Run, a: StdpRecording, b: StdpRecording, trial: int) -> tuple[float, dict[str, Any] | None]:
    """Largest difference in time of the spikes before recordings diverge, and where they do."""
    half_step = job.spec.step / 2
    worst = 0.0
    for ours, theirs in zip_longest(a.layers[0].events[trial], b.layers[0].events[trial]):
        if ours and theirs and ours.neuron == theirs.neuron and abs(ours.time_s - theirs.time_s) < half_step:
            worst = max(worst, abs(ours.time_s - theirs.time_s))
            continue
        spikes = [(event.time_s, event.neuron, silent) for event, silent in ((ours, b), (theirs, a)) if event]
        time, neuron, silent = min(spikes, key=lambda spike: spike[:2])
        membrane = silent.layers[0].waveform[trial].signals["u"][round(time / job.spec.step), neuron]
        near = abs(membrane - job.spec.device["v_th"]) <= NEAR * job.spec.device["v_th"]
        return worst, {"time_s": time, "reason": "threshold" if near else "unexplained"}
    return worst, None
