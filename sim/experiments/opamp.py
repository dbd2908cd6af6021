"""One op-amp neuron under the three stimuli of us12387090, Fig. 5 to 7."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.base import Experiment, Measured, Settings, every_field
from memtwin.sim.experiments.opamp_figures import draw_stimulus
from memtwin.sim.experiments.option import Option
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import CIRCUITS, LayerSpec, OpampSpec
from memtwin.sim.recording import Recording, Waveform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["OPAMP_COMMON", "Opamp5a", "Opamp6a", "Opamp7a", "Opamp7b", "OpampNeuron", "circuit_cards", "substeps"]

OPAMP_COMMON: Mapping[str, Option] = {"substep": Option(10e-6, "s", "one device update")}

STEPS = 5  # amplitudes of stimulus B
SPREAD_TRIALS = 100

_FIRST, _SECOND = "first dynamic memristor", "second dynamic memristor"


def circuit_cards(circuit: str) -> dict[str, str]:
    """Default cards of one of `CIRCUITS`, by what they are in it."""
    first, second = CIRCUITS[circuit]
    cards = {
        "op-amp neuron": "opamp",
        "threshold-switching memristor": "ts-500k",
        "non-volatile synapse": "nv-synapse",
    }
    if first == "dynamic":
        cards[_FIRST] = "rm-novelty"
    if second != "switch":
        cards[_SECOND] = "rm-learning"
    return cards


def substeps(settings: Settings, name: str) -> int:
    """Whole number of substeps of the time that option `name` gives."""
    seconds, substep = settings.options[name], settings.options["substep"]
    count = round(seconds / substep)
    if count < 0 or (count == 0 and seconds > 0):
        raise InputError(f"option {name}: expected zero, or at least one substep ({substep:g} s), not {seconds:g} s")
    return count


_OPTIONS = {
    "b_lowest": Option(0.5e-6, "A", "B: current of the first step"),
    "b_highest": Option(0.66e-6, "A", "B: current of the last step"),
    "b_on": Option(10e-3, "s", "B: length of a step", zero=True),
    "b_rest": Option(0.0, "s", "B: rest after each step", zero=True),
    "c_current": Option(0.535e-6, "A", "C: current"),
    "c_periods": Option(4, "", "C: periods"),
    "c_on": Option(4e-3, "s", "C: driven part of a period", zero=True),
    "c_off": Option(6e-3, "s", "C: rest of a period", zero=True),
    "d_current": Option(0.535e-6, "A", "D: current"),
    "d_periods": Option(4, "", "D: periods"),
    "d_first_on": Option(12e-3, "s", "D: driven part of the first period", zero=True),
    "d_first_off": Option(3e-3, "s", "D: rest of the first period", zero=True),
    "d_on": Option(2.2e-3, "s", "D: driven part of a later period", zero=True),
    "d_off": Option(7.8e-3, "s", "D: rest of a later period", zero=True),
}


def _options(**defaults: float) -> dict[str, Option]:
    """Options of the stimuli with other defaults."""
    return {name: replace(rule, default=defaults.get(name, rule.default)) for name, rule in _OPTIONS.items()}


class OpampNeuron(Experiment):
    """One circuit under B, C and D.

    - B: five currents, one step each, equally spaced, `b_rest` apart.
    - C: periods of equal current, all alike.
    - D: periods of which the first has a longer driven part, also as a share of the period.

    The currents come from the array of synapses in front of the neuron, one row for each current. C and D may have
    different currents; ``same_conditions_pulses`` shows both at the current of C. A pulse is counted when the
    threshold-switching memristor sets.
    """

    repeated = "with spread"
    drawn = ("B-spread", "C-spread", "D-spread")
    common = OPAMP_COMMON

    circuit: ClassVar[str]

    def idle_fields(self, settings: Settings) -> Mapping[str, Collection[str]]:
        """Without learning the synapses stand for currents; R_2 is a resistor of some circuits only."""
        first, _ = CIRCUITS[self.circuit]
        return {
            "non-volatile synapse": every_field("non-volatile synapse") - {"g_d2d"},
            "op-amp neuron": ("v_pulse", "r2") if first == "dynamic" else ("v_pulse",),
        }

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan the three stimuli, and D at the current of C."""
        currents = _currents(settings)
        runs = {name: self._run(settings, currents, name) for name in ("B", "C", "D", "D-same")}
        if settings.spread:
            trials = settings.trials or SPREAD_TRIALS
            runs |= {f"{name}-spread": self._run(settings, currents, name, trials) for name in ("B", "C", "D")}
        return runs

    def _run(self, settings: Settings, currents: Mapping[str, list[float]], name: str, trials: int = 0) -> Job:
        stimulus = _stimulus(settings, name, trials or 1)
        values = np.concatenate([currents[stimulus_name] for stimulus_name in ("B", "C", "D")])
        neuron = settings.cards["op-amp neuron"]
        layer = LayerSpec(
            rows=len(values),
            neurons=1,
            circuit=self._circuit(settings),
            g_initial=values[None] / neuron["v_pulse"],
            neuron=neuron,
            switch=settings.cards["threshold-switching memristor"],
            first=settings.cards.get(_FIRST),
            second=settings.cards.get(_SECOND),
        )
        spec = OpampSpec(
            layers=(layer,),
            synapse=settings.cards["non-volatile synapse"],
            substep=settings.options["substep"],
            d2d=trials > 0,
        )
        return Job(spec=spec, shown=stimulus, seed=settings.seed, record=trials == 0)

    def _circuit(self, settings: Settings) -> str:
        return "7b-series" if settings.options.get("second") == "series" else self.circuit

    def measure(self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Recording]) -> Measured:
        """Count the pulses of every device in every presentation, (trials, presentations), under each stimulus."""
        if not settings.spread:
            return {}
        return {name: recordings[f"{name}-spread"].layers[0].fires[:, :, 0] for name in ("B", "C", "D")}

    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Count pulses, and read resistance and voltage at the start and the end of every driven part."""
        pulses = {name: recordings[name].layers[0].fires[0, :, 0].tolist() for name in runs if "spread" not in name}
        results: dict[str, Any] = {
            "pulses": {name: pulses[name] for name in ("B", "C", "D")},
            "same_conditions_pulses": {"C": pulses["C"], "D": pulses["D-same"]},
        }
        first, *second = runs["B"].spec.layers[0].memristors
        read = {"r_m_ohm": f"r_{first}", "v_out1_v": "v_out1"}
        if second:
            read["r_m2_ohm"] = "r_second"
        for key, signal in read.items():
            results[key] = {
                name: _ends(runs[name].shown, recordings[name].layers[0].waveform[0], signal)
                for name in ("B", "C", "D")
            }
        results["conditions"] = self._conditions(settings, runs)
        if settings.spread:
            results["spread"] = {
                "n": len(measured["B"]),
                "pulses": {name: _mean_sd(pulses) for name, pulses in measured.items()},
                "per_trial": {"pulses": {name: pulses.tolist() for name, pulses in measured.items()}},
            }
        return results

    def _conditions(self, settings: Settings, runs: Mapping[str, Job]) -> dict[str, Any]:
        """What each stimulus was, and on which cards."""
        currents, substep = _currents(settings), settings.options["substep"]
        out: dict[str, Any] = {
            name: {
                "current_a": currents[name],
                "on_s": (substep * runs[name].shown.on[0]).tolist(),
                "off_s": (substep * runs[name].shown.off[0]).tolist(),
            }
            for name in ("B", "C", "D")
        }
        out["same"] = {"current_a": currents["C"]}
        out["circuit"] = self._circuit(settings)
        out["cards"] = {role: card.name for role, card in settings.cards.items()}
        return out

    def figures(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        results: Mapping[str, Any],
    ) -> "dict[str, Figure]":
        """Draw current, resistance, both voltages and the pulses of each stimulus."""
        titles = {"B": "five currents", "C": "uniform periods", "D": "non-uniform periods"}
        return {
            f"{self.name}-{name.lower()}": draw_stimulus(
                f"{self.source}, {name}: {title}", recordings[name].layers[0], runs[name].spec
            )
            for name, title in titles.items()
        }


def _currents(settings: Settings) -> dict[str, list[float]]:
    """Currents of each stimulus, A."""
    options = settings.options
    return {
        "B": np.linspace(options["b_lowest"], options["b_highest"], STEPS).tolist(),
        "C": [options["c_current"]],
        "D": [options["d_current"]],
    }


def _stimulus(settings: Settings, name: str, trials: int) -> Stimulus:
    """Build one of the stimuli; row `r` of the array carries current `r` of B, then those of C and of D."""
    n = {key: substeps(settings, key) for key, rule in _OPTIONS.items() if rule.unit == "s"}
    if name == "B":
        rows, on, off = list(range(STEPS)), [n["b_on"]] * STEPS, [n["b_rest"]] * STEPS
    elif name == "C":
        periods = settings.options["c_periods"]
        rows, on, off = [STEPS] * periods, [n["c_on"]] * periods, [n["c_off"]] * periods
    else:
        later = settings.options["d_periods"] - 1
        rows = [STEPS if name == "D-same" else STEPS + 1] * (1 + later)
        on = [n["d_first_on"]] + [n["d_on"]] * later
        off = [n["d_first_off"]] + [n["d_off"]] * later
    if not any(on):
        raise InputError(f"stimulus {name[0]}: expected at least one driven substep; it is empty")
    pixels = np.eye(STEPS + 2, dtype=np.uint8)[rows]
    return Stimulus.build(np.repeat(pixels[None], trials, axis=0), on=on, off=off, gates=[1], learn=[0])


def _ends(stimulus: Stimulus, wave: Waveform, signal: str) -> dict[str, list[float]]:
    """Value of a signal at the start and at the end of the driven part of every presentation."""
    starts = stimulus.starts(0)[:-1]
    values: NDArray[np.float64] = wave.signals[signal][:, 0]
    return {"start": values[starts].tolist(), "end": values[starts + stimulus.on[0] - 1].tolist()}


def _mean_sd(pulses: NDArray[np.int64]) -> list[dict[str, float]]:
    """Mean and standard deviation over the trials of the pulses (trials, presentations) in every presentation."""
    sd = pulses.std(axis=0, ddof=1) if len(pulses) > 1 else np.zeros(pulses.shape[1])
    return [{"mean": float(m), "sd": float(s)} for m, s in zip(pulses.mean(axis=0), sd, strict=True)]


class Opamp5a(OpampNeuron):
    """The novelty neuron: a dynamic memristor in the feedback."""

    name = "opamp-5a"
    title = "Novelty neuron: dynamic memristor in the feedback"
    source = "us12387090, Fig. 5"
    circuit = "5a"
    cards = circuit_cards(circuit)
    options = _options(b_lowest=115e-9, b_highest=299e-9, c_current=120e-9, c_on=6e-3, c_off=4e-3, d_current=103e-9)


class Opamp6a(OpampNeuron):
    """The learning neuron: a dynamic memristor in series with the switch."""

    name = "opamp-6a"
    title = "Learning neuron: dynamic memristor in series with the switch"
    source = "us12387090, Fig. 6"
    circuit = "6a"
    cards = circuit_cards(circuit)
    options = _options(b_rest=20e-3)


class Opamp7a(OpampNeuron):
    """A dynamic memristor in parallel with the switch."""

    name = "opamp-7a"
    title = "Dynamic memristor in parallel with the switch"
    source = "us12387090, Fig. 7A"
    circuit = "7a"
    cards: ClassVar[Mapping[str, str]] = {**circuit_cards(circuit), _SECOND: "rm-integrating"}
    # A step that is no whole number of pulses: else the last one is a race with the end of the step.
    options = _options(
        b_lowest=0.19e-6, b_highest=0.27e-6, b_on=9.8e-3, b_rest=10e-3, c_current=0.202e-6, d_current=0.202e-6
    )


class Opamp7b(OpampNeuron):
    """Two dynamic memristors: one in the feedback, one beside the switch, in parallel or in series."""

    name = "opamp-7b"
    title = "Two dynamic memristors, in the feedback and beside the switch"
    source = "us12387090, Fig. 7B"
    circuit = "7b"
    cards: ClassVar[Mapping[str, str]] = {**circuit_cards(circuit), _SECOND: "rm-integrating"}
    options: ClassVar[Mapping[str, Option]] = {
        **Opamp5a.options,
        "second": Option(
            "parallel", "", "how the second dynamic memristor lies to the switch", choices=("parallel", "series")
        ),
    }
