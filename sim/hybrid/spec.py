"""What is simulated: layers of hybrid neurons, their cards and options, and one sample of device spread per trial."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card, load_card
from memtwin.sim.errors import InputError
from memtwin.sim.hybrid.shown import Program

__all__ = ["MOST_SUBSTEPS", "TIES", "LayerSample", "LayerSpec", "NetworkSpec", "check_lanes", "draw_sample"]

MOST_SUBSTEPS = 1024
TIES = ("inhibit", "lowest", "random")


def check_lanes(lanes: int, neurons: int) -> None:
    """Check the lanes of a layer whose crossbar shares its memory between columns.

    Raises
    ------
    InputError
        If they are not a power of two from 1 to `neurons`.
    """
    if not 1 <= lanes <= neurons or lanes & (lanes - 1):
        raise InputError(f"lanes: expected a power of two from 1 to {neurons} (neurons), not {lanes}")


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """One layer: a crossbar of synapses and its neurons (zhang2021, Fig. 5c). Users make `mt.hybrid.Layer` instead.

    Parameters
    ----------
    rows, neurons : int
        Inputs and neurons.
    v_in : float or sequence of float
        Amplitude of the input pulses, V; one value, or one per trial.
    g_initial : float or array (neurons, rows)
        Initial conductance, S, before device-to-device spread.
    inhibition : bool
        The layer has a lateral inhibition array.
    tie : str
        What the array does when several neurons fire in one substep: one of `TIES`.
    one_cycle : bool
        The input pulse itself sets the synapses of an open gate (layer 2); else the Hebbian rule.
    refractory, depression : bool
        T1, T3 are connected.
    adaptive, scaled : bool
        Options of the neuron: adaptive threshold; depression in proportion to the time actually driven.
    skip : bool
        Quiet half-periods may be taken in one pass; off where a device is monitored.
    lanes : int
        Columns of the crossbar that the gateware adds up per clock, a power of two of at most `neurons`; no influence
        on results.
    resistors : bool
        The synapses are fixed resistors, without the spread of devices.
    """

    rows: int
    neurons: int
    v_in: float | Sequence[float]
    g_initial: float | NDArray[np.float64]
    inhibition: bool = False
    tie: str = "inhibit"
    one_cycle: bool = False
    refractory: bool = True
    depression: bool = True
    adaptive: bool = False
    scaled: bool = False
    skip: bool = True
    lanes: int = 1
    resistors: bool = False

    def __post_init__(self) -> None:
        if self.tie not in TIES:
            raise InputError(f"option tie: expected one of {', '.join(TIES)}, not {self.tie!r}")
        check_lanes(self.lanes, self.neurons)


@dataclass(frozen=True, kw_only=True)
class NetworkSpec:
    """Layers in the order of the signal, and the cards that they share. Users make `mt.Network` instead.

    Parameters
    ----------
    layers : sequence of LayerSpec
        Layer 1 first; the rows of a later layer are the neurons of the one before.
    device, synapse, neuron, lia : Card
        Threshold switch, RS synapse, neuron circuit, inhibition array.
    substeps : int
        Device updates per half-period, a power of two (docs/design.md, "Time").
    c2c, d2d : bool
        Whether the cycle-to-cycle and the device-to-device spreads of the cards apply; else they are zero.
    group : int
        So many trials in a row are on the same devices, with the same seed: those that differ in `v_in` alone.
    """

    kind: ClassVar[str] = "hybrid"
    keeps_state: ClassVar[bool] = True  # from one presentation to the next, within reach (docs/link.md, section 5)

    layers: tuple[LayerSpec, ...]
    device: Card = field(default_factory=lambda: load_card("ag-sio2"))
    synapse: Card = field(default_factory=lambda: load_card("ta-hfo2"))
    neuron: Card = field(default_factory=lambda: load_card("hybrid-neuron"))
    lia: Card = field(default_factory=lambda: load_card("lia"))
    substeps: int = 16
    c2c: bool = False
    d2d: bool = False
    group: int = 1

    def __post_init__(self) -> None:
        if self.substeps < 1 or self.substeps & (self.substeps - 1) or self.substeps > MOST_SUBSTEPS:
            raise InputError(f"option substeps: expected a power of two from 1 to {MOST_SUBSTEPS}, not {self.substeps}")
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            if after.rows != before.neurons:
                raise InputError(
                    f"a layer of {before.neurons} neurons must be followed by one of as many rows, not {after.rows}"
                )

    @property
    def half_period(self) -> float:
        """Half a period of CLK, s."""
        return 0.5 / self.neuron["clock"]

    @property
    def substep(self) -> float:
        """One device update, s."""
        return self.half_period / self.substeps

    @property
    def step(self) -> float:
        """Time of one update of a neuron, s."""
        return self.substep

    def cards(self, words: Collection[str]) -> list[Card]:
        """Cards that coefficients of these names come from, each once."""
        cards = [self.device, self.synapse, self.neuron] if "leak" in words else []
        return [*cards, *([self.lia] if "inhibition" in words else [])]

    def first_trial(self) -> "NetworkSpec":
        """Return the network of trial 0, which has one amplitude."""
        layers = (replace(layer, v_in=float(np.ravel(layer.v_in)[0])) for layer in self.layers)
        return replace(self, layers=tuple(layers))

    def updates(self, shown: Program) -> int:
        """Most updates of a neuron in one trial."""
        return int((shown.periods + shown.rest).sum(axis=1).max()) * 2 * self.substeps

    def sample(self, *, trials: int, seed: int) -> "list[LayerSample]":
        """Draw the devices of every layer; see `draw_sample`."""
        return draw_sample(self, trials=trials, seed=seed)


@dataclass(frozen=True, kw_only=True)
class LayerSample:
    """The devices of one layer in every trial: what fabrication, not the design, decides.

    `theta` and `gain` are (trials, neurons), nominal 1; `conductance` is (trials, neurons, rows) in S; `v_in` is
    (trials,) in V; `theta_sd` is the cycle-to-cycle standard deviation of the threshold; `seed` is (trials,), the
    start of the layer's random generator.
    """

    theta: NDArray[np.float64]
    gain: NDArray[np.float64]
    conductance: NDArray[np.float64]
    v_in: NDArray[np.float64]
    theta_sd: float
    seed: NDArray[np.uint32]


def draw_sample(spec: NetworkSpec, *, trials: int, seed: int) -> list[LayerSample]:
    """Draw the devices of every layer for every trial.

    Trial `t` of seed `s` is trial 0 of seed `s + t`, so that any trial can be run again alone; where trials come in
    groups, group `t` is. Spreads are Gaussian, cut at three standard deviations.
    """
    out = []
    for number, layer in enumerate(spec.layers):
        theta, gain = np.ones((trials, layer.neurons)), np.ones((trials, layer.neurons))
        nominal = np.broadcast_to(np.asarray(layer.g_initial, dtype=float), (layer.neurons, layer.rows))
        conductance = np.repeat(nominal[None], trials, axis=0)
        seeds = np.zeros(trials, dtype=np.uint32)
        for trial in range(trials):
            rng = np.random.default_rng([seed + trial // spec.group, number])
            seeds[trial] = rng.integers(1, 2**32, dtype=np.uint64)
            if spec.d2d:

                def spread(fraction: float, shape: tuple[int, ...], rng: np.random.Generator = rng) -> NDArray:
                    return 1 + fraction * np.clip(rng.standard_normal(shape), -3, 3)

                theta[trial] = spread(spec.device["theta_d2d"], theta.shape[1:])
                gain[trial] = spread(spec.device["gain_d2d"], gain.shape[1:])
                if not layer.resistors:
                    conductance[trial] *= spread(spec.synapse["g_d2d"], nominal.shape)
        v_in = np.broadcast_to(np.asarray(layer.v_in, dtype=float), (trials,)).copy()
        theta_sd = spec.device["theta_c2c"] if spec.c2c else 0.0
        out.append(
            LayerSample(theta=theta, gain=gain, conductance=conductance, v_in=v_in, theta_sd=theta_sd, seed=seeds)
        )
    return out
