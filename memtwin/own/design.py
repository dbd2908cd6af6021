"""A network of one's own as a design: what shipped designs can be taken to, it can be, too."""

import re
from functools import cached_property
from typing import Any

from memtwin.design import Design
from memtwin.own.network import Network, demand_network, job_of
from memtwin.sim.backends import Job
from memtwin.sim.errors import printable
from memtwin.sim.own.sources import Poisson
from memtwin.sim.run_warnings import warnings_of_jobs

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
        demand_network(network)
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
        return [*self.network.notes, *warnings_of_jobs([(self.network.name, self.bare_job)], "rtl")]

    @property
    def narrower(self) -> str:
        """One lane for the first layer that has several."""
        lanes = (layer.structure.get("lanes", 1) for layer in self.coefficients)
        return next((f"--set layer{number}.lanes=1" for number, each in enumerate(lanes, 1) if each > 1), "")

    @property
    def headline(self) -> str:
        """Say in a line what it is."""
        own = self.network
        sizes = " x ".join(str(number) for number in (own.inputs, *(layer.neurons for layer in own.layers)))
        return f"memtwin, network {own.name}: {own.kind} neurons, {sizes}"

    def told(self) -> list[str]:
        """Say the options of the network."""
        return [f"network {self.network.name}: {', '.join([*_options(self.network.circuit), f'seed {self.seed}'])}"]

    def told_layers(self) -> list[list[str]]:
        """Say of each layer its structure and its options."""
        structures = (first.partition(": ")[2] for (first,) in super().told_layers())
        own = zip(self.network.names, structures, self.network.layers, strict=True)
        return [[f"Layer {printable(name)}: {structure}", ", ".join(_options(layer))] for name, structure, layer in own]


def _plain(name: str) -> str:
    """Name of files and, with underscores, of the top module."""
    plain = re.sub(r"[^A-Za-z0-9]", "-", name)
    return plain if re.match("[A-Za-z]", plain) else f"network-{plain}"


def _options(options: Any) -> list[str]:
    """Say what options are."""
    return [f"{name} {text}" for name, text in options.told()]
