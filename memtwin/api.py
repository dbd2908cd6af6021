"""Run and compare experiments from Python; the command line is a thin layer over this module."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memtwin.boards.registry import board as find_board
from memtwin.levels import Levels, Report
from memtwin.sim import backends
from memtwin.sim.cards import Card
from memtwin.sim.compare import CONTINUOUS
from memtwin.sim.compare import compare as compare_recordings
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS as CIRCUITS
from memtwin.sim.experiments.base import Experiment, Measured, Settings
from memtwin.sim.experiments.blocks import blocks, check_trials, join
from memtwin.sim.files import whole
from memtwin.sim.findings import merge
from memtwin.sim.kinds import kind_of
from memtwin.sim.recording import Recording, acceleration_of
from memtwin.sim.run_warnings import warnings_of_jobs, warnings_of_recordings
from memtwin.sim.waves import write_waves
from memtwin.states import check_saved, load_states, save_states
from memtwin.train.mnist import Mnist

__all__ = ["CLOCK_BOARD", "EXPERIMENTS", "Outcome", "compare", "experiment", "netlist", "run"]

EXPERIMENTS: dict[str, Experiment] = {**CIRCUITS, Mnist.name: Mnist()}
"""Every experiment by name; those that need files of networks and of images are here, the others in `memtwin.sim`."""

CLOCK_BOARD = "icebreaker"
"""Board whose clock the gateware is taken to have."""

FilePath = str | os.PathLike[str]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Everything that one run of an experiment gives.

    Attributes
    ----------
    experiment, backend : str
        Names.
    seed : int
        Seed of the first trial.
    results : dict
        JSON values under the keys that scripts depend on.
    acceleration, clock_hz : float or None
        Simulated time over the time that the fabric takes at `clock_hz`; None where there is no fabric.
    files : list of Path
        Figures and waves that were written.
    recordings : dict of str to Recording
        What each run of the experiment left, by its name: spikes, conductances, and traces where they are recorded. Of
        more trials than fit a block (docs/howto-simulate.md), those of the first block.
    warnings : list of str
        What a user should know, a line each: values that do not fit, words that reached their end.
    """

    experiment: str
    backend: str
    seed: int
    results: dict[str, Any]
    acceleration: float | None
    clock_hz: float | None
    files: list[Path]
    recordings: dict[str, Recording]
    warnings: list[str]

    def json(self) -> dict[str, Any]:
        """The document that ``memtwin run --json`` prints."""
        names = ("experiment", "backend", "seed", "results", "acceleration", "clock_hz", "warnings")
        return {name: getattr(self, name) for name in names}


