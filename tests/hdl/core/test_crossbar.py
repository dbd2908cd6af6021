import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.core.crossbar import Crossbar
from tests.hdl.helpers import load, refused, simulate

SHAPES = [
    pytest.param(1, 1, 1, id="one-synapse"),
    pytest.param(30, 10, 1, id="layer1"),
    pytest.param(11, 10, 1, id="lia"),
    pytest.param(30, 10, 4, id="lanes-last-slice-short"),
    pytest.param(33, 7, 8, id="lanes-more-than-columns"),
    pytest.param(5, 8, 2, id="power-of-two"),
    pytest.param(2, 12, 4, id="sums-wait-for-the-port"),
]


async def evaluate(ctx, dut, events):
    """Start an evaluation; returns (clock, column, sum) of every sum, the clock counted from start."""
    ctx.set(dut.events, events)
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)
    out = []
    clock = 1
    while ctx.get(dut.busy):
        if ctx.get(dut.o_valid):
            out.append((clock, ctx.get(dut.o_column), ctx.get(dut.o_sum)))
        await ctx.tick()
        clock += 1
    assert not ctx.get(dut.o_valid)
    return out


def sums(words, rows, columns, events):
    return [sum(words[r * columns + c] for r in range(rows) if events >> r & 1) for c in range(columns)]


def scan(rows, events):
    """Clocks that the documentation promises for one scan of the rows."""
    return sum(max(1, (events >> group & 0xFF).bit_count()) for group in range(0, rows, 8))


