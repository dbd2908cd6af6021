import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.hybrid.node1 import Node1
from tests.hdl.helpers import fetch, load, places, refused, simulate


def round_shift(v, s):
    return (v + (1 << s >> 1)) >> s


def sat(v):
    return min(max(v, 0), 65535)


def reciprocal(total, v_in, recip_shift, sum_shift):
    total_hi = round_shift(total, sum_shift)
    return sat(((v_in << recip_shift) + (total_hi >> 1)) // total_hi)


def voltage(current, word, recip_shift, sum_shift):
    return sat(round_shift(sat(round_shift(current, sum_shift)) * word, recip_shift))


async def update(ctx, dut, column, total):
    """Update one reciprocal; returns (reciprocal, clocks from start to done)."""
    ctx.set(dut.w_column, column)
    ctx.set(dut.w_total, total)
    ctx.set(dut.w_start, 1)
    await ctx.tick()
    ctx.set(dut.w_start, 0)
    ctx.set(dut.w_column, 0)
    ctx.set(dut.w_total, 1)
    clocks = 1
    while not ctx.get(dut.w_done):
        assert ctx.get(dut.w_busy)
        await ctx.tick()
        clocks += 1
    word = ctx.get(dut.w_reciprocal)
    await ctx.tick()
    assert not ctx.get(dut.w_busy)
    assert not ctx.get(dut.w_done)
    assert ctx.get(dut.w_reciprocal) == word
    return word, clocks


async def evaluate(ctx, dut, items):
    """Send (column, current) or None, one per clock; returns (clock, column, v1, gain), the clock of the first is 0."""
    out, gains = [], []
    for clock, item in enumerate([*items, *[None] * (dut.latency + dut.gain_delay + 1)]):
        if ctx.get(dut.o_valid):
            out.append((clock, ctx.get(dut.o_column), ctx.get(dut.o_v1)))
        gains.append(ctx.get(dut.o_gain))
        ctx.set(dut.i_valid, item is not None)
        if item is not None:
            ctx.set(dut.i_column, item[0])
            ctx.set(dut.i_current, item[1])
        await ctx.tick()
    # The gain of a column comes `gain_delay` clocks after its voltage.
    return [(clock, column, v1, gains[clock + dut.gain_delay]) for clock, column, v1 in out]


@pytest.mark.parametrize(
    ("rows", "recip_shift", "total", "v_in"),
    [
        pytest.param(30, 16, 30 * 20000 + 5000, 26214, id="layer1"),
        pytest.param(30, 16, 31 * 65535, 65535, id="largest-total"),
        pytest.param(32, 16, 33 * 65535, 65535, id="largest-total-power-of-two"),
        pytest.param(1, 14, 2 * 65535, 26214, id="one-row"),
        pytest.param(30, 16, 32, 26214, id="saturated"),
        pytest.param(10, 0, 400, 29491, id="no-fraction"),
        pytest.param(10, 31, 11 * 65535, 1, id="long-fraction"),
        pytest.param(10, 12, 100000, 0, id="no-input-voltage"),
    ],
)
def test_reciprocal(rows, recip_shift, total, v_in):
    dut = Node1(rows, 10, recip_shift, MemoryMap(), "")
    sum_shift = (rows - 1).bit_length()

    async def bench(ctx):
        ctx.set(dut.v_in, v_in)
        expected = reciprocal(total, v_in, recip_shift, sum_shift)
        assert await update(ctx, dut, 7, total) == (expected, dut.update_latency)
        # The whole column, all rows active, is the largest current of this node.
        current = min(total, rows * 65535)
        out = await evaluate(ctx, dut, [(7, current)])
        assert out == [(dut.latency, 7, voltage(current, expected, recip_shift, sum_shift), 0)]

    simulate(dut, bench)


def test_column_without_conductance():
    dut = Node1(10, 3, 16, MemoryMap(), "")

    async def bench(ctx):
        ctx.set(dut.v_in, 26214)
        assert await update(ctx, dut, 1, 0) == (65535, dut.update_latency)

    simulate(dut, bench)


def test_voltage_is_that_of_the_divider():
    # 8 of 30 synapses at 400 uS with 1.6 V, a load of 200 uS, in units of 2**-25 S: 1.6 V * 3200 / 12200.
    rows, recip_shift = 30, 14
    synapse, load_word = round(400e-6 * 2**25), round(200e-6 * 2**25)
    dut = Node1(rows, 1, recip_shift, MemoryMap(), "")

    async def bench(ctx):
        ctx.set(dut.v_in, round(1.6 * 2**14))
        await update(ctx, dut, 0, rows * synapse + load_word)
        ((_, _, v1, _),) = await evaluate(ctx, dut, [(0, 8 * synapse)])
        assert v1 / 2**14 == pytest.approx(1.6 * 3200 / 12200, rel=2e-3)

    simulate(dut, bench)


@settings(deadline=None, max_examples=20)
@given(
    st.integers(1, 40), st.integers(1, 9), st.integers(0, 31), st.integers(0, 65535), st.randoms(use_true_random=True)
)
def test_any_words(rows, neurons, recip_shift, v_in, draw):
    sum_shift = (rows - 1).bit_length()
    memory_map = MemoryMap()
    dut = Node1(rows, neurons, recip_shift, memory_map, "layer1.")
    gains = [draw.randrange(65536) for _ in range(neurons)]
    totals = [max(1 << sum_shift, draw.randrange((rows + 1) * 65535 >> draw.randrange(16))) for _ in range(neurons)]
    items = [
        (draw.randrange(neurons), draw.randrange(rows * 65535 + 1)) if draw.random() < 0.8 else None for _ in range(30)
    ]

    async def bench(ctx):
        await load(ctx, dut.config, memory_map.writes({"layer1.gain": gains}))
        ctx.set(dut.v_in, v_in)
        words = [reciprocal(total, v_in, recip_shift, sum_shift) for total in totals]
        for column, total in enumerate(totals):
            assert await update(ctx, dut, column, total) == (words[column], dut.update_latency)
        expected = [
            (
                clock + 4,
                item[0],
                voltage(item[1], words[item[0]], recip_shift, sum_shift),
                gains[item[0]],
            )
            for clock, item in enumerate(items)
            if item is not None
        ]
        assert await evaluate(ctx, dut, items) == expected

    simulate(dut, bench)


def test_reciprocals_are_read_and_restored():
    rows, recip_shift, sum_shift = 10, 12, 4
    memory_map = MemoryMap()
    memory_map.claim("before", 5)
    dut = Node1(rows, 5, recip_shift, memory_map, "")
    window = memory_map.windows["reciprocal"]
    words = [3000, 65535, 0, 1, 40000]

    async def bench(ctx):
        ctx.set(dut.v_in, 26214)
        totals = [100000, 200000, 300000, 400000, 50000]
        for column, total in enumerate(totals):
            await update(ctx, dut, column, total)
        expected = [reciprocal(total, 26214, recip_shift, sum_shift) for total in totals]
        assert await fetch(ctx, dut.config, places(window)) == expected
        await load(ctx, dut.config, memory_map.writes({"reciprocal": words}))
        assert await fetch(ctx, dut.config, places(window)) == words
        # The address stays on the bus and does no harm.
        voltages = [voltage(90000, word, recip_shift, sum_shift) for word in words]
        out = await evaluate(ctx, dut, [(column, 90000) for column in range(5)])
        assert [v1 for _, _, v1, _ in out] == voltages
        await update(ctx, dut, 2, 100000)
        assert await fetch(ctx, dut.config, places(window)) == [*words[:2], expected[0], *words[3:]]

    simulate(dut, bench)


def test_gain_of_the_image():
    dut = Node1(4, 3, 8, MemoryMap({"layer1.gain": [5, 6, 7]}), "layer1.")

    async def bench(ctx):
        assert [gain for *_, gain in await evaluate(ctx, dut, [(2, 0), (0, 0), (1, 0)])] == [7, 5, 6]

    simulate(dut, bench)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 10, 16), "rows must be an integer of at least 1, not 0"),
        ((3, -1, 16), "neurons must be an integer of at least 1, not -1"),
        ((3, 10, 32), r"recip_shift must be an integer in 0\.\.31, not 32"),
    ],
)
def test_bad_parameter(arguments, message):
    refused(message, Node1, *arguments, MemoryMap(), "")
