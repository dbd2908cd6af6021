import random

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from hypothesis import example, given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.core.crossbar import Crossbar
from memtwin.hdl.opamp.nonlinear_rule import NonlinearRule
from tests.hdl.helpers import refused, simulate


class Column(wiring.Component):
    """The rule with the crossbar that it works on, as in a layer."""

    def __init__(self, rows, neurons, lanes, words):
        memory_map = MemoryMap({"g": words})
        self.rule = NonlinearRule(rows, neurons)
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


def learn(c, seen, *, g_off, g_on, step_up, step_down, bend_up, bend_down):
    """New conductance of one synapse, after docs/opamp-arithmetic.md, section 8."""
    if seen:
        step = step_up - ((c - g_off) * bend_up + 32768 >> 16)
        return min(c + max(0, step), g_on)
    step = step_down - ((g_on - c) * bend_down + 32768 >> 16)
    return max(c - max(0, step), g_off)


async def walk(ctx, dut, **inputs):
    """Walk one column; returns (clocks from start to done, writes of (row, column, conductance))."""
    rule = dut.rule
    for name, value in inputs.items():
        ctx.set(getattr(rule, name), value)
    ctx.set(rule.start, 1)
    await ctx.tick()
    ctx.set(rule.start, 0)
    writes = []
    clocks = 1
    while not ctx.get(rule.done):
        assert ctx.get(rule.busy)
        if ctx.get(rule.w_enable):
            writes.append((ctx.get(rule.w_row), ctx.get(rule.w_column), ctx.get(rule.w_data)))
        await ctx.tick()
        clocks += 1
    assert not ctx.get(rule.busy)
    return clocks, writes


async def contents(ctx, dut, rows):
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
    return out


BOUNDS = {"g_off": 1000, "g_on": 41000}
LINEAR = {"step_up": 4000, "step_down": 2000, "bend_up": 0, "bend_down": 0}
BENT = {"step_up": 4000, "step_down": 2000, "bend_up": 32768, "bend_down": 16384}


@pytest.mark.parametrize(
    ("conductance", "steps", "up", "down"),
    [
        pytest.param(20000, LINEAR, 24000, 18000, id="linear"),
        pytest.param(40000, LINEAR, 41000, 38000, id="up-to-the-bound"),
        pytest.param(2000, LINEAR, 6000, 1000, id="down-to-the-bound"),
        pytest.param(1000, BENT, 5000, 1000, id="full-step-at-g-off"),
        pytest.param(41000, BENT, 41000, 39000, id="full-step-at-g-on"),
        pytest.param(3000, BENT, 6000, 3000, id="smaller-step-away-from-g-off"),
        pytest.param(37000, BENT, 37000, 36000, id="smaller-step-away-from-g-on"),
        pytest.param(8999, BENT, 8999, 8999, id="last-step-up-rounds-to-nothing"),
        pytest.param(33003, BENT, 33003, 33002, id="half-rounds-against-the-step"),
        pytest.param(1001, BENT, 5000, 1001, id="half-rounds-up-in-the-product"),
    ],
)
def test_rule(conductance, steps, up, down):
    dut = Column(2, 1, 1, [conductance] * 2)

    async def bench(ctx):
        clocks, writes = await walk(ctx, dut, events=0b01, **BOUNDS, **steps)
        assert clocks == dut.rule.latency == 8
        assert writes == [(0, 0, up), (1, 0, down)]
        assert await contents(ctx, dut, 2) == [up, down]

    simulate(dut, bench)


def test_a_whole_word_is_moved_without_a_wrap():
    dut = Column(2, 1, 1, [65535, 0])
    steps = {"step_up": 65535, "step_down": 65535, "bend_up": 0, "bend_down": 0}

    async def bench(ctx):
        _, writes = await walk(ctx, dut, events=0b01, g_off=0, g_on=65535, **steps)
        assert writes == [(0, 0, 65535), (1, 0, 0)]
        _, writes = await walk(ctx, dut, events=0b10, g_off=0, g_on=65535, **steps)
        assert writes == [(0, 0, 0), (1, 0, 65535)]

    simulate(dut, bench)


word = st.integers(0, 65535)


@settings(deadline=None, max_examples=15)
@given(
    st.tuples(st.integers(1, 33), st.integers(1, 5), st.sampled_from([1, 2])),
    st.tuples(word, word),
    st.fixed_dictionaries({name: word for name in LINEAR}),
    st.randoms(use_true_random=True),
)
@example((1, 1, 1), (0, 65535), BENT, random.Random(1))
@example((30, 4, 2), (0, 65535), {name: 65535 for name in BENT}, random.Random(2))
@example((7, 3, 1), (65535, 65535), BENT, random.Random(3))
def test_columns_in_turn(shape, bounds, steps, draw):
    rows, neurons, lanes = shape
    lanes = min(lanes, 1 << (neurons - 1).bit_length())
    steps = steps | {"g_off": min(bounds), "g_on": max(bounds)}
    words = [draw.choice([*bounds, draw.randint(min(bounds), max(bounds))]) for _ in range(rows * neurons)]
    dut = Column(rows, neurons, lanes, words)

    async def bench(ctx):
        for column in [*range(neurons), 0]:
            seen = draw.getrandbits(rows)
            clocks, writes = await walk(ctx, dut, column=column, events=seen, **steps)
            for row in range(rows):
                index = row * neurons + column
                words[index] = learn(words[index], seen >> row & 1, **steps)
            assert writes == [(row, column, words[row * neurons + column]) for row in range(rows)]
            assert clocks == rows + 6
        assert await contents(ctx, dut, rows) == words

    simulate(dut, bench)


def test_start_while_busy_is_ignored():
    dut = Column(5, 1, 1, [20000] * 5)

    async def bench(ctx):
        for name, value in (BOUNDS | LINEAR).items():
            ctx.set(getattr(dut.rule, name), value)
        ctx.set(dut.rule.start, 1)
        await ctx.tick().repeat(10)
        ctx.set(dut.rule.start, 0)
        assert not ctx.get(dut.rule.done)
        await ctx.tick()
        assert ctx.get(dut.rule.done)
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.rule.done)
        assert await contents(ctx, dut, 5) == [18000] * 5

    simulate(dut, bench)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 10), ValueError, "rows must be at least 1, not 0"),
        ((3, 2.5), TypeError, "neurons must be an integer, not 2.5"),
    ],
)
def test_bad_parameter(arguments, error, message):
    refused(message, NonlinearRule, *arguments, error=error)
