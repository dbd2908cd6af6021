"""Two buffers for frames in one block RAM: one is filled while the other is read."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.cells import cells

__all__ = ["FrameBuffers"]


class FrameBuffers(wiring.Component):
    """A queue of two frames of up to 256 bytes, each with random access, on the way in and on the way out.

    Latency: `data` one clock after `address`; `waits` and `full` follow `done` and `release` after one clock.
    Throughput: one byte per clock in, one byte per clock out.

    Members
    -------
    write_address : In(8)
        Byte of the frame that is filled.
    write_data : In(8)
        Its value.
    write : In(1)
        Strobe: write it; ignored while `full`.
    done : In(1)
        Strobe: the frame that is filled is whole and waits; ignored while `full`.
    full : Out(1)
        Two frames wait; none can be filled.
    waits : Out(1)
        A frame waits.
    address : In(8)
        Byte of the frame that waits, the older one of two.
    data : Out(8)
        The byte of the `address` and the frame of one clock ago.
    release : In(1)
        Strobe: drop that frame; ignored if none waits.

    Source: docs/link.md, section 2.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "write_address": In(8),
                "write_data": In(8),
                "write": In(1),
                "done": In(1),
                "full": Out(1),
                "waits": Out(1),
                "address": In(8),
                "data": Out(8),
                "release": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the memory and the queue."""
        m = Module()
        # A frame is written or read, so that no byte is read in the clock of its write.
        memory = cells(m, "cells", 8, 512)
        write, read = memory.write_port(), memory.read_port()
        front = Signal()  # half of the frame that waits; if none does, of the one that is filled
        second = Signal()  # another one waits behind it
        m.d.comb += [
            write.addr.eq(Cat(self.write_address, front ^ self.waits)),
            write.data.eq(self.write_data),
            write.en.eq(self.write & ~self.full),
            read.addr.eq(Cat(self.address, front)),
            self.data.eq(read.data),
            self.full.eq(self.waits & second),
        ]
        with m.If(self.release & self.waits):
            m.d.sync += [front.eq(~front), self.waits.eq(second | self.done), second.eq(0)]
        with m.Elif(self.done):
            m.d.sync += [self.waits.eq(1), second.eq(self.waits)]
        return m
