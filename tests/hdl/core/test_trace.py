"""The port of a trace: one entry per clock, the first of those that come."""

import pytest
from amaranth.hdl import Const, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.trace import TraceSignature, write_trace
from tests.hdl.helpers import simulate

WORDS = (11, 22, 33)


class Traced(wiring.Component):
    """Three entries, each with a strobe of its own."""

    def __init__(self):
        super().__init__({"strobes": In(3), "trace": Out(TraceSignature())})

    def elaborate(self, platform):
        m = Module()
        write_trace(m, self.trace, [(self.strobes[at], Const(word, 64)) for at, word in enumerate(WORDS)])
        return m


@pytest.mark.parametrize("strobes", range(8))
def test_the_first_entry_counts_one_clock_late(strobes):
    dut = Traced()

    async def bench(ctx):
        ctx.set(dut.strobes, strobes)
        await ctx.tick()
        ctx.set(dut.strobes, 0)
        assert ctx.get(dut.trace.valid) == (strobes != 0)
        if strobes:
            assert ctx.get(dut.trace.word) == next(word for at, word in enumerate(WORDS) if strobes >> at & 1)
        await ctx.tick()
        assert not ctx.get(dut.trace.valid)

    simulate(dut, bench)
