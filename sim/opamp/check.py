"""Whether one layer of a clocked recording is what the physics is, but for substeps and words (docs/opamp-neurons.md).

Held against each other, with limits that come from the cards, the substep and the formats of the words only:

- Law: memristors and switch obey their equations along the recorded decisions, stepped as a clocked backend does, up to
  rounding; voltages are those of the circuit in the recorded states; currents are those of the physics.
- Steps: what is lost because growth is constant within a substep stays below `STEP_LIMIT`.
- Decisions: a switch at its end turns in the first substep in which its voltage is beyond the level, in no other.
- Time: every event is in the window of its counterpart (`pairs`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.bounded import Check, Pair
from memtwin.sim.cards import Card
from memtwin.sim.opamp.law import COEFFICIENT, FUNCTION, LOG, STEP_LIMIT, voltage_rounding
from memtwin.sim.opamp.pairs import Both
from memtwin.sim.recording import LayerRecording, Waveform

__all__ = ["LayerCheck"]

_NOTHING = 2.0**-19  # V: below, a voltage is nothing

Floats = NDArray[np.float64]


@dataclass
class LayerCheck(Check):
    """Holds the recordings of one layer in one trial against each other.

    Parameters
    ----------
    both : Both
        The recordings; the one that is not the physics has words.
    synapse : Card
        Non-volatile synapses of a layer that learns.
    g_lsb : float
        Unit of conductance, S.
    """

    both: Both
    synapse: Card
    g_lsb: float

    def is_whole(self, substeps: int) -> bool:
        """Whether both recordings have all `substeps`, and their events are those of their traces and counts."""
        both = self.both
        for wave, layer in zip(both.waves, (both.physics, both.other), strict=True):
            if wave.time_s.size != substeps:
                self.faults.append(f"{wave.time_s.size} samples, expected {substeps}")
            elif (np.abs(wave.time_s - np.arange(substeps) * both.substep) > both.tiny).any():
                self.faults.append("samples that are not at the starts of substeps")
            elif not self._agrees(wave, layer):
                self.faults.append("events are not those of the trace")
        return not self.faults

    def _agrees(self, wave: Waveform, layer: LayerRecording) -> bool:
        """Whether `on` is what the events make of it; a sample that falls together with one may be either."""
        events = layer.events[self.both.trial]
        for neuron in range(wave.signals["on"].shape[1]):
            ups, downs = (
                np.array([e.time_s for e in events if (e.neuron, e.kind) == (neuron, k)]) for k in ("on", "off")
            )
            if ups.size != layer.fires[self.both.trial, :, neuron].sum():
                return False
            signal, agrees = wave.signals["on"][:, neuron], np.zeros(wave.time_s.size, dtype=bool)
            for moment in (wave.time_s - self.both.tiny, wave.time_s + self.both.tiny):
                agrees |= signal == np.searchsorted(ups, moment) - np.searchsorted(downs, moment)
            if not agrees.all():
                return False
        return True

    def follow_law(self) -> None:
        """Hold states, voltages and decisions of the other recording against the law."""
        both, wave, law = self.both, self.both.waves[1], self.both.law
        circuit, states = both.circuit, both.states[1]
        for number, place in enumerate(both.layer.memristors):
            octave = -circuit.depth[number]  # of the whole range, as a natural logarithm
            bound = law.w_bound[number] * octave + COEFFICIENT * LOG
            self._use(f"r_{place}", np.abs(states[number] - law.w[number]) * octave / bound)
            step = float(np.sqrt(np.mean((law.exact[number] - law.w[number]) ** 2))) * octave
            self._use("step", np.array([step / STEP_LIMIT]))
        resistance = wave.signals["r_switch"]
        y = np.log(resistance / resistance[0]) / circuit.swing
        self._use("r_switch", np.abs(y - law.y.clip(0, 1)) / law.y_bound)
        self._compare_voltages(wave, states, resistance)
        self._check_decisions(states)

    def _compare_voltages(self, wave: Waveform, states: Floats, r_switch: Floats) -> None:
        """Hold both voltages against Kirchhoff's laws in the recorded states, with the recorded currents."""
        both, circuit = self.both, self.both.circuit
        current = wave.signals["i_in"]
        v_out1, v_out2 = circuit.v_out1(states, current), circuit.v_out2(states, r_switch, current)
        drop = np.abs(v_out1 - circuit.v1)
        first, second = voltage_rounding(both.layer, drop)
        self._use("v_out1", np.abs(wave.signals["v_out1"] - v_out1) / (first * LOG * v_out1 + _NOTHING))
        across = np.abs(v_out2 - circuit.v1)
        terminal = 2.0**-15 if circuit.v1 > 0 else 0.0
        self._use("v_out2", np.abs(wave.signals["v_out2"] - v_out2) / (second * LOG * across + terminal + _NOTHING))

    def _check_decisions(self, states: Floats) -> None:
        """Look for switches that turn without reason, or do not turn with one."""
        both, wave, circuit = self.both, self.both.waves[1], self.both.circuit
        on = wave.signals["on"].astype(bool)
        was_on = np.vstack([np.zeros((1, on.shape[1]), dtype=bool), on[:-1]])
        current = wave.signals["i_in"]
        ends = circuit.r_switch(was_on.astype(float))
        volts = np.maximum(circuit.v_switch(states, ends, current), 1e-30)
        drop = np.abs(circuit.v_out1(states, current) - circuit.v1)
        rounding = (voltage_rounding(both.layer, drop)[1] + COEFFICIENT) * LOG
        beyond = np.where(was_on, np.log(both.layer.switch["v_hold"] / volts), np.log(volts / circuit.v_th))
        at_end = np.where(was_on, both.law.y >= 1 - both.law.y_bound, both.law.y <= both.law.y_bound)
        surely_at_end = np.where(was_on, both.law.y >= 1 + both.law.y_bound, both.law.y <= -both.law.y_bound)
        surely_at_end |= both.law.waits
        turned = on != was_on
        wrong = np.where(turned, (beyond < -rounding) | ~at_end, (beyond > rounding) & surely_at_end)
        if wrong.any():
            self.faults.append(f"{np.count_nonzero(wrong)} decisions of a switch against its own voltage")

    # Both, until a neuron diverges.

    def compare_until(self, pairs: list[Pair], horizon: Floats, is_first: bool) -> None:
        """Hold events, currents and learning against each other, each neuron up to its `horizon` (neurons,), s."""
        self._use("event_time", np.array([pair.ratio for pair in pairs]))
        if is_first:
            self._compare_currents(horizon)
        self._compare_learning(horizon)

    def _compare_currents(self, horizon: Floats) -> None:
        """Hold the currents of layer 1, whose inputs change at the same time on all levels, against each other.

        A layer that learns changes them at its own pulses: there the conductances are compared.
        """
        both = self.both
        if both.layer.learns:
            return
        mine, other = (wave.signals["i_in"] for wave in both.waves)
        before = both.waves[1].time_s[:, None] < horizon - both.tiny
        # Every active synapse is rounded by half a unit; then a logarithm, and a coefficient.
        rounding = both.layer.rows * self.g_lsb / 2 * both.layer.neuron["v_pulse"]
        bound = mine * (COEFFICIENT + FUNCTION) * LOG + np.where(mine > 0, rounding, 0.0) + 1e-13
        self._use("current", np.where(before, np.abs(other - mine) / bound, 0.0))

    def _compare_learning(self, horizon: Floats) -> None:
        """Hold learning steps and last conductances against each other.

        A step adds the rounding of `step`, of the product with `bend`, and of `bend` itself over the whole range.
        """
        both, trial = self.both, self.both.trial
        width = (self.synapse["g_on"] - self.synapse["g_off"]) if both.layer.learns else 0.0
        each = 2.5 * self.g_lsb + width * 2.0**-16
        for neuron in range(horizon.size):
            mine, other = (
                [s for s in _learning(layer, trial) if s[1] == neuron and s[0] < horizon[neuron] - both.tiny]
                for layer in (both.physics, both.other)
            )
            if len(mine) != len(other):
                self.faults.append(f"neuron {neuron}: {len(other)} learning steps, expected {len(mine)}")
                continue
            for number, (one, two) in enumerate(zip(mine, other, strict=True), 1):
                self._use("conductance", np.abs(one[2] - two[2]) / (0.5 * self.g_lsb + number * each))
            if np.isinf(horizon[neuron]):
                difference = both.physics.conductance[trial, neuron] - both.other.conductance[trial, neuron]
                self._use("conductance", np.abs(difference) / (0.5 * self.g_lsb + len(mine) * each))


def _learning(layer: LayerRecording, trial: int) -> list[tuple[float, int, Floats]]:
    return layer.learning[trial] if layer.learning else []
