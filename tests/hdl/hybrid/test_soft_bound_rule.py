import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.core.crossbar import Crossbar
from memtwin.hdl.hybrid.soft_bound_rule import SoftBoundRule
from tests.hdl.helpers import refused, simulate


class Column(wiring.Component):
    """The rule with the parts that it works on, as in a layer."""

    def __init__(self, rows, neurons, lanes, words):
        memory_map = MemoryMap({"g": words})
        self.rule = SoftBoundRule(rows, neurons)
        self.crossbar = Crossbar(rows, neurons, lanes, memory_map, "g")
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.rule = rule = self.rule
        m.submodules.crossbar = crossbar = self.crossbar
        m.d.comb += [
            crossbar.r_row.eq(rule.r_row),
            crossbar.r_column.eq(rule.r_column),
            crossbar.r_enable.eq(rule.r_enable),
            rule.r_data.eq(crossbar.r_data),
            crossbar.w_row.eq(rule.w_row),
            crossbar.w_column.eq(rule.w_column),
            crossbar.w_data.eq(rule.w_data),
            crossbar.w_enable.eq(rule.w_enable),
        ]
        return m


def learn(c, active, potentiate, depress, up, down, g_min, g_max):
    """New conductance of one synapse, after docs/arithmetic.md, section 7."""
    if potentiate and active and c < g_max:
        c += ((g_max - c) * up + 16384) >> 15
    if depress and not active and c > g_min:
        c -= ((c - g_min) * down + 16384) >> 15
    return c


async def walk(ctx, dut, **inputs):
    """Walk one column; returns (total, clocks from start to done, trace of (row, column, conductance))."""
    rule = dut.rule
    for name, value in inputs.items():
        ctx.set(getattr(rule, name), value)
    ctx.set(rule.start, 1)
    await ctx.tick()
    ctx.set(rule.start, 0)
    trace = []
    clocks = 1
    while not ctx.get(rule.done):
        assert ctx.get(rule.busy)
        if ctx.get(rule.w_enable):
            trace.append((ctx.get(rule.w_row), ctx.get(rule.w_column), ctx.get(rule.w_data)))
        await ctx.tick()
        clocks += 1
    assert not ctx.get(rule.busy)
    return ctx.get(rule.total), clocks, trace


async def contents(ctx, dut, rows, neurons):
    """Conductances in the crossbar, read as sums of single rows."""
    crossbar = dut.crossbar
    out = []
    for row in range(rows):
        ctx.set(crossbar.events, 1 << row)
        ctx.set(crossbar.start, 1)
        await ctx.tick()
        ctx.set(crossbar.start, 0)
        while ctx.get(crossbar.busy):
            if ctx.get(crossbar.o_valid):
                out.append(ctx.get(crossbar.o_sum))
            await ctx.tick()
    assert len(out) == rows * neurons
    return out


@pytest.mark.parametrize(
    ("conductance", "potentiate", "depress", "new"),
    [
        pytest.param(20000, 1, 0, [32000, 20000], id="potentiate-active-rows"),
        pytest.param(20000, 0, 1, [20000, 18250], id="depress-other-rows"),
        pytest.param(20000, 1, 1, [32000, 18250], id="both"),
        pytest.param(20000, 0, 0, [20000, 20000], id="only-sum"),
        pytest.param(60000, 1, 1, [60000, 48250], id="above-the-upper-bound"),
        pytest.param(5000, 1, 1, [24500, 5000], id="below-the-lower-bound"),
        pytest.param(44000, 1, 0, [44000, 44000], id="at-the-upper-bound"),
        pytest.param(13000, 0, 1, [13000, 13000], id="at-the-lower-bound"),
        pytest.param(43999, 1, 0, [44000, 43999], id="half-rounds-up"),
        pytest.param(13002, 0, 1, [13002, 13001], id="half-rounds-up-down"),
    ],
)
def test_rule(conductance, potentiate, depress, new):
    dut = Column(2, 1, 1, [conductance] * 2)

    async def bench(ctx):
        total, clocks, trace = await walk(
            ctx,
            dut,
            potentiate=potentiate,
            depress=depress,
            events=0b01,
            step_potentiation=16384,
            step_depression=8192,
            g_min=13000,
            g_max=44000,
            g_load=777,
        )
        assert clocks == dut.rule.latency == 7
        assert total == sum(new) + 777
        touched = [row for row, rule in enumerate([potentiate, depress]) if rule]
        assert trace == [(row, 0, new[row]) for row in touched]
        assert await contents(ctx, dut, 2, 1) == new

    simulate(dut, bench)


@settings(deadline=None, max_examples=15)
@given(
    st.tuples(st.integers(1, 33), st.integers(1, 5), st.sampled_from([1, 2])),
    st.integers(0, 32768),
    st.integers(0, 32768),
    st.integers(0, 65535),
    st.integers(0, 65535),
    st.randoms(use_true_random=True),
)
@example((1, 1, 1), 32768, 32768, 0, 65535, random.Random(1))
@example((30, 4, 1), 32768, 32768, 0, 65535, random.Random(2))
@example((30, 4, 1), 0, 0, 0, 65535, random.Random(3))
def test_columns_in_turn(shape, up, down, g_min, g_max, draw):
    rows, neurons, lanes = shape
    lanes = min(lanes, 1 << (neurons - 1).bit_length())
    words = [draw.choice([0, 65535, draw.randrange(65536)]) for _ in range(rows * neurons)]
    g_load = draw.randrange(65536)
    dut = Column(rows, neurons, lanes, words)

    async def bench(ctx):
        for column in [*range(neurons), 0]:
            events = draw.getrandbits(rows)
            potentiate, depress = draw.randrange(2), draw.randrange(2)
            total, clocks, trace = await walk(
                ctx,
                dut,
                column=column,
                potentiate=potentiate,
                depress=depress,
                events=events,
                step_potentiation=up,
                step_depression=down,
                g_min=g_min,
                g_max=g_max,
                g_load=g_load,
            )
            touched = []
            for row in range(rows):
                active = events >> row & 1
                index = row * neurons + column
                words[index] = learn(words[index], active, potentiate, depress, up, down, g_min, g_max)
                if (potentiate and active) or (depress and not active):
                    touched.append((row, column, words[index]))
            assert trace == touched
            assert total == sum(words[column::neurons]) + g_load
            assert clocks == rows + 5
        assert await contents(ctx, dut, rows, neurons) == words

    simulate(dut, bench)


def test_start_while_busy_is_ignored():
    dut = Column(5, 1, 1, [100] * 5)

    async def bench(ctx):
        ctx.set(dut.rule.g_load, 11)
        ctx.set(dut.rule.start, 1)
        await ctx.tick().repeat(9)
        ctx.set(dut.rule.start, 0)
        assert not ctx.get(dut.rule.done)
        await ctx.tick()
        assert ctx.get(dut.rule.done)
        assert ctx.get(dut.rule.total) == 511
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.rule.done)
        assert ctx.get(dut.rule.total) == 511

    simulate(dut, bench)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 10), ValueError, "rows must be at least 1, not 0"),
        ((3, 2.5), TypeError, "neurons must be an integer, not 2.5"),
    ],
)
def test_bad_parameter(arguments, error, message):
    refused(message, SoftBoundRule, *arguments, error=error)
