import statistics

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.random import Xorshift32

MASK = 0xFFFF_FFFF


def xorshift(s):
    s ^= (s << 13) & MASK
    s ^= s >> 17
    return s ^ ((s << 5) & MASK)


def noise(s):
    return sum(s.to_bytes(4, "little")) - 510


def run(testbench):
    dut = Xorshift32()
    sim = Simulator(dut)
    sim.add_clock(1e-6)

    async def bench(ctx):
        await testbench(ctx, dut)

    sim.add_testbench(bench)
    sim.run()


async def load(ctx, dut, seed, step=0):
    ctx.set(dut.seed, seed)
    ctx.set(dut.load, 1)
    ctx.set(dut.step, step)
    await ctx.tick()
    ctx.set(dut.load, 0)
    ctx.set(dut.step, 0)


def test_published_sequence():
    """First numbers of Marsaglia's (13, 17, 5) generator from its own default seed."""

    async def testbench(ctx, dut):
        await load(ctx, dut, 2463534242)
        ctx.set(dut.step, 1)
        for expected in (723471715, 2497366906, 2064144800):
            await ctx.tick()
            assert ctx.get(dut.state) == expected

    run(testbench)


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(1, MASK))
def test_one_number_per_clock_and_its_noise_one_clock_later(seed):
    async def testbench(ctx, dut):
        await load(ctx, dut, seed)
        state = seed
        assert ctx.get(dut.state) == state
        ctx.set(dut.step, 1)
        for _ in range(10):
            await ctx.tick()
            assert ctx.get(dut.noise) == noise(state)
            state = xorshift(state)
            assert ctx.get(dut.state) == state

    run(testbench)


@pytest.mark.parametrize(
    ("seed", "expected"), [(0x0000_0001, -509), (MASK, 510), (0xFF00_0000, -255), (0x8080_8080, 2)]
)
def test_extremes_of_the_noise(seed, expected):
    async def testbench(ctx, dut):
        await load(ctx, dut, seed)
        await ctx.tick()
        assert ctx.get(dut.noise) == expected

    run(testbench)


def test_holds_without_a_step_and_load_wins():
    async def testbench(ctx, dut):
        await load(ctx, dut, 12345, step=1)
        assert ctx.get(dut.state) == 12345
        await ctx.tick().repeat(4)
        assert ctx.get(dut.state) == 12345

    run(testbench)


def test_halves_of_the_state_are_restored_one_by_one():
    async def testbench(ctx, dut):
        await load(ctx, dut, 0x1234_5678)
        ctx.set(dut.word, 0xABCD)
        ctx.set(dut.restore, 0b01)
        await ctx.tick()
        assert ctx.get(dut.state) == 0x1234_ABCD
        ctx.set(dut.word, 0xEF01)
        ctx.set(dut.restore, 0b10)
        await ctx.tick()
        ctx.set(dut.restore, 0)
        assert ctx.get(dut.state) == 0xEF01_ABCD
        ctx.set(dut.step, 1)
        await ctx.tick()
        assert ctx.get(dut.state) == xorshift(0xEF01_ABCD)
        assert ctx.get(dut.noise) == noise(0xEF01_ABCD)

    run(testbench)


def test_state_after_reset_is_a_seed_and_agrees_with_its_noise():
    async def testbench(ctx, dut):
        assert ctx.get(dut.state) == 1
        assert ctx.get(dut.noise) == noise(1)

    run(testbench)


def test_noise_has_the_stated_spread():
    async def testbench(ctx, dut):
        await load(ctx, dut, 1)
        ctx.set(dut.step, 1)
        await ctx.tick().repeat(20)
        values = []
        for _ in range(4000):
            await ctx.tick()
            values.append(ctx.get(dut.noise))
        assert abs(statistics.mean(values)) < 3 * 147.8 / 4000**0.5
        assert statistics.pstdev(values) == pytest.approx(147.8, rel=0.04)

    run(testbench)
