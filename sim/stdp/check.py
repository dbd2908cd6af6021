"""Holds a recording of STDP synapses against the equations of docs/stdp.md, step by step.

Each step starts from the membranes and conductances that the recording has before it, so that an error is seen where it
is made. Traces of spikes are no part of a recording: what is left of a spike follows from its age. What rounding to
words explains is derived in docs/compare.md.
"""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim import bounded
from memtwin.sim.backends import Job
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.stdp.quantize import VOLT
from memtwin.sim.stdp.recording import StdpRecording
from memtwin.sim.stdp.shown import SpikeTrains
from memtwin.sim.stdp.spec import StdpSpec

__all__ = ["Check"]

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_FLOAT = 1e-9  # rounding of float64, as a part of the threshold and of the largest conductance
_DROPPED = 15  # units that `>> 4` drops at most
_UNIT = 2.0**-20  # of a trace, and half a unit of a word `leak`


class Allowance:
    """How far a recording may be from the equations: rounding of float64, and of words if there are coefficients."""

    def __init__(self, spec: StdpSpec, own: LayerCoefficients | None) -> None:
        self.spec, self.words = spec, own is not None
        self.level = _FLOAT * spec.device["v_th"] + (8 * VOLT if own else 0.0)  # of the threshold, V
        self.g = _FLOAT * spec.g_on
        self.g_lsb = own.weight_unit if own else 0.0
        self.sum_shift = (spec.rows - 1).bit_length()
        self.gain_shift = own.structure["gain_shift"] if own else 0

    def membrane(self, before: Floats, total: Floats) -> Floats:
        """Of a step from `before` (V above rest) with inputs of so many siemens."""
        float_ = np.full_like(before, _FLOAT * self.spec.device["v_th"])
        if not self.words:
            return float_
        sums = total / self.g_lsb  # what the gateware adds up
        kick = self.spec.kick / (self.spec.g_on / self.g_lsb)
        leak = -np.expm1(-self.spec.step / self.spec.device["tau"])
        decay = VOLT * (_DROPPED * leak + 0.5) + before * _UNIT
        # The sum is rounded when it is shifted, so is the gain, and so is their product.
        drive = kick * 2.0 ** (self.sum_shift - 1) * (self.sum_shift > 0)
        drive = drive + VOLT / 2 * (1 + 2.0**-self.gain_shift * (sums / 2**self.sum_shift + 1))
        return float_ + decay + np.where(sums > 0, drive, 0.0)

    def change(self, room: Floats, share: float, left: Floats, steps: Floats, tau: float) -> Floats:
        """Of a conductance with `room` to its bound that moves by `share` of it times what is `left` of a spike."""
        if not self.words:
            return np.full(np.broadcast_shapes(room.shape, left.shape), self.g)
        leak = -np.expm1(-self.spec.step / tau)
        # Every step of a trace is rounded, its leak as well; older errors leak away.
        trace = (_DROPPED * leak + 0.5) * np.minimum(steps, 1 / leak)
        trace = _UNIT * (trace + np.where(left > 0, steps, 0.0) * left / (1 - leak))
        part = share * (trace + _DROPPED * _UNIT) + (left + 1) * 2.0**-16  # the word `up` or `down`, and the product
        return self.g + room * part + self.g_lsb * (share * left / 2 + 1)  # the bound, and the step to it


