"""A LIF neuron under constant current, against the closed form (yu-tio2, eq. 2 and 3)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.base import Experiment, Measured, Settings, every_field
from memtwin.sim.experiments.option import Option
from memtwin.sim.figures import COLOURS, axis, panels
from memtwin.sim.lif.physics import charge, interval
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec
from memtwin.sim.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Lif"]

# Rise R I0 of the membrane in the end, as a part of the distance from rest to threshold: the first never spikes.
DRIVES = (0.8, 1.2, 1.6, 2.0, 3.0)


class Lif(Experiment):
    """Five neurons, each under a constant current of its own.

    The solution of eq. (2) from rest is ``u = u_rest + R I0 (1 - exp(-t / tau))``; eq. (3) of the paper prints the
    first sign as a minus, with which it would not start at rest. A spike resets to rest, so that the interval between
    spikes is ``-tau log(1 - (v_th - u_rest) / (R I0))``.
    """

    name = "lif"
    title = "LIF neuron under constant current"
    source = "yu-tio2, eq. 2 and 3"
    cards = {"volatile and non-volatile switch": "ag-tio2"}  # noqa: RUF012
    idle = {  # noqa: RUF012
        "volatile and non-volatile switch": every_field("volatile and non-volatile switch") - {"tau", "u_rest", "v_th"}
    }
    common: ClassVar[Mapping[str, Option]] = {}
    options = {  # noqa: RUF012
        "dt": Option(0.1e-3, "s", "one step"),
        "time": Option(60e-3, "s", "length of the run"),
    }

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan one run; the current is the bias of each neuron, its only input row is silent."""
        card, dt = settings.cards["volatile and non-volatile switch"], settings.options["dt"]
        steps = round(settings.options["time"] / dt) if dt > 0 else 0
        if not 1 <= steps <= 65535:
            raise InputError(f"options time, dt: expected 1 to 65535 steps, not {steps}")
        neurons = len(DRIVES)
        layer = LifLayerSpec(
            weight=np.ones((neurons, 1)),
            tau=card["tau"],
            v_leak=card["u_rest"],
            v_threshold=card["v_th"],
            v_reset=card["u_rest"],
            bias=_rises(settings),
        )
        images = Images.from_values(np.zeros((1, 1)), steps=steps, mode="latency")
        spec = LifSpec(layers=(layer,), dt=dt, capacity=2, sources=(card,))
        return {"neurons": Job(spec=spec, shown=images, seed=settings.seed, record=True)}

    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Compare the membrane up to the first spike, and the interval between spikes, with the closed forms."""
        dt = settings.options["dt"]
        layer = recordings["neurons"].layers[0]
        wave, rises = layer.waveform[0], _rises(settings)
        exact, expected = _closed_form(settings, wave.time_s), _intervals(settings)
        errors, intervals = [], []
        for neuron, rise in enumerate(rises):
            spikes = np.array([event.time_s for event in layer.events[0] if event.neuron == neuron])
            before = wave.time_s < (spikes[0] if spikes.size else np.inf) - dt / 2
            difference = wave.signals["v"][before, neuron] - exact[before, neuron]
            errors.append(float(np.abs(difference).max() / rise))
            intervals.append(float(np.diff(spikes).mean()) if spikes.size > 1 else None)
        return {
            "max_error": max(errors),
            "membrane_error": dict(zip(_keys(), errors, strict=True)),
            "interval_s": dict(zip(_keys(), intervals, strict=True)),
            "interval_exact_s": dict(zip(_keys(), expected, strict=True)),
            "dt_s": dt,
        }

    def figures(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        results: Mapping[str, Any],
    ) -> "dict[str, Figure]":
        """Draw the membranes, and the closed form of the one that never spikes."""
        wave = recordings["neurons"].layers[0].waveform[0]
        figure, (ax,) = panels("LIF neuron under constant current")
        ms = 1e3 * wave.time_s
        for neuron, key in enumerate(_keys()):
            ax.plot(ms, wave.signals["v"][:, neuron], color=COLOURS[neuron], linewidth=1.0, label=f"drive {key}")
        ax.plot(ms, _closed_form(settings, wave.time_s)[:, 0], ":", color=COLOURS[5], label="closed form")
        ax.legend(fontsize=7, frameon=False, loc="upper right")
        axis(ax, "time (ms)", "membrane u (V)")
        return {"lif": figure}


def _keys() -> list[str]:
    return [f"{drive:.1f}" for drive in DRIVES]


def _rises(settings: Settings) -> NDArray[np.float64]:
    """R I0 of every neuron, V."""
    card = settings.cards["volatile and non-volatile switch"]
    return np.array(DRIVES) * (card["v_th"] - card["u_rest"])


def _closed_form(settings: Settings, time_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Membrane without spikes, (T, neurons)."""
    card = settings.cards["volatile and non-volatile switch"]
    return charge(time_s[:, None], _rises(settings), tau=card["tau"], v_leak=card["u_rest"])


def _intervals(settings: Settings) -> list[float | None]:
    """Time between two spikes of every neuron, s; null for one that never spikes."""
    card = settings.cards["volatile and non-volatile switch"]
    rest = {"v_leak": card["u_rest"], "v_reset": card["u_rest"]}
    times = interval(_rises(settings), tau=card["tau"], v_threshold=card["v_th"], **rest)
    return [float(time) if np.isfinite(time) else None for time in times]
