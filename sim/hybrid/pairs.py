"""Which event of a clocked recording is the counterpart of which event of the physics, and when it must be.

An event of the physics happens when its filament crosses a level. The filament of the clocked backend is off by a known
amount then, what earlier delays and rounding left, so that it crosses earlier or later by what the physics takes for
that amount, and the crossing is seen at the end of its substep. Where that window reaches beyond the edge of CLK at
which the drive ends, one level may fire a pulse later: a divergence that substeps explain.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.bounded import Divergence, Pair
from memtwin.sim.hybrid.law import THRESHOLD, Followed, follow, threshold_bound
from memtwin.sim.hybrid.physics_ts import ThresholdSwitch
from memtwin.sim.hybrid.spec import LayerSample, LayerSpec, NetworkSpec
from memtwin.sim.recording import Event, LayerRecording, Waveform

__all__ = ["Both", "pair_events", "window"]

_SWITCHING = ("fire", "on", "off")
_EDGES = ("l2_rise", "l2_fall", "spike")  # what follows from them, at the next edge of CLK
_EXACT = 1e-6  # of a substep: rounding of times, no more

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Both:
    """The two recordings of one layer in one trial.

    Parameters
    ----------
    spec, layer, sample
        What is simulated.
    trial : int
        Row of the sample and of the recordings.
    physics, other : LayerRecording
        The physics, and a clocked backend.
    """

    spec: NetworkSpec
    layer: LayerSpec
    sample: LayerSample
    trial: int
    physics: LayerRecording
    other: LayerRecording

    @cached_property
    def device(self) -> ThresholdSwitch:
        """The device without spread."""
        return ThresholdSwitch.from_card(self.spec.device)

    @cached_property
    def waves(self) -> tuple[Waveform, Waveform]:
        """Waveforms of the physics and of the other."""
        return self.physics.waveform[self.trial], self.other.waveform[self.trial]

    @cached_property
    def tiny(self) -> float:
        """Rounding of times, s."""
        return _EXACT * self.spec.substep

    @cached_property
    def at(self) -> NDArray[np.intp]:
        """The sample of the physics at the time of each sample of the other, or the last one."""
        mine, other = self.waves
        return np.searchsorted(mine.time_s, other.time_s - self.tiny).clip(max=mine.time_s.size - 1)

    @cached_property
    def law(self) -> Followed:
        """The law along the decisions of the other."""
        return follow(self.spec, self.sample.gain[self.trial], self.waves[1])

    def threshold_bound(self, neuron: int) -> float:
        """How far the threshold of a neuron may be from that of the physics."""
        return threshold_bound(self.spec, self.layer, int(self.other.fires[self.trial].sum(axis=0)[neuron]))

    def stretch(self, neuron: int, time: float) -> tuple[int, float, float]:
        """The stretch of the other recording with `time` in it: sample, start, and the filament of the physics then.

        What happens at an edge of CLK happens because of it, and is in the stretch after it.
        """
        mine, other = self.waves
        half = self.spec.half_period
        is_edge = abs(time - np.round(time / half) * half) <= self.tiny
        number = int(np.searchsorted(other.time_s, time + (self.tiny if is_edge else -self.tiny)))
        number = min(number, other.time_s.size - 1)
        if number == 0:
            return 0, 0.0, 0.0
        return number, float(other.time_s[number - 1]), float(mine.signals["x"][self.at[number - 1], neuron])

    def sample_at(self, time: float, of: int) -> int:
        """The sample at or after `time` of the physics (0) or of the other (1)."""
        times = self.waves[of].time_s
        return min(int(np.searchsorted(times, time - self.tiny)), times.size - 1)


def pair_events(both: Both) -> tuple[list[Pair], list[Divergence]]:
    """Pair the events of each neuron, kind by kind in their order, up to the first that has no counterpart.

    Returns
    -------
    list of Pair, list of Divergence
        At most one divergence for each neuron. Pairs after it mean nothing.
    """
    pairs, divergences = [], []
    lists = [_by_neuron(layer.events[both.trial]) for layer in (both.physics, both.other)]
    for neuron in range(both.layer.neurons):
        first: Divergence | None = None
        for kind in (*_SWITCHING, *_EDGES):
            mine, other = (table[neuron, kind] for table in lists)
            for number in range(max(len(mine), len(other))):
                p = mine[number] if number < len(mine) else None
                o = other[number] if number < len(other) else None
                pair = window(both, neuron, kind, p, o) if p is not None else None
                if pair is not None and pair.ratio <= 1 and _is_one_pulse(both, pair):
                    pairs.append(pair)
                    continue
                found = _divergence(both, neuron, kind, o, pair)
                if first is None or found.time_s < first.time_s - both.tiny:
                    first = found
                break
        if first is not None:
            divergences.append(first)
    return pairs, divergences


def _by_neuron(events: list[Event]) -> dict[tuple[int, str], list[float]]:
    out: dict[tuple[int, str], list[float]] = defaultdict(list)
    for event in events:
        out[event.neuron, event.kind].append(event.time_s)
    return out


def _is_one_pulse(both: Both, pair: Pair) -> bool:
    """Whether a device switched on in the same half-period of CLK; the window does not know of its end."""
    half = both.spec.half_period
    # An edge is the start of a half-period in continuous time, and the end of one where substeps end.
    mine, other = np.floor(pair.physics / half + 1e-6) + 1, np.ceil(pair.other / half - 1e-6)
    return pair.kind not in ("on", "fire") or bool(mine == other)


def window(both: Both, neuron: int, kind: str, time: float, other: float | None) -> Pair:
    """The window in which the counterpart of an event of the physics must be."""
    early = late = both.tiny
    substep = both.spec.substep
    if kind in _SWITCHING:
        if kind == "fire" and not _switches_on(both, neuron, time):
            late += 2 * substep  # the device is on already; a gate opens, and gates act one substep late
        else:
            here = _crossing(both, neuron, kind, time, other)
            early, late = both.tiny + here[0], both.tiny + here[1] + substep
    seen = np.inf if other is None else other
    return Pair(neuron, kind, time, seen, seen, early, late)


def _switches_on(both: Both, neuron: int, time: float) -> bool:
    """Whether the device of the physics switches on at `time`."""
    return any(
        (event.neuron, event.kind) == (neuron, "on") and abs(event.time_s - time) <= both.tiny
        for event in both.physics.events[both.trial]
    )


def _crossing(both: Both, neuron: int, kind: str, time: float, other: float | None) -> tuple[float, float]:
    """By how much earlier and later the other filament crosses the level that the physics crosses at `time`, s."""
    device, half = both.device, both.spec.half_period
    # Seen from the first of the two events: from then on the filaments differ by what that one changes.
    first = time if other is None else max(min(time, other), np.floor(time / half) * half)
    number, start, before = both.stretch(neuron, first)
    off_by = float(abs(both.law.before[number, neuron] - before) + both.law.bound[number, neuron])
    if kind == "off":
        part = (off_by + THRESHOLD / 2) / device.theta_off
        late = -device.tau_relax * np.log1p(-part) if part < 1 else np.inf
        return float(device.tau_relax * np.log1p(part)), float(late)
    rate = both.law.rate[number, neuron]
    if not rate > 0:
        volts = both.waves[0].signals["v1"][both.at[number], neuron]
        rate = device.rate(volts) * both.sample.gain[both.trial, neuron]
    ceiling = float(rate * device.tau_leak)
    level = ceiling + (before - ceiling) * np.exp(-(time - start) / device.tau_leak)
    off_by += both.threshold_bound(neuron)
    if both.layer.inhibition:
        off_by += float(rate) * both.spec.substep  # the gate may have moved in one of the recordings only
    room = ceiling - level
    part = off_by / room if room > 0 else np.inf
    late = -device.tau_leak * np.log1p(-part) if part < 1 else np.inf
    return float(device.tau_leak * np.log1p(part)), float(late)


def _divergence(both: Both, neuron: int, kind: str, other: float | None, pair: Pair | None) -> Divergence:
    """Say whether substeps explain that an event has no counterpart."""
    if pair is not None and (other is None or pair.physics < other):
        time, reason = pair.physics, _missing(both, kind, pair)
    else:
        assert other is not None
        time, reason = other, _surplus(both, neuron, kind, other)
    if reason is None and kind != "off" and _is_race(both, neuron, time, pair):
        reason = "race"
    return Divergence(time, neuron, reason or "unexplained")


def _edge_after(both: Both, time: float) -> float:
    return float(np.ceil(time / both.spec.half_period - 1e-6) * both.spec.half_period)


def _missing(both: Both, kind: str, pair: Pair) -> str | None:
    """Why the other recording may lack an event of the physics: it has until the next edge of CLK."""
    if kind in _EDGES or pair.physics + pair.late <= _edge_after(both, pair.physics) - both.tiny:
        return None
    return "pulse start" if kind == "off" else "pulse end"


def _surplus(both: Both, neuron: int, kind: str, time: float) -> str | None:
    """Why the physics may lack an event of the other recording: at the next edge it was not beyond the level."""
    if kind in _EDGES:
        return None
    number, last = both.sample_at(time, 1), both.sample_at(_edge_after(both, time), 0)
    reached, in_time = both.law.x[number, neuron], both.waves[0].signals["x"][last, neuron]
    slack = both.law.bound[number, neuron] + both.threshold_bound(neuron)
    if kind == "off":
        return "pulse start" if in_time >= reached - slack else None
    return "pulse end" if in_time <= reached + slack else None


def _is_race(both: Both, neuron: int, time: float, pair: Pair | None) -> bool:
    """Whether another neuron fires before the delays can tell who is first and closes the gate of the other."""
    if not both.layer.inhibition:
        return False
    width = 2 * both.spec.substep
    if pair is not None:
        width += min(max(pair.early, pair.late), both.spec.half_period)
    rivals = [*both.physics.events[both.trial], *both.other.events[both.trial]]
    return any(e.kind == "fire" and e.neuron != neuron and abs(e.time_s - time) <= width for e in rivals)
