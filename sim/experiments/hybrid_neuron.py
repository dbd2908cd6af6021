"""One hybrid neuron: firing, refractory period, rate, in situ learning, and two in a chain (zhang2021, Fig. 3)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.experiments.base import Experiment, Measured, Settings, every_field
from memtwin.sim.experiments.option import AMPLITUDE, Option
from memtwin.sim.experiments.reading import amplitude, by_amplitude, rate, times
from memtwin.sim.figures import COLOURS, axis, digital, panels, spread_bars
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import LayerSpec
from memtwin.sim.recording import LayerRecording, Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["HybridNeuron"]

S1, S2 = 1 / 10e3, 1 / 40e3  # the fixed resistors of Fig. 3, S
AMPLITUDES = tuple(round(1.4 + 0.1 * step, 1) for step in range(7))
SPREAD_TRIALS = 100
_SHOWN_PERIODS = 60  # of Fig. 3c: 30 ms at 2 kHz


class HybridNeuron(Experiment):
    """The hybrid neuron with two synapses: input 1 takes pulses, input 2 is grounded.

    Fixed resistors of 10 kOhm and 40 kOhm without T3 for firing and rates (Fig. 3b to 3d); two RS synapses at their
    medium conductance with T3 for learning (Supp. Fig. 3); two neurons one after the other, the second driven by the
    spikes of the first (Supp. Fig. 6). With ``--spread`` the rates have a distribution: every trial is another device,
    the same at all amplitudes, and its threshold varies from cycle to cycle.
    """

    name = "hybrid-neuron"
    title = "The hybrid memristor-CMOS neuron"
    source = "zhang2021, Fig. 3, Supp. Fig. 3 and 6"
    repeated = "with spread"
    drawn = ("rate-spread",)
    idle = {  # noqa: RUF012
        "synapse": ("g_low", "g_d2d"),
        "hybrid neuron": ("adapt_step", "tau_adapt"),
        "inhibition array": every_field("inhibition array"),
    }
    options = {  # noqa: RUF012
        "v_in": Option(1.8, "V", "amplitude of the input pulses (Fig. 3b)", **AMPLITUDE),
        "v_learn": Option(
            1.4, "V", "amplitude of the input pulses while learning (Supp. Fig. 3; not in the text)", **AMPLITUDE
        ),
        "periods": Option(120, "", "clock periods of each rate measurement"),
        "fires": Option(30, "", "fires of the learning curve"),
        "g_chain": Option(980e-6, "S", "synapse between the two neurons of the chain: a potentiated one"),
    }

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan firing at one amplitude, rates over amplitudes, learning, and the chain."""
        options = settings.options
        fixed = np.array([[S1, S2]])
        fire = self._layer(fixed, options["v_in"])
        runs = {
            "fire": self._run(settings, (fire,), periods=40),
            "rate": self._run(settings, (self._layer(fixed, AMPLITUDES),), periods=options["periods"]),
        }
        if settings.spread:
            many = tuple(np.tile(AMPLITUDES, settings.trials or SPREAD_TRIALS).tolist())
            layer = replace(self._layer(fixed, many), resistors=True)
            runs["rate-spread"] = self._run(settings, (layer,), periods=options["periods"], spread=True)
        learner = self._layer(np.full((1, 2), settings.synapse["g_medium"]), options["v_learn"], depression=True)
        # One fire more than is shown, because each fire's rate is that of the interval after it.
        limit = 40 * (options["fires"] + 1)
        runs["learning"] = self._run(settings, (learner,), periods=limit, fires=options["fires"] + 1, learn=(1,))
        second = LayerSpec(
            rows=1,
            neurons=1,
            v_in=settings.neuron["v_spike"],
            g_initial=options["g_chain"],
            depression=False,
            skip=False,
        )
        runs["chain"] = self._run(settings, (fire, second), periods=40, learn=(0, 0))
        return runs

    @staticmethod
    def _layer(g_initial: NDArray, v_in: float | tuple[float, ...], depression: bool = False) -> LayerSpec:
        return LayerSpec(rows=2, neurons=1, v_in=v_in, g_initial=g_initial, depression=depression, skip=False)

    @staticmethod
    def _run(
        settings: Settings,
        layers: tuple[LayerSpec, ...],
        *,
        periods: int,
        fires: int = 0,
        learn: tuple[int, ...] = (0,),
        spread: bool = False,
    ) -> Job:
        spec = settings.network(*layers, c2c=spread, d2d=spread, group=len(AMPLITUDES) if spread else 1)
        pixels = np.tile([1, 0], (np.size(layers[0].v_in), 1, 1))
        program = Program.build(pixels, gates=np.ones(1), learn=learn, periods=periods, fires=fires)
        return Job(spec=spec, shown=program, seed=settings.seed, record=True)

    def measure(self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Recording]) -> Measured:
        """Measure the rate of every device at every amplitude, (trials, amplitudes)."""
        if not settings.spread:
            return {}
        layer = recordings["rate-spread"].layers[0]
        rates = [rate(times(layer, trial, "spike")) for trial in range(len(layer.events))]
        return {"rate_hz": np.reshape(rates, (-1, len(AMPLITUDES)))}

    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Measure the neuron; null where it did not fire often enough."""
        fire = recordings["fire"].layers[0]
        rates = recordings["rate"].layers[0]
        results: dict[str, Any] = {
            "fire_pulse_numbers": _integrating_pulses(fire, 2),
            "refractory_s": _refractory(fire),
            "spike_width_s": _spike_width(runs["fire"], fire),
            "rate_hz": {amplitude(v): rate(times(rates, trial, "spike")) for trial, v in enumerate(AMPLITUDES)},
            "learning": _learning_curve(runs["learning"], recordings["learning"], settings.options["fires"]),
            "chain_spikes": [int(layer.spikes.sum()) for layer in recordings["chain"].layers],
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
        """Draw Fig. 3b to 3d, the learning curve (Supp. Fig. 3) and the chain (Supp. Fig. 6)."""
        return {
            "fig3b-sequence": _draw_sequence(runs["fire"], recordings["fire"]),
            "fig3c-spikes": _draw_spikes(settings, recordings["rate"]),
            "fig3d-rate": _draw_rates(results),
            "learning": _draw_learning(settings, results["learning"]),
            "chain": _draw_chain(recordings["chain"]),
        }


def _integrating_pulses(layer: LayerRecording, count: int) -> list[int | None]:
    """Pulses that the device integrates up to each of the first fires, since rest or the last refractory period."""
    wave = layer.waveform[0]
    pulse = np.cumsum(np.diff(wave.clk.astype(int), prepend=0) == 1)
    # A refractory pulse is one in which T1 grounds node 1.
    refractory = np.unique(pulse[(wave.signals["t1"][:, 0] == 1) & (wave.clk == 1)])
    firing = np.unique(pulse[np.diff(wave.signals["l1"][:, 0].astype(int), prepend=0) == 1])
    out: list[int | None] = []
    start = 0
    for fired in firing[:count]:
        between = np.arange(start + 1, fired + 1)
        out.append(int(np.setdiff1d(between, refractory).size))
        start = fired
    return out + [None] * (count - len(out))


def _refractory(layer: LayerRecording) -> float | None:
    """Time for which L2 is high, and T1 grounds node 1."""
    rises, falls = times(layer, 0, "l2_rise"), times(layer, 0, "l2_fall")
    return float(falls[0] - rises[0]) if falls.size else None


def _spike_width(run: Job, layer: LayerRecording) -> float | None:
    """Width of the output spikes; null if they are not all equal."""
    high = np.concatenate([[0], layer.waveform[0].signals["g1"][:, 0].astype(int), [0]])
    widths = np.flatnonzero(np.diff(high) == -1) - np.flatnonzero(np.diff(high) == 1)
    return float(widths[0] * run.spec.substep) if np.unique(widths).size == 1 else None


def _learning_curve(run: Job, recording: Recording, fires: int) -> dict[str, list[float]]:
    """Conductances with which each fire comes about, and the rate of the interval from its spike to the next."""
    layer = recording.layers[0]
    moments, spikes = times(layer, 0, "fire"), times(layer, 0, "spike")
    shown = max(0, min(fires, spikes.size - 1))
    steps = np.array([time for time, _, _ in layer.learning[0]])
    values = np.array([run.sample()[0].conductance[0, 0], *(synapses for _, _, synapses in layer.learning[0])])
    # Learning comes at the end of the half-period of the fire, so that no step has the time of a fire.
    at_fire = values[np.searchsorted(steps, moments[:shown])]
    return {
        "s1_S": at_fire[:, 0].tolist(),
        "s2_S": at_fire[:, 1].tolist(),
        "rate_hz": [rate(spikes[fire : fire + 2]) for fire in range(shown)],
    }


def _draw_sequence(run: Job, recording: Recording) -> "Figure":
    """Two firing cycles of the nodes that Fig. 3b shows, and of the filament."""
    layer, period = recording.layers[0], 2 * run.spec.half_period
    wave = layer.waveform[0]
    falls = times(layer, 0, "l2_fall")
    end = falls[1] + period if falls.size > 1 else wave.time_s[-1]
    shown = wave.time_s <= end + run.spec.substep / 2
    time = wave.time_s[shown]
    signal = {name: values[shown, 0] for name, values in wave.signals.items()}
    title = f"Fig. 3b: {run.spec.layers[0].v_in:g} V through 10 kΩ, 40 kΩ to ground; T3 off"
    figure, (volts, filament, bits) = panels(title, 3, height=6.2, ratios=(1.2, 1.6, 2.8))
    ms = 1e3 * np.concatenate([[0.0], time])
    volts.fill_between(ms, 0, np.r_[signal["v1"][:1], signal["v1"]], step="pre", color=COLOURS[2], alpha=0.4)
    axis(volts, "", "node 1 (V)")
    filament.plot(ms, np.r_[0.0, signal["x"]], color=COLOURS[0], linewidth=1.2)
    filament.axhline(1.0, color=COLOURS[5], linewidth=0.7, linestyle=":")
    axis(filament, "", "filament x")
    shown_bits = {"node 2": "node2", "L1": "l1", "L2, T1": "l2", "spike": "g1"}
    digital(bits, time, {"CLK": wave.clk[shown]} | {label: signal[name] for label, name in shown_bits.items()})
    axis(bits, "time (ms)")
    bits.set_xlim(0, 1e3 * time[-1])
    return figure


def _draw_spikes(settings: Settings, recording: Recording) -> "Figure":
    figure, (ax,) = panels(f"Fig. 3c: output spikes of {settings.neuron['v_spike']:g} V", height=4.2)
    waves = [recording.layers[0].waveform[trial] for trial in range(len(AMPLITUDES))]
    shown = waves[0].time_s <= _SHOWN_PERIODS / settings.neuron["clock"]
    rows = {f"{v:.1f} V": wave.signals["g1"][shown, 0] for v, wave in zip(AMPLITUDES, waves, strict=True)}
    digital(ax, waves[0].time_s[shown], rows)
    axis(ax, "time (ms)", "input amplitude")
    ax.set_xlim(left=0)
    return figure


def _draw_rates(results: Mapping[str, Any]) -> "Figure":
    figure, (ax,) = panels("Fig. 3d: rate of output spikes")
    points = results["rate_hz"]
    ax.plot([float(volts) for volts in points], list(points.values()), "o-", color=COLOURS[0], label="nominal")
    if "spread" in results:
        spread_bars(ax, results["spread"]["rate_hz"], 1, COLOURS[0])
    ax.set_ylim(bottom=0)
    ax.legend(fontsize=8, frameon=False, loc="lower right")
    axis(ax, "input amplitude (V)", "rate (Hz)")
    return figure


def _draw_learning(settings: Settings, learning: Mapping[str, list[float]]) -> "Figure":
    title = "In situ learning: pulses on input 1, input 2 grounded (Supp. Fig. 3)"
    figure, (top, bottom) = panels(title, 2, height=4.6, ratios=(2, 1.3))
    for name, label, colour in (("s1_S", "S1 (pulses)", COLOURS[0]), ("s2_S", "S2 (grounded)", COLOURS[1])):
        values = 1e6 * np.array(learning[name])
        top.plot(np.arange(1, values.size + 1), values, "o-", markersize=3, color=colour, label=label)
    for bound in ("g_min", "g_max"):
        top.axhline(1e6 * settings.synapse[bound], color=COLOURS[5], linewidth=0.7, linestyle=":")
    top.legend(fontsize=8, frameon=False, loc="center right")
    axis(top, "", "conductance (µS)")
    rates = learning["rate_hz"]
    bottom.step(np.arange(1, len(rates) + 1), rates, where="mid", color=COLOURS[2])
    bottom.set_ylim(bottom=0)
    axis(bottom, "fire", "rate (Hz)")
    return figure


def _draw_chain(recording: Recording) -> "Figure":
    figure, (ax,) = panels("Two neurons in a chain (Supp. Fig. 6)", height=3.6)
    first, second = (layer.waveform[0] for layer in recording.layers)
    rows = {"CLK": first.clk}
    for number, wave in enumerate((first, second), 1):
        rows |= {f"node 2, neuron {number}": wave.signals["node2"], f"spike, neuron {number}": wave.signals["g1"]}
    digital(ax, first.time_s, {name: values.reshape(-1) for name, values in rows.items()})
    axis(ax, "time (ms)")
    ax.set_xlim(0, 1e3 * first.time_s[-1])
    return figure
