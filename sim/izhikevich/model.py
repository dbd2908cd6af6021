"""The integer model of Izhikevich neurons: the gateware's state, step by step (docs/izhikevich.md, section 2).

Trials run side by side; one pass of the loop is one step of all of them.
"""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job, Progress
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.izhikevich import trace
from memtwin.sim.izhikevich.quantize import current_words
from memtwin.sim.izhikevich.shown import Drive
from memtwin.sim.model_parts import Saturations, round_shift
from memtwin.sim.recording import LayerRecording, Recording

__all__ = ["run"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_V_BITS, _U_BITS = 20, 23


def run(job: Job, progress: Progress | None = None) -> Recording:
    """Run `job` on the integers of the gateware.

    Parameters
    ----------
    job : Job
        Neurons (`IzhikevichSpec`), spikes and currents (`Drive`), seed; with `record`, words, waveforms and events are
        kept.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Returns
    -------
    Recording
        Spikes of every presentation; weights, in mV/ms, as `conductance`.

    Raises
    ------
    InputError
        If a value does not fit its word.
    """
    drive = job.shown
    assert isinstance(drive, Drive)  # what goes with it
    (own,) = job.coefficients()
    saturated = Saturations(drive.trials)
    layer = _Layer(own, saturated)
    currents = _signed(current_words(own, drive))
    inputs = drive.inputs.astype(np.int64)
    shape = (sum(drive.steps), drive.trials, layer.neurons)
    v, u = (np.zeros(shape, dtype=np.int64) for _ in range(2)) if job.record else (None, None)
    spikes = np.zeros(shape, dtype=bool)
    for number, (start, steps) in enumerate(zip(drive.starts, drive.steps, strict=True)):
        for step in range(start, start + steps):
            spikes[step] = layer.step(inputs[:, step], currents[:, number])
            if v is not None and u is not None:
                v[step], u[step] = layer.v, layer.u
        if progress:
            progress((start + steps) / len(spikes))
    counts = np.add.reduceat(spikes, drive.starts, axis=0, dtype=np.int64).transpose(1, 0, 2)
    weight = layer.weight.transpose(0, 2, 1) * own.weight_unit
    out = LayerRecording(fires=counts, spikes=counts.copy(), conductance=weight)
    if v is not None and u is not None:
        out.words = [trace.neuron_words(v[:, t], u[:, t], spikes[:, t]) for t in range(drive.trials)]
        trace.decode_layer(out, job, own)
    return Recording(
        backend="model",
        layers=[out],
        duration=np.tile(drive.steps, (drive.trials, 1)),
        time_s=np.full(drive.trials, sum(drive.steps) * job.spec.step),
        saturated=saturated.of(slice(None)),
    )


class _Layer:
    """State of the layer in every trial; arrays are (trials, neurons)."""

    def __init__(self, own: LayerCoefficients, saturated: Saturations) -> None:
        rows, self.neurons = own.structure["rows"], own.structure["neurons"]
        words = own.words
        self.a, self.h = words["a"], words["step"][:, None]
        self.b, self.c, self.d, self.threshold = (_signed(words[name]) for name in ("b", "c", "d", "threshold"))
        self.weight = _signed(words["weight"]).reshape(-1, rows, self.neurons)
        self.v, self.u = _signed(words["v_start"]) << 4, _signed(words["u_start"]) << 7
        self.trial = np.arange(len(self.v))
        self.saturated = saturated

    def step(self, inputs: Ints, current: Ints) -> Bools:
        """Take a step: `inputs` (T, rows) of 0 and 1, `current` (T, neurons); returns who spikes, (T, neurons)."""
        drive = current
        if inputs.any():
            drive = current + np.einsum("tr,trn->tn", inputs, self.weight)
        v, u = self.v, self.u
        slope = round_shift(v * v, 16) + (drive << 4) - round_shift(u, 3)
        distance = round_shift(v * self.b, 12) - u
        v = v + round_shift(slope * self.h, 15)
        u = u + round_shift(distance * self.a, 19)
        spikes = v > self.threshold << 4
        self.v = self._clamped(np.where(spikes, self.c << 4, v), _V_BITS, "v")
        self.u = self._clamped(np.where(spikes, u + (self.d << 4), u), _U_BITS, "u")
        return spikes

    def _clamped(self, value: Ints, bits: int, name: str) -> Ints:
        """Clamp to a signed word, and count what was out of its range."""
        least, most = -(1 << bits - 1), (1 << bits - 1) - 1
        if self.saturated.count((value < least) | (value > most), self.trial, name):
            return np.clip(value, least, most)
        return value


def _signed(words: Ints) -> Ints:
    """Numbers of words of 16 bits in two's complement."""
    return (words ^ 0x8000) - 0x8000