@pytest.mark.parametrize(("rows", "columns", "lanes"), SHAPES)
def test_sums_and_latency(rows, columns, lanes):
    draw = random.Random(rows * columns)
    words = [draw.randrange(65536) for _ in range(rows * columns)]
    dut = Crossbar(rows, columns, lanes, MemoryMap({"g": words}), "g")

    async def bench(ctx):
        full = (1 << rows) - 1
        for events in [0, full, 1, 1 << (rows - 1), *(draw.getrandbits(rows) for _ in range(4))]:
            out = await evaluate(ctx, dut, events)
            assert [total for _, _, total in out] == sums(words, rows, columns, events)
            assert [column for _, column, _ in out] == list(range(columns))
            first = scan(rows, events) + (3 if min(lanes, columns) == 1 else 4)
            period = max(scan(rows, events) + 1, lanes)
            assert [clock for clock, _, _ in out] == [first + c // lanes * period + c % lanes for c in range(columns)]

    simulate(dut, bench)


def test_largest_sum_fits():
    rows = 16
    dut = Crossbar(rows, 2, 1, MemoryMap({"g": [65535] * (rows * 2)}), "g")

    async def bench(ctx):
        out = await evaluate(ctx, dut, 0xFFFF)
        assert [total for _, _, total in out] == [rows * 65535] * 2

    simulate(dut, bench)


@settings(deadline=None, max_examples=10)
@given(
    st.integers(1, 40),
    st.integers(1, 9),
    st.sampled_from([1, 2, 4, 8]),
    st.lists(st.integers(0, 2**40)),
    st.randoms(use_true_random=True),
)
def test_any_shape(rows, columns, lanes, patterns, draw):
    lanes = min(lanes, 1 << (columns - 1).bit_length())
    words = [draw.randrange(65536) for _ in range(rows * columns)]
    memory_map = MemoryMap()
    dut = Crossbar(rows, columns, lanes, memory_map, "g")

    async def bench(ctx):
        await load(ctx, dut.config, memory_map.writes({"g": words}))
        for pattern in [*patterns, (1 << rows) - 1]:
            events = pattern % (1 << rows)
            out = await evaluate(ctx, dut, events)
            assert [total for _, _, total in out] == sums(words, rows, columns, events)

    simulate(dut, bench)


@pytest.mark.parametrize(("rows", "columns", "lanes"), SHAPES)
def test_start_while_busy_is_ignored(rows, columns, lanes):
    """Also while nothing but sums of the last slice is on its way out; where `start` is held, one follows the other."""
    words = list(range(1, rows * columns + 1))
    dut = Crossbar(rows, columns, lanes, MemoryMap({"g": words}), "g")
    events = (1 << rows) - 1

    async def bench(ctx):
        out = []
        ctx.set(dut.events, events)
        ctx.set(dut.start, 1)
        for _ in range(2 * ((scan(rows, events) + 1 + lanes) * columns + 8)):
            await ctx.tick()
            if ctx.get(dut.o_valid):
                out.append((ctx.get(dut.o_column), ctx.get(dut.o_sum)))
        assert out[: 2 * columns] == 2 * list(enumerate(sums(words, rows, columns, events)))

    simulate(dut, bench)


@pytest.mark.parametrize(("rows", "columns", "lanes"), SHAPES)
def test_learning_port(rows, columns, lanes):
    draw = random.Random(1)
    words = [draw.randrange(65536) for _ in range(rows * columns)]
    new = [draw.randrange(65536) for _ in range(rows * columns)]
    dut = Crossbar(rows, columns, lanes, MemoryMap({"g": words}), "g")

    async def read(ctx):
        out = []
        ctx.set(dut.r_enable, 1)
        for index in range(rows * columns):
            ctx.set(dut.r_row, index // columns)
            ctx.set(dut.r_column, index % columns)
            await ctx.tick()
            out.append(ctx.get(dut.r_data))
        ctx.set(dut.r_enable, 0)
        return out

    async def bench(ctx):
        assert await read(ctx) == words
        for index, word in enumerate(new):
            ctx.set(dut.w_row, index // columns)
            ctx.set(dut.w_column, index % columns)
            ctx.set(dut.w_data, word)
            ctx.set(dut.w_enable, 1)
            await ctx.tick()
        ctx.set(dut.w_enable, 0)
        ctx.set(dut.w_data, 0)
        assert await read(ctx) == new
        out = await evaluate(ctx, dut, (1 << rows) - 1)
        assert [total for _, _, total in out] == sums(new, rows, columns, (1 << rows) - 1)

    simulate(dut, bench)


@pytest.mark.parametrize(("rows", "columns", "lanes"), [(4, 4, 1), (4, 4, 2), (4, 4, 4)])
def test_a_write_from_the_bus_wins_over_one_of_learning(rows, columns, lanes):
    """Both at once, to places that differ in row and column: that of the bus is written, the other one is not."""
    memory_map = MemoryMap({"g": [0] * (rows * columns)})
    dut = Crossbar(rows, columns, lanes, memory_map, "g")
    window = dut.window

    async def bench(ctx):
        expected = [0] * (rows * columns)
        for place in range(rows * columns):
            row, column = divmod(place, columns)
            ctx.set(dut.w_row, rows - 1 - row)
            ctx.set(dut.w_column, columns - 1 - column)
            ctx.set(dut.w_data, 9999)
            ctx.set(dut.w_enable, 1)
            await load(ctx, dut.config, [(window.address(place), 100 + place)])
            ctx.set(dut.w_enable, 0)
            expected[place] = 100 + place
        for row in range(rows):
            out = await evaluate(ctx, dut, 1 << row)
            assert [total for _, _, total in out] == sums(expected, rows, columns, 1 << row)

    simulate(dut, bench)


def test_bus_writes_only_in_its_window():
    memory_map = MemoryMap()
    memory_map.claim("before", 5)
    dut = Crossbar(3, 3, 1, memory_map, "g")
    after = memory_map.claim("after", 8)

    async def bench(ctx):
        await load(ctx, dut.config, memory_map.writes({"before": [9] * 5, "g": list(range(9)), "after": [9] * 8}))
        for row in range(3):
            out = await evaluate(ctx, dut, 1 << row)
            assert [total for _, _, total in out] == [3 * row, 3 * row + 1, 3 * row + 2]

    simulate(dut, bench)
    assert after.base > max(dut.window.address(i) for i in range(9))


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (30, 10), (33, 17), (4, 4), (5, 1)])
def test_window_has_its_own_addresses(rows, columns):
    memory_map = MemoryMap()
    first = memory_map.claim("first", 3)
    window = memory_map.claim_matrix("g", rows, columns)
    last = memory_map.claim("last", 1)
    addresses = [window.address(index) for index in range(rows * columns)]
    assert len({*addresses, *(first.address(i) for i in range(3)), last.address(0)}) == rows * columns + 4
    assert {address >> window.bits for address in addresses} == {window.base >> window.bits}
    assert memory_map.windows["g"] is window
    # One field for the row and one for the column.
    assert [address - window.base for address in addresses] == [
        row << (columns - 1).bit_length() | column for row in range(rows) for column in range(columns)
    ]


def test_window_index_out_of_range():
    window = MemoryMap().claim_matrix("g", 3, 3)
    with pytest.raises(ValueError, match=r"index of g must be in 0\.\.8, not 9"):
        window.address(9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 10, 1), "rows must be an integer of at least 1, not 0"),
        ((3, "x", 1), "columns must be an integer of at least 1, not 'x'"),
        ((3, 10, 3), "lanes must be a power of two, at most 16, not 3"),
        ((3, 10, 32), "lanes must be a power of two, at most 16, not 32"),
    ],
)
def test_bad_parameter(arguments, message):
    refused(message, Crossbar, *arguments, MemoryMap(), "g")


def test_image_of_another_shape():
    refused("g must have 6 words, not 5", Crossbar, 3, 2, 1, MemoryMap({"g": [0] * 5}), "g")
