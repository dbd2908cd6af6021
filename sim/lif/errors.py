"""Comparison of two recordings of a LIF network, at least one of them in float64.

`event_time_s`
    Largest difference in time between a spike and its counterpart: the k-th of the same neuron in the same image.
`event_count_difference`
    How many spikes more one recording has than the other, summed over neurons, images, layers and trials.
`rms_between_events`
    Root mean square difference of the membranes, as a fraction of the distance from rest to threshold, up to the step
    before the first spike of the neuron that differs.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Run
from memtwin.sim.recording import Recording

__all__ = ["EVENT_STEPS", "RMS_LIMIT", "errors"]

EVENT_STEPS = 2
RMS_LIMIT = 0.01


def errors(job: Run, a: Recording, b: Recording) -> dict[str, Any]:
    """Compare two recordings of `job`.

    Returns
    -------
    dict
        ``errors``, with the keys in the head of this module, and ``within``: no spike is missing, none more than
        `EVENT_STEPS` from its counterpart, and the membranes within `RMS_LIMIT`. All are JSON values.

    Raises
    ------
    ValueError
        If a recording has no waveforms, because the run was not recorded.
    """
    if not all(layer.waveform for recording in (a, b) for layer in recording.layers):
        raise ValueError("a comparison with the physics must have waveforms: run both with record=True")
    late, missing, squares, count = 0, 0, 0.0, 0
    for number, layer in enumerate(job.spec.layers):
        scale = layer.per_neuron("v_threshold") - layer.per_neuron("v_leak")
        missing += int(np.abs(a.layers[number].spikes - b.layers[number].spikes).sum())
        for trial in range(job.program.trials):
            ours, theirs = (
                [_images(recording, number, trial, name) for name in ("v", "spike")] for recording in (a, b)
            )
            for v_one, v_other, s_one, s_other in zip(ours[0], theirs[0], ours[1], theirs[1], strict=True):
                steps = min(len(v_one), len(v_other))
                late = max(late, _latest(s_one, s_other))
                alike = np.cumsum(s_one[:steps] != s_other[:steps], axis=0) == 0
                difference = ((v_one[:steps] - v_other[:steps]) / scale)[alike]
                squares += float(np.sum(difference**2))
                count += difference.size
    rms = float(np.sqrt(squares / max(count, 1)))
    found = {
        "event_time_s": late * job.spec.dt,
        "event_count_difference": missing,
        "rms_between_events": {"v": rms},
    }
    return {"errors": found, "within": missing == 0 and late <= EVENT_STEPS and rms <= RMS_LIMIT}


def _images(recording: Recording, number: int, trial: int, name: str) -> list[NDArray]:
    """One signal of one layer, image by image, each (steps, neurons)."""
    signal = recording.layers[number].waveform[trial].signals[name]
    return np.split(signal, np.cumsum(recording.periods[trial])[:-1])


def _latest(one: NDArray, other: NDArray) -> int:
    """Most steps between a spike and its counterpart, in arrays (steps, neurons)."""
    most = 0
    for neuron in range(one.shape[1]):
        ours, theirs = np.flatnonzero(one[:, neuron]), np.flatnonzero(other[:, neuron])
        pairs = min(ours.size, theirs.size)
        most = max(most, int(np.abs(ours[:pairs] - theirs[:pairs]).max(initial=0)))
    return most
