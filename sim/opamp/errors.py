"""Comparison of two recordings of op-amp neurons, at least one of them in continuous time.

`event_time_s`
    Largest difference in time between an event and its counterpart: the k-th event of its kind of the same neuron.
`event_count_difference`
    How many events more one recording has than the other before it diverges, summed over kinds, neurons, layers and
    trials.
`pulse_period`
    Largest relative difference between the interval from one "on" event of a neuron to its next in the same
    presentation, and the counterpart of that interval; None if there is none.
`rms_between_events`
    Root mean square difference of the traces: of `v_out1` and `v_out2` as a fraction of the largest value of that
    trace in the layer, of the resistances `r_first` and `r_second` as a fraction of the resistance itself. The time of
    both recordings is counted from the last event of the neuron (its switch turns, an input begins or ends, the layer
    before changes its pulses), so that an error in time is not counted again as an error in value.
`divergence`
    The first event of a neuron that one recording has and the other has not, with its reason: ``"input end"`` (the
    window of the event goes beyond the next change of an input, a race) or ``"unexplained"``.
`bounds`
    Of a backend with words against the physics: the largest part of its own bound that was used, by what is bounded.
    `check` says what they are; docs/opamp-neurons.md derives them.

A clocked backend decides on an event at the start of a substep, where its switch still shows the end of its range; that
sample is left out of the traces. How much earlier, within the substep before, the switch got there is in its state one
substep later (docs/opamp-arithmetic.md, section 6), and the traces are aligned by that.

A backend with words is within its limits of the physics if every bound is kept, every divergence is explained, and
nothing else is wrong. A divergence excuses what comes after it, in its own
trial, and in a network of one layer only its own neuron; the law of the devices and their decisions are held to the end
of every recording. A pair with ngspice has no bounds: no event may be missing, no period off by more than
`PULSE_PERIOD`, and no trace by more than its limit in `RMS_LIMITS`.
"""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.bounded import Divergence, Findings
from memtwin.sim.cards import Card
from memtwin.sim.opamp.check import LayerCheck
from memtwin.sim.opamp.pairs import Both, pair_events
from memtwin.sim.recording import LayerRecording, Recording, Waveform

__all__ = ["PULSE_PERIOD", "RMS_LIMITS", "errors", "measure"]

PULSE_PERIOD = 0.02
RMS_LIMITS = {"v_out1": 0.01, "v_out2": 0.01, "r_first": 0.02, "r_second": 0.02}
_CONTINUOUS = ("physics", "ngspice")  # the one before is the measure of the other

Floats = NDArray[np.float64]
Key = tuple[int, str]  # neuron, kind of event
Horizons = list[list[Floats]]  # by trial and layer: up to when each neuron is compared, s


def errors(job: Job, a: Recording, b: Recording) -> dict[str, Any]:
    """Compare two recordings of `job`, one of them of the backend ``"physics"`` or ``"ngspice"``.

    Returns
    -------
    dict
        ``errors``, with the keys in the head of this module, ``within``, and ``outside``, why not, in words. All are
        JSON values.

    Raises
    ------
    ValueError
        If a recording has no events, or a backend with words none of those, because the run was not recorded.
    """
    if not all(layer.events for recording in (a, b) for layer in recording.layers):
        raise ValueError(f"a comparison with {_measure(a, b)} must have events: run both with record=True")
    if a.backend != _measure(a, b):
        a, b = b, a
    if a.backend == "physics" and b.backend != "ngspice":
        if not all(layer.words for layer in b.layers):
            raise ValueError(f"a comparison with the physics must have the words of {b.backend}: record=True")
        found, outside, horizons = _bounded(job, a, b)
    else:
        horizons = [[np.full(layer.neurons, np.inf) for layer in job.spec.layers] for _ in range(job.shown.trials)]
        found, outside = {"divergence": []}, []
    measured = measure(job, a, b, horizons)
    if "bounds" not in found:
        outside = _beyond_limits(measured)
    return {"errors": measured | found, "within": not outside, "outside": outside}


def _beyond_limits(measured: dict[str, Any]) -> list[str]:
    """What is beyond its limit where there are no bounds: events without a counterpart, traces, periods."""
    outside = [
        f"{name}: {value:.3g} rms, limit {RMS_LIMITS[name]}"
        for name, value in measured["rms_between_events"].items()
        if not value <= RMS_LIMITS[name]
    ]
    if measured["event_count_difference"]:
        outside.append(f"events: {measured['event_count_difference']} without a counterpart")
    if (measured["pulse_period"] or 0.0) > PULSE_PERIOD:
        outside.append(f"pulse_period: {measured['pulse_period']:.3g}, limit {PULSE_PERIOD}")
    return outside


