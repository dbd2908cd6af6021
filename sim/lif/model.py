"""The integer model of LIF networks: the gateware's state, step by step (docs/lif-arithmetic.md).

Images run side by side; one pass of the loop is one step of all images of a wave.
"""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job, Progress
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.lif import trace
from memtwin.sim.lif.course import Outcome, follow
from memtwin.sim.lif.encoder import source
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.lif.synapses import Synapses
from memtwin.sim.model_parts import Saturations, round_shift
from memtwin.sim.recording import LayerRecording

__all__ = ["Layer", "run"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_ACC_TOP = 2**15 - 1
_V_TOP = 2**19 - 1
_EXACT = {np.float32: 2**24, np.float64: 2**53}  # whole numbers up to here are exact


def run(job: Job, progress: Progress | None = None) -> LifRecording:
    """Run `job` on the integers of the gateware.

    Parameters
    ----------
    job : Job
        Network (`LifSpec`), images (`Images`) or spikes (`Trains`), seed; with `record`, words, waveforms and events
        are kept.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Returns
    -------
    LifRecording
        Spikes, answers, steps of every image; `conductance` holds the weights that the integers stand for.

    Raises
    ------
    InputError
        If a parameter does not fit its word, or an image does not fit the encoder.
    """
    spec, images, sample = job.spec, job.shown, job.sample()
    coefficients = job.coefficients()
    saturated = Saturations(images.trials)
    neurons = [Layer(own, saturated) for own in coefficients]
    encoder = source(spec, images, sample[0], job.start)
    outcome = follow(encoder, neurons, record=job.record, progress=progress)
    layers = []
    for number, (layer, own) in enumerate(zip(neurons, coefficients, strict=True)):
        spikes = outcome.spikes[number]
        weight = layer.weight.transpose(0, 2, 1) * own.weight_unit
        out = LayerRecording(fires=spikes, spikes=spikes.copy(), conductance=weight)
        if job.record:
            out.words = [_words(outcome, trial, number) for trial in range(images.trials)]
            trace.decode_layer(out, spec, number)
        layers.append(out)
    return LifRecording(
        backend="model",
        layers=layers,
        duration=outcome.steps,
        time_s=outcome.steps.sum(axis=1) * spec.dt,
        saturated=saturated.of(slice(None)),
        state=encoder.state(),
        answers=outcome.answers,
    )


class Layer:
    """State of one layer in a wave of images (section 2); see `memtwin.sim.lif.course.Neurons`.

    Parameters
    ----------
    coefficients : LayerCoefficients
        Integers of the layer; all but the weights are the same in every trial.
    saturated : Saturations
        Counts ``acc`` and ``u`` of neurons that do not hold.

    Attributes
    ----------
    weight : int64 array (trials, rows, neurons)
        In levels.
    """

    def __init__(self, coefficients: LayerCoefficients, saturated: Saturations) -> None:
        words = {name: values[0] for name, values in coefficients.words.items()}
        self.rows, self.neurons = coefficients.structure["rows"], coefficients.structure["neurons"]
        self.weight = _signed(coefficients.words["weight"]).reshape(-1, self.rows, self.neurons)
        # Sums of whole numbers are exact in floating point, and by far the fastest there.
        largest = coefficients.structure.get("events", self.rows) * int(np.abs(self.weight).max())
        kind = next(kind for kind, limit in _EXACT.items() if largest <= limit)
        self._synapses = Synapses(self.weight.astype(kind))
        self._kind = kind
        self.leak, self.gain = words["leak"], words["gain"]
        self.bias = _signed(words["bias"]).reshape(2, self.neurons)
        self.gain_shift, self.refractory = int(words["gain_shift"]), int(words["refractory"])
        self.threshold, self.v_reset = words["threshold"] << 4, _signed(words["v_reset"]) << 4
        self.subtract = bool(words["options"] & 1)
        self._saturated = saturated

    def begin(self, trial: Ints) -> None:
        """Begin images, which belong to `trial` (J,)."""
        self._trial = trial
        self._synapses.begin(trial)
        self.v, self.hold = (np.zeros((trial.size, self.neurons), dtype=np.int64) for _ in range(2))
        self.u = self.v
        self.fired = np.zeros(self.v.shape, dtype=bool)

    def step(self, events: NDArray[np.float32], live: Bools) -> Bools:
        """Take a step with the inputs `events` (J, rows); returns who spikes, (J, neurons)."""
        total = self._synapses.sums(events.astype(self._kind, copy=False)).astype(np.int64)
        waits = self.hold > 0
        counts = live[:, None] & ~waits
        acc = self._clamp(total, _ACC_TOP, counts, "acc")
        drive = round_shift(acc * self.gain, self.gain_shift)
        bias = np.where(self.fired, self.bias[1], self.bias[0])
        u = self.v - round_shift((self.v >> 4) * self.leak, 12) + drive + bias
        self.u = self._clamp(u, _V_TOP, counts, "u")
        spikes = (self.u > self.threshold) & ~waits
        after = self.u - self.threshold if self.subtract else self.v_reset
        self.v = np.where(waits, self.v, np.where(spikes, after, self.u))
        if self.refractory:
            self.hold = np.where(spikes, self.refractory, np.maximum(self.hold - 1, 0))
        self.fired = spikes
        return spikes

    def _clamp(self, value: Ints, top: int, counts: Bools, name: str) -> Ints:
        """Clamp to ``-top - 1 .. top``, and count where it counts."""
        outside = (value > top) | (value < -top - 1)
        if not outside.any():
            return value
        self._saturated.count(outside & counts, self._trial, name)
        return value.clip(-top - 1, top)


def _signed(words: Ints) -> Ints:
    """Numbers of words in two's complement of 16 bits."""
    return (words ^ 0x8000) - 0x8000


def _words(outcome: Outcome, trial: int, number: int) -> NDArray[np.uint64]:
    """Trace of a layer in one trial (section 5)."""
    last = number == len(outcome.spikes) - 1
    parts: list[Ints] = []
    for presentation, history in enumerate(outcome.history[trial]):
        steps = [trace.membrane_words(history.v[number], history.spike[number], history.hold[number])]
        if number == 0:
            steps.insert(0, trace.event_words(history.events))
        parts.append(np.concatenate(steps, axis=1).reshape(-1))
        if last and outcome.answers.size:
            answer = outcome.answers[trial, presentation]
            parts.append(trace.answer_words(answer, outcome.spikes[number][trial, presentation, answer]))
    return np.concatenate(parts).astype(np.uint64)
