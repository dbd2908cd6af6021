"""Runs a whole experiment, as the tests of each experiment do at every level."""

from typing import Any

from memtwin.sim.backends import Job, run_all
from memtwin.sim.experiments.base import Experiment, Settings
from memtwin.sim.recording import Recording


def perform(
    experiment: Experiment, backend: str, **kwargs: Any
) -> tuple[Settings, dict[str, Job], dict[str, Recording], dict[str, Any]]:
    """Settings (from `kwargs`), runs, recordings and results of `experiment` on `backend`."""
    settings = experiment.settings(**kwargs)
    runs = experiment.plan(settings)
    recordings = run_all(runs, backend)
    return settings, runs, recordings, experiment.analyse(settings, runs, recordings)
