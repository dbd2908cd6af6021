"""Errors between two recordings of hybrid neurons, one of them in continuous time.

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
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Run
from memtwin.sim.recording import Event, Recording, Waveform

__all__ = ["COUPLED_SUBSTEPS", "RMS_LIMIT", "SPICE_RMS_LIMIT", "errors"]

RMS_LIMIT = 0.005
SPICE_RMS_LIMIT = 0.01
COUPLED_SUBSTEPS = 2
TRACES = ("x", "v1")
_CONTINUOUS = {"physics", "ngspice"}
_SWITCHING = ("on", "off", "fire")


def errors(job: Run, a: Recording, b: Recording) -> dict[str, Any]:
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
