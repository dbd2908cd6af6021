"""A layer of neurons with STDP synapses, for a network of one's own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.errors import InputError
from memtwin.sim.own.layer import Circuit, OwnLayer
from memtwin.sim.own.options import Array, CardName, Flag, Quantity, Whole, option
from memtwin.sim.own.train import Train
from memtwin.sim.stdp.shown import SpikeTrains
from memtwin.sim.stdp.spec import StdpSpec

__all__ = ["Layer", "StdpCircuit"]


@dataclass(frozen=True, kw_only=True, eq=False)
class StdpCircuit(Circuit):
    """Options of a network of STDP synapses; see `StdpSpec`."""

    example: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "layer": {"inputs": 5, "neurons": 3},
        "network": {"kick": "1V"},
        "input": {"train": "poisson", "rate": "30Hz", "duration": "300ms"},
    }

    device: Card = option(
        CardName(kind="volatile and non-volatile switch", meaning="neuron, synapse and learning window"), "ag-tio2"
    )
    kick: float = option(
        Quantity(unit="V", zero=True, meaning="rise of the membrane by a spike through a synapse of 1 / r_on"), 0.25
    )
    rate_up: float = option(Quantity(unit="", zero=True, meaning="potentiation as a fraction of the card's"), 1.0)
    rate_down: float = option(Quantity(unit="", zero=True, meaning="depression as a fraction of the card's"), 1.0)
    dt: float = option(Quantity(unit="s", meaning="one step"), 1e-3)
    c2c: bool = option(Flag(meaning="initial conductances have the spread of the card"), False)

    def spec(self, layers: "Sequence[Layer]") -> StdpSpec:
        """Build the network."""
        if len(layers) > 1:
            raise InputError(f"network: expected one layer of STDP synapses, not {len(layers)}")
        (layer,) = layers
        initial = self.device["g_initial"] if layer.g_initial is None else layer.g_initial
        return StdpSpec(
            device=self.device,
            g_initial=np.broadcast_to(np.asarray(initial, dtype=float), (layer.neurons, layer.inputs)),
            kick=self.kick,
            rate_up=self.rate_up,
            rate_down=self.rate_down,
            step=self.dt,
            c2c=self.c2c,
        )

    def step(self, spec: StdpSpec) -> float:
        """One step, s."""
        return spec.step

    def shown(self, layers: "Sequence[Layer]", spec: StdpSpec, train: Train) -> SpikeTrains:
        """Show all steps in one epoch, in which the synapses learn or not."""
        train.demand_single("there or not")
        train.demand_open("STDP")
        if train.learn.any() != train.learn.all():
            raise InputError("learn: expected the same for a whole run of STDP synapses")
        learns = layers[0].learn and bool(train.learn[0])
        trials = len(train.spikes)
        return SpikeTrains(
            inputs=train.spikes[:, None],
            forced=train.forced[:, None],
            learn=np.full((trials, 1), learns, dtype=np.uint8),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer(OwnLayer):
    """A layer of LIF neurons, each with a row of STDP synapses; see `StdpSpec`."""

    kind: ClassVar[str] = "stdp"
    circuit: ClassVar[type[Circuit]] = StdpCircuit

    inputs: int = option(Whole(meaning="rows of the crossbar", most=256))
    neurons: int = option(Whole(meaning="columns of the crossbar, a neuron each", most=64))
    g_initial: float | NDArray[np.float64] | None = option(
        Array(
            of=Quantity(unit="S", optional=True, meaning=""),
            shape=("neurons", "inputs"),
            meaning="conductance of the synapses at the start; without it that of the card",
        ),
        None,
    )
    learn: bool = option(Flag(meaning="the synapses learn"), True)
