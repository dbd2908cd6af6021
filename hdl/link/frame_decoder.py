"""Takes frames out of a stream of bytes: byte stuffing undone, CRC checked."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from memtwin.hdl.link.frame_buffers import FrameBuffers

__all__ = ["FrameDecoder"]

CRC_BYTES = 4
LEAST = 6  # bytes of the smallest frame, with its CRC
MOST = 254  # and of the largest one
LONGEST_RUN = 255  # the code with no zero byte behind it


class FrameDecoder(wiring.Component):
    """Decoder of the frames ``COBS(body + crc) 00``, with room for two.

    The body of a frame with the right CRC waits until it is released; meanwhile another one can come in. A zero byte
    that ends a frame brings `frame_valid` or one of the strobes, or nothing if the frame had a byte without a stop
    bit. A frame is judged once, in this order: `overrun`, `oversized`, `malformed`, `crc_error`. Zero bytes in between
    mean nothing.

    Latency: `frame_valid`, `length` and the strobes come one clock after the last zero byte; where a frame waits
    already, `frame_valid` stays as it is. Throughput: one byte per 9 clocks, the CRC takes a bit per clock; a zero byte
    or the first one of a frame takes one clock. The decoder never waits for anything but the CRC.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes. A UART, of at least 40 clocks per byte, may disregard `ready`.
    framing_error : In(1)
        Strobe: a byte had no stop bit. The bytes up to the next zero byte are dropped with it.
    frame_valid : Out(1)
        A body waits.
    length : Out(8)
        Bytes of that body, 2 to 250.
    address : In(8)
        Byte of that body, from 0 on.
    data : Out(8)
        The byte of the `address` and the frame of one clock ago.
    release : In(1)
        Strobe: drop that body; ignored if none waits. The next one, if there is one, waits from the next clock on.
    malformed : Out(1)
        Strobe: a frame's codes do not add up, or it has fewer than 6 bytes.
    oversized : Out(1)
        Strobe: a frame has more than 254 bytes.
    crc_error : Out(1)
        Strobe: the CRC of a frame is wrong.
    overrun : Out(1)
        Strobe: a frame began while two others waited.

    Source: docs/link.md, section 2; S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Trans.
    Netw. 7 (2), 1999.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "framing_error": In(1),
                "frame_valid": Out(1),
                "length": Out(8),
                "address": In(8),
                "data": Out(8),
                "release": In(1),
                "malformed": Out(1),
                "oversized": Out(1),
                "crc_error": Out(1),
                "overrun": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the byte stuffing, the CRC, the two buffers and the verdict."""
        m = Module()
        # A reset costs less than `crc.start`, which is made for a start in the clock of a bit.
        crc = CRC32_ISO_HDLC(data_width=1).create()
        is_first = Signal()  # the first byte of a frame is taken
        m.submodules.crc = ResetInserter(is_first)(crc)
        m.submodules.buffers = buffers = FrameBuffers()

        byte = self.i.payload
        take = self.i.valid & self.i.ready
        is_zero = byte == 0
        is_begun = Signal()  # a byte of a frame has been taken
        is_spoiled = Signal()  # it had a framing error
        is_overrun = Signal()  # it has no buffer
        is_oversized = Signal()

        # Byte stuffing. A code counts the bytes up to the next code, itself included; where that comes, there is a zero
        # byte in the frame, but not at the front and not after the longest run.
        left = Signal(8)
        is_joined = Signal()
        is_code = (left == 1) | ~is_begun
        position = Signal(8)
        emit = Signal()
        m.d.comb += is_first.eq(take & ~is_begun)
        m.d.comb += emit.eq(take & ~is_zero & ~(is_code & (is_joined | ~is_begun)))
        with m.If(take):
            # What is added is -1 or 0, and the adder's cell has an input left for `byte`.
            m.d.sync += [left.eq(Mux(is_code, byte, left + (~is_code).replicate(8))), is_begun.eq(~is_zero)]
            with m.If(is_code):
                m.d.sync += is_joined.eq(byte == LONGEST_RUN)
        with m.If(emit & ~is_overrun):
            with m.If(position == MOST):
                m.d.sync += is_oversized.eq(1)
            with m.Else():
                m.d.sync += position.eq(position + 1)

        # The CRC takes the bits of a byte while the next one is on its way. A one behind them tells when all are taken.
        word = Signal(9)
        m.d.comb += [
            self.i.ready.eq(word[1:] == 0),
            crc.data.eq(word[0]),
            crc.valid.eq(~self.i.ready),
        ]
        with m.If(emit):
            m.d.sync += word.eq(Cat(buffers.write_data, 1))
        with m.Elif(crc.valid):
            m.d.sync += word.eq(word[1:])

        m.d.comb += [
            buffers.write_address.eq(position),
            buffers.write_data.eq(Mux(is_code, 0, byte)),
            buffers.write.eq(emit & ~is_overrun),
            buffers.address.eq(self.address),
            buffers.release.eq(self.release),
            self.data.eq(buffers.data),
            self.frame_valid.eq(buffers.waits),
        ]
        # While a second frame waits, `position` stays as that frame left it.
        with m.If(is_first):
            m.d.sync += [is_overrun.eq(buffers.full), is_oversized.eq(0)]
            with m.If(~buffers.full):
                m.d.sync += position.eq(0)
        with m.If(self.release | ~self.frame_valid):
            m.d.sync += self.length.eq(position - CRC_BYTES)

        # The verdict.
        is_judged = take & is_zero & is_begun & ~is_spoiled
        is_malformed = (left != 1) | (position < LEAST)
        m.d.sync += [self.overrun.eq(0), self.oversized.eq(0), self.malformed.eq(0), self.crc_error.eq(0)]
        with m.If(is_judged):
            with m.If(is_overrun):
                m.d.sync += self.overrun.eq(1)
            with m.Elif(is_oversized):
                m.d.sync += self.oversized.eq(1)
            with m.Elif(is_malformed):
                m.d.sync += self.malformed.eq(1)
            with m.Elif(~crc.match_detected):
                m.d.sync += self.crc_error.eq(1)
            with m.Else():
                m.d.comb += buffers.done.eq(1)
        with m.If(take & is_zero):
            m.d.sync += is_spoiled.eq(0)
        with m.If(self.framing_error):
            m.d.sync += is_spoiled.eq(1)
        return m
