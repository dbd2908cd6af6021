"""The gateware, compiled by Verilator: the same job as on any backend, bit for bit (design, section 1).

One binary serves every trial, and every job of the same structure: coefficients are loaded over the configuration bus.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from memtwin.hdl.host import HostPort
from memtwin.hdl.layer import LayerConfig
from memtwin.hdl.network import Network
from memtwin.hdl.verilog import convert
from memtwin.sim import trace, verilator
from memtwin.sim.backends import Progress, Run
from memtwin.sim.errors import InputError
from memtwin.sim.gateware import Writes, register_writes, run_trials, words_of
from memtwin.sim.program import Program
from memtwin.sim.quantize import LayerCoefficients
from memtwin.sim.recording import LayerRecording, Recording

__all__ = ["presentation_writes", "run"]

_KIND = {name: kind for kind, name in trace.KINDS.items()}
# Counts, final conductances and times are made of these; a recording keeps all kinds.
_COUNTED = tuple(_KIND[name] for name in ("substep", "conductance", "half"))
_L1, _L2 = (20 + trace.FLAGS.index(name) for name in ("l1", "l2"))
_LARGEST_COUNT = 2**16 - 1


def run(job: Run, progress: Progress | None = None) -> Recording:
    """Run one job, each trial in a process of its own, as many at a time as there are processors.

    Parameters
    ----------
    job : Run
        Network, program, seed; with `record`, words, waveforms, events and learning steps are kept.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Raises
    ------
    InputError
        If a value of a card or of the program does not fit its word, or a tool is missing.
    """
    coefficients = job.coefficients()
    host, text = _gateware(tuple(LayerConfig(**layer.structure) for layer in coefficients))
    outputs = run_trials(
        job,
        host,
        text,
        coefficients,
        lambda trial: presentation_writes(host.registers, job.program, trial),
        kinds=tuple(trace.KINDS) if job.record else _COUNTED,
        progress=progress,
    )
    trials = [
        [_read(output, number, layer, trial, job.record) for number, layer in enumerate(coefficients)]
        for trial, output in enumerate(outputs)
    ]
    layers = []
    for own, parts in zip(coefficients, zip(*trials, strict=True), strict=True):
        layer = LayerRecording(
            fires=np.stack([part.fires for part in parts]),
            spikes=np.stack([part.spikes for part in parts]),
            conductance=np.stack([part.conductance for part in parts]) * own.g_lsb,
        )
        if job.record:
            layer.words = [part.words for part in parts]
            trace.decode_layer(layer, job.spec, own)
        layers.append(layer)
    halves = np.stack([first.halves for first, *_ in trials])
    return Recording(
        backend="rtl",
        layers=layers,
        periods=halves // 2 - job.program.rest,
        time_s=halves.sum(axis=1) * job.spec.half_period,
        clocks=np.array([first.clocks for first, *_ in trials]),
    )


@cache
def _gateware(layers: tuple[LayerConfig, ...]) -> tuple[HostPort, str]:
    """Network behind its bus, and its Verilog; writing that takes about as long as running a short job."""
    host = HostPort(Network(layers))
    return host, convert(host, "top")


def presentation_writes(registers: Mapping[str, range], program: Program, trial: int) -> list[Writes]:
    """Bus writes to the `registers` of a `HostPort` that show each presentation of one trial.

    Raises
    ------
    InputError
        If a number of fires or periods is too large for the gateware.
    """
    for name in ("fires", "periods", "rest"):
        most = int(getattr(program, name).max(initial=0))
        if most > _LARGEST_COUNT:
            raise InputError(f"program, {name}: the gateware counts to {_LARGEST_COUNT}, not to {most}")
    values = {name: words_of(getattr(program, name)[trial]) for name in ("pixels", "gates", "learn")} | {
        name: getattr(program, name)[trial][:, None] for name in ("until", "fires", "periods", "rest")
    }
    values["init"] = (np.arange(program.presentations) == 0)[:, None]
    values["go"] = np.ones((program.presentations, 1))
    return register_writes(registers, values)


@dataclass(frozen=True)
class _Layer:
    """What one layer did in one trial; `halves` (presentations,) and `clocks` are those of the whole network."""

    fires: NDArray[np.int64]
    spikes: NDArray[np.int64]
    conductance: NDArray[np.int64]
    halves: NDArray[np.int64]
    clocks: int
    words: NDArray[np.uint64] | None


def _read(output: verilator.Output, number: int, coefficients: LayerCoefficients, trial: int, record: bool) -> _Layer:
    """Count what happened in each presentation."""
    start, *ends = output.position[number].tolist()
    # What comes before the first presentation is the power-up after reset, without coefficients.
    all_words = output.words[number][start:]
    words = all_words.astype(np.int64)
    ends = np.array(ends, dtype=np.int64) - start
    presentations = len(ends)
    neurons = coefficients.structure["neurons"]
    kind, value = words & 15, words >> 20

    def presentation(position: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(ends, position, side="right")

    at_half = np.flatnonzero(kind == _KIND["half"])
    halves = np.bincount(presentation(at_half), minlength=presentations)

    at_substep = np.flatnonzero(kind == _KIND["substep"])
    substeps = value[at_substep].reshape(-1, neurons)
    at_pass = at_substep[::neurons]
    fires = np.zeros((presentations, neurons), dtype=np.int64)
    rises, who = np.nonzero(np.diff(substeps >> _L1 & 1, axis=0, prepend=0) == 1)
    np.add.at(fires, (presentation(at_pass[rises]), who), 1)
    # G1 is L2 in a high half-period, and L2 does not change within one: its first pass tells.
    spikes = np.zeros((presentations, neurons), dtype=np.int64)
    high = at_half[value[at_half] & 1 == 1]
    first = np.searchsorted(at_pass, high)
    which, who = np.nonzero(substeps[first] >> _L2 & 1)
    np.add.at(spikes, (presentation(high[which]), who), 1)

    conductance = coefficients.words["conductance"][trial].reshape(-1, neurons).T.copy()  # (neurons, rows)
    touched = kind == _KIND["conductance"]
    conductance[words[touched] >> 4 & 0xFFFF, value[touched] >> 16] = value[touched] & 0xFFFF  # the last one stays
    return _Layer(
        fires=fires,
        spikes=spikes,
        conductance=conductance,
        halves=halves,
        clocks=int(output.clocks[-1] - output.clocks[0]),
        words=all_words if record else None,
    )
