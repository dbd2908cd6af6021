"""Two layers of op-amp neurons: the first answers to what is new, the second learns (us12387090, Fig. 8)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.experiments.base import Experiment, Measured, Settings
from memtwin.sim.experiments.opamp import OPAMP_COMMON, substeps
from memtwin.sim.experiments.option import Option, check_times
from memtwin.sim.figures import COLOURS, axis, panels
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import LayerSpec, OpampSpec
from memtwin.sim.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Apparatus"]

PIXELS, NOVELTY, OUTPUTS = 16, 8, 4


class Apparatus(Experiment):
    """16 pixels, 8 novelty neurons (Fig. 5A), 4 learning neurons (Fig. 6A).

    Each novelty neuron sees two neighbouring pixels of a 4 x 4 image; the four patterns are the rows of the image. In
    training each pattern is shown several times in a row, then the next; the synapses of output neuron `k` alone are
    connected while pattern `k` is shown, and it learns at its own pulses from those novelty neurons that have pulsed.
    Then, without learning and with all synapses connected, every pattern is shown once more: the answer is the output
    neuron with the most pulses.
    """

    name = "apparatus"
    title = "Two layers: novelty and learning"
    source = "us12387090, Fig. 8"
    repeated = "always"
    always_spread = True
    drawn = ("stream",)
    cards = {  # noqa: RUF012
        "op-amp neuron": "opamp",
        "threshold-switching memristor": "ts-500k",
        "non-volatile synapse": "nv-synapse",
        "first dynamic memristor": "rm-novelty",
        "second dynamic memristor": "rm-integrating",
    }
    common = OPAMP_COMMON
    options = {  # noqa: RUF012
        "current": Option(125e-9, "A", "current of a novelty neuron whose pixels are both active"),
        "repeats": Option(4, "", "presentations of a pattern in a row"),
        "rounds": Option(2, "", "times that training goes through the patterns"),
        "on": Option(5e-3, "s", "length of a presentation"),
        "off": Option(5e-3, "s", "rest after a presentation", zero=True),
        "recall_rest": Option(35e-3, "s", "rest before each presentation of the recall", zero=True),
    }

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan the stream: training, then recall; one trial is one draw of the devices."""
        cards, options = settings.cards, settings.options
        check_times("options repeats x rounds", options["repeats"] * options["rounds"], OUTPUTS)
        neuron, switch = cards["op-amp neuron"], cards["threshold-switching memristor"]
        sees = np.repeat(np.eye(NOVELTY), PIXELS // NOVELTY, axis=1)
        novelty = LayerSpec(
            rows=PIXELS,
            neurons=NOVELTY,
            circuit="5a",
            g_initial=sees * options["current"] / neuron["v_pulse"] / (PIXELS // NOVELTY),
            neuron=neuron,
            switch=switch,
            first=cards["first dynamic memristor"],
        )
        synapse = cards["non-volatile synapse"]
        learning = LayerSpec(
            rows=NOVELTY,
            neurons=OUTPUTS,
            circuit="6a",
            g_initial=np.full((OUTPUTS, NOVELTY), synapse["g_initial"]),
            neuron=neuron,
            switch=switch,
            second=cards["second dynamic memristor"],
            learns=True,
        )
        spec = OpampSpec(layers=(novelty, learning), synapse=synapse, substep=options["substep"], d2d=True)
        return {"stream": Job(spec=spec, shown=_stream(settings), seed=settings.seed, record=True)}

    def measure(self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Recording]) -> Measured:
        """Measure how the first layer answers to new and to repeated patterns, and what the second has learnt."""
        first, second = recordings["stream"].layers
        shown = _shown(settings)
        response = first.fires.sum(axis=2)  # (T, P)
        training = np.flatnonzero(_training(shown))
        block = training.reshape(-1, settings.options["repeats"])
        recall = np.flatnonzero(shown >= 0)[len(training) :]
        right = _winner(second.fires[:, recall]) == shown[recall]
        return {
            "first": response[:, block[0, 0]],
            "fresh": response[:, block[:, 0]],
            "repeated": response[:, block[:, -1]],
            "right": right.mean(axis=1),
        }

    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Sum up how the first layer answers, and what the second has learnt; details are those of trial 0."""
        first, second = recordings["stream"].layers
        shown = _shown(settings)
        recall = np.flatnonzero(shown >= 0)[np.count_nonzero(_training(shown)) :]
        start, fresh, repeated = (measured[name] for name in ("first", "fresh", "repeated"))
        return {
            "trials": len(start),
            "novelty": {
                "first_pulses": float(start.mean()),
                "repeated_pulses": float(repeated.mean()),
                "fresh_pulses": float(fresh[:, 1:].mean()),
                "repeated_over_first": _ratio(repeated.mean(), fresh.mean()),
                "fresh_over_first": _ratio(fresh[:, 1:].mean(), start.mean()),
            },
            "recall_accuracy": float(measured["right"].mean()),
            "recall_pulses": second.fires[0, recall].tolist(),
            "pattern": shown.tolist(),
            "layer1_pulses": first.fires[0].tolist(),
            "layer2_pulses": second.fires[0].tolist(),
            "conductance_S": second.conductance[0].tolist(),
        }

    def figures(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        results: Mapping[str, Any],
    ) -> "dict[str, Figure]":
        """Draw the answers to every presentation, and the conductances before and after (trial 0)."""
        first, second = recordings["stream"].layers
        before = runs["stream"].sample()[1].conductance[0]
        return {
            "fig8-stream": _draw_stream(results["pattern"], first.fires[0], second.fires[0]),
            "fig8-resistance": _draw_resistance(recordings["stream"]),
            "fig8-synapses": _draw_synapses(before, second.conductance[0]),
        }


def _shown(settings: Settings) -> NDArray[np.int64]:
    """Pattern of every presentation; -1 for none (the rest before each pattern of the recall)."""
    training = np.repeat(np.tile(np.arange(OUTPUTS), settings.options["rounds"]), settings.options["repeats"])
    recall = np.column_stack([np.full(OUTPUTS, -1), np.arange(OUTPUTS)]).reshape(-1)
    return np.concatenate([training, recall])


def _training(shown: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Presentations of the training: all but a rest and a pattern for every output neuron."""
    return np.arange(len(shown)) < len(shown) - 2 * OUTPUTS


def _stream(settings: Settings) -> Stimulus:
    shown = _shown(settings)
    trials = settings.trials or 1
    patterns = np.vstack([np.repeat(np.eye(OUTPUTS), PIXELS // OUTPUTS, axis=1), np.zeros(PIXELS)])
    training = _training(shown)
    on, off, rest = (substeps(settings, name) for name in ("on", "off", "recall_rest"))
    return Stimulus.build(
        np.repeat(patterns[shown][None], trials, axis=0),
        on=np.where(shown >= 0, on, 0),
        off=np.where(shown >= 0, off, rest),
        gates=np.where(training[:, None], np.eye(OUTPUTS)[shown.clip(min=0)], 1),
        learn=np.column_stack([np.zeros(len(shown)), training]),
    )


def _winner(pulses: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of the neuron with the most pulses along the last axis; -1 if there is no pulse, or several have most."""
    most = pulses.max(axis=-1, keepdims=True)
    alone = (most[..., 0] > 0) & ((pulses == most).sum(axis=-1) == 1)
    return np.where(alone, pulses.argmax(axis=-1), -1)


def _ratio(a: float, b: float) -> float | None:
    return float(a / b) if b > 0 else None


def _draw_stream(shown: list[int], first: NDArray[np.int64], second: NDArray[np.int64]) -> "Figure":
    figure, (bars, novelty, learning) = panels(
        "Fig. 8: answers to a stream of repeated and fresh patterns", 3, height=5.0, ratios=(2, 2, 1)
    )
    at = np.flatnonzero(np.array(shown) >= 0)
    count = np.arange(at.size)
    colours = [COLOURS[shown[position]] for position in at]
    bars.bar(count, first[at].sum(axis=1), color=colours)
    axis(bars, "", "pulses of layer 1")
    for ax, pulses, name in ((novelty, first, "layer 1, neuron"), (learning, second, "layer 2, neuron")):
        ax.imshow(pulses[at].T, aspect="auto", origin="lower", cmap="Blues", interpolation="nearest")
        ax.grid(False)
        axis(ax, "", name)
    axis(learning, "presentation (colour: pattern; the last four are the recall)", "layer 2")
    return figure


def _draw_resistance(recording: Recording) -> "Figure":
    figure, (first, second) = panels("Dynamic memristors of both layers", 2, height=4.5)
    for ax, layer, name in ((first, recording.layers[0], "r_first"), (second, recording.layers[1], "r_second")):
        wave = layer.waveform[0]
        for neuron in range(0, wave.signals[name].shape[1], 2 if name == "r_first" else 1):
            colour = COLOURS[neuron // 2 if name == "r_first" else neuron]
            ax.plot(1e3 * wave.time_s, 1e-6 * wave.signals[name][:, neuron], color=colour, linewidth=0.8)
        ax.set_yscale("log")
    axis(first, "", "layer 1, $R_m$ (MOhm)")
    axis(second, "time (ms)", "layer 2, $R_m$ (MOhm)")
    return figure


def _draw_synapses(before: NDArray[np.float64], after: NDArray[np.float64]) -> "Figure":
    figure, axes = panels("Synapses of layer 2", 2, height=4.0)
    top = 1e6 * max(before.max(), after.max())
    for ax, conductance, name in zip(axes, (before, after), ("before", "after"), strict=True):
        image = ax.imshow(1e6 * conductance, vmin=0, vmax=top, aspect="auto", cmap="viridis", interpolation="nearest")
        ax.grid(False)
        axis(ax, "", f"{name}: neuron")
        figure.colorbar(image, ax=ax).set_label("uS", fontsize=8)
    axis(axes[-1], "novelty neuron", "after: neuron")
    return figure
