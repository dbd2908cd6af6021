"""Words some clocks later: registers, or a ring in block RAM where registers would cost more."""

from itertools import pairwise
from typing import Any, TypeVar

from amaranth.hdl import Cat, Module, Shape, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.cells import cells
from memtwin.hdl.core.check import check_integer

__all__ = ["DelayLine", "delayed", "stages"]

Word = TypeVar("Word", bound=Any)  # a Value, or a View

CELL_BITS = 16  # width of a block RAM of the iCE40
WORTH = 96  # registers that a block RAM must save to be used


class DelayLine(wiring.Component):
    """Delay of a word: ``o`` is the ``i`` of `clocks` clocks ago.

    Every 16 bits are one block RAM, and what is left over as well, where that saves at least 96 registers; the rest are
    registers. Before `clocks` clocks have passed the output is zero.

    Latency: `clocks`. Throughput: one word per clock.

    Parameters
    ----------
    width : int
        Width of the word, at least 1.
    clocks : int
        Delay, at least 1.

    Attributes
    ----------
    kept : int
        Low bits of the word that are in block RAM.

    Members
    -------
    i : In(width)
        Word.
    o : Out(width)
        The word of `clocks` clocks ago.

    Source: docs/opamp-arithmetic.md, section 6, whose steps need words of one neuron at different times.
    """

    def __init__(self, width: int, clocks: int) -> None:
        check_integer("width", width, 1)
        check_integer("clocks", clocks, 1)
        self.clocks = clocks
        cells = [min(CELL_BITS, width - bit) for bit in range(0, width, CELL_BITS)]
        # The ring needs two clocks: one to write, one to read.
        self.kept = sum(bits for bits in cells if clocks >= 2 and bits * clocks >= WORTH)
        super().__init__({"i": In(width), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        """Build the ring and the registers."""
        m = Module()
        kept, clocks = self.kept, self.clocks
        if kept:
            # The ring is longer than the delay, so that no word is read in the clock of its write.
            bits = ceil_log2(clocks)
            ring = cells(m, "ring", kept, 1 << bits)
            write = ring.write_port()
            read = ring.read_port()
            at = Signal(bits)
            m.d.sync += at.eq(at + 1)
            m.d.comb += [
                write.addr.eq(at),
                write.data.eq(self.i[:kept]),
                write.en.eq(1),
                # A read is a register as well.
                read.addr.eq(at - (clocks - 1)),
                self.o[:kept].eq(read.data),
            ]
        if kept < len(self.i):
            m.d.comb += self.o[kept:].eq(stages(m, "late", clocks, self.i[kept:])[-1])
        return m


def stages(m: Module, name: str, clocks: int, word: Word, first: int = 1) -> list[Word]:
    """Return `word` as it is and as it was 1 to `clocks` clocks ago, in registers ``<name>_<first>`` and so on."""
    out = [word, *(Signal(word.shape(), name=f"{name}_{first + clock}") for clock in range(clocks))]
    m.d.sync += [after.eq(before) for before, after in pairwise(out)]
    return out


def delayed(m: Module, name: str, clocks: int, *words: Any) -> list[Any]:
    """Delay `words` by `clocks` in one `DelayLine`, the submodule ``late_<name>`` of `m`; shapes are kept."""
    joined = Cat(*words)
    if clocks == 0 or not len(joined):
        return list(words)
    m.submodules[f"late_{name}"] = line = DelayLine(len(joined), clocks)
    m.d.comb += line.i.eq(joined)
    out = []
    start = 0
    for word in words:
        width, shape = len(Value.cast(word)), word.shape()
        value = line.o[start : start + width]
        if not isinstance(shape, Shape):
            out.append(shape(value))
        else:
            out.append(value.as_signed() if shape.signed else value)
        start += width
    return out
