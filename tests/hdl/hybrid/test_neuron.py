"""The neuron and the bare device as parts of a design of one's own."""

from itertools import pairwise

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator

from memtwin.hdl.hybrid.neuron import HybridNeuron
from memtwin.hdl.hybrid.ts_neuron import TsNeuron
from tests.hdl.helpers import load, refused
from tests.hdl.hybrid.card import DEPRESSION, REFRACTORY, layer_image

FIXED_RESISTORS = [[100e-6], [25e-6]]
CARD = {"rows": 2, "neurons": 1, "conductance": FIXED_RESISTORS, "options": REFRACTORY}


async def edge(ctx, dut, level):
    """Wait for CLK to be at `level`, from the other one."""
    while ctx.get(dut.clk_level) == level:
        await ctx.tick()
    while ctx.get(dut.clk_level) != level:
        await ctx.tick()


def simulate(dut, script, top=None):
    async def bench(ctx):
        await ctx.tick().until(dut.idle)
        ctx.set(dut.tick, 1)
        await script(ctx)

    simulator = Simulator(top or dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


async def spikes(ctx, dut, periods):
    """Level of the spike in each high half-period."""
    levels = []
    for _ in range(periods):
        await edge(ctx, dut, 1)
        levels.append(ctx.get(dut.g1))
    return levels


@pytest.mark.parametrize(("v_in", "period"), [(1.4, None), (1.8, 6)])
def test_fires_every_sixth_period_at_the_operating_point(v_in, period):
    dut = HybridNeuron(2, layer_image(**CARD | {"v_in": v_in}))

    async def script(ctx):
        ctx.set(dut.pulses, 1)
        ctx.set(dut.run, 1)
        levels = await spikes(ctx, dut, 26)
        fired = [number for number, level in enumerate(levels) if level]
        gaps = {after - before for before, after in pairwise(fired)}
        assert len(fired) >= 2
        if period is None:
            assert min(gaps) > 6
        else:
            assert fired[0] == 5  # the spike of the fire on the fifth pulse
            assert gaps == {period}

    simulate(dut, script)


def test_the_reciprocal_has_twelve_fraction_bits_unless_told():
    """Its word is `v_in * 2**12 / total`, after power-up the first of the trace."""
    words = layer_image(**CARD)
    dut = HybridNeuron(2, words)
    total = (sum(words["layer1.conductance"]) + words["layer1.g_load"][0]) >> 1
    seen = []

    async def monitor(ctx):
        async for _, _, valid, word in ctx.tick().sample(dut.trace.valid, dut.trace.word):
            if valid and word & 15 == 5:
                seen.append(word >> 20 & 0xFFFF)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_process(monitor)

    async def bench(ctx):
        await ctx.tick().until(dut.idle)

    simulator.add_testbench(bench)
    simulator.run()
    assert seen == [((words["layer1.v_in"][0] << 12) + (total >> 1)) // total]


def test_a_spike_lasts_one_high_half_period_and_v_l_from_the_fire_on():
    dut = HybridNeuron(2, layer_image(**CARD | {"options": REFRACTORY | DEPRESSION}))

    async def script(ctx):
        ctx.set(dut.pulses, 1)
        ctx.set(dut.run, 1)
        await ctx.tick().until(dut.node2)
        seen = [(ctx.get(dut.v_l), ctx.get(dut.g1), ctx.get(dut.t1))]
        for level in (0, 1, 0, 1):
            await edge(ctx, dut, level)
            await ctx.tick()
            seen.append((ctx.get(dut.v_l), ctx.get(dut.g1), ctx.get(dut.t1)))
        assert seen == [(1, 0, 0), (1, 0, 1), (1, 1, 1), (0, 0, 0), (0, 0, 0)]

    simulate(dut, script)


def test_pulses_are_taken_at_the_rising_edge_and_clk_stops_after_a_whole_period():
    dut = HybridNeuron(2, layer_image(**CARD))

    async def script(ctx):
        ctx.set(dut.run, 1)
        await edge(ctx, dut, 1)
        ctx.set(dut.pulses, 0)
        await ctx.tick()
        ctx.set(dut.pulses, 1)  # too late for this period
        ctx.set(dut.run, 0)
        await ctx.tick().until(dut.idle)
        assert (ctx.get(dut.clk_level), ctx.get(dut.x), ctx.get(dut.v1)) == (0, 0, 0)
        ctx.set(dut.run, 1)
        await edge(ctx, dut, 1)
        await ctx.tick()
        ctx.set(dut.pulses, 0)  # taken already
        ctx.set(dut.run, 0)
        await ctx.tick().until(dut.idle)
        assert ctx.get(dut.x) > 0
        assert ctx.get(dut.v1) == pytest.approx(0.963 * 2**14, rel=1e-3)

    simulate(dut, script)


def test_init_starts_over_with_new_coefficients():
    dut = HybridNeuron(2, layer_image(**CARD))

    async def script(ctx):
        ctx.set(dut.pulses, 1)
        ctx.set(dut.run, 1)
        await edge(ctx, dut, 0)
        ctx.set(dut.run, 0)
        await ctx.tick().until(dut.idle)
        before = ctx.get(dut.v1)
        await load(ctx, dut.config, dut.memory_map.writes(layer_image(**CARD | {"v_in": 1.4})))
        ctx.set(dut.init, 1)
        await ctx.tick()
        ctx.set(dut.init, 0)
        await ctx.tick().until(dut.idle)
        assert (ctx.get(dut.x), ctx.get(dut.on)) == (0, 0)
        ctx.set(dut.run, 1)
        await edge(ctx, dut, 0)
        assert ctx.get(dut.v1) == pytest.approx(before * 1.4 / 1.8, rel=1e-3)

    simulate(dut, script)


def test_a_tick_sets_the_pace():
    dut = HybridNeuron(2, layer_image(**CARD))

    async def script(ctx):
        ctx.set(dut.tick, 0)
        ctx.set(dut.run, 1)
        clocks, edges, level = 0, [], 0
        while len(edges) < 6:
            ctx.set(dut.tick, clocks % 20 == 0)
            await ctx.tick()
            clocks += 1
            if ctx.get(dut.clk_level) != level:
                level = ctx.get(dut.clk_level)
                edges.append(clocks)
        gaps = [after - before for before, after in pairwise(edges[1:])]
        assert gaps == [16 * 20] * 4

    simulate(dut, script)


def test_two_neurons_in_a_chain_propagate_spikes():
    first = HybridNeuron(2, layer_image(**CARD))
    second = HybridNeuron(1, layer_image(rows=1, neurons=1, conductance=400e-6, options=REFRACTORY, v_in=2.0))
    top = Module()
    top.submodules.first = first
    top.submodules.second = second
    # One CLK for both: a tick so slow that each is done with its half-period before the next one is due.
    top.d.comb += [second.pulses.eq(first.g1), second.run.eq(first.run), second.tick.eq(first.tick)]

    async def script(ctx):
        ctx.set(first.pulses, 1)
        ctx.set(first.tick, 0)
        ctx.set(first.run, 1)
        fired, level = [], 0
        for clock in range(14 * 2 * 16 * 30):
            ctx.set(first.tick, clock % 30 == 0)
            await ctx.tick()
            assert ctx.get(second.clk_level) == ctx.get(first.clk_level)
            if ctx.get(first.clk_level) and not level:
                fired.append((ctx.get(first.g1), ctx.get(second.g1)))
            level = ctx.get(first.clk_level)
        assert sum(spike for spike, _ in fired) == 2
        assert sum(spike for _, spike in fired) >= 1

    simulate(first, script, top)


# --- the bare device --------------------------------------------------------------------------------------------------


def device(volts, **card):
    one = {"rows": 1, "neurons": 1, "conductance": 100e-6, "v_in": volts}
    return TsNeuron(layer_image(**one | card))


def pulse_train(dut, pattern):
    """Pulse numbers of the clock periods of `pattern` in which the device conducts, and `on` after each period."""
    conducts, on = [], []

    async def script(ctx):
        ctx.set(dut.pulse, pattern[0])
        ctx.set(dut.run, 1)
        await ctx.tick().until(dut.clk_level)
        for number, _ in enumerate(pattern, 1):
            seen = 0
            while ctx.get(dut.clk_level):
                await ctx.tick()
                seen |= ctx.get(dut.spike)
            if seen:
                conducts.append(number)
            ctx.set(dut.pulse, pattern[number] if number < len(pattern) else 0)
            while not ctx.get(dut.clk_level):
                await ctx.tick()
            on.append(ctx.get(dut.on))

    simulate(dut, script)
    return conducts, on


def test_four_pulses_of_1_1_volt_to_the_first_fire_and_the_next_pulse_fires_again():
    conducts, on = pulse_train(device(1.1), [1] * 6)
    assert conducts == [4, 5, 6]
    assert on == [0, 0, 0, 1, 1, 1]  # 250 us are too short to relax


def test_a_device_that_is_left_alone_relaxes():
    conducts, on = pulse_train(device(1.1), [1, 1, 1, 1, 0, 0, 0, 1])
    assert conducts == [4]
    assert on == [0, 0, 0, 1, 0, 0, 0, 0]


def test_fewer_pulses_at_higher_amplitude():
    first = [pulse_train(device(volts), [1] * 9)[0][0] for volts in (1.0, 1.1, 1.2, 1.4)]
    assert first == sorted(first, reverse=True)
    assert first[0] > first[-1]


def test_options_and_load_of_the_image_do_not_reach_the_bare_device():
    dut = device(1.1, options=REFRACTORY | DEPRESSION, g_load=62e-6)
    assert pulse_train(dut, [1] * 5)[0] == [4, 5]


def test_a_bad_image_is_refused():
    refused("words of layer1.gains, which the design does not have", HybridNeuron, 2, {"layer1.gains": [1]})
