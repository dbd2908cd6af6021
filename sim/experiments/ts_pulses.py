"""Pulses on a bare threshold switch (zhang2021, Fig. 2c to 2f)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.cards import Card
from memtwin.sim.experiments.base import Experiment, Measured, Settings, every_field
from memtwin.sim.experiments.option import AMPLITUDE, Option
from memtwin.sim.experiments.reading import amplitude, by_amplitude, times
from memtwin.sim.figures import COLOURS, axis, panels, spread_bars
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import LayerSpec
from memtwin.sim.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TsPulses"]

AMPLITUDES = (1.0, 1.1, 1.2, 1.3, 1.4)
LONGER = 4  # the single pulses of Fig. 2c and 2d: 1 ms at the clock of the trains, 2 kHz
SPREAD_TRIALS = 100


class TsPulses(Experiment):
    """A threshold switch alone under pulses: integration, relaxation, and why a neuron needs a refractory period.

    The device is one neuron behind one row, with nothing else at node 1 (no load, no T1, no T3), so that node 1 is
    the input. A device "fires" in a pulse if it conducts in it (node 2 is high). With ``--spread`` every trial is
    another device, the same at all amplitudes, and the threshold varies from cycle to cycle.
    """

    name = "ts-pulses"
    title = "Pulses on a bare threshold switch"
    source = "zhang2021, Fig. 2c-f"
    repeated = "with spread"
    drawn = ("trains-spread", "wide-spread")
    idle = {  # noqa: RUF012
        "synapse": every_field("synapse"),
        "hybrid neuron": ("g_load", "v_dep", "v_spike", "adapt_step", "tau_adapt"),
        "inhibition array": every_field("inhibition array"),
    }
    options = {  # noqa: RUF012
        "v_in": Option(1.1, "V", "amplitude of the pulse train (Fig. 2e)", **AMPLITUDE),
        "pulses": Option(12, "", "pulses in each train"),
    }

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan trains of pulses, first of the amplitude asked for, then of five, and long pulses of five amplitudes."""
        pulses = settings.options["pulses"]
        wide = settings.neuron.replace(clock=settings.neuron["clock"] / LONGER)
        # A substep stays as long as in the trains: the half-period is four times as long.
        runs = {
            "trains": self._run(settings, settings.neuron, (settings.options["v_in"], *AMPLITUDES), pulses),
            "wide": self._run(settings, wide, AMPLITUDES, 1, longer=LONGER),
        }
        if settings.spread:
            many = np.tile(AMPLITUDES, settings.trials or SPREAD_TRIALS)
            runs["trains-spread"] = self._run(settings, settings.neuron, many, pulses, spread=True)
            runs["wide-spread"] = self._run(settings, wide, many, 1, longer=LONGER, spread=True)
        return runs

    @staticmethod
    def _run(
        settings: Settings, neuron: Card, volts: Any, pulses: int, *, longer: int = 1, spread: bool = False
    ) -> Job:
        layer = LayerSpec(
            rows=1,
            neurons=1,
            v_in=tuple(float(v) for v in volts),
            g_initial=settings.synapse["g_medium"],
            refractory=False,
            depression=False,
            skip=False,
            resistors=True,  # a wire
        )
        spec = settings.network(
            layer,
            neuron=neuron.replace(g_load=0.0),
            longer=longer,
            c2c=spread,
            d2d=spread,
            group=len(AMPLITUDES) if spread else 1,
        )
        # Two periods without pulses show the last relaxation.
        program = Program.build(np.ones((len(volts), 1, 1)), gates=np.ones(1), learn=(0,), periods=pulses, rest=2)
        return Job(spec=spec, shown=program, seed=settings.seed, record=True)

    def measure(self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Recording]) -> Measured:
        """Measure every device at every amplitude, (trials, amplitudes); nan where it does not fire."""
        if not settings.spread:
            return {}
        trains = recordings["trains-spread"]
        integration, relaxation = _wide_times(runs["wide-spread"], recordings["wide-spread"])
        counts = [_first(_conducting(trains, trial)) for trial in range(len(integration))]
        measured = {
            "integration_time_s": integration,
            "relaxation_time_s": relaxation,
            "pulses_by_amplitude": counts,
        }
        return {name: np.array(values, float).reshape(-1, len(AMPLITUDES)) for name, values in measured.items()}

    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Count pulses and measure times; a device that does not fire gives null."""
        trains = recordings["trains"]
        fired = _conducting(trains, 0)
        counts = [_first(_conducting(trains, trial)) for trial in range(1, 1 + len(AMPLITUDES))]
        integration, relaxation = _wide_times(runs["wide"], recordings["wide"])
        keys = [amplitude(volts) for volts in AMPLITUDES]
        results: dict[str, Any] = {
            "pulses_to_first_fire": _first(fired),
            "pulses_to_second_fire": int(fired[1] - fired[0]) if fired.size > 1 else None,
            "integration_time_s": dict(zip(keys, integration, strict=True)),
            "relaxation_time_s": dict(zip(keys, relaxation, strict=True)),
            "pulses_by_amplitude": dict(zip(keys, counts, strict=True)),
        }
        if settings.spread:
            results["spread"] = by_amplitude(AMPLITUDES, measured)
        return results

    def figures(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        results: Mapping[str, Any],
    ) -> "dict[str, Figure]":
        """Draw Fig. 2c to 2f."""
        spread = results.get("spread")
        return {
            "fig2c-pulse": _draw_pulse(runs["wide"], recordings["wide"], results),
            "fig2d-times": _draw_times(results, spread),
            "fig2e-train": _draw_train(runs["trains"], recordings["trains"], results),
            "fig2f-pulses": _draw_counts(results, spread),
        }


def _conducting(recording: Recording, trial: int) -> np.ndarray:
    """Pulses, counted from 1, in which the device conducts."""
    wave = recording.layers[0].waveform[trial]
    pulse = np.cumsum(np.diff(wave.clk.astype(int), prepend=0) == 1)
    return np.unique(pulse[wave.signals["node2"][:, 0] == 1])


def _first(pulses: np.ndarray) -> int | None:
    return int(pulses[0]) if pulses.size else None


def _wide_times(run: Job, recording: Recording) -> tuple[list[float | None], list[float | None]]:
    """Integration time, from the start of the pulse, and relaxation time, from its end, of every trial."""
    layer = recording.layers[0]
    integration, relaxation = [], []
    for trial in range(run.shown.trials):
        on, off = times(layer, trial, "on"), times(layer, trial, "off")
        integration.append(float(on[0]) if on.size else None)
        relaxation.append(float(off[0]) - run.spec.half_period if off.size else None)
    return integration, relaxation


def _filament(ax: Any, run: Job, recording: Recording, trial: int) -> None:
    wave = recording.layers[0].waveform[trial]
    ms, x, on = 1e3 * wave.time_s, wave.signals["x"][:, 0], wave.signals["on"][:, 0]
    ax.plot(ms, x, color=COLOURS[0], linewidth=1.2, label="filament x")
    ax.fill_between(ms, 0, x, where=on == 1, step="pre", color=COLOURS[1], alpha=0.25, linewidth=0, label="on (LRS)")
    for level, name in ((1.0, "threshold"), (run.spec.device["theta_off"], "rupture")):
        ax.axhline(level, color=COLOURS[5], linewidth=0.7, linestyle=":")
        where = ax.get_yaxis_transform()
        ax.text(0.995, level, name, fontsize=7, ha="right", va="bottom", color=COLOURS[5], transform=where)
    ax.legend(fontsize=7, loc="upper right", frameon=False)
    ax.set_ylim(0, 1.25 * max(float(x.max()), 1.0))
    axis(ax, "time (ms)", "filament x")


def _pulses(ax: Any, recording: Recording, trial: int) -> None:
    wave = recording.layers[0].waveform[trial]
    ms = np.concatenate([[0.0], 1e3 * wave.time_s])
    volts = wave.signals["v1"][:, 0]
    ax.fill_between(ms, 0, np.concatenate([volts[:1], volts]), step="pre", color=COLOURS[2], alpha=0.4, linewidth=0)
    axis(ax, "", "input (V)")


def _draw_pulse(run: Job, recording: Recording, results: Mapping[str, Any]) -> "Figure":
    trial = AMPLITUDES.index(1.2)
    figure, (top, bottom) = panels("Fig. 2c: one 1.2 V, 1 ms pulse", 2, ratios=(1, 3))
    _pulses(top, recording, trial)
    _filament(bottom, run, recording, trial)
    end = 1e3 * run.spec.half_period
    integration, relaxation = results["integration_time_s"]["1.2"], results["relaxation_time_s"]["1.2"]
    if integration is not None:
        bottom.axvspan(0, 1e3 * integration, color=COLOURS[0], alpha=0.07)
        bottom.text(0.02, 1.3, f"integration\n{1e6 * integration:.0f} µs", fontsize=8)
    if relaxation is not None:
        bottom.axvspan(end, end + 1e3 * relaxation, color=COLOURS[1], alpha=0.07)
        bottom.text(end + 0.08, 1.3, f"relaxation {1e6 * relaxation:.0f} µs", fontsize=8)
    bottom.set_xlim(0, 2 * end)
    return figure


def _draw_times(results: Mapping[str, Any], spread: Mapping[str, Any] | None) -> "Figure":
    figure, (ax,) = panels("Fig. 2d: integration and relaxation time, 1 ms pulses")
    for name, colour in (("integration", COLOURS[0]), ("relaxation", COLOURS[1])):
        points = results[f"{name}_time_s"]
        known = {float(volts): value for volts, value in points.items() if value is not None}
        ax.plot(list(known), [1e6 * value for value in known.values()], "o-", color=colour, label=f"{name}, nominal")
        if spread:
            spread_bars(ax, spread[f"{name}_time_s"], 1e6, colour)
    ax.legend(fontsize=8, frameon=False)
    ax.set_ylim(bottom=0)
    axis(ax, "pulse amplitude (V)", "time (µs)")
    return figure


def _draw_train(run: Job, recording: Recording, results: Mapping[str, Any]) -> "Figure":
    volts = np.atleast_1d(run.spec.layers[0].v_in)[0]
    title = f"Fig. 2e: pulses of {volts:g} V, 250 µs, without a refractory period; fires in pulse "
    figure, (top, bottom) = panels(title + str(results["pulses_to_first_fire"]), 2, ratios=(1, 3))
    _pulses(top, recording, 0)
    _filament(bottom, run, recording, 0)
    bottom.set_xlim(0, 1e3 * recording.layers[0].waveform[0].time_s[-1])
    return figure


def _draw_counts(results: Mapping[str, Any], spread: Mapping[str, Any] | None) -> "Figure":
    figure, (ax,) = panels("Fig. 2f: pulses of 250 µs to the first fire")
    known = {float(volts): count for volts, count in results["pulses_by_amplitude"].items() if count is not None}
    ax.plot(list(known), list(known.values()), "o-", color=COLOURS[0], label="nominal")
    if spread:
        spread_bars(ax, spread["pulses_by_amplitude"], 1, COLOURS[0])
    ax.legend(fontsize=8, frameon=False)
    ax.set_ylim(bottom=0)
    axis(ax, "pulse amplitude (V)", "pulses")
    return figure
