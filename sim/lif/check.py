"""Holds a recording of a LIF network against the equation of its layers, step by step.

Each step starts from the membrane that the recording has before it, so that an error is seen where it is made, and what
follows from it is not counted again: a spike that comes a step later in the integers changes everything after it, and
every step after it still has to be right. The equation is that of `LifLayerSpec`, in float64; the events of layer 1
are encoded anew (`sim/lif/physics_encoder.py`), the inputs of later layers are the spikes that the recording has. What
rounding to words explains is in `Allowance`; docs/compare.md derives it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim import bounded
from memtwin.sim.backends import Job
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.lif.physics_encoder import Encoder, Player, source
from memtwin.sim.lif.quantize import v_unit
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.lif.shown import DECODERS, Images
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec
from memtwin.sim.recording import LayerRecording

__all__ = ["Allowance", "Check", "allowances"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_FLOAT = 1e-9  # rounding of float64, as a part of the distance from rest to threshold
_COARSE = 16  # units of `v` in a unit of threshold and reset, and what `v >> 4` drops at most, less one


@dataclass(frozen=True)
class Allowance:
    """How far one step may be from the equation.

    Attributes
    ----------
    step : float array (neurons,)
        In any step, V.
    of_membrane : float
        And as a part of the distance from rest before the step.
    of_current : float array (neurons,)
        And per unit of the current of the synapses, V.
    level : float
        Of the threshold, and of the value after a spike, V.
    weight : float
        Of a weight.
    most : float
        How far from rest a membrane can be, V.
    """

    step: Floats
    of_membrane: float
    of_current: Floats
    level: float
    weight: float
    most: float


def allowances(job: Job[LifSpec, Images], *, words: bool) -> list[Allowance]:
    """What a recording may be off by in each layer: rounding to words, or of float64 alone."""
    coefficients = job.coefficients() if words else [None] * len(job.spec.layers)
    return [_allowance(layer, job.spec.dt, own) for layer, own in zip(job.spec.layers, coefficients, strict=True)]


def _allowance(layer: LifLayerSpec, dt: float, own: LayerCoefficients | None) -> Allowance:
    distance = layer.per_neuron("v_threshold") - layer.per_neuron("v_leak")
    if own is None:
        return Allowance(
            _FLOAT * distance, _FLOAT, np.zeros(layer.neurons), _FLOAT * float(distance.max()), 0.0, np.inf
        )
    unit = v_unit(layer)
    leak, _ = _step_of(layer, dt)
    shift = int(own.words["gain_shift"][0])
    # `v >> 4` drops up to 15 units, of which the leak takes its part; leak, drive and bias are rounded to a unit.
    step = unit * ((_COARSE - 1) * leak + 3 / 2) + _FLOAT * distance
    return Allowance(
        step=step,
        of_membrane=2.0**-17,  # half a unit of the word `leak`
        # Half a unit of the word `gain`.
        of_current=np.full(layer.neurons, unit / own.weight_unit * 2.0 ** -(shift + 1)),
        level=unit * _COARSE / 2 + _FLOAT * float(distance.max()),
        weight=own.weight_unit / 2 * (1 + _FLOAT),
        most=unit * (2**19 - 1),
    )


def _step_of(layer: LifLayerSpec, dt: float) -> tuple[Floats, Floats]:
    """What a step takes of the distance from rest, and what it makes of a current, V per unit."""
    tau, r = layer.per_neuron("tau"), layer.per_neuron("r")
    leak = -np.expm1(-dt / tau)
    return leak, np.where(np.isinf(tau), r * dt, r * leak)


class Check(bounded.Check):
    """What is wrong with a recording.

    Attributes
    ----------
    ratios : dict of str to float
        The largest error as a part of what is allowed, by what it is of: ``"membrane"``, ``"threshold"`` (a spike that
        should not be there, or is missing), ``"reset"``, ``"weight"``.
    faults : list of str
        What cannot be told by a ratio.
    compared : int
        Samples of membranes.
    """

    def __init__(self, job: Job[LifSpec, Images], recording: LifRecording, allowed: list[Allowance]) -> None:
        super().__init__()
        self.job, self.recording, self.allowed = job, recording, allowed
        self.compared = 0
        sample = job.sample()
        encoder = source(job.shown, job.spec.layers[0].rows, sample[0].seed)
        for number, (layer, own) in enumerate(zip(recording.layers, sample, strict=True)):
            off = np.abs(layer.conductance - own.weight).max()
            self._use("weight", off / (allowed[number].weight or _FLOAT * np.abs(own.weight).max() or 1.0))
        for trial in range(job.shown.trials):
            if self._is_whole(trial):
                self._trial(trial, encoder)

    def _fault(self, trial: int, number: int, what: str) -> None:
        self.faults.append(f"trial {trial}, layer {number + 1}: {what}")

    def _is_whole(self, trial: int) -> bool:
        """Whether a trial has a sample of every step, and spikes that are counted and logged as they are sampled."""
        steps = self.recording.duration[trial]
        before = len(self.faults)
        if (steps < 1).any() or (steps > self.job.shown.steps[trial]).any():
            self._fault(trial, 0, "steps that no image can have")
            return False
        for number, layer in enumerate(self.recording.layers):
            wave = layer.waveform[trial]
            if any(len(values) != steps.sum() for values in (wave.time_s, *wave.signals.values())):
                self._fault(trial, number, f"expected a sample in each of {steps.sum()} steps, not {len(wave.time_s)}")
                continue
            spike = wave.signals["spike"] == 1
            if not np.allclose(wave.time_s, self.job.spec.dt * np.arange(1, len(spike) + 1)):
                self._fault(trial, number, "samples are not at the ends of steps")
            counts = np.add.reduceat(spike, _starts(steps), axis=0)
            if (counts != layer.spikes[trial]).any() or (counts != layer.fires[trial]).any():
                self._fault(trial, number, "counts are not those of the sampled spikes")
            if not _logged(layer, trial, spike, self.job.spec.dt):
                self._fault(trial, number, "events are not the sampled spikes")
        return len(self.faults) == before

    def _trial(self, trial: int, encoder: Encoder | Player) -> None:
        steps = self.recording.duration[trial]
        encoded = []
        for image, length in enumerate(steps):
            encoded.append(encoder.events(trial, image)[:length])
            encoder.ended(trial, int(length))
        inputs: NDArray = np.concatenate(encoded)
        if (self.recording.layers[0].waveform[trial].signals["events"] != inputs.sum(axis=1)).any():
            self._fault(trial, 0, "events of the encoder are not those of the images")
        for number in range(len(self.recording.layers)):
            u, off = self._layer(trial, number, inputs, _starts(steps))
            inputs = self.recording.layers[number].waveform[trial].signals["spike"] == 1
        if self.job.shown.decoder in DECODERS:
            self._decoder(trial, u, off, inputs)
        elif (steps != self.job.shown.steps[trial]).any():
            self._fault(trial, 0, f"expected {self.job.shown.steps[trial, 0]} steps, not {steps[0]}")

    def _layer(self, trial: int, number: int, inputs: NDArray, starts: NDArray[np.int64]) -> tuple[Floats, Floats]:
        """Check every step of a layer; returns the membrane before the reset by the equation, and its allowance."""
        layer, allowed, spec = self.job.spec.layers[number], self.allowed[number], self.job.spec
        recorded = self.recording.layers[number]
        v, spike, hold = (recorded.waveform[trial].signals[name] for name in ("v", "spike", "hold"))
        spike = spike == 1
        rest, threshold, reset = (layer.per_neuron(name) for name in ("v_leak", "v_threshold", "v_reset"))
        before, spiked, held = (_before(values, starts) for values in (v - rest, spike, hold))
        leak, drive = _step_of(layer, spec.dt)
        current = inputs @ recorded.conductance[trial].T
        u = rest + before * (1 - leak) + drive * (current + layer.per_neuron("bias"))
        if layer.reset == "subtract-delayed":  # the membrane is shown with the reset, which leaks with the next step
            u = u - spiked * leak * (threshold - rest)
        still = (held > 0) | (spiked & (layer.reset == "value-delayed"))

        off = allowed.step + allowed.of_membrane * np.abs(before) + allowed.of_current * np.abs(current)
        beyond = np.where(spike, threshold - u, u - threshold) / (off + allowed.level)
        self._use("threshold", beyond[~still])
        clamped = ~still & ~spike & (np.abs(v - rest) >= allowed.most * (1 - _FLOAT))
        if clamped.any():
            what = f"{np.count_nonzero(clamped)} samples are at the end of the membrane's word"
            self._fault(trial, number, f"{what}, {allowed.most:.4g} from rest")
        self._use("membrane", (np.abs(v - u) / off)[~still & ~spike & ~clamped])
        if "subtract" in layer.reset:
            after = np.abs(v - (u - (threshold - rest))) / (off + allowed.level)
        else:
            after = np.abs(v - reset) / allowed.level
        self._use("reset", after[~still & spike])
        self._use("reset", (np.abs(v - rest - before) / allowed.level)[still])

        steps = round(layer.refractory / spec.dt)
        longest = np.where(spike, steps, np.maximum(held - 1, 0))
        # A delayed reset to a value is a refractory period of a step in the integers.
        same = (hold == longest) | ((layer.reset == "value-delayed") & (steps == 0) & (hold == spike))
        if (spike & still).any() or not same.all():
            self._fault(trial, number, "refractory periods are not of the length that they should have")
        self.compared += v.size
        return u, off

    def _decoder(self, trial: int, u: Floats, off: Floats, spike: Bools) -> None:
        """Check the steps and the answer of every image by what the last layer did."""
        images, last = self.job.shown, len(self.recording.layers) - 1
        v = self.recording.layers[last].waveform[trial].signals["v"]
        lengths = self.recording.duration[trial]
        for image, (start, steps) in enumerate(zip(_starts(lengths), lengths, strict=True)):
            own, end = spike[start : start + steps], start + steps - 1
            fired = np.flatnonzero(own.any(axis=1)) if images.decoder == "first spike" else np.zeros(0, dtype=np.int64)
            due = fired[0] + 1 if fired.size else images.steps[trial, image]
            if steps != due:
                self._fault(trial, last, f"image {image} took {steps} steps; its spikes say {due}")
            # The membrane before the reset is not sampled: there the equation decides, as well as it can.
            counts, by, near = (own[-1], u[end], off[end]) if fired.size else (own.sum(axis=0), v[end], 0 * v[end])
            among = np.flatnonzero(counts == counts.max())
            best = by[among].max()
            right = among[by[among] + near[among] >= best - near[among].max()]
            chosen = self.recording.answers[trial, image]
            if chosen not in (right if fired.size else right[:1]):
                self._fault(trial, last, f"image {image} has the answer {chosen}; its last layer says {right[0]}")


def _starts(steps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Step with which each image starts."""
    return np.cumsum(steps) - steps


def _before(values: NDArray, starts: NDArray[np.int64]) -> NDArray:
    """Values before each step; every image starts at zero."""
    out = np.roll(values, 1, axis=0)
    out[starts] = 0
    return out


def _logged(layer: LayerRecording, trial: int, spike: Bools, dt: float) -> bool:
    """Whether the events of a layer are its sampled spikes."""
    events = layer.events[trial]
    step, neuron = np.nonzero(spike)
    return (
        len(events) == len(step)
        and {event.kind for event in events} <= {"spike"}
        and [event.neuron for event in events] == neuron.tolist()
        and np.allclose([event.time_s for event in events], (step + 1) * dt)
    )
