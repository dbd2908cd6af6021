"""ngspice, the independent judge: writes the common parts of a netlist, runs one in batch mode, reads its traces.

Netlists are for people: one subcircuit for each device, states as voltages on capacitors, parameters by the names of
the cards. Nothing switches ideally, because ngspice cannot find a time step for that.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memtwin.sim import processes
from memtwin.sim.errors import InputError
from memtwin.sim.scratch import scratch

__all__ = ["EDGE", "SIGMA", "TRACES", "crossings", "number", "pwl", "require", "run", "steps", "transient"]

TRACES = "traces.txt"
"""File that a netlist writes, in the directory in which ngspice runs."""

EDGE = 10e-9
"""Time in which a source goes from one level to the next, s: short against every substep."""

SIGMA = ".func sigma(z) {0.5 * (1 + tanh(0.5 * (z)))}"
"""``1 / (1 + exp(-z))``, written so that it cannot overflow."""

# ngspice takes corners closer than 5e-5 of the longest time step for one; EDGE must stay well above that.
_LONGEST = 50e-6
_INSTALL = "sudo apt install ngspice"
_LINES = 8  # of ngspice's output that an error shows, without those that it always writes
_CHATTER = ("Note:", "Circuit:", "Doing analysis", "Using transient", "ngspice-")
_WIDTH = 118


def require() -> str:
    """Find ngspice.

    Returns
    -------
    str
        Its path.

    Raises
    ------
    InputError
        If it is not installed; the message holds the line that installs it.
    """
    found = shutil.which("ngspice")
    if found is None:
        raise InputError(f"ngspice: not installed; on Debian or Ubuntu: {_INSTALL}")
    return found


def number(value: float) -> str:
    """Write a number so that ngspice reads it within 1e-12 of itself."""
    return f"{float(value):.13g}"


def steps(
    starts: ArrayLike, levels: ArrayLike, initial: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Turn levels into the corners of a piecewise linear source.

    Parameters
    ----------
    starts, levels : float array (n,)
        Times at which each level begins, s, ascending, at least two `EDGE` apart; and the levels.
    initial : float
        Level at time 0, before the first one begins.

    Returns
    -------
    times, values : float array
        Corners, of which the first is at time 0; each change begins an edge of `EDGE`.
    """
    starts, levels = np.asarray(starts, dtype=float), np.asarray(levels, dtype=float)
    before = np.concatenate([[initial], levels[:-1]])
    changed = levels != before
    times = np.stack([starts[changed], starts[changed] + EDGE], axis=1).ravel()
    values = np.stack([before[changed], levels[changed]], axis=1).ravel()
    if times.size == 0 or times[0] > 0:
        times, values = np.append(0.0, times), np.append(initial, values)
    return times, values


def pwl(name: str, node: str, times: ArrayLike, values: ArrayLike) -> list[str]:
    """Write a voltage source from `node` to ground, linear between `values` at `times`, s; lines of the netlist."""
    points = zip(np.asarray(times, dtype=float).tolist(), np.asarray(values, dtype=float).tolist(), strict=True)
    return wrap(f"V{name} {node} 0 PWL(", *(f"{number(time)} {number(value)}" for time, value in points), ")")


def wrap(*words: str) -> list[str]:
    """Break a long statement into continued lines."""
    lines = [words[0]]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) > _WIDTH:
            lines.append("+")
        lines[-1] += f" {word}"
    return lines


def transient(vectors: Sequence[str], *, stop: float, step: float) -> list[str]:
    """Write the end of a netlist: a run from power-up to `stop`, and its traces, both s.

    Parameters
    ----------
    vectors : sequence of str
        What to write to `TRACES`: ``v(node)``, ``i(source)``. Their columns come after that of time.
    step : float
        Longest time step; a device that switches makes them shorter by itself.
    """
    step = min(step, _LONGEST)
    return [
        # A switch turns within nanoseconds after milliseconds of rest: with larger tolerances, ngspice turns it early.
        ".options method=gear reltol=1e-6 trtol=1 abstol=1n vntol=1u itl4=200",
        ".control",
        "set wr_singlescale",
        "set wr_vecnames",
        "set numdgt=12",
        *wrap("save", *vectors),
        # The states start from the voltages of their capacitors (uic), not from an equilibrium.
        f"tran {number(step)} {number(stop)} 0 {number(step)} uic",
        *wrap(f"wrdata {TRACES}", *vectors),
        "quit",
        ".endc",
        ".end",
    ]


def run(netlist: str, *, stop: float, timeout: float = 600.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Run a netlist that ends with `transient`, in a directory of its own that is removed afterwards.

    Parameters
    ----------
    netlist : str
        Its text.
    stop : float
        Time up to which it must come, s.
    timeout : float
        Seconds after which ngspice is stopped.

    Returns
    -------
    time_s : float array (samples,)
        Time steps that ngspice took.
    traces : float array (samples, vectors)
        In the order of `transient`.

    Raises
    ------
    InputError
        If ngspice is missing, does not come to the end in time, or fails; then with the last lines that it wrote.
    """
    program = require()
    with scratch() as directory:
        (directory / "netlist.cir").write_text(netlist, encoding="utf-8")
        # Neither a user's start-up file nor several threads, which small circuits only wait for.
        env = os.environ | {"HOME": str(directory), "OMP_NUM_THREADS": "1"}
        try:
            done = processes.run([program, "-b", "netlist.cir"], directory, env, timeout)
        except subprocess.TimeoutExpired:
            raise InputError(f"ngspice: not finished after {timeout:g} s; use a shorter run") from None
        path = directory / TRACES
        data = np.loadtxt(path, skiprows=1, ndmin=2) if path.exists() else np.empty((0, 1))
        if data.shape[0] < 2 or data[-1, 0] < stop * (1 - 1e-9):
            reached = f" at {data[-1, 0]:.6g} s of {stop:.6g} s" if data.size else ""
            told = [line.strip() for line in (done.stdout + done.stderr).splitlines()]
            told = [line for line in told if line and not line.startswith(_CHATTER)]
            raise InputError(f"ngspice failed{reached}: " + "; ".join(told[-_LINES:]))
    return data[:, 0], data[:, 1:]


def crossings(time_s: NDArray[np.float64], level: NDArray[np.float64]) -> list[tuple[float, bool]]:
    """Find when `level` (samples,) crosses 1/2: times, s, linearly between two samples, and whether it rises."""
    high = level > 0.5
    at = np.flatnonzero(high[1:] != high[:-1])
    part = (0.5 - level[at]) / (level[at + 1] - level[at])
    times = time_s[at] + part * (time_s[at + 1] - time_s[at])
    return [(float(time), bool(rises)) for time, rises in zip(times, high[at + 1], strict=True)]