class Check(bounded.Check):
    """What is wrong with a recording.

    Attributes
    ----------
    ratios : dict of str to float
        The largest error as a part of what is allowed, by what it is of: ``"membrane"``, ``"threshold"`` (a spike that
        should not be there, or is missing), ``"initial"`` conductance, ``"conductance"`` after a learning step.
    faults : list of str
        What cannot be told by a ratio.
    """

    def __init__(self, job: Job[StdpSpec, SpikeTrains], recording: StdpRecording, *, words: bool) -> None:
        super().__init__()
        self.job, self.recording = job, recording
        self._own: LayerCoefficients | None = job.coefficients()[0] if words else None
        self.allowed = Allowance(job.spec, self._own)
        for trial in range(job.shown.trials):
            if self._is_whole(trial):
                self._trial(trial)

    def _is_whole(self, trial: int) -> bool:
        """Whether a trial has a sample of every step, and spikes that are counted and logged as they are sampled."""
        trains, step = self.job.shown, self.job.spec.step
        layer = self.recording.layers[0]
        wave, count = layer.waveform[trial], trains.epochs * trains.steps
        before = len(self.faults)
        if any(len(values) != count for values in (wave.time_s, *wave.signals.values())):
            self.faults.append(f"trial {trial}: expected a sample in each of {count} steps, not {len(wave.time_s)}")
            return False
        if not np.allclose(wave.time_s, step * np.arange(1, count + 1)):
            self.faults.append(f"trial {trial}: samples are not at the ends of steps")
        on = wave.signals["on"] == 1
        counts = on.reshape(trains.epochs, trains.steps, -1).sum(axis=1)
        if (counts != layer.spikes[trial]).any() or (counts != layer.fires[trial]).any():
            self.faults.append(f"trial {trial}: counts are not those of the sampled spikes")
        at, neuron = np.nonzero(on)
        events = layer.events[trial]
        if (
            [event.neuron for event in events] != neuron.tolist()
            or not np.allclose([event.time_s for event in events], at * step)
            or {event.kind for event in events} - {"spike"}
        ):
            self.faults.append(f"trial {trial}: events are not the sampled spikes")
        if (self.recording.duration[trial] != trains.steps).any():
            self.faults.append(f"trial {trial}: periods are not the steps of the epochs")
        return len(self.faults) == before

    def _trial(self, trial: int) -> None:
        trains, spec = self.job.shown, self.job.spec
        inputs, forced = (
            values[trial].reshape(-1, values.shape[-1]).astype(bool) for values in (trains.inputs, trains.forced)
        )
        learns = np.repeat(trains.learn[trial].astype(bool), trains.steps)
        signals = self.recording.layers[0].waveform[trial].signals
        on, lift = signals["on"] == 1, signals["u"] - spec.device["u_rest"]

        total = self._learning(trial, inputs, on, learns)
        before = np.vstack([np.zeros((1, spec.neurons)), lift[:-1]])
        expected = before * np.exp(-spec.step / spec.device["tau"]) + spec.kick / spec.g_on * total
        allowed = self.allowed.membrane(before, total)
        threshold = spec.device["v_th"] - spec.device["u_rest"]
        beyond = np.where(on, threshold - expected, expected - threshold) / (allowed + self.allowed.level)
        self._use("threshold", beyond[~forced])
        self._use("membrane", (np.abs(lift - np.where(on, 0.0, expected)) / allowed))
        if (forced & ~on).any():
            self.faults.append(f"trial {trial}: a neuron that is made to spike does not")

    def _learning(self, trial: int, inputs: Bools, on: Bools, learns: Bools) -> Floats:
        """Check every learning step; returns the sum of the inputs' conductances before it, (steps, neurons)."""
        spec, trains, layer = self.job.spec, self.job.shown, self.recording.layers[0]
        logged = {(round(time / spec.step), neuron): column for time, neuron, column in layer.learning[trial]}
        asked = self.job.sample()[0].conductance[trial]
        g = asked.copy()
        if self._own is not None:
            words = self._own.words["conductance"][trial].reshape(spec.rows, spec.neurons).T
            g = words * self._own.weight_unit
            self._use("initial", np.abs(g - asked) / (self.allowed.g + self._own.weight_unit / 2))
        total = np.zeros(on.shape)
        last_input, last_output = np.full(spec.rows, -np.inf), np.full(spec.neurons, -np.inf)
        epochs = set(range(trains.steps - 1, len(on), trains.steps))
        for step in sorted({*np.flatnonzero(inputs.any(axis=1) | on.any(axis=1)).tolist(), *epochs}):
            total[step] = g[:, inputs[step]].sum(axis=1)
            expected, allowed = self._learnt(g, inputs[step], on[step], step - last_output, learns[step], "down")
            last_input[inputs[step]] = step
            expected, more = self._learnt(expected, inputs[step], on[step], step - last_input, learns[step], "up")
            allowed = allowed + more  # potentiation takes a part of what depression is off by, and adds its own
            last_output[on[step]] = step
            touched = learns[step] & (on[step] | inputs[step].any())
            for neuron in np.flatnonzero(touched):
                column = logged.pop((step, int(neuron)), None)
                if column is None:
                    self.faults.append(f"trial {trial}: a learning step of neuron {neuron} is missing")
                    return total
                self._use("conductance", np.abs(column - expected[neuron]) / (allowed[neuron] + self.allowed.g))
                g[neuron] = column
            if step in epochs:
                self._use(
                    "conductance", np.abs(self.recording.history[trial, step // trains.steps] - g) / self.allowed.g
                )
        self._use("conductance", np.abs(layer.conductance[trial] - g) / self.allowed.g)
        if logged:
            self.faults.append(f"trial {trial}: {len(logged)} learning steps without spikes that are learnt from")
        return total

    def _learnt(
        self, g: Floats, inputs: Bools, on: Bools, age: Floats, learns: np.bool_, way: str
    ) -> tuple[Floats, Floats]:
        """Return the conductances (neurons, rows) after depression or potentiation, and what they may be off by."""
        spec, device = self.job.spec, self.job.spec.device
        if way == "down":
            which, left_of, tau = np.broadcast_to(inputs, g.shape), age[:, None], device["tau2"]
            bound, initial = spec.g_off, device["g_initial"] - spec.g_off
            rate = spec.rate_down * device["w_minus"] / 100
        else:
            which, left_of, tau = np.broadcast_to(on[:, None], g.shape), age[None], device["tau1"]
            bound, initial = spec.g_on, spec.g_on - device["g_initial"]
            rate = spec.rate_up * device["w_plus"] / 100
        which = which & learns
        share = rate * device["g_initial"] / initial  # of the way to the bound, right after a spike
        left = np.exp(-left_of * spec.step / tau)
        moved = g + (bound - g) * np.minimum(share * left, 1.0)
        allowed = self.allowed.change(np.abs(bound - g), share, left, np.broadcast_to(left_of, left.shape), tau)
        return np.where(which, moved, g), np.where(which, allowed, 0.0)
