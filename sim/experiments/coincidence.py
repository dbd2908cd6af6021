"""Coincidence detection: which of 20 inputs spike together (yang2020, Fig. 16)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.base import Experiment, Measured, Settings
from memtwin.sim.experiments.option import Option
from memtwin.sim.experiments.stdp_window import STDP_CARDS, STDP_IDLE, STEP
from memtwin.sim.figures import COLOURS, axis, panels
from memtwin.sim.recording import Recording
from memtwin.sim.stdp.recording import StdpRecording
from memtwin.sim.stdp.shown import SpikeTrains, check_steps
from memtwin.sim.stdp.spec import StdpSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Coincidence"]

ROWS, EPOCHS = 20, 60
CORRELATED = (np.arange(10, 15), np.arange(0, 5))  # rows 11 to 15, then 1 to 5
TRIALS = 10
_RATIO = 2.0
_TICKS = (1, 5, 10, 15, 20)  # rows that figures name


class Coincidence(Experiment):
    """20 synapses on one neuron; five of them are correlated, others in the second half of the epochs.

    In every epoch every row spikes once: the correlated rows together, at a random time, each of the others at a random
    time of its own. A trial succeeds if the mean conductance of the correlated rows is at least twice that of the
    others at the end of either half.
    """

    name = "coincidence"
    title = "Coincidence detection by STDP: the synapses of correlated inputs grow"
    source = "yang2020, Fig. 16"
    repeated = "always"
    drawn = ("epochs",)
    cards = STDP_CARDS
    idle = STDP_IDLE
    common = {"step": STEP}  # noqa: RUF012
    options = {  # noqa: RUF012
        "epoch": Option(0.2, "s", "length of an epoch"),
        "kick": Option(0.25, "V", "membrane's rise by a spike through a synapse of conductance 1 / r_on", zero=True),
        "rate_up": Option(0.05, "", "potentiation as a fraction of the card's", zero=True),
        "rate_down": Option(0.5, "", "depression as a fraction of the card's", zero=True),
    }

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan all epochs as one run; trial `t` draws its spikes from seed + t."""
        options, device = settings.options, settings.cards["memristor"]
        steps = round(options["epoch"] / options["step"])
        if steps < ROWS:
            raise InputError(f"option epoch: expected at least {ROWS} steps, not {steps}")
        check_steps(steps)
        trials = settings.trials or TRIALS
        spec = StdpSpec(
            device=device,
            g_initial=np.full((1, ROWS), device["g_initial"]),
            kick=options["kick"],
            rate_up=options["rate_up"],
            rate_down=options["rate_down"],
            step=options["step"],
            c2c=settings.spread,
        )
        trains = SpikeTrains(
            inputs=np.stack([_spikes(steps, settings.seed + trial) for trial in range(trials)]),
            forced=np.zeros((trials, EPOCHS, steps, 1), dtype=np.uint8),
            learn=np.ones((trials, EPOCHS), dtype=np.uint8),
        )
        return {"epochs": Job(spec=spec, shown=trains, seed=settings.seed)}

    def measure(self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Recording]) -> Measured:
        """Compare correlated and other rows at the end of both halves, (trials, halves)."""
        recording = recordings["epochs"]
        assert isinstance(recording, StdpRecording)
        ends = np.array([EPOCHS // 2, EPOCHS])
        ratios = [_ratio(recording.history[:, end - 1, 0], rows) for end, rows in zip(ends, CORRELATED, strict=True)]
        spikes = recording.layers[0].spikes[:, :, 0]
        return {
            "ratio": np.stack(ratios, axis=1),
            "spikes": np.stack([part.mean(axis=1) for part in np.split(spikes, 2, axis=1)], axis=1),
        }

    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Say how many trials succeeded."""
        ratios = measured["ratio"]
        return {
            "success_fraction": float((ratios >= _RATIO).all(axis=1).mean()),
            "trials": len(ratios),
            "success_by_half": (ratios >= _RATIO).mean(axis=0).tolist(),
            "ratio_median": np.median(ratios, axis=0).tolist(),
            "ratio_least": ratios.min(axis=0).tolist(),
            "spikes_per_epoch": measured["spikes"].mean(axis=0).tolist(),
        }

    def figures(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        results: Mapping[str, Any],
    ) -> "dict[str, Figure]":
        """Draw an epoch of either half, and the conductances over all epochs (trial 0)."""
        recording, run = recordings["epochs"], runs["epochs"]
        assert isinstance(recording, StdpRecording)
        return {
            "fig16-patterns": _draw_patterns(run),
            "fig16-conductance": _draw_conductance(recording.history[0, :, 0]),
        }


def _spikes(steps: int, seed: int) -> NDArray[np.uint8]:
    """Spikes of one trial, (epochs, steps, rows)."""
    rng = np.random.default_rng([seed, 1])
    at = rng.integers(0, steps, (EPOCHS, ROWS))
    together = rng.integers(0, steps, EPOCHS)
    for rows, half in zip(CORRELATED, np.split(np.arange(EPOCHS), 2), strict=True):
        at[np.ix_(half, rows)] = together[half, None]
    out = np.zeros((EPOCHS, steps, ROWS), dtype=np.uint8)
    np.put_along_axis(out, at[:, None], 1, axis=1)
    return out


def _ratio(conductance: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean of the correlated `rows` over the mean of the others, (trials,)."""
    others = np.setdiff1d(np.arange(ROWS), rows)
    # Contiguous, so that a trial is added up in the same order however many there are.
    own, rest = (np.ascontiguousarray(conductance[:, part]).mean(axis=1) for part in (rows, others))
    return own / rest


def _draw_patterns(run: Job) -> "Figure":
    figure, axes = panels("yang2020, Fig. 16d: the first epoch of either half", 2, height=4.5)
    for ax, epoch, rows in zip(axes, (0, EPOCHS // 2), CORRELATED, strict=True):
        step, row = np.nonzero(run.shown.inputs[0, epoch])
        colours = [COLOURS[1] if r in rows else COLOURS[0] for r in row]
        ax.scatter(1e3 * step * run.spec.step, row + 1, marker="|", c=colours, s=30)
        ax.set_yticks(_TICKS)
        axis(ax, "", f"epoch {epoch + 1}: row")
    axes[-1].set_xlabel("time (ms)", fontsize=9)
    return figure


def _draw_conductance(history: NDArray[np.float64]) -> "Figure":
    figure, (image, means) = panels("yang2020, Fig. 16e: conductances over the epochs", 2, height=5.0, ratios=(2, 1))
    epochs = np.arange(1, EPOCHS + 1)
    extent = (0.5, EPOCHS + 0.5, 0.5, ROWS + 0.5)
    shown = image.imshow(
        1e3 * history.T, aspect="auto", origin="lower", cmap="viridis", extent=extent, interpolation="nearest"
    )
    image.grid(False)
    image.set_yticks(_TICKS)
    figure.colorbar(shown, ax=image).set_label("G (mS)", fontsize=8)
    axis(image, "", "row")
    groups = {"rows 11-15": CORRELATED[0], "rows 1-5": CORRELATED[1]}
    groups["others"] = np.setdiff1d(np.arange(ROWS), np.concatenate(CORRELATED))
    for number, (label, rows) in enumerate(groups.items()):
        means.plot(epochs, 1e3 * history[:, rows].mean(axis=1), color=COLOURS[number], label=label, linewidth=1.2)
    means.legend(fontsize=7, frameon=False)
    axis(means, "epoch", "mean G (mS)")
    return figure
