import re

import pytest
from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import io
from amaranth.sim import Simulator

from memtwin.boards import clock
from memtwin.boards.clock import ClockGenerator, Settled
from memtwin.boards.registry import board


class Counter(Elaboratable):
    def __init__(self, target):
        self.target = target

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.clock = ClockGenerator(self.target)
        m.submodules.led = led = io.Buffer("o", platform.request("led", 0, dir="-"))
        count = Signal(4)
        m.d.sync += count.eq(count + 1)
        m.d.comb += led.o.eq(count[-1])
        return m


def plan(name):
    target = board(name)
    return target.platform().prepare(Counter(target)).files


@pytest.mark.parametrize(
    ("name", "cell", "parameters"),
    [
        ("icebreaker", "SB_PLL40_PAD", {"DIVR": 0, "DIVF": 79, "DIVQ": 5, "FILTER_RANGE": 1}),
        ("ice40-hx8k-b-evn", "SB_PLL40_CORE", {"DIVR": 0, "DIVF": 51, "DIVQ": 4, "FILTER_RANGE": 1}),
        ("ulx3s-85f", "EHXPLLL", {"CLKI_DIV": 1, "CLKFB_DIV": 3, "CLKOP_DIV": 8}),
        ("versa-ecp5", "EHXPLLL", {"CLKI_DIV": 4, "CLKFB_DIV": 3, "CLKOP_DIV": 8}),
        ("tang-primer-20k", "rPLL", {"IDIV_SEL": 0, "FBDIV_SEL": 1, "ODIV_SEL": 16}),
    ],
)
def test_pll_has_the_settings_of_the_board(name, cell, parameters):
    text = plan(name)["top.il"]
    assert text.count(f"cell \\{cell} ") == 1
    for parameter, value in parameters.items():
        assert re.search(rf"parameter (signed )?\\{parameter} {value}\b", text)


@pytest.mark.parametrize(
    ("name", "constraint"),
    [
        ("icebreaker", r"set_frequency clock\.clock 30\.0"),
        ("ulx3s-85f", r'FREQUENCY NET "clock\.clock" 75000000\.0 HZ'),
    ],
)
def test_timing_is_constrained_to_the_clock(name, constraint):
    files = plan(name)
    assert re.search(constraint, files.get("top.pcf", "") + files.get("top.lpf", ""))


def clocks_to(dut, ctx, level):
    async def wait():
        for count in range(1, 1000):
            await ctx.tick()
            if ctx.get(dut.ready) == level:
                return count
        raise AssertionError("ready never changes")

    return wait()


@pytest.mark.parametrize("clocks", [1, 2, 30, 33])
def test_ready_after_the_clocks_that_were_asked_for(clocks):
    dut = Settled(clocks)

    async def bench(ctx):
        for _ in range(2):  # also after the lock was lost
            ctx.set(dut.locked, 1)
            assert await clocks_to(dut, ctx, 1) == clocks + 3
            ctx.set(dut.locked, 0)
            assert await clocks_to(dut, ctx, 0) == 3
        ctx.set(dut.locked, 1)
        await ctx.tick().repeat(clocks)
        ctx.set(dut.locked, 0)  # a clock too short
        for _ in range(clocks + 10):
            await ctx.tick()
            assert not ctx.get(dut.ready)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize(("name", "clocks"), [("icebreaker", 450), ("ulx3s-85f", 1125), ("tang-primer-20k", 810)])
def test_reset_lasts_fifteen_microseconds(monkeypatch, name, clocks):
    asked = []
    monkeypatch.setattr(clock, "Settled", lambda count: asked.append(count) or Settled(count))
    plan(name)
    assert asked == [clocks]
    # Five times what the block RAMs of an iCE40 need after configuration.
    assert clocks / board(name).clock_hz >= 5 * 3e-6
