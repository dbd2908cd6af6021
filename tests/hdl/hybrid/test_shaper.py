import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.hybrid.shaper import SpikeShaper

OUTPUTS = ["l1", "l2", "g1", "g2", "g3", "t1", "t3", "fired"]


def run(testbench):
    dut = SpikeShaper()
    sim = Simulator(dut)
    sim.add_clock(1e-6)

    async def bench(ctx):
        await testbench(ctx, dut)

    sim.add_testbench(bench)
    sim.run()


async def strobe(ctx, dut, name, **levels):
    """Raise `name` for one clock, with `levels` set, and return the outputs after it."""
    for port, value in {name: 1, **levels}.items():
        ctx.set(getattr(dut, port), value)
    await ctx.tick()
    ctx.set(getattr(dut, name), 0)
    return {output: ctx.get(getattr(dut, output)) for output in OUTPUTS}


async def half(ctx, dut, clk, node2):
    """One half-period: the edge, then a commit for each value of `node2`; the outputs after each."""
    out = [await strobe(ctx, dut, "edge", clk=clk)]
    return out + [await strobe(ctx, dut, "commit", node2=value) for value in node2]


def column(states, name):
    return [state[name] for state in states]


def test_one_fire_gives_one_spike_and_two_half_periods_of_refractoriness():
    async def testbench(ctx, dut):
        ctx.set(dut.refractory, 1)
        ctx.set(dut.depression, 1)
        high = await half(ctx, dut, 1, [0, 1, 1, 1])
        low = await half(ctx, dut, 0, [0, 0, 0, 0])
        spike = await half(ctx, dut, 1, [0, 0, 0, 0])
        after = await half(ctx, dut, 0, [0, 0, 0, 0])

        assert column(high, "l1") == [0, 0, 1, 1, 1]
        assert column(high, "g2") == [0, 0, 1, 1, 1]
        assert column(high, "t3") == [0, 0, 1, 1, 1]  # one substep after the fire: after its commit
        assert column(high, "fired") == [0, 0, 1, 1, 1]
        assert column(high, "g1") == column(high, "t1") == [0] * 5

        assert column(low, "l1") == column(low, "l2") == column(low, "t1") == column(low, "g3") == [1] * 5
        assert column(low, "g1") == column(low, "g2") == column(low, "t3") == column(low, "fired") == [0] * 5

        assert column(spike, "g1") == column(spike, "t1") == [1] * 5
        assert column(spike, "l1") == [1, 0, 0, 0, 0]  # L1 holds until the first commit of the high half-period
        assert column(spike, "t3") == column(spike, "fired") == [0] * 5

        for name in OUTPUTS:
            assert column(after, name) == [0] * 5, name

    run(testbench)


@pytest.mark.parametrize(
    ("refractory", "depression"), [(0, 0), (0, 1), (1, 0), (1, 1)], ids=["none", "t3", "t1", "t1_and_t3"]
)
def test_options_disconnect_the_transistors_only(refractory, depression):
    async def testbench(ctx, dut):
        ctx.set(dut.refractory, refractory)
        ctx.set(dut.depression, depression)
        high = await half(ctx, dut, 1, [1, 1])
        low = await half(ctx, dut, 0, [0, 0])
        assert column(high, "t3") == [0, depression, depression]
        assert column(low, "t1") == [refractory] * 3
        assert column(low, "l2") == [1] * 3

    run(testbench)


def test_a_fire_that_ends_within_its_half_period_is_fired_without_a_spike():
    async def testbench(ctx, dut):
        high = await half(ctx, dut, 1, [1, 0])
        assert column(high, "l1") == [0, 1, 0]
        assert column(high, "fired") == [0, 1, 1]
        low = await half(ctx, dut, 0, [0])
        assert column(low, "l2") == [0, 0]

    run(testbench)


def test_a_fire_in_the_last_substep_is_a_fire():
    async def testbench(ctx, dut):
        await half(ctx, dut, 1, [0, 0, 1])
        await half(ctx, dut, 0, [0])
        assert column(await half(ctx, dut, 1, [0]), "g1") == [1, 1]

    run(testbench)


