"""The integer model of op-amp neurons: the gateware's state, substep by substep (docs/opamp-arithmetic.md).

Trials run side by side, each through its own stimulus; one step of the loop is one substep of all of them.
"""

import itertools

import numpy as np

from memtwin.sim.backends import Job, Progress
from memtwin.sim.kinds import kind_of
from memtwin.sim.model_parts import Saturations
from memtwin.sim.opamp import trace
from memtwin.sim.opamp.model_layer import Layer
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.recording import LayerRecording, Recording

__all__ = ["run"]

_TELL = 1024  # substeps between two reports of progress


def run(job: Job, progress: Progress | None = None) -> Recording:
    """Run `job` on the integers of the gateware.

    Parameters
    ----------
    job : Job
        Network, stimulus, seed; with `record`, words, waveforms, events and learning steps are kept.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Returns
    -------
    Recording
        Counts, conductances in S, times in s; see `LayerRecording` for shapes.

    Raises
    ------
    InputError
        If a value of a card does not fit its word, or the job wants the smooth law.
    """
    kind_of(job.spec).check(job, "model")
    stimulus = job.shown
    coefficients = job.coefficients()
    saturated = Saturations(stimulus.trials)
    schedule = _Schedule(stimulus, [Layer(layer, saturated, job.record) for layer in coefficients])
    schedule.run(progress)
    lengths = (stimulus.on + stimulus.off).sum(axis=1)
    layers = []
    for layer, fires, integers in zip(schedule.layers, schedule.fires, coefficients, strict=True):
        out = LayerRecording(fires=fires, spikes=fires.copy(), conductance=layer.conductance * integers.weight_unit)
        if layer.log:
            out.words = layer.log.words(lengths)
            trace.decode_layer(out, job.spec, integers)
        layers.append(out)
    return Recording(
        backend="model",
        layers=layers,
        duration=stimulus.on,
        time_s=lengths * job.spec.substep,
        saturated=saturated.of(slice(None)),
    )


class _Schedule:
    """Takes the layers through the presentations of every trial (sections 4 and 7), and counts."""

    def __init__(self, stimulus: Stimulus, layers: list[Layer]) -> None:
        self.stimulus, self.layers = stimulus, layers
        self.trial = np.arange(stimulus.trials)
        self.presentation = np.zeros(stimulus.trials, dtype=np.int64)
        self.rows = np.zeros((stimulus.trials, layers[0].rows), dtype=bool)
        self.first = np.zeros(stimulus.trials, dtype=bool)
        shape = (stimulus.trials, stimulus.presentations)
        self.fires = [np.zeros((*shape, layer.neurons), dtype=np.int64) for layer in layers]

    def run(self, progress: Progress | None) -> None:
        """Run to the end of the longest trial."""
        marks = _marks(self.stimulus)
        for start, end in itertools.pairwise(marks):
            for trial, presentation, driven, first in marks[start]:
                self._begin(start, trial, presentation, driven, first)
            self._substep(start, changed=True)
            self.first[:] = False
            for number in range(start + 1, end):
                self._substep(number, changed=False)
                if progress and number % _TELL == 0:
                    progress(number / max(marks))
        if progress:
            progress(1.0)

    def _begin(self, substep: int, trial: int, presentation: int, driven: bool, first: bool) -> None:
        """Begin a phase of `trial`, or end the trial."""
        over = presentation == self.stimulus.presentations
        for number, layer in enumerate(self.layers):
            layer.live[trial] = not over
            if not over:
                learn = bool(self.stimulus.learn[trial, presentation, number])
                layer.learn[trial] = learn
                if layer.log:
                    layer.log.put_phase(substep, trial, driven, learn)
        if not over:
            self.presentation[trial] = presentation
            self.first[trial] = first
            self.rows[trial] = self.stimulus.pixels[trial, presentation] if driven else 0
            self.layers[-1].gate[trial] = self.stimulus.gates[trial, presentation]

    def _substep(self, number: int, changed: bool) -> None:
        """Take one substep of all layers; in the first one of a phase, inputs of any layer may have changed."""
        events, moved = self.rows, False
        for layer, fires in zip(self.layers, self.fires, strict=True):
            moved = layer.substep(number, events, changed or moved, self.first if changed else None)
            if moved:
                fires[self.trial, self.presentation] += layer.sets & layer.live[:, None]
            events = layer.on


def _marks(stimulus: Stimulus) -> dict[int, list[tuple[int, int, bool, bool]]]:
    """List, by substep, in order, which phases begin: (trial, presentation, driven, first of its presentation).

    The end of a trial is the start of a presentation that is not there.
    """
    marks: dict[int, list[tuple[int, int, bool, bool]]] = {}

    def mark(substep: int, *what: int | bool) -> None:
        marks.setdefault(int(substep), []).append(what)  # type: ignore[arg-type]

    for trial in range(stimulus.trials):
        starts = stimulus.starts(trial)
        for presentation in range(stimulus.presentations):
            on, off = stimulus.on[trial, presentation], stimulus.off[trial, presentation]
            if on:
                mark(starts[presentation], trial, presentation, True, True)
            if off:
                mark(starts[presentation] + on, trial, presentation, False, not on)
        mark(starts[-1], trial, stimulus.presentations, False, False)
    return dict(sorted(marks.items()))
