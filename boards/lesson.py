"""A lesson in gateware: trains a network and then shows it patterns, without a host."""

import itertools

from amaranth.hdl import Const, Module, Mux, Signal, unsigned
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from memtwin.boards.content import LessonPlan
from memtwin.hdl.core.cells import cells
from memtwin.hdl.hybrid.presenter import Presentation

__all__ = ["Lesson"]


class Lesson(wiring.Component):
    """Plays a `LessonPlan` to a network: every phase of the training once, then one pattern again and again.

    `next` steps to the next pattern; it acts from the next presentation on. After every presentation that shows a
    pattern, the neuron of the last layer with the most spikes is the winner; a tie or silence is no answer.

    Latency: a presentation is offered 3 clocks after `done`, or, when the training is over, ``neurons + 5``, for the
    spikes are looked through first.

    Parameters
    ----------
    plan : LessonPlan
        What is taught and shown.
    layout : Presentation
        Layout of a presentation.

    Members
    -------
    presentations : Out(stream.Signature(Presentation(...)))
        To the network.
    strobe : In(1)
        Once in each high half-period, when `spikes` is valid; it comes no more often than every ``neurons + 2``
        clocks (a half-period takes longer).
    spikes : In(neurons)
        Spikes of the last layer, steady for `neurons` clocks from `strobe` on.
    next : In(1)
        Strobe: show the next pattern.
    training : Out(1)
        The training is not over.
    shown : Out(range(patterns))
        Number of the pattern that is, or comes, on show.
    winner : Out(range(neurons))
        Neuron with the most spikes in the presentation before this one, the lowest of several.
    answered : Out(1)
        It had more spikes than any other.

    Raises
    ------
    ValueError
        If the plan does not fit the network.

    Source: zhang2021, Fig. 5; docs/arithmetic.md, section 10.
    """

    def __init__(self, plan: LessonPlan, layout: Presentation) -> None:
        if not isinstance(plan, LessonPlan):
            raise TypeError(f"plan must be a LessonPlan, not {plan!r}")
        for number, pattern in enumerate(plan.patterns):
            if not 0 <= pattern < 1 << layout.rows:
                raise ValueError(f"pattern {number} must have {layout.rows} bits, not {pattern!r}")
        for number, phase in enumerate(plan.phases, 1):
            if phase.learn >= layout.layers or phase.until >= layout.layers:
                raise ValueError(f"learn and until of phase {number} must be less than {layout.layers}")
            if phase.labelled and max(phase.order) >= layout.gates:
                raise ValueError(f"order of phase {number} must be less than {layout.gates}, because it is labelled")
        self.plan = plan
        self.layout = layout
        super().__init__(
            {
                "presentations": Out(stream.Signature(layout)),
                "strobe": In(1),
                "spikes": In(layout.gates),
                "next": In(1),
                "training": Out(1, init=1),
                "shown": Out(range(len(plan.patterns))),
                "winner": Out(range(layout.gates)),
                "answered": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the lesson."""
        m = Module()
        plan, offered = self.plan, self.presentations
        neurons = self.layout.gates
        number_bits = max(1, ceil_log2(len(plan.patterns)))

        order_init = [number for phase in plan.phases for number in phase.order]
        order: memory.Memory = memory.Memory(shape=unsigned(number_bits), depth=len(order_init), init=order_init)
        m.submodules.order = order
        # Small as it is, it would become logic, which a small chip has less of than block RAM.
        patterns: memory.Memory = memory.Memory(
            shape=unsigned(self.layout.rows), depth=len(plan.patterns), init=plan.patterns, attrs={"rom_style": "block"}
        )
        m.submodules.patterns = patterns
        order_read = order.read_port()
        pattern_read = patterns.read_port()

        ends = list(itertools.accumulate(len(phase.order) for phase in plan.phases))
        position = Signal(range(len(order_init) + 1))
        number = Signal(number_bits)
        first = Signal(init=1)
        m.d.comb += [
            order_read.addr.eq(position),
            order_read.en.eq(1),
            number.eq(Mux(self.training, order_read.data, self.shown)),
            pattern_read.addr.eq(number),
            offered.payload.pixels.eq(pattern_read.data),
            offered.payload.init.eq(first),
        ]
        phase_number = Signal(range(len(plan.phases) + 1))
        with m.Switch(phase_number):
            for index, phase in enumerate(plan.phases):
                with m.Case(index):
                    m.d.comb += [
                        offered.payload.learn.eq(1 << phase.learn),
                        offered.payload.until.eq(phase.until),
                        offered.payload.fires.eq(phase.fires),
                        offered.payload.periods.eq(phase.periods),
                        offered.payload.rest.eq(phase.rest),
                        offered.payload.gates.eq(Const(1, neurons) << number if phase.labelled else -1),
                    ]
            with m.Default():
                m.d.comb += [
                    offered.payload.periods.eq(plan.periods),
                    offered.payload.rest.eq(plan.rest),
                    offered.payload.gates.eq(-1),
                ]

        # `next` waits for the end of the presentation, for a payload must not change while it is offered.
        asked = Signal()
        with m.If(self.next):
            m.d.sync += asked.eq(1)

        counted = Signal()  # every count of the presentation has been looked at
        count = Signal()  # look at the counts
        with m.FSM():
            with m.State("ORDER"):
                with m.If(~self.training & asked):
                    last = self.shown == len(plan.patterns) - 1
                    m.d.sync += [asked.eq(0), self.shown.eq(Mux(last, 0, self.shown + 1))]
                m.next = "PATTERN"
            with m.State("PATTERN"):
                m.next = "OFFER"
            with m.State("OFFER"):
                m.d.comb += offered.valid.eq(1)
                with m.If(offered.ready):
                    m.d.sync += first.eq(0)
                    with m.If(self.training):
                        m.d.sync += position.eq(position + 1)
                        m.next = "ORDER"
                        with m.Switch(position), m.Case(*(end - 1 for end in ends)):
                            m.d.sync += phase_number.eq(phase_number + 1)
                        with m.If(position == ends[-1] - 1):
                            m.d.sync += [self.training.eq(0), asked.eq(0)]
                    with m.Else():
                        m.d.comb += count.eq(1)
                        m.next = "COUNT"
            with m.State("COUNT"), m.If(counted):
                m.next = "ORDER"

        self._count(m, count, counted)
        return m

    def _count(self, m: Module, count: Signal, counted: Signal) -> None:
        """Count the spikes of each neuron in a memory; find the largest count at `count`, and tell with `counted`."""
        neurons = self.layout.gates
        # One spike per clock period at most.
        width = bits_for(self.plan.periods + self.plan.rest)
        counts = cells(m, "counts", width, neurons)
        write, read = counts.write_port(), counts.read_port()
        walking = Signal()
        choosing = Signal()
        opening = Signal(init=1)  # nothing is counted yet in this presentation
        index = Signal(range(neurons))
        spikes = Signal(neurons)

        with m.If(walking):
            m.d.sync += [index.eq(index + 1), spikes.eq(spikes >> 1)]
            with m.If(index == neurons - 1):
                m.d.sync += [walking.eq(0), index.eq(0)]
        with m.Elif(self.strobe | count):
            m.d.sync += [walking.eq(1), choosing.eq(count), spikes.eq(self.spikes)]

        # One clock behind: the count that was read.
        behind = Signal()
        at = Signal.like(index)
        spiked = Signal()
        fresh = Signal()
        m.d.sync += [
            behind.eq(walking),
            at.eq(index),
            spiked.eq(spikes[0]),
            counted.eq(behind & ~walking & choosing),
        ]
        old = Mux(fresh, 0, read.data)
        m.d.comb += [
            read.addr.eq(index),
            read.en.eq(1),
            write.addr.eq(at),
            write.data.eq(old + spiked),
            write.en.eq(behind & ~choosing),
        ]
        best = Signal(width)
        leader = Signal.like(index)
        alone = Signal()
        with m.If(self.strobe & ~walking):
            m.d.sync += [fresh.eq(opening), opening.eq(0)]
        with m.If(count):
            m.d.sync += [best.eq(0), leader.eq(0), alone.eq(0), fresh.eq(opening)]
        with m.If(self.presentations.ready):
            m.d.sync += opening.eq(1)
        with m.If(behind & choosing):
            with m.If(old > best):
                m.d.sync += [best.eq(old), leader.eq(at), alone.eq(1)]
            with m.Elif(old == best):
                m.d.sync += alone.eq(0)
        with m.If(counted):
            m.d.sync += [self.winner.eq(leader), self.answered.eq(alone)]
