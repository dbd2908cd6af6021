"""A network of one's own as a design: what shipped designs can be taken to, it can be, too."""

import re
import textwrap
from functools import cached_property
from typing import TYPE_CHECKING, Any

from memtwin.design import HOST_USE, Design
from memtwin.own.network import Network, job_of
from memtwin.sim.backends import Job
from memtwin.sim.own.sources import Poisson
from memtwin.sim.run_warnings import warnings_of_jobs

if TYPE_CHECKING:
    from memtwin.hdl.core.config import MemoryMap

__all__ = ["OwnDesign"]

_DENSITY, _STEPS = 0.1, 100  # of what a bench shows where nothing is given: spikes in a step, steps


class OwnDesign(Design):
    """The gateware of a network of one's own.

    Parameters
    ----------
    network : Network
        Network.
    spikes
        What its bench shows first, see `memtwin.own.run.simulate`; without it the input of its file, or else Poisson
        spikes.
    seed : int
        Seed of the devices, and of Poisson spikes.
    allow_clipping : bool
        Clip coefficients that do not fit their words; else they are refused.
    """

    bench = "tb_own"

    def __init__(self, network: Network, spikes: Any = None, *, seed: int = 0, allow_clipping: bool = False) -> None:
        self.network, self.seed, self.allow_clipping = network, seed, allow_clipping
        self.name = _plain(network.name)
        self._spikes = spikes

    @cached_property
    def job(self) -> Job:
        """The network under its spikes."""
        spikes = self.network.input if self._spikes is None else self._spikes
        if spikes is None:
            spikes = Poisson(_DENSITY / self.network.step, _STEPS * self.network.step)
        return self.network.job(spikes, seed=self.seed, allow_clipping=self.allow_clipping)

    @cached_property
    def bare_job(self) -> Job:
        """The network; what it is shown has no influence on its gateware."""
        return job_of(self.network, seed=self.seed, allow_clipping=self.allow_clipping)

    @property
    def warnings(self) -> list[str]:
        """What a user should know, a line each."""
        return warnings_of_jobs([(self.network.name, self.bare_job)], "rtl")

    @property
    def narrower(self) -> str:
        """One lane for the first layer that has several."""
        lanes = (layer.structure.get("lanes", 1) for layer in self.coefficients)
        return next((f"--set layer{number}.lanes=1" for number, each in enumerate(lanes, 1) if each > 1), "")

    def head(self, memory_map: "MemoryMap") -> list[str]:
        """Describe it in lines of text: use, structure and options of each layer, options of the network."""
        from memtwin.header import WIDTH

        network = self.network
        sizes = " x ".join(str(number) for number in (network.inputs, *(layer.neurons for layer in network.layers)))
        lines = [f"memtwin, network {network.name}: {network.kind} neurons, {sizes}", ""]
        lines += textwrap.wrap(" ".join(HOST_USE.split()), WIDTH)
        for name, own, layer in zip(network.names, self.coefficients, network.layers, strict=True):
            structure = ", ".join(f"{key} {value}" for key, value in own.structure.items())
            lines += ["", f"Layer {name}: {structure}", *_options(layer, WIDTH)]
        return [*lines, "", "Coefficients after reset are those of", *_options(network.circuit, WIDTH)]


def _plain(name: str) -> str:
    """Name of files and, with underscores, of the top module."""
    plain = re.sub(r"[^A-Za-z0-9]", "-", name)
    return plain if re.match("[A-Za-z]", plain) else f"network-{plain}"


def _options(options: Any, width: int) -> list[str]:
    """Say what options are."""
    shown = ", ".join(f"{name} {text}" for name, text in options.told())
    return textwrap.wrap(shown, width, initial_indent="  ", subsequent_indent="    ")
