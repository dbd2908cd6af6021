"""The network in training: in float, for the integers of the gateware, with its gradients.

A hidden neuron integrates ``u = (1 - leak) v + weights of the events + bias``, spikes if ``u > 1``, and then subtracts
1; `u` and the bias are clamped where the engine's words end. A neuron of the last layer only integrates: the class is
the largest sum, which is what the decoder ``rate`` reads with its tie-break on the membrane; its threshold is set after
training. Where the methods are from:

- derivative of a spike: fast sigmoid, Zenke and Ganguli, SuperSpike, Neural Computation 30 (2018), eq. 6
- quantised weights: one learned step per neuron, straight through the rounding, Esser et al., Learned Step Size
  Quantization, ICLR 2020, eqs. 1 to 5
- optimiser: Adam, Kingma and Ba, ICLR 2015, algorithm 1, with decoupled weight decay, Loshchilov and Hutter, ICLR
  2019, algorithm 2
"""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.lif.quantize import v_unit
from memtwin.sim.lif.spec import LifLayerSpec
from memtwin.train.data import CLASSES
from memtwin.train.settings import Settings

__all__ = ["HEADROOM", "MOST_BIAS", "REACH", "Adam", "FloatNetwork", "Synapses", "softmax_loss"]

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Slopes = tuple[Floats, NDArray[np.bool_]]

HEADROOM = 16  # thresholds; with less, hidden neurons are clamped often

# One unit of a membrane whose threshold is 1, and with it the largest membrane (20 bits) and bias (16 bits).
_UNIT = v_unit(LifLayerSpec(weight=np.ones((1, 1)), tau=np.inf, headroom=HEADROOM))
REACH = np.float32((2**19 - 1) * _UNIT)
MOST_BIAS = np.float32((2**15 - 1) * _UNIT)

_LIT = 100  # pixels of a digit that are lit, about


class Synapses:
    """Weights (rows, neurons), real, and quantised with one learned step per neuron; and the neurons' bias."""

    def __init__(self, rows: int, neurons: int, size: float, bits: int, rng: np.random.Generator) -> None:
        self.real = (rng.standard_normal((rows, neurons)) * size).astype(np.float32)
        self.top = np.float32((1 << (bits - 1)) - 1)
        self.log_step = np.log(2 * np.abs(self.real).mean(axis=0) / np.sqrt(self.top))
        self.bias = np.zeros(neurons, np.float32)

    @property
    def parameters(self) -> list[Floats]:
        """What is trained."""
        return [self.real, self.log_step, self.bias]

    def quantise(self) -> Floats:
        """Return the weights, whole multiples (`level`) of the steps (`step`), and keep what `gradients` needs."""
        self.step = np.exp(self.log_step)
        self.scaled = self.real / self.step
        self.level = np.rint(np.clip(self.scaled, -self.top, self.top))
        return self.level * self.step

    def gradients(self, weight: Floats, bias: Floats) -> list[Floats]:
        """Turn the gradients of weights and bias into those of the parameters (Esser et al., eqs. 3 and 5)."""
        inside = np.abs(self.scaled) <= self.top
        slope = self.level - self.scaled * inside
        log_step = (weight * slope).sum(axis=0) * self.step / np.sqrt(len(weight) * self.top)
        return [weight * inside, log_step, bias]


class Adam:
    """Adam with decoupled weight decay on weights."""

    def __init__(self, parameters: list[Floats]) -> None:
        self._parameters = parameters
        self._mean = [np.zeros_like(part) for part in parameters]
        self._square = [np.zeros_like(part) for part in parameters]
        self._time = 0

    def step(self, gradients: list[Floats], rate: float, decay: float) -> None:
        """Move the parameters against the gradients."""
        self._time += 1
        even = np.float32(rate / (1 - 0.9**self._time))
        level = np.float32(1 / (1 - 0.999**self._time))
        for part, gradient, mean, square in zip(self._parameters, gradients, self._mean, self._square, strict=True):
            mean += np.float32(0.1) * (gradient - mean)
            square += np.float32(0.001) * (gradient * gradient - square)
            if part.ndim == 2 and decay:
                part *= np.float32(1 - rate * decay)
            part -= even * mean / (np.sqrt(square * level) + np.float32(1e-8))


