"""Driver and tester that the benches of networks behind a `HostPort` share."""

from collections.abc import Callable
from typing import Any

import numpy as np
from cocotb.triggers import FallingEdge
from numpy.typing import NDArray

from memtwin.benches.common import TraceMonitor, assert_equal, design, random, reset, words_of_model
from memtwin.hdl.port.host import HostPort
from memtwin.sim.backends import Job
from memtwin.sim.engines import gateware
from memtwin.sim.errors import InputError
from memtwin.sim.kinds import kind_of

__all__ = ["HostDriver", "HostTester"]

HANG = 200_000  # clocks; far more than a presentation takes
DRAWS = 100


class HostDriver:
    """Writes through the host port, when it is ready."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut

    async def wait(self) -> None:
        """Wait until the network is idle."""
        for _ in range(HANG):
            if self.dut.idle.value == 1:
                return
            await FallingEdge(self.dut.clk)
        raise AssertionError("the design hangs")

    async def write(self, address: int, data: int) -> None:
        """Write one word."""
        dut = self.dut
        assert dut.ready.value == 1
        dut.address.value, dut.data.value, dut.enable.value = address, data, 1
        await FallingEdge(dut.clk)
        dut.enable.value = 0


class HostTester:
    """Compares every trace word of every layer with the integer model.

    Parameters
    ----------
    dut : handle of the top
        Design behind a `HostPort`.
    """

    def __init__(self, dut: Any) -> None:
        self.dut, self.design, self.rng = dut, design(), random()
        self.kind = kind_of(self.design.spec)
        host, self.memory_map = self.design.build()
        assert isinstance(host, HostPort)
        self.host = host
        self.driver = HostDriver(dut)

    def drawn(self, draw: Callable[[], Job], tells: Callable[[Job], bool] = lambda job: True) -> Job:
        """Draw jobs until one is for the gateware of the design, and tells something of it."""
        own = [layer.structure for layer in self.design.coefficients]
        for _ in range(DRAWS):
            try:
                job = draw()
                structures = [layer.structure for layer in job.coefficients()]
            except InputError:  # a value does not fit its word
                continue
            if structures == own and tells(job):
                return job
        raise AssertionError(f"none of {DRAWS} draws is for the gateware of the design and tells something of it")

    async def start(self) -> None:
        """Reset the design, and wait for the end of the power-up that follows."""
        await reset(self.dut, {"address": 0, "data": 0, "enable": 0, "read": 0})
        self.monitors = [
            TraceMonitor(self.dut, f"trace{number}_valid", f"trace{number}_word")
            for number in range(1, len(self.design.layers) + 1)
        ]
        await FallingEdge(self.dut.clk)
        await self.driver.wait()

    async def load(self, job: Job) -> None:
        """Load other coefficients."""
        for address, data in self.memory_map.writes(gateware.words_of(job.coefficients(), 0)):
            await self.driver.write(address, data)

    async def check(self, job: Job) -> list[NDArray[np.uint64]]:
        """Show what `job` shows and compare; returns the words of each layer."""
        for monitor in self.monitors:
            monitor.take()
        writes = self.kind.gateware().writes(job, job.coefficients(), gateware.places_of(self.host), 0)
        for addresses, words in writes:
            for address, word in zip(addresses.tolist(), words.tolist(), strict=True):
                await self.driver.write(address, word)
            await self.driver.wait()
        expected = words_of_model(job)
        for number, (monitor, layer) in enumerate(zip(self.monitors, expected, strict=True), 1):
            assert_equal(monitor.take(), layer, f"layer {number}", self.kind.trace.fields)
        return expected
