"""Makes frames of bodies: CRC appended, byte stuffing, a zero byte at the end."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ISO_HDLC
from amaranth.lib.wiring import In, Out

from memtwin.hdl.link.frame_buffers import FrameBuffers

__all__ = ["BODY_BYTE", "FrameEncoder"]

CRC_BYTES = 4
BODY_BYTE = data.StructLayout({"data": 8, "last": 1})


class FrameEncoder(wiring.Component):
    """Encoder of the frames ``COBS(body + crc) 00``, with room for two.

    A frame is put together in a buffer and goes out when it is whole; meanwhile the next one can be put together in the
    other buffer. Each byte is written once: the place of a zero byte, and the first place of a frame, are left free for
    the codes, which are written when the next zero byte, or the end, is known.

    Latency: the first byte of a frame is valid ``10 * bytes + 39`` clocks after the first byte of its body is
    taken, if each byte comes as soon as it can be taken and no other frame goes out. Throughput: one byte per 10 clocks
    in, one byte per 2 clocks out.

    Members
    -------
    i : In(stream.Signature(BODY_BYTE))
        Bytes of bodies of 1 to 250 bytes, `data`, of which the last one has `last`.
    o : Out(stream.Signature(8))
        Bytes for the line.
    idle : Out(1)
        No frame is begun, and none waits.

    Source: docs/link.md, section 2; S. Cheshire and M. Baker, "Consistent Overhead Byte Stuffing", IEEE/ACM Trans.
    Netw. 7 (2), 1999.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(BODY_BYTE)),
                "o": Out(stream.Signature(8)),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the CRC, the byte stuffing, the buffers and the way out."""
        m = Module()
        # A reset costs less than `crc.start`, which is made for a start in the clock of a bit.
        crc = CRC32_ISO_HDLC(data_width=1).create()
        crc_start = Signal()
        m.submodules.crc = ResetInserter(crc_start)(crc)
        m.submodules.buffers = buffers = FrameBuffers()

        # A byte goes round in `word` while the CRC takes its bits. Those of the CRC are put together there: it shifts
        # them out where it takes its own leading bit, because the two cancel.
        word = Signal(8)
        bits = Signal(3)
        is_last = Signal()
        tail = Signal(range(CRC_BYTES + 1))  # which byte of the CRC, from 1 on
        is_tail = tail != 0
        m.d.comb += crc.data.eq(Mux(is_tail, ~crc.crc[0], word[0]))

        # Where the next byte goes; where the next code goes, and what it will be: the number of bytes from there on.
        place = Signal(8, init=1)
        code_place = Signal(8)
        code = Signal(8, init=1)
        is_code = Signal()
        is_end = Signal()
        m.d.comb += [
            buffers.write_address.eq(Mux(is_code, code_place, place)),
            buffers.write_data.eq(Mux(is_code, code, Mux(is_end, 0, word))),
        ]

        with m.FSM(name="encoder") as fsm:
            for state in ("first", "more"):
                with m.State(state):
                    m.d.comb += self.i.ready.eq(~buffers.full)
                    with m.If(self.i.valid & self.i.ready):
                        m.d.sync += [word.eq(self.i.payload.data), is_last.eq(self.i.payload.last)]
                        m.next = "bits"
            with m.State("bits"):
                m.d.comb += crc.valid.eq(1)
                m.d.sync += [word.eq(Cat(word[1:], Mux(is_tail, crc.crc[0], word[0]))), bits.eq(bits + 1)]
                with m.If(bits == 7):
                    m.next = "byte"
            with m.State("byte"):
                m.d.comb += [buffers.write.eq(1), is_code.eq(word == 0)]
                m.d.sync += [place.eq(place + 1), code.eq(code + 1)]
                with m.If(is_code):
                    m.d.sync += [code_place.eq(place), code.eq(1)]
                m.next = "more"
                with m.If(is_last):
                    m.d.sync += tail.eq(tail + 1)
                    m.next = "bits"
                    with m.If(tail == CRC_BYTES):
                        m.next = "zero"
            with m.State("zero"):
                m.d.comb += [buffers.write.eq(1), is_end.eq(1)]
                m.next = "code"
            with m.State("code"):
                m.d.comb += [buffers.write.eq(1), is_code.eq(1), buffers.done.eq(1), crc_start.eq(1)]
                m.d.sync += [place.eq(1), code_place.eq(0), code.eq(1), tail.eq(0)]
                m.next = "first"

        # The way out. No byte of a frame is zero but the last one.
        sent = Signal(8)
        is_read = Signal()
        m.d.comb += [
            buffers.address.eq(sent),
            self.o.payload.eq(buffers.data),
            self.o.valid.eq(is_read),
            self.idle.eq(fsm.ongoing("first") & ~buffers.waits),
        ]
        m.d.sync += is_read.eq(buffers.waits)
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += [is_read.eq(0), sent.eq(sent + 1)]
            with m.If(self.o.payload == 0):
                m.d.comb += buffers.release.eq(1)
                m.d.sync += sent.eq(0)
        return m
