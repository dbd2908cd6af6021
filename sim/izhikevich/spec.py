"""What is simulated: a layer of Izhikevich neurons with signed weights (docs/izhikevich.md)."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.errors import InputError
from memtwin.sim.izhikevich.shown import MOST_CURRENT, Drive
from memtwin.sim.units import format_si

__all__ = ["MILLI", "IzhikevichSpec", "LayerSample"]

MILLI = 1e-3
"""V in a mV, s in a ms: the source computes in mV and ms."""

_MOST_ROWS, _MOST_NEURONS = 256, 1024
_LEAST_STEP, _MOST_STEP = 10e-6, 1e-3


@dataclass(frozen=True, kw_only=True)
class LayerSample:
    """What chance decides in every trial: nothing. `trials` is their number."""

    trials: int


@dataclass(frozen=True, kw_only=True, eq=False)
class IzhikevichSpec:
    """A layer of neurons that see the same inputs, each through weights of its own.

    Parameters
    ----------
    devices : tuple of Card
        Parameters of each neuron (kind "Izhikevich neuron").
    weight : float array (neurons, rows)
        Current that a spike adds for one step, mV/ms.
    step : float
        Time of a step of forward Euler in the integers, and between two possible input spikes, s.

    Raises
    ------
    InputError
        If a shape or a value is not possible.
    """

    kind: ClassVar[str] = "izhikevich"
    keeps_state: ClassVar[bool] = False  # from one presentation to the next, within reach (docs/link.md, section 5)

    devices: tuple[Card, ...]
    weight: NDArray[np.float64]
    step: float = 0.5e-3

    def __post_init__(self) -> None:
        shape = np.shape(self.weight)
        if len(shape) != 2 or 0 in shape or shape[0] > _MOST_NEURONS or shape[1] > _MOST_ROWS:
            raise InputError(
                f"weight: expected 1 to {_MOST_NEURONS} neurons and 1 to {_MOST_ROWS} rows, not the shape {shape}"
            )
        if len(self.devices) != shape[0]:
            raise InputError(f"devices: expected one of each of {shape[0]} neurons, not {len(self.devices)}")
        if not (np.abs(self.weight) <= MOST_CURRENT).all():
            raise InputError(f"weight: expected -{MOST_CURRENT:g} to {MOST_CURRENT:g} (mV/ms)")
        if not _LEAST_STEP <= self.step <= _MOST_STEP:
            least, most = (format_si(bound, "s") for bound in (_LEAST_STEP, _MOST_STEP))
            raise InputError(f"step: expected {least} to {most}, not {self.step:g}s")

    @property
    def neurons(self) -> int:
        """Number of neurons."""
        return len(self.devices)

    @property
    def rows(self) -> int:
        """Number of inputs."""
        return self.weight.shape[1]

    def per_neuron(self, name: str) -> NDArray[np.float64]:
        """Return a field of the cards, (neurons,), in the numbers of the source: voltages in mV, others as they are."""
        unit = MILLI if self.devices[0].fields[name].unit == "V" else 1.0
        return np.array([device[name] for device in self.devices]) / unit

    def cards(self, words: Collection[str]) -> list[Card]:
        """Cards that the coefficients come from."""
        return [card for position, card in enumerate(self.devices) if card not in self.devices[:position]]

    def first_trial(self) -> "IzhikevichSpec":
        """Return the network of trial 0: the same in all."""
        return self

    def updates(self, shown: Drive) -> int:
        """Most updates of a neuron in one trial."""
        return sum(shown.steps)

    def sample(self, *, trials: int, seed: int) -> list[LayerSample]:
        """Neurons are the same in all trials: there is nothing to draw."""
        return [LayerSample(trials=trials)]
