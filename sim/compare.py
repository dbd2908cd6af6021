"""Comparison of two recordings of one run; docs/compare.md says what each pair of levels compares.

Two backends that keep words (`model`, `rtl`, ...) must be equal (`sim/equality.py`). A backend in continuous time
(`physics`, `ngspice`) has no words; against it the errors are stated instead, those of each kind of network in its
``errors.py``. What holds for all of them is here.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.equality import ONE_SIDED, equality
from memtwin.sim.kinds import kind_of
from memtwin.sim.recorded import Key, not_finite, parts
from memtwin.sim.recording import Recording

__all__ = ["CONTINUOUS", "compare"]

CONTINUOUS = {"physics", "ngspice"}
"""Backends without words."""

_RELATIVE = 1e-9  # of times: rounding of floats


def compare(job: Job, a: Recording, b: Recording) -> dict[str, Any]:
    """Compare two recordings of `job`.

    Returns
    -------
    dict
        Of two backends with words what `memtwin.sim.equality.equality` returns. If one of them is the physics or
        ngspice: ``errors``, ``within``, and ``outside``, why it is not within, in words. All are JSON values.

    Raises
    ------
    ValueError
        If a comparison with continuous time lacks events, because the run was not recorded.
    """
    if not CONTINUOUS & {a.backend, b.backend}:
        return equality(job, a, b)
    if not all(layer.events and layer.waveform for recording in (a, b) for layer in recording.layers):
        raise ValueError("a comparison with continuous time must have events: run both with record=True")
    outside = _malformed(job, a, b)
    if outside:  # there is nothing to measure
        return {"errors": {}, "within": False, "outside": outside}
    found = kind_of(job.spec).errors(job, a, b)
    outside = [*found["outside"], *_other_course(job, a, b, found["errors"]), *_miscounted(job, a, b)]
    return {"errors": found["errors"], "within": not outside, "outside": outside}


def _malformed(job: Job, a: Recording, b: Recording) -> list[str]:
    """Say what keeps two recordings from being measured: parts on one side only, other trials, no finite numbers."""
    ours, theirs = _measured(a), _measured(b)
    out = []
    for key in ours | theirs:
        name, _, trial = key
        where = _place(key)
        if key not in ours or key not in theirs:
            out.append(f"{where}: only in one of the recordings")
            continue
        one, other = ours[key], theirs[key]
        if trial is None and one.shape != other.shape:
            out.append(f"{where}: shapes {one.shape} and {other.shape}")
        elif (len(one) != job.shown.trials) if trial is None else (trial >= job.shown.trials):
            out.append(f"{where}: expected {job.shown.trials} trials")
        elif not_finite(one).size or not_finite(other).size:
            out.append(f"{where}: not all numbers are finite")
        elif name == "waveform.time_s" and not (_rises(one) and _rises(other)):
            out.append(f"{where}: expected times that rise")
    return out


def _measured(recording: Recording) -> dict[Key, NDArray]:
    """Arrays that every backend has."""
    found = parts(recording).items()
    return {key: part.values for key, part in found if part.group in ("counts", "traces") and key not in ONE_SIDED}


def _place(key: Key) -> str:
    name, layer, trial = key
    return ", ".join(
        [name, *([] if layer is None else [f"layer {layer}"]), *([] if trial is None else [f"trial {trial}"])]
    )


def _rises(values: NDArray) -> bool:
    return bool((np.diff(values) > 0).all())


def _other_course(job: Job, a: Recording, b: Recording, errors: dict[str, Any]) -> list[str]:
    """Say what else is not the same in trials that did not diverge: duration and time, and how often neurons fired.

    A fire at the end of a presentation may be counted in the next one.
    """
    diverged = [entry["trial"] for entry in errors.get("divergence", ())]
    alike = np.setdiff1d(np.arange(job.shown.trials), diverged)
    out = []
    if (a.duration[alike] != b.duration[alike]).any():
        out.append(f"duration in {kind_of(job.spec).tick}: not the same")
    if not np.allclose(a.time_s[alike], b.time_s[alike], rtol=_RELATIVE, atol=0):
        out.append("time_s: not the same")
    for number, (one, other) in enumerate(zip(a.layers, b.layers, strict=True), 1):
        for name in ("fires", "spikes"):
            ours, theirs = (getattr(layer, name)[alike].sum(axis=1) for layer in (one, other))
            if (ours != theirs).any():
                out.append(f"{name}, layer {number}: not as many")
    return out


def _miscounted(job: Job, a: Recording, b: Recording) -> list[str]:
    """Say which counts are not those of the events in each presentation; one at its very start may be in either."""
    kind = kind_of(job.spec)
    if not kind.counted:
        return []
    out = []
    for recording in (a, b):
        for trial in range(job.shown.trials):
            starts = kind.starts(job, recording, trial)
            tiny = _RELATIVE * float(recording.time_s[trial])
            for number, layer in enumerate(recording.layers, 1):
                for name, event_kind in kind.counted.items():
                    counts = getattr(layer, name)[trial]
                    early, late = np.zeros_like(counts), np.zeros_like(counts)
                    for event in layer.events[trial]:
                        if event.kind == event_kind and 0 <= event.neuron < counts.shape[1]:
                            for moment, table in ((event.time_s - tiny, early), (event.time_s + tiny, late)):
                                place = max(int(np.searchsorted(starts, moment, side="right")) - 1, 0)
                                table[place, event.neuron] += 1
                    total = np.cumsum(counts, axis=0)
                    if (total > np.cumsum(early, axis=0)).any() or (total < np.cumsum(late, axis=0)).any():
                        where = f"trial {trial}, layer {number}, {name}"
                        out.append(f"{where}: not the events of each presentation, in {recording.backend}")
    return out
