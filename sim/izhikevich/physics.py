"""Physics of Izhikevich neurons in continuous time, float64 (docs/izhikevich.md, "Theory of operation").

Within a step the current is constant. Every neuron goes through it in substeps of its own, by the classical rule of
Runge and Kutta, as short as its membrane is fast; a spike is found by a substep with the membrane, and not the time,
as the independent variable, which ends on the threshold (Henon, Physica D 5, 1982).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job, Progress
from memtwin.sim.izhikevich.shown import Drive
from memtwin.sim.izhikevich.spec import MILLI, IzhikevichSpec
from memtwin.sim.recording import Event, LayerRecording, Recording, Waveform
from memtwin.sim.solver_steps import Steps

__all__ = ["run"]

Floats = NDArray[np.float64]

_SUBSTEP = 0.125
"""Length, as a part of the time in which the membrane changes by itself: a substep is off by its 5th power / 120."""
_SUBSTEPS = 2000
"""In a step, at most on average; neurons of the source take up to 70 in 1 ms."""


def run(job: Job, progress: Progress | None = None) -> Recording:
    """Run `job` in continuous time.

    Parameters
    ----------
    job : Job
        Neurons (`IzhikevichSpec`), spikes and currents (`Drive`), seed; with `record`, waveforms and events are kept.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Returns
    -------
    Recording
        Without `words` and `clocks`, which continuous time does not have.
    """
    spec, drive = job.spec, job.shown
    assert isinstance(spec, IzhikevichSpec)
    assert isinstance(drive, Drive)  # what goes with it
    count = sum(drive.steps)
    shape = (count, drive.trials, spec.neurons)
    course = _Course(spec, drive.trials)
    spikes = np.zeros(shape, dtype=np.uint8)
    v, u = (np.zeros(shape if job.record else (0, *shape[1:])) for _ in range(2))
    number = np.repeat(np.arange(drive.presentations), drive.steps)
    for step in range(count):
        current = drive.current[:, number[step]]
        if drive.inputs[:, step].any():
            current = current + drive.inputs[:, step] @ spec.weight.T
        spikes[step] = course.step(step, current)
        if job.record:
            v[step], u[step] = course.v, course.u
        if progress is not None and (step + 1 in drive.starts or step + 1 == count):
            progress((step + 1) / count)
    counts = np.add.reduceat(spikes, drive.starts, axis=0, dtype=np.int64).transpose(1, 0, 2)
    weight = np.repeat(np.asarray(spec.weight, dtype=np.float64)[None], drive.trials, axis=0)
    layer = LayerRecording(fires=counts, spikes=counts.copy(), conductance=weight)
    if job.record:
        layer.events = [sorted(events, key=lambda event: event.time_s) for events in course.events]
        layer.learning = [[] for _ in range(drive.trials)]
        time = np.arange(1, count + 1, dtype=np.float64) * spec.step
        layer.waveform = [
            Waveform(
                time_s=time.copy(),
                clk=drive.inputs[trial].any(axis=1).astype(np.uint8),
                signals={"v": MILLI * v[:, trial], "u": u[:, trial].copy(), "spike": spikes[:, trial].copy()},
            )
            for trial in range(drive.trials)
        ]
    return Recording(
        backend="physics",
        layers=[layer],
        duration=np.tile(drive.steps, (drive.trials, 1)),
        time_s=np.full(drive.trials, count * spec.step),
    )


class _Course:
    """States of all neurons in all trials, (trials, neurons), in mV and mV/ms; times in ms."""

    def __init__(self, spec: IzhikevichSpec, trials: int) -> None:
        self._a, self._b, self._c, self._d, self._threshold = (
            np.tile(spec.per_neuron(name), (trials, 1)) for name in ("a", "b", "c", "d", "v_threshold")
        )
        self._step = spec.step / MILLI
        cards = ", ".join(dict.fromkeys(device.name for device in spec.devices))
        self._substeps = Steps(
            "physics", _SUBSTEPS, "step", f"change the cards {cards}, the drive, or use a shorter step"
        )
        self.v = np.tile(spec.per_neuron("v_initial"), (trials, 1))
        self.u = self._b * self.v
        self.events: list[list[Event]] = [[] for _ in range(trials)]

    def step(self, number: int, current: Floats) -> NDArray[np.uint8]:
        """Go through step `number` under `current` (trials, neurons); returns how often each neuron spikes."""
        spikes = np.zeros(self.v.shape, dtype=np.uint8)
        left = np.full(self.v.shape, self._step)
        self._substeps.allow()
        while (left > 0).any():
            self._substeps.take()
            # How fast the membrane changes by itself, and how fast it would if it went on as it does.
            rate = np.abs(0.08 * self.v + 5) + np.sqrt(0.08 * np.abs(_membrane(self.v, self.u, current))) + 1
            h = np.minimum(left, _SUBSTEP / rate)
            v, u = self._in_time(current, h)
            left_after = left - h
            reached = v >= self._threshold
            if reached.any():
                took, u_then = self._to_threshold(current, reached)
                left_after[reached] = np.maximum(left[reached] - took, 0.0)
                v[reached] = self._c[reached]
                u[reached] = u_then + self._d[reached]
                spikes += reached
                for trial, neuron in np.argwhere(reached):
                    time = (number + 1) * self._step - left_after[trial, neuron]
                    self.events[trial].append(Event(float(MILLI * time), int(neuron), "spike"))
            self.v, self.u, left = v, u, left_after
        return spikes

    def _in_time(self, current: Floats, h: Floats) -> tuple[Floats, Floats]:
        """States after a substep of `h`."""

        def slopes(_: Floats, states: Floats) -> Floats:
            v, u = states
            return np.stack([_membrane(v, u, current), self._a * (self._b * v - u)])

        v, u = _runge_kutta(slopes, np.zeros_like(h), np.stack([self.v, self.u]), h)
        return v, u

    def _to_threshold(self, current: Floats, where: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        """Time until the membranes `where` are at the threshold, and the recovery then."""
        a, b, own = self._a[where], self._b[where], current[where]

        def slopes(v: Floats, states: Floats) -> Floats:
            _, u = states
            return np.stack([np.ones_like(v), a * (b * v - u)]) / _membrane(v, u, own)

        v, u = self.v[where], self.u[where]
        took, u_then = _runge_kutta(slopes, v, np.stack([np.zeros_like(v), u]), self._threshold[where] - v)
        return took, u_then


def _membrane(v: Floats, u: Floats, current: Floats) -> Floats:
    """Slope of the membrane, mV/ms."""
    return (0.04 * v + 5) * v + 140 - u + current


def _runge_kutta(slopes: Callable[[Floats, Floats], Floats], x: Floats, y: Floats, h: Floats) -> Floats:
    """Return `y` at ``x + h``, by one substep of the classical rule of fourth order."""
    k1 = slopes(x, y)
    k2 = slopes(x + h / 2, y + h / 2 * k1)
    k3 = slopes(x + h / 2, y + h / 2 * k2)
    k4 = slopes(x + h, y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
