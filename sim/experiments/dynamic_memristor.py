"""A dynamic memristor alone under voltage pulses (us12387090, Fig. 2)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.base import Experiment, Measured, Settings, every_field
from memtwin.sim.experiments.opamp import OPAMP_COMMON, substeps
from memtwin.sim.experiments.option import Option
from memtwin.sim.figures import COLOURS, axis, panels
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import LayerSpec, OpampSpec
from memtwin.sim.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DynamicMemristor"]

WIDTHS = (1, 2, 4, 8, 16)  # of single pulses, in widths of the narrowest
DUTIES = (0.2, 0.4, 0.6, 0.8)
PERIODS = 8


class DynamicMemristor(Experiment):
    """Pulses of several widths and trains of several duty ratios on a bare dynamic memristor.

    The device is that of a neuron of Fig. 7A whose switch never sets, so that the voltage across it is V_OUT1 (less
    the drop over R_1, below 2 %).
    """

    name = "dynamic-memristor"
    title = "A dynamic memristor under pulses of several widths and duty ratios"
    source = "us12387090, Fig. 2"
    cards = {  # noqa: RUF012
        "op-amp neuron": "opamp",
        "threshold-switching memristor": "ts-500k",
        "non-volatile synapse": "nv-synapse",
        "dynamic memristor": "rm-learning",
    }
    idle = {  # noqa: RUF012
        "op-amp neuron": ("v1",),
        "threshold-switching memristor": every_field("threshold-switching memristor") - {"r_off"},
        "non-volatile synapse": every_field("non-volatile synapse"),
    }
    common = OPAMP_COMMON
    options = {  # noqa: RUF012
        "amplitude": Option(2.0, "V", "amplitude of the pulses"),
        "width": Option(1e-3, "s", "width of the narrowest single pulse; the others are 2, 4, 8 and 16 times as wide"),
        "period": Option(10e-3, "s", "period of the trains"),
        "recovery": Option(60e-3, "s", "rest after a single pulse", zero=True),
    }

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan single pulses, one trial for each width; trains, one for each duty ratio; one wide, two narrow."""
        rest = substeps(settings, "recovery")
        period = substeps(settings, "period")
        if period < len(DUTIES) + 1:
            raise InputError(f"option period: expected at least {len(DUTIES) + 1} substeps, not {period}")
        widths = np.array([[round(width / settings.options["substep"])] for width in _widths(settings)])
        if not widths.all():
            raise InputError(
                "option width: expected at least one substep, not {:g} s".format(settings.options["width"])
            )
        on = np.array([[round(duty * period)] * PERIODS for duty in DUTIES])
        wide = np.array([[period, 0], [period // 2, period - period // 2]])
        return {
            "widths": self._run(settings, widths, np.full_like(widths, rest)),
            "duties": self._run(settings, on, period - on),
            "wide-narrow": self._run(settings, wide, np.array([[0, rest], [period // 2, rest]])),
        }

    def _run(self, settings: Settings, on: np.ndarray, off: np.ndarray) -> Job:
        neuron = settings.cards["op-amp neuron"]
        amplitude = settings.options["amplitude"]
        if not 0 < amplitude <= neuron["v_sat"]:
            most = neuron.fields["v_sat"]
            raise InputError(
                f"option amplitude: expected more than 0 V and at most v_sat ({most}), not {amplitude:g} V"
            )
        layer = LayerSpec(
            rows=1,
            neurons=1,
            circuit="7a",
            g_initial=np.array([[amplitude / neuron["r2"] / neuron["v_pulse"]]]),
            neuron=neuron.replace(v1=0.0),
            # A switch that never sets.
            switch=settings.cards["threshold-switching memristor"].replace(v_th=100.0),
            second=settings.cards["dynamic memristor"],
        )
        spec = OpampSpec(
            layers=(layer,), synapse=settings.cards["non-volatile synapse"], substep=settings.options["substep"]
        )
        stimulus = Stimulus.build(np.ones((*on.shape, 1)), on=on, off=off, gates=[1], learn=[0])
        return Job(spec=spec, shown=stimulus, seed=settings.seed, record=True)

    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Read the resistance at the ends of pulses and periods."""
        ends = {name: _ends(runs[name], recordings[name]) for name in runs}
        single = recordings["widths"].layers[0].waveform[-1]
        initial = single.signals["r_second"][0, 0]
        widths = [f"{1e3 * width:g}" for width in _widths(settings)]
        wide, narrow = ends["wide-narrow"]
        return {
            "r_initial_ohm": float(initial),
            "r_after_pulse_ohm": dict(zip(widths, (pulse[0] for pulse in ends["widths"]), strict=True)),
            "recovery_time_s": _recovery_time(runs["widths"], recordings["widths"]),
            "r_by_duty_ohm": {f"{duty:g}": train for duty, train in zip(DUTIES, ends["duties"], strict=True)},
            "one_wide_pulse_ohm": wide[0],
            "two_narrow_pulses_ohm": narrow[1],
        }

    def figures(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        results: Mapping[str, Any],
    ) -> "dict[str, Figure]":
        """Draw the resistance over time for every width and every duty ratio."""
        labels = {
            "widths": [f"{1e3 * width:g} ms" for width in _widths(settings)],
            "duties": [f"duty ratio {duty:g}" for duty in DUTIES],
            "wide-narrow": ["one wide pulse", "two narrow pulses"],
        }
        titles = {
            "widths": "Fig. 2: single pulses of several widths",
            "duties": "Fig. 2: trains of several duty ratios",
            "wide-narrow": "One wide pulse, and two narrow ones of the same total length",
        }
        out = {}
        for name, title in titles.items():
            figure, (ax,) = panels(title)
            for trial, label in enumerate(labels[name]):
                wave = recordings[name].layers[0].waveform[trial]
                resistance = 1e-6 * wave.signals["r_second"][:, 0]
                ax.plot(1e3 * wave.time_s, resistance, color=COLOURS[trial], linewidth=1.2, label=label)
            ax.set_yscale("log")
            ax.legend(fontsize=7, frameon=False)
            axis(ax, "time (ms)", "$R_m$ (MOhm)")
            out[f"fig2-{name}"] = figure
        return out


def _widths(settings: Settings) -> list[float]:
    """Widths of the single pulses, s."""
    return [width * settings.options["width"] for width in WIDTHS]


def _ends(run: Job, recording: Recording) -> list[list[float]]:
    """Resistance at the end of the driven part of every presentation, in every trial."""
    stimulus = run.shown
    assert isinstance(stimulus, Stimulus)
    out = []
    for trial, wave in enumerate(recording.layers[0].waveform):
        last = stimulus.starts(trial)[:-1] + stimulus.on[trial] - 1
        out.append(wave.signals["r_second"][last.clip(min=0), 0].tolist())
    return out


def _recovery_time(run: Job, recording: Recording) -> float:
    """Time constant of the logarithm of the resistance after the longest pulse: the slope of a straight line."""
    wave = recording.layers[0].waveform[-1]
    after = wave.clk == 0
    resistance = wave.signals["r_second"][:, 0]
    depth = np.log(resistance[0] / resistance[after])
    near = depth > 0.1 * depth[0]
    return float(-1 / np.polyfit(wave.time_s[after][near], np.log(depth[near]), 1)[0])
