"""Trials in blocks, so that a run takes no more memory for many trials than for a few (docs/howto-simulate.md)."""

import dataclasses
from collections import Counter
from collections.abc import Mapping

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.base import Experiment, Settings
from memtwin.sim.recording import Recording

__all__ = ["MOST_BYTES", "blocks", "check_size", "check_trials", "join", "trial_bytes"]

BLOCK_BYTES = 2**27
"""Bytes, by the estimate of `trial_bytes`, that the trials of a block may take; a process then stays below 0.5 GiB."""

MOST_TRIALS = 1024
"""Trials in a block; more side by side are no faster."""

MOST_BYTES = 2**32
"""Bytes, by the estimate of `trial_bytes`, that all trials of a run may take."""

# Measured as the peak of the process on the kinds of networks; rounded up.
_COUNT = 64  # of a neuron in a presentation: fires, spikes, and what is joined of them
_SAMPLE = 96  # of a neuron in a recorded update: trace words, waveform, and what is decoded of them
_SYNAPSE = 64
_SHOWN = 3  # copies of what is shown


def trial_bytes(job: Job) -> int:
    """Estimate the bytes that one trial of a job takes while it runs."""
    layers = getattr(job.spec, "layers", (job.spec,))
    neurons = sum(layer.neurons for layer in layers)
    synapses = sum(layer.neurons * layer.rows for layer in layers)
    shown = sum(getattr(values, "nbytes", 0) for values in vars(job.shown).values()) / job.shown.trials
    counts = _COUNT * neurons * job.shown.presentations
    samples = _SAMPLE * neurons * job.spec.updates(job.shown) if job.record else 0
    return int(_SHOWN * shown + counts + samples + _SYNAPSE * synapses)


def check_size(job: Job, label: str) -> None:
    """Refuse a job that would not fit the memory.

    Raises
    ------
    InputError
        If it is larger than `MOST_BYTES`.
    """
    size = _bytes(job)
    if size > MOST_BYTES:
        raise InputError(
            f"run {label}: expected at most {_gib(MOST_BYTES)} of memory, not {_gib(size)}{_recorded(job)}; "
            "ask for a shorter run"
        )


def check_trials(one: Mapping[str, Job], trials: int) -> None:
    """Refuse more trials side by side than fit the memory, before they are planned; `one` are the jobs of one trial.

    Raises
    ------
    InputError
        If a job would be larger than `MOST_BYTES`.
    """
    for label, job in one.items():
        check_size(job, label)
        size = _bytes(job)
        if trials > (most := MOST_BYTES // size):
            raise InputError(
                f"option --trials: expected at most {most}, not {trials}, because run {label} may take "
                f"{_gib(MOST_BYTES)} of memory, not {_gib(size * trials)}{_recorded(job)}"
            )


def _bytes(job: Job) -> int:
    return trial_bytes(job) * job.shown.trials


def _gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"


def _recorded(job: Job) -> str:
    return ", with every update recorded" if job.record else ""


def blocks(experiment: Experiment, settings: Settings) -> list[Settings]:
    """Divide the trials of an experiment into blocks, trial `t` with the seed that it has among all.

    Returns
    -------
    list of Settings
        Of each block, which may be one; what is measured in all of them is what is measured at once.
    """
    if settings.trials is None or settings.trials == 1 or not experiment.drawn:
        return [settings]
    one = experiment.plan(dataclasses.replace(settings, trials=1))
    size = sum(_bytes(one[label]) for label in experiment.drawn if label in one)
    most = max(1, min(BLOCK_BYTES // size, MOST_TRIALS))
    return [
        dataclasses.replace(settings, seed=settings.seed + start, trials=min(most, settings.trials - start))
        for start in range(0, settings.trials, most)
    ]


def join(first: Recording, later: Recording) -> Recording:
    """Let the recording of a first block tell the times, clocks and saturations of a later one, too."""
    return dataclasses.replace(
        first,
        time_s=np.concatenate([first.time_s, later.time_s]),
        clocks=None if first.clocks is None or later.clocks is None else np.concatenate([first.clocks, later.clocks]),
        saturated=dict(Counter(first.saturated) + Counter(later.saturated)),
        warnings={
            line: list(dict.fromkeys([*first.warnings.get(line, []), *later.warnings.get(line, [])]))
            for line in {**first.warnings, **later.warnings}
        },
    )
