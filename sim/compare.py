"""Comparison of two recordings of one run.

Two backends that keep words (`model`, `rtl`, ...) must be equal, word by word. A backend in continuous time (`physics`,
`ngspice`) has no words; against it the errors are stated instead. Those of op-amp neurons are in `sim/opamp/errors.py`,
those of LIF networks in `sim/lif/errors.py`, those of STDP synapses in `sim/stdp/errors.py`; those of hybrid neurons
are:

`event_time_s`
    Largest difference in time between an event and its counterpart: the k-th event of its kind of the same neuron.
`event_count_difference`
    How many events more one recording has than the other, summed over kinds, neurons, layers and trials.
`rms_between_events`
    Root mean square difference of each trace as a fraction of its full scale, with the time of both recordings
    counted from the last event of the layer (a device switches, L1 rises, an edge of CLK), so that an error in time
    is not counted again as an error in value. Full scale is `x_max` for the filament `x` and the largest voltage at
    node 1 for `v1`.
`divergence`
    Where the set of neurons that fire in a clock period first differs, if it does, for each trial. A winner-take-all
    network that learns is chaotic: from there on the two recordings tell of two different networks, and only events
    before it enter `event_time_s` and `rms_between_events`. `reason` says what decided: ``"race"`` (two neurons
    within two substeps of each other), ``"pulse end"`` (a fire within two substeps of the end of a pulse), both of
    which substeps cannot resolve, or ``"unexplained"``.

`within` is true if no event is further from its counterpart than one substep for single neurons, or
`COUPLED_SUBSTEPS` where lateral inhibition or spread is at work, no trace is off by more than `RMS_LIMIT`, and counts
differ only after an explained divergence. Two substeps there, because a clocked backend sees an event at the end of its
substep, and starts from a state that was itself seen up to a substep late (docs/hybrid-neuron.md).

ngspice solves the device and node 1 only, with the gates of the physics given: there only "on" and "off" are compared,
no event may be further off than one substep and no trace by more than `SPICE_RMS_LIMIT`, and nothing diverges.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim import trace
from memtwin.sim.backends import Run
from memtwin.sim.lif import errors as lif_errors
from memtwin.sim.lif import trace as lif_trace
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.opamp import errors as opamp_errors
from memtwin.sim.opamp import trace as opamp_trace
from memtwin.sim.recording import Event, Recording, Waveform
from memtwin.sim.stdp import errors as stdp_errors
from memtwin.sim.stdp import trace as stdp_trace

__all__ = ["COUPLED_SUBSTEPS", "RMS_LIMIT", "SPICE_RMS_LIMIT", "compare"]

RMS_LIMIT = 0.005
SPICE_RMS_LIMIT = 0.01
COUPLED_SUBSTEPS = 2
TRACES = ("x", "v1")
_CONTINUOUS = {"physics", "ngspice"}
_SWITCHING = ("on", "off", "fire")


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


# Continuous time, hybrid neurons.


def _errors(job: Run, a: Recording, b: Recording) -> dict[str, Any]:
    """Errors between two recordings, at least one of them in continuous time."""
    if not all(layer.events for recording in (a, b) for layer in recording.layers):
        raise ValueError("a comparison with continuous time must have events: run both with record=True")
    spice = "ngspice" in (a.backend, b.backend)
    time_error, count_difference = 0.0, 0
    divergence = []
    squares = {name: [0.0, 0] for name in TRACES}
    for trial in range(job.program.trials):
        found = None if spice else _divergence(job, a, b, trial)
        if found is not None:
            divergence.append({"trial": trial, **found})
        horizon = np.inf if found is None else found["time_s"]
        for one, other in zip(a.layers, b.layers, strict=True):
            ours, theirs = (_compared(layer.events[trial], spice) for layer in (one, other))
            count_difference += _count_difference(ours, theirs)
            pairs = _matched(ours, theirs, horizon)
            times = np.array([pair[:2] for pair in pairs]).reshape(-1, 2)
            if times.size:
                time_error = max(time_error, float(np.abs(times[:, 0] - times[:, 1]).max()))
            switching = np.array([(s, t) for s, t, kind in pairs if kind in _SWITCHING]).reshape(-1, 2)
            # The recording of the coarser backend says where to compare, continuous time is read in between.
            waves = [one.waveform[trial], other.waveform[trial]]
            if a.backend in _CONTINUOUS:
                waves, switching = waves[::-1], switching[:, ::-1]
            for name, difference in _aligned(job, waves, switching, horizon):
                squares[name][0] += float(np.sum(difference**2))
                squares[name][1] += difference.size
    scale = {"x": job.spec.device["x_max"], "v1": _largest_v1(job)}
    rms = {name: float(np.sqrt(total / max(count, 1)) / scale[name]) for name, (total, count) in squares.items()}
    explained = bool(divergence) and all(found["reason"] != "unexplained" for found in divergence)
    coupled = job.spec.c2c or job.spec.d2d or any(layer.inhibition for layer in job.spec.layers)
    within = (
        time_error <= (COUPLED_SUBSTEPS if coupled and not spice else 1) * job.spec.substep
        and max(rms.values()) <= (SPICE_RMS_LIMIT if spice else RMS_LIMIT)
        and (explained or (count_difference == 0 and not divergence))
    )
    errors = {
        "event_time_s": time_error,
        "event_count_difference": count_difference,
        "rms_between_events": rms,
        "divergence": divergence,
    }
    return {"errors": errors, "within": within}


def _compared(events: list[Event], spice: bool) -> list[Event]:
    """Leave out the events that are given to ngspice."""
    return [event for event in events if event.kind in ("on", "off")] if spice else events


def _largest_v1(job: Run) -> float:
    """Full scale of node 1, V."""
    return max(job.spec.neuron["v_dep"], *(float(np.max(layer.v_in)) for layer in job.spec.layers))


def _by_neuron(events: list[Event]) -> dict[tuple[int, str], list[float]]:
    out: dict[tuple[int, str], list[float]] = defaultdict(list)
    for event in events:
        out[event.neuron, event.kind].append(event.time_s)
    return out


def _count_difference(a: list[Event], b: list[Event]) -> int:
    ours, theirs = _by_neuron(a), _by_neuron(b)
    return sum(abs(len(ours.get(key, ())) - len(theirs.get(key, ()))) for key in ours.keys() | theirs.keys())


def _matched(a: list[Event], b: list[Event], horizon: float) -> list[tuple[float, float, str]]:
    """Times in `a` and `b`, and kind, of events and their counterparts, both before `horizon`."""
    ours, theirs = _by_neuron(a), _by_neuron(b)
    return [
        (s, t, kind)
        for (neuron, kind), times in ours.items()
        for s, t in zip(times, theirs.get((neuron, kind), ()), strict=False)
        if s < horizon and t < horizon
    ]


def _divergence(job: Run, a: Recording, b: Recording, trial: int) -> dict[str, Any] | None:
    """Find the first clock period in which the two recordings do not fire the same neurons, and why."""
    period = 2 * job.spec.half_period
    tolerance = COUPLED_SUBSTEPS * job.spec.substep * (1 + 1e-9)
    fires: list[dict[tuple[int, int, int], float]] = []  # (period, layer, neuron): time
    for recording in (a, b):
        fires.append({})
        for number, layer in enumerate(recording.layers):
            for event in layer.events[trial]:
                if event.kind == "fire":
                    # A fire is at most half a period after the rising edge, which is only exact up to rounding.
                    fires[-1][int(event.time_s / period + 1e-6), number, event.neuron] = event.time_s
    unmatched = fires[0].keys() ^ fires[1].keys()
    if not unmatched:
        return None
    count, number, _ = min(unmatched)
    own = [key for key in unmatched if key[:2] == (count, number)]
    times = [[table[key] for key in own if key in table] for table in fires]
    rivals = [[time for key, time in table.items() if key[:2] == (count, number)] for table in fires]
    reason = "unexplained"
    if all(count * period + job.spec.half_period - time <= tolerance for time in times[0] + times[1]):
        reason = "pulse end"
    elif all(
        any(abs(time - rival) <= tolerance for rival in others)
        for mine, others in ((times[0], rivals[1]), (times[1], rivals[0]))
        for time in mine
    ):
        reason = "race"
    return {"time_s": count * period, "layer": number + 1, "reason": reason}


def _aligned(
    job: Run, waves: list[Waveform], switching: NDArray[np.float64], horizon: float
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    """Differences of every trace at the samples of ``waves[0]``, time counted from the last event in either.

    `switching` (pairs, 2) are the times of matched events in the two recordings. Samples of ``waves[1]`` are
    interpolated between two samples in the same stretch between events; elsewhere nothing is compared.
    """
    half, tiny = job.spec.half_period, 1e-6 * job.spec.substep
    end = min(waves[0].time_s[-1], waves[1].time_s[-1])
    edges = half * np.arange(round(end / half) + 1)
    marks = np.concatenate([switching, np.stack([edges, edges], axis=1)])
    marks = marks[np.argsort(marks[:, 0], kind="stable")]
    # Events that fall together in one recording must not change places in the other.
    marks[:, 1] = np.maximum.accumulate(marks[:, 1])

    at = waves[0].time_s
    stretch = np.searchsorted(marks[:, 0], at - tiny, side="left") - 1
    there = marks[stretch, 1] + at - marks[stretch, 0]
    last = np.append(marks[1:, 1], np.inf)[stretch]
    times = waves[1].time_s
    after = np.searchsorted(times, there - tiny, side="left").clip(max=times.size - 1)
    exact = np.abs(times[after] - there) <= tiny
    before = np.where(exact, after, after - 1).clip(min=0)
    inside = (times[before] > marks[stretch, 1] + tiny) & (times[after] <= last + tiny) & (at < horizon)
    gap = times[after] - times[before]
    weight = np.where(gap > 0, (there - times[before]) / np.where(gap > 0, gap, 1.0), 0.0)[:, None]
    for name in TRACES:
        ours, theirs = waves[0].signals[name], waves[1].signals[name]
        yield name, (ours - (1 - weight) * theirs[before] - weight * theirs[after])[inside]


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
    "memtwin.sim": _Family(trace.KINDS, _HYBRID_PASS, _when_hybrid, _errors),
    "memtwin.sim.opamp": _Family(opamp_trace.KINDS, _OPAMP_STEP, _when_opamp, opamp_errors.errors),
    "memtwin.sim.stdp": _Family(stdp_trace.KINDS, _STDP_STEP, _when_stdp, stdp_errors.errors),
    "memtwin.sim.lif": _Family(lif_trace.KINDS, _LIF_STEP, _when_lif, lif_errors.errors),
}
