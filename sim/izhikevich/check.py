"""Holds a recording of Izhikevich neurons against its equations, step by step.

Each step starts from the states that the recording has before it, so that an error is seen where it is made. Integers
must follow a step of forward Euler in float64, up to what rounding to words explains (`Allowance`; docs/izhikevich.md,
section 6, derives it). The physics must follow the differential equations, up to `LATE`: they are solved here once
more, by another method and for all steps at once.
"""

from collections import defaultdict
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from memtwin.sim import bounded
from memtwin.sim.backends import Job
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.izhikevich.quantize import CENTRE, UNIT, word_b
from memtwin.sim.izhikevich.shown import Drive
from memtwin.sim.izhikevich.spec import MILLI, IzhikevichSpec
from memtwin.sim.recording import Recording

__all__ = ["LATE", "Allowance", "Check"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LATE = 0.125**4 / 120
"""How far the physics may be from the equations, as a time and a part of the step; docs/izhikevich.md, section 6."""

_FLOAT = 1e-9  # rounding of float64: of 1 mV, and of 1 mV/ms
_ROUNDED = 0.5


@dataclass(frozen=True)
class Law:
    """The equations, in mV and ms; arrays are (..., neurons)."""

    a: Floats
    b: Floats

    def membrane(self, v: Floats, u: Floats, current: Floats) -> Floats:
        """Slope of `v`, mV/ms."""
        return 0.04 * v**2 + 5 * v + 140 - u + current

    def recovery(self, v: Floats, u: Floats) -> Floats:
        """Slope of `u`, mV/ms per ms."""
        return self.a * (self.b * v - u)


class Allowance:
    """How far the integers may be from a step of forward Euler; `dt` in ms.

    Attributes
    ----------
    level : float
        Of the threshold, of `c` and of the start of the membrane, mV: half a unit of their words.
    jump : float
        Of `d`, mV/ms.
    """

    level = _ROUNDED * UNIT * 2.0**-12
    jump = _ROUNDED * UNIT * 2.0**-15

    def __init__(self, law: Law, dt: float) -> None:
        self._law, self._dt = law, dt

    def membrane(self, slope: Floats, inputs: Ints) -> Floats:
        """Of a step with `slope` (mV/ms), under so many `inputs` with a spike, (S, 1)."""
        # The square and u are rounded to 16 fraction bits; the current and each weight have 12.
        of_slope = UNIT * _ROUNDED * (2 * 2.0**-16 + (1 + inputs) * 2.0**-12)
        of_dt = _ROUNDED * 2.0**-15
        return (self._dt + of_dt) * of_slope + of_dt * np.abs(slope) + UNIT * _ROUNDED * 2.0**-16 + _FLOAT

    def recovery(self, v: Floats, u: Floats) -> Floats:
        """Of a step from `v`, `u`."""
        of_rate = _ROUNDED * 2.0**-19
        # The product with b is rounded to 19 fraction bits, b itself to 15.
        of_distance = UNIT * _ROUNDED * 2.0**-19 + _ROUNDED * 2.0**-15 * np.abs(v)
        moved = (self._law.a * self._dt + of_rate) * of_distance + of_rate * np.abs(self._law.b * v - u)
        return moved + UNIT * _ROUNDED * 2.0**-19 + _FLOAT


class Check(bounded.Check):
    """What is wrong with a recording.

    Attributes
    ----------
    ratios : dict of str to float
        The largest error as a part of what is allowed, by what it is of: ``"membrane"``, ``"recovery"``,
        ``"threshold"`` (a spike that should not be there, is missing, or comes at another time), ``"reset"``,
        ``"start"``, ``"weight"``.
    faults : list of str
        What cannot be told by a ratio.
    """

    def __init__(self, job: Job[IzhikevichSpec, Drive], recording: Recording, *, words: bool) -> None:
        super().__init__()
        self.job, self.recording = job, recording
        self._own: LayerCoefficients | None = job.coefficients()[0] if words else None
        self._law = Law(job.spec.per_neuron("a"), job.spec.per_neuron("b"))
        self._dt = job.spec.step / MILLI
        weight = _ROUNDED * UNIT * 2.0**-12 if words else 0.0
        self._use("weight", np.abs(recording.layers[0].conductance - job.spec.weight) / (weight + _FLOAT))
        for trial in range(job.shown.trials):
            if self._is_whole(trial):
                self._trial(trial)

    def _is_whole(self, trial: int) -> bool:
        """Whether a trial has a sample of every step, and spikes that are counted and logged as they are sampled."""
        drive, step = self.job.shown, self.job.spec.step
        layer = self.recording.layers[0]
        wave, count = layer.waveform[trial], sum(drive.steps)
        before = len(self.faults)
        if any(len(values) != count for values in (wave.time_s, *wave.signals.values())):
            self.faults.append(f"trial {trial}: expected a sample in each of {count} steps, not {len(wave.time_s)}")
            return False
        if not np.allclose(wave.time_s, step * np.arange(1, count + 1)):
            self.faults.append(f"trial {trial}: samples are not at the ends of steps")
        spikes = wave.signals["spike"].astype(np.int64)
        counts = np.add.reduceat(spikes, drive.starts, axis=0)
        if (counts != layer.spikes[trial]).any() or (counts != layer.fires[trial]).any():
            self.faults.append(f"trial {trial}: counts are not those of the sampled spikes")
        logged = np.zeros_like(spikes)
        for event in layer.events[trial]:
            # The end of a step belongs to it.
            at = int(np.ceil(event.time_s / step - _FLOAT)) - 1
            if event.kind != "spike" or not (0 <= at < count and 0 <= event.neuron < self.job.spec.neurons):
                self.faults.append(f"trial {trial}: an event is no spike of a neuron in a step")
                return False
            logged[at, event.neuron] += 1
        if (logged != spikes).any():
            self.faults.append(f"trial {trial}: events are not the sampled spikes")
        if (self.recording.duration[trial] != drive.steps).any():
            self.faults.append(f"trial {trial}: periods are not the steps of the presentations")
        return len(self.faults) == before

    def _trial(self, trial: int) -> None:
        spec, drive = self.job.spec, self.job.shown
        signals = self.recording.layers[0].waveform[trial].signals
        v, u, spikes = signals["v"] / MILLI, signals["u"], signals["spike"].astype(np.int64)
        current = np.repeat(drive.current[trial], drive.steps, axis=0) + drive.inputs[trial] @ spec.weight.T
        start_v = spec.per_neuron("v_initial")
        start_u = self._law.b * start_v
        if self._own is not None:
            start_v, start_u = self._start(trial, start_v, start_u)
        before_v, before_u = np.vstack([start_v, v[:-1]]), np.vstack([start_u, u[:-1]])
        if self._own is not None:
            self._euler(trial, before_v, before_u, current, v, u, spikes)
        else:
            self._flow(trial, before_v, before_u, current, v, u, spikes)

    def _start(self, trial: int, v: Floats, u: Floats) -> tuple[Floats, Floats]:
        """States that the words begin with; they must be the asked ones up to rounding."""
        assert self._own is not None
        words = {name: (self._own.words[name][trial] ^ 0x8000) - 0x8000 for name in ("v_start", "u_start")}
        got_v = words["v_start"] * 2.0**-12 * UNIT - CENTRE
        got_u = words["u_start"] * 2.0**-12 * UNIT - CENTRE * word_b(self._own)
        self._use("start", np.abs(got_v - v) / (Allowance.level + _FLOAT))
        # u = b v, with v as it begins and b as the word has it.
        of_u = Allowance.level * (1 + np.abs(self._law.b)) + _ROUNDED * 2.0**-15 * np.abs(v)
        self._use("start", np.abs(got_u - u) / (of_u + _FLOAT))
        return got_v, got_u

    def _euler(
        self, trial: int, before_v: Floats, before_u: Floats, current: Floats, v: Floats, u: Floats, spikes: Ints
    ) -> None:
        """Check steps of forward Euler, each from the states before it."""
        spec, dt = self.job.spec, self._dt
        allowed = Allowance(self._law, dt)
        slope = self._law.membrane(before_v, before_u, current)
        moved_v = before_v + dt * slope
        moved_u = before_u + dt * self._law.recovery(before_v, before_u)
        spiked = spikes == 1
        if (spikes > 1).any():
            self.faults.append(f"trial {trial}: more than one spike of a neuron in a step")
        inputs = self.job.shown.inputs[trial].astype(np.int64).sum(axis=1)[:, None]
        of_v, of_u = allowed.membrane(slope, inputs), allowed.recovery(before_v, before_u)
        threshold = spec.per_neuron("v_threshold")
        self._use("threshold", np.where(spiked, threshold - moved_v, moved_v - threshold) / (of_v + allowed.level))
        self._use("membrane", (np.abs(v - moved_v) / of_v)[~spiked])
        self._use("reset", (np.abs(v - spec.per_neuron("c")) / (allowed.level + _FLOAT))[spiked])
        jump = spec.per_neuron("d") * spiked
        self._use("recovery", np.abs(u - moved_u - jump) / (of_u + allowed.jump * spiked))
        assert self._own is not None
        ends = np.abs(np.stack([(v + CENTRE) / UNIT, (u + CENTRE * word_b(self._own)) / UNIT])) >= 8 - 2.0**-15
        if ends.any():
            self.faults.append(f"trial {trial}: {np.count_nonzero(ends)} states are at the end of their word")

    def _flow(
        self, trial: int, before_v: Floats, before_u: Floats, current: Floats, v: Floats, u: Floats, spikes: Ints
    ) -> None:
        """Check steps of the differential equations, each from the states before it, from spike to spike."""
        spec = self.job.spec
        threshold, c, d = (spec.per_neuron(name) for name in ("v_threshold", "c", "d"))
        times: dict[tuple[int, int], list[float]] = defaultdict(list)
        for event in self.recording.layers[0].events[trial]:
            step = int(np.ceil(event.time_s / spec.step - _FLOAT)) - 1
            times[step, event.neuron].append(event.time_s / MILLI - step * self._dt)
        at, late = np.zeros_like(v), LATE * self._dt
        for number in range(int(spikes.max(initial=0)) + 1):
            spiking = spikes > number
            until = np.full_like(v, self._dt)
            for step, neuron in np.argwhere(spiking):
                until[step, neuron] = sorted(times[step, neuron])[number]
            live = spikes >= number  # the others have come to the end of their step
            end_v, end_u = self._solve(before_v, before_u, current, np.where(live, until - at, 0.0), threshold)
            slope = self._law.membrane(np.minimum(end_v, threshold), end_u, current)
            of_v = late * (np.abs(slope) + 1) + _FLOAT
            of_u = late * (np.abs(self._law.recovery(end_v, end_u)) + 1) + _FLOAT
            ended = live & ~spiking
            self._use("threshold", (np.abs(end_v - threshold) / of_v)[spiking])
            self._use("membrane", (np.abs(end_v - v) / of_v)[ended])
            self._use("recovery", (np.abs(end_u - u) / of_u)[ended])
            before_v, before_u, at = np.where(spiking, c, end_v), np.where(spiking, end_u + d, end_u), until

    def _solve(
        self, v: Floats, u: Floats, current: Floats, duration: Floats, threshold: Floats
    ) -> tuple[Floats, Floats]:
        """States after `duration`, of all steps at once: the variable is the part of it that is over."""

        def slopes(_: float, states: Floats) -> Floats:
            v, u = states.reshape(2, *duration.shape)
            # Where a spike is missing the membrane must not go off to infinity.
            v = np.minimum(v, threshold + UNIT)
            return np.ravel([duration * self._law.membrane(v, u, current), duration * self._law.recovery(v, u)])

        found = solve_ivp(slopes, (0.0, 1.0), np.ravel([v, u]), "DOP853", rtol=1e-10, atol=1e-10)
        end_v, end_u = found.y[:, -1].reshape(2, *duration.shape)
        return end_v, end_u
