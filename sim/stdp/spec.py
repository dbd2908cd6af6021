"""What is simulated: leaky integrate-and-fire neurons, each with a row of STDP synapses (docs/stdp.md)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.errors import InputError
from memtwin.sim.stdp.shown import SpikeTrains

__all__ = ["LayerSample", "StdpSpec"]

_MOST_ROWS, _MOST_NEURONS = 256, 64


@dataclass(frozen=True, kw_only=True)
class LayerSample:
    """The devices in every trial: `conductance` (trials, neurons, rows), S, before learning."""

    conductance: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class StdpSpec:
    """A layer of neurons that see the same inputs, each through synapses of its own.

    Parameters
    ----------
    device : Card
        Neuron, synapse and learning window (kind "volatile and non-volatile switch").
    g_initial : float array (neurons, rows)
        Conductance before learning, S, between 1 / `r_off` and 1 / `r_on` of the device.
    kick : float
        By how much one spike through a synapse of conductance 1 / `r_on` lifts the membrane, V.
    rate_up, rate_down : float
        Amplitudes of potentiation and depression as fractions of those on the card.
    step : float
        Time between two possible spikes, s.
    c2c : bool
        Initial conductances have the spread `r_on_c2c` of the device; else none.
    group : int
        So many trials in a row have the same seed, and draws of their own from it: those that differ in what is shown.

    Raises
    ------
    InputError
        If a shape or a value is not possible.
    """

    kind: ClassVar[str] = "stdp"
    keeps_state: ClassVar[bool] = False  # from one presentation to the next, within reach (docs/link.md, section 5)

    device: Card
    g_initial: NDArray[np.float64]
    kick: float
    rate_up: float = 1.0
    rate_down: float = 1.0
    step: float = 1e-3
    c2c: bool = False
    group: int = 1

    def __post_init__(self) -> None:
        shape = np.shape(self.g_initial)
        if len(shape) != 2 or 0 in shape or shape[0] > _MOST_NEURONS or shape[1] > _MOST_ROWS:
            raise InputError(
                f"g_initial: expected 1 to {_MOST_NEURONS} neurons and 1 to {_MOST_ROWS} rows, not the shape {shape}"
            )
        if np.min(self.g_initial) < self.g_off or np.max(self.g_initial) > self.g_on:
            raise InputError(f"g_initial: expected conductances from {self.g_off:g} S to {self.g_on:g} S")
        for name, zero in (("kick", True), ("rate_up", True), ("rate_down", True), ("step", False)):
            value = getattr(self, name)
            if not (0 <= value < np.inf) or (value == 0 and not zero):
                raise InputError(f"{name}: expected {'zero or more' if zero else 'more than zero'}, not {value:g}")

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return self.g_initial.shape[0]

    @property
    def rows(self) -> int:
        """Number of inputs."""
        return self.g_initial.shape[1]

    @property
    def g_off(self) -> float:
        """Lower bound of the conductance, S."""
        return 1 / self.device["r_off"]

    @property
    def g_on(self) -> float:
        """Upper bound of the conductance, S."""
        return 1 / self.device["r_on"]

    def cards(self, words: Collection[str]) -> list[Card]:
        """Cards that the coefficients come from."""
        return [self.device]

    def first_trial(self) -> "StdpSpec":
        """Return the network of trial 0: the same in all."""
        return self

    def updates(self, shown: SpikeTrains) -> int:
        """Most updates of a neuron in one trial."""
        return shown.epochs * shown.steps

    def sample(self, *, trials: int, seed: int) -> list[LayerSample]:
        """Draw the initial conductances; trial, or group, `t` of seed `s` is trial, or group, 0 of seed `s + t`.

        The spread is Gaussian, cut at three standard deviations; conductances stay between their bounds.
        """
        conductance = np.repeat(np.asarray(self.g_initial, dtype=float)[None], trials, axis=0)
        for trial in range(trials if self.c2c else 0):
            rng = np.random.default_rng([seed + trial // self.group, trial % self.group])
            draw = rng.standard_normal(self.g_initial.shape).clip(-3, 3)
            conductance[trial] /= 1 + self.device["r_on_c2c"] * draw
        return [LayerSample(conductance=conductance.clip(self.g_off, self.g_on))]
