"""Runs compiled gateware: every trial of a job in a process of its own, with its own coefficients and its own state."""

import gc
import os
import warnings
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from amaranth.hdl import UnusedElaboratable
from numpy.typing import NDArray

from memtwin.hdl.core.config import Window
from memtwin.hdl.port.host import HostPort
from memtwin.hdl.verilog import convert
from memtwin.sim.backends import Job, Progress
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.engines import verilator
from memtwin.sim.errors import InputError
from memtwin.sim.kind import Places, Writes
from memtwin.sim.kinds import kind, kind_of
from memtwin.sim.recording import Recording
from memtwin.sim.state import State, join

__all__ = [
    "compiled",
    "first_words",
    "host_of",
    "packed",
    "places_of",
    "register_writes",
    "run",
    "run_trials",
    "state_of",
    "words_of",
]

_Made = TypeVar("_Made")


def words_of(coefficients: Sequence[LayerCoefficients], trial: int) -> dict[str, list[int]]:
    """Words of the coefficients of every layer by name, in one trial."""
    out: dict[str, list[int]] = {}
    for number, layer in enumerate(coefficients, 1):
        out |= layer.words_of(trial, f"layer{number}.")
    return out


def packed(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Words of 16 bits, lowest first, from bits along the last axis."""
    padded = np.pad(bits, [(0, 0), (0, -bits.shape[1] % 16)])
    return np.packbits(padded, axis=1, bitorder="little").view("<u2").astype(np.int64)


def register_writes(places: Places, values: Mapping[str, NDArray]) -> list[Writes]:
    """Writes that show each presentation, from the words of every register, (presentations, words) by name."""
    addresses = np.concatenate([places(name) for name in values])
    table = np.concatenate([*values.values()], axis=1).astype(np.int64)
    return [(addresses, words) for words in table]


def run(job: Job, progress: Progress | None = None, *, synthesised: bool = False) -> Recording:
    """Run one job on its gateware, compiled by Verilator, bit for bit; each trial in a process of its own.

    One binary serves every trial, and every job of the same structure: coefficients are loaded over the bus.

    Parameters
    ----------
    job : Job
        Network, what is shown, seed; with `record`, words, and what they say, are kept.
    progress : callable, optional
        Called with the part done, 0 to 1.
    synthesised : bool
        Run the netlist of the design, which is the backend `netlist`.

    Raises
    ------
    InputError
        If a value does not fit its word, `job.start` is of another network, or a tool is missing.
    """
    own = kind_of(job.spec).gateware()
    backend = "netlist" if synthesised else "rtl"
    kind_of(job.spec).check(job, backend)
    coefficients = job.coefficients()
    host, text = _made(lambda: compiled(job.spec.kind, own.structure(job.spec, coefficients)))
    places = places_of(host)
    outputs = run_trials(
        job,
        host,
        verilator.binary(text, layers=len(coefficients), synthesised=synthesised),
        coefficients,
        lambda trial: own.writes(job, coefficients, places, trial),
        kinds=own.kinds(job),
        progress=progress,
    )
    return own.recording(job, coefficients, outputs, state_of(host, outputs), backend)


def first_words(job: Job, coefficients: Sequence[LayerCoefficients]) -> dict[str, list[int]]:
    """All words of trial 0, by name: what gateware holds that is built for a job."""
    return words_of(coefficients, 0) | kind_of(job.spec).gateware().words(job, coefficients, 0)


def host_of(job: Job, coefficients: Sequence[LayerCoefficients]) -> HostPort:
    """Build the gateware of a job behind its bus; after reset it holds the words of trial 0."""
    own, words = kind_of(job.spec).gateware(), first_words(job, coefficients)
    return _made(lambda: HostPort(own.network(own.structure(job.spec, coefficients), words)))


def _made(make: Callable[[], _Made]) -> _Made:
    """Make gateware, and tell a user what it cannot be made for, such as more rows than it has addresses for."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        try:
            return make()
        except InputError:
            raise
        except ValueError as error:
            message = str(error)
        gc.collect()  # the parts of what came to nothing, of which Amaranth would warn
    raise InputError(f"gateware: cannot be made for this network: {message}")


@cache
def compiled(kind_name: str, structure: Hashable) -> tuple[HostPort, str]:
    """Network behind its bus, and its Verilog; writing that takes about as long as running a short job."""
    host = HostPort(kind(kind_name).gateware().network(structure))
    return host, convert(host, "top")


def places_of(host: HostPort) -> Places:
    """Addresses, by name, of the registers and of the windows of the configuration of a network behind its bus."""

    @cache
    def places(name: str) -> NDArray[np.int64]:
        if name in host.registers:
            return np.array(host.registers[name])
        window = host.network.memory_map.windows[name]
        return np.array([window.address(index) for index in range(window.depth)])

    return places


def run_trials(
    job: Job,
    host: HostPort,
    program: Path,
    coefficients: Sequence[LayerCoefficients],
    show: Callable[[int], Sequence[Writes]],
    *,
    kinds: Sequence[int],
    progress: Progress | None = None,
) -> list[verilator.Output]:
    """Run every trial of `job`, as many at a time as there are processors, from its state if it has one.

    Parameters
    ----------
    job : Job
        For the number of trials, and the state to start from. A network that starts from one is powered up first, by a
        presentation of no length, so that those of `show` must not have ``init``.
    host : HostPort
        Design, for its addresses.
    program : Path
        It, compiled.
    coefficients : sequence of LayerCoefficients
        Integers of each layer.
    show : callable
        The writes of each of a trial's presentations, such as `register_writes` gives.
    kinds : sequence of int
        Kinds of trace words to keep.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Returns
    -------
    list of Output
        One for each trial. The first mark follows the load of the coefficients and of the state, one more each
        presentation. In the end the whole state is read, see `state_of`.

    Raises
    ------
    InputError
        If the job starts from a state that the network does not have, or a tool is missing.
    """
    start = _start(job, host)
    done = np.zeros(job.shown.trials)

    def one(trial: int) -> verilator.Output:
        def tell(part: float) -> None:
            done[trial] = part
            if progress:
                progress(float(done.mean()))

        first = {name: values[trial].tolist() for name, values in start.items()}
        operations = _operations(host, words_of(coefficients, trial), first, show(trial))
        return verilator.run(program, operations, layers=len(coefficients), kinds=kinds, progress=tell)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, range(job.shown.trials)))


