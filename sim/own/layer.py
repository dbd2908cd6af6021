"""What a kind of neuron says of networks of one's own: options of a layer, options of the network, what is shown.

A kind has them in ``sim/<kind>/layer.py``: `Layer`, and the `Circuit` that it names.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from memtwin.sim.own.options import Options
from memtwin.sim.own.train import Train

__all__ = ["Circuit", "OwnLayer"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Circuit(Options):
    """Options of a whole network, and how it is built.

    Attributes
    ----------
    spike : str
        Kind of the logged events that are output spikes.
    spike_ends : bool
        A spike is logged at the end of its step; else at its start or within.
    example : mapping
        What a file to start from has beside the defaults, in its tables ``layer``, ``network`` and ``input``.
    """

    spike: ClassVar[str] = "spike"
    spike_ends: ClassVar[bool] = False
    example: ClassVar[Mapping[str, Mapping[str, Any]]]

    def spec(self, layers: Sequence[Any]) -> Any:
        """Build the description of the network that backends run."""
        raise NotImplementedError

    def step(self, spec: Any) -> float:
        """Time of one step of the input, s."""
        raise NotImplementedError

    def shown(self, layers: Sequence[Any], spec: Any, train: Train) -> Any:
        """Build what backends show: spikes, and which layers learn."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True, eq=False)
class OwnLayer(Options):
    """Options of a layer; every kind has the number of its inputs and of its neurons."""

    kind: ClassVar[str]
    circuit: ClassVar[type[Circuit]]

    inputs: int
    neurons: int
