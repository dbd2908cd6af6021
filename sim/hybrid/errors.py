"""Errors between two recordings of hybrid neurons, one of them in continuous time.

`event_time_s`
    Largest difference in time between an event and its counterpart: the k-th event of its kind of the same neuron.
`event_count_difference`
    How many events more one recording has than the other before it diverges, summed over kinds, neurons, layers and
    trials.
`rms_between_events`
    Root mean square difference of each trace as a fraction of its full scale, with the time of both recordings
    counted from the last event of the layer (a device switches, L1 rises, an edge of CLK), so that an error in time
    is not counted again as an error in value. Full scale is `x_max` for the filament `x` and the largest voltage at
    node 1 for `v1`.
`divergence`
    The first event that one recording has and the other has not, for each trial. A winner-take-all network that learns
    is chaotic: from there on the two recordings tell of two different networks. `reason` says what decided: ``"race"``
    (two neurons whose windows overlap; one closes the gate of the other), ``"pulse end"`` or ``"pulse start"`` (the
    window of an event goes beyond the edge of CLK at which the drive ends or begins), which substeps cannot resolve,
    or ``"unexplained"``.
`bounds`
    The largest part of its own bound that was used, by what is bounded: `filament`, `node1`, `threshold`,
    `event_time`, `conductance`. `hybrid_check` says what they are; docs/hybrid-neuron.md derives them.

`within` is true if every bound is kept, every divergence is explained, and nothing else is wrong: samples that are
missing, events that are not those of the traces, decisions of a device against its own filament, latches and gates that
differ without an event. A divergence excuses what comes after it, in its own trial, and where neurons have no influence
on each other (one layer, no inhibition, no redrawn thresholds) only its own neuron. The law of the device, its
decisions and a nominal threshold are held to the end of every recording.

ngspice solves the device and node 1 only, with the gates of the physics given: there only "on" and "off" are compared,
no trace may be further off than `SPICE_RMS_LIMIT`, and nothing diverges. An event of ngspice may be one substep from
that of the physics; from that of a clocked backend, as much more as the window that its counterpart has anyway.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.bounded import Divergence, Findings, Pair
from memtwin.sim.hybrid.check import LayerCheck
from memtwin.sim.hybrid.pairs import Both, pair_events, window
from memtwin.sim.recording import Event, LayerRecording, Recording, Waveform
from memtwin.sim.units import format_si

__all__ = ["SPICE_RMS_LIMIT", "errors"]

SPICE_RMS_LIMIT = 0.01
TRACES = ("x", "v1")
_CONTINUOUS = {"physics", "ngspice"}
_SWITCHING = ("on", "off", "fire")
_ROUNDING = 1 + 1e-9  # of a limit: rounding of floats


def errors(job: Job, a: Recording, b: Recording) -> dict[str, Any]:
    """Errors between two recordings, at least one of them in continuous time.

    Raises
    ------
    ValueError
        If a recording has no events, or the clocked one no words, because the run was not recorded.
    """
    if "ngspice" in (a.backend, b.backend):
        return _spice_errors(job, a, b)
    physics, other = (a, b) if a.backend == "physics" else (b, a)
    if not all(layer.words for layer in other.layers):
        raise ValueError(f"a comparison with the physics must have the words of {other.backend}: record=True")
    findings = Findings()
    divergence = []
    time_error, count_difference, squares = 0.0, 0, _Squares(job)
    for trial in range(job.shown.trials):
        checks = _checks(job, physics, other, trial)
        lengths = [round(recording.time_s[trial] / job.spec.half_period) for recording in (physics, other)]
        if all([check.is_whole(*lengths) for check in checks]):
            for check in checks:
                check.follow_law()
            paired = [pair_events(check.both) for check in checks]
            entries, horizons = _horizons(job, [own for _, own in paired])
            divergence += [{"trial": trial, **entry} for entry in entries]
            for check, (pairs, _), horizon in zip(checks, paired, horizons, strict=True):
                kept = [pair for pair in pairs if pair.physics < horizon[pair.neuron] - check.both.tiny]
                check.compare_until(kept, horizon)
                time_error = max([time_error, *(abs(pair.physics - pair.other) for pair in kept)])
                count_difference += _count_difference(
                    *(_until(layer, trial, horizon) for layer in (check.both.physics, check.both.other))
                )
                marks = np.array([(p.other, p.physics) for p in kept if p.kind in _SWITCHING]).reshape(-1, 2)
                squares.add([*check.both.waves[::-1]], marks, float(horizon.min()))
        findings.add(trial, checks)
    outside = findings.outside(divergence)
    found = {
        "event_time_s": time_error,
        "event_count_difference": count_difference,
        "rms_between_events": squares.rms(),
        "divergence": divergence,
        "bounds": dict(findings.bounds),
    }
    return {"errors": found, "within": not outside, "outside": outside}


def _checks(job: Job, physics: Recording, other: Recording, trial: int) -> list[LayerCheck]:
    """One check for each layer of a trial."""
    parts = zip(job.spec.layers, job.sample(), job.coefficients(), physics.layers, other.layers, strict=True)
    return [
        LayerCheck(Both(job.spec, layer, sample, trial, mine, theirs), coefficients)
        for layer, sample, coefficients, mine, theirs in parts
    ]


def _until(layer: LayerRecording, trial: int, horizon: NDArray[np.float64]) -> list[Event]:
    """Events before the horizon of their neuron."""
    return [event for event in layer.events[trial] if event.time_s < horizon[event.neuron]]


def _horizons(job: Job, found: list[list[Divergence]]) -> tuple[list[dict[str, Any]], list[NDArray[np.float64]]]:
    """What diverged first, and up to when each neuron of each layer is compared, s."""
    horizons = [np.full(layer.neurons, np.inf) for layer in job.spec.layers]
    placed = [(number, one) for number, own in enumerate(found) for one in own]
    spec = job.spec
    if len(spec.layers) > 1 or spec.c2c or any(layer.inhibition for layer in spec.layers) or job.shown.fires.any():
        placed = sorted(placed, key=lambda entry: entry[1].time_s)[:1]
        for _, one in placed:
            for horizon in horizons:
                horizon[:] = one.time_s
    for number, one in placed:
        horizons[number][one.neuron] = one.time_s
    entries: list[dict[str, Any]] = [
        {"time_s": one.time_s, "layer": number + 1, "neuron": one.neuron, "reason": one.reason}
        for number, one in placed
    ]
    return entries, horizons


class _Squares:
    """Sums of squared differences of the traces, aligned at events."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.sums = {name: [0.0, 0] for name in TRACES}

    def add(self, waves: list[Waveform], marks: NDArray[np.float64], horizon: float) -> None:
        """Add two recordings of one layer in one trial; see `_aligned`."""
        for name, difference in _aligned(self.job, waves, marks, horizon):
            self.sums[name][0] += float(np.sum(difference**2))
            self.sums[name][1] += difference.size

    def rms(self) -> dict[str, float]:
        """Root mean squares as fractions of full scale."""
        scale = {"x": self.job.spec.device["x_max"], "v1": _largest_v1(self.job)}
        return {name: float(np.sqrt(total / max(count, 1)) / scale[name]) for name, (total, count) in self.sums.items()}