def state_of(host: HostPort, outputs: Sequence[verilator.Output]) -> dict[str, NDArray[np.int64]]:
    """State at the end of `run_trials`: words (trials, words) by window."""
    reads = np.stack([output.reads for output in outputs])
    windows = _state_windows(host)
    ends = np.cumsum([window.depth for window in windows], dtype=np.int64)
    return {window.name: reads[:, end - window.depth : end] for window, end in zip(windows, ends, strict=True)}


def _state_windows(host: HostPort) -> list[Window]:
    return [window for window in host.network.memory_map.windows.values() if window.state]


def _start(job: Job, host: HostPort) -> State:
    """State that a job starts from, checked; nothing if it starts with power-up."""
    if job.start is None:
        return {}
    trials = job.shown.trials
    like = {window.name: np.zeros((trials, window.depth), dtype=np.int64) for window in _state_windows(host)}
    return join([job.start], like)


def _operations(
    host: HostPort, words: Mapping[str, Sequence[int]], start: Mapping[str, Sequence[int]], show: Sequence[Writes]
) -> NDArray[np.uint64]:
    """Load the coefficients, and the state; show every presentation, with a mark before each; read the state."""
    memory_map = host.network.memory_map
    parts = [verilator.write(*np.array(memory_map.writes(words)).T)]
    if start:
        zeros = dict.fromkeys(host.registers, 0) | {"init": 1, "go": 1}
        power_up = [(address, zeros[name]) for name, addresses in host.registers.items() for address in addresses]
        parts += [verilator.write(*np.array(power_up).T), np.array([verilator.WAIT_IDLE])]
        parts.append(verilator.write(*np.array(memory_map.writes(start)).T))
    end = np.array([verilator.WAIT_IDLE, verilator.MARK])
    parts.append(end)
    for writes in show:
        parts += [verilator.write(*writes), end]
    for window in _state_windows(host):
        parts.append(verilator.read([window.address(index) for index in range(window.depth)]))
    return np.concatenate(parts)