class FloatNetwork:
    """Layers of synapses with at most one layer of hidden neurons.

    Parameters
    ----------
    settings : Settings
    pixels : int
        Of an image.
    values : uint8 array (256,)
        Entries of the encoder for the pixels.
    rng : Generator
        For the first weights, the encoder and the spread of devices.
    """

    def __init__(self, settings: Settings, pixels: int, values: Bytes, rng: np.random.Generator) -> None:
        self._settings, self._values, self._rng = settings, values, rng
        bits = settings.weight_bits
        # A pixel that is lit has an event in one step (latency) or in all (rate).
        events = _LIT if settings.mode == "latency" else _LIT * settings.steps**2
        if settings.hidden:
            self.layers = [
                Synapses(pixels, settings.hidden, settings.start / np.sqrt(events), bits, rng),
                Synapses(settings.hidden, CLASSES, 0.05, bits, rng),
            ]
        else:
            self.layers = [Synapses(pixels, CLASSES, 0.01, bits, rng)]
        self._levels = int(values.max())  # steps with events in mode latency

    @property
    def parameters(self) -> list[Floats]:
        """What is trained, layer by layer."""
        return [part for layer in self.layers for part in layer.parameters]

    def clamp(self) -> None:
        """Clamp the bias of hidden neurons, after a step of the optimiser."""
        for layer in self.layers[:-1]:
            np.clip(layer.bias, -MOST_BIAS, MOST_BIAS, out=layer.bias)

    def sums(self, images: Bytes) -> Floats:
        """Return what the neurons of the last layer integrate to, (images, classes), without spread of devices."""
        last = self.layers[-1]
        counts = self._counts(images)
        if self._settings.hidden:
            first = self.layers[0]
            counts, _ = self._hidden(self._events(images), first.quantise(), first.bias)
        return counts @ last.quantise() + np.float32(self._settings.steps) * last.bias

    def gradients(self, images: Bytes, labels: Bytes) -> tuple[float, list[Floats]]:
        """Return the loss of a batch and its gradients, in the order of `parameters`."""
        steps, smooth = np.float32(self._settings.steps), self._settings.smooth
        last = self.layers[-1]
        weight, factor = self._noisy(last)
        if not self._settings.hidden:
            counts = self._counts(images)
            loss, error = softmax_loss(counts @ weight + steps * last.bias, labels, smooth)
            return loss, last.gradients(counts.T @ error * factor, steps * error.sum(axis=0))

        first = self.layers[0]
        first_weight, first_factor = self._noisy(first)
        events = self._events(images)
        counts, slopes = self._hidden(events, first_weight, first.bias)
        loss, error = softmax_loss(counts @ weight + steps * last.bias, labels, smooth)
        behind = last.gradients(counts.T @ error * factor, steps * error.sum(axis=0))
        drives = self._back(error @ weight.T, slopes)
        gradient = np.zeros_like(first_weight)
        for event, drive in zip(events, drives, strict=False):  # later steps may have no events
            gradient += event.T @ drive
        bias = np.sum([drive.sum(axis=0) for drive in drives], axis=0)
        return loss, first.gradients(gradient * first_factor, bias) + behind

    def _events(self, images: Bytes) -> list[Floats]:
        """Draw the events of the steps that have any, each (images, pixels)."""
        value = self._values[images]
        if self._settings.mode == "latency":
            return [(value == step + 1).astype(np.float32) for step in range(self._levels)]
        shape = (self._settings.steps, *value.shape)
        return list((self._rng.integers(0, 256, shape, np.uint8) < value).astype(np.float32))

    def _counts(self, images: Bytes) -> Floats:
        """Draw how many events each pixel has: without hidden neurons only that counts, not when they are."""
        value = self._values[images]
        if self._settings.mode == "latency":
            return (value > 0).astype(np.float32)
        out = np.zeros(value.shape, np.float32)
        lit = value > 0
        out[lit] = self._rng.binomial(self._settings.steps, value[lit] / 256)
        return out

    def _noisy(self, layer: Synapses) -> tuple[Floats, Floats | np.float32]:
        """Return the quantised weights with a spread of devices, drawn anew, and the factors of the spread."""
        weight = layer.quantise()
        if not self._settings.spread:
            return weight, np.float32(1)
        factor = 1 + np.float32(self._settings.spread) * self._rng.standard_normal(weight.shape, np.float32)
        return weight * factor, factor

    def _hidden(self, events: list[Floats], weight: Floats, bias: Floats) -> tuple[Floats, list[Slopes]]:
        """Run the hidden neurons: spikes of each; of each step the surrogate derivative, and who is not clamped."""
        keep, slope = np.float32(1 - self._settings.leak), np.float32(self._settings.slope)
        v = np.zeros((len(events[0]), len(bias)), np.float32)
        counts = np.zeros_like(v)
        slopes = []
        for step in range(self._settings.steps):
            u = keep * v + bias
            if step < len(events):
                u += events[step] @ weight
            inside = np.abs(u) <= REACH
            u = np.clip(u, -REACH, REACH)
            spike = (u > 1).astype(np.float32)
            counts += spike
            v = u - spike
            slopes.append((1 / np.square(1 + slope * np.abs(u - 1)), inside))
        return counts, slopes

    def _back(self, error: Floats, slopes: list[Slopes]) -> list[Floats]:
        """Go back through time: the gradient of what reaches the membrane in each step."""
        keep = np.float32(1 - self._settings.leak)
        later = np.zeros_like(error)
        drives = []
        for slope, inside in reversed(slopes):
            drives.append((later + (error - later) * slope) * inside)
            later = keep * drives[-1]
        return drives[::-1]


def softmax_loss(sums: Floats, labels: Bytes, smooth: float) -> tuple[float, Floats]:
    """Return the mean cross-entropy and its gradient."""
    sums = sums - sums.max(axis=1, keepdims=True)
    share = np.exp(sums)
    share /= share.sum(axis=1, keepdims=True)
    target = np.full_like(sums, smooth / sums.shape[1])
    target[np.arange(len(sums)), labels] += 1 - smooth
    loss = -float((target * np.log(share + np.float32(1e-12))).sum(axis=1).mean())
    return loss, (share - target) / np.float32(len(sums))
