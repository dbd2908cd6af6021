"""Layers of LIF neurons for networks of one's own, in the terms of NIR. A step may bring several spikes of a row."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.lif.spec import HEADROOM, HEADROOMS, RESETS, ConductancePair, LifLayerSpec, LifSpec
from memtwin.sim.lif.trains import Trains
from memtwin.sim.own.layer import Circuit, OwnLayer
from memtwin.sim.own.options import Array, CardName, Choice, Quantity, Whole, option
from memtwin.sim.own.train import Train

__all__ = ["Layer", "LifCircuit"]

_NAMES = (
    "tau", "r", "v_leak", "v_threshold", "v_reset", "bias", "refractory", "reset", "headroom", "lanes"
)  # fmt: skip
_NUMBER = Quantity(unit="", signed=True, meaning="")


def _each(meaning: str, unit: str = "", **range_: bool) -> Array:
    """One quantity for all neurons, or one for each."""
    signed = not range_ and not unit
    return Array(of=Quantity(unit=unit, signed=signed, meaning="", **range_), shape=("neurons",), meaning=meaning)


@dataclass(frozen=True, kw_only=True, eq=False)
class LifCircuit(Circuit):
    """Options of a network of LIF neurons; see `LifSpec`."""

    spike_ends: ClassVar[bool] = True

    example: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "layer": {"inputs": 5, "neurons": 3, "weights": 8.0},
        "network": {},
        "input": {"train": "poisson", "rate": "100Hz", "duration": "200ms"},
    }

    dt: float = option(Quantity(unit="s", meaning="one step"), 1e-3)
    weight_bits: int = option(Whole(meaning="bits of a signed weight", least=2, most=16), 6)
    capacity: int = option(Whole(meaning="events that the gateware holds, and the most in a step", most=4096), 1024)
    device: Card | None = option(
        CardName(
            kind="volatile and non-volatile switch",
            optional=True,
            meaning="card whose spread the weights have, each a pair of its devices; without it none",
        ),
        None,
    )

    def spec(self, layers: "Sequence[Layer]") -> LifSpec:
        """Build the network."""
        return LifSpec(
            layers=tuple(layer.spec() for layer in layers),
            dt=self.dt,
            weight_bits=self.weight_bits,
            capacity=self.capacity,
            synapse=None if self.device is None else ConductancePair.of(self.device),
            encoder=False,
        )

    def step(self, spec: LifSpec) -> float:
        """One step, s."""
        return spec.dt

    def shown(self, layers: "Sequence[Layer]", spec: LifSpec, train: Train) -> Trains:
        """Show the spikes as they are; nothing learns, and there are no gates."""
        train.demand_open("LIF")
        train.demand_untaught("LIF")
        trains = Trains(spikes=train.spikes)
        trains.check(spec.layers[0].rows, spec.capacity)
        return trains


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer(OwnLayer):
    """A layer of LIF neurons behind signed weights, which do not learn; see `LifLayerSpec`."""

    kind: ClassVar[str] = "lif"
    circuit: ClassVar[type[Circuit]] = LifCircuit

    inputs: int = option(Whole(meaning="rows of the crossbar", most=1024))
    neurons: int = option(Whole(meaning="columns of the crossbar, a neuron each", most=1024))
    weights: float | NDArray[np.float64] = option(
        Array(of=_NUMBER, shape=("neurons", "inputs"), meaning="current of a spike through each synapse"), 1.0
    )
    tau: float | NDArray[np.float64] = option(_each("membrane time constant", "s", infinite=True), 20e-3)
    r: float | NDArray[np.float64] = option(_each("resistance"), 1.0)
    v_leak: float | NDArray[np.float64] = option(_each("membrane at rest"), 0.0)
    v_threshold: float | NDArray[np.float64] = option(_each("threshold: a neuron spikes above it"), 1.0)
    v_reset: float | NDArray[np.float64] = option(_each("membrane after a spike"), 0.0)
    bias: float | NDArray[np.float64] = option(_each("constant current"), 0.0)
    refractory: float = option(Quantity(unit="s", zero=True, meaning="time after a spike without input"), 0.0)
    reset: str = option(Choice(choices=RESETS, meaning="what a spike does to the membrane"), RESETS[0])
    headroom: int = option(
        Whole(meaning="thresholds until a membrane is clamped, a power of two", least=HEADROOMS[0], most=HEADROOMS[-1]),
        HEADROOM,
    )
    lanes: int = option(Whole(meaning="columns that the gateware adds up per clock; no influence on results"), 1)

    @classmethod
    def of(cls, layer: LifLayerSpec) -> "Layer":
        """Return the options of a layer that there is."""
        return cls(
            inputs=layer.rows,
            neurons=layer.neurons,
            weights=layer.weight,
            **{name: getattr(layer, name) for name in _NAMES},
        )

    def spec(self) -> LifLayerSpec:
        """Build the layer."""
        weight = np.broadcast_to(np.asarray(self.weights, dtype=float), (self.neurons, self.inputs))
        return LifLayerSpec(weight=weight, **{name: getattr(self, name) for name in _NAMES})
