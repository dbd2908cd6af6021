"""Whether one layer of a clocked recording is what the physics is, but for substeps and words (docs/hybrid-neuron.md).

The two recordings of a trial are held against each other in four ways. None has a free constant: every limit comes from
the card, the substep and the formats of the words.

- Law: the filament obeys the equations of the device along the recorded decisions, up to rounding (`hybrid_law`).
- Decisions: a device switches in the first substep in which its filament is beyond its threshold, in no other.
- Node 1, thresholds and conductances: those of the physics, up to rounding.
- Time: every event is in the window of its counterpart (`hybrid_pairs`), and latches and gates differ only from an
  event to its counterpart, and for the two substeps after it in which T3 and the inhibition follow.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.bounded import Check, Pair
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.hybrid import trace
from memtwin.sim.hybrid.law import THRESHOLD, conductance_bound, node1_bound, threshold_bound
from memtwin.sim.hybrid.pairs import Both
from memtwin.sim.recording import Event, LayerRecording, Waveform

__all__ = ["LayerCheck"]

FLAGS = ("on", "l1", "l2", "t1", "t3", "gate")

Floats = NDArray[np.float64]


@dataclass
class LayerCheck(Check):
    """Holds the recordings of one layer in one trial against each other.

    Parameters
    ----------
    both : Both
        The recordings; the one that is not the physics has words.
    coefficients : LayerCoefficients
        For the unit of conductance and the structure; no coefficient is looked at.
    """

    both: Both
    coefficients: LayerCoefficients

    def __post_init__(self) -> None:
        both = self.both
        learnt = np.zeros(both.layer.neurons, dtype=np.int64)
        for _, neuron, _ in _learning(both.other, both.trial):
            learnt[neuron] += 1
        self.off_by = conductance_bound(both.spec, both.layer, self.coefficients.weight_unit, learnt)

    # Each recording for itself.

    def is_whole(self, halves: int, other_halves: int) -> bool:
        """Whether both recordings have all half-periods, and their events are those of their traces.

        The physics has every substep of its `halves`, the other at least one sample in each of its own.
        """
        both = self.both
        mine, other = both.waves
        substeps, half = both.spec.substeps, both.spec.half_period
        if mine.time_s.size != halves * substeps:
            self.faults.append(f"{mine.time_s.size} samples of the physics, expected {halves * substeps}")
        seen = np.unique(np.ceil(other.time_s / half - 1e-6).astype(int))
        if not np.array_equal(seen, np.arange(1, other_halves + 1)):
            self.faults.append(f"samples in {seen.size} half-periods, expected {other_halves}")
        for wave, layer, where in zip(both.waves, (both.physics, both.other), ("physics", "words"), strict=True):
            events = layer.events[both.trial]
            for count, kind in ((layer.fires, "fire"), (layer.spikes, "spike")):
                listed = np.bincount([e.neuron for e in events if e.kind == kind], minlength=both.layer.neurons)
                if not np.array_equal(listed, count[both.trial].sum(axis=0)):
                    self.faults.append(f"events of kind {kind} are not those that were counted, in the {where}")
            for up, down, name in (("on", "off", "on"), ("l2_rise", "l2_fall", "l2")):
                if not self._agrees(wave, events, up, down, name):
                    self.faults.append(f"events of kinds {up} and {down} are not those of the trace, in the {where}")
        if not self.faults:
            common = other.time_s <= mine.time_s[-1] + both.tiny
            if (np.abs(mine.time_s[both.at] - other.time_s) > both.tiny)[common].any():
                self.faults.append("samples at times that the physics has not")
        return not self.faults

    def _agrees(self, wave: Waveform, events: list[Event], up: str, down: str, name: str) -> bool:
        """Whether a signal is what its events make of it; a sample that falls together with one may be either."""
        for neuron in range(self.both.layer.neurons):
            ups, downs = (np.array([e.time_s for e in events if (e.neuron, e.kind) == (neuron, k)]) for k in (up, down))
            signal, agrees = wave.signals[name][:, neuron], np.zeros(wave.time_s.size, dtype=bool)
            for moment in (wave.time_s - self.both.tiny, wave.time_s + self.both.tiny):
                agrees |= signal == np.searchsorted(ups, moment) - np.searchsorted(downs, moment)
            if not agrees.all():
                return False
        return True

    def follow_law(self) -> None:
        """Hold the filament of the other recording against the law, and its decisions against its thresholds."""
        both, wave, law = self.both, self.both.waves[1], self.both.law
        spec = both.spec
        self._use("filament", np.abs(wave.signals["x"] - law.x) / law.bound)
        half = np.ceil(wave.time_s / spec.half_period - 1e-6).astype(int) - 1
        self.level = trace.thresholds(both.other.words[both.trial], both.layer.neurons)[half]
        if not (spec.c2c or both.layer.adaptive):
            bound = threshold_bound(spec, both.layer, 0)
            self._use("threshold", np.abs(self.level - both.sample.theta[both.trial]) / bound)
        on, x, driven = wave.signals["on"].astype(bool), wave.signals["x"], law.rate > 0
        closing, opening = ~law.on & driven, law.on & ~driven
        theta_off = spec.device["theta_off"]
        wrong = closing & (on != (x >= self.level))
        wrong |= opening & np.where(on, x < theta_off - THRESHOLD / 2, x > theta_off + THRESHOLD / 2)
        wrong |= (on != law.on) & ~closing & ~opening
        if wrong.any():
            self.faults.append(f"{np.count_nonzero(wrong)} decisions of a device against its own filament")

    # Both, until a neuron diverges.

    def compare_until(self, pairs: list[Pair], horizon: Floats) -> None:
        """Hold events, thresholds, flags, node 1 and learning against each other.

        Each neuron up to its `horizon` (neurons,), s; `pairs` are those before it.
        """
        both = self.both
        mine, other = both.waves
        self._use("event_time", np.array([pair.ratio for pair in pairs]))
        for pair in pairs:
            if pair.kind == "on":
                self._compare_threshold(pair)
        excused = self._excused(pairs, horizon)
        theirs, ours = ({name: wave.signals[name].astype(bool) for name in FLAGS} for wave in both.waves)
        theirs = {name: values[both.at] for name, values in theirs.items()}
        # A pass shows the gate that the one before left: after a half-period in one pass, not yet the one in force.
        step = np.diff(other.time_s, prepend=0.0)[:, None]
        ours["gate"] = np.where(step > 1.5 * both.spec.substep, theirs["gate"], ours["gate"])
        differs = np.any([theirs[name] != ours[name] for name in FLAGS], axis=0)
        if (differs & ~excused).any():
            self.faults.append(f"{np.count_nonzero(differs & ~excused)} samples with other latches, gates or states")
        alike = ~excused & ~differs & ours["gate"] & ~ours["t1"] & (other.clk == 1)[:, None]
        volts, bound = other.signals["v1"], self._node1_bound(other.signals["v1"])
        self._use("node1", np.where(alike, np.abs(volts - mine.signals["v1"][both.at]) / bound, 0.0))
        self._compare_learning(horizon)

    def _excused(self, pairs: list[Pair], horizon: Floats) -> NDArray[np.bool_]:
        """Samples (S, neurons) that are not compared: after the horizon, and while a delay lasts."""
        both, times = self.both, self.both.waves[1].time_s
        excused = times[:, None] > horizon - both.tiny
        for pair in pairs:
            start, end = sorted((pair.physics, pair.other))
            inside = (times > start - both.tiny) & (times < end + 2 * both.spec.substep + both.tiny)
            excused[inside, slice(None) if both.layer.inhibition else pair.neuron] = True
        if both.layer.depression and not both.layer.refractory:  # T3 is off in the first substep of a half-period
            phase = np.round(times / both.spec.substep).astype(int) % both.spec.substeps
            excused |= (phase == 1 % both.spec.substeps)[:, None]
        return excused

    def _node1_bound(self, volts: Floats) -> Floats:
        """How far `volts` (..., neurons) at node 1 may be from those of the physics, V."""
        both = self.both
        total = np.minimum(both.physics.conductance[both.trial], both.sample.conductance[both.trial]).sum(axis=1)
        for _, neuron, conductance in _learning(both.physics, both.trial):
            total[neuron] = min(total[neuron], conductance.sum())
        total = total + both.spec.neuron["g_load"]
        v_in = float(both.sample.v_in[both.trial])
        return node1_bound(both.layer, self.coefficients, v_in, total, self.off_by, volts)

    def _compare_threshold(self, pair: Pair) -> None:
        """Hold the level at which the other device switched against the filament at which that of the physics did.

        A device that is driven again may be beyond its threshold already; then only an upper bound is known.
        """
        both = self.both
        _, start, before = both.stretch(pair.neuron, pair.physics)
        sample = both.sample_at(pair.other, 1)
        ceiling = both.law.rate[sample, pair.neuron] * both.device.tau_leak
        elapsed = pair.physics - start
        reached = ceiling + (before - ceiling) * np.exp(-elapsed / both.device.tau_leak)
        # The growth of the physics is known from node 1 of the other recording, which is rounded.
        off_by_volts = self._node1_bound(both.sample.v_in[[both.trial]])[pair.neuron]
        bound = both.threshold_bound(pair.neuron) + abs(reached - before) * off_by_volts / both.device.v0 + 1e-9
        off_by = self.level[sample, pair.neuron] - reached
        self._use("threshold", np.array([max(off_by, -off_by if elapsed > both.tiny else 0.0) / bound]))

    def _compare_learning(self, horizon: Floats) -> None:
        """Hold the learning steps against each other, and the last conductances of neurons that did not diverge."""
        both = self.both
        for neuron in range(both.layer.neurons):
            mine, other = (
                [step for step in _learning(layer, both.trial) if step[1] == neuron and step[0] < horizon[neuron]]
                for layer in (both.physics, both.other)
            )
            if [round(step[0] / both.spec.half_period) for step in mine] != [
                round(step[0] / both.spec.half_period) for step in other
            ]:
                self.faults.append(f"neuron {neuron}: learning steps at other times")
                continue
            for one, two in zip(mine, other, strict=True):
                self._use("conductance", np.abs(one[2] - two[2]) / self.off_by[neuron])
        difference = np.abs(both.physics.conductance[both.trial] - both.other.conductance[both.trial])
        self._use("conductance", (difference / self.off_by[:, None])[np.isinf(horizon)])


def _learning(layer: LayerRecording, trial: int) -> list[tuple[float, int, Floats]]:
    return layer.learning[trial] if layer.learning else []
