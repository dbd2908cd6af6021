import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.link.uart import UartReceiver, UartTransmitter
from tests.hdl.helpers import sampled, simulate

DIVIDERS = (4, 5, 6, 7, 16, 33)


class Line:
    """The other end: drives `rx`, bit by bit, and notes what the receiver says in which clock."""

    def __init__(self, ctx, dut, divider):
        self.ctx, self.dut = ctx, dut
        self.clock = 0
        self.heard = []
        ctx.set(dut.divider, divider)

    async def level(self, value, clocks):
        self.ctx.set(self.dut.rx, value)
        for _ in range(clocks):
            if self.ctx.get(self.dut.o.valid):
                self.heard.append((self.clock, self.ctx.get(self.dut.o.payload)))
            if self.ctx.get(self.dut.framing_error):
                self.heard.append((self.clock, "framing error"))
            await self.ctx.tick()
            self.clock += 1

    async def bits(self, bits, clocks_per_bit):
        """Levels of a line whose bits take any time, each edge in the clock in which it falls."""
        edges = [round(n * clocks_per_bit) for n in range(len(bits) + 1)]
        for bit, start, end in zip(bits, edges, edges[1:], strict=False):
            await self.level(bit, end - start)


def frame(byte, stop=1):
    return [0, *(byte >> k & 1 for k in range(8)), stop]


def listen(divider, script):
    """Run `script` on a line and return what the receiver said, with the clock of each."""
    dut = UartReceiver()
    heard = []

    async def bench(ctx):
        line = Line(ctx, dut, divider)
        await line.level(1, 3)
        line.clock = 0
        await script(line)
        await line.level(1, 12 * divider)
        heard.extend(line.heard)

    simulate(dut, bench)
    return heard


@pytest.mark.parametrize("divider", DIVIDERS)
def test_receives_bytes_in_the_documented_clock(divider):
    sent = [0x00, 0xFF, 0x55, 0xAA, 0x01, 0x80]

    async def script(line):
        for byte in sent:
            await line.bits(frame(byte), divider)

    latency = 9 * divider + divider // 2 + 3
    assert listen(divider, script) == [(10 * divider * n + latency, byte) for n, byte in enumerate(sent)]


@settings(deadline=None, max_examples=30)
@given(
    divider=st.integers(4, 40),
    percent=st.floats(-2, 2),
    items=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 30)), min_size=1, max_size=8),
)
def test_receives_bytes_of_a_sender_that_is_two_percent_off(divider, percent, items):
    async def script(line):
        for byte, pause in items:
            await line.bits(frame(byte), divider * (1 + percent / 100))
            await line.level(1, pause)

    assert [byte for _, byte in listen(divider, script)] == [byte for byte, _ in items]


