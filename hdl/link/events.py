"""Events of a network as a stream of bytes: spikes, fires, trace words and ends of presentations, in a queue."""

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.trace import INDEX_BITS, KIND_BITS
from memtwin.hdl.link.event_frames import ALL_STEPS, STEPS, EventFrames
from memtwin.hdl.link.event_queue import EventQueue
from memtwin.hdl.link.frame_encoder import BODY_BYTE

__all__ = ["MOST_LAYERS", "LinkEvents"]

MOST_LAYERS = 8
OPTIONS = ("spikes", "fires", "done", "wait")

SPIKE, FIRE, DONE = 0, 1, 3  # kinds of entries, beside `STEPS`
VALUE_BITS = 64 - KIND_BITS - INDEX_BITS
RESERVE = 4  # places of the queue for the ends of presentations


class LinkEvents(wiring.Component):
    """Looks at a network, queues what happens, and makes event frames of it.

    Output pulses, and the neurons that have fired, are taken in the clock of their strobe and looked through, one
    neuron per clock, up to the last one that is set. A trace word waits in a register of its layer. Steps are entries
    of their own in the queue, just before the event that they belong to, which makes an entry narrow: the plain queue
    is 16 bits wide with up to 2048 neurons in a layer, with two layers to 4096.

    The time of an event is the number of strobes of spikes up to it. Where spikes have not been looked through when the
    next ones come, the rest of them is dropped, which counts as one event. With option `wait` nothing is dropped:
    `hold` stops the network for as long as anything is still to be queued, or the queue is half full.

    The queue is never full when an entry is pushed: what comes while it has no more than `RESERVE` places is dropped
    and counted, but the end of a presentation, for which they are kept.

    Latency: a spike of neuron `n`, counted through all layers, is queued ``n + 3`` clocks after its strobe at most, if
    there is nothing else. Throughput: one event per clock into the queue, and 2 clocks for the first one of a step.

    Parameters
    ----------
    neurons : sequence of int
        Neurons of each layer, at most 8 layers.
    fires : bool
        The neurons have an L1.
    traces : bool
        Trace words can be streamed.
    depth : int
        Entries of the queue, a power of two of at least 128.

    Members
    -------
    spikes : In(neurons of all layers)
        Output pulses, layer 1 lowest.
    spikes_strobe : In(1)
        Strobe: a step is over, and they are valid.
    l1 : In(neurons of all layers)
        Latches L1, only if `fires`.
    fires_strobe : In(1)
        Strobe: the neurons that have fired since the last one can be queued, only if `fires`.
    trace1_valid, trace1_word, trace2_valid, ... : In(1), In(64)
        Traces of the layers, only if `traces`.
    over : In(1)
        Strobe: a presentation is over.
    answer : In(16)
        Answer of the network; holds until the next presentation.
    idle : In(1)
        The network is idle.
    beat : In(1)
        Strobe, every 2048 clocks: an event waits for two of them at most.
    options : In(4)
        `spikes`, `fires`, `done`, `wait`.
    trace_kinds : In(16)
        Kinds of trace words.
    hold : Out(1)
        The network must stand still in this clock; what it shows counts in the next clock without.
    busy : Out(1)
        There is something that is not in the queue yet.
    ended : Out(1)
        Strobe: a presentation is over, and all of it is in the queue.
    dropped : Out(4)
        Events that were dropped in the clock before.
    allow : In(1)
        A frame may begin.
    open : Out(1)
        A frame has begun.
    o : Out(stream.Signature(BODY_BYTE))
        Bodies of frames.

    Source: docs/link.md, section 7.
    """

    def __init__(self, neurons: Sequence[int], *, fires: bool, traces: bool, depth: int) -> None:
        neurons = list(neurons)
        for count in neurons:
            check_integer("neurons", count, 1, 1 << INDEX_BITS)
        check_integer("number of layers", len(neurons), 1, MOST_LAYERS)
        check_integer("depth", depth, 128)
        if depth & (depth - 1):
            raise ValueError(f"depth must be a power of two, not {depth!r}")
        for name, value in {"fires": fires, "traces": traces}.items():
            if not isinstance(value, bool):
                raise TypeError(f"{name} must be a bool, not {value!r}")
        self._neurons = neurons
        self._fires = fires
        self._traces = traces
        self._depth = depth
        index_bits = INDEX_BITS if traces else max(8, ceil_log2(max(neurons)))
        self._entry = data.StructLayout(
            {
                "kind": KIND_BITS if traces else 2,
                "layer": max(1, ceil_log2(len(neurons))),
                **({"trace": 1} if traces else {}),
                "index": index_bits,
                **({"value": VALUE_BITS} if traces else {}),
            }
        )
        self._queue = EventQueue(self._entry, depth)
        layers = range(1, len(neurons) + 1)
        super().__init__(
            {
                "spikes": In(sum(neurons)),
                "spikes_strobe": In(1),
                **({"l1": In(sum(neurons)), "fires_strobe": In(1)} if fires else {}),
                **({f"trace{number}_valid": In(1) for number in layers} if traces else {}),
                **({f"trace{number}_word": In(64) for number in layers} if traces else {}),
                "over": In(1),
                "answer": In(INDEX_BITS),
                "idle": In(1),
                "beat": In(1),
                "options": In(len(OPTIONS)),
                "trace_kinds": In(16),
                "hold": Out(1),
                "busy": Out(1),
                "ended": Out(1),
                "dropped": Out(4),
                "allow": In(1),
                "open": Out(1),
                "o": Out(stream.Signature(BODY_BYTE)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the way into the queue, and the way out."""
        m = Module()
        m.submodules.queue = queue = self._queue
        option = {name: self.options[bit] for bit, name in enumerate(OPTIONS)}
        runs = ~self.hold
        strobe = runs & self.spikes_strobe

        item = Signal(self._entry)  # what comes next, if `is_item`
        is_item = Signal()
        taken = Signal()  # it is in the queue, or dropped
        stepped = Signal()  # a strobe of spikes has come, and is not counted yet

        traced, overwritten = self._trace_words(m, runs, item, is_item, taken)

        # Neurons that are looked through. The lowest bit of `waiting` is neuron `index` of layer `layer`.
        waiting = Signal(len(self.spikes))
        scanning = Signal()
        is_fires = Signal()
        layer = Signal(max(1, ceil_log2(len(self._neurons))))
        index = Signal(range(max(self._neurons)))
        lost = Signal()
        ends = Array(Const(count - 1, len(index)) for count in self._neurons)
        with m.If(scanning & ~traced & ~stepped):
            m.d.comb += [
                is_item.eq(waiting[0]),
                item.kind.eq(Mux(is_fires, FIRE, SPIKE)),
                item.layer.eq(layer),
                item.index.eq(index),
            ]
            with m.If(~waiting[0] | taken):
                m.d.sync += [waiting.eq(waiting >> 1), scanning.eq(waiting[1:].any()), index.eq(index + 1)]
                with m.If(index == ends[layer]):
                    m.d.sync += [index.eq(0), layer.eq(layer + 1)]
        fired, fires_strobe = self._fired(m, runs)
        with m.If(strobe | fires_strobe):
            m.d.comb += lost.eq(scanning & waiting.any())
            m.d.sync += [
                waiting.eq(Mux(strobe, self.spikes, fired)),
                scanning.eq(Mux(strobe, option["spikes"], option["fires"])),
                is_fires.eq(~strobe),
                index.eq(0),
                layer.eq(0),
            ]

        # The end of a presentation comes when all else of it has been queued.
        is_over = Signal()
        is_shown = Signal()
        is_end = Signal()
        with m.If(runs & self.over):
            m.d.sync += [is_over.eq(1), is_shown.eq(option["done"])]
        with m.If(is_over & ~scanning & ~traced & ~stepped):
            m.d.comb += [
                is_end.eq(1),
                is_item.eq(is_shown),
                item.kind.eq(DONE),
                item.index.eq(self.answer),
                self.ended.eq(~is_shown | taken),
            ]
        with m.If(self.ended):
            m.d.sync += is_over.eq(0)

        # Into the queue. Steps since the last entry have base 255: each time that they are full makes an event.
        steps = Signal(8)
        rolled = Signal(6)
        counts = Signal()
        rolls = Signal()
        is_written = Signal()  # the steps of the item are in the queue, which keeps a place for it
        steps_left = Signal.like(steps)
        rolled_left = Signal.like(rolled)
        wants = (self.options[:3] | self.trace_kinds.any()).any()
        # The last places are for the ends of presentations. The comparisons are a clock late, and allow for one more.
        is_roomy = Signal()
        has_places = Signal(2, init=0b11)  # for anything, for an end
        m.d.sync += has_places.eq(Cat(queue.level < self._depth - RESERVE - 1, queue.level < self._depth - 2))
        m.d.comb += is_roomy.eq(has_places[0] | (is_end & has_places[1]))
        is_refused = Signal()
        m.d.comb += [
            queue.item.eq(item),
            steps_left.eq(steps),
            rolled_left.eq(rolled),
        ]
        amount = Signal(self._entry["index"].width)
        below = self._entry["index"].offset - self._entry["kind"].width
        steps_entry = Cat(Const(STEPS, self._entry["kind"].width), Const(0, below), amount)
        m.d.comb += amount.eq(steps)
        with m.If((rolled != 0) & ~is_written & wants & is_roomy):
            m.d.comb += [
                queue.push.eq(1),
                queue.item.eq(steps_entry),
                amount.eq(ALL_STEPS),
                rolled_left.eq(rolled - 1),
            ]
        with m.Elif(is_item):
            with m.If(is_written | ((steps == 0) & is_roomy)):
                m.d.comb += [queue.push.eq(1), taken.eq(1)]
                m.d.sync += is_written.eq(0)
            with m.Elif(is_roomy):
                m.d.comb += [queue.push.eq(1), queue.item.eq(steps_entry), steps_left.eq(0)]
                m.d.sync += is_written.eq(1)
            with m.Elif(~option["wait"]):
                m.d.comb += [taken.eq(1), is_refused.eq(1)]

        # A trace word that came before the strobe has the time before it.
        m.d.comb += counts.eq(stepped & (strobe | ~traced))
        with m.If(strobe):
            m.d.sync += stepped.eq(1)
        with m.Elif(counts):
            m.d.sync += stepped.eq(0)
        m.d.comb += rolls.eq(counts & (steps_left == ALL_STEPS - 1))
        with m.If(self.ended):
            m.d.sync += [steps.eq(0), rolled.eq(0)]
        with m.Else():
            m.d.sync += [
                steps.eq(Mux(rolls, 0, steps_left + counts)),
                rolled.eq(Mux(rolled_left.all(), rolled_left, rolled_left + rolls)),
            ]

        is_crowded = Signal()
        m.d.sync += is_crowded.eq(queue.level[-2:].any())
        m.d.comb += [
            self.busy.eq(scanning | traced | is_over | stepped),
            self.hold.eq(option["wait"] & ~self.idle & (self.busy | is_crowded)),
        ]
        m.d.sync += self.dropped.eq(sum(overwritten, lost + is_refused + (rolls & wants & rolled_left.all())))
        m.submodules.frames = frames = EventFrames(self._entry)
        m.d.comb += [
            frames.entry.eq(queue.entry),
            frames.valid.eq(queue.valid),
            frames.level.eq(queue.level),
            queue.pop.eq(frames.pop),
            frames.beat.eq(self.beat),
            frames.ended.eq(self.ended),
            frames.allow.eq(self.allow),
            self.open.eq(frames.open),
        ]
        wiring.connect(m, frames.o, wiring.flipped(self.o))
        return m

    def _fired(self, m: Module, runs: Value) -> tuple[Value, Value]:
        """Return the neurons that have fired since the last strobe, and that strobe."""
        fired = Signal(len(self.spikes))
        if not self._fires:
            return fired, Const(0)
        before = Signal.like(self.l1)
        with m.If(runs):
            m.d.sync += [
                before.eq(self.l1),
                fired.eq(Mux(self.fires_strobe, 0, fired | (self.l1 & ~before))),
            ]
        return fired, runs & self.fires_strobe

    def _trace_words(
        self, m: Module, runs: Value, item: data.View, is_item: Signal, taken: Signal
    ) -> tuple[Value, list[Value]]:
        """Keep a trace word of each layer, and offer the first; returns whether there is one, and which get lost."""
        if not self._traces:
            return Const(0), []
        words: list[tuple[Signal, Signal]] = []
        overwritten: list[Value] = []
        for number in range(1, len(self._neurons) + 1):
            word = Signal(64, name=f"traced{number}")
            is_kept = Signal(name=f"traced{number}_valid")
            port = getattr(self, f"trace{number}_word")
            comes = runs & getattr(self, f"trace{number}_valid") & self.trace_kinds.bit_select(port[:KIND_BITS], 1)
            is_next = ~Cat(valid for valid, _ in words).any() if words else Const(1)
            with m.If(is_kept & is_next):
                m.d.comb += [
                    is_item.eq(1),
                    item.eq(Cat(word[:KIND_BITS], Const(number - 1, self._entry["layer"].width), 1, word[KIND_BITS:])),
                ]
            with m.If(comes):
                m.d.sync += [word.eq(port), is_kept.eq(1)]
            with m.Elif(is_next & taken):
                m.d.sync += is_kept.eq(0)
            overwritten.append(comes & is_kept & ~(is_next & taken))
            words.append((is_kept, word))
        return Cat(valid for valid, _ in words).any(), overwritten
