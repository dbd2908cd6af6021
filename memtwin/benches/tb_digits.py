"""Bench of the design ``digits``, inside the simulator."""

from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge
from numpy.typing import NDArray

from memtwin.benches.common import TraceMonitor, assert_equal, design, image, random, reset, varied, words_of_model
from memtwin.hdl.host import HostPort
from memtwin.sim.network import NetworkSpec
from memtwin.sim.program import Program
from memtwin.sim.rtl import presentation_writes

HANG = 200_000  # clocks; far more than a presentation takes


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


class DigitsTester:
    """Compares every trace word of both layers with the integer model."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.design = dut, design("digits")
        self.rng = random()
        host, self.memory_map = self.design.build()
        assert isinstance(host, HostPort)
        self.registers = host.registers
        self.driver = HostDriver(dut)

    async def start(self) -> None:
        """Reset the design, and wait for the end of the power-up that follows."""
        await reset(self.dut, {"address": 0, "data": 0, "enable": 0})
        self.monitors = [
            TraceMonitor(self.dut, f"trace{number}_valid", f"trace{number}_word")
            for number in range(1, len(self.design.layers) + 1)
        ]
        await FallingEdge(self.dut.clk)
        await self.driver.wait()

    async def load(self, spec: NetworkSpec, seed: int) -> None:
        """Load other coefficients."""
        for address, data in self.memory_map.writes(image(spec, seed)):
            await self.driver.write(address, data)

    async def check(self, spec: NetworkSpec, seed: int, program: Program) -> list[NDArray[np.uint64]]:
        """Show a program and compare; returns the words of each layer."""
        for monitor in self.monitors:
            monitor.take()
        addresses, data = presentation_writes(self.registers, program, 0)
        for presentation in data.tolist():
            for address, word in zip(addresses.tolist(), presentation, strict=True):
                await self.driver.write(address, word)
            await self.driver.wait()
        expected = words_of_model(spec, program, seed)
        for number, (monitor, words) in enumerate(zip(self.monitors, expected, strict=True), 1):
            assert_equal(monitor.take(), words, f"layer {number}")
        return expected

    def program(self, presentations: int) -> Program:
        """Draw what is shown."""
        rng, layers = self.rng, self.design.layers
        shape = (1, presentations)
        return Program.build(
            rng.random((*shape, layers[0].rows)) < 0.6,
            gates=rng.random((*shape, layers[-1].neurons)) < 0.8,
            learn=rng.integers(0, 2, (*shape, len(layers))),
            until=rng.integers(0, len(layers), shape),
            fires=rng.integers(0, 2, shape),
            periods=rng.integers(3, 9, shape),
            rest=rng.integers(0, 2, shape),
        )


@cocotb.test()
async def as_shipped(dut: Any) -> None:
    """The first presentations of the experiment, with the coefficients that the design is shipped with."""
    test = DigitsTester(dut)
    await test.start()
    design = test.design
    first = {name: values[:1, :4] for name, values in vars(design.job.program).items()}
    words, _ = await test.check(design.spec, design.job.seed, Program(**first))
    assert np.count_nonzero((words & np.uint64(15)) == 4) > 0  # layer 1 has learnt


@cocotb.test()
async def random_stimulus(dut: Any) -> None:
    """Random coefficients, options and presentations."""
    test = DigitsTester(dut)
    await test.start()
    seed = int(test.rng.integers(2**31))
    spec = varied(test.design.spec, test.rng, seed)
    await test.load(spec, seed)
    await test.check(spec, seed, test.program(6))
