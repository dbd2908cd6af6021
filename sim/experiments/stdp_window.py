"""The learning window of one STDP synapse, pair by pair (yu-tio2, Fig. 3c and eq. 1)."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.base import Experiment, Measured, Settings
from memtwin.sim.experiments.option import Option
from memtwin.sim.figures import COLOURS, axis, panels
from memtwin.sim.recording import Recording
from memtwin.sim.stdp.recording import StdpRecording
from memtwin.sim.stdp.shown import SpikeTrains, check_steps
from memtwin.sim.stdp.spec import StdpSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STDP_CARDS", "STDP_IDLE", "STEP", "StdpWindow"]

STDP_CARDS: Mapping[str, str] = {"memristor": "ag-tio2"}
STDP_IDLE: Mapping[str, Collection[str]] = {
    "memristor": ("i_volatile", "v_hold", "i_non_volatile", "v_set", "v_reset", "r_off_c2c")
}
"""Fields on which nothing depends in a network of STDP synapses."""
STEP = Option(1e-3, "s", "time between two possible spikes")

# Distances, as parts of the longest.
_AGES = (1 / 150, 2 / 150, 5 / 150, 10 / 150, 20 / 150, 40 / 150, 60 / 150, 80 / 150, 100 / 150, 120 / 150, 1.0)
_KICK = 0.04  # of the way to the threshold; an input alone must not make the neuron spike


class StdpWindow(Experiment):
    """One input spike and one forced output spike, at every distance, on a synapse of its own.

    The conductance is read before and after. `dt` is positive where the input comes first.
    """

    name = "stdp-window"
    title = "The STDP window of the Ag/TiO2/Pt synapse"
    source = "yu-tio2, Fig. 3 (c) and eq. (1)"
    repeated = "with spread"
    drawn = ("pairs",)
    cards = STDP_CARDS
    idle = STDP_IDLE
    common = {"step": STEP}  # noqa: RUF012
    options = {"longest": Option(150e-3, "s", "longest distance of two spikes")}  # noqa: RUF012

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan a silent epoch, after which the conductance is read, and the pair; one trial is one distance."""
        step, device = settings.options["step"], settings.cards["memristor"]
        distances = _distances(settings)
        repeats = settings.trials or 1
        length = int(np.abs(distances).max()) + 1
        inputs, forced = (np.zeros((distances.size, 2, length, 1), dtype=np.uint8) for _ in range(2))
        pairs = np.arange(distances.size)
        inputs[pairs, 1, np.maximum(-distances, 0)] = 1
        forced[pairs, 1, np.maximum(distances, 0)] = 1
        trains = SpikeTrains(
            inputs=np.tile(inputs, (repeats, 1, 1, 1)),
            forced=np.tile(forced, (repeats, 1, 1, 1)),
            learn=np.ones((distances.size * repeats, 2), dtype=np.uint8),
        )
        spec = StdpSpec(
            device=device,
            g_initial=np.array([[device["g_initial"]]]),
            kick=_KICK * (device["v_th"] - device["u_rest"]),
            step=step,
            c2c=settings.spread,
            group=distances.size,
        )
        return {"pairs": Job(spec=spec, shown=trains, seed=settings.seed)}

    def measure(self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Recording]) -> Measured:
        """Measure the relative change by every pair, (trials, distances)."""
        recording = recordings["pairs"]
        assert isinstance(recording, StdpRecording)
        before, after = recording.history[:, :, 0, 0].T
        return {"change": (after / before - 1).reshape(settings.trials or 1, -1)}

    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Compare every relative change with ``W exp(-|dt| / tau)``; of several trials their mean."""
        dt = _distances(settings) * settings.options["step"]
        change = measured["change"].mean(axis=0)
        error = change / _law(settings.cards["memristor"], dt) - 1
        keys = [f"{value:g}" for value in dt]
        return {
            "window": dict(zip(keys, error.tolist(), strict=True)),
            "max_error": float(np.abs(error).max()),
            "change_percent": dict(zip(keys, (100 * change).tolist(), strict=True)),
            "trials": len(measured["change"]),
        }

    def figures(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        results: Mapping[str, Any],
    ) -> "dict[str, Figure]":
        """Draw the changes over the law, and the relative errors."""
        device = settings.cards["memristor"]
        figure, (window, error) = panels("yu-tio2, Fig. 3c: STDP window", 2, height=4.5, ratios=(3, 1))
        dt = np.array([float(key) for key in results["window"]])
        for side in (-1, 1):
            fine = side * np.linspace(np.abs(dt).min() / 2, np.abs(dt).max(), 300)
            label = "W exp(-|dt| / tau)" if side > 0 else None
            window.plot(1e3 * fine, 100 * _law(device, fine), color=COLOURS[0], linewidth=1.2, label=label)
        window.plot(1e3 * dt, list(results["change_percent"].values()), "o", color=COLOURS[1], ms=4, label="measured")
        window.legend(fontsize=7, frameon=False)
        axis(window, "", "change of G (%)")
        error.plot(1e3 * dt, 100 * np.array(list(results["window"].values())), "o", color=COLOURS[1], ms=3)
        axis(error, "dt (ms), positive: input first", "error (%)")
        return {"fig3c-window": figure}


def _distances(settings: Settings) -> np.ndarray:
    """Distances in steps, rising, without 0."""
    step, longest = settings.options["step"], settings.options["longest"]
    ages = np.rint(np.array(_AGES) * longest / step)
    check_steps(ages.max() + 1)
    ages = ages.astype(np.int64)
    ages = np.unique(ages[ages > 0])
    if ages.size < 2:
        raise InputError(f"option step: expected at most {_AGES[-2] * longest:g} s, not {step:g} s")
    return np.concatenate([-ages[::-1], ages])


def _law(device: Any, dt: np.ndarray) -> np.ndarray:
    """Relative change of the conductance by a pair of spikes `dt` (s) apart: eq. (1) with its signs put right."""
    potentiation = device["w_plus"] / 100 * np.exp(-np.abs(dt) / device["tau1"])
    depression = device["w_minus"] / 100 * np.exp(-np.abs(dt) / device["tau2"])
    return np.where(dt > 0, potentiation, -depression)
