"""Layers of hybrid neurons for networks of one's own. A step of the input is a period of CLK: a row pulses or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import MOST_SUBSTEPS, TIES, LayerSpec, NetworkSpec
from memtwin.sim.own.layer import Circuit, OwnLayer
from memtwin.sim.own.options import Array, CardName, Choice, Flag, Quantity, Whole, option
from memtwin.sim.own.train import Train

__all__ = ["HybridCircuit", "Layer"]

_V_IN = 1.6  # V; zhang2021, text, for the digits
_LONGEST = 2**16 - 1  # periods of a presentation, which the gateware counts


@dataclass(frozen=True, kw_only=True, eq=False)
class HybridCircuit(Circuit):
    """Cards and options of a network of hybrid neurons; see `NetworkSpec`."""

    example: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "layer": {"inputs": 5, "neurons": 3, "inhibition": True, "learn": True},
        "network": {},
        "input": {"train": "poisson", "rate": "500Hz", "duration": "100ms"},
    }

    device: Card = option(CardName(kind="threshold switch", meaning="threshold switch of the neurons"), "ag-sio2")
    synapse: Card = option(CardName(kind="synapse", meaning="RS synapses"), "ta-hfo2")
    neuron: Card = option(CardName(kind="hybrid neuron", meaning="circuit of the neurons"), "hybrid-neuron")
    lia: Card = option(CardName(kind="inhibition array", meaning="lateral inhibition array"), "lia")
    substeps: int = option(Whole(meaning="device updates per half-period, a power of two", most=MOST_SUBSTEPS), 16)
    c2c: bool = option(Flag(meaning="the cycle-to-cycle spread of the cards applies"), False)
    d2d: bool = option(Flag(meaning="the device-to-device spreads of the cards apply"), False)

    def spec(self, layers: "Sequence[Layer]") -> NetworkSpec:
        """Build the network."""
        cards = {name: getattr(self, name) for name in ("device", "synapse", "neuron", "lia")}
        return NetworkSpec(
            layers=tuple(layer.spec(self, is_first=not number) for number, layer in enumerate(layers)),
            substeps=self.substeps,
            c2c=self.c2c,
            d2d=self.d2d,
            **cards,
        )

    def step(self, spec: NetworkSpec) -> float:
        """One period of CLK, s."""
        return 2 * spec.half_period

    def shown(self, layers: "Sequence[Layer]", spec: NetworkSpec, train: Train) -> Program:
        """Show equal periods as one presentation."""
        train.demand_single("a period of CLK")
        train.demand_untaught("hybrid")
        starts = train.runs(_LONGEST)
        learns = np.array([layer.learn for layer in layers])
        return Program.build(
            train.spikes[:, starts],
            gates=train.gates[starts],
            learn=train.learn[starts, None] & learns,
            periods=np.diff(starts, append=train.steps),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer(OwnLayer):
    """A layer of hybrid neurons behind a crossbar of RS synapses; see `LayerSpec`."""

    kind: ClassVar[str] = "hybrid"
    circuit: ClassVar[type[Circuit]] = HybridCircuit

    inputs: int = option(Whole(meaning="rows of the crossbar", most=1024))
    neurons: int = option(Whole(meaning="columns of the crossbar, a neuron each", most=1024))
    v_in: float | None = option(
        Quantity(
            unit="V",
            zero=True,
            most=3.9,
            optional=True,
            meaning="amplitude of the input pulses; without it 1.6 V, behind another layer v_spike of the card",
        ),
        None,
    )
    g_initial: float | NDArray[np.float64] | None = option(
        Array(
            of=Quantity(unit="S", optional=True, meaning=""),
            shape=("neurons", "inputs"),
            meaning="conductance of the synapses at the start; without it g_medium of their card",
        ),
        None,
    )
    learn: bool = option(Flag(meaning="the synapses learn"), False)
    inhibition: bool = option(Flag(meaning="lateral inhibition: a neuron that fires shuts out the others"), False)
    tie: str = option(Choice(choices=TIES, meaning="what neurons do that fire in one substep"), "inhibit")
    one_cycle: bool = option(
        Flag(meaning="the input pulse itself sets the synapses of an open gate; else the Hebbian rule"), False
    )
    refractory: bool = option(Flag(meaning="T1 is connected: after a fire there is a refractory period"), True)
    depression: bool = option(Flag(meaning="T3 is connected: synapses of silent inputs are depressed"), True)
    adaptive: bool = option(Flag(meaning="the threshold rises with every fire of the neuron"), False)
    scaled: bool = option(Flag(meaning="depression in proportion to the time actually driven"), False)
    resistors: bool = option(Flag(meaning="the synapses are fixed resistors, without the spread of devices"), False)
    skip: bool = option(Flag(meaning="quiet half-periods are taken in one pass, and sampled once"), False)
    lanes: int = option(
        Whole(meaning="columns that the gateware adds up per clock, a power of two; no influence on results"), 1
    )

    def spec(self, circuit: HybridCircuit, *, is_first: bool) -> LayerSpec:
        """Build the layer."""
        v_in = _V_IN if is_first else circuit.neuron["v_spike"]
        names = (
            "neurons", "inhibition", "tie", "one_cycle", "refractory", "depression", "adaptive", "scaled", "skip",
            "lanes", "resistors",
        )  # fmt: skip
        return LayerSpec(
            rows=self.inputs,
            v_in=v_in if self.v_in is None else self.v_in,
            g_initial=circuit.synapse["g_medium"] if self.g_initial is None else self.g_initial,
            **{name: getattr(self, name) for name in names},
        )
