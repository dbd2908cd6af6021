"""Firing patterns of Izhikevich neurons under a step of current (Izhikevich 2003, Fig. 2)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.base import Experiment, Measured, Settings
from memtwin.sim.experiments.option import Option
from memtwin.sim.figures import COLOURS, axis, panels
from memtwin.sim.izhikevich.shown import MOST_CURRENT, MOST_STEPS, Drive
from memtwin.sim.izhikevich.spec import IzhikevichSpec
from memtwin.sim.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Izhikevich", "pattern"]

_GAP = 4.0  # a burst ends where an interval is so many times the one before it
_ADAPTS = 2.0  # last interval by the first one
_FAST = 50.0  # spikes a second in the end


class Izhikevich(Experiment):
    """The five cortical neurons of the source, each under the same step of current.

    What a pattern is called is decided by the intervals between spikes alone, see `pattern`.
    """

    name = "izhikevich"
    title = "Firing patterns of Izhikevich neurons under a step of current"
    source = "Izhikevich 2003, Fig. 2"
    cards: ClassVar[Mapping[str, str]] = {
        name: f"izhikevich-{name.lower()}" for name in ("RS", "IB", "CH", "FS", "LTS")
    }
    common: ClassVar[Mapping[str, Option]] = {}
    options = {  # noqa: RUF012
        "step": Option(0.1e-3, "s", "time of a step; the source's figure has this one", least=10e-6, most=1e-3),
        "current": Option(10.0, "", "height of the step of current, mV/ms", zero=True, most=MOST_CURRENT),
        "before": Option(100e-3, "s", "time without current"),
        "time": Option(900e-3, "s", "time with current"),
    }

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan one run; the only input row is silent."""
        step, neurons = settings.options["step"], len(settings.cards)
        steps = tuple(self._steps(settings, name) for name in ("before", "time"))
        current = np.zeros((1, 2, neurons))
        current[:, 1] = settings.options["current"]
        drive = Drive(steps=steps, inputs=np.zeros((1, sum(steps), 1), dtype=np.uint8), current=current)
        spec = IzhikevichSpec(devices=tuple(settings.cards.values()), weight=np.zeros((neurons, 1)), step=step)
        return {"step": Job(spec=spec, shown=drive, seed=settings.seed, record=True)}

    def _steps(self, settings: Settings, name: str) -> int:
        steps = settings.options[name] / settings.options["step"]
        if not 0.5 < steps < MOST_STEPS + 0.5:
            raise InputError(f"option {name}: expected 1 to {MOST_STEPS} steps, not {steps:.10g}")
        return round(steps)

    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Name the pattern of every neuron, and what decides it."""
        trains = {name: _spikes(recordings["step"], number) for number, name in enumerate(settings.cards)}
        onset = runs["step"].shown.steps[0] * settings.options["step"]
        found = {name: _measure(spikes) for name, spikes in trains.items()}
        return {
            "patterns": {name: pattern(spikes) for name, spikes in trains.items()},
            "spikes": {name: int(spikes.size) for name, spikes in trains.items()},
            "first_spike_s": {
                name: float(spikes[0] - onset) if spikes.size else None for name, spikes in trains.items()
            },
            **{
                key: {name: values[key] for name, values in found.items()}
                for key in ("bursts", "adaptation", "rate_hz")
            },
            "step_s": settings.options["step"],
        }

    def figures(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        results: Mapping[str, Any],
    ) -> "dict[str, Figure]":
        """Draw the membranes, one above the other, and the current."""
        wave = recordings["step"].layers[0].waveform[0]
        drive = runs["step"].shown
        figure, axes = panels(
            "Izhikevich 2003, Fig. 2: response to a step of current", 6, height=8.0, ratios=(3, 3, 3, 3, 3, 1)
        )
        ms = 1e3 * wave.time_s
        for number, (name, title) in enumerate(results["patterns"].items()):
            axes[number].plot(ms, 1e3 * wave.signals["v"][:, number], color=COLOURS[number], linewidth=0.7)
            axes[number].set_title(f"{name}: {title}", fontsize=8, loc="left", pad=2)
            axis(axes[number], "", "v (mV)")
        axes[-1].plot(ms, np.repeat(drive.current[0, :, 0], drive.steps), color=COLOURS[5], linewidth=1.0)
        axis(axes[-1], "time (ms)", "I (mV/ms)")
        return {"izhikevich-patterns": figure}


def pattern(spikes: NDArray[np.float64]) -> str:
    """Name the firing pattern of one neuron from the times of its spikes, s.

    A burst ends where an interval is at least 4 times the one before it. With one burst a neuron is intrinsically
    bursting, with several chattering. Without a burst it is fast if it has 50 spikes a second or more in the end, and
    it adapts if intervals grow to twice the first one or more: slow and adapting is regular spiking, fast and adapting
    low-threshold spiking, fast without it fast spiking.
    """
    if spikes.size < 4:
        return "silent" if spikes.size == 0 else "few spikes"
    found = _measure(spikes)
    if found["bursts"]:
        return "intrinsically bursting" if found["bursts"] == 1 else "chattering"
    names = {
        (False, True): "regular spiking",
        (True, True): "low-threshold spiking",
        (True, False): "fast spiking",
        (False, False): "tonic spiking",
    }
    return names[found["rate_hz"] >= _FAST, found["adaptation"] >= _ADAPTS]


def _measure(spikes: NDArray[np.float64]) -> dict[str, Any]:
    """Bursts, last interval by the first one, and rate in the end (the median of the later half), Hz."""
    intervals = np.diff(spikes)
    if intervals.size < 2:
        return {"bursts": 0, "adaptation": None, "rate_hz": None}
    last = float(np.median(intervals[intervals.size // 2 :]))
    return {
        "bursts": int(np.count_nonzero(intervals[1:] >= _GAP * intervals[:-1])),
        "adaptation": last / float(intervals[0]),
        "rate_hz": 1 / last,
    }


def _spikes(recording: Recording, neuron: int) -> NDArray[np.float64]:
    return np.array([event.time_s for event in recording.layers[0].events[0] if event.neuron == neuron])
