"""Physics of STDP synapses and their neurons in continuous time, float64, SI units (docs/stdp.md).

Between spikes everything is an exponential, so that a run goes from spike to spike, with the age of the last one
instead of a trace. Nothing is rounded; the only steps are those in which spikes may come.
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job, Progress
from memtwin.sim.recording import Event, LayerRecording, Waveform
from memtwin.sim.stdp.recording import StdpRecording
from memtwin.sim.stdp.shown import SpikeTrains
from memtwin.sim.stdp.spec import StdpSpec

__all__ = ["run"]

Floats = NDArray[np.float64]


def run(job: Job, progress: Progress | None = None) -> StdpRecording:
    """Run `job` in continuous time.

    Parameters
    ----------
    job : Job
        Neurons (`StdpSpec`), spikes (`SpikeTrains`), seed; with `record`, waveforms, events and learning steps are
        kept.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Returns
    -------
    StdpRecording
        Without `words` and `clocks`, which continuous time does not have.
    """
    spec, trains = job.spec, job.shown
    assert isinstance(spec, StdpSpec)
    assert isinstance(trains, SpikeTrains)  # what goes with it
    sample = job.sample()[0]
    trials = []
    for trial in range(trains.trials):
        one = _Trial(spec, trains, sample.conductance[trial], trial, job.record)
        one.run()
        trials.append(one)
        if progress is not None:
            progress((trial + 1) / trains.trials)
    spikes = np.stack([one.spikes for one in trials])
    history = np.stack([one.history for one in trials])
    layer = LayerRecording(fires=spikes, spikes=spikes.copy(), conductance=history[:, -1].copy())
    if job.record:
        layer.events = [one.events for one in trials]
        layer.learning = [one.learning for one in trials]
        layer.waveform = [one.waveform() for one in trials]
    shape = (trains.trials, trains.epochs)
    return StdpRecording(
        backend="physics",
        layers=[layer],
        duration=np.full(shape, trains.steps),
        time_s=np.full(trains.trials, trains.epochs * trains.steps * spec.step),
        history=history,
    )


class _Trial:
    """One trial, from one instant with spikes to the next."""

    def __init__(self, spec: StdpSpec, trains: SpikeTrains, conductance: Floats, trial: int, record: bool) -> None:
        self.spec, self.trains, self.trial, self.record = spec, trains, trial, record
        self.g = conductance.copy()  # (neurons, rows)
        self.lift = np.zeros(spec.neurons)  # membrane above rest, V, at the time `at`
        self.at = 0.0
        self.last_input = np.full(spec.rows, -np.inf)  # times of the last spikes
        self.last_output = np.full(spec.neurons, -np.inf)
        self.spikes = np.zeros((trains.epochs, spec.neurons), dtype=np.int64)
        self.history = np.zeros((trains.epochs, spec.neurons, spec.rows))
        self.events: list[Event] = []
        self.learning: list[tuple[float, int, Floats]] = []
        self._instants: list[tuple[float, Floats, NDArray[np.bool_]]] = []

    def run(self) -> None:
        trains = self.trains
        for epoch in range(trains.epochs):
            inputs = trains.inputs[self.trial, epoch].astype(bool)
            forced = trains.forced[self.trial, epoch].astype(bool)
            learn = bool(trains.learn[self.trial, epoch])
            for step in np.flatnonzero(inputs.any(axis=1) | forced.any(axis=1)):
                now = (epoch * trains.steps + int(step)) * self.spec.step
                self._instant(now, epoch, inputs[step], forced[step], learn)
            self.history[epoch] = self.g

    def _instant(
        self, now: float, epoch: int, inputs: NDArray[np.bool_], forced: NDArray[np.bool_], learn: bool
    ) -> None:
        spec, device = self.spec, self.spec.device
        # Eq. (2) of yu-tio2: decay towards rest, then the charge of the spikes, which are short.
        self.lift *= np.exp(-(now - self.at) / device["tau"])
        self.at = now
        self.lift += spec.kick / spec.g_on * self.g[:, inputs].sum(axis=1)
        touched = np.zeros(spec.neurons, dtype=bool)
        if learn and inputs.any():  # an input after the last output
            window = device["w_minus"] / 100 * np.exp(-(now - self.last_output) / device["tau2"])
            share = (self.g[:, inputs] - spec.g_off) / (device["g_initial"] - spec.g_off)
            change = spec.rate_down * window[:, None] * device["g_initial"] * share
            self.g[:, inputs] = np.maximum(self.g[:, inputs] - change, spec.g_off)
            touched |= True
        self.last_input[inputs] = now
        fires = (self.lift > device["v_th"] - device["u_rest"]) | forced
        if learn and fires.any():  # an output after the last input of each row
            window = device["w_plus"] / 100 * np.exp(-(now - self.last_input) / device["tau1"])
            share = (spec.g_on - self.g[fires]) / (spec.g_on - device["g_initial"])
            change = spec.rate_up * window * device["g_initial"] * share
            self.g[fires] = np.minimum(self.g[fires] + change, spec.g_on)
            touched |= fires
        self.lift[fires] = 0.0
        self.last_output[fires] = now
        self.spikes[epoch] += fires
        if self.record:
            self.events += [Event(now, int(neuron), "spike") for neuron in np.flatnonzero(fires)]
            self.learning += [(now, int(neuron), self.g[neuron].copy()) for neuron in np.flatnonzero(touched)]
            self._instants.append((now, self.lift.copy(), fires.copy()))

    def waveform(self) -> Waveform:
        """Sample the membrane at the start of every step, right after its spikes."""
        spec = self.spec
        count = self.trains.epochs * self.trains.steps
        time = np.arange(count, dtype=np.float64) * spec.step
        u = np.zeros((count, spec.neurons))
        on = np.zeros((count, spec.neurons), dtype=np.uint8)
        steps = [*(round(start / spec.step) for start, _, _ in self._instants), count]
        for (start, lift, fires), (first, last) in zip(self._instants, pairwise(steps), strict=True):
            u[first:last] = lift * np.exp(-(time[first:last] - start) / spec.device["tau"])[:, None]
            on[first] = fires
        clk = self.trains.inputs[self.trial].any(axis=-1).reshape(-1).astype(np.uint8)
        return Waveform(time_s=time + spec.step, clk=clk, signals={"u": u + spec.device["u_rest"], "on": on})
