"""Comparison of two recordings of one run.

Two backends that keep words (`model`, `rtl`, ...) must be equal, word by word. A backend in continuous time (`physics`,
`ngspice`) has no words; against it the errors are stated instead: those of hybrid neurons in `sim/hybrid_errors.py`,
those of op-amp neurons in `sim/opamp/errors.py`, those of LIF networks in `sim/lif/errors.py`, those of STDP synapses
in `sim/stdp/errors.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim import hybrid_errors, trace
from memtwin.sim.backends import Run
from memtwin.sim.lif import errors as lif_errors
from memtwin.sim.lif import trace as lif_trace
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.opamp import errors as opamp_errors
from memtwin.sim.opamp import trace as opamp_trace
from memtwin.sim.recording import Recording
from memtwin.sim.stdp import errors as stdp_errors
from memtwin.sim.stdp import trace as stdp_trace

__all__ = ["compare"]

_CONTINUOUS = {"physics", "ngspice"}


def compare(job: Run, a: Recording, b: Recording) -> dict[str, Any]:
    """Compare two recordings of `job`.

    Returns
    -------
    dict
        ``equal``, ``words``, ``ticks`` (passes over a layer that were compared) and ``first_difference`` for two
        backends with words; ``errors`` and ``within`` if one of them is the physics or ngspice. All are JSON values.

    Raises
    ------
    ValueError
        If a comparison with continuous time lacks events, because the run was not recorded.
    """
    if _CONTINUOUS & {a.backend, b.backend}:
        return _FAMILIES[job.spec.package].errors(job, a, b)
    return _equality(job, a, b)


# Words.


def _equality(job: Run, a: Recording, b: Recording) -> dict[str, Any]:
    """Compare word by word, then the counts; if one of them has no words, the counts only."""
    family = _FAMILIES[job.spec.package]
    words = ticks = 0
    first = None
    for trial in range(job.program.trials):
        for number, (one, other) in enumerate(zip(a.layers, b.layers, strict=True)):
            if not one.words or not other.words:
                continue
            ours, theirs = one.words[trial], other.words[trial]
            words += max(ours.size, theirs.size)
            ticks += int(np.count_nonzero((ours & np.uint64(0xFFFFF)) == family.passes))
            if first is None and (position := _first_difference(ours, theirs)) is not None:
                first = {"trial": trial, "layer": number + 1, **_describe(job, family, ours, theirs, position)}
    counts, difference = _counts(a, b)
    first = first or difference
    return {"equal": first is None, "words": words or counts, "ticks": ticks, "first_difference": first}


def _first_difference(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> int | None:
    """Position of the first word that differs; the end of the shorter array if one begins with the other."""
    common = min(a.size, b.size)
    differing = np.flatnonzero(a[:common] != b[:common])
    if differing.size:
        return int(differing[0])
    return None if a.size == b.size else common


def _describe(
    job: Run, family: "_Family", a: NDArray[np.uint64], b: NDArray[np.uint64], position: int
) -> dict[str, Any]:
    """Say which word differs, and when."""
    longer = a if a.size > position else b
    word = int(longer[position])
    return {
        "position": position,
        "kind": family.kinds.get(word & 15, "unknown"),
        "index": word >> 4 & 0xFFFF,
        **family.when(job, longer[: position + 1].astype(np.int64)),
        "a": int(a[position]) >> 20 if position < a.size else None,
        "b": int(b[position]) >> 20 if position < b.size else None,
    }


def _when_hybrid(job: Run, words: NDArray[np.int64]) -> dict[str, Any]:
    """Half-period of the last of `words`, counted from power-up; -1 before the first."""
    half = int(np.count_nonzero(words & 15 == 6)) - 1
    return {"half_period": half, "time_s": max(half, 0) * job.spec.half_period}


def _when_opamp(job: Run, words: NDArray[np.int64]) -> dict[str, Any]:
    """Phase and substep of the last of `words`, counted from power-up."""
    kind = words & 15
    passes = int(np.count_nonzero(words & 0xFFFFF == _OPAMP_STEP))
    # A phase or a current belongs to the pass that follows it.
    substep = passes if opamp_trace.KINDS.get(int(kind[-1])) in ("phase", "current") else max(passes - 1, 0)
    return {
        "phase": int(np.count_nonzero(kind == 12)) - 1,
        "substep": substep,
        "time_s": substep * job.spec.substep,
    }


def _when_stdp(job: Run, words: NDArray[np.int64]) -> dict[str, Any]:
    """Step of the last of `words`, counted from power-up."""
    step = int(np.count_nonzero(words & 0xFFFFF == _STDP_STEP)) - 1
    return {"step": step, "time_s": step * job.spec.step}


def _when_lif(job: Run, words: NDArray[np.int64]) -> dict[str, Any]:
    """Step of the last of `words`, counted from power-up."""
    step = max(int(np.count_nonzero(words & 0xFFFFF == _LIF_STEP)) - 1, 0)
    return {"step": step, "time_s": step * job.spec.dt}


def _counts(a: Recording, b: Recording) -> tuple[int, dict[str, Any] | None]:
    """Compare counts, answers, and what is there at the end; return how many values, and the first that differs."""
    pairs: list[tuple[str, int | None, NDArray, NDArray]] = [("periods", None, a.periods, b.periods)]
    for number, (one, other) in enumerate(zip(a.layers, b.layers, strict=True)):
        pairs += [(name, number, getattr(one, name), getattr(other, name)) for name in _COUNTED]
    if isinstance(a, LifRecording) and isinstance(b, LifRecording):
        pairs.append(("answers", None, a.answers, b.answers))
    pairs += [(name, None, words, b.state[name]) for name, words in a.state.items() if name in b.state]
    for name, layer, ours, theirs in pairs:
        if ours.shape != theirs.shape:
            return 0, {"kind": name, "layer": layer, "index": None, "a": list(ours.shape), "b": list(theirs.shape)}
        where = np.argwhere(ours != theirs)
        if where.size:
            index = tuple(int(i) for i in where[0])
            layer_number = None if layer is None else layer + 1
            values = {"a": ours[index].item(), "b": theirs[index].item()}
            return 0, {"trial": index[0], "layer": layer_number, "kind": name, "index": list(index[1:]), **values}
    return sum(ours.size for _, _, ours, _ in pairs), None


_COUNTED = ("fires", "spikes", "conductance")


# Kind and index of the word with which a pass over a layer begins.
_HYBRID_PASS, _OPAMP_STEP, _STDP_STEP, _LIF_STEP = 2, 9, 1, 13


@dataclass(frozen=True)
class _Family:
    """How networks of one kind are compared: names of its words by kind, `passes`, when a word was, and errors."""

    kinds: dict[int, str]
    passes: int
    when: Callable[[Run, NDArray[np.int64]], dict[str, Any]]
    errors: Callable[[Run, Recording, Recording], dict[str, Any]]


_FAMILIES = {
    "memtwin.sim": _Family(trace.KINDS, _HYBRID_PASS, _when_hybrid, hybrid_errors.errors),
    "memtwin.sim.opamp": _Family(opamp_trace.KINDS, _OPAMP_STEP, _when_opamp, opamp_errors.errors),
    "memtwin.sim.stdp": _Family(stdp_trace.KINDS, _STDP_STEP, _when_stdp, stdp_errors.errors),
    "memtwin.sim.lif": _Family(lif_trace.KINDS, _LIF_STEP, _when_lif, lif_errors.errors),
}
