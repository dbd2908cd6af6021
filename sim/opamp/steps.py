"""Whether substeps are fine enough for op-amp neurons: what is told when a job is loaded, before anything runs.

A clocked backend takes the growth of a dynamic memristor at the start of a substep for the whole of it. That is wrong
where growth is fast against the substep: when an input begins on a device at rest, or when a switch puts the whole
voltage on it; and a little in every pulse becomes much in a train (docs/opamp-neurons.md). So the job is rehearsed: in
floating point, without words, each layer with the pulses of the one before, twice along the same decisions, once with
the growth of a clocked backend, and once without the error of that. It is what `compare` measures along the decisions
of the words.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.opamp.law import STEP_LIMIT, clocked_growth
from memtwin.sim.opamp.physics_array import learnt
from memtwin.sim.opamp.physics_circuit import Circuit
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import LayerSample, LayerSpec, OpampSpec
from memtwin.sim.units import format_si

__all__ = ["TOLD", "coarse_steps", "step_errors"]

TOLD = 0.8 * STEP_LIMIT
"""Error of a resistance, rms, that is told: words decide a substep sooner or later than floats, which changes it."""
LONGEST = 20000  # substeps that are rehearsed, without rests: seconds of a processor
MOST_NEURONS = 256  # of all layers and trials that are rehearsed, but at least one trial

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


def coarse_steps(spec: OpampSpec, samples: list[LayerSample], stimulus: Stimulus) -> list[str]:
    """Say for which memristors a substep is too long; one line each, none if all is well.

    The lines have no error in them, so that trials in several blocks say what they say at once.
    """
    substep = format_si(spec.substep, "s")
    return [
        f"layer {number}, card {card.name} ({place} place): substeps of {substep} get its resistance wrong by "
        f"more than {TOLD:.1%} (rms); use a shorter --set substep"
        for number, (layer, errors) in enumerate(zip(spec.layers, step_errors(spec, samples, stimulus), strict=True), 1)
        for (place, card), error in zip(layer.memristors.items(), errors, strict=True)
        if error > TOLD
    ]


def step_errors(spec: OpampSpec, samples: list[LayerSample], stimulus: Stimulus) -> list[Floats]:
    """Error of the logarithm of each resistance, rms over time and neurons; the largest of all trials, (devices,)."""
    trials = min(stimulus.trials, max(1, MOST_NEURONS // sum(layer.neurons for layer in spec.layers)))
    layers = [
        _Layer(layer, sample, trials, spec.synapse, spec.substep)
        for layer, sample in zip(spec.layers, samples, strict=True)
    ]
    parts = {name: getattr(stimulus, name)[:trials] for name in ("pixels", "on", "off", "gates", "learn")}
    stimulus = replace(stimulus, **parts)
    starts = np.stack([stimulus.starts(trial) for trial in range(trials)])
    changes = np.unique(np.concatenate([starts, starts[:, :-1] + stimulus.on], axis=1))
    number, end = 0, int(changes[-1])
    for _ in range(LONGEST):
        live = number < starts[:, -1]
        shown = np.arange(trials), np.count_nonzero(starts[:, :-1] <= number, axis=1) - 1
        begun = number - starts[shown]
        rows = stimulus.pixels[shown].astype(bool) & ((begun < stimulus.on[shown]) & live)[:, None]
        if not rows.any() and all(layer.is_quiet for layer in layers):
            following = int(changes[np.searchsorted(changes, number, side="right")])
            for layer in layers:
                layer.rest(following - number)
            number = following
        else:
            for place, layer in enumerate(layers):
                gates = stimulus.gates[shown] if layer is layers[-1] else np.ones(layer.on.shape)
                layer.seen &= (begun > 0)[:, None]
                layer.substep(rows, gates.astype(bool), stimulus.learn[shown][:, place].astype(bool), live)
                rows = layer.on
            number += 1
        if number >= end:
            break
    samples_taken = np.minimum(starts[:, -1], number)
    return [np.sqrt((layer.squares / (samples_taken * layer.on.shape[1])).max(axis=1)) for layer in layers]


class _Layer:
    """One layer in some trials, its neurons side by side: element ``trial * neurons + neuron`` of E.

    Attributes
    ----------
    on : bool array (trials, neurons)
        Output pulses.
    seen : bool array (trials, rows)
        Rows that were active in this presentation.
    squares : float array (devices, trials)
        Squared error of the logarithm of each resistance, summed over time and neurons.
    """

    def __init__(self, layer: LayerSpec, sample: LayerSample, trials: int, synapse: Card, substep: float) -> None:
        self.layer, self._synapse, self._substep = layer, synapse, substep
        size = trials * layer.neurons
        self._circuit = Circuit(layer, sample).part(np.arange(size))
        self._depth = np.array(self._circuit.depth)[:, None]
        self._left = np.exp(-substep / self._circuit.tau)
        self._conductance = sample.conductance[:trials].copy()
        self._stepped = self._exact = np.zeros((self._circuit.devices, size))
        self._y = np.zeros(size)
        self.on = np.zeros((trials, layer.neurons), dtype=bool)
        self.seen = np.zeros((trials, layer.rows), dtype=bool)
        self.squares = np.zeros((self._circuit.devices, trials))

    @property
    def is_quiet(self) -> bool:
        """Whether all switches wait for an input."""
        return not self.on.any() and not self._y.any()

    def substep(self, rows: Bools, gates: Bools, learn: Bools, live: Bools) -> None:
        """Take a substep with active `rows` (trials, rows) and open `gates` (trials, neurons)."""
        switch, circuit = self.layer.switch, self._circuit
        self.seen |= rows
        current = np.matmul(self._conductance, rows[:, :, None].astype(float))[:, :, 0]
        current = (self.layer.neuron["v_pulse"] * current * gates).ravel()
        r_switch, was_on = circuit.r_switch(self._y), self.on.ravel()
        volts = circuit.v_switch(self._stepped, r_switch, current)
        on = np.where(was_on, (self._y < 1) | (volts >= switch["v_hold"]), (self._y <= 0) & (volts > circuit.v_th))
        way = np.where(on, self._substep / switch["tau_on"], -self._substep / switch["tau_off"])
        end = np.clip(self._y + way, 0.0, 1.0)
        grown = clocked_growth(circuit, self._stepped, r_switch, current, self._substep)
        self._exact = self._later(r_switch, circuit.r_switch((self._y + end) / 2), current)
        self._stepped = np.minimum(self._left * self._stepped + grown, 1.0)
        self._y, self.on = end, on.reshape(self.on.shape)
        self._add(live)
        if self.layer.learns:
            for trial, neuron in np.argwhere((on & ~was_on).reshape(self.on.shape) & gates & learn[:, None]):
                before = self._conductance[trial, neuron]
                self._conductance[trial, neuron] = learnt(before, self.seen[trial], self._synapse)

    def _later(self, start: Floats, middle: Floats, current: Floats) -> Floats:
        """States a substep later without the error of the step, as far as it matters: the midpoint method.

        `start` and `middle` are the resistances of the switch at the start and in the middle of the substep.
        """
        circuit, w = self._circuit, self._exact
        half = w + self._substep / 2 * (circuit.growth(w, start, current) - w) / circuit.tau
        half = np.clip(half, 0.0, 1.0)
        return np.clip(w + self._substep * (circuit.growth(half, middle, current) - half) / circuit.tau, 0.0, 1.0)

    def rest(self, substeps: int) -> None:
        """Take some substeps without input and with all switches at rest: every state decays by the same part."""
        sizes = self._left ** np.arange(1, substeps + 1)  # (devices, substeps)
        self._add((sizes**2).sum(axis=1, keepdims=True))
        self._stepped, self._exact = (states * sizes[:, -1:] for states in (self._stepped, self._exact))

    def _add(self, times: Floats | Bools) -> None:
        """Add the squared errors of now, so many times."""
        errors = ((self._stepped - self._exact) * self._depth) ** 2
        self.squares += errors.reshape(len(errors), *self.on.shape).sum(axis=2) * times
