"""The integer model: the gateware's state, tick by tick (docs/arithmetic.md), vectorised over neurons and over trials.

Trials run side by side but each at its own pace: one step of the loop takes every unfinished trial through one
half-period of its own program. CLK is the same for all, because a presentation is a whole number of periods.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job, Progress
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.hybrid import trace
from memtwin.sim.hybrid.ceiling import ceiling_warnings
from memtwin.sim.hybrid.model_layer import Layer
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.model_parts import Saturations
from memtwin.sim.recording import LayerRecording, Recording
from memtwin.sim.state import join

__all__ = ["run", "run_together"]

Bools = NDArray[np.bool_]


def run(job: Job, progress: Progress | None = None) -> Recording:
    """Run one job.

    Parameters
    ----------
    job : Job
        Network, program, seed; with `record`, words, waveforms, events and learning steps are kept.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Raises
    ------
    InputError
        If a value of a card does not fit its word.
    """
    return run_together([job], progress)[0]


def run_together(jobs: Sequence[Job], progress: Progress | None = None) -> list[Recording]:
    """Run jobs, those of equal structure side by side, which is faster; the results are those of `run`.

    Raises
    ------
    InputError
        If a value of a card does not fit its word.
    """
    quantised = [job.coefficients() for job in jobs]
    groups: dict[str, list[int]] = {}
    for number, (job, layers) in enumerate(zip(jobs, quantised, strict=True)):
        alike = (
            [layer.structure for layer in layers],
            job.shown.presentations,
            job.spec.half_period,
            job.record,
            job.start is None,
        )
        groups.setdefault(repr(alike), []).append(number)
    out: list[Recording | None] = [None] * len(jobs)
    for place, group in enumerate(groups.values()):

        def tell(done: float, place: int = place) -> None:
            if progress:
                progress((place + done) / len(groups))

        recordings = _run_group([jobs[number] for number in group], [quantised[number] for number in group], tell)
        for number, recording in zip(group, recordings, strict=True):
            out[number] = recording
    return [recording for recording in out if recording is not None]


def _run_group(jobs: list[Job], quantised: list[list[LayerCoefficients]], progress: Progress) -> list[Recording]:
    """Run jobs of equal structure as one, with all their trials."""
    coefficients = [_stack(layers) for layers in zip(*quantised, strict=True)]
    fields = vars(jobs[0].shown)
    program = Program(**{name: np.concatenate([getattr(job.shown, name) for job in jobs]) for name in fields})
    saturated = Saturations(program.trials)
    layers = [Layer(layer, saturated, jobs[0].record) for layer in coefficients]
    if jobs[0].start is not None:
        start = join([job.start for job in jobs if job.start is not None], _state(layers))
        for number, layer in enumerate(layers, 1):
            layer.restore({name: start[f"layer{number}.{name}"] for name in layer.state()})
    schedule = _Schedule(program, layers)
    half = 0
    while schedule.live.any():
        schedule.half_period(half)
        half += 1
        if half % 256 == 0:
            progress(schedule.done)
    progress(1.0)
    ends = np.cumsum([job.shown.trials for job in jobs])
    starts = ends - [job.shown.trials for job in jobs]
    return [
        _recording(job, schedule, own, slice(start, end), saturated)
        for job, own, start, end in zip(jobs, quantised, starts, ends, strict=True)
    ]


def _state(layers: Sequence[Layer]) -> dict[str, NDArray[np.int64]]:
    """State of the whole network."""
    return {
        f"layer{number}.{name}": words
        for number, layer in enumerate(layers, 1)
        for name, words in layer.state().items()
    }


def _stack(layers: Sequence[LayerCoefficients]) -> LayerCoefficients:
    """Join the coefficients of several jobs along the axis of trials."""
    words = {name: np.concatenate([layer.words[name] for layer in layers]) for name in layers[0].words}
    return LayerCoefficients(layers[0].structure, words, layers[0].weight_unit, layers[0].report)


class _Schedule:
    """Where every trial is in its program (section 10), and what has been counted so far."""

    def __init__(self, program: Program, layers: list[Layer]) -> None:
        self.program, self.layers = program, layers
        trials, presentations = program.trials, program.presentations
        self.everyone = np.arange(trials)
        self.at = np.zeros(trials, dtype=np.int64)  # presentation
        self.elapsed, self.rested, self.count = (np.zeros(trials, dtype=np.int64) for _ in range(3))
        self.resting = np.zeros(trials, dtype=bool)
        self.live = np.full(trials, presentations > 0)
        self.periods = np.zeros((trials, presentations), dtype=np.int64)
        self.halves = np.zeros(trials, dtype=np.int64)
        shapes = [(trials, presentations, layer.neurons) for layer in layers]
        self.fires = [np.zeros(shape, dtype=np.int64) for shape in shapes]
        self.spikes = [np.zeros(shape, dtype=np.int64) for shape in shapes]
        self.open = [np.ones((trials, layer.neurons), dtype=bool) for layer in layers]
        self.none = [np.zeros((trials, layer.rows), dtype=bool) for layer in layers]
        if presentations:
            self._enter(self.everyone)
            self._advance()

    @property
    def done(self) -> float:
        """Part of all presentations that is over."""
        return float(self.at.sum() + (~self.live).sum()) / max(1, self.periods.size)

    def half_period(self, half: int) -> None:
        """Take every live trial through one half-period."""
        high = half % 2 == 0
        for layer in self.layers:
            layer.edge(high)
        for number, layer in enumerate(self.layers):
            if not high:
                events = self.none[number]
            elif number == 0:
                events = self.pixels & ~self.resting[:, None]
            else:
                events = self.layers[number - 1].l2 & self.live[:, None]
            fired = layer.half_period(high, events, self.open[number], self.learn[:, number], self.live)
            if high:
                self.fires[number][self.everyone, self.at] += fired
                self.spikes[number][self.everyone, self.at] += layer.l2 & self.live[:, None]
                self.count += np.where(self.until == number, np.count_nonzero(fired, axis=1), 0)
        self.halves += self.live
        if not high:
            self.elapsed += self.live & ~self.resting
            self.rested += self.resting
            self._advance()

    def _enter(self, trials: NDArray[np.int64]) -> None:
        """Load the presentation that each of `trials` is at."""
        if trials.size == self.everyone.size:
            program, at = self.program, (self.everyone, self.at)
            self.pixels, self.learn = program.pixels[at].astype(bool), program.learn[at].astype(bool)
            self.open[-1] = program.gates[at].astype(bool)
            self.until, self.wanted = program.until[at], program.fires[at]
            self.most, self.rest = program.periods[at], program.rest[at]
        else:
            program, at = self.program, (trials, self.at[trials])
            self.pixels[trials], self.learn[trials] = program.pixels[at], program.learn[at]
            self.open[-1][trials] = program.gates[at]
            self.until[trials], self.wanted[trials] = program.until[at], program.fires[at]
            self.most[trials], self.rest[trials] = program.periods[at], program.rest[at]
        self.elapsed[trials] = self.rested[trials] = self.count[trials] = 0
        self.resting[trials] = False

    def _advance(self) -> None:
        """At the end of a period, let trials rest, or go on to their next presentation."""
        v_l = np.stack([(layer.l1 | layer.l2).any(axis=1) for layer in self.layers])
        while True:
            enough = (self.wanted > 0) & (self.count >= self.wanted) & ~v_l[self.until, self.everyone]
            over = self.live & ~self.resting & ((self.elapsed >= self.most) | enough)
            if over.any():
                self.periods[over, self.at[over]] = self.elapsed[over]
                self.resting |= over
            rested = self.live & self.resting & (self.rested >= self.rest)
            if not rested.any():
                return
            last = rested & (self.at == self.program.presentations - 1)
            self.live &= ~last
            self.resting &= ~last
            following = np.flatnonzero(rested & ~last)
            self.at[following] += 1
            self._enter(following)


def _recording(
    job: Job, schedule: _Schedule, coefficients: list[LayerCoefficients], trials: slice, saturated: Saturations
) -> Recording:
    """Cut the part of one job out of a finished schedule."""
    layers = []
    for number, layer in enumerate(schedule.layers):
        out = LayerRecording(
            fires=schedule.fires[number][trials],
            spikes=schedule.spikes[number][trials],
            conductance=layer.conductance[trials] * coefficients[number].weight_unit,
        )
        if layer.log:
            out.words = layer.log.words()[trials]
            trace.decode_layer(out, job.spec, coefficients[number])
        layers.append(out)
    return Recording(
        backend="model",
        layers=layers,
        duration=schedule.periods[trials],
        time_s=schedule.halves[trials] * job.spec.half_period,
        saturated=saturated.of(trials),
        warnings=ceiling_warnings(job.spec, [layer.at_ceiling[trials] for layer in schedule.layers]),
        state={name: words[trials] for name, words in _state(schedule.layers).items()},
    )
