"""Runs and compares networks of one's own."""

import os
from collections.abc import Callable
from typing import Any

from memtwin.own.network import Network
from memtwin.own.simulation import Simulation
from memtwin.sim import backends
from memtwin.sim.compare import compare as compare_recordings
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.blocks import check_size
from memtwin.sim.recording import Recording
from memtwin.sim.run_warnings import warnings_of_jobs, warnings_of_recordings

__all__ = ["compare_network", "simulate"]

Report = Callable[[str, float], None]  # name of the run, part done


def simulate(
    network: Network,
    spikes: Any = None,
    backend: str = "model",
    *,
    trials: int = 1,
    seed: int = 0,
    record: bool = True,
    allow_clipping: bool = False,
    port: str | None = None,
    baud: int | None = None,
    map_file: str | os.PathLike[str] | None = None,
    report: Report | None = None,
) -> Simulation:
    """Run a network on one backend.

    Parameters
    ----------
    network : Network
        Network.
    spikes
        What it is shown: an array (T, inputs) with the number of spikes in each step, or (trials, T, inputs); a list of
        (time in s, address); or `mt.poisson`, `mt.regular`, `mt.program`, `mt.events`, `mt.load_spikes`.
        Without it the input that its file says.
    backend : str
        ``"physics"``, ``"model"``, ``"rtl"``, ``"netlist"``, ``"ngspice"``.
    trials, seed : int
        Trial `t` has the devices and the Poisson spikes of seed `seed + t`.
    record : bool
        Keep events, traces and words; without it counts and conductances alone, which takes less memory.
    allow_clipping : bool
        Run with coefficients that do not fit their words, clipped; else they are refused.
    port, baud, map_file
        Of ``"board"``: where the twin is, and the map that was written with its bitstream; see `memtwin.api.run`.
    report : callable, optional
        Called with the name of the network and the part of the run that is done.

    Raises
    ------
    InputError
        If spikes, network and backend do not fit together, or a value does not fit its word.
    """
    job = network.job(spikes, trials=trials, seed=seed, record=record, allow_clipping=allow_clipping)
    check_size(job, network.name)
    link = _Link(port, baud, map_file, backend)
    link.check(job, backend)
    warnings = warnings_of_jobs([(network.name, job)], backend)
    recording = link.run(job, backend, report and (lambda done: report(network.name, done)))
    return Simulation(network, job, recording, [*warnings, *warnings_of_recordings([(network.name, recording)])])


def compare_network(
    network: Network,
    spikes: Any,
    first: str,
    second: str,
    *,
    trials: int = 1,
    seed: int = 0,
    allow_clipping: bool = False,
    port: str | None = None,
    baud: int | None = None,
    map_file: str | os.PathLike[str] | None = None,
    report: Report | None = None,
) -> dict[str, Any]:
    """Run a network on two backends and compare the recordings; parameters as in `simulate`.

    Returns
    -------
    dict
        As `memtwin.sim.compare.compare`; ``backends``, ``seed`` and ``warnings`` beside it.

    Raises
    ------
    InputError
        As in `simulate`.
    """
    if first == second:
        raise InputError(f"compare: expected two backends that differ, not {first} and {second}")
    job = network.job(spikes, trials=trials, seed=seed, allow_clipping=allow_clipping)
    check_size(job, network.name)
    link = _Link(port, baud, map_file, first, second)
    for backend in (first, second):
        link.check(job, backend)
    warnings = warnings_of_jobs([(network.name, job)], first, second)
    a, b = (
        link.run(job, backend, report and (lambda done, backend=backend: report(backend, done)))
        for backend in (first, second)
    )
    warnings += warnings_of_recordings([(network.name, a), (network.name, b)])
    found = {"network": network.name, "backends": [first, second], "seed": seed, **compare_recordings(job, a, b)}
    return {**found, "warnings": list(dict.fromkeys(warnings))}


class _Link:
    """Where a board is that may be one of the backends; without one, nothing may say where.

    Raises
    ------
    InputError
        If a board lacks its port, or there is a port, baud rate or map without a board.
    """

    def __init__(
        self, port: str | None, baud: int | None, map_file: str | os.PathLike[str] | None, *chosen: str
    ) -> None:
        self._port, self._baud, self._map = port, baud, map_file
        if "board" in chosen and port is None:
            raise InputError("backend board: expected a port; give /dev/ttyUSB1 or socket://HOST:NUMBER (--port)")
        for option, value in {"port": port, "baud": baud, "map": map_file}.items():
            if value is not None and "board" not in chosen:
                raise InputError(f"option --{option}: expected with the backend board, not {' and '.join(chosen)}")

    def check(self, job: backends.Run, backend: str) -> None:
        """Refuse a job that a backend cannot run; a board runs the gateware of rtl."""
        backends.check(job, "rtl" if backend == "board" else backend)

    def run(self, job: backends.Run, backend: str, progress: backends.Progress | None) -> Recording:
        """Run a job on a backend, or on the board."""
        if backend != "board":
            return backends.run(job, backend, progress)
        from memtwin.link import BAUD, Link
        from memtwin.link import backend as board

        assert self._port is not None  # checked
        with Link(self._port, baud=BAUD if self._baud is None else self._baud, map=self._map) as link:
            return board.run(job, link, progress)
