"""The integer model of STDP synapses: the gateware's state, step by step (docs/stdp.md).

Trials run side by side; one pass of the loop is one step of all of them.
"""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job, Progress
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.model_parts import Saturations, round_shift
from memtwin.sim.recording import LayerRecording
from memtwin.sim.stdp import trace
from memtwin.sim.stdp.recording import StdpRecording
from memtwin.sim.stdp.shown import SpikeTrains

__all__ = ["run"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_TOP = 2**20 - 1


def run(job: Job, progress: Progress | None = None) -> StdpRecording:
    """Run `job` on the integers of the gateware.

    Parameters
    ----------
    job : Job
        Neurons (`StdpSpec`), spikes (`SpikeTrains`), seed; with `record`, words, waveforms, events and learning steps
        are kept.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Returns
    -------
    StdpRecording
        Spikes of every epoch, conductances in S.

    Raises
    ------
    InputError
        If a value does not fit its word.
    """
    trains = job.shown
    assert isinstance(trains, SpikeTrains)  # what goes with it
    (coefficients,) = job.coefficients()
    saturated = Saturations(trains.trials)
    layer = _Layer(coefficients, saturated, job.record)
    spikes = np.zeros((trains.trials, trains.epochs, layer.neurons), dtype=np.int64)
    history = np.zeros((*spikes.shape, layer.rows))
    inputs, forced, learn = (values.astype(bool) for values in (trains.inputs, trains.forced, trains.learn))
    for epoch in range(trains.epochs):
        for step in range(trains.steps):
            spikes[:, epoch] += layer.step(inputs[:, epoch, step], forced[:, epoch, step], learn[:, epoch])
        history[:, epoch] = layer.conductance * coefficients.weight_unit
        if progress:
            progress((epoch + 1) / trains.epochs)
    out = LayerRecording(fires=spikes, spikes=spikes.copy(), conductance=history[:, -1].copy())
    if layer.log is not None:
        out.words = layer.log.words()
        trace.decode_layer(out, job.spec, coefficients)
    return StdpRecording(
        backend="model",
        layers=[out],
        duration=np.full((trains.trials, trains.epochs), trains.steps),
        time_s=np.full(trains.trials, trains.epochs * trains.steps * job.spec.step),
        saturated=saturated.of(slice(None)),
        history=history,
    )


class _Layer:
    """State of the layer in every trial; arrays are (trials, ...)."""

    def __init__(self, coefficients: LayerCoefficients, saturated: Saturations, record: bool) -> None:
        self.rows, self.neurons = coefficients.structure["rows"], coefficients.structure["neurons"]
        self.sum_shift = (self.rows - 1).bit_length()
        self.gain_shift = coefficients.structure["gain_shift"]
        words = coefficients.words
        trials = len(words["gain"])
        self.conductance = words["conductance"].reshape(trials, self.rows, self.neurons).transpose(0, 2, 1).copy()
        self.scalars = {name: values[:, None] for name, values in words.items() if values.ndim == 1}
        self.x = np.zeros((trials, self.rows), dtype=np.int64)
        self.y, self.v = (np.zeros((trials, self.neurons), dtype=np.int64) for _ in range(2))
        self.trial = np.arange(trials)
        self.saturated = saturated
        self.log = _Log(trials) if record else None

    def step(self, inputs: Bools, forced: Bools, learn: Bools) -> Bools:
        """Take a step: `inputs` (T, rows), `forced` (T, neurons), `learn` (T,); returns who spikes, (T, neurons)."""
        word = self.scalars
        self.x = np.where(inputs, _TOP, _decayed(self.x, word["leak_row"]))
        self.y = _decayed(self.y, word["leak_neuron"])
        total = np.zeros_like(self.v)
        depressed = inputs & learn[:, None]
        if inputs.any():
            total = np.where(inputs[:, None], self.conductance, 0).sum(axis=2)
            if depressed.any():
                self._depress(depressed)
        before = self.conductance.copy() if self.log else None
        drive = round_shift(round_shift(total, self.sum_shift) * word["gain"], self.gain_shift)
        v = _decayed(self.v, word["leak"]) + drive
        if self.saturated.count(v > _TOP, self.trial, "v"):
            v = np.minimum(v, _TOP)
        spikes = (v > word["threshold"] << 4) | forced
        self.v = np.where(spikes, 0, v)
        potentiated = spikes & learn[:, None]
        if potentiated.any():
            self._potentiate(*np.nonzero(potentiated))
        self.y = np.where(spikes, _TOP, self.y)
        if self.log and before is not None:
            self.log.put(self, inputs, depressed, before, spikes, forced, potentiated)
        return spikes

    def _depress(self, rows: Bools) -> None:
        """Synapses of the `rows` (T, rows) with a spike, by the traces of their neurons."""
        word = {name: values[..., None] for name, values in self.scalars.items()}
        part = round_shift((self.y >> 4) * self.scalars["down"], 16)[..., None]
        c = self.conductance
        less = np.maximum(c - round_shift((c - word["g_off"]) * part, 15), word["g_off"])
        self.conductance = np.where(rows[:, None], less, c)

    def _potentiate(self, where: Ints, neurons: Ints) -> None:
        """Every synapse of the `neurons` (K,) of the trials `where` (K,), by the traces of the rows."""
        word = {name: values[where] for name, values in self.scalars.items()}
        part = round_shift((self.x[where] >> 4) * word["up"], 16)
        c = self.conductance[where, neurons]
        self.conductance[where, neurons] = np.minimum(c + round_shift((word["g_on"] - c) * part, 15), word["g_on"])


def _decayed(value: Ints, leak: Ints) -> Ints:
    return value - round_shift((value >> 4) * leak, 15)


class _Log:
    """Trace words of every trial."""

    def __init__(self, trials: int) -> None:
        self._parts: list[list[Ints]] = [[] for _ in range(trials)]

    def put(
        self,
        layer: _Layer,
        inputs: Bools,
        depressed: Bools,
        before: Ints,
        spikes: Bools,
        forced: Bools,
        potentiated: Bools,
    ) -> None:
        """Append the words of one step; `before` are the conductances between depression and potentiation."""
        row, neuron, synapse = (trace.KIND[name] for name in ("row", "neuron", "conductance"))
        numbers = np.arange(layer.rows)
        of_rows = row | numbers << 4 | layer.x << 20 | inputs.astype(np.int64) << 40
        value = layer.v | layer.y << 20 | spikes.astype(np.int64) << 40 | forced.astype(np.int64) << 41
        of_neurons = neuron | np.arange(layer.neurons) << 4 | value << 20
        for trial, parts in enumerate(self._parts):
            parts.append(of_rows[trial])
            for n in range(layer.neurons):
                down, head = np.flatnonzero(depressed[trial]), synapse | n << 4
                if down.size:
                    parts.append(head | before[trial, n, down] << 20 | down << 36)
                parts.append(of_neurons[trial, n : n + 1])
                if potentiated[trial, n]:
                    parts.append(head | layer.conductance[trial, n] << 20 | numbers << 36)

    def words(self) -> list[NDArray[np.uint64]]:
        """Return everything that was put, one array per trial."""
        return [np.concatenate(parts).astype(np.uint64) for parts in self._parts]
