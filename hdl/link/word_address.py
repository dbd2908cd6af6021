"""The address of a request of the link: taken from its bytes, counted, and compared with what is there."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.link.registers import READ_ONLY
from memtwin.hdl.port.host import REGISTERS_BASE

__all__ = ["WordAddress"]

LINK_WORDS = 16
# An address is in one of four regions: the network, none, the registers of a presentation, those of the link.
REGION_BITS = 22
NETWORK, _, PRESENTATION, LINK = range(4)


class WordAddress(wiring.Component):
    """Address of the word at work. It counts in as many bits as the map has; what is above them is looked at once.

    Latency: the outputs follow the strobes after one clock.

    Parameters
    ----------
    end : int
        First address behind the configuration bus's windows.
    readable : sequence of range
        Addresses of the network that can be read; each range is aligned, of a power of two.
    go : int
        Address of the host port's ``go``, behind the registers of a presentation.

    Members
    -------
    load : In(1)
        Strobe: takes `byte`, the byte at `place` of the request, 2 to 4, into its part of the address.
    place, byte : In(3), In(8)
        See `load`.
    count : In(1)
        Strobe: the next word.
    clear, identity, run : In(1)
        Strobes: `is_beyond` falls; the address becomes that of the identity; that of ``go``.
    is_write : In(1)
        The word is to be written.
    address : Out(24)
        Address.
    is_link : Out(1)
        It is that of a register of the link.
    is_inside : Out(1)
        There is such a word, if not `is_beyond`.
    is_beyond : Out(1)
        The address is above all that there is.

    Source: docs/link.md, sections 3 and 4.
    """

    def __init__(self, end: int, readable: Sequence[range], go: int) -> None:
        check_integer("end", end, 0, 1 << REGION_BITS)
        check_integer("go", go, REGISTERS_BASE, REGISTERS_BASE + (1 << REGION_BITS) - 1)
        self._end = end
        self._readable = _blocks(readable)
        self._registers = go - REGISTERS_BASE
        super().__init__(
            {
                "load": In(1),
                "place": In(3),
                "byte": In(8),
                **{name: In(1) for name in ("count", "clear", "identity", "run", "is_write")},
                "address": Out(24),
                **{name: Out(1) for name in ("is_link", "is_inside", "is_beyond")},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the counter and the comparisons."""
        m = Module()
        registers = self._registers
        offset = Signal(max(ceil_log2(self._end), bits_for(registers), ceil_log2(LINK_WORDS)))
        region = Signal(2)
        m.d.comb += [
            self.address.eq(Cat(offset, Const(0, REGION_BITS - len(offset)), region)),
            self.is_link.eq(region == LINK),
        ]
        with m.Switch(region):
            with m.Case(NETWORK):
                readable = Cat(offset[bits:] == base >> bits for base, bits in self._readable).any()
                m.d.comb += self.is_inside.eq(Mux(self.is_write, offset < self._end, readable))
            with m.Case(PRESENTATION):
                m.d.comb += self.is_inside.eq(self.is_write & (offset < registers))
            with m.Case(LINK):
                is_fixed = (offset >= READ_ONLY.start) & (offset < READ_ONLY.stop)
                m.d.comb += self.is_inside.eq((offset < LINK_WORDS) & ~(self.is_write & is_fixed))

        with m.If(self.count):
            m.d.sync += Cat(offset, self.is_beyond).eq(Cat(offset, self.is_beyond) + 1)
        with m.If(self.load), m.Switch(self.place):
            for number in range(3):
                with m.Case(2 + number):
                    start = 8 * number
                    stop = min(start + 8, len(offset))
                    if start < stop:
                        m.d.sync += offset[start:stop].eq(self.byte)
                    above = self.byte[max(0, len(offset) - start) :]
                    if number == 2:
                        m.d.sync += region.eq(self.byte[6:])
                        above = self.byte[max(0, len(offset) - start) : 6]
                    if len(above):
                        m.d.sync += self.is_beyond.eq(self.is_beyond | above.any())
        with m.If(self.clear):
            m.d.sync += self.is_beyond.eq(0)
        with m.If(self.identity):
            m.d.sync += [offset.eq(0), region.eq(LINK)]
        with m.If(self.run):
            m.d.sync += [offset.eq(registers), region.eq(PRESENTATION)]
        return m


def _blocks(ranges: Sequence[range]) -> list[tuple[int, int]]:
    """Join aligned ranges to as few aligned blocks of a power of two as can be; returns base and bits of each."""
    blocks = {(words.start, ceil_log2(len(words))) for words in ranges}
    while True:
        pairs = {(base, bits) for base, bits in blocks if not base >> bits & 1 and (base + (1 << bits), bits) in blocks}
        if not pairs:
            return sorted(blocks)
        for base, bits in pairs:
            blocks -= {(base, bits), (base + (1 << bits), bits)}
            blocks.add((base, bits + 1))