def _bounded(job: Job, physics: Recording, other: Recording) -> tuple[dict[str, Any], list[str], Horizons]:
    """Hold a backend with words against its bounds; returns errors, what is outside, and the horizons."""
    spec = job.spec
    findings = Findings()
    divergence: list[dict[str, Any]] = []
    horizons: Horizons = []
    samples, units = job.sample(), [layer.weight_unit for layer in job.coefficients()]
    for trial in range(job.shown.trials):
        checks = [
            LayerCheck(Both(layer, sample, trial, spec.substep, mine, theirs), spec.synapse, g_lsb)
            for layer, sample, mine, theirs, g_lsb in zip(
                spec.layers, samples, physics.layers, other.layers, units, strict=True
            )
        ]
        horizons.append([np.full(layer.neurons, np.inf) for layer in spec.layers])
        if all([check.is_whole(int(job.shown.starts(trial)[-1])) for check in checks]):
            for check in checks:
                check.follow_law()
            divergence += _compare_events(job, trial, checks, horizons[-1])
        findings.add(trial, checks)
    return {"divergence": divergence, "bounds": dict(findings.bounds)}, findings.outside(divergence), horizons


def _compare_events(job: Job, trial: int, checks: list[LayerCheck], horizons: list[Floats]) -> list[dict[str, Any]]:
    """Pair the events of a trial, layer by layer, and compare up to the divergences, which are returned."""
    edges = _edges(job, trial)
    inputs = np.stack([edges, edges], axis=1)
    paired = []
    placed: list[tuple[int, Divergence]] = []
    for number, check in enumerate(checks):
        pairs, own = pair_events(check.both, inputs)
        paired.append(pairs)
        placed += [(number, one) for one in own]
        turns = np.array([(pair.physics, pair.other) for pair in pairs]).reshape(-1, 2)
        inputs = _ordered(np.concatenate([np.stack([edges, edges], axis=1), turns]))
    if len(checks) > 1 and placed:
        placed = [min(placed, key=lambda entry: entry[1].time_s)]
        for horizon in horizons:
            horizon[:] = placed[0][1].time_s
    for number, one in placed:
        horizons[number][one.neuron] = one.time_s
    for number, (check, pairs, horizon) in enumerate(zip(checks, paired, horizons, strict=True)):
        kept = [pair for pair in pairs if max(pair.physics, pair.other) < horizon[pair.neuron] - check.both.tiny]
        check.compare_until(kept, horizon, is_first=number == 0)
    return [
        {"trial": trial, "time_s": one.time_s, "layer": number + 1, "neuron": one.neuron, "reason": one.reason}
        for number, one in placed
    ]


def measure(job: Job, a: Recording, b: Recording, horizons: Horizons) -> dict[str, Any]:
    """Measure how far `b` is from `a`, both up to the horizons; see the head of this module."""
    time_error, count_difference, period = 0.0, 0, None
    squares: dict[str, list[Floats]] = defaultdict(list)
    for trial in range(job.shown.trials):
        edges = _edges(job, trial)
        inputs = np.stack([edges, edges], axis=1)  # times in both recordings at which inputs of the layer change
        for number, (one, other) in enumerate(zip(a.layers, b.layers, strict=True)):
            horizon = horizons[trial][number]
            ours, theirs = _by_neuron(one, trial, horizon), _by_neuron(other, trial, horizon)
            keys = sorted(ours.keys() | theirs.keys())
            pairs = {key: _pairs(ours[key], theirs[key]) for key in keys}
            for key in keys:
                count_difference += abs(ours[key].size - theirs[key].size)
                time_error = max(time_error, float(np.abs(np.diff(pairs[key])).max(initial=0.0)))
                if key[1] == "on":
                    off_by = _period_error(job, trial, ours[key], theirs[key])
                    period = off_by if period is None else max(period, off_by or 0.0)
            switch = job.spec.layers[number].switch
            moments = [_moments(layer, events, switch, trial) for layer, events in ((one, ours), (other, theirs))]
            for neuron in range(one.fires.shape[2]):
                own = [(neuron, kind) for kind in ("on", "off")]
                turns = [_pairs(moments[0][key], moments[1][key]) for key in own]
                marks = _ordered(np.concatenate([inputs, *turns]))
                decided = np.concatenate([theirs[key] for key in own]) if other.words else np.zeros(0)
                waves = one.waveform[trial], other.waveform[trial]
                for name, difference in _aligned(job, waves, neuron, marks, decided, float(horizon[neuron])):
                    squares[name].append((difference / _scale(one, name)) ** 2)
            inputs = np.concatenate([inputs[: edges.size], *pairs.values()])
    compared = {name: np.concatenate(squares[name]) for name in RMS_LIMITS if name in squares}
    return {
        "event_time_s": time_error,
        "event_count_difference": count_difference,
        "pulse_period": period,
        "rms_between_events": {
            name: float(np.sqrt(np.mean(own))) if own.size else 0.0 for name, own in compared.items()
        },
    }


def _measure(a: Recording, b: Recording) -> str:
    """Name of the backend that the other one is measured by."""
    return next(name for name in _CONTINUOUS if name in (a.backend, b.backend))


