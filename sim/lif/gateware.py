"""The gateware of LIF networks, compiled by Verilator: the same job as on any backend, bit for bit."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from memtwin.hdl.lif.layer import LifLayerConfig
from memtwin.hdl.lif.network import LifNetwork
from memtwin.hdl.port.host import HostPort
from memtwin.hdl.verilog import convert
from memtwin.sim.backends import Progress, Run
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.engines import verilator
from memtwin.sim.engines.gateware import Writes, run_trials, state_of
from memtwin.sim.lif import trace
from memtwin.sim.lif.quantize import image_words, power_up_words
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifSpec
from memtwin.sim.recording import LayerRecording
from memtwin.sim.state import State

__all__ = ["gateware", "image_writes", "recording", "run"]

_MEMBRANE = np.uint64(next(kind for kind, name in trace.KINDS.items() if name == "membrane"))


def run(job: Run[LifSpec, Images], progress: Progress | None = None) -> LifRecording:
    """Run one job, each trial in a process of its own.

    Parameters
    ----------
    job : Run
        Network (`LifSpec`), images (`Images`), seed; with `record`, words, waveforms and events are kept.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Raises
    ------
    InputError
        If a parameter does not fit its word, an image does not fit the encoder, `job.start` is of another network, or
        a tool is missing.
    """
    spec, images = job.spec, job.program
    sample, coefficients = job.sample(), job.coefficients()
    host, text = gateware(tuple(LifLayerConfig(**layer.structure) for layer in coefficients), spec.capacity)
    outputs = run_trials(
        job,
        host,
        text,
        coefficients,
        lambda trial: image_writes(
            host, images, power_up_words(sample, images, trial), trial, powered=job.start is not None
        ),
        kinds=tuple(trace.KINDS),
        progress=progress,
    )
    return recording(job, coefficients, outputs, state_of(host, outputs), "rtl")


def recording(
    job: Run[LifSpec, Images],
    coefficients: Sequence[LayerCoefficients],
    outputs: Sequence[verilator.Output],
    state: State,
    backend: str,
) -> LifRecording:
    """Make a recording of what the gateware left, wherever it ran: trace words of each trial, and the state."""
    spec = job.spec
    layers = []
    steps = answers = events = np.zeros((0, 0), dtype=np.int64)
    for number, (layer, own) in enumerate(zip(spec.layers, coefficients, strict=True)):
        words = [output.words[number] for output in outputs]
        read = [trace.read(each, layer.neurons) for each in words]
        starts = [_starts(output, number, layer.neurons) for output in outputs]
        spikes = np.stack([np.add.reduceat(taken.spike, at, axis=0) for taken, at in zip(read, starts, strict=True)])
        if number == 0:
            events = np.stack([np.add.reduceat(taken.events, at) for taken, at in zip(read, starts, strict=True)])
        weight = (own.words["weight"].reshape(-1, layer.rows, layer.neurons) ^ 0x8000) - 0x8000
        out = LayerRecording(fires=spikes, spikes=spikes.copy(), conductance=weight.transpose(0, 2, 1) * own.g_lsb)
        if job.record:
            out.words = words
            trace.decode_layer(out, spec, number)
        layers.append(out)
        if number == len(spec.layers) - 1:
            answers = np.stack([taken.answer for taken in read])
            steps = np.stack([np.diff(taken.end, prepend=0) for taken in read])
    return LifRecording(
        backend=backend,
        layers=layers,
        periods=steps,
        time_s=steps.sum(axis=1) * spec.dt,
        clocks=np.array([int(output.clocks[-1] - output.clocks[0]) for output in outputs]),
        state=dict(state),
        answers=answers,
        events=events,
    )


@cache
def gateware(layers: tuple[LifLayerConfig, ...], capacity: int) -> tuple[HostPort, str]:
    """Network behind its bus, and its Verilog."""
    host = HostPort(LifNetwork(layers, capacity))
    return host, convert(host, "top")


def image_writes(
    host: HostPort, images: Images, power_up: dict[str, list[int]], trial: int, *, powered: bool = False
) -> list[Writes]:
    """Bus writes that show each image of one trial; before the first come the words of `power_up`.

    The first image begins with power-up, unless the network is `powered` already.
    """
    out = []
    for presentation in range(images.presentations):
        words = image_words(images, trial, presentation)
        if presentation == 0:
            words = power_up | words
        writes = [_window_writes(host, name, values) for name, values in words.items()]
        values = {
            "steps": int(images.steps[trial, presentation]),
            "init": int(presentation == 0 and not powered),
            "go": 1,
        }
        writes += [([address], [values[name]]) for name, (address,) in host.registers.items()]
        addresses, data = (np.concatenate(parts).astype(np.int64) for parts in zip(*writes, strict=True))
        out.append((addresses, data))
    return out


def _window_writes(host: HostPort, name: str, values: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
    base = host.network.memory_map.windows[name].address(0)
    return range(base, base + len(values)), values


def _starts(output: verilator.Output, number: int, neurons: int) -> NDArray[np.int64]:
    """Step, counted from the first, with which each image starts in the trace of a layer, (P,)."""
    steps = np.cumsum((output.words[number] & np.uint64(15)) == _MEMBRANE) // neurons
    return np.concatenate([[0], steps])[output.position[number][:-1]]
