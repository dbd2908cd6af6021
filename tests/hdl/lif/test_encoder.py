"""Encoder: events of every step against docs/lif-arithmetic.md, section 3, under any back-pressure."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.lif.encoder import LifEncoder
from tests.hdl.helpers import fetch, load, places, refused, simulate
from tests.hdl.lif.reference import xorshift

SEED = 0x1234_5678


def words_of(entries, capacity, mode, seed=SEED):
    rows, values = zip(*entries, strict=True) if entries else ((), ())
    spare = capacity - len(entries)
    return {
        "entry_row": [*rows, *[0] * spare],
        # What is not valid must not spike.
        "entry_value": [*values, *[255 if mode == 0 else 1] * spare],
        "entries": [len(entries)],
        "seed_low": [seed & 0xFFFF],
        "seed_high": [seed >> 16],
        "mode": [mode],
    }


def expected(entries, mode, steps, state=SEED):
    """Events of each step."""
    out = []
    for step in range(steps):
        events = []
        for place, (row, value) in enumerate(entries):
            if mode:
                spikes = value - 1 == step
            else:
                if place % 2 == 0:
                    state = xorshift(state)
                spikes = (state >> 16 * (place % 2) & 255) < value
            if spikes:
                events.append(row)
        out.append(events)
    return out


async def step(ctx, dut, moment, ready=lambda: True):
    """Run a step; returns its events, its clocks, and the clock of the first event."""
    ctx.set(dut.moment, moment)
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)
    events, clocks, first = [], 1, None
    while ctx.get(dut.busy):
        taken = ready()
        ctx.set(dut.o.ready, taken)
        if ctx.get(dut.o.valid):
            first = first or clocks
            if taken:
                events.append(ctx.get(dut.o.payload))
        await ctx.tick()
        clocks += 1
    assert not ctx.get(dut.o.valid)
    return events, clocks, first


def encoder_of(entries, capacity, mode=0, rows=1024, **options):
    words = words_of(entries, capacity, mode, **options)
    return LifEncoder(rows, capacity, MemoryMap({"encoder." + name: word for name, word in words.items()}), "encoder.")


async def seed(ctx, dut):
    ctx.set(dut.seed, 1)
    await ctx.tick()
    ctx.set(dut.seed, 0)


ENTRIES = st.lists(st.integers(0, 1023), max_size=40, unique=True).flatmap(
    lambda rows: st.tuples(st.just(sorted(rows)), st.lists(st.integers(1, 255), min_size=len(rows), max_size=len(rows)))
)


@settings(deadline=None, max_examples=30)
@given(ENTRIES, st.integers(0, 1), st.integers(1, 2**32 - 1), st.floats(0.1, 1), st.integers(0, 99))
def test_events_of_every_step(words, mode, state, rate, dice):
    entries = list(zip(*words, strict=True))
    dut = encoder_of(entries, 40, mode, seed=state)
    draw = random.Random(dice)

    async def bench(ctx):
        await seed(ctx, dut)
        for number, events in enumerate(expected(entries, mode, 5, state), 1):
            got, _, _ = await step(ctx, dut, number, lambda: draw.random() < rate)
            assert got == events
            assert ctx.get(dut.count) == len(events)

    simulate(dut, bench)


def test_random_numbers_go_on_where_they_were():
    entries = [(row, 128) for row in range(15)]
    memory_map = MemoryMap()
    memory_map.claim("before", 7)
    dut = LifEncoder(20, 20, memory_map, "encoder.")
    words = {"encoder." + name: word for name, word in words_of(entries, 20, 0).items()}
    window = memory_map.windows["encoder.random"]

    async def bench(ctx):
        await load(ctx, dut.config, memory_map.writes(words))
        await seed(ctx, dut)
        steps = expected(entries, 0, 6)
        for number in range(2):
            assert (await step(ctx, dut, number + 1))[0] == steps[number]
        state = await fetch(ctx, dut.config, places(window))
        rest = [(await step(ctx, dut, 1))[0] for _ in range(4)]
        assert rest == steps[2:]
        assert await fetch(ctx, dut.config, places(window)) != state
        await load(ctx, dut.config, memory_map.writes({"encoder.random": state}))
        assert await fetch(ctx, dut.config, places(window)) == state
        assert [(await step(ctx, dut, 1))[0] for _ in range(4)] == rest

    simulate(dut, bench)


def test_latency_mode_spikes_once_and_only_in_the_first_255_steps():
    entries = [(0, 1), (3, 2), (7, 255), (9, 255)]
    dut = encoder_of(entries, 4, 1)
    moments = {1: [0], 2: [3], 3: [], 255: [7, 9], 256: [], 257: [], 258: [], 0xFFFF: []}

    async def bench(ctx):
        for moment, events in moments.items():
            assert (await step(ctx, dut, moment))[0] == events

    simulate(dut, bench)


def test_generator_stays_in_latency_mode():
    entries = [(row, 128) for row in range(20)]
    dut = encoder_of(entries, 20)
    mode = dut._registers._windows["mode"].address(0)

    async def bench(ctx):
        await seed(ctx, dut)
        first, second = expected(entries, 0, 2)
        assert (await step(ctx, dut, 1))[0] == first
        await load(ctx, dut.config, [(mode, 1)])
        assert (await step(ctx, dut, 2))[0] == []
        await load(ctx, dut.config, [(mode, 0)])
        assert (await step(ctx, dut, 3))[0] == second
        await seed(ctx, dut)
        assert (await step(ctx, dut, 4))[0] == first

    simulate(dut, bench)


@pytest.mark.parametrize("count", [1, 2, 7, 60])
def test_clocks(count):
    # Every entry spikes, or none.
    for value, moment in ((1, 1), (1, 2)):
        dut = encoder_of([(row, value) for row in range(count)], 60, 1)
        pairs = (count + 1) // 2

        async def bench(ctx, dut=dut, moment=moment, pairs=pairs):
            events, clocks, first = await step(ctx, dut, moment)
            if moment == 1:
                assert (len(events), first, clocks) == (count, 5, 5 + count)
            else:
                assert (events, clocks) == ([], pairs + 4)

        simulate(dut, bench)


def test_no_entries_are_no_work():
    dut = encoder_of([], 8)

    async def bench(ctx):
        assert await step(ctx, dut, 1) == ([], 1, None)

    simulate(dut, bench)


def test_entries_beyond_the_capacity_are_not_looked_at():
    entries = [(row, 1) for row in range(6)]
    dut = encoder_of(entries, 6, 1)
    window = dut._registers._windows["entries"]

    async def bench(ctx):
        await load(ctx, dut.config, [(window.address(0), 9)])
        assert (await step(ctx, dut, 1))[0] == list(range(6))

    simulate(dut, bench)


def test_an_image_over_the_bus():
    memory_map = MemoryMap()
    dut = LifEncoder(300, 10, memory_map, "encoder.")
    entries = [(5 * place, 200 - place) for place in range(9)]
    words = {"encoder." + name: word for name, word in words_of(entries, 10, 0).items()}

    async def bench(ctx):
        await load(ctx, dut.config, memory_map.writes(words))
        await seed(ctx, dut)
        for number, events in enumerate(expected(entries, 0, 4), 1):
            assert (await step(ctx, dut, number))[0] == events

    simulate(dut, bench)


@pytest.mark.parametrize(
    ("rows", "capacity", "message"),
    [
        (0, 2, r"rows must be in 1\.\.1024, not 0"),
        (1025, 2, r"rows must be in 1\.\.1024, not 1025"),
        (8, 0, r"capacity must be in 2\.\.1024, not 0"),
        (8, 5, "capacity must be even, not 5"),
    ],
)
def test_bad_parameters_are_refused(rows, capacity, message):
    refused(message, LifEncoder, rows, capacity, MemoryMap(), "encoder.")
