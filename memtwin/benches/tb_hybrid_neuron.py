"""Bench of the design ``hybrid-neuron``, inside the simulator."""

from typing import Any

import cocotb
import numpy as np

from memtwin.benches.common import design, random
from memtwin.benches.neuron import NeuronTester

INPUTS = {"pulses": 0, "learn": 0}


def tester(dut: Any) -> NeuronTester:
    """Tester of the design."""

    def show(pulses: int, learn: int) -> None:
        dut.pulses.value, dut.learn.value = pulses, learn

    return NeuronTester(dut, design(), random(), show)


@cocotb.test()
async def as_shipped(dut: Any) -> None:
    """Pulses on input 1, input 2 grounded (Fig. 3b), at full speed, with the coefficients that it is shipped with."""
    test = tester(dut)
    await test.start(INPUTS)
    pulses = np.tile(np.array([1, 0], np.uint8), (14, 1))
    design = test.design
    assert await test.check(design.spec, design.job.seed, pulses, np.zeros(14, np.uint8)) == 2


@cocotb.test()
async def random_stimulus(dut: Any) -> None:
    """Random coefficients, options, pulses, learning, pauses and ticks."""
    test = tester(dut)
    await test.start(INPUTS)
    fires = 0
    for spec, seed in test.variants(3):
        await test.load(spec, seed)
        test.driver.tick_odds = test.rng.choice([1.0, 0.3, 0.05])
        pulses = (test.rng.random((25, 2)) < (0.9, 0.4)).astype(np.uint8)
        learn = test.rng.integers(0, 2, 25, dtype=np.uint8)
        fires += await test.check(spec, seed, pulses, learn)
    assert fires > 0
