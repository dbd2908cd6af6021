"""Where jobs run: the backends of `memtwin.sim.backends`, and a board over its link."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from memtwin.sim import backends
from memtwin.sim.backends import Job, Progress
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.blocks import check_size
from memtwin.sim.kinds import kind_of
from memtwin.sim.recording import Recording

__all__ = ["BACKENDS", "Levels", "Report"]

BACKENDS = (*backends.BACKENDS, "board")
"""Every backend by name."""

Report = Callable[[str, float], None]  # name of the run, part done
Maps = Callable[[], Iterable[Mapping[str, Any]]]


class Levels:
    """Backends that a user asks for, and where the board is that may be one of them.

    Parameters
    ----------
    *chosen : str
        One or two of `BACKENDS`.
    port, baud, map_file
        Of ``"board"``: ``/dev/ttyUSB1`` or ``socket://HOST:NUMBER``; baud rate, 1 Mbaud without it; map of a twin whose
        design was changed.
    maps : callable, optional
        Gives the maps in which that of the twin is looked for; without it those of the designs that are shipped.

    Attributes
    ----------
    clock_hz : float or None
        Clock of the board, after a run on it.

    Raises
    ------
    InputError
        If a backend is unknown, or there is an option of a board without one.
    """

    def __init__(
        self,
        *chosen: str,
        port: str | None = None,
        baud: int | None = None,
        map_file: str | os.PathLike[str] | None = None,
        maps: Maps | None = None,
    ) -> None:
        for name in chosen:
            if name not in BACKENDS:
                raise InputError(f"backend {name}: unknown; expected {', '.join(BACKENDS)}")
        for option, value in {"port": port, "baud": baud, "map": map_file}.items():
            if value is not None and "board" not in chosen:
                raise InputError(f"option --{option}: expected with the backend board, not {' and '.join(chosen)}")
        self._chosen, self._port, self._baud, self._map, self._maps = chosen, port, baud, map_file, maps
        self.clock_hz: float | None = None

    def solvable(self, job: Job) -> Job:
        """Return a job as all of the backends can run it: with ngspice among them, by the law that it can solve."""
        if "ngspice" not in self._chosen:
            return job
        return dataclasses.replace(job, spec=kind_of(job.spec).smooth(job.spec))

    def check(self, jobs: Mapping[str, Job]) -> None:
        """Refuse jobs, by name, that one of the backends cannot do, before anything runs.

        Raises
        ------
        InputError
            If a job is too large, a backend cannot run it, or the board has no port.
        """
        if "board" in self._chosen and self._port is None:
            raise InputError("backend board: expected a port; give --port /dev/ttyUSB1 or --port socket://HOST:NUMBER")
        for label, job in jobs.items():
            check_size(job, label)
            for backend in self._chosen:
                backends.check(job, "rtl" if backend == "board" else backend)  # a board runs the same gateware

    def run(self, jobs: Mapping[str, Job], backend: str, report: Report | None = None) -> dict[str, Recording]:
        """Run jobs, by name, on one of the backends.

        Raises
        ------
        InputError
            If the backend cannot run here, or the twin is of another structure.
        LinkError
            If the twin does not answer.
        """
        if backend != "board":
            return backends.run_all(jobs, backend, report)
        # Imported here, because nothing else needs a serial port.
        from memtwin.link import BAUD, Link
        from memtwin.link import backend as board

        assert self._port is not None  # checked
        baud = BAUD if self._baud is None else self._baud
        with Link(self._port, baud=baud, map=self._map, maps=self._maps) as link:
            found = {label: board.run(job, link, _progress(report, label)) for label, job in jobs.items()}
            self.clock_hz = float(link.identity.clock_hz)
            return found


def _progress(report: Report | None, label: str) -> Progress | None:
    return None if report is None else lambda done: report(label, done)
