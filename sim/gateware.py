"""Runs compiled gateware: every trial of a job in a process of its own, with its own coefficients."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from memtwin.hdl.host import HostPort
from memtwin.sim import verilator
from memtwin.sim.backends import Progress, Run
from memtwin.sim.quantize import LayerCoefficients

__all__ = ["Writes", "image", "register_writes", "run_trials", "words_of"]

# Addresses and words that are written for one presentation; the last write starts it.
Writes = tuple[NDArray[np.int64], NDArray[np.int64]]


def image(coefficients: Sequence[LayerCoefficients], trial: int) -> dict[str, list[int]]:
    """Coefficient image of every layer, in one trial."""
    out: dict[str, list[int]] = {}
    for number, layer in enumerate(coefficients, 1):
        out |= layer.image(trial, f"layer{number}.")
    return out


def words_of(bits: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Words of 16 bits, lowest first, from bits along the last axis."""
    padded = np.pad(bits, [(0, 0), (0, -bits.shape[1] % 16)])
    return np.packbits(padded, axis=1, bitorder="little").view("<u2").astype(np.int64)


def register_writes(registers: Mapping[str, range], values: Mapping[str, NDArray]) -> list[Writes]:
    """Bus writes that show each presentation, from the words of every register, (presentations, words) by name."""
    addresses = np.concatenate([list(words) for words in registers.values()])
    table = np.concatenate([values[name] for name in registers], axis=1).astype(np.int64)
    return [(addresses, words) for words in table]


def run_trials(
    job: Run,
    host: HostPort,
    text: str,
    coefficients: Sequence[LayerCoefficients],
    show: Callable[[int], Sequence[Writes]],
    *,
    kinds: Sequence[int],
    progress: Progress | None = None,
) -> list[verilator.Output]:
    """Run every trial of `job`, as many at a time as there are processors.

    Parameters
    ----------
    job : Run
        For the number of trials.
    host : HostPort
        Design, for its addresses.
    text : str
        Its Verilog; the top module is called ``top``.
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
        One for each trial. The first mark follows the load of the coefficients, one more each presentation.

    Raises
    ------
    InputError
        If a tool is missing.
    """
    binary = verilator.binary(text, layers=len(coefficients))
    done = np.zeros(job.program.trials)

    def one(trial: int) -> verilator.Output:
        def tell(part: float) -> None:
            done[trial] = part
            if progress:
                progress(float(done.mean()))

        operations = _operations(host, image(coefficients, trial), show(trial))
        return verilator.run(binary, operations, layers=len(coefficients), kinds=kinds, progress=tell)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, range(job.program.trials)))


def _operations(host: HostPort, words: Mapping[str, Sequence[int]], show: Sequence[Writes]) -> NDArray[np.uint64]:
    """Load the coefficients, then show every presentation; a mark follows each of these steps."""
    end = np.array([verilator.WAIT_IDLE, verilator.MARK])
    load = np.array(host.network.memory_map.writes(words))
    steps = [(load[:, 0], load[:, 1]), *show]
    return np.concatenate([part for writes in steps for part in (verilator.write(*writes), end)])
