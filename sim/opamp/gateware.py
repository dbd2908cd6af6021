"""The gateware of the op-amp neurons, compiled by Verilator: the same job as on any backend, bit for bit."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from memtwin.hdl.opamp.layer import OpampLayerConfig
from memtwin.hdl.opamp.network import OpampNetwork
from memtwin.hdl.port.host import HostPort
from memtwin.hdl.verilog import convert
from memtwin.sim.backends import Progress, Run
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.engines import verilator
from memtwin.sim.engines.gateware import Writes, register_writes, run_trials, words_of
from memtwin.sim.errors import InputError
from memtwin.sim.opamp import trace
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.recording import LayerRecording, Recording
from memtwin.sim.state import State

__all__ = ["check", "gateware", "presentation_writes", "recording", "run"]

_KIND = {name: kind for kind, name in trace.KINDS.items()}
_COUNTED = tuple(_KIND[name] for name in ("circuit", "conductance"))


def check(job: Run) -> None:
    """Refuse the smooth law of switching, which the gateware does not have."""
    if job.spec.smooth:
        raise InputError(
            "backend rtl: the gateware switches sharply; the smooth law, which ngspice needs, is for physics and "
            "ngspice"
        )


def run(job: Run, progress: Progress | None = None) -> Recording:
    """Run one job, each trial in a process of its own.

    Parameters
    ----------
    job : Run
        Network, stimulus, seed; with `record`, words, waveforms, events and learning steps are kept.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Raises
    ------
    InputError
        If a value of a card does not fit its word, the job wants the smooth law, or a tool is missing.
    """
    check(job)
    coefficients = job.coefficients()
    host, text = gateware(tuple(OpampLayerConfig(**layer.structure) for layer in coefficients))
    stimulus = job.program
    outputs = run_trials(
        job,
        host,
        text,
        coefficients,
        lambda trial: presentation_writes(host.registers, stimulus, trial),
        kinds=tuple(trace.KINDS) if job.record else _COUNTED,
        progress=progress,
    )
    return recording(job, coefficients, outputs, {}, "rtl")


def recording(
    job: Run,
    coefficients: Sequence[LayerCoefficients],
    outputs: Sequence[verilator.Output],
    state: State,
    backend: str,
) -> Recording:
    """Make a recording of what the gateware left, wherever it ran: trace words of each trial, and the state."""
    stimulus = job.program
    layers = []
    for number, own in enumerate(coefficients):
        fires = np.stack([_fires(output, number, own) for output in outputs])
        conductance = np.stack([_conductance(output, number, own, trial) for trial, output in enumerate(outputs)])
        layer = LayerRecording(fires=fires, spikes=fires, conductance=conductance * own.g_lsb)
        if job.record:
            layer.words = [_words(output, number) for output in outputs]
            trace.decode_layer(layer, job.spec, own)
        layers.append(layer)
    return Recording(
        backend=backend,
        layers=layers,
        periods=stimulus.on,
        time_s=(stimulus.on + stimulus.off).sum(axis=1) * job.spec.substep,
        clocks=np.array([int(output.clocks[-1] - output.clocks[0]) for output in outputs]),
        state=dict(state),
    )


@cache
def gateware(layers: tuple[OpampLayerConfig, ...]) -> tuple[HostPort, str]:
    """Network behind its bus, and its Verilog."""
    host = HostPort(OpampNetwork(layers))
    return host, convert(host, "top")


def presentation_writes(registers: Mapping[str, range], stimulus: Stimulus, trial: int) -> list[Writes]:
    """Bus writes to the `registers` of a `HostPort` that show each presentation of one trial."""
    first = np.arange(stimulus.presentations)[:, None] == 0
    values = {name: words_of(getattr(stimulus, name)[trial]) for name in ("pixels", "gates", "learn")} | {
        "on": stimulus.on[trial][:, None],
        "off": stimulus.off[trial][:, None],
        "init": first,
        "go": np.ones_like(first),
    }
    return register_writes(registers, values)


def _words(output: verilator.Output, number: int) -> NDArray[np.uint64]:
    """Trace of a layer from the first presentation on; before it is the power-up after reset."""
    return output.words[number][output.position[number][0] :]


def _fires(output: verilator.Output, number: int, own: LayerCoefficients) -> NDArray[np.int64]:
    """Count the rises of `on` of every neuron in each presentation, (P, N)."""
    words = _words(output, number).astype(np.int64)
    ends = output.position[number][1:] - output.position[number][0]
    circuit = np.flatnonzero(words & 15 == _KIND["circuit"])
    on = (words[circuit] >> 20 + 36 & 1).reshape(-1, own.structure["neurons"])
    presentation = np.searchsorted(ends, circuit.reshape(on.shape)[:, 0], side="right")
    fires = np.zeros((ends.size, on.shape[1]), dtype=np.int64)
    rises, who = np.nonzero(np.diff(on, axis=0, prepend=0) == 1)
    np.add.at(fires, (presentation[rises], who), 1)
    return fires


def _conductance(output: verilator.Output, number: int, own: LayerCoefficients, trial: int) -> NDArray[np.int64]:
    """Conductances at the end, (neurons, rows)."""
    words = _words(output, number).astype(np.int64)
    touched = words[words & 15 == _KIND["conductance"]]
    conductance = own.words["conductance"][trial].reshape(-1, own.structure["neurons"]).T.copy()
    value = touched >> 20
    conductance[touched >> 4 & 0xFFFF, value >> 16] = value & 0xFFFF  # the last one stays
    return conductance
