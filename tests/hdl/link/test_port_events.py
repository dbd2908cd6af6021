"""The link's port: what a network says by itself."""

import pytest
from amaranth.hdl import Mux

from memtwin.hdl.hybrid.network import HybridNetwork
from memtwin.hdl.hybrid.structure import HybridLayerConfig
from tests.hdl.hybrid.card import REFRACTORY, layer_image
from tests.hdl.link.bench import (
    ENDS,
    FIRES,
    OFFSET,
    SPIKES,
    WAIT,
    link_port,
    run,
)
from tests.hdl.link.tiny import STATE, Tiny, spikes_of


def test_spikes_come_in_order_with_their_steps():
    words = [0x81, 0, 0, 0xFF, 0x20, *[0] * 10, 0x10]

    async def script(line):
        await line.write(STATE, *words)
        await line.write(OFFSET["options"], SPIKES | ENDS)
        for steps in (16, 3, 33):
            line.events, before = [], line.events
            await line.present(steps=steps, gap=20)
            await line.until_idle()
            await line.ctx.tick().repeat(8000)
            numbers = [body[0] for body in (*before, *line.events)]
            assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
            sequence, line.events = line.events, [bytes([n]) + body[1:] for n, body in enumerate(line.events)]
            assert line.happened() == spikes_of(words, steps)
            line.events = sequence
        assert (await line.counters())["dropped"] == 0

    run(link_port(Tiny()), script)


def test_steps_without_an_event_are_counted():
    words = [0] * 15 + [1]

    async def script(line):
        await line.write(STATE, *[0] * 16)
        await line.write(OFFSET["options"], SPIKES | ENDS)
        await line.present(steps=600, gap=1)
        await line.until_idle()
        await line.ctx.tick().repeat(1200)
        assert line.happened() == spikes_of([0] * 16, 600)

    run(link_port(Tiny()), script)
    assert spikes_of(words, 16)[0][3] == 16


def test_an_event_leaves_when_it_has_waited_for_long():
    async def script(line):
        await line.write(STATE, 1, *[0] * 15)
        await line.write(OFFSET["options"], SPIKES)
        await line.present(steps=10, gap=2000)
        await line.ctx.tick().repeat(2000)
        assert line.events == []
        await line.ctx.tick().repeat(4096 + 1000)
        assert line.happened() == [(0, 0, 0, 1, 0, None)]

    run(link_port(Tiny()), script)


def test_without_waiting_what_has_no_room_is_counted():
    words = [0xFF] * 16

    async def script(line):
        await line.write(STATE, *words)
        await line.write(OFFSET["options"], SPIKES | ENDS)
        await line.present(steps=150, gap=10)
        await line.until_idle(most=150 * 13 + 100)  # the network does not wait
        await line.ctx.tick().repeat(30_000)
        events = line.happened()
        dropped = (await line.counters())["dropped"]
        assert dropped > 800
        assert len(events) + dropped == 150 * 8 + 1
        # The time goes on, and the end is told.
        assert sum(event[3] for event in events) == 150
        assert events[-1][0] == 3

    run(link_port(Tiny(), depth=128), script)


def test_trace_words_of_the_kinds_that_are_asked_for():
    async def script(line):
        await line.write(STATE, 1, *[0] * 15)
        await line.write(OFFSET["options"], SPIKES | ENDS | WAIT, 1 << 5 | 1 << 3)
        assert await line.read(OFFSET["trace_kinds"]) == [1 << 5 | 1 << 3]
        await line.present(steps=20, gap=1)
        for _ in range(100):
            await line.ctx.tick().repeat(500)
            events = line.happened()
            if events and events[-1][0] == 3 and not events[-1][2]:
                break
        expected = []
        for step in range(20):
            for layer, kind in ((0, 5), (1, 3)):
                expected.append((kind, layer, 1, (step > 0) & (layer == 0) & (step % 16 != 1), step, step << 28 | 5))
            if step % 16 == 0:
                expected.append((0, 0, 0, 1, 0, None))
        assert events[:-1] == expected
        assert events[-1] == (3, 0, 0, 1, 0, None)
        await line.write(OFFSET["trace_kinds"], 1 << 3)
        line.events, count = [], len(line.events)
        await line.present(steps=3, gap=1)
        await line.ctx.tick().repeat(4000)
        line.events = [bytes([body[0] - count & 255]) + body[1:] for body in line.events]
        assert [event[:2] for event in line.happened()] == [(3, 1), (0, 0), (3, 1), (3, 1), (3, 0)]

    run(link_port(Tiny(), traces=True), script)


def test_a_hybrid_network_streams_its_spikes_and_fires():
    words = layer_image(rows=20, neurons=2, conductance=20e-6, options=REFRACTORY)
    network = HybridNetwork([HybridLayerConfig(rows=20, neurons=2, recip_shift=9)], words)
    rises, spikes = [], []

    async def watch(ctx):
        before, period = 0, 0
        probe = network.layer1
        async for _, _, strobe, l1, g1 in ctx.tick().sample(network.spikes_strobe, probe.l1, probe.g1):
            period += strobe
            rises.extend((period, neuron) for neuron in range(2) if l1 & ~before & 1 << neuron)
            if strobe:
                spikes.extend((period, neuron) for neuron in range(2) if g1 & 1 << neuron)
            before = l1

    async def script(line):
        await line.write(OFFSET["options"], SPIKES | FIRES | ENDS)
        await line.present(pixels=0xFFFFF, gates=3, periods=8, rest=1, init=1)
        await line.until_idle()
        await line.ctx.tick().repeat(5000)
        time, seen = 0, {0: [], 1: [], 3: []}
        for kind, _, _, delta, index, _ in line.happened():
            time += delta
            seen[kind].append((time, index))
        assert len(rises) > 1
        assert len(spikes) > 1
        assert seen == {0: spikes, 1: rises, 3: [(9, 0)]}

    run(link_port(network), script, watch)


class Firing(Tiny):
    """Neurons fire where their output rises."""

    has_fires = True

    def fires(self, number):
        return Mux(self.idle, 0, self.pulses(number))

    def elaborate(self, platform):
        m = super().elaborate(platform)
        m.d.sync += self.begins.eq(self.spikes_strobe)  # what follows a step begins
        return m


@pytest.mark.parametrize(("network", "fires"), [(Firing, [(0, 0), (0, 1), (1, 0)]), (Tiny, [])])
def test_a_network_says_whether_it_has_fires(network, fires):
    async def script(line):
        await line.write(STATE, 0b0, 0b1, 0b11, 0b100010)
        await line.write(OFFSET["options"], FIRES | ENDS)
        await line.present(steps=4, gap=9)
        await line.until_idle()
        await line.ctx.tick().repeat(4000)
        assert [event[1:5:3] for event in line.happened() if event[0] == 1] == fires

    run(link_port(network()), script)
