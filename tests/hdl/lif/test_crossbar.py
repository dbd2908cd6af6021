"""Event crossbar: sums, clocks, writes."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.lif.crossbar import LifCrossbar
from tests.hdl.helpers import load, refused, simulate
from tests.hdl.lif.reference import signed

SHAPES = [
    pytest.param(1, 1, 1, 2, id="one-synapse"),
    pytest.param(30, 10, 10, 6, id="one-slice"),
    pytest.param(30, 10, 5, 6, id="two-slices"),
    pytest.param(11, 7, 3, 4, id="last-slice-short"),
    pytest.param(11, 7, 6, 4, id="last-slice-one"),
    pytest.param(20, 9, 4, 16, id="lanes-power-of-two"),
    pytest.param(5, 4, 1, 8, id="one-lane"),
    pytest.param(5, 2, 1, 8, id="two-slices-of-one"),
]


def weights_of(rows, columns, bits, seed=0):
    draw = random.Random(seed)
    return [draw.randrange(-(1 << bits - 1), 1 << bits - 1) & 0xFFFF for _ in range(rows * columns)]


def sums(words, columns, bits, events):
    return [sum(signed(words[row * columns + column], bits) for row in events) for column in range(columns)]


async def send(ctx, dut, events, gaps=()):
    """Send events, after as many idle clocks as `gaps` says; returns the clocks that it took."""
    clocks = 0
    for place, row in enumerate(events):
        for _ in range(gaps[place] if place < len(gaps) else 0):
            await ctx.tick()
            clocks += 1
        ctx.set(dut.i.payload, row)
        ctx.set(dut.i.valid, 1)
        while True:
            taken = ctx.get(dut.i.ready)
            await ctx.tick()
            clocks += 1
            if taken:
                break
        ctx.set(dut.i.valid, 0)
    return clocks


async def collect(ctx, dut):
    """Ask for the sums; returns (clock, sum) of each, the clock counted from `start`."""
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)
    out = []
    for clock in range(1, dut.columns + 8):
        if ctx.get(dut.o_valid):
            out.append((clock, ctx.get(dut.o_sum)))
        await ctx.tick()
    return out


@pytest.mark.parametrize(("rows", "columns", "lanes", "bits"), SHAPES)
def test_sums_and_clocks(rows, columns, lanes, bits):
    words = weights_of(rows, columns, bits)
    dut = LifCrossbar(rows, columns, lanes, bits, MemoryMap({"w": words}), "w")
    slices = -(-columns // lanes)
    draw = random.Random(1)

    async def bench(ctx):
        for number in (0, 1, 2, rows, rows // 2):
            events = draw.sample(range(rows), min(number, rows))
            assert await send(ctx, dut, events) == slices * len(events)
            await ctx.tick()
            out = await collect(ctx, dut)
            assert [total for _, total in out] == sums(words, columns, bits, events)
            first = 2 if slices == 1 else 4
            assert [clock for clock, _ in out] == list(range(first, first + columns))

    simulate(dut, bench)
    assert dut.slices == slices


@pytest.mark.parametrize(("rows", "columns", "lanes", "bits"), SHAPES)
@settings(deadline=None, max_examples=8)
@given(data=st.data())
def test_events_in_any_rhythm(rows, columns, lanes, bits, data):
    words = weights_of(rows, columns, bits, 2)
    dut = LifCrossbar(rows, columns, lanes, bits, MemoryMap({"w": words}), "w")
    steps = data.draw(st.lists(st.lists(st.integers(0, rows - 1), max_size=12, unique=True), min_size=1, max_size=4))
    gaps = data.draw(st.lists(st.integers(0, 3), min_size=12, max_size=12))

    async def bench(ctx):
        for events in steps:
            await send(ctx, dut, events, gaps)
            # At once: the last event is still on its way.
            assert [total for _, total in await collect(ctx, dut)] == sums(words, columns, bits, events)

    simulate(dut, bench)


@pytest.mark.parametrize("lanes", [4, 2, 3])
def test_an_event_with_start_is_in_the_sums(lanes):
    words = weights_of(6, 4, 5)
    dut = LifCrossbar(6, 4, lanes, 5, MemoryMap({"w": words}), "w")

    async def bench(ctx):
        await send(ctx, dut, [1, 2])
        ctx.set(dut.i.payload, 5)
        ctx.set(dut.i.valid, 1)
        ctx.set(dut.start, 1)
        out = []
        for _ in range(20):
            if ctx.get(dut.o_valid):
                out.append(ctx.get(dut.o_sum))
            taken = ctx.get(dut.i.ready)
            await ctx.tick()
            ctx.set(dut.start, 0)
            if taken:
                ctx.set(dut.i.valid, 0)
        assert out == sums(words, 4, 5, [1, 2, 5])

    simulate(dut, bench)


@pytest.mark.parametrize("bits", [2, 6, 16])
def test_sums_are_exact_at_both_ends(bits):
    least, most = -(1 << bits - 1), (1 << bits - 1) - 1
    words = [value & 0xFFFF for _ in range(9) for value in (least, most)]
    for lanes in (1, 2):
        dut = LifCrossbar(9, 2, lanes, bits, MemoryMap({"w": words}), "w")

        async def bench(ctx, dut=dut):
            await send(ctx, dut, range(9))
            assert [total for _, total in await collect(ctx, dut)] == [9 * least, 9 * most]

        simulate(dut, bench)


@pytest.mark.parametrize(("rows", "columns", "lanes", "bits"), SHAPES)
def test_weights_over_the_bus_one_by_one(rows, columns, lanes, bits):
    old, new = weights_of(rows, columns, bits), weights_of(rows, columns, bits, 3)
    memory_map = MemoryMap({"w": old})
    dut = LifCrossbar(rows, columns, lanes, bits, memory_map, "w")
    # Every other weight, last one first; its neighbours stay.
    writes = memory_map.writes({"w": new})[::-2]
    written = set(range(rows * columns)[::-2])
    words = [new[index] if index in written else old[index] for index in range(rows * columns)]

    async def bench(ctx):
        await load(ctx, dut.config, writes)
        await ctx.tick()
        for row in range(rows):
            await send(ctx, dut, [row])
            assert [total for _, total in await collect(ctx, dut)] == sums(words, columns, bits, [row])

    simulate(dut, bench)


def test_writes_to_other_addresses_change_nothing():
    memory_map = MemoryMap({"w": [1, 2, 3, 4]})
    memory_map.claim("before", 16)
    dut = LifCrossbar(2, 2, 2, 4, memory_map, "w")
    base = dut.window.base

    async def bench(ctx):
        await load(ctx, dut.config, [(base - 1, 7), (base + 4, 7), (base ^ 1 << 19, 7)])
        await ctx.tick()
        await send(ctx, dut, [0, 1])
        assert [total for _, total in await collect(ctx, dut)] == [4, 6]

    simulate(dut, bench)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 1, 1, 6), "rows must be an integer of at least 1, not 0"),
        ((4, "2", 1, 6), "columns must be an integer of at least 1, not '2'"),
        ((4, 2, 3, 6), "lanes must be at most 2, not 3"),
        ((4, 2, 1, True), "weight_bits must be an integer of at least 1, not True"),
    ],
)
def test_bad_shapes_are_refused(arguments, message):
    refused(message, LifCrossbar, *arguments, MemoryMap(), "w")
