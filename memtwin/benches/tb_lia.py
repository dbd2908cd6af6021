"""Bench of the design ``lia``, inside the simulator."""

import dataclasses
from typing import Any

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge
from numpy.typing import NDArray

from memtwin.benches.common import ConfigDriver, design, random, reset
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.hybrid.quantize import quantize
from memtwin.sim.hybrid.spec import draw_sample
from memtwin.sim.model_parts import Inhibition, Random

HANG = 20_000  # clocks; far more than an evaluation takes
TRIAL = np.array([0])


class LiaDriver:
    """Shows V_L to the array and waits for L_G."""

    def __init__(self, dut: Any) -> None:
        self.dut = dut

    async def clear(self) -> None:
        """Power up."""
        self.dut.clear.value = 1
        await FallingEdge(self.dut.clk)
        self.dut.clear.value = 0

    async def evaluate(self, v_l: NDArray[np.bool_], *, refresh: bool = False) -> NDArray[np.bool_]:
        """Strobe `evaluate` and return the gates."""
        dut = self.dut
        dut.v_l.value = sum(int(bit) << neuron for neuron, bit in enumerate(v_l))
        dut.evaluate.value, dut.refresh.value = 1, int(refresh)
        await FallingEdge(dut.clk)
        dut.evaluate.value, dut.refresh.value = 0, 0
        for _ in range(HANG):
            if dut.busy.value == 0:
                gates = int(dut.l_g.value)
                return np.array([gates >> neuron & 1 == 1 for neuron in range(v_l.size)])
            await FallingEdge(dut.clk)
        raise AssertionError("the design hangs")


class LiaTester:
    """Compares the gates with those of the integer model."""

    def __init__(self, dut: Any) -> None:
        self.dut, self.design = dut, design()
        self.rng = random()
        self.driver, self.config = LiaDriver(dut), ConfigDriver(dut)
        self.memory_map = self.design.build()[1]
        self.neurons = self.design.layers[0].neurons

    async def start(self, coefficients: LayerCoefficients) -> None:
        """Power up, with nobody's V_L high."""
        self.model = Inhibition(coefficients, Random(np.array([1])))
        await self.driver.clear()
        await self.check(np.zeros(self.neurons, bool), refresh=True)

    async def check(self, v_l: NDArray[np.bool_], *, refresh: bool = False) -> NDArray[np.bool_]:
        """Show `v_l` to both."""
        self.model.evaluate(TRIAL, v_l[None])
        gates = await self.driver.evaluate(v_l, refresh=refresh)
        expected = self.model.l_g[0]
        assert np.array_equal(gates, expected), f"v_l {v_l.astype(int)}: {gates.astype(int)}, {expected.astype(int)}"
        return gates


async def ready(dut: Any) -> LiaTester:
    """Reset the design."""
    names = ("clear", "restore", "latches", "evaluate", "refresh", "v_l", "random")
    bus = ("config__enable", "config__read", "config__address", "config__data")
    await reset(dut, dict.fromkeys(names + bus, 0))
    return LiaTester(dut)


@cocotb.test()
async def truth_table(dut: Any) -> None:
    """The truth table of Fig. 4, with the coefficients that the design is shipped with."""
    test = await ready(dut)
    n = test.neurons
    await test.start(test.design.coefficients[0])
    nobody = np.zeros(n, bool)
    for winner in range(n):
        assert (await test.check(nobody)).all()
        alone = np.arange(n) == winner
        assert np.array_equal(await test.check(alone), alone)
        both = alone | (np.arange(n) == (winner + 1) % n)
        assert not (await test.check(both)).any()


@cocotb.test()
async def random_stimulus(dut: Any) -> None:
    """Random cards and random V_L."""
    test = await ready(dut)
    rng = test.rng
    opened = []
    for _ in range(3):
        card = {
            name: float(rng.uniform(low, high))
            for name, low, high in (("g_inhibit", 5e-5, 5e-4), ("g_self", 1e-6, 5e-5), ("v_ref", 0.02, 0.4))
        }
        spec = dataclasses.replace(test.design.spec, lia=test.design.spec.lia.replace(**card))
        (coefficients,) = quantize(spec, draw_sample(spec, trials=1, seed=0))
        known = test.memory_map.windows
        words = {name: words for name, words in coefficients.words_of(0, "layer1.").items() if name in known}
        await test.config.write(test.memory_map.writes(words))
        await test.start(coefficients)
        for _ in range(40):
            gates = await test.check(rng.random(test.neurons) < rng.choice([0.0, 0.1, 0.5]))
            opened.append(gates.mean())
    assert len(set(opened)) > 2