@pytest.mark.parametrize("divider", DIVIDERS)
def test_a_start_bit_that_is_gone_in_its_middle_is_ignored(divider):
    async def script(line):
        await line.level(0, divider // 2)
        await line.level(1, divider)
        await line.bits(frame(0xC3), divider)

    assert [byte for _, byte in listen(divider, script)] == [0xC3]


@pytest.mark.parametrize("divider", DIVIDERS)
def test_a_byte_without_a_stop_bit_is_an_error_and_no_byte(divider):
    async def script(line):
        await line.bits(frame(0x81, stop=0), divider)
        await line.level(1, 2 * divider)
        await line.bits(frame(0x42), divider)

    assert [what for _, what in listen(divider, script)] == ["framing error", 0x42]


def test_a_line_that_stays_low_is_one_error():
    async def script(line):
        await line.level(0, 500)
        await line.level(1, 4)
        await line.bits(frame(0x42), 4)

    assert [what for _, what in listen(4, script)] == ["framing error", 0x42]


def test_the_divider_may_change_between_bytes():
    async def script(line):
        await line.bits(frame(0x12), 9)
        line.ctx.set(line.dut.divider, 4)
        await line.bits(frame(0x34), 4)

    assert [byte for _, byte in listen(9, script)] == [0x12, 0x34]


def transmit(divider, items, clocks):
    """Send bytes, each after a pause, and return the line, clock by clock, the clocks of the bytes, and `idle`."""
    dut = UartTransmitter()
    line, idle, taken = [], [], []

    async def sender(ctx):
        clock = 0
        for byte, pause in items:
            for _ in range(pause):
                await ctx.tick()
            clock += pause
            ctx.set(dut.i.payload, byte)
            ctx.set(dut.i.valid, 1)
            while True:
                _, _, ready = await ctx.tick().sample(dut.i.ready)
                clock += 1
                if ready:
                    break
            taken.append(clock - 1)
            ctx.set(dut.i.valid, 0)

    async def scope(ctx):
        ctx.set(dut.divider, divider)
        for _ in range(clocks):
            _, _, tx, is_idle = await ctx.tick().sample(dut.tx, dut.idle)
            line.append(tx)
            idle.append(is_idle)

    simulate(dut, scope, sender)
    return line, idle, taken


@pytest.mark.parametrize("divider", DIVIDERS)
def test_transmits_bytes_without_a_gap(divider):
    sent = [0x00, 0xFF, 0x53]
    line, idle, taken = transmit(divider, [(byte, 0) for byte in sent], 32 * divider)
    levels = [bit for byte in sent for bit in frame(byte) for _ in range(divider)]
    levels = [1, *levels, *[1] * 32 * divider][: 32 * divider]
    assert line == levels
    assert taken == [0, 10 * divider, 20 * divider]
    assert idle == [0] * 30 * divider + [1] * 2 * divider


@settings(deadline=None, max_examples=20)
@given(
    divider=st.integers(4, 20),
    items=st.lists(st.tuples(st.integers(0, 255), st.integers(0, 300)), min_size=1, max_size=4),
)
def test_transmits_bytes_after_any_pause(divider, items):
    line, _, taken = transmit(divider, items, sum(pause for _, pause in items) + 12 * divider * len(items))
    expected = [1] * len(line)
    for (byte, _), clock in zip(items, taken, strict=True):
        bits = [bit for bit in frame(byte) for _ in range(divider)]
        expected[clock + 1 : clock + 1 + len(bits)] = bits
    assert line == expected


class Loop(wiring.Component):
    """A transmitter and a receiver on one line."""

    def __init__(self, divider):
        self.sender, self.receiver = UartTransmitter(), UartReceiver()
        self.number = divider
        super().__init__({"i": In(stream.Signature(8)), "byte": Out(8), "valid": Out(1), "line": Out(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.sender, m.submodules.receiver = sender, receiver = self.sender, self.receiver
        wiring.connect(m, wiring.flipped(self.i), sender.i)
        m.d.comb += [
            sender.divider.eq(self.number),
            receiver.divider.eq(self.number),
            receiver.rx.eq(sender.tx),
            self.line.eq(sender.tx),
            self.byte.eq(receiver.o.payload),
            self.valid.eq(receiver.o.valid),
        ]
        return m


@pytest.mark.parametrize("divider", [4, 7])
def test_what_is_sent_is_received(divider):
    sent = list(range(256))
    dut = Loop(divider)
    heard = []

    async def sender(ctx):
        ctx.set(dut.i.valid, 1)
        for byte in sent:
            ctx.set(dut.i.payload, byte)
            await sampled(ctx, dut.i.ready)
        ctx.set(dut.i.valid, 0)

    async def receiver(ctx):
        while len(heard) < len(sent):
            (byte,) = await sampled(ctx, dut.valid, dut.byte)
            heard.append(byte)

    simulate(dut, sender, receiver)
    assert heard == sent


def test_the_slowest_rate():
    """The first edges of a byte at the largest divider; the receiver has seen the middle of the start bit by then."""
    dut = Loop(65535)

    async def bench(ctx):
        ctx.set(dut.i.payload, 1)
        ctx.set(dut.i.valid, 1)
        await ctx.tick()
        for level in (0, 1, 0):
            assert ctx.get(dut.line) == level
            await ctx.tick().repeat(65534)
            assert ctx.get(dut.line) == level
            await ctx.tick()

    simulate(dut, bench)
