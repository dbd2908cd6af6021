"""Unsupervised and supervised learning of ten digits in a 30 x 10 x 10 network (zhang2021, Fig. 5 and Supp. 11)."""

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.experiments import digits_figures as draw
from memtwin.sim.experiments.base import Experiment, Measured, Settings
from memtwin.sim.experiments.lia import programmed
from memtwin.sim.experiments.option import AMPLITUDE, Option, check_times
from memtwin.sim.experiments.patterns import load_patterns
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import TIES, LayerSpec, NetworkSpec
from memtwin.sim.recording import Recording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FLIPS", "MODES", "Digits", "answers", "winners"]

TRIALS = 1
FLIPS = (0, 1, 2, 3)  # flipped pixels at inference
SHOWN = 1  # flipped pixels of the rates that are reported
ORDERS = ("shuffled", "blocked")
PHASES = ("all", "training", "inference")
# The same cards, devices and programs in every mode: only the noise and the adaptive threshold differ.
MODES = {
    "deterministic": {"c2c": False, "adaptive": False},
    "noise": {"c2c": True, "adaptive": False},
    "adaptive": {"c2c": True, "adaptive": True},
}
_PROGRAM_STREAM = 1000  # of the random generator of a trial; its first streams draw the devices of the layers

Ints = NDArray[np.int64]


class Digits(Experiment):
    """Ten patterns, two layers that are trained one after the other, and inference with flipped pixels.

    Layer 1 (rows: pixels; as many neurons as patterns) is unsupervised: a pattern pulses until a neuron fires and the
    lateral inhibition array shuts out the others. Layer 2 is supervised: only the gate of the pattern's output neuron
    is open, and the winner's first spike sets its synapse. At inference nothing learns and every gate is open; the
    answer is the output neuron with the most spikes, and a tie or silence is wrong.

    Three modes: without cycle-to-cycle spread, with it, and with it and an adaptive threshold. Patterns are
    shown in epochs, shuffled, or in blocks of one pattern after the other.
    """

    name = "digits"
    title = "A network of two layers learns ten digits in situ"
    source = "zhang2021, Fig. 5 and Supp. Fig. 8 to 13"
    repeated = "always"
    always_spread = True
    drawn = tuple(MODES)
    only_for_figures = ("evolution",)
    options = {  # noqa: RUF012
        "patterns": Option("digits", "", "shipped pattern file by name, or a .txt file: # black, . white"),
        "order": Option("shuffled", "", "order of the training of layer 1", choices=ORDERS),
        "v_in": Option(1.6, "V", "amplitude of the input pulses of layer 1 (text)", **AMPLITUDE),
        "epochs": Option(30, "", "fires of layer 1 for each pattern (Fig. 5e)"),
        "limit": Option(40, "", "most clock periods of a presentation in training"),
        "rest": Option(20, "", "clock periods of rest after each presentation", zero=True),
        "settle": Option(
            2000, "", "clock periods of rest between the training of layer 1 and that of layer 2", zero=True
        ),
        "periods": Option(60, "", "clock periods of a presentation at inference"),
        "tie": Option("inhibit", "", "what neurons do that fire in one substep", choices=TIES),
        "phase": Option("all", "", "what is run; inference goes on from a state that training left", choices=PHASES),
        "lanes": Option(1, "", "columns of layer 1 that the gateware adds up per clock; no influence on results"),
    }

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan one run per mode, and, of the whole, a recorded one in which one pattern alone is learnt (Fig. 5e)."""
        options = settings.options
        patterns = load_patterns(options["patterns"])
        pixels = patterns.reshape(len(patterns), -1)
        shown = len(FLIPS) * len(pixels)
        check_times("option epochs", options["epochs"], len(pixels))
        part = {"all": slice(None), "training": slice(0, -shown), "inference": slice(-shown, None)}[options["phase"]]
        program = _program(settings, pixels).take(part)
        runs = {
            mode: Job(spec=_network(settings, pixels, **spread), shown=program, seed=settings.seed)
            for mode, spread in MODES.items()
        }
        if options["phase"] != "all":
            return runs
        one = Program.build(
            np.repeat(pixels[None, [1]], options["epochs"], axis=1),
            gates=np.ones(len(pixels)),
            learn=(1, 0),
            fires=1,
            periods=options["limit"],
            rest=options["rest"],
        )
        runs["evolution"] = Job(spec=runs["noise"].spec, shown=one, seed=settings.seed, record=True)
        return runs

    def measure(self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Recording]) -> Measured:
        """Count winners, right answers and synapses of layer 2 in every mode; training alone has no answers."""
        measured: dict[str, NDArray] = {}
        for mode in MODES:
            run, recording = runs[mode], recordings[mode]
            middle = (run.spec.synapse["g_min"] + run.spec.synapse["g_max"]) / 2
            high = (recording.layers[1].conductance > middle).sum(axis=2)
            measured[f"{mode}.one_hot"] = (high == 1).all(axis=1)
            if settings.options["phase"] == "training":
                continue
            layer1, layer2 = (spikes_at_inference(recording, layer) for layer in (0, 1))
            distinct = [len(set(row) - {-1}) for row in winners(layer1[:, 0]).tolist()]
            measured[f"{mode}.distinct"] = np.array(distinct)
            measured[f"{mode}.right"] = (answers(layer2) == np.arange(layer2.shape[-1])).mean(axis=2)
        return measured

    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Sum up every mode; rates are those of trial 0."""
        results: dict[str, Any] = {}
        for mode in MODES:
            run, recording = runs[mode], recordings[mode]
            one_hot = measured[f"{mode}.one_hot"]
            results[mode] = {"layer2_one_hot": float(one_hot.mean())}
            if settings.options["phase"] == "training":
                continue
            right = measured[f"{mode}.right"].mean(axis=0)
            duration = 2 * run.spec.half_period * settings.options["periods"]
            shown = FLIPS.index(SHOWN)
            results[mode] = {
                "distinct_winners": float(measured[f"{mode}.distinct"].mean()),
                "accuracy": {str(flips): float(part) for flips, part in zip(FLIPS, right, strict=True)},
                **results[mode],
                "rates": {
                    str(layer + 1): (spikes_at_inference(recording, layer)[0, shown] / duration).tolist()
                    for layer in (0, 1)
                },
            }
        return {**results, "trials": len(one_hot), "order": settings.options["order"]}

    def figures(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        results: Mapping[str, Any],
    ) -> "dict[str, Figure]":
        """Draw Fig. 5a, 5d to 5f and 5h to 5k, of the first trial."""
        patterns = load_patterns(settings.options["patterns"])
        figures = {"fig5a-patterns": draw.patterns(patterns)}
        if settings.options["phase"] == "training":
            return figures
        if "evolution" in runs:
            figures["fig5e-evolution"] = draw.evolution(runs["evolution"], recordings["evolution"], patterns[1])
        return {
            **figures,
            "fig5f-weights": draw.layer1(runs, {mode: recordings[mode] for mode in MODES}, patterns.shape[1:]),
            "fig5g-rates": draw.rates(results, tuple(MODES), SHOWN),
            "fig5j-weights": draw.layer2(runs["adaptive"], recordings["adaptive"]),
        }


