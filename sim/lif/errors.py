"""Comparison of two recordings of a LIF network, one of them of the physics.

`event_time_s`
    Largest difference in time between a spike and its counterpart: the k-th of the same neuron in the same image.
`event_count_difference`
    How many spikes more one recording has than the other, summed over neurons, images, layers and trials.
`rms_between_events`
    Root mean square difference of the membranes, as a fraction of the distance from rest to threshold, up to the step
    before the first spike of the neuron in the image that differs.
`answers_different`
    Images with another answer.
`divergence`
    For each trial in which a spike is not in the same step of both, the first one: its image, layer, neuron and time.
`bounds`
    The largest part of its allowance that was used, by what it is of: `membrane`, `threshold`, `reset`, `weight` (see
    `memtwin.sim.lif.check`).

`within` is true if every step of every neuron of both recordings is off by no more than rounding explains, every spike
and its absence as well, weights are within half a level, and counts, events, steps and answers are those of the
membranes and spikes. Nothing is excused: where one membrane crosses the threshold and the other just does not, the two
go on with different states, and each goes on being checked.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.bounded import judged
from memtwin.sim.lif.check import Check, allowances
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.recording import Recording

__all__ = ["errors"]


def errors(job: Job, a: Recording, b: Recording) -> dict[str, Any]:
    """Compare two recordings of `job`, made with ``record=True``.

    Returns
    -------
    dict
        ``errors``, with the keys in the head of this module; ``within``; and ``outside``, why not. All are JSON values.
    """
    assert isinstance(a, LifRecording)
    assert isinstance(b, LifRecording)
    checks = [
        (recording.backend, Check(job, recording, allowances(job, words=recording.backend != "physics")))
        for recording in (a, b)
    ]
    outside, bounds = judged(checks)
    late, missing, squares, count = 0, 0, 0.0, 0
    divergence = []
    for trial in range(job.shown.trials):
        differs = []
        for number, layer in enumerate(job.spec.layers):
            scale = layer.per_neuron("v_threshold") - layer.per_neuron("v_leak")
            missing += int(np.abs(a.layers[number].spikes[trial] - b.layers[number].spikes[trial]).sum())
            ours, theirs = (_images(recording, number, trial) for recording in (a, b))
            for image, ((v_one, s_one), (v_other, s_other)) in enumerate(zip(ours, theirs, strict=True)):
                steps = min(len(v_one), len(v_other))
                late = max(late, _latest(s_one, s_other))
                unlike = s_one[:steps] != s_other[:steps]
                alike = np.cumsum(unlike, axis=0) == 0
                difference = ((v_one[:steps] - v_other[:steps]) / scale)[alike]
                squares += float(np.sum(difference**2))
                count += difference.size
                differs += [(image, int(step), number + 1, int(neuron)) for step, neuron in np.argwhere(unlike)[:1]]
        if differs:
            image, step, number, neuron = min(differs)
            time = (int(a.duration[trial, :image].sum()) + step + 1) * job.spec.dt
            divergence.append({"trial": trial, "time_s": time, "image": image, "layer": number, "neuron": neuron})
    found = {
        "event_time_s": late * job.spec.dt,
        "event_count_difference": missing,
        "rms_between_events": {"v": float(np.sqrt(squares / max(count, 1)))},
        "answers_different": int(np.count_nonzero(a.answers != b.answers)),
        "divergence": divergence,
        "bounds": bounds,
    }
    return {"errors": found, "within": not outside, "outside": outside}


def _images(recording: Recording, number: int, trial: int) -> list[tuple[NDArray, NDArray]]:
    """Membrane and spikes of one layer, image by image, each (steps, neurons)."""
    signals = recording.layers[number].waveform[trial].signals
    ends = np.cumsum(recording.duration[trial])[:-1]
    return list(zip(*(np.split(signals[name], ends) for name in ("v", "spike")), strict=True))


def _latest(one: NDArray, other: NDArray) -> int:
    """Most steps between a spike and its counterpart, in arrays (steps, neurons)."""
    most = 0
    for neuron in range(one.shape[1]):
        ours, theirs = np.flatnonzero(one[:, neuron]), np.flatnonzero(other[:, neuron])
        pairs = min(ours.size, theirs.size)
        most = max(most, int(np.abs(ours[:pairs] - theirs[:pairs]).max(initial=0)))
    return most
