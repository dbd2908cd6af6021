import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.hybrid.growth import GrowthTable
from memtwin.hdl.hybrid.ts_device import TsDevice

LINE = [64 * i for i in range(128)]
ONE = 1 << 15  # gain


def round_shift(value, shift):
    return (value + (1 << (shift - 1))) >> shift


def expected(base, slope, voltage, gain):
    """Section 5 of docs/arithmetic.md, from `v1` on."""
    i, f = voltage >> 9, voltage & 511
    g = min(base[i] + round_shift(slope[i] * f, 9), 65535)
    return min(round_shift(g * gain, 15), 65535)


def stream(words, inputs, writes=()):
    """Present (voltage, gain) pairs, or None for an empty clock; the growths that come out, checked for latency."""
    memory_map = MemoryMap(words)
    m = Module()
    m.submodules.dut = dut = GrowthTable(memory_map, "layer1.")
    m.submodules.device = device = TsDevice()
    m.d.comb += [device.m_a.eq(dut.m_a), device.m_b.eq(dut.m_b), dut.m_product.eq(device.m_product)]
    results = []

    async def testbench(ctx):
        for address, data in memory_map.writes(dict(writes)):
            ctx.set(dut.config.address, address)
            ctx.set(dut.config.data, data)
            ctx.set(dut.config.enable, 1)
            await ctx.tick()
        ctx.set(dut.config.enable, 0)
        items = [*inputs, *[None] * dut.latency]
        for clock, item in enumerate(items):
            ctx.set(dut.valid, item is not None)
            if item is not None:
                ctx.set(dut.voltage, item[0])
            late = items[clock - dut.gain_delay] if clock >= dut.gain_delay else None
            ctx.set(dut.gain, late[1] if late else 0x5555)
            await ctx.tick()
            results.append(ctx.get(dut.growth) if ctx.get(dut.o_valid) else None)
        assert ctx.get(dut.m_a) == ctx.get(dut.m_b) == 0

    sim = Simulator(m)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    # Sample k is taken after k + 1 clocks.
    assert results[: GrowthTable.latency - 1] == [None] * (GrowthTable.latency - 1)
    shifted = results[GrowthTable.latency - 1 :]
    assert [x is None for x in shifted[: len(inputs)]] == [item is None for item in inputs]
    return [x for x in shifted if x is not None]


CASES = {
    "table_entry": (LINE, [64] * 128, 5 << 9, ONE, 320),
    "halfway": (LINE, [64] * 128, (5 << 9) + 256, ONE, 352),
    "half_rounds_up": ([0] * 128, [1] * 128, 256, ONE, 1),
    "less_than_half_rounds_down": ([0] * 128, [1] * 128, 255, ONE, 0),
    "last_entry_extrapolates": (LINE, [64] * 128, 65535, ONE, 8128 + 64),
    "interpolation_saturates": ([65535] * 128, [65535] * 128, 511, ONE, 65535),
    "saturates_before_the_gain": ([65535] * 128, [65535] * 128, 511, ONE // 2, 32768),
    "gain_saturates": ([40000] * 128, [0] * 128, 0, 65535, 65535),
    "gain_of_zero": (LINE, [64] * 128, 30000, 0, 0),
    "gain_rounds_up_at_half": ([1] * 128, [0] * 128, 0, ONE // 2, 1),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    base, slope, voltage, gain, growth = CASES[name]
    words = {"layer1.growth_base": base, "layer1.growth_slope": slope}
    assert stream(words, [(voltage, gain)]) == [growth]


words = st.integers(0, 65535)
tables = st.lists(words, min_size=128, max_size=128)


@settings(deadline=None, max_examples=25)
@given(
    base=tables, slope=tables, inputs=st.lists(st.one_of(st.none(), st.tuples(words, words)), min_size=1, max_size=16)
)
def test_matches_the_specification_at_one_voltage_per_clock(base, slope, inputs):
    words = {"layer1.growth_base": base, "layer1.growth_slope": slope}
    got = stream(words, inputs)
    assert got == [expected(base, slope, *item) for item in inputs if item is not None]


def test_tables_are_written_over_the_bus():
    base = [3 * i for i in range(128)]
    slope = [255 - i for i in range(128)]
    inputs = [(i * 512 + 77, ONE) for i in range(128)]
    writes = {"layer1.growth_base": base, "layer1.growth_slope": slope}
    assert stream({}, inputs, writes) == [expected(base, slope, *item) for item in inputs]
