"""The queue of events that wait for a frame."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.cells import cells

__all__ = ["EventQueue"]


class EventQueue(wiring.Component):
    """A queue in one memory, which never asks for a word in the clock of its write.

    Latency: an entry is `valid` 3 clocks after it was pushed at the earliest. Throughput: one entry per clock in, one
    per 3 clocks out.

    Parameters
    ----------
    entry : StructLayout
        Layout of an entry.
    depth : int
        Entries, a power of two.

    Attributes
    ----------
    depth : int
        As given.

    Members
    -------
    item : In(entry)
        Entry to push.
    push : In(1)
        Strobe; not if `level` is `depth`.
    valid : Out(1)
        The oldest entry is on `entry`.
    entry : Out(entry)
        The oldest entry.
    pop : In(1)
        Strobe: drop it; only if `valid`.
    level : Out(range(depth + 1))
        Entries.
    """

    item: data.View
    entry: data.View

    def __init__(self, entry: data.StructLayout, depth: int) -> None:
        self._layout = entry
        self.depth = depth
        super().__init__(
            {
                "item": In(entry),
                "push": In(1),
                "valid": Out(1),
                "entry": Out(entry),
                "pop": In(1),
                "level": Out(range(depth + 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the memory and its two places."""
        m = Module()
        memory = cells(m, "cells", self._layout, self.depth)
        write, read = memory.write_port(), memory.read_port()
        newest = Signal(range(self.depth))
        oldest = Signal(range(self.depth))
        m.d.comb += [
            write.addr.eq(newest),
            write.data.eq(self.item),
            write.en.eq(self.push),
            read.addr.eq(oldest),
            read.en.eq(1),
        ]
        # The word of a place is there one clock after its place, if it had been written by then. It goes through a
        # register, for a block RAM is slow.
        is_there = Signal()
        m.d.sync += [
            is_there.eq((self.level != 0) & ~self.pop),
            self.valid.eq(is_there & ~self.pop),
            self.entry.eq(read.data),
        ]
        with m.If(self.push):
            m.d.sync += newest.eq(newest + 1)
        with m.If(self.pop):
            m.d.sync += oldest.eq(oldest + 1)
        with m.If(self.push ^ self.pop):
            m.d.sync += self.level.eq(self.level + Mux(self.push, 1, -1))
        return m
