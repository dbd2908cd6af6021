"""A network that does what a test tells it, at any speed: a memory whose words are its spikes."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, memory

from memtwin.hdl.core.config import READ_LATENCY, MemoryMap
from memtwin.hdl.core.trace import trace_word
from memtwin.hdl.hybrid.structure import HybridTraceKind
from memtwin.hdl.port.network_port import NetworkPort

WORDS = 16
STATE = 16  # first address of the network's state, behind a window that cannot be read
END = 32


@dataclass(frozen=True)
class Shape:
    rows: int
    neurons: int


class Tiny(NetworkPort):
    """Two layers, of 5 and 3 neurons: in step `s`, counted from 0, they spike as word ``s % 16`` says, bit by bit.

    A step takes ``gap + 3`` clocks. In its first one both layers write a trace word: layer 1 a reciprocal and
    layer 2 a threshold, whose index is `s` and whose value ``s << 28 | 5``. The answer is the number of steps, modulo
    4. Words 0 to 15 cannot be read; ``spikes`` is the state, whose words are there `READ_LATENCY` clocks after they
    were asked for, in that clock alone.
    """

    has_answer = True

    def __init__(self, power_up=1):
        self.power_up = power_up  # clocks
        memory_map = MemoryMap()
        memory_map.claim("hidden", 12)
        self.window = memory_map.claim("spikes", WORDS, state=True)
        layout = data.StructLayout({"steps": 16, "gap": 16, "wide": 20})
        super().__init__([Shape(4, 5), Shape(5, 3)], memory_map, layout)

    def elaborate(self, platform):
        m = Module()
        m.submodules.cells = cells = memory.Memory(shape=16, depth=WORDS, init=[])
        write, read = cells.write_port(), cells.read_port()
        asked = Signal(READ_LATENCY)
        m.d.sync += asked.eq(Cat(self.config.read, asked))
        step = Signal(16)
        left = Signal(16)
        shown = self.presentations.payload
        m.d.comb += [
            write.addr.eq(self.window.offset(self.config)),
            write.data.eq(self.config.data),
            write.en.eq(self.window.hit(self.config)),
            read.en.eq(1),
            read.addr.eq(step),
            self.config.q.eq(self.window.shown(self.config, Mux(asked[-1], read.data, 0))),
            self.layer1.on.eq(read.data[:5]),
            self.layer2.on.eq(read.data[5:8]),
            self.answer.eq(step),
            self.done.eq(self.presentations.ready),
        ]
        for trace, kind in ((self.trace1, HybridTraceKind.RECIPROCAL), (self.trace2, HybridTraceKind.THRESHOLD)):
            m.d.comb += trace.word.eq(trace_word(kind, step, Const(5, 28), step))
        with m.FSM() as fsm:
            m.d.comb += self.idle.eq(fsm.ongoing("idle") & ~self.presentations.valid)
            with m.State("power"):
                m.d.sync += left.eq(left + 1)
                with m.If(left == self.power_up - 1):
                    m.next = "idle"
            with m.State("idle"):
                m.d.comb += read.addr.eq(self.window.offset(self.config))
                with m.If(self.presentations.valid):
                    m.d.sync += step.eq(0)
                    m.next = "step"
            with m.State("step"):
                m.d.sync += left.eq(shown.gap)
                with m.If(step == shown.steps):
                    m.d.comb += self.presentations.ready.eq(1)
                    m.next = "idle"
                with m.Else():
                    m.d.comb += [self.trace1.valid.eq(1), self.trace2.valid.eq(1)]
                    m.next = "gap"
            with m.State("gap"), m.If(self.tick):
                m.d.sync += left.eq(left - 1)
                with m.If(left == 0):
                    m.next = "spikes"
            with m.State("spikes"):
                m.d.comb += self.spikes_strobe.eq(1)
                m.d.sync += step.eq(step + 1)
                m.next = "step"
        return m


def spikes_of(words, steps):
    """Events of `Tiny`: (kind, layer, trace, delta, index, value)."""
    out, last = [], 0
    for step in range(1, steps + 1):
        for bit in range(8):
            if words[(step - 1) % 16] >> bit & 1:
                while step - last > 254:
                    out.append((2, 0, 0, 255, 0, None))
                    last += 255
                out.append((0, bit >= 5, 0, step - last, bit - 5 * (bit >= 5), None))
                last = step
    while steps - last > 254:
        out.append((2, 0, 0, 255, 0, None))
        last += 255
    out.append((3, 0, 0, steps - last, steps % 4, None))
    return out