def _edges(job: Job, trial: int) -> Floats:
    """Times at which a phase of a presentation begins, s."""
    starts = job.shown.starts(trial)
    return np.unique(np.concatenate([starts, starts[:-1] + job.shown.on[trial]])) * job.spec.substep


def _by_neuron(layer: LayerRecording, trial: int, horizon: Floats) -> dict[Key, Floats]:
    """Times of events before the `horizon` of their neuron, by neuron and kind; none where there is nothing."""
    times: dict[Key, list[float]] = defaultdict(list)
    for event in layer.events[trial]:
        if event.neuron >= horizon.size or event.time_s < horizon[event.neuron]:
            times[event.neuron, event.kind].append(event.time_s)
    return defaultdict(lambda: np.zeros(0), {key: np.array(values) for key, values in times.items()})


def _pairs(ours: Floats, theirs: Floats) -> Floats:
    """Times of each event and its counterpart, (pairs, 2)."""
    common = min(ours.size, theirs.size)
    return np.stack([ours[:common], theirs[:common]], axis=1)


def _ordered(marks: Floats) -> Floats:
    """Sort pairs of times; what falls together in one recording must not change places in the other."""
    return np.maximum.accumulate(marks[np.lexsort((marks[:, 1], marks[:, 0]))], axis=0)


def _period_error(job: Job, trial: int, ours: Floats, theirs: Floats) -> float | None:
    """Largest relative difference of the intervals between "on" events within a presentation."""
    starts = job.shown.starts(trial) * job.spec.substep
    found = []
    for start, end in itertools.pairwise(starts):
        # An event at the start of a presentation is only exact up to rounding.
        tiny = 1e-6 * job.spec.substep
        one, other = (np.diff(on[(on >= start - tiny) & (on < end - tiny)]) for on in (ours, theirs))
        common = min(one.size, other.size)
        found.append(np.abs(other[:common] / one[:common] - 1))
    differences = np.concatenate(found)
    return float(differences.max()) if differences.size else None


def _moments(layer: LayerRecording, events: dict[Key, Floats], switch: Card, trial: int) -> dict[Key, Floats]:
    """When the switches turned, s: where a clocked backend decided, less the time for which that was due."""
    if not layer.words:
        return events
    wave = layer.waveform[trial]
    out: dict[Key, Floats] = defaultdict(lambda: np.zeros(0))
    for (neuron, kind), times in events.items():
        after = np.searchsorted(wave.time_s, times + 1e-9 * wave.time_s[-1], side="left")
        known = after < wave.time_s.size
        after = after[known]
        resistance = wave.signals["r_switch"][after, neuron]
        reached = np.log(switch["r_off"] / resistance) / np.log(switch["r_off"] / switch["r_on"])
        taken = reached * switch["tau_on"] if kind == "on" else (1 - reached) * switch["tau_off"]
        moments = times.copy()
        moments[known] = np.minimum(wave.time_s[after] - taken, times[known])
        out[neuron, kind] = moments
    return out


def _scale(layer: LayerRecording, name: str) -> float:
    """Full scale of a trace; differences of resistances are relative already."""
    if name not in ("v_out1", "v_out2"):
        return 1.0
    return max(float(np.abs(wave.signals[name]).max(initial=0.0)) for wave in layer.waveform) or 1.0


def _aligned(
    job: Job, waves: tuple[Waveform, Waveform], neuron: int, marks: Floats, decided: Floats, horizon: float
) -> Iterator[tuple[str, Floats]]:
    """Differences of every trace of one neuron, time counted from the last of `marks` (n, 2).

    The first of `waves` is read at the samples of the second, between two of its own samples in the same stretch
    between marks; elsewhere, at the samples `decided` and from `horizon` on nothing is compared. Differences of
    resistances are relative.
    """
    tiny = 1e-6 * job.spec.substep
    at, times = waves[1].time_s, waves[0].time_s
    stretch = np.searchsorted(marks[:, 1], at + tiny, side="right") - 1
    there = marks[stretch, 0] + at - marks[stretch, 1]
    last = np.append(marks[1:, 0], np.inf)[stretch]
    before = (np.searchsorted(times, there + tiny, side="right") - 1).clip(min=0)
    exact = np.abs(times[before] - there) <= tiny
    after = np.where(exact, before, before + 1)
    inside = (after < times.size) & (times[before] >= marks[stretch, 0] - tiny)
    after = after.clip(max=times.size - 1)
    inside &= ((times[after] < last - tiny) | exact) & (at < horizon - tiny)
    inside &= ~np.isin(np.rint(at / job.spec.substep), np.rint(decided / job.spec.substep))
    gap = times[after] - times[before]
    weight = np.where(gap > 0, (there - times[before]) / np.where(gap > 0, gap, 1.0), 0.0)
    for name in RMS_LIMITS:
        if name in waves[0].signals:
            values, measured = waves[0].signals[name][:, neuron], waves[1].signals[name][:, neuron]
            expected = (1 - weight) * values[before] + weight * values[after]
            difference = measured - expected
            yield name, (difference / expected if name.startswith("r_") else difference)[inside]
