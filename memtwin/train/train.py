"""Training of LIF networks for the engine: surrogate gradient through time, weights quantised while they train.

`train` gives a network whose integers are those that were trained: weights are whole levels, and the learned step of
each neuron is its `r`. How it is done is in `memtwin.train.float_network`.
"""

import dataclasses
import math
from collections.abc import Callable, Sequence

import numpy as np

from memtwin.nir.networks import StoredNetwork, card_text
from memtwin.sim.backends import Job
from memtwin.sim.backends import run as run_on
from memtwin.sim.cards import Card
from memtwin.sim.errors import InputError
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec
from memtwin.train import distort
from memtwin.train.data import CLASSES, Digits
from memtwin.train.float_network import HEADROOM, Adam, FloatNetwork, Synapses
from memtwin.train.settings import NETS, Settings, settings_of

__all__ = ["NETS", "Settings", "accuracy", "settings_of", "train"]

Progress = Callable[[float, float], None]  # part done, mean loss of the epoch

DT = 1e-3  # s; a training has no time but steps
_CALIBRATION = 2000  # images that set the threshold of the last layer


def train(
    digits: Digits, settings: Settings, *, cards: Sequence[Card] = (), progress: Progress | None = None
) -> StoredNetwork:
    """Train a network.

    Parameters
    ----------
    digits : Digits
        Square pictures.
    settings : Settings
        How; equal settings give equal networks, on the same machine and NumPy (sums of floats depend on the order in
        which a matrix product takes them).
    cards : sequence of Card
        Of the devices that the network is for; stored with it.
    progress : callable, optional
        Called with the part done (0 to 1) and the mean loss of the epoch, after every epoch.

    Raises
    ------
    InputError
        If there is nothing to train with.
    """
    if not len(digits) or digits.images.shape[0] != len(digits) or digits.labels.max() >= CLASSES:
        raise InputError(f"training: expected pictures with a label from 0 to {CLASSES - 1} each")
    rng = np.random.default_rng(settings.seed)
    network = FloatNetwork(settings, digits.images.shape[1], settings.encoding.values, rng)
    adam = Adam(network.parameters)
    batches = math.ceil(len(digits) / settings.batch)
    for epoch in range(settings.epochs):
        losses = 0.0
        for number, batch in enumerate(np.array_split(rng.permutation(len(digits)), batches)):
            images = digits.images[batch]
            if settings.bend:
                images = distort.bend(images, settings.bend, rng)
            if settings.shift:
                images = distort.shift(images, settings.shift, rng)
            loss, gradients = network.gradients(images, digits.labels[batch])
            done = (epoch + number / batches) / settings.epochs
            adam.step(gradients, settings.rate * 0.5 * (1 + math.cos(math.pi * done)), settings.decay)
            network.clamp()
            losses += loss
        if progress:
            progress((epoch + 1) / settings.epochs, losses / batches)
    layers = _layers(network, settings, digits)
    return StoredNetwork(
        spec=LifSpec(layers=tuple(layers), dt=DT, weight_bits=settings.weight_bits),
        names=tuple(f"layer{number}" for number in range(1, len(layers) + 1)),
        encoding=settings.encoding,
        cards={card.name: card_text(card) for card in cards},
        notes={"training": dataclasses.asdict(settings), "pictures": len(digits)},
    )


def accuracy(
    network: StoredNetwork,
    digits: Digits,
    *,
    backend: str = "model",
    seed: int = 0,
    steps: int | None = None,
    progress: Callable[[float], None] | None = None,
) -> float:
    """Return the part of the pictures that a network answers rightly on a backend; `seed` is that of the encoder.

    Raises
    ------
    InputError
        If the network does not say how pictures are shown, or they do not fit.
    """
    if network.encoding is None:
        raise InputError(f"{network.source}: expected an encoding; the file does not say how pictures are shown")
    shown = network.encoding.show(digits.images, digits.labels, steps=steps)
    recording = run_on(Job(spec=network.spec, shown=shown, seed=seed), backend, progress)  # type: ignore[type-var]
    assert isinstance(recording, LifRecording)
    return float((recording.answers[0] == digits.labels).mean())


def _layers(network: FloatNetwork, settings: Settings, digits: Digits) -> list[LifLayerSpec]:
    """Write the network in training in volts; a threshold of hidden neurons is 1 V."""
    sums = network.sums(digits.images[:_CALIBRATION]).max(axis=1)
    threshold = max(float(np.median(sums)), 1e-3) / settings.winner
    last = _layer(network.layers[-1], threshold, leak=0.0)
    return [*(_layer(layer, 1.0, settings.leak) for layer in network.layers[:-1]), last]


def _layer(layer: Synapses, threshold: float, leak: float) -> LifLayerSpec:
    """Write synapses and the neurons behind them in volts and seconds."""
    step = layer.step.astype(np.float64)
    return LifLayerSpec(
        weight=layer.level.T,
        bias=layer.bias / step,
        tau=-DT / math.log1p(-leak) if leak else math.inf,
        r=step / (leak or DT),
        v_threshold=threshold,
        reset="subtract",
        headroom=HEADROOM,
    )
