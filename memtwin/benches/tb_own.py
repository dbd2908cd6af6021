"""Bench of a network of one's own of any kind, inside the simulator."""

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from memtwin.benches.host import HostTester
from memtwin.own.design import OwnDesign
from memtwin.own.network import Network
from memtwin.sim.backends import Job
from memtwin.sim.own.options import Flag, Options, rules
from memtwin.sim.own.sources import Source
from memtwin.sim.own.train import Size, Train

STEPS = 60


class Drawn(Source):
    """Random spikes, which are learnt or not, with gates and taught neurons now and then.

    What the kind of the network cannot be shown is drawn again.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def train(self, size: Size) -> Train:
        """Make the train."""
        rng = self.rng
        # Sparse spikes are for networks that hold few events, several in a step for those that take them.
        spikes = rng.random((STEPS, size.inputs)) < rng.choice([0.003, 0.05, 0.3])
        spikes[rng.integers(STEPS), rng.integers(size.inputs)] = True
        gates, forced = (self._some((STEPS, size.outputs)) for _ in range(2))
        drawn = size.train(spikes * rng.choice([1, 1, 2]), learn=rng.integers(2), gates=1 - gates)
        return replace(drawn, forced=forced[None])

    def _some(self, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Ones here and there, or none at all."""
        return (self.rng.random(shape) < self.rng.choice([0.0, 0.1])).astype(np.uint8)


class OwnTester(HostTester):
    """Tester with other devices, options and spikes."""

    def varied(self) -> Job:
        """Draw a network that the same gateware serves, and spikes that its kind can be shown."""
        return self.drawn(self._draw)

    def _draw(self) -> Job:
        assert isinstance(self.design, OwnDesign)
        network = self.design.network
        layers = [replace(layer, **self._flags(layer)) for layer in network.layers]
        other = Network(layers, **{**vars(network.circuit), **self._flags(network.circuit)})
        return other.job(Drawn(self.rng), seed=int(self.rng.integers(2**31)))

    def _flags(self, options: Options) -> dict[str, bool]:
        return {name: bool(self.rng.integers(2)) for name, rule, _ in rules(type(options)) if isinstance(rule, Flag)}


@cocotb.test()
async def as_given(dut: Any) -> None:
    """The spikes that the network is shown, with the coefficients that the design holds."""
    test = OwnTester(dut)
    await test.start()
    await test.check(test.design.job)


@cocotb.test()
async def random_stimulus(dut: Any) -> None:
    """Other devices and options, and random spikes."""
    test = OwnTester(dut)
    await test.start()
    job = test.varied()
    await test.load(job)
    await test.check(job)