def experiment(name: str) -> Experiment:
    """Look up an experiment by name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in EXPERIMENTS:
        raise InputError(f"experiment {name}: unknown; expected one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name]


def run(
    name: str,
    *,
    backend: str = "model",
    cards: Sequence[str | Path | Card] = (),
    assignments: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    trials: int | None = None,
    spread: bool = False,
    out: FilePath | None = None,
    clock_board: str | None = None,
    port: str | None = None,
    baud: int | None = None,
    map_file: FilePath | None = None,
    start: FilePath | None = None,
    save: FilePath | None = None,
    allow_clipping: bool = False,
    report: Report | None = None,
) -> Outcome:
    """Run an experiment on one backend.

    Parameters
    ----------
    name : str
        Experiment, such as ``"digits"``.
    backend : str
        ``"physics"``, ``"model"``, ``"rtl"``, ``"netlist"``, ``"ngspice"``, or ``"board"``.
    cards : sequence of str, path or Card
        Cards, by name, file or as they are; each replaces the default card of its kind.
    assignments : sequence of str
        ``"NAME=VALUE"``: options of the experiment and fields of cards, as SI strings.
    options : mapping, optional
        The same by name, as SI strings, numbers in SI units or truth values: ``{"v_in": 1.6, "epochs": 3}``.
    seed, trials, spread
        First seed; number of trials; whether the cards' spreads apply to experiments on a single device.
    out : str or path, optional
        Directory for figures and waves.
    clock_board : str, optional
        Board whose clock turns fabric clocks into seconds, iCEBreaker without it; of the gateware only: a twin tells
        its own, and other backends have none.
    port : str, optional
        Of ``"board"``: ``/dev/ttyUSB1``, or ``socket://HOST:NUMBER``.
    baud : int, optional
        Baud rate of a serial port; 1 Mbaud without it.
    map_file : str or path, optional
        Map of a twin whose design was changed.
    start, save : str or path, optional
        File of the states to start from, and file for those at the end.
    allow_clipping : bool
        Run with coefficients that do not fit their words, clipped; else they are refused.
    report : callable, optional
        Called with the name of a run and the part of it that is done.

    Raises
    ------
    InputError
        If anything that the user gave does not fit.
    """
    levels = Levels(backend, port=port, baud=baud, map_file=map_file)
    chosen = experiment(name)
    settings = chosen.settings(
        cards=tuple(cards),
        assignments=(*assignments, *chosen.assignments(options or {})),
        seed=seed,
        trials=trials,
        spread=spread,
    )
    clock_hz = find_board(clock_board or CLOCK_BOARD).clock_hz
    parts = blocks(chosen, settings)
    if len(parts) > 1 and not (start is save is None):
        raise InputError(
            f"option --trials: expected at most {parts[0].trials} with --start or --save, which keep the states of one "
            f"block of trials (docs/howto-simulate.md), not {trials}"
        )
    runs = _plan(chosen, parts[0], allow_clipping)
    if backend == "board" and out is None:  # a trace takes its time on the line
        runs = {label: job for label, job in runs.items() if label not in chosen.only_for_figures}
    if save is not None:
        check_saved(runs, backend)
    if start is not None:
        runs = load_states(start, runs)
    runs = {label: levels.solvable(job) for label, job in runs.items()}
    levels.check(runs)

    def jobs(number: int) -> dict[str, backends.Job]:
        if not number:
            return runs
        planned = _plan(chosen, parts[number], allow_clipping)
        return {label: planned[label] for label in chosen.drawn if label in planned}

    warnings = warnings_of_jobs((named for number in range(len(parts)) for named in jobs(number).items()), backend)
    warnings += settings.warnings
    if clock_board is not None and backend not in ("rtl", "netlist"):
        warnings.append(f"option --board: without influence on the backend {backend}; it is for the clock of rtl")
    recordings: dict[str, Recording] = {}
    measured: list[Measured] = []
    for number, part in enumerate(parts):
        runs_of_part = jobs(number)
        tell = _part_of(report, number, len(parts))
        recorded = levels.run(runs_of_part, backend, tell)
        measured.append(chosen.measure(part, runs_of_part, recorded))
        recordings |= {
            label: join(recordings[label], own) if label in recordings else own for label, own in recorded.items()
        }
        del recorded  # before the next block
    together = {name: np.concatenate([block[name] for block in measured]) for name in measured[0]}
    results = chosen.summarise(settings, runs, recordings, together)
    if save is not None:
        save_states(save, runs, recordings)
    files = _write(chosen, settings, runs, recordings, results, Path(out)) if out is not None else []
    clock_hz = levels.clock_hz or clock_hz
    acceleration = acceleration_of(recordings.values(), clock_hz)
    return Outcome(
        experiment=name,
        backend=backend,
        seed=seed,
        results=results,
        acceleration=acceleration,
        clock_hz=None if acceleration is None else clock_hz,
        files=files,
        recordings=recordings,
        warnings=warnings + warnings_of_recordings(recordings.items()),
    )


def compare(
    name: str,
    first: str,
    second: str,
    *,
    cards: Sequence[str | Path | Card] = (),
    assignments: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    trials: int | None = None,
    spread: bool = False,
    port: str | None = None,
    baud: int | None = None,
    map_file: FilePath | None = None,
    allow_clipping: bool = False,
    report: Report | None = None,
) -> dict[str, Any]:
    """Run an experiment on two backends and compare the recordings, run by run.

    Parameters are those of `run`; without `trials`, experiments with many trials are compared on one.

    Returns
    -------
    dict
        ``equal``, ``words``, ``ticks``, ``first_difference``, ``compared`` for exact pairs; ``errors``, ``within``,
        ``outside`` for pairs with the physics or ngspice (docs/compare.md); ``warnings`` of both runs.

    Raises
    ------
    InputError
        If anything that the user gave does not fit.
    """
    if first == second:
        raise InputError(f"option --backends: expected two that differ, not {first} and {second}")
    levels = Levels(first, second, port=port, baud=baud, map_file=map_file)
    chosen = experiment(name)
    settings: Settings = chosen.settings(
        cards=tuple(cards),
        assignments=(*assignments, *chosen.assignments(options or {})),
        seed=seed,
        trials=trials or 1,
        spread=spread,
    )
    pair = (first, second)

    def planned(settings: Settings) -> dict[str, backends.Job]:
        jobs = _plan(chosen, settings, allow_clipping)
        return {label: _comparable(levels.solvable(job), pair) for label, job in jobs.items()}

    if trials is not None and trials > 1:
        one = planned(dataclasses.replace(settings, trials=1))
        check_trials({label: one[label] for label in chosen.drawn if label in one}, trials)
    runs = planned(settings)
    levels.check(runs)
    findings = {}
    warnings = [*warnings_of_jobs(runs.items(), *pair), *settings.warnings]
    recorded: list[tuple[str, Recording]] = []
    for label, job in runs.items():
        a, b = (levels.run({label: job}, backend, report)[label] for backend in pair)
        findings[label] = compare_recordings(job, a, b)
        # What is said of a recording needs none of its data.
        recorded += [(label, dataclasses.replace(recording, layers=[], state={})) for recording in (a, b)]
    found = {"experiment": name, "backends": [first, second], "seed": seed, **merge(findings)}
    return {**found, "warnings": list(dict.fromkeys(warnings + warnings_of_recordings(recorded)))}


def netlist(
    name: str,
    *,
    run: str | None = None,
    cards: Sequence[str | Path | Card] = (),
    assignments: Sequence[str] = (),
    options: Mapping[str, Any] | None = None,
    seed: int = 0,
    spread: bool = False,
) -> str:
    """Netlist of an experiment's circuit for ngspice, with its stimulus; ``ngspice -b FILE`` runs it.

    Parameters
    ----------
    name : str
        Experiment.
    run : str, optional
        One of its runs, such as ``"B"``; the first if left out.
    cards, assignments, seed, spread
        See `run`.

    Raises
    ------
    InputError
        If the run is unknown or too much for ngspice.
    """
    chosen = experiment(name)
    settings = chosen.settings(cards=tuple(cards), assignments=tuple(assignments), seed=seed, trials=1, spread=spread)
    jobs = chosen.plan(settings)
    job = jobs[next(iter(jobs))] if run is None else jobs.get(run)
    if job is None:
        raise InputError(f"option --run: {name} has {', '.join(jobs)}, not {run!r}")
    return kind_of(job.spec).netlist(job)


def _plan(chosen: Experiment, settings: Settings, allow_clipping: bool) -> dict[str, backends.Job]:
    """Plan the runs of an experiment, in which coefficients may be clipped or not."""
    jobs = chosen.plan(settings)
    return {label: dataclasses.replace(job, allow_clipping=allow_clipping) for label, job in jobs.items()}


def _comparable(job: backends.Job, pair: Sequence[str]) -> backends.Job:
    """Let a job be run so that what two backends leave can be compared.

    Trace words take their time on the line. A board that keeps a state is compared with a backend with words by counts
    and state instead, and neither side is recorded; continuous time has nothing to compare but traces and events.
    """
    counted = "board" in pair and job.spec.keeps_state and not CONTINUOUS & {*pair}
    return dataclasses.replace(job, record=not counted)


def _part_of(report: Report | None, number: int, parts: int) -> Report | None:
    """Tell the progress of one of several equal parts as that of the whole."""
    return None if report is None else lambda label, done: report(label, (number + done) / parts)


def _write(
    chosen: Experiment,
    settings: Settings,
    runs: dict[str, backends.Job],
    recordings: dict[str, Recording],
    results: dict[str, Any],
    out: Path,
) -> list[Path]:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"option -o: cannot make the directory {out} ({error.strerror})") from None
    files = []
    for stem, figure in chosen.figures(settings, runs, recordings, results).items():
        path = out / f"{stem}.png"
        with whole(path) as partial:
            figure.savefig(partial, format="png", dpi=150)
        files.append(path)
    for label, recording in recordings.items():
        files += write_waves(recording, out / label)
    return files
