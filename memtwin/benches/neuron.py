"""Driver and tester that the benches of the two single-neuron designs share."""

from collections.abc import Callable, Iterator
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge
from numpy.typing import NDArray

from memtwin.benches.common import (
    ConfigDriver,
    TraceMonitor,
    assert_equal,
    reset,
    varied,
    words_of_model,
)
from memtwin.design import Design
from memtwin.sim.backends import Job
from memtwin.sim.engines import gateware
from memtwin.sim.hybrid.quantize import quantize
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import NetworkSpec, draw_sample

__all__ = ["NeuronDriver", "NeuronTester"]

HANG = 20_000  # clocks; far more than a half-period takes


class NeuronDriver:
    """Shows one pattern of pulses in each clock period, with pauses, ticks and garbage between them.

    Parameters
    ----------
    dut : handle of the top
        Design with `run`, `tick`, `clk_level` and `idle`.
    rng : Generator
        Of pauses, ticks and garbage.
    show : callable
        Puts pulses and the learn bit on the inputs.
    """

    def __init__(self, dut: Any, rng: np.random.Generator, show: Callable[[int, int], None]) -> None:
        self.dut, self.rng, self.show = dut, rng, show
        self.tick_odds = 1.0
        cocotb.start_soon(self._tick())

    async def _tick(self) -> None:
        while True:
            self.dut.tick.value = int(self.rng.random() < self.tick_odds)
            await FallingEdge(self.dut.clk)

    async def wait(self, condition: Callable[[], bool]) -> None:
        """Wait for a condition, at least one clock."""
        for _ in range(HANG):
            await FallingEdge(self.dut.clk)
            if condition():
                return
        raise AssertionError("the design hangs")

    async def idle(self) -> None:
        """Let CLK stop."""
        await self.wait(lambda: self.dut.idle.value == 1)

    async def periods(self, pulses: NDArray[np.uint8], learn: NDArray[np.uint8]) -> None:
        """Run one clock period for each row of `pulses` (periods, rows), and stop."""
        dut, rng = self.dut, self.rng
        dut.run.value = 1
        for number, (bits, learns) in enumerate(zip(pulses, learn, strict=True)):
            value = sum(int(bit) << row for row, bit in enumerate(bits))
            self.show(value, int(learns))
            await self.wait(lambda: dut.clk_level.value == 1)
            await FallingEdge(dut.clk)
            # Taken. From here to the falling edge of CLK the pulses must not matter.
            self.show(int(rng.integers(1 << bits.size)), int(rng.integers(2)))
            stop = number == len(pulses) - 1 or rng.random() < 0.1
            dut.run.value = int(not stop)
            await self.wait(lambda: dut.clk_level.value == 0)
            if stop:
                await self.idle()
                for _ in range(int(rng.integers(5))):
                    await FallingEdge(dut.clk)
                dut.run.value = int(number < len(pulses) - 1)


class NeuronTester:
    """Compares a single-neuron design with the integer model, from reset and after new coefficients."""

    def __init__(self, dut: Any, design: Design, rng: np.random.Generator, show: Callable) -> None:
        self.dut, self.design, self.rng, self.show = dut, design, rng, show
        self.memory_map = design.build()[1]

    async def start(self, inputs: dict[str, int]) -> None:
        """Reset the design; the coefficients are those that it is shipped with."""
        bus = ("config__enable", "config__read", "config__address", "config__data")
        quiet = dict.fromkeys((*bus, "init", "run", "tick"), 0)
        await reset(self.dut, quiet | inputs)
        self.monitor = TraceMonitor(self.dut, "trace__valid", "trace__word")
        self.driver = NeuronDriver(self.dut, self.rng, self.show)
        self.config = ConfigDriver(self.dut)
        await self.driver.idle()

    async def load(self, spec: NetworkSpec, seed: int) -> None:
        """Load other coefficients, and power up."""
        coefficients = quantize(spec, draw_sample(spec, trials=1, seed=seed))
        await self.config.write(self.memory_map.writes(gateware.words_of(coefficients, 0)))
        self.monitor.take()
        self.dut.init.value = 1
        await FallingEdge(self.dut.clk)
        self.dut.init.value = 0
        await self.driver.idle()

    async def check(self, spec: NetworkSpec, seed: int, pulses: NDArray[np.uint8], learn: NDArray[np.uint8]) -> int:
        """Run clock periods and compare every word since power-up; returns the number of fires."""
        await self.driver.periods(pulses, learn)
        program = Program.build(pulses[None], gates=np.ones(1), learn=learn[None, :, None], periods=1)
        # Words at the ends of their ranges are as good as others here.
        (expected,) = words_of_model(Job(spec=spec, shown=program, seed=seed, allow_clipping=True))
        assert_equal(self.monitor.take(), expected, self.design.name)
        l1 = expected[(expected & np.uint64(15)) == 2] >> np.uint64(42) & np.uint64(1)
        return int(np.count_nonzero(np.diff(l1.astype(int)) == 1))

    def variants(self, count: int) -> Iterator[tuple[NetworkSpec, int]]:
        """Other coefficients that the gateware can hold."""
        for _ in range(count):
            seed = int(self.rng.integers(2**31))
            yield varied(self.design.spec, self.rng, seed), seed
