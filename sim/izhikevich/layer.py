"""A layer of Izhikevich neurons, for a network of one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.errors import InputError
from memtwin.sim.izhikevich.shown import MOST_CURRENT, MOST_STEPS, Drive
from memtwin.sim.izhikevich.spec import IzhikevichSpec
from memtwin.sim.own.layer import Circuit, OwnLayer
from memtwin.sim.own.options import Array, CardName, Quantity, Whole, option
from memtwin.sim.own.train import Train

__all__ = ["IzhikevichCircuit", "Layer"]

_CARD = ("a", "b", "c", "d")


def _of_card(meaning: str, unit: str = "", *, least: float | None = None, most: float) -> Array:
    """A value of each neuron in the place of that of the card."""
    of = Quantity(unit=unit, optional=True, meaning="", least=least, most=most)
    return Array(of=of, shape=("neurons",), meaning=f"{meaning}; without it that of the card")


def _current(meaning: str, *shape: str) -> Array:
    return Array(of=Quantity(unit="", meaning="", least=-MOST_CURRENT, most=MOST_CURRENT), shape=shape, meaning=meaning)


@dataclass(frozen=True, kw_only=True, eq=False)
class IzhikevichCircuit(Circuit):
    """Options of a network of Izhikevich neurons; see `IzhikevichSpec`."""

    spike_ends: ClassVar[bool] = True

    example: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "layer": {"inputs": 5, "neurons": 3, "current": 5.0},
        "network": {},
        "input": {"train": "poisson", "rate": "100Hz", "duration": "200ms"},
    }

    device: Card = option(CardName(kind="Izhikevich neuron", meaning="parameters of the neurons"), "izhikevich-rs")
    dt: float = option(Quantity(unit="s", least=10e-6, most=1e-3, meaning="one step of forward Euler"), 0.5e-3)

    def spec(self, layers: "Sequence[Layer]") -> IzhikevichSpec:
        """Build the network."""
        if len(layers) > 1:
            raise InputError(f"network: expected one layer of Izhikevich neurons, not {len(layers)}")
        (layer,) = layers
        return IzhikevichSpec(devices=layer.devices(self.device), weight=layer.matrix(), step=self.dt)

    def step(self, spec: IzhikevichSpec) -> float:
        """One step, s."""
        return spec.step

    def shown(self, layers: "Sequence[Layer]", spec: IzhikevichSpec, train: Train) -> Drive:
        """Show the spikes under the constant current, in as many presentations as the gateware's counter asks for."""
        train.demand_single("there or not")
        train.demand_open("Izhikevich")
        train.demand_untaught("Izhikevich")
        starts = np.arange(0, train.steps, MOST_STEPS)
        shape = (len(train.spikes), len(starts), spec.neurons)
        return Drive(
            steps=tuple(np.diff(starts, append=train.steps).tolist()),
            inputs=train.spikes,
            current=np.broadcast_to(np.asarray(layers[0].current, dtype=float), shape),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer(OwnLayer):
    """A layer of Izhikevich neurons behind signed weights, which do not learn; see `IzhikevichSpec`."""

    kind: ClassVar[str] = "izhikevich"
    circuit: ClassVar[type[Circuit]] = IzhikevichCircuit

    inputs: int = option(Whole(meaning="rows of the crossbar", most=256))
    neurons: int = option(Whole(meaning="columns of the crossbar, a neuron each", most=1024))
    weights: float | NDArray[np.float64] = option(
        _current("current of a spike through each synapse, for one step, mV/ms", "neurons", "inputs"), 20.0
    )
    current: float | NDArray[np.float64] = option(_current("constant current, mV/ms", "neurons"), 0.0)
    a: float | NDArray[np.float64] | None = option(_of_card("rate of the recovery u, per ms", most=1.0), None)
    b: float | NDArray[np.float64] | None = option(
        _of_card("sensitivity of u to the membrane, per ms", least=-0.99, most=0.99), None
    )
    c: float | NDArray[np.float64] | None = option(
        _of_card("membrane after a spike", "V", least=-150e-3, most=100e-3), None
    )
    d: float | NDArray[np.float64] | None = option(
        _of_card("jump of u with a spike, mV/ms", least=-20.0, most=20.0), None
    )

    def matrix(self) -> NDArray[np.float64]:
        """Weights, (neurons, inputs)."""
        return np.broadcast_to(np.asarray(self.weights, dtype=float), (self.neurons, self.inputs))

    def devices(self, card: Card) -> tuple[Card, ...]:
        """Return the card of each neuron, with what is given for it in the place of the card's."""
        given = {name: values for name in _CARD if (values := getattr(self, name)) is not None}
        if not given:
            return (card,) * self.neurons
        each = {name: np.broadcast_to(values, self.neurons).tolist() for name, values in given.items()}
        return tuple(
            card.replace(**{name: values[neuron] for name, values in each.items()}) for neuron in range(self.neurons)
        )
