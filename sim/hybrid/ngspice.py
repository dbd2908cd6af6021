"""Hybrid neurons in ngspice: the analog part is solved as a circuit, the gates are those of the physics."""

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job, Progress
from memtwin.sim.engines import ngspice as spice
from memtwin.sim.hybrid.spice import check as check_netlist
from memtwin.sim.hybrid.spice import duration, given, netlist, probes
from memtwin.sim.recording import Event, LayerRecording, Recording

__all__ = ["check", "run"]

_TIMEOUT = 3600.0


def check(job: Job) -> None:
    """Refuse what the netlist cannot hold, and a machine without ngspice."""
    check_netlist(job)
    spice.require()


def run(job: Job, progress: Progress | None = None) -> Recording:
    """Run `job` in ngspice, each trial in a process of its own, as many at a time as there are processors.

    What ngspice solves is the voltage of node 1, the filament, and when the device is on. Everything else is copied
    from the run of the physics that gives the gates: fires, spikes, conductances, latches and their events. That the
    two fire equally often is therefore no finding; that their devices switch equally often, and when, is one.

    Parameters
    ----------
    job : Job
        A `NetworkSpec` without lateral inhibition and adaptive thresholds, and a `Program`.
    progress : callable, optional
        Called with the part of the trials that are done.

    Returns
    -------
    Recording
        That of the physics, except, with ``job.record``, for the events "on" and "off" and the signals `x`, `v1` and
        `on`.

    Raises
    ------
    InputError
        If the netlist cannot hold the job, ngspice is missing or fails.
    """
    check(job)
    gates = given(job)
    columns = probes(job)
    done: list[int] = []

    def one(trial: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        text = netlist(job, trial, gates)
        traces = spice.run(text, stop=duration(gates, trial), timeout=_TIMEOUT)
        done.append(trial)
        if progress is not None:
            progress(len(done) / job.shown.trials)
        return traces

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        solved = list(pool.map(one, range(job.shown.trials)))

    gates.backend = "ngspice"
    for index, layer in enumerate(gates.layers):
        if not job.record:
            layer.events, layer.waveform, layer.learning = [], [], []
            continue
        for trial, (time, traces) in enumerate(solved):
            own = {
                (probe.signal, probe.neuron): traces[:, column]
                for column, probe in enumerate(columns)
                if probe.layer == index
            }
            _replace(layer, trial, time, own, float(gates.time_s[trial]))
    return gates


def _replace(
    layer: LayerRecording,
    trial: int,
    time: NDArray[np.float64],
    own: dict[tuple[str, int], NDArray[np.float64]],
    end: float,
) -> None:
    """Put what ngspice solved in the place of what the physics did."""
    wave = layer.waveform[trial]
    events = [event for event in layer.events[trial] if event.kind not in ("on", "off")]
    for (signal, neuron), trace in own.items():
        sampled = np.interp(wave.time_s, time, trace)
        if signal == "h":
            events += [
                Event(at, neuron, "on" if rises else "off") for at, rises in spice.crossings(time, trace) if at < end
            ]
            wave.signals["on"][:, neuron] = sampled > 0.5
        else:
            wave.signals[signal][:, neuron] = sampled
    layer.events[trial] = sorted(events, key=lambda event: (event.time_s, event.neuron))