def _spice_errors(job: Job, a: Recording, b: Recording) -> dict[str, Any]:
    """Errors of ngspice against the physics or the integers."""
    spice, other = (a, b) if a.backend == "ngspice" else (b, a)
    time_error, count_difference, squares = 0.0, 0, _Squares(job)
    outside: list[str] = []
    samples = job.sample()
    for trial in range(job.shown.trials):
        for number, (one, two) in enumerate(zip(spice.layers, other.layers, strict=True)):
            ours, theirs = ([e for e in layer.events[trial] if e.kind in ("on", "off")] for layer in (one, two))
            both = Both(job.spec, job.spec.layers[number], samples[number], trial, one, two)
            pairs = [_spice_pair(both, other.backend in _CONTINUOUS, *found) for found in _matched(ours, theirs)]
            time_error = max([time_error, *(abs(pair.physics - pair.other) for pair in pairs)])
            surplus = _count_difference(ours, theirs)
            count_difference += surplus
            where = f"trial {trial}, layer {number + 1}"
            outside += [f"{where}, {line}" for line in _too_far(pairs)]
            if surplus:
                outside.append(f"{where}: {surplus} events of kinds on and off without a counterpart")
            # The recording of the coarser backend says where to compare, continuous time is read in between.
            marks = np.array([(pair.other, pair.physics) for pair in pairs]).reshape(-1, 2)
            squares.add([*both.waves[::-1]], marks, np.inf)
    rms = squares.rms()
    outside += [f"{name}: nothing to compare" for name, (_, count) in squares.sums.items() if not count]
    outside += [
        f"{name}: {value:.3g} rms, limit {SPICE_RMS_LIMIT}"
        for name, value in rms.items()
        if not value <= SPICE_RMS_LIMIT
    ]
    found = {
        "event_time_s": time_error,
        "event_count_difference": count_difference,
        "rms_between_events": rms,
        "divergence": [],
    }
    return {"errors": found, "within": not outside, "outside": outside}


def _spice_pair(both: Both, is_continuous: bool, neuron: int, kind: str, time: float, other: float) -> Pair:
    """An event of ngspice, in the place of the physics, and its counterpart; ngspice itself may be a substep off."""
    substep = both.spec.substep
    if is_continuous:
        return Pair(neuron, kind, time, other, other, substep, substep)
    pair = window(both, neuron, kind, time, other)
    return replace(pair, early=pair.early + substep, late=pair.late + substep)


def _too_far(pairs: Iterable[Pair]) -> Iterator[str]:
    """Say which events are outside their windows, the worst of each kind of each neuron."""
    worst: dict[tuple[int, str], Pair] = {}
    for pair in pairs:
        key = pair.neuron, pair.kind
        if pair.ratio > _ROUNDING and (key not in worst or pair.ratio > worst[key].ratio):
            worst[key] = pair
    for pair in worst.values():
        delay = pair.other - pair.physics
        limit = pair.late if delay > 0 else pair.early
        yield (
            f"neuron {pair.neuron}: event {pair.kind} of ngspice at {format_si(pair.physics, 's')}, the other "
            f"{format_si(abs(delay), 's')} {'later' if delay > 0 else 'earlier'}, limit {format_si(limit, 's')}"
        )


def _largest_v1(job: Job) -> float:
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


def _matched(a: list[Event], b: list[Event]) -> list[tuple[int, str, float, float]]:
    """Neuron, kind, and times in `a` and `b`, of events and their counterparts."""
    ours, theirs = _by_neuron(a), _by_neuron(b)
    return [(*key, *pair) for key, times in ours.items() for pair in zip(times, theirs.get(key, ()), strict=False)]


def _aligned(
    job: Job, waves: list[Waveform], switching: NDArray[np.float64], horizon: float
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
