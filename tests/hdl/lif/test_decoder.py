"""Decoder: the answer against docs/lif-arithmetic.md, section 4."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.lif.decoder import LifDecoder
from tests.hdl.helpers import load, simulate

MEMBRANES = st.sampled_from([-(2**19), -5, -1, 0, 1, 5, 2**19 - 1])
NEURON = st.tuples(st.integers(0, 1), MEMBRANES, MEMBRANES)  # spike, v, u


async def present(ctx, dut, neurons, first):
    """Present the neurons of one step, one a clock."""
    ctx.set(dut.first, first)
    ctx.set(dut.start, 1)
    await ctx.tick()
    ctx.set(dut.start, 0)
    assert not ctx.get(dut.stop)
    ctx.set(dut.valid, 1)
    for spike, v, u in neurons:
        ctx.set(dut.spike, spike)
        ctx.set(dut.v, v)
        ctx.set(dut.u, u)
        await ctx.tick()
    ctx.set(dut.valid, 0)


@settings(deadline=None, max_examples=60)
@given(
    st.integers(1, 6).flatmap(
        lambda neurons: st.lists(st.lists(NEURON, min_size=neurons, max_size=neurons), min_size=1, max_size=5)
    )
)
def test_rate(steps):
    neurons = len(steps[0])
    dut = LifDecoder(neurons, MemoryMap({"decoder": [0]}))

    async def bench(ctx):
        # Twice: counts of an image before do not matter.
        for _ in range(2):
            for number, step in enumerate(steps):
                await present(ctx, dut, step, number == 0)
                assert not ctx.get(dut.stop)
            assert ctx.get(dut.busy)
            await ctx.tick().repeat(2)
            assert not ctx.get(dut.busy)
            counts = [sum(step[neuron][0] for step in steps) for neuron in range(neurons)]
            membranes = [v for _, v, _ in steps[-1]]
            best = max(range(neurons), key=lambda neuron: (counts[neuron], membranes[neuron], -neuron))
            assert (ctx.get(dut.answer), ctx.get(dut.spikes)) == (best, counts[best])

    simulate(dut, bench)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 6).flatmap(lambda neurons: st.lists(NEURON, min_size=neurons, max_size=neurons)))
def test_first_spike(last):
    neurons = len(last)
    dut = LifDecoder(neurons, MemoryMap({"decoder": [1]}))
    silent = [(0, 7 * neuron, 2**19 - 1) for neuron in range(neurons)]
    spiking = [neuron for neuron in range(neurons) if last[neuron][0]]

    async def bench(ctx):
        await present(ctx, dut, silent, 1)
        assert not ctx.get(dut.stop)
        await present(ctx, dut, last, 0)
        assert ctx.get(dut.stop) == bool(spiking)
        await ctx.tick().repeat(2)
        if spiking:
            best = max(spiking, key=lambda neuron: (last[neuron][2], -neuron))
        else:
            best = max(range(neurons), key=lambda neuron: (last[neuron][1], -neuron))
        assert (ctx.get(dut.answer), ctx.get(dut.spikes)) == (best, int(bool(spiking)))

    simulate(dut, bench)


@pytest.mark.parametrize("decoder", [0, 1])
def test_decoder_over_the_bus(decoder):
    memory_map = MemoryMap({"decoder": [1 - decoder]})
    dut = LifDecoder(2, memory_map)

    async def bench(ctx):
        await load(ctx, dut.config, memory_map.writes({"decoder": [decoder]}))
        await present(ctx, dut, [(1, 0, 5), (1, 3, 4)], 1)
        await ctx.tick().repeat(2)
        # The membrane before its reset decides on a first spike.
        assert ctx.get(dut.answer) == (0 if decoder else 1)
        assert ctx.get(dut.stop) == decoder

    simulate(dut, bench)
