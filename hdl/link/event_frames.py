"""Frames of events, made of what comes out of their queue (docs/link.md, section 7)."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.trace import INDEX_BITS
from memtwin.hdl.link.frame_encoder import BODY_BYTE

__all__ = ["ALL_STEPS", "EVENTS_OPERATION", "STEPS", "EventFrames"]

EVENTS_OPERATION = 0xC0
MOST_BYTES = 248  # of events in a frame
STEPS = 2  # kind of an entry that counts steps of time
ALL_STEPS = 255  # steps of an event of its own


class EventFrames(wiring.Component):
    """Takes entries out of a queue and makes bodies of frames of them.

    A frame begins when there is enough for a full one, when the oldest entry has waited for two beats, or at the end of
    a presentation; and never before it is known what goes into it.

    Throughput: one byte per clock, and one clock for the steps before an event.

    Parameters
    ----------
    entry : StructLayout
        Layout of an entry of `EventQueue`: ``kind``, ``layer``, ``index`` and, with traces, ``trace`` and ``value``.

    Members
    -------
    entry, valid, level : In(entry), In(1), In(16)
        As in `EventQueue`.
    pop : Out(1)
        As in `EventQueue`.
    beat : In(1)
        Strobe, every so many clocks.
    ended : In(1)
        Strobe: a presentation is over, and all of it is in the queue.
    allow : In(1)
        A frame may begin.
    open : Out(1)
        A frame has begun.
    o : Out(stream.Signature(BODY_BYTE))
        Bodies of frames.

    Source: docs/link.md, section 7.
    """

    entry: data.View

    def __init__(self, entry: data.StructLayout) -> None:
        self._traces = "trace" in entry.members
        super().__init__(
            {
                "entry": In(entry),
                "valid": In(1),
                "level": In(16),
                "pop": Out(1),
                "beat": In(1),
                "ended": In(1),
                "allow": In(1),
                "open": Out(1),
                "o": Out(stream.Signature(BODY_BYTE)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the sequence of bytes."""
        m = Module()
        entry, traces = self.entry, self._traces
        largest = 10 if traces else 4
        sequence = Signal(8)
        delta = Signal(8)
        place = Signal(range(largest))
        used = Signal(8)
        is_due = Signal()
        is_old = Signal()
        is_many = self.level[6:].any()  # enough for a full frame
        trace = entry.trace if traces else Const(0)
        is_steps = (entry.kind == STEPS) & ~trace
        is_all_steps = is_steps & (entry.index == ALL_STEPS)

        event = Cat(
            Cat(entry.kind, Const(0, 4))[:4],
            Cat(entry.layer, Const(0, 3))[:3],
            trace,
            Mux(is_steps, ALL_STEPS, delta),
            Mux(is_steps, 0, Cat(entry.index, Const(0, INDEX_BITS))[:INDEX_BITS]),
            Cat(entry.value, Const(0, 4)) if traces else Const(0, 0),
        )
        is_end = place == (Mux(trace, 9, 3) if traces else 3)
        more = (self.level > 1) & (used < MOST_BYTES - largest)
        with m.FSM(name="frame") as fsm:
            m.d.comb += self.open.eq(~fsm.ongoing("wait"))
            with m.State("wait"), m.If(self.valid):
                with m.If(self.beat):
                    m.d.sync += [is_old.eq(1), is_due.eq(is_due | is_old)]
                with m.If(self.allow & (is_due | is_many)):
                    m.next = "sequence"
            with m.State("sequence"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.data.eq(sequence)]
                m.d.sync += [used.eq(0), is_old.eq(0)]
                with m.If(self.o.ready):
                    m.d.sync += sequence.eq(sequence + 1)
                    m.next = "operation"
            with m.State("operation"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.data.eq(EVENTS_OPERATION)]
                with m.If(self.o.ready):
                    m.next = "events"
            with m.State("events"):
                # What comes meanwhile may still take back `last`, up to the clock in which the byte is taken.
                m.d.comb += [
                    self.o.payload.data.eq(event.word_select(place, 8)),
                    self.o.payload.last.eq(is_end & ~more),
                ]
                with m.If(self.valid & is_steps & ~is_all_steps):
                    # Their event comes next.
                    m.d.comb += self.pop.eq(1)
                    m.d.sync += delta.eq(entry.index)
                with m.Elif(self.valid):
                    m.d.comb += self.o.valid.eq(1)
                    with m.If(self.o.ready):
                        m.d.sync += [place.eq(place + 1), used.eq(used + 1)]
                        with m.If(is_end):
                            m.d.comb += self.pop.eq(1)
                            m.d.sync += [place.eq(0), delta.eq(0)]
                            with m.If(~more):
                                m.next = "wait"
        with m.If(self.ended):
            m.d.sync += is_due.eq(1)
        with m.Elif(~self.open & (self.level == 0)):
            m.d.sync += [is_due.eq(0), is_old.eq(0)]
        return m
