"""What is simulated: layers of leaky integrate-and-fire neurons with signed weights (yu-tio2, eq. 2 and Fig. 5)."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memtwin.sim.cards import Card
from memtwin.sim.errors import InputError
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.trains import Trains

__all__ = ["HEADROOM", "HEADROOMS", "RESETS", "ConductancePair", "LayerSample", "LifLayerSpec", "LifSpec"]

RESETS = ("value", "subtract", "value-delayed", "subtract-delayed")
HEADROOM = 8  # thresholds
HEADROOMS = tuple(2**power for power in range(1, 11))

_MOST_ROWS = 1024  # a row number has 10 bits
_MOST_HOLD = 255
_EVENTS, _MOST_EVENTS = 1024, 4096
_LEAST, _MOST = 1e-30, 1e30  # of quantities, in any unit; their products and quotients are then numbers
_PER_NEURON = ("tau", "r", "v_leak", "v_threshold", "v_reset", "bias")


@dataclass(frozen=True, kw_only=True, eq=False)
class LifLayerSpec:
    """One layer: synapses and the neurons behind them, in the terms of NIR.

    Between spikes ``tau dv/dt = v_leak - v + r I``, with `I` the sum of `bias` and the weights of the inputs that
    spike. In a step `dt` in which `I` is constant this is exactly ``v' = v_leak + (v - v_leak) a + r (1 - a) I`` with
    ``a = exp(-dt / tau)``. With an infinite `tau` it is NIR's IF, ``dv/dt = r I``, so ``v' = v + r I dt``.
    A neuron spikes in a step that ends with ``v > v_threshold``. Every image starts at `v_leak`.

    Parameters
    ----------
    weight : float array (neurons, rows)
        Input current of a spike.
    tau : float or array (neurons,)
        Membrane time constant, s; may be infinite.
    r, v_leak, v_threshold, v_reset, bias : float or array (neurons,)
        Resistance, rest, threshold, value after a spike, and constant input current.
    refractory : float
        Time after a spike in which the membrane holds, s; a whole number of steps, at most 255.
    reset : str
        ``"value"`` sets the membrane to `v_reset`; ``"subtract"`` lowers it by ``v_threshold - v_leak``;
        ``"value-delayed"`` and ``"subtract-delayed"`` do so one step later (docs/lif-arithmetic.md, section 2).
    headroom : int
        How many thresholds from rest the integer membrane can go before it is clamped, a power of two from 2 to 1024.
        With more, a threshold has fewer units.
    lanes : int
        Columns that the gateware adds up per clock; no influence on results.

    Raises
    ------
    InputError
        If a shape or a value is not possible.
    """

    weight: NDArray[np.float64]
    tau: NDArray[np.float64] | float
    r: NDArray[np.float64] | float = 1.0
    v_leak: NDArray[np.float64] | float = 0.0
    v_threshold: NDArray[np.float64] | float = 1.0
    v_reset: NDArray[np.float64] | float = 0.0
    bias: NDArray[np.float64] | float = 0.0
    refractory: float = 0.0
    reset: str = "value"
    headroom: int = HEADROOM
    lanes: int = 1

    def __post_init__(self) -> None:
        for name in ("weight", *_PER_NEURON):
            object.__setattr__(self, name, _numbers(name, getattr(self, name)))
        shape = self.weight.shape
        if len(shape) != 2 or 0 in shape:
            raise InputError(f"weight: expected a matrix of (neurons, rows), not the shape {shape}")
        if max(shape) > _MOST_ROWS:
            raise InputError(f"weight: expected at most {_MOST_ROWS} rows and neurons, not the shape {shape}")
        if not np.isfinite(self.weight).all():
            raise InputError("weight: expected finite numbers")
        for name in _PER_NEURON:
            values = getattr(self, name)
            if values.shape not in ((), (self.neurons,)):
                raise InputError(
                    f"{name}: expected one value, or {self.neurons} (neurons), not the shape {values.shape}"
                )
            if np.isnan(values).any() or (name != "tau" and np.isinf(values).any()):
                raise InputError(f"{name}: expected finite numbers")
            if name in ("tau", "r") and not (values > 0).all():
                raise InputError(f"{name}: expected more than 0, not {values.min():g}")
            if name in ("tau", "r") and values.min() < _LEAST:
                raise InputError(f"{name}: expected at least {_LEAST:g}, not {values.min():g}")
        for name in ("weight", *_PER_NEURON):
            largest = np.abs(values := getattr(self, name)).max(where=np.isfinite(values), initial=0.0)
            if largest > _MOST or (name == "weight" and 0 < largest < _LEAST):
                raise InputError(f"{name}: expected a largest of {_LEAST:g} to {_MOST:g}, not {largest:g}")
        if not (self.per_neuron("v_threshold") > self.per_neuron("v_leak")).all():
            raise InputError("v_threshold: expected more than v_leak; a neuron at rest must not spike")
        if (nearest := (self.per_neuron("v_threshold") - self.per_neuron("v_leak")).min()) < _LEAST:
            raise InputError(f"v_threshold: expected at least {_LEAST:g} more than v_leak, not {nearest:g}")
        if self.reset not in RESETS:
            raise InputError(f"reset: expected one of {', '.join(RESETS)}, not {self.reset!r}")
        if self.reset == "value-delayed" and (self.per_neuron("v_reset") > self.per_neuron("v_threshold")).any():
            raise InputError("v_reset: expected at most v_threshold, with the reset value-delayed")
        if not 0 <= self.refractory <= _MOST:
            raise InputError(f"refractory: expected zero or more, up to {_MOST:g}s, not {self.refractory:g}s")
        if self.headroom not in HEADROOMS:
            raise InputError(f"headroom: expected a power of two from 2 to 1024 (thresholds), not {self.headroom}")
        if not 1 <= self.lanes <= self.neurons:
            raise InputError(f"lanes: expected 1 to {self.neurons} (neurons), not {self.lanes}")

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.weight.shape[0]

    @property
    def rows(self) -> int:
        """Number of inputs."""
        return self.weight.shape[1]

    def per_neuron(self, name: str) -> NDArray[np.float64]:
        """Return a parameter as an array (neurons,)."""
        return np.broadcast_to(getattr(self, name), (self.neurons,))


def _numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return `values` as an array."""
    try:
        return np.array(values, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{name}: expected numbers, in an array of one shape") from None


@dataclass(frozen=True, kw_only=True)
class ConductancePair:
    """Two devices that are one signed weight: the difference of their conductances (yu-tio2, Fig. 2 (a)).

    One device of a pair is off, the other at the conductance that the weight asks for; the largest weight of a layer
    has it fully on. Every conductance is off by a factor ``1 + spread z``, `z` normal. The sources give the spread of
    the two ends; between them it is taken to be linear in the conductance.

    Parameters
    ----------
    g_on, g_off : float
        Range of a conductance, S.
    spread_on, spread_off : float
        Coefficients of variation of the conductance at the two ends.

    Raises
    ------
    InputError
        If a value is not possible.
    """

    g_on: float
    g_off: float
    spread_on: float
    spread_off: float

    def __post_init__(self) -> None:
        if not 0 <= self.g_off < self.g_on < math.inf:
            raise InputError(f"conductance pair: expected 0 <= g_off < g_on, not {self.g_off:g}S and {self.g_on:g}S")
        for name in ("spread_on", "spread_off"):
            if not 0 <= getattr(self, name) < math.inf:
                raise InputError(f"conductance pair, {name}: expected zero or more, not {getattr(self, name):g}")

    @classmethod
    def of(cls, card: Card) -> "ConductancePair":
        """Return a pair of devices of a card; a resistance and its conductance have the same spread."""
        return cls(
            g_on=1 / card["r_on"], g_off=1 / card["r_off"], spread_on=card["r_on_c2c"], spread_off=card["r_off_c2c"]
        )

    def draw(self, weight: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw the weights that pairs of devices have which were programmed to `weight`."""
        scale = float(np.abs(weight).max()) or 1.0
        span = self.g_on - self.g_off
        pair = [self._spread(self.g_off + span * np.maximum(side, 0) / scale, rng) for side in (weight, -weight)]
        return (pair[0] - pair[1]) * scale / span

    def _spread(self, g: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        part = (g - self.g_off) / (self.g_on - self.g_off)
        spread = self.spread_off + (self.spread_on - self.spread_off) * part
        return g * np.maximum(1 + spread * rng.standard_normal(g.shape), 0)


@dataclass(frozen=True, kw_only=True)
class LayerSample:
    """What chance decides in every trial.

    Attributes
    ----------
    seed : uint32 array (trials,)
        Where the generator of the layer's encoder starts. Only layer 1 has an encoder.
    weight : float array (trials, neurons, rows)
        Weights, with the spread of the devices if the network has one; before they are rounded to levels.
    """

    seed: NDArray[np.uint32]
    weight: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class LifSpec:
    """Layers in the order of the signal.

    Parameters
    ----------
    layers : tuple of LifLayerSpec
        Layer 1 first; the rows of a later layer are the neurons of the one before.
    dt : float
        One step, s.
    weight_bits : int
        Bits of a signed weight, 2 to 16. The sum over the inputs that spike in a step has 16 bits, for which 1024 rows
        of 6 bits are few enough; with more, the quantiser tells in how many neurons it can be clamped.
    capacity : int, optional
        Entries of the encoder, an even number: the most pixels of an image that are not zero. By default all rows of
        layer 1. Without an encoder the events that the gateware holds, 1 to 4096, which is also the most of them in a
        step; by default 1024.
    synapse : ConductancePair, optional
        Devices of the synapses; by default every weight is what it is programmed to.
    encoder : bool
        Images are shown (`Images`), and answered; else spikes are (`memtwin.sim.lif.trains.Trains`).
    sources : tuple of Card
        Cards that parameters of neurons or synapses were taken from.

    Raises
    ------
    InputError
        If the layers do not fit together, or a value is out of range.
    """

    kind: ClassVar[str] = "lif"

    layers: tuple[LifLayerSpec, ...]
    dt: float
    weight_bits: int = 6
    capacity: int = 0
    synapse: ConductancePair | None = None
    encoder: bool = True
    sources: tuple[Card, ...] = ()

    def __post_init__(self) -> None:
        if not self.layers:
            raise InputError("layers: expected at least one")
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            if after.rows != before.neurons:
                raise InputError(
                    f"a layer of {before.neurons} neurons must be followed by one of as many rows, not {after.rows}"
                )
        if not self.dt > 0:
            raise InputError(f"dt: expected more than 0, not {self.dt:g}s")
        if not _LEAST <= self.dt <= _MOST:
            raise InputError(f"dt: expected {_LEAST:g}s to {_MOST:g}s, not {self.dt:g}s")
        if not 2 <= self.weight_bits <= 16:
            raise InputError(f"weight_bits: expected 2 to 16, not {self.weight_bits}")
        for number, layer in enumerate(self.layers, 1):
            if round(layer.refractory / self.dt) > _MOST_HOLD:
                raise InputError(
                    f"layer {number}, refractory: expected at most {_MOST_HOLD} steps ({_MOST_HOLD * self.dt:g}s), "
                    f"not {layer.refractory:g}s; use a longer dt"
                )
        if not self.encoder:
            object.__setattr__(self, "capacity", self.capacity or _EVENTS)
            if not 1 <= self.capacity <= _MOST_EVENTS:
                raise InputError(f"capacity: expected 1 to {_MOST_EVENTS} events, not {self.capacity}")
            return
        if self.capacity == 0:
            object.__setattr__(self, "capacity", self.layers[0].rows + self.layers[0].rows % 2)
        if self.capacity < 2 or self.capacity % 2 or self.capacity > _MOST_ROWS:
            raise InputError(f"capacity: expected an even number from 2 to {_MOST_ROWS}, not {self.capacity}")

    @property
    def keeps_state(self) -> bool:
        """The generator of the encoder goes on from one image to the next, within reach (docs/link.md, section 5)."""
        return self.encoder

    @property
    def step(self) -> float:
        """Time of one update of a neuron, s."""
        return self.dt

    def cards(self, words: Collection[str]) -> list[Card]:
        """Cards that the parameters of neurons and synapses come from."""
        return [*self.sources]

    def first_trial(self) -> "LifSpec":
        """Return the network of trial 0: the same in all."""
        return self

    def updates(self, shown: Images | Trains) -> int:
        """Most updates of a neuron in one trial."""
        return int(shown.steps.sum(axis=1).max())

    def sample(self, *, trials: int, seed: int) -> list[LayerSample]:
        """Draw seeds and devices of every trial; trial `t` of seed `s` is trial 0 of seed `s + t`."""
        out = []
        for number, layer in enumerate(self.layers):
            rngs = [np.random.default_rng([seed + trial, number]) for trial in range(trials)]
            seeds = np.array([rng.integers(1, 2**32, dtype=np.uint64) for rng in rngs], dtype=np.uint32)
            if self.synapse is None:
                weight = np.broadcast_to(layer.weight, (trials, *layer.weight.shape))
            else:
                weight = np.stack([self.synapse.draw(layer.weight, rng) for rng in rngs])
            out.append(LayerSample(seed=seeds, weight=weight))
        return out