def winners(spikes: Ints) -> Ints:
    """Neuron with the most spikes along the last axis; the lowest of several, -1 where there are none."""
    return np.where(spikes.any(axis=-1), spikes.argmax(axis=-1), -1)


def answers(spikes: Ints) -> Ints:
    """As `winners`, but -1 also where several neurons have the most spikes."""
    most = spikes.max(axis=-1, keepdims=True)
    return np.where((spikes == most).sum(axis=-1) == 1, winners(spikes), -1)


def spikes_at_inference(recording: Recording, layer: int) -> Ints:
    """Spikes of one layer, (trials, levels of `FLIPS`, patterns, neurons)."""
    spikes = recording.layers[layer].spikes
    patterns = spikes.shape[2]
    return spikes[:, -len(FLIPS) * patterns :].reshape(-1, len(FLIPS), patterns, patterns)


def _network(settings: Settings, pixels: NDArray[np.uint8], *, c2c: bool, adaptive: bool) -> NetworkSpec:
    """Network that fits the patterns."""
    neurons, rows = pixels.shape
    options, synapse = settings.options, settings.synapse
    first = LayerSpec(
        rows=rows,
        neurons=neurons,
        v_in=options["v_in"],
        g_initial=synapse["g_medium"],
        inhibition=True,
        tie=options["tie"],
        adaptive=adaptive,
        lanes=options["lanes"],
    )
    second = LayerSpec(
        rows=neurons,
        neurons=neurons,
        v_in=settings.neuron["v_spike"],
        g_initial=synapse["g_low"],
        one_cycle=True,
    )
    spec = settings.network(first, second, c2c=c2c, d2d=True)
    # The card's array serves up to 30 neurons; for more its bias row is programmed (docs/lia.md).
    return dataclasses.replace(spec, lia=programmed(settings.lia, neurons))


def _program(settings: Settings, pixels: NDArray[np.uint8]) -> Program:
    """Training of layer 1, training of layer 2, inference; order and flipped pixels are drawn for each trial."""
    options, count = settings.options, len(pixels)
    trials = settings.trials or TRIALS
    order, shown = [], []
    for trial in range(trials):
        rng = np.random.default_rng([settings.seed + trial, _PROGRAM_STREAM])
        epochs = [rng.permutation(count) for _ in range(options["epochs"])]
        order.append(np.concatenate(epochs) if options["order"] == "shuffled" else np.sort(np.concatenate(epochs)))
        shown.append(np.concatenate([_flip(pixels, flips, rng) for flips in FLIPS]))
    rest, everyone = options["rest"], np.ones(count)
    rests = np.full(count * options["epochs"], rest)
    rests[-1] = options["settle"]
    unsupervised = Program.build(
        pixels[np.array(order)], gates=everyone, learn=(1, 0), until=0, fires=1, periods=options["limit"], rest=rests
    )
    supervised = Program.build(
        np.repeat(pixels[None], trials, axis=0),
        gates=np.eye(count),
        learn=(0, 1),
        until=0,
        fires=1,
        periods=options["limit"],
        rest=rest,
    )
    inference = Program.build(np.array(shown), gates=everyone, learn=(0, 0), periods=options["periods"], rest=rest)
    return unsupervised.then(supervised).then(inference)


def _flip(pixels: NDArray[np.uint8], flips: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Flip so many pixels of each pattern (all, if it has fewer)."""
    out = pixels.copy()
    for pattern in out:
        pattern[rng.permutation(pattern.size)[:flips]] ^= 1
    return out
