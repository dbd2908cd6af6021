"""What is simulated: layers of op-amp neurons joined by arrays of non-volatile synapses (us12387090, Fig. 4 to 8)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.errors import InputError
from memtwin.sim.hybrid.spec import check_lanes
from memtwin.sim.opamp.shown import Stimulus

__all__ = ["CIRCUITS", "LayerSample", "LayerSpec", "OpampSpec"]

# First and second resistive device of each figure.
CIRCUITS = {
    "5a": ("dynamic", "switch"),
    "6a": ("resistor", "series"),
    "7a": ("resistor", "parallel"),
    "7b": ("dynamic", "parallel"),
    "7b-series": ("dynamic", "series"),
}


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """One layer: an array of synapses and the op-amp neurons behind it (us12387090, Fig. 8).

    Parameters
    ----------
    rows, neurons : int
        Inputs and neurons.
    circuit : str
        One of `CIRCUITS`.
    g_initial : float array (neurons, rows)
        Initial conductance, S, before device-to-device spread.
    neuron, switch : Card
        Circuit and threshold-switching memristor.
    first, second : Card or None
        Dynamic memristor in the first and in the second place, where the circuit has one.
    learns : bool
        The synapses can change.
    lanes : int
        Columns of the array that the gateware adds up per clock, a power of two of at most `neurons`; no influence on
        results.
    """

    rows: int
    neurons: int
    circuit: str
    g_initial: NDArray[np.float64]
    neuron: Card
    switch: Card
    first: Card | None = None
    second: Card | None = None
    learns: bool = False
    lanes: int = 1

    def __post_init__(self) -> None:
        if self.circuit not in CIRCUITS:
            raise InputError(f"circuit: expected one of {', '.join(CIRCUITS)}, not {self.circuit!r}")
        kind, place = CIRCUITS[self.circuit]
        for name, needed in (("first", kind == "dynamic"), ("second", place != "switch")):
            if needed != (getattr(self, name) is not None):
                expected = "a dynamic memristor" if needed else "none"
                raise InputError(f"circuit {self.circuit}, {name} place: expected {expected}")
        check_lanes(self.lanes, self.neurons)

    @property
    def memristors(self) -> dict[str, Card]:
        """Dynamic memristors by place, ``"first"`` before ``"second"``."""
        places = {"first": self.first, "second": self.second}
        return {place: card for place, card in places.items() if card is not None}


@dataclass(frozen=True, kw_only=True)
class LayerSample:
    """The devices of one layer in every trial.

    `r_first`, `r_second` and `v_th` are (trials, neurons), nominal 1: factors on the resistance at rest and on the
    threshold voltage. `conductance` is (trials, neurons, rows) in S.
    """

    r_first: NDArray[np.float64]
    r_second: NDArray[np.float64]
    v_th: NDArray[np.float64]
    conductance: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class OpampSpec:
    """Layers in the order of the signal.

    Parameters
    ----------
    layers : tuple of LayerSpec
        Layer 1 first; the rows of a later layer are the neurons of the one before.
    synapse : Card
        Non-volatile synapse of the layers that learn.
    substep : float
        One device update, s.
    d2d : bool
        Whether the device-to-device spreads of the cards apply; else they are zero.
    smooth : bool
        Switch by the smooth law of ngspice instead of sharp thresholds; only the physics can.
    """

    kind: ClassVar[str] = "opamp"
    keeps_state: ClassVar[bool] = False  # from one presentation to the next, within reach (docs/link.md, section 5)

    layers: tuple[LayerSpec, ...]
    synapse: Card
    substep: float = 10e-6
    d2d: bool = False
    smooth: bool = False

    def __post_init__(self) -> None:
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            if after.rows != before.neurons:
                raise InputError(
                    f"a layer of {before.neurons} neurons must be followed by one of as many rows, not {after.rows}"
                )

    @property
    def step(self) -> float:
        """Time of one update of a neuron, s."""
        return self.substep

    def cards(self, words: Collection[str]) -> list[Card]:
        """Cards that coefficients of these names come from, each once."""
        found = [card for layer in self.layers for card in (layer.neuron, layer.switch, *layer.memristors.values())]
        # Without learning and spread the synapses are those of the experiment.
        if self.d2d or "step_up" in words:
            found.append(self.synapse)
        return [card for position, card in enumerate(found) if card not in found[:position]]

    def first_trial(self) -> "OpampSpec":
        """Return the network of trial 0: the same in all."""
        return self

    def updates(self, shown: Stimulus) -> int:
        """Most updates of a neuron in one trial."""
        return int((shown.on + shown.off).sum(axis=1).max())

    def sample(self, *, trials: int, seed: int) -> list[LayerSample]:
        """Draw the devices of every layer for every trial.

        Trial `t` of seed `s` is trial 0 of seed `s + t`. Spreads are Gaussian, cut at three standard deviations; a
        conductance stays between `g_off` and `g_on` in a layer that learns.
        """
        out = []
        for number, layer in enumerate(self.layers):
            ones = np.ones((trials, layer.neurons))
            factors = {"r_first": ones.copy(), "r_second": ones.copy(), "v_th": ones.copy()}
            conductance = np.repeat(np.asarray(layer.g_initial, dtype=float)[None], trials, axis=0)
            cards = {"r_first": layer.first, "r_second": layer.second, "v_th": layer.switch}
            for trial in range(trials if self.d2d else 0):
                rng = np.random.default_rng([seed + trial, number])
                for name, card in cards.items():
                    draw = np.clip(rng.standard_normal(layer.neurons), -3, 3)
                    if card is not None:
                        factors[name][trial] += card["v_th_d2d" if name == "v_th" else "r_d2d"] * draw
                conductance[trial] *= 1 + self.synapse["g_d2d"] * np.clip(
                    rng.standard_normal((layer.neurons, layer.rows)), -3, 3
                )
            if layer.learns:
                conductance = conductance.clip(self.synapse["g_off"], self.synapse["g_on"])
            out.append(LayerSample(**factors, conductance=conductance))
        return out
