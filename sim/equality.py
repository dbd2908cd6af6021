"""Equality of two recordings of backends with words: everything that they hold, bit for bit.

Words of the trace come first, because the first that differs tells most; then counts, answers, conductances and times;
the state at the end; and what is decoded from the words. What one side holds the other must hold, and a number that is
NaN or infinite is equal to nothing. One side alone may have windows of the state of a kind that keeps none (only the
link reads them), and counts of the encoder's events (the model does not count them). Fabric clocks are no part of what
a network does.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.kinds import kind_of
from memtwin.sim.recorded import GROUPS, Key, Part, not_finite, parts, shown
from memtwin.sim.recording import Recording

__all__ = ["ONE_SIDED", "equality"]

Difference = dict[str, Any]

ONE_SIDED: tuple[Key, ...] = (("events", None, None),)
"""What only some backends have: how many events the encoder of a LIF network made."""


def equality(job: Job, a: Recording, b: Recording) -> dict[str, Any]:
    """Compare two recordings of `job`.

    Returns
    -------
    dict
        ``equal``; ``words`` that were compared, or, if the run was not recorded, numbers; ``ticks``, passes over a
        layer among the words; ``first_difference``; ``compared``, how many values of each of
        `memtwin.sim.recorded.GROUPS`. All are JSON values.
    """
    ours, theirs = parts(a), parts(b)
    groups = {key: part.group for key, part in (ours | theirs).items()} | _needed(job, a, b, ours | theirs)
    compared, ticks, first = dict.fromkeys(GROUPS, 0), 0, None
    for key in sorted(groups, key=lambda key: GROUPS.index(groups[key])):
        one, other = ours.get(key), theirs.get(key)
        if one is None or other is None:
            if first is None and not _may_lack(job, key, groups[key]):
                first = _told(key, None, _size(one), _size(other))
            continue
        compared[groups[key]] += max(one.values.size, other.values.size)
        if groups[key] == "words":
            ticks += kind_of(job.spec).trace.passes(one.values)
        if first is None:
            first = _difference(job, key, one, other)
    return {
        "equal": first is None,
        "words": compared["words"] or compared["counts"] + compared["state"],
        "ticks": ticks,
        "first_difference": first,
        "compared": compared,
    }


def _needed(job: Job, a: Recording, b: Recording, there: Mapping[Key, Part]) -> dict[Key, str]:
    """What cannot be missing on both sides: words of every layer and trial of a recorded run, and a kept state."""
    layers, trials = range(1, max(len(a.layers), len(b.layers)) + 1), range(job.shown.trials)
    needed: dict[Key, str] = {}
    if job.record:
        needed |= {("words", layer, trial): "words" for trial in trials for layer in layers}
    if job.spec.keeps_state and not any(part.group == "state" for part in there.values()):
        needed["state", None, None] = "state"
    return needed


def _may_lack(job: Job, key: Key, group: str) -> bool:
    """Whether one side may have something that the other does not; see the head of this module."""
    return key in ONE_SIDED or (group == "state" and not job.spec.keeps_state)


def _size(part: Part | None) -> int | None:
    return None if part is None else part.values.size


def _told(key: Key, index: list[int] | None, a: Any, b: Any) -> Difference:
    """Say what differs; where all trials are in one array, the first number of the index is the trial."""
    name, layer, trial = key
    if trial is None and index:
        trial, *index = index
    return {"trial": trial, "layer": layer, "kind": name, "index": index, "a": a, "b": b}


def _difference(job: Job, key: Key, one: Part, other: Part) -> Difference | None:
    """Return the first value that differs, or the shapes if they do or are not of the job's trials."""
    _, layer, trial = key
    a, b = one.values, other.values
    if one.group == "words":
        position = _first_word(a, b)
        if position is not None:
            return {"trial": trial, "layer": layer, **_describe(job, a, b, position)}
    elif a.shape != b.shape:
        return _told(key, None, list(a.shape), list(b.shape))
    else:
        differs = [*np.argwhere(a != b), *not_finite(a), *not_finite(b)]
        if differs:
            index = min(tuple(int(i) for i in where) for where in differs)
            return _told(key, list(index), shown(a[index]), shown(b[index]))
    trials = job.shown.trials
    if (trial is None and a.shape[:1] != (trials,)) or (trial is not None and trial >= trials):
        return _told(key, None, list(a.shape), list(b.shape))
    return None


# Words.


def _first_word(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> int | None:
    """Position of the first word that differs; the end of the shorter array if one begins with the other."""
    common = min(a.size, b.size)
    differing = np.flatnonzero(a[:common] != b[:common])
    if differing.size:
        return int(differing[0])
    return None if a.size == b.size else common


def _describe(job: Job, a: NDArray[np.uint64], b: NDArray[np.uint64], position: int) -> Difference:
    """Say which word differs, and when."""
    trace = kind_of(job.spec).trace
    longer = a if a.size > position else b
    return {
        "position": position,
        **trace.describe(int(longer[position])),
        **trace.when(job.spec, longer[: position + 1].astype(np.int64)),
        "a": int(a[position]) >> 20 if position < a.size else None,
        "b": int(b[position]) >> 20 if position < b.size else None,
    }
