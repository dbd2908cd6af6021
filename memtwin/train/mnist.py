"""Handwritten digits on the LIF engine (yu-tio2: MNIST, 784 x 10)."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.nir.networks import StoredNetwork
from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.base import Experiment, Measured, Settings, every_field
from memtwin.sim.experiments.option import Option
from memtwin.sim.extras import extra_for
from memtwin.sim.figures import axis, panels
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.lif.shown import DECODERS, MODES
from memtwin.sim.lif.spec import ConductancePair, LifSpec
from memtwin.train.data import load_mnist
from memtwin.train.settings import encoding_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Mnist"]

NETWORK = "mnist-784x10"  # the network that is shipped

_SWITCH = "volatile and non-volatile switch"


class Mnist(Experiment):
    """Images of MNIST's test set, shown to a trained network; its answer is the neuron that the decoder chooses.

    One trial shows all images, one after the other, with the encoder's generator running on; other trials have other
    seeds of the encoder. With `spread`, every trial also has other synapses: pairs of the card's devices.
    """

    name = "mnist"
    title = "Handwritten digits on LIF neurons"
    source = "yu-tio2, network of 784 x 10"
    repeated = "always"
    drawn = ("test",)
    cards: ClassVar[Mapping[str, str]] = {_SWITCH: "ag-tio2"}
    common: ClassVar[Mapping[str, Option]] = {}
    options = {  # noqa: RUF012
        "net": Option(NETWORK, "", "NIR file, or name of a network that is shipped"),
        "data": Option("", "", "directory of MNIST's files; else MEMTWIN_DATA, else they are downloaded"),
        "images": Option(1000, "", "images of the test set, from its first on"),
        "steps": Option(0, "", "steps for which an image is shown; 0 for those of the network", zero=True),
        "encoding": Option("", "", "how images are shown; without it as the network's file says", choices=MODES),
        "decoder": Option("", "", "how the answer is read; without it as the network's file says", choices=DECODERS),
    }

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan one run with all images."""
        options = settings.options
        network = self.network(settings)
        digits = load_mnist("test", Path(options["data"]) if options["data"] else None)
        if not 1 <= options["images"] <= len(digits):
            raise InputError(f"option images: expected 1 to {len(digits)}, not {options['images']}")
        digits = digits.take(slice(options["images"]))
        rows = network.spec.layers[0].rows
        if rows != digits.images.shape[1]:
            raise InputError(f"{network.source}: expected {digits.images.shape[1]} inputs, not {rows}")
        images = network.shown().show(digits.images, digits.labels, trials=settings.trials or 1)
        spec, warnings = self.spec_of(network, settings), tuple(network.silent())
        return {"test": Job(spec=spec, shown=images, seed=settings.seed, warnings=warnings)}

    def network(self, settings: Settings) -> StoredNetwork:
        """Read the network, which is shown images as its file says, or as the options do."""
        with extra_for(f"experiment {self.name}"):
            from memtwin.nir.nir_io import load_network
        options = settings.options
        network = load_network(options["net"])
        asked = {"mode": options["encoding"], "steps": options["steps"], "decoder": options["decoder"]}
        return dataclasses.replace(network, encoding=encoding_of(network, **asked))

    def spec_of(self, network: StoredNetwork, settings: Settings) -> LifSpec:
        """Return the layers of a file as they are run: as many lanes as neurons, and devices if they spread."""
        # On the fabric a row of synapses is added up in one clock.
        layers = tuple(dataclasses.replace(layer, lanes=layer.neurons) for layer in network.spec.layers)
        if not settings.spread:
            return dataclasses.replace(network.spec, layers=layers)
        card = settings.cards[_SWITCH]
        return dataclasses.replace(network.spec, layers=layers, synapse=ConductancePair.of(card), sources=(card,))

    def idle_fields(self, settings: Settings) -> Mapping[str, Collection[str]]:
        """All, or all but those of the synapses that spread: the weights are those of the network."""
        used = {"r_on", "r_off", "r_on_c2c", "r_off_c2c"} if settings.spread else set()
        return {_SWITCH: every_field(_SWITCH) - used}

    def measure(self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Any]) -> Measured:
        """Count right answers, and on the gateware synaptic operations, of every trial."""
        (run,), (recording,) = runs.values(), recordings.values()
        assert isinstance(recording, LifRecording)
        measured = {"accuracy": (recording.answers == run.shown.labels).mean(axis=1)}
        if recording.clocks is not None:
            measured["operations"] = _synaptic_operations(run, recording)
        return measured

    def summarise(
        self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Any], measured: Measured
    ) -> dict[str, Any]:
        """Sum up all trials."""
        (run,), (recording,) = runs.values(), recordings.values()
        network = self.network(settings)
        images, trials = run.shown.presentations, len(measured["accuracy"])
        results: dict[str, Any] = {
            "accuracy": float(measured["accuracy"].mean()),
            "accuracy_of_trials": measured["accuracy"].tolist(),
            "accuracy_float": network.notes.get("accuracy_float"),
            "images": images,
            "encoder_seed": settings.seed,
            "steps": int(run.shown.steps.max()),
            "encoding": run.shown.mode,
            "bits": run.spec.weight_bits,
            "trials": trials,
        }
        if recording.backend == "model":
            results["saturated"] = recording.saturated
        if recording.clocks is not None:
            operations, clocks = int(measured["operations"].sum()), int(recording.clocks.sum())
            results["clocks_per_image"] = clocks / (trials * images)
            results["sops_per_image"] = operations / (trials * images)
            results["sops_per_clock"] = operations / clocks
        return results

    def figures(
        self, settings: Settings, runs: Mapping[str, Job], recordings: Mapping[str, Any], results: Mapping[str, Any]
    ) -> "dict[str, Figure]":
        """Draw how often each digit got each answer."""
        answers, labels = recordings["test"].answers, runs["test"].shown.labels
        table = np.zeros((10, 10), dtype=int)
        np.add.at(table, (labels.ravel(), answers.ravel()), 1)
        figure, (ax,) = panels("Answers", height=5.0)
        ax.imshow(table, cmap="Blues")
        ax.grid(False)
        for label, answer in np.argwhere(table):
            ax.text(answer, label, str(table[label, answer]), ha="center", va="center", fontsize=7)
        axis(ax, "answer", "digit")
        return {"answers": figure}


def _synaptic_operations(run: Job, recording: LifRecording) -> NDArray[np.int64]:
    """Count what the crossbars add up in each trial: every event of a row, once for each neuron behind it."""
    assert recording.events is not None
    inputs = [recording.events, *(layer.spikes for layer in recording.layers[:-1])]
    rows = [events.reshape(len(events), -1).sum(axis=1) for events in inputs]
    return sum(
        (count * layer.neurons for count, layer in zip(rows, run.spec.layers, strict=True)),
        np.zeros(run.shown.trials, dtype=np.int64),
    )
