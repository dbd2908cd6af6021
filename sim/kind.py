"""What a kind of neuron brings: everything above the folders of the kinds asks a `Kind`, and never which one it has.

docs/adding.md shows what a kind consists of.
"""

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError
from memtwin.sim.trace_format import TraceFormat

if TYPE_CHECKING:
    from memtwin.hdl.port.network_port import NetworkPort
    from memtwin.sim.backends import Job
    from memtwin.sim.coefficients import LayerCoefficients
    from memtwin.sim.engines.verilator import Output
    from memtwin.sim.recording import Recording
    from memtwin.sim.state import State

__all__ = ["Counts", "Gateware", "Kind", "Places", "Writes", "module_of"]

# Addresses and words that are written for one presentation; the last write starts it.
Writes = tuple[NDArray[np.int64], NDArray[np.int64]]
Places = Callable[[str], NDArray[np.int64]]
"""Addresses of the words of a register of the presentation, or of a window of the configuration, by name."""


def module_of(package: str, name: str) -> ModuleType | None:
    """Import a module of a package; None if the package has none of that name."""
    full = f"{package}.{name}"
    try:
        return importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name != full:
            raise
        return None


class Kind(ABC):
    """A kind of neuron, as far as it needs nothing but NumPy.

    Attributes
    ----------
    trace : TraceFormat
        Its trace words.
    tick : str
        What the length of a presentation is counted in; steps by default.
    counted : mapping of str to str
        Counts of a layer that are those of logged events, and the kind of event of each; none by default.
    in_nir : bool
        NIR has nodes for its neurons, so that recordings can be written as NIR data.
    together : collection of str
        Backends whose module can run several jobs at once: ``run_together(jobs, progress)``.
    """

    trace: ClassVar[TraceFormat]
    tick: ClassVar[str] = "steps"
    counted: ClassVar[Mapping[str, str]] = {}
    in_nir: ClassVar[bool] = False
    together: ClassVar[Collection[str]] = ()

    @property
    def package(self) -> str:
        """Name of the package that the kind lies in."""
        return type(self).__module__.rpartition(".")[0]

    @abstractmethod
    def quantize(self, spec: Any, sample: list[Any]) -> "list[LayerCoefficients]":
        """Quantise the devices of every layer.

        Raises
        ------
        InputError
            If a value does not fit its word.
        """

    @abstractmethod
    def errors(self, job: "Job", a: "Recording", b: "Recording") -> dict[str, Any]:
        """Measure how far two recordings are apart of which one is in continuous time: ``errors``, ``outside``."""

    def coarse_steps(self, spec: Any, sample: list[Any], shown: Any) -> list[str]:
        """Say where a step is too long, or too short, for what is shown, or tells whatever its length: a line each."""
        return []

    def check(self, job: "Job", backend: str) -> None:  # noqa: B027 - most kinds run on all backends alike
        """Refuse a job that a backend cannot run, without running it.

        Raises
        ------
        InputError
            If there is something that the backend does not have, or a program is missing.
        """

    def starts(self, job: "Job", recording: "Recording", trial: int) -> NDArray[np.float64]:
        """When each presentation of a trial starts, s; asked for only if there are `counted`."""
        raise NotImplementedError

    def smooth(self, spec: Any) -> Any:
        """Return the network as ngspice can solve it; by default it can as it is."""
        return spec

    def module(self, name: str) -> ModuleType | None:
        """Import a module of the kind, now that it is needed; None if the kind has none of that name.

        The backends in floating point and on integers are such: ``physics``, ``model``, ``ngspice``.
        """
        return module_of(self.package, name)

    def netlist(self, job: "Job") -> str:
        """Write the analog circuit of a job, with its stimulus, for ngspice.

        Raises
        ------
        InputError
            If the kind has no such circuit, or the job is too much for ngspice.
        """
        spice = self.module("spice")
        if spice is None:
            raise InputError(f"netlist: {job.spec.kind} neurons have no analog circuit to write as one")
        text: str = spice.netlist(job)
        return text

    def gateware(self) -> "Gateware":
        """Import the gateware of the kind, which needs Amaranth."""
        gateware: Gateware = importlib.import_module(f"{self.package}.gateware").GATEWARE
        return gateware


@dataclass
class Counts:
    """What a twin counted in one trial, instead of a trace.

    Attributes
    ----------
    fires, spikes : list (layers) of int64 array (presentations, neurons)
        Counts of each presentation.
    steps, answers : int64 array (presentations,)
        How long each took, in the network's steps, and its answer.
    clocks : int
        Fabric clocks.
    """

    fires: list[NDArray[np.int64]]
    spikes: list[NDArray[np.int64]]
    steps: NDArray[np.int64]
    answers: NDArray[np.int64]
    clocks: int


class Gateware(ABC):
    """The gateware of a kind, and how it is driven and read, on whatever it runs."""

    @abstractmethod
    def layer(self, structure: Mapping[str, Any]) -> Any:
        """Return what is fixed when the gateware of a layer is generated, from `LayerCoefficients.structure`."""

    def structure(self, spec: Any, coefficients: "Sequence[LayerCoefficients]") -> Hashable:
        """Return what is fixed when the gateware is generated; networks of equal structure share a bitstream."""
        return tuple(self.layer(layer.structure) for layer in coefficients)

    @abstractmethod
    def network(self, structure: Any, words: Mapping[str, Sequence[int]] | None = None) -> "NetworkPort":
        """Build the network, which holds the coefficients of `words` after reset."""

    def words(self, job: "Job", coefficients: "Sequence[LayerCoefficients]", trial: int) -> dict[str, list[int]]:
        """Return words, by name, that a trial needs beside the coefficients of its layers."""
        return {}

    @abstractmethod
    def kinds(self, job: "Job") -> Sequence[int]:
        """Return the kinds of trace words that a recording of the job is made of."""

    @abstractmethod
    def writes(
        self, job: "Job", coefficients: "Sequence[LayerCoefficients]", places: Places, trial: int
    ) -> list[Writes]:
        """Return the writes that show each presentation of a trial; the last of each, to ``go``, starts it."""

    @abstractmethod
    def recording(
        self,
        job: "Job",
        coefficients: "Sequence[LayerCoefficients]",
        outputs: "Sequence[Output]",
        state: "State",
        backend: str,
    ) -> "Recording":
        """Make a recording of what the gateware left: trace words of each trial, and the state at the end."""

    def counted(
        self, job: "Job", coefficients: "Sequence[LayerCoefficients]", counts: "Sequence[Counts]", state: "State"
    ) -> "Recording":
        """Make a recording of counts and the state alone; only of a kind that keeps a state."""
        raise NotImplementedError
