"""Layers of op-amp neurons for networks of one's own. In a step of the input a row is driven, or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card, load_card
from memtwin.sim.errors import InputError
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import CIRCUITS, LayerSpec, OpampSpec
from memtwin.sim.own.layer import Circuit, OwnLayer
from memtwin.sim.own.options import Array, CardName, Choice, Flag, Quantity, Whole, option
from memtwin.sim.own.train import Train

__all__ = ["Layer", "OpampCircuit"]

_LONGEST = 2**16 - 1  # substeps of a presentation, which the gateware counts
_USUAL = {"dynamic": "rm-novelty", "switch": "", "resistor": "", "series": "rm-learning", "parallel": "rm-learning"}


@dataclass(frozen=True, kw_only=True, eq=False)
class OpampCircuit(Circuit):
    """Options of a network of op-amp neurons; see `OpampSpec`."""

    spike: ClassVar[str] = "on"

    example: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "layer": {"inputs": 3, "neurons": 2},
        "network": {},
        "input": {"train": "patterns", "patterns": [[1, 0, 0], [0, 1, 0]], "duration": "4ms", "rest": "2ms"},
    }

    synapse: Card = option(
        CardName(kind="non-volatile synapse", meaning="synapses: what learning and spread do"), "nv-synapse"
    )
    substep: float = option(Quantity(unit="s", meaning="one device update"), 10e-6)
    pulse: float = option(Quantity(unit="s", meaning="one step of the input, a whole number of substeps"), 1e-3)
    d2d: bool = option(Flag(meaning="the device-to-device spreads of the cards apply"), False)

    def spec(self, layers: "Sequence[Layer]") -> OpampSpec:
        """Build the network."""
        times = self.pulse / self.substep
        if not 1 <= round(times) <= _LONGEST or abs(times - round(times)) > 1e-6 * times:
            raise InputError(
                f"pulse: expected 1 to {_LONGEST} whole substeps of {self.substep:g}s, not {self.pulse:g}s"
            )
        return OpampSpec(
            layers=tuple(layer.spec() for layer in layers), synapse=self.synapse, substep=self.substep, d2d=self.d2d
        )

    def step(self, spec: OpampSpec) -> float:
        """One step of the input, s."""
        return round(self.pulse / self.substep) * self.substep

    def shown(self, layers: "Sequence[Layer]", spec: OpampSpec, train: Train) -> Stimulus:
        """Show equal steps as one presentation: driven, or not."""
        train.demand_single("driven or not")
        train.demand_untaught("op-amp")
        substeps = round(self.pulse / self.substep)
        starts = train.runs(_LONGEST // substeps)
        length = np.diff(starts, append=train.steps) * substeps
        pixels = train.spikes[:, starts]
        is_driven = pixels.any(axis=2)
        learns = np.array([layer.learn for layer in layers])
        return Stimulus.build(
            pixels,
            on=np.where(is_driven, length, 0),
            off=np.where(is_driven, 0, length),
            gates=train.gates[starts],
            learn=train.learn[starts, None] & learns,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer(OwnLayer):
    """A layer of op-amp neurons behind an array of non-volatile synapses; see `memtwin.sim.opamp.spec.LayerSpec`."""

    kind: ClassVar[str] = "opamp"
    circuit: ClassVar[type[Circuit]] = OpampCircuit

    inputs: int = option(Whole(meaning="rows of the array", most=1024))
    neurons: int = option(Whole(meaning="columns of the array, a neuron each", most=1024))
    devices: str = option(
        Choice(choices=tuple(CIRCUITS), meaning="circuit of the neurons, by the figure that shows it"), "6a"
    )
    g_initial: float | NDArray[np.float64] = option(
        Array(
            of=Quantity(unit="S", meaning=""),
            shape=("neurons", "inputs"),
            meaning="conductance of the synapses at the start",
        ),
        2e-6,
    )
    neuron: Card = option(CardName(kind="op-amp neuron", meaning="resistors and amplifier"), "opamp")
    switch: Card = option(CardName(kind="threshold-switching memristor", meaning="switch of the neurons"), "ts-500k")
    first: Card | None = option(
        CardName(
            kind="dynamic memristor",
            optional=True,
            meaning="dynamic memristor in the first place, if the circuit has one; without it rm-novelty",
        ),
        None,
    )
    second: Card | None = option(
        CardName(
            kind="dynamic memristor",
            optional=True,
            meaning="dynamic memristor in the second place, if the circuit has one; without it rm-learning",
        ),
        None,
    )
    learn: bool = option(Flag(meaning="the synapses learn"), False)
    lanes: int = option(
        Whole(meaning="columns that the gateware adds up per clock, a power of two; no influence on results"), 1
    )

    def spec(self) -> LayerSpec:
        """Build the layer."""
        usual = {
            place: load_card(name) if (name := _USUAL[device]) else None
            for place, device in zip(("first", "second"), CIRCUITS[self.devices], strict=True)
        }
        return LayerSpec(
            rows=self.inputs,
            neurons=self.neurons,
            circuit=self.devices,
            g_initial=np.broadcast_to(np.asarray(self.g_initial, dtype=float), (self.neurons, self.inputs)),
            neuron=self.neuron,
            switch=self.switch,
            first=self.first or usual["first"],
            second=self.second or usual["second"],
            learns=self.learn,
            lanes=self.lanes,
        )
