"""Bench of the design ``ts-neuron``, inside the simulator."""

from typing import Any

import cocotb
import numpy as np

from memtwin.benches.common import design, random
from memtwin.benches.neuron import NeuronTester


def tester(dut: Any) -> NeuronTester:
    """Tester of the design, which has one input and does not learn."""

    def show(pulses: int, learn: int) -> None:
        dut.pulse.value = pulses

    return NeuronTester(dut, design(), random(), show)


@cocotb.test()
async def as_shipped(dut: Any) -> None:
    """A train of pulses of 1.1 V (Fig. 2e), at full speed, with the coefficients that it is shipped with."""
    test = tester(dut)
    await test.start({"pulse": 0})
    design = test.design
    fires = await test.check(design.spec, design.job.seed, np.ones((8, 1), np.uint8), np.zeros(8, np.uint8))
    assert fires > 0


@cocotb.test()
async def random_stimulus(dut: Any) -> None:
    """Random coefficients, options, pulses, pauses and ticks."""
    test = tester(dut)
    await test.start({"pulse": 0})
    fires = 0
    for spec, seed in test.variants(3):
        await test.load(spec, seed)
        test.driver.tick_odds = test.rng.choice([1.0, 0.3, 0.05])
        pulses = (test.rng.random((25, 1)) < 0.8).astype(np.uint8)
        fires += await test.check(spec, seed, pulses, np.zeros(25, np.uint8))
    assert fires > 0
