"""Op-amp neurons in ngspice: the netlist of each trial, solved as a circuit, and read as a recording."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job, Progress
from memtwin.sim.engines import ngspice as spice
from memtwin.sim.errors import InputError
from memtwin.sim.opamp.spice import Probe, check_synapses, duration, netlist, probes
from memtwin.sim.recording import Event, LayerRecording, Recording, Waveform

__all__ = ["check", "run"]

_TIMEOUT = 3600.0


def check(job: Job) -> None:
    """Refuse what ngspice cannot run: the sharp law of switching, synapses that learn; and a machine without it."""
    if not job.spec.smooth:
        raise InputError(
            "backend ngspice: expected the smooth switching law (smooth=True); thresholds have no solution"
        )
    for trial in range(job.shown.trials):
        check_synapses(job, trial)
    spice.require()


def run(job: Job, progress: Progress | None = None) -> Recording:
    """Run `job` in ngspice, each trial in a process of its own, as many at a time as there are processors.

    Parameters
    ----------
    job : Job
        An `OpampSpec` with ``smooth``, and a `Stimulus` in which nothing learns.
    progress : callable, optional
        Called with the part of the trials that are done.

    Returns
    -------
    Recording
        As the physics makes it: events where `h` crosses 1/2, waveforms at the start of every substep.

    Raises
    ------
    InputError
        If the switching law is not smooth, a layer learns, ngspice is missing or fails.
    """
    check(job)
    spec, stimulus = job.spec, job.shown
    columns = probes(job)
    done: list[int] = []

    def one(trial: int) -> list[_Layer]:
        time, traces = spice.run(netlist(job, trial), stop=duration(job, trial), timeout=_TIMEOUT)
        read = [_Layer(job, trial, index, time, traces, columns) for index in range(len(spec.layers))]
        done.append(trial)
        if progress is not None:
            progress(len(done) / stimulus.trials)
        return read

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        trials = list(pool.map(one, range(stimulus.trials)))

    layers = []
    for sample, parts in zip(job.sample(), zip(*trials, strict=True), strict=True):
        counts = np.stack([part.pulses for part in parts])
        layer = LayerRecording(fires=counts, spikes=counts.copy(), conductance=sample.conductance.copy())
        if job.record:
            layer.events = [part.events for part in parts]
            layer.waveform = [part.waveform for part in parts]
            layer.learning = [[] for _ in parts]
        layers.append(layer)
    seconds = (stimulus.on + stimulus.off).sum(axis=1) * spec.substep
    return Recording(backend="ngspice", layers=layers, duration=stimulus.on.copy(), time_s=seconds)


class _Layer:
    """What the traces of one trial say of one layer: `events`, `pulses` (presentations, neurons) and `waveform`."""

    def __init__(
        self, job: Job, trial: int, index: int, time: NDArray[np.float64], traces: NDArray, columns: list[Probe]
    ) -> None:
        neurons, substep = job.spec.layers[index].neurons, job.spec.substep
        starts = job.shown.starts(trial)
        signals: dict[str, NDArray] = {}
        # Sources change within EDGE of the start of a substep; a sample is of the substep that begins.
        samples = substep * np.arange(starts[-1])
        self.events: list[Event] = []
        self.pulses = np.zeros((job.shown.presentations, neurons), dtype=np.int64)
        for column, probe in enumerate(columns):
            if probe.layer != index:
                continue
            trace = traces[:, column] * probe.scale
            if probe.signal == "h":
                found = [event for event in spice.crossings(time, trace) if event[0] < starts[-1] * substep]
                self.events += [Event(at, probe.neuron, "on" if rises else "off") for at, rises in found]
                rising = np.array([at for at, rises in found if rises])
                presentation = np.searchsorted(starts[1:] * substep, rising, side="right")
                self.pulses[:, probe.neuron] = np.bincount(presentation, minlength=job.shown.presentations)
            if job.record:
                values = _at(samples + spice.EDGE, time, trace, resistance=probe.signal.startswith("r_"))
                signals.setdefault(probe.signal, np.zeros((samples.size, neurons)))[:, probe.neuron] = values
        self.events.sort(key=lambda event: (event.time_s, event.neuron))
        if job.record:
            signals["on"] = (signals.pop("h") > 0.5).astype(np.uint8)
            self.waveform = Waveform(samples, _driven(job, trial), signals)


def _at(
    samples: NDArray[np.float64], time: NDArray[np.float64], trace: NDArray[np.float64], *, resistance: bool
) -> NDArray[np.float64]:
    """Trace between the time steps: linear, or of a resistance, its logarithm, which is what changes evenly."""
    if resistance:
        return np.exp(np.interp(samples, time, np.log(trace)))
    return np.interp(samples, time, trace)


def _driven(job: Job, trial: int) -> NDArray[np.uint8]:
    """Whether each substep has input, (substeps,)."""
    phases = np.stack([job.shown.on[trial], job.shown.off[trial]], axis=1).ravel()
    return np.repeat(np.tile([1, 0], job.shown.presentations), phases).astype(np.uint8)
