"""Bench of the design ``digits``, inside the simulator."""

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np

from memtwin.benches.common import varied
from memtwin.benches.host import HostTester
from memtwin.sim.backends import Job
from memtwin.sim.hybrid.shown import Program


class DigitsTester(HostTester):
    """Tester with random presentations."""

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
    job = test.design.job
    first = {name: values[:1, :4] for name, values in vars(job.shown).items()}
    words, _ = await test.check(replace(job, shown=Program(**first)))
    assert np.count_nonzero((words & np.uint64(15)) == 4) > 0  # layer 1 has learnt


@cocotb.test()
async def random_stimulus(dut: Any) -> None:
    """Random coefficients, options and presentations."""
    test = DigitsTester(dut)
    await test.start()
    seed = int(test.rng.integers(2**31))
    spec = varied(test.design.spec, test.rng, seed)
    # Words at the ends of their ranges are as good as others here.
    job = Job(spec=spec, shown=test.program(6), seed=seed, allow_clipping=True)
    await test.load(job)
    await test.check(job)
