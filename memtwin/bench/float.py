"""Networks without spikes, for comparison: softmax regression, or one hidden layer of rectified linear units.

They are trained as the LIF networks are, with the same pictures, distortions, optimiser and loss, but on the pixels
themselves, and their weights stay in floating point.
"""

import math
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from memtwin.train import distort
from memtwin.train.data import CLASSES, Digits
from memtwin.train.float_network import Adam, softmax_loss
from memtwin.train.settings import Settings

__all__ = ["FloatNetwork", "train_float"]

Floats = NDArray[np.float32]

_RATE = 2e-3  # largest rate of Adam; that of the LIF networks belongs to their units


class FloatNetwork:
    """Weights and biases, drawn anew: a layer of `hidden` units if it is not 0, and the classes.

    Parameters
    ----------
    pixels, hidden : int
        Of a picture; units of the hidden layer.
    rng : Generator
        For the first weights (He et al., ICCV 2015, eq. 10).
    """

    def __init__(self, pixels: int, hidden: int, rng: np.random.Generator) -> None:
        sizes = [pixels, hidden, CLASSES] if hidden else [pixels, CLASSES]
        self.layers = [
            ((rng.standard_normal(size) * math.sqrt(2 / size[0])).astype(np.float32), np.zeros(size[1], np.float32))
            for size in pairwise(sizes)
        ]

    @property
    def parameters(self) -> list[Floats]:
        """What is trained, layer by layer."""
        return [part for layer in self.layers for part in layer]

    def answers(self, images: NDArray[np.uint8]) -> NDArray[np.int64]:
        """Return the class of each picture, (images,)."""
        return self._outputs(images)[-1].argmax(axis=1)

    def gradients(self, images: NDArray[np.uint8], labels: NDArray[np.uint8]) -> tuple[float, list[Floats]]:
        """Return the loss of a batch and its gradients, in the order of `parameters`."""
        outputs = self._outputs(images)
        loss, error = softmax_loss(outputs[-1], labels, 0.0)
        out: list[Floats] = []
        for (weight, _), before in zip(self.layers[::-1], outputs[-2::-1], strict=True):
            out = [before.T @ error, error.sum(axis=0), *out]
            error = (error @ weight.T) * (before > 0)
        return loss, out

    def _outputs(self, images: NDArray[np.uint8]) -> list[Floats]:
        """Return the pixels from 0 to 1 and what comes out of each layer."""
        out = [images.astype(np.float32) / np.float32(255)]
        for number, (weight, bias) in enumerate(self.layers):
            total = out[-1] @ weight + bias
            out.append(total if number == len(self.layers) - 1 else np.maximum(total, 0))
        return out


def train_float(digits: Digits, settings: Settings) -> FloatNetwork:
    """Train with the hidden units, epochs, batches, distortions and seed of `settings`; the rest is of spikes."""
    rng = np.random.default_rng(settings.seed)
    network = FloatNetwork(digits.images.shape[1], settings.hidden, rng)
    adam = Adam(network.parameters)
    batches = math.ceil(len(digits) / settings.batch)
    for epoch in range(settings.epochs):
        for number, batch in enumerate(np.array_split(rng.permutation(len(digits)), batches)):
            images = digits.images[batch]
            if settings.bend:
                images = distort.bend(images, settings.bend, rng)
            if settings.shift:
                images = distort.shift(images, settings.shift, rng)
            _, gradients = network.gradients(images, digits.labels[batch])
            done = (epoch + number / batches) / settings.epochs
            adam.step(gradients, _RATE * 0.5 * (1 + math.cos(math.pi * done)), 0.0)
    return network
