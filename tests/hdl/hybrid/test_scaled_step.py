"""The step of depression: one for every substep in which T3 lifted node 1, at most all of the way."""

import pytest

from memtwin.hdl.hybrid.scaled_step import ScaledStep
from tests.hdl.helpers import simulate


@pytest.mark.parametrize(
    ("unit", "substeps", "scaled", "step", "clocks"),
    [
        pytest.param(300, 7, 1, 2100, 8, id="scaled"),
        pytest.param(300, 0, 1, 0, 1, id="never-lifted"),
        pytest.param(300, 7, 0, 300, 1, id="plain"),
        pytest.param(4096, 8, 1, 32768, 9, id="all-the-way"),
        pytest.param(32768, 16, 1, 32768, 17, id="no-further"),
    ],
)
def test_step_is_the_sum_of_its_substeps(unit, substeps, scaled, step, clocks):
    dut = ScaledStep(5)

    async def bench(ctx):
        for name, value in {"unit": unit, "substeps": substeps, "scaled": scaled, "start": 1}.items():
            ctx.set(getattr(dut, name), value)
        await ctx.tick()
        ctx.set(dut.start, 0)
        ctx.set(dut.substeps, 31)  # taken with `start`
        waited = 1
        while not ctx.get(dut.done):
            await ctx.tick()
            waited += 1
        assert (ctx.get(dut.step), waited) == (step, clocks)

    simulate(dut, bench)