def test_node2_that_stays_high_fires_once():
    async def testbench(ctx, dut):
        await half(ctx, dut, 1, [1])
        await half(ctx, dut, 0, [1])
        assert column(await half(ctx, dut, 1, [1, 1]), "fired") == [0, 0, 0]

    run(testbench)


def test_gates_follow_clk_in_the_clock_of_the_edge():
    async def testbench(ctx, dut):
        await half(ctx, dut, 1, [1])
        await half(ctx, dut, 0, [0])
        ctx.set(dut.edge, 1)
        ctx.set(dut.clk, 1)
        assert ctx.get(dut.g1) == 1
        assert ctx.get(dut.t3) == 0

    run(testbench)


def test_clear_wins_over_edge_and_commit():
    async def testbench(ctx, dut):
        ctx.set(dut.depression, 1)
        await half(ctx, dut, 1, [1])
        state = await strobe(ctx, dut, "clear", edge=1, clk=0, commit=1, node2=1)
        ctx.set(dut.edge, 0)
        assert not any(state.values())
        state = await strobe(ctx, dut, "clear", clk=1)
        assert not any(state.values())

    run(testbench)


@pytest.mark.parametrize(("l1", "l2"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_restored_latches_are_those_of_the_next_half_period(l1, l2):
    async def testbench(ctx, dut):
        ctx.set(dut.refractory, 1)
        await half(ctx, dut, 1, [1])
        await half(ctx, dut, 0, [0])
        ctx.set(dut.latches, l1 | l2 << 1)
        state = await strobe(ctx, dut, "restore")
        assert (state["l1"], state["l2"], state["t1"]) == (l1, l2, l2)
        high = await half(ctx, dut, 1, [1])
        assert column(high, "g1") == [l2, l2]
        assert column(high, "fired") == [0, 1 - l1]  # a fire is where L1 rises

    run(testbench)


@pytest.mark.parametrize("strobes", [{"clear": 1}, {"edge": 1, "clk": 0}, {"commit": 1, "clk": 1, "node2": 0}])
def test_any_other_strobe_wins_over_restore(strobes):
    async def testbench(ctx, dut):
        ctx.set(dut.latches, 0b11)
        state = await strobe(ctx, dut, "restore", **strobes)
        assert (state["l1"], state["l2"]) == (0, 0)

    run(testbench)


def test_nothing_moves_without_a_strobe():
    async def testbench(ctx, dut):
        await half(ctx, dut, 1, [1])
        ctx.set(dut.node2, 0)
        await ctx.tick().repeat(5)
        assert ctx.get(dut.l1) == ctx.get(dut.fired) == 1

    run(testbench)


@settings(deadline=None, max_examples=40)
@given(halves=st.lists(st.lists(st.booleans(), min_size=1, max_size=4), min_size=2, max_size=10))
def test_matches_the_order_of_the_specification(halves):
    """The shaper part of docs/arithmetic.md, sections 4 and 6, in plain variables, for any node 2."""
    expected = []
    l1 = l2 = t3 = fired = 0
    for k, node2s in enumerate(halves):
        clk = 1 - k % 2
        if not clk:
            l2 = l1
        t3 = fired = 0
        expected.append((l1, l2, l2 & clk, l1 & clk, l1 | l2, l2, t3 & clk, fired))
        for node2 in map(int, node2s):
            if clk:
                fired |= int(node2 and not l1)
                l1 = node2
            t3 = l1 & clk
            expected.append((l1, l2, l2 & clk, l1 & clk, l1 | l2, l2, t3 & clk, fired))

    async def testbench(ctx, dut):
        ctx.set(dut.refractory, 1)
        ctx.set(dut.depression, 1)
        got = []
        for k, node2s in enumerate(halves):
            got += await half(ctx, dut, 1 - k % 2, map(int, node2s))
        assert [tuple(state[name] for name in OUTPUTS) for state in got] == expected

    run(testbench)
