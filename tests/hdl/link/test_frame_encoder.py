import pytest
from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.link.frame_decoder import FrameDecoder
from memtwin.hdl.link.frame_encoder import BODY_BYTE, FrameEncoder
from memtwin.hdl.link.uart import UartReceiver, UartTransmitter
from tests.hdl.helpers import sampled, simulate
from tests.hdl.link.frame_reference import encode

# Bytes in which zeros and long runs are likely.
LUMPY = st.lists(st.sampled_from([b"\0", b"\0\0\0", b"\x01", b"\xff" * 30, bytes(range(40))]), min_size=1, max_size=6)
BODIES = st.one_of(st.binary(min_size=1, max_size=20), LUMPY.map(b"".join))


def giver(dut, bodies, pause=lambda: 0):
    """Test bench that gives bodies, byte by byte."""

    async def bench(ctx):
        for body in bodies:
            for number, byte in enumerate(body):
                for _ in range(pause()):
                    await ctx.tick()
                ctx.set(dut.i.payload.data, byte)
                ctx.set(dut.i.payload.last, number == len(body) - 1)
                ctx.set(dut.i.valid, 1)
                await sampled(ctx, dut.i.ready)
                ctx.set(dut.i.valid, 0)

    return bench


def sent(bodies, pause=lambda: 0, stall=lambda: 0):
    """Bytes that leave an encoder up to the last zero byte, each with its clock."""
    dut = FrameEncoder()
    out = []

    async def taker(ctx):
        frames = clock = 0
        while frames < len(bodies):
            for _ in range(stall()):
                await ctx.tick()
                clock += 1
            ctx.set(dut.o.ready, 1)
            while True:
                _, _, valid, byte = await ctx.tick().sample(dut.o.valid, dut.o.payload)
                clock += 1
                if valid:
                    break
            ctx.set(dut.o.ready, 0)
            out.append((clock - 1, byte))
            frames += byte == 0
        assert ctx.get(dut.idle)
        assert not ctx.get(dut.o.valid)

    simulate(dut, giver(dut, bodies, pause), taker)
    return out


def frames(bodies):
    return b"".join(encode(body) + b"\0" for body in bodies)


@settings(deadline=None, max_examples=30)
@given(st.lists(BODIES, min_size=1, max_size=4), st.data())
def test_frames_any_bodies_at_any_pace(bodies, data):
    seed = data.draw(st.randoms(use_true_random=False))
    most = data.draw(st.integers(0, 40))
    out = sent(bodies, lambda: seed.randint(0, 12), lambda: seed.randint(0, most))
    assert bytes(byte for _, byte in out) == frames(bodies)


def largest_without_zero():
    """A body of 250 bytes that, with its CRC, has no zero byte: the longest run, whose code is 255."""
    return next(bytes([k]) * 250 for k in range(1, 256) if encode(bytes([k]) * 250)[0] == 255)


@pytest.mark.parametrize("body", [b"\0", bytes(250), b"\1\0" * 125, largest_without_zero()])
def test_frames_the_smallest_and_the_largest_body(body):
    assert bytes(byte for _, byte in sent([body, b"next"])) == frames([body, b"next"])


@pytest.mark.parametrize("body", [b"a", b"abc", bytes(3), b"\0a\0b" * 10])
def test_latency_and_throughput(body):
    out = sent([body])
    assert [clock for clock, _ in out] == [10 * len(body) + 39 + 2 * n for n in range(len(out))]


def test_two_frames_wait_and_the_third_does_not_begin():
    dut = FrameEncoder()
    bodies = [b"one", b"two", b"three"]
    out = bytearray()

    async def taker(ctx):
        assert ctx.get(dut.idle)
        await ctx.tick()
        for _ in range(500):
            await ctx.tick()
            assert not ctx.get(dut.idle)
        assert not ctx.get(dut.i.ready)
        ctx.set(dut.o.ready, 1)
        while out.count(0) < 3:
            (byte,) = await sampled(ctx, dut.o.valid, dut.o.payload)
            out.append(byte)
        assert ctx.get(dut.idle)

    simulate(dut, giver(dut, bodies), taker)
    assert out == frames(bodies)


class Loop(wiring.Component):
    """The whole way of a frame: encoder, line, decoder."""

    def __init__(self, divider):
        self.divider = divider
        super().__init__(
            {
                "i": In(stream.Signature(BODY_BYTE)),
                "address": In(8),
                "release": In(1),
                "data": Out(8),
                "length": Out(8),
                "frame_valid": Out(1),
                "bad": Out(1),
                "is_sending": Out(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.encoder = encoder = FrameEncoder()
        m.submodules.transmitter = transmitter = UartTransmitter()
        m.submodules.receiver = receiver = UartReceiver()
        m.submodules.decoder = decoder = FrameDecoder()
        wiring.connect(m, wiring.flipped(self.i), encoder.i)
        wiring.connect(m, encoder.o, transmitter.i)
        m.d.comb += [
            transmitter.divider.eq(self.divider),
            receiver.divider.eq(self.divider),
            receiver.rx.eq(transmitter.tx),
            decoder.i.payload.eq(receiver.o.payload),
            decoder.i.valid.eq(receiver.o.valid),
            decoder.framing_error.eq(receiver.framing_error),
            decoder.address.eq(self.address),
            decoder.release.eq(self.release),
            self.data.eq(decoder.data),
            self.length.eq(decoder.length),
            self.frame_valid.eq(decoder.frame_valid),
            self.bad.eq(
                decoder.malformed
                | decoder.oversized
                | decoder.crc_error
                | decoder.overrun
                | receiver.framing_error
                | (receiver.o.valid & ~decoder.i.ready)
            ),
            self.is_sending.eq(~transmitter.idle),
        ]
        return m


def test_frames_arrive_over_the_line_at_the_highest_rate_without_a_gap():
    dut = Loop(4)
    bodies = [bytes(250), bytes(range(1, 40)), b"\0\0", bytes(range(12)), b"end"]
    heard = []
    clocks = {"sending": 0}

    async def taker(ctx):
        for body in bodies:
            await sampled(ctx, dut.frame_valid)
            got = bytearray()
            for address in range(ctx.get(dut.length)):
                ctx.set(dut.address, address)
                await ctx.tick()
                got.append(ctx.get(dut.data))
            heard.append(bytes(got))
            ctx.set(dut.release, 1)
            await ctx.tick()
            ctx.set(dut.release, 0)
            assert len(got) == len(body)

    async def watch(ctx):
        while True:
            *_, bad, is_sending = await ctx.tick().sample(dut.bad, dut.is_sending)
            assert not bad
            clocks["sending"] += is_sending
            # Once the line is busy it stays so, because a frame is made faster than it is sent.
            if clocks["sending"] and not is_sending:
                break

    simulate(dut, giver(dut, bodies), taker, watch)
    assert heard == bodies
    assert clocks["sending"] == 40 * len(frames(bodies))
