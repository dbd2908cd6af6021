"""Physics of LIF networks: float64 and the weights as they are, with an encoder and a course of its own.

In a step the input current is constant, and the membrane follows the exact exponential of yu-tio2, eq. (2).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memtwin.sim.backends import Job, Progress
from memtwin.sim.lif import trace
from memtwin.sim.lif.physics_course import Shown, show
from memtwin.sim.lif.physics_encoder import source
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.lif.shown import DECODERS
from memtwin.sim.lif.spec import LifLayerSpec
from memtwin.sim.recording import Event, LayerRecording, Waveform

__all__ = ["Layer", "charge", "interval", "run"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def run(job: Job, progress: Progress | None = None) -> LifRecording:
    """Run `job` in float64.

    Returns
    -------
    LifRecording
        Without `words` and `clocks`. Where an image can end with the first spike in mode ``"rate"``, it may end in
        another step than in the integers; from then on the generator shows other events.

    Raises
    ------
    InputError
        If an image does not fit the encoder.
    """
    spec, images = job.spec, job.shown
    images.check(spec.layers[0].rows, spec.capacity)
    sample = job.sample()
    neurons = [Layer(layer, spec.dt, own.weight) for layer, own in zip(spec.layers, sample, strict=True)]
    encoder = source(images, spec.layers[0].rows, sample[0].seed)
    shape = images.steps.shape
    steps = np.zeros(shape, dtype=np.int64)
    answers = np.zeros(shape if images.decoder in DECODERS else (images.trials, 0), dtype=np.int64)
    spikes = [np.zeros((*shape, layer.neurons), dtype=np.int64) for layer in neurons]
    kept: list[list[Shown]] = [[] for _ in range(images.trials)]
    for shown in show(images, encoder, neurons, progress):
        which = shown.trial, shown.presentation
        steps[which] = len(shown.events)
        if shown.answer is not None:
            answers[which] = shown.answer
        for counts, own in zip(spikes, shown.layers, strict=True):
            counts[which] = own.spike.sum(axis=0)
        if job.record:
            kept[shown.trial].append(shown)
    layers = []
    for number, counts in enumerate(spikes):
        out = LayerRecording(fires=counts, spikes=counts.copy(), conductance=sample[number].weight)
        for of_trial in kept if job.record else []:
            wave, events = _waveform(of_trial, number, spec.dt)
            out.waveform.append(wave)
            out.events.append(events)
            out.learning.append([])
        layers.append(out)
    return LifRecording(
        backend="physics", layers=layers, duration=steps, time_s=steps.sum(axis=1) * spec.dt, answers=answers
    )


class Layer:
    """Membranes of one layer in a wave of images; see `memtwin.sim.lif.physics_course.Neurons`.

    `weight` (trials, neurons, rows) are the weights in every trial.
    """

    def __init__(self, layer: LifLayerSpec, dt: float, weight: Floats) -> None:
        self.neurons = layer.neurons
        self._synapses = _Synapses(weight)
        self._bias, self._v_leak, self._v_reset, self._v_threshold = (
            layer.per_neuron(name) for name in ("bias", "v_leak", "v_reset", "v_threshold")
        )
        tau, r = layer.per_neuron("tau"), layer.per_neuron("r")
        self._keeps = np.exp(-dt / tau)
        self._drive = np.where(np.isinf(tau), r * dt, r * (1 - self._keeps))
        self._subtract, self._delayed = (word in layer.reset for word in ("subtract", "delayed"))
        self._refractory = round(layer.refractory / dt)

    def begin(self, trial: NDArray[np.int64]) -> None:
        """Begin images, which belong to `trial` (J,)."""
        self._synapses.begin(trial)
        shape = (trial.size, self.neurons)
        self._membrane = self.v = np.broadcast_to(self._v_leak, shape).copy()
        self.u = self.v
        self.hold = np.zeros(shape, dtype=np.int64)
        self._due = np.zeros(shape, dtype=bool)  # there was a spike in the last step, and its reset is delayed to this

    def step(self, events: NDArray[np.float32], live: Bools) -> Bools:
        """Take a step with the inputs `events` (J, rows); returns who spikes, (J, neurons)."""
        current = self._synapses.sums(events.astype(float)) + self._bias
        free = self.hold == 0
        goes = self._v_leak + (self._membrane - self._v_leak) * self._keeps + self._drive * current
        self.u = self._after(np.where(free, goes, self._membrane), self._due)
        spikes = free & (self.u > self._v_threshold)
        self.v = self._after(self.u, spikes)
        self._due = spikes & self._delayed
        self._membrane = np.where(self._due, self.u, self.v)
        self.hold = np.where(spikes, self._refractory, self.hold - ~free)
        return spikes

    def _after(self, membrane: Floats, spikes: Bools) -> Floats:
        """Reset the membrane of the neurons that spike."""
        reset = membrane - (self._v_threshold - self._v_leak) if self._subtract else self._v_reset
        return np.where(spikes, reset, membrane)


class _Synapses:
    """Currents of the inputs that spike, by the weights (trials, neurons, rows) of each image's trial."""

    def __init__(self, weight: Floats) -> None:
        self._weight = weight

    def begin(self, trial: NDArray[np.int64]) -> None:
        """Begin images, which belong to `trial` (J,)."""
        self._images = [(number, np.flatnonzero(trial == number)) for number in np.unique(trial)]
        self._shape = trial.size, self._weight.shape[1]

    def sums(self, events: Floats) -> Floats:
        """Add up the weights of the inputs `events` (J, rows), 1 where there is one; returns (J, neurons)."""
        out = np.empty(self._shape)
        for number, images in self._images:
            out[images] = events[images] @ self._weight[number].T
        return out


def _waveform(images: list[Shown], number: int, dt: float) -> tuple[Waveform, list[Event]]:
    """Put the images of one trial one after the other."""
    v, spike, hold = (
        np.concatenate([getattr(image.layers[number], name) for image in images]) for name in ("v", "spike", "hold")
    )
    events = np.concatenate([image.events.sum(axis=1) for image in images]) if number == 0 else None
    return trace.waveform(v, spike, hold, dt, events)


def charge(time: ArrayLike, current: ArrayLike, *, tau: float, r: float = 1.0, v_leak: float = 0.0) -> Floats:
    """Membrane under a constant current from rest: ``v_leak + r I (1 - exp(-t / tau))``.

    This solves yu-tio2, eq. (2), with ``u(0) = u_rest``. Eq. (3) there prints ``-u_rest`` for the first term, which
    does not: at t = 0 it would start below 0.
    """
    return v_leak - r * np.asarray(current, dtype=float) * np.expm1(-np.asarray(time, dtype=float) / tau)


def interval(
    current: ArrayLike,
    *,
    tau: float,
    r: float = 1.0,
    v_leak: float = 0.0,
    v_threshold: float = 1.0,
    v_reset: float = 0.0,
    refractory: float = 0.0,
) -> Floats:
    """Time between two spikes under a constant current, s; infinite if the membrane never gets above the threshold.

    With `v_reset` at `v_leak` and no refractory period, also the time of the first spike.
    """
    end = v_leak + r * np.asarray(current, dtype=float)
    reaches = end > v_threshold
    with np.errstate(divide="ignore", invalid="ignore"):
        time = tau * np.log((end - v_reset) / (end - v_threshold))
    return np.where(reaches, refractory + time, np.inf)
