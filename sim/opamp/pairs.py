"""Which event of a clocked recording of an op-amp neuron is the counterpart of which event of the physics, and when.

A switch turns when an input changes, when it gets to the end of its range with the voltage already beyond, or when the
voltage crosses a level while it waits there. Each gives a window for the *moment* of the counterpart: the time of the
decision, less the time for which that was due, which is in the state of the switch a substep later.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.bounded import Divergence, Pair
from memtwin.sim.opamp.law import COEFFICIENT, LOG, OCTAVE_S, Followed, follow, resistance_error, voltage_rounding
from memtwin.sim.opamp.physics_circuit import Circuit
from memtwin.sim.opamp.spec import LayerSample, LayerSpec
from memtwin.sim.recording import LayerRecording, Waveform

__all__ = ["Both", "pair_events"]

_EXACT = 1e-6  # of a substep: rounding of times, no more

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Both:
    """The two recordings of one layer in one trial: the physics, and a clocked backend."""

    layer: LayerSpec
    sample: LayerSample
    trial: int
    substep: float
    physics: LayerRecording
    other: LayerRecording

    @cached_property
    def circuit(self) -> Circuit:
        """The circuit of the neurons in the trial."""
        neurons = self.sample.v_th.shape[1]
        return Circuit(self.layer, self.sample).part(np.arange(neurons) + self.trial * neurons)

    @property
    def waves(self) -> tuple[Waveform, Waveform]:
        """Waveforms of the physics and of the other."""
        return self.physics.waveform[self.trial], self.other.waveform[self.trial]

    @property
    def tiny(self) -> float:
        """Rounding of times, s."""
        return _EXACT * self.substep

    @cached_property
    def law(self) -> Followed:
        """The law along the decisions of the other."""
        return follow(self.layer, self.circuit, self.waves[1], self.substep)

    @cached_property
    def states(self) -> tuple[Floats, Floats]:
        """Recorded states (devices, S, neurons) of the memristors, of the physics and of the other."""
        mine, other = (
            np.stack(
                [
                    np.log(wave.signals[f"r_{place}"] / self.circuit.r_rest[number]) / self.circuit.depth[number]
                    for number, place in enumerate(self.layer.memristors)
                ]
            )
            for wave in self.waves
        )
        return mine, other

    def excess(self, of: int, sample: int, neuron: int, kind: str) -> float:
        """By how much the voltage of a switch at its end is beyond the level at which it turns, as a logarithm.

        `of` is 0 for the physics, 1 for the other; the states are those at the start of substep `sample`.
        """
        return self._excess(
            self.states[of][:, sample], float(self.waves[of].signals["i_in"][sample, neuron]), neuron, kind
        )

    def _excess(self, w: Floats, current: float, neuron: int, kind: str) -> float:
        one = self.circuit.part(np.array([neuron]))
        r_switch = one.r_switch(np.array([0.0 if kind == "on" else 1.0]))
        volts = float(one.v_switch(w[:, neuron : neuron + 1], r_switch, np.array([current]))[0])
        level = float(one.v_th[0]) if kind == "on" else self.layer.switch["v_hold"]
        beyond = np.log(max(volts, 1e-30) / level)
        return float(beyond if kind == "on" else -beyond)

    def slope(self, sample: int, neuron: int, kind: str) -> tuple[float, float]:
        """How fast that grows in the physics, 1/s, and how fast that may change, 1/s."""
        one = self.circuit.part(np.array([neuron]))
        w, wave = self.states[0][:, sample], self.waves[0]
        current = float(wave.signals["i_in"][sample, neuron])
        r_switch = one.r_switch(np.array([0.0 if kind == "on" else 1.0]))
        growth = one.growth(w[:, neuron : neuron + 1], r_switch, np.array([current]))
        rate = (growth - w[:, neuron : neuron + 1]) / one.tau
        step = 1e-3 * self.substep
        later = w.copy()
        later[:, neuron : neuron + 1] += rate * step
        gained = self._excess(later, current, neuron, kind) - self._excess(w, current, neuron, kind)
        change = (1 - one.exponent * np.array(one.depth)[:, None] * growth) / one.tau
        return gained / step, float(change.max())

    def step_error(self, sample: int, neuron: int, kind: str) -> float:
        """How far one substep of constant growth may move that logarithm: no more than those of the resistances."""
        one = self.circuit.part(np.array([neuron]))
        wave, end = self.waves[1], 0.0 if kind == "on" else 1.0
        sample = min(sample, wave.time_s.size - 1)
        states, current = (
            self.states[1][:, sample, neuron : neuron + 1],
            wave.signals["i_in"][sample, neuron : neuron + 1],
        )
        return float(resistance_error(one, states, np.full(2, end), current, self.substep).sum())

    @cached_property
    def voltage_bound(self) -> float:
        """How far the logarithm of the voltage of a switch may be off by rounding."""
        drop = np.array([self.layer.switch["v_hold"]])
        return float((voltage_rounding(self.layer, drop)[1][0] + COEFFICIENT) * LOG)

    def time_bound(self, kind: str) -> float:
        """How far the time of a turn may be from that of the turn before and the switching time between them, s."""
        swing = np.log2(self.layer.switch["r_off"] / self.layer.switch["r_on"])
        before, after = ("tau_off", "tau_on") if kind == "on" else ("tau_on", "tau_off")
        tau = self.layer.switch[before]
        word = swing * self.substep / tau / OCTAVE_S
        # The step is rounded, and the swing; so is the ratio that turns up to a substep beyond an end into the other
        # direction; a moment is read from a rounded state.
        turned = self.substep * 2.0**-9 * self.layer.switch[after] / tau
        read = 2 * (self.layer.switch["tau_on"] + self.layer.switch["tau_off"]) * OCTAVE_S / swing
        return tau * 0.5 / word + tau * OCTAVE_S / swing + turned + read + self.tiny


def pair_events(both: Both, inputs: Floats) -> tuple[list[Pair], list[Divergence]]:
    """Pair the events of each neuron in their order, up to the first without a counterpart.

    `inputs` (n, 2), rising, are the times at which inputs of the layer change, in the physics and in the other.
    """
    pairs, divergences = [], []
    for neuron in range(both.sample.v_th.shape[1]):
        mine, other = (
            sorted((e.time_s, e.kind) for e in layer.events[both.trial] if e.neuron == neuron)
            for layer in (both.physics, both.other)
        )
        last: Pair | None = None
        for number in range(max(len(mine), len(other))):
            p = mine[number] if number < len(mine) else None
            o = other[number] if number < len(other) else None
            pair = _window(both, neuron, p, o, last, inputs) if p is not None else None
            if pair is not None and o is not None and p is not None and p[1] == o[1] and _keeps(both, pair, inputs):
                pairs.append(pair)
                last = pair
                continue
            divergences.append(_divergence(both, neuron, p, o, pair, last, inputs))
            break
    return pairs, divergences


def _keeps(both: Both, pair: Pair, inputs: Floats) -> bool:
    """Whether the counterpart is in its window; one without an end lasts until the next input, which decides anew."""
    following = inputs[inputs[:, 0] > pair.physics + both.tiny, 1]
    is_too_late = np.isinf(pair.late) and following.size > 0 and pair.other > following[0] - both.tiny
    return pair.ratio <= 1 and not is_too_late


def _moment(both: Both, neuron: int, time: float, kind: str) -> float:
    """When a switch turned, s: at the decision, less the time for which that was due."""
    wave, switch = both.waves[1], both.layer.switch
    after = int(np.searchsorted(wave.time_s, time + both.tiny))
    if after >= wave.time_s.size:
        return time
    depth = np.log(wave.signals["r_switch"][0, neuron] / wave.signals["r_switch"][after, neuron]) / -both.circuit.swing
    taken = depth * switch["tau_on"] if kind == "on" else (1 - depth) * switch["tau_off"]
    return min(float(wave.time_s[after] - taken), time)


def _window(
    both: Both,
    neuron: int,
    event: tuple[float, str],
    other: tuple[float, str] | None,
    last: Pair | None,
    inputs: Floats,
) -> Pair:
    """The window of the moment of the counterpart of an event of the physics."""
    time, kind = event
    decision = np.inf if other is None else other[0]
    moment = np.inf if other is None else _moment(both, neuron, *other)
    rounding = both.time_bound(kind)
    edge = int(np.searchsorted(inputs[:, 0], time + both.tiny)) - 1
    lag = last.moment - last.physics if last is not None else 0.0
    tau = both.layer.switch["tau_off" if kind == "on" else "tau_on"]
    causes = []  # an input may change just when the switch gets to its end
    if edge >= 0 and abs(inputs[edge, 0] - time) <= both.tiny:  # at once; or due in the substep before
        shift = float(inputs[edge, 1] - inputs[edge, 0])
        is_clear = _is_clear(both, time + 2 * both.tiny, neuron, kind, 0.0)
        causes.append((both.substep - min(shift, 0.0), max(shift, 0.0) if is_clear else np.inf))
    if last is not None and abs(last.physics + tau - time) <= both.tiny + 1e-9 * time:  # got to its end
        is_clear = _is_clear(both, time, neuron, kind, abs(lag))
        causes.append((max(-lag, 0.0), max(lag, 0.0) if is_clear else np.inf))
    if not causes:
        earlier, later = _crossing(both, time, neuron, kind)
        causes.append((earlier, max(later + both.substep, lag)))
    early, late = (max(windows) + rounding for windows in zip(*causes, strict=True))
    return Pair(neuron, kind, time, decision, moment, early, late)


def _sample(both: Both, time: float) -> int:
    """The substep with `time` in it."""
    return max(int(np.searchsorted(both.waves[0].time_s, time - both.tiny)) - 1, 0)


def _apart(both: Both, time: float, neuron: int, kind: str) -> float:
    """How far the voltages of the two are apart, as logarithms, at the start of the substep of `time`."""
    sample = _sample(both, time)
    sample = min(sample, both.waves[1].time_s.size - 1)
    apart = both.excess(1, sample, neuron, kind) - both.excess(0, sample, neuron, kind)
    return abs(apart) + both.voltage_bound


def _is_clear(both: Both, time: float, neuron: int, kind: str, lag: float) -> bool:
    """Whether the voltage of the other, too, is beyond its level when it decides; else it may have to wait there.

    It decides up to a substep after its turn is due, and that is `lag` away; the voltage may fall until then.
    """
    sample = _sample(both, time)
    slope = min(both.slope(sample, neuron, kind)[0], 0.0)
    margin = both.excess(0, sample, neuron, kind) + slope * (both.substep + lag)
    return margin > _apart(both, time, neuron, kind)


def _crossing(both: Both, time: float, neuron: int, kind: str) -> tuple[float, float]:
    """By how much earlier and later the other crosses the level that the physics crosses at `time`, s."""
    # As the voltages are at the start of the substep, and by what constant growth in it makes of the resistances.
    apart = _apart(both, time, neuron, kind) + both.step_error(_sample(both, time), neuron, kind)
    slope, change = both.slope(_sample(both, time), neuron, kind)
    if not slope > 0:
        return np.inf, np.inf
    # The slope falls at most as exp(-change t).
    part = apart * change / slope
    return apart / slope, float(-np.log1p(-part) / change) if part < 1 else np.inf


def _divergence(
    both: Both,
    neuron: int,
    mine: tuple[float, str] | None,
    other: tuple[float, str] | None,
    pair: Pair | None,
    last: Pair | None,
    inputs: Floats,
) -> Divergence:
    """Say whether substeps explain that an event has no counterpart: the inputs changed before it could come."""
    if pair is not None and mine is not None and (other is None or mine[0] <= other[0]):
        time = mine[0]
        following = inputs[inputs[:, 0] > time + both.tiny, 0]
        explained = following.size > 0 and time + pair.late + both.substep > following[0]
        return Divergence(time, neuron, "input end" if explained else "unexplained")
    assert other is not None
    time, kind = other
    tau = both.layer.switch["tau_off" if kind == "on" else "tau_on"]
    moment = _moment(both, neuron, *other)
    following = inputs[inputs[:, 1] > time + both.tiny, 0]
    explained = False
    if following.size:
        # The physics had until then; either it was not at its end yet, or its voltage was not beyond its level.
        due = (last.physics if last is not None else 0.0) + tau
        lag = last.moment - last.physics if last is not None else 0.0
        if last is not None and due > following[0] - both.tiny:
            explained = abs(moment - due) <= abs(lag) + both.time_bound(kind)
        else:
            # The best of its chances: when it was due, when the other turned, and at the end.
            for chance in (due, time, float(following[0])):
                sample = _sample(both, chance)
                slope = abs(both.slope(sample, neuron, kind)[0]) * (both.substep + abs(lag))
                missing = -both.excess(0, sample, neuron, kind)
                explained |= bool(missing <= _apart(both, chance, neuron, kind) + slope)
    return Divergence(time, neuron, "input end" if explained else "unexplained")
