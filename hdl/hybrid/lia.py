"""Lateral inhibition array: a crossbar of the neurons' own spikes against a reference decides who may integrate."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.cells import table
from memtwin.hdl.core.config import ConfigBus, MemoryMap, connect_config
from memtwin.hdl.core.crossbar import Crossbar

__all__ = ["TIES", "LateralInhibition"]

TIES = ("inhibit", "lowest", "random")


class LateralInhibition(wiring.Component):
    """Gates of the neurons from their spikes: `l_g = (sum of inhibition over the seen rows + bias row) < reference`.

    An evaluation works on `v_l` as it is with `evaluate`:
    `new = v_l & not previous v_l`; `suppressed &= v_l`; if at least two rows are new, `tie` says what happens:

    - ``"inhibit"``: nothing, all are seen and switch each other off;
    - ``"lowest"``: the lowest one stays, the others are added to `suppressed`;
    - ``"random"``: with a random number `s`, `start = ((s >> 16) * neurons) >> 16`, the first new one at or after
      `start` stays, circularly.

    Then `seen = v_l & not suppressed` goes through the crossbar, in which the bias row is always active.

    Latency: none if `v_l` has not changed (`busy` stays low). Else `busy` is high from the clock after `evaluate` until
    the gates are there: with one lane for `neurons * (scan + 1) + 6` clocks, with the `scan` of `Crossbar` over the
    seen rows and the bias row, and in a tie for `neurons + 1` more with ``"lowest"``, `2 * neurons + 2` more with
    ``"random"``.

    Source: zhang2021 fig. 4; docs/arithmetic.md, section 8.

    Parameters
    ----------
    neurons : int
        Neurons of the layer.
    tie : str
        ``"inhibit"``, ``"lowest"`` or ``"random"``.
    memory_map : MemoryMap
        Map in which `inhibition` ((neurons + 1) x neurons) and `reference` (neurons) claim windows.
    prefix : str
        Prefix of the names, such as ``"layer1."``.
    lanes : int
        Columns summed at once, see `Crossbar`.

    Members
    -------
    config : In(ConfigBus())
        Writes of `inhibition` and `reference`, while not busy.
    clear : In(1)
        Power-up, while not busy: no spike was seen before, nobody is suppressed. The gates stay until the evaluation
        that must follow, in a later clock.
    restore : In(neurons)
        Strobes, while not busy: a neuron takes `latches` for what the last evaluation left of it.
    latches : In(3)
        Its previous `v_l`, whether it is suppressed, and its gate. With ``"inhibit"`` nobody is ever suppressed.
    evaluate : In(1)
        Strobe; ignored while `busy`.
    refresh : In(1)
        With `evaluate`: also if `v_l` has not changed.
    v_l : In(neurons)
        Spikes of the neurons, L1 or L2; those of the clock after `evaluate` are taken.
    random : In(32)
        State of the layer's generator; must stay from the clock after `take_random` until `busy` falls.
    l_g : Out(neurons)
        Gates. All closed after reset.
    suppressed : Out(neurons)
        Neurons whose rows the array does not see, because they lost a tie.
    busy : Out(1)
        The gates are not valid.
    changed : Out(1)
        `v_l` is not what the gates were evaluated for, or `refresh` is high: `evaluate` would start an evaluation.
    take_random : Out(1)
        Strobe: the generator steps.
    """

    def __init__(self, neurons: int, tie: str, memory_map: MemoryMap, prefix: str, lanes: int = 1) -> None:
        if not isinstance(neurons, int) or neurons < 1:
            raise ValueError(f"neurons must be an integer of at least 1, not {neurons!r}")
        if tie not in TIES:
            raise ValueError(f"tie must be one of {', '.join(TIES)}, not {tie!r}")
        self.neurons = neurons
        self.tie = tie
        self.reference = memory_map.claim(prefix + "reference", neurons)
        self.crossbar = Crossbar(neurons + 1, neurons, lanes, memory_map, prefix + "inhibition")
        super().__init__(
            {
                "config": In(ConfigBus()),
                "clear": In(1),
                "restore": In(neurons),
                "latches": In(3),
                "evaluate": In(1),
                "refresh": In(1),
                "v_l": In(neurons),
                "random": In(32),
                "l_g": Out(neurons),
                "suppressed": Out(neurons),
                "busy": Out(1),
                "changed": Out(1),
                "take_random": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the array."""
        m = Module()
        neurons = self.neurons
        m.submodules.crossbar = crossbar = self.crossbar
        read = table(m, "reference", self.reference, self.config)
        connect_config(m, self.config, [crossbar.config])

        previous = Signal(neurons)
        suppressed = self.suppressed
        new = Signal(neurons)
        at = Signal(range(neurons))
        left = Signal(range(neurons + 1))
        found = Signal()
        compare = Signal()
        m.d.comb += [
            crossbar.events.eq(Cat(previous & ~suppressed, 1)),
            self.changed.eq(self.refresh | (self.v_l != previous)),
        ]

        with m.FSM() as fsm:
            with m.State("IDLE"):
                with m.If(self.clear):
                    m.d.sync += [previous.eq(0), suppressed.eq(0)]
                with m.Elif(self.evaluate & self.changed):
                    m.next = "TAKE"
            # A clock later, because it is a long way from the spikes to the decision to evaluate.
            with m.State("TAKE"):
                m.d.sync += [
                    new.eq(self.v_l & ~previous),
                    previous.eq(self.v_l),
                    suppressed.eq(suppressed & self.v_l),
                ]
                m.next = "NEW"
            with m.State("NEW"):
                m.d.comb += crossbar.start.eq(1)
                m.next = "SUM"
                if self.tie != "inhibit":
                    m.d.sync += [at.eq(0), left.eq(neurons), found.eq(0)]
                    with m.If(_several(new)):
                        m.d.comb += [crossbar.start.eq(0), self.take_random.eq(self.tie == "random")]
                        m.next = "DRAW" if self.tie == "random" else "PICK"
            if self.tie == "random":
                with m.State("DRAW"):
                    # (r * neurons) >> 16 is the number of carries while r is added up `neurons` times.
                    fraction = Signal(16)
                    added = fraction + self.random[16:]
                    m.d.sync += [fraction.eq(added), at.eq(at + added[16]), left.eq(left - 1)]
                    with m.If(left == 0):
                        m.d.sync += [fraction.eq(0), at.eq(at), left.eq(neurons)]
                        m.next = "PICK"
            if self.tie != "inhibit":
                with m.State("PICK"):
                    with m.If(new.bit_select(at, 1)):
                        m.d.sync += [found.eq(1), suppressed.bit_select(at, 1).eq(found)]
                    m.d.sync += [at.eq(Mux(at == neurons - 1, 0, at + 1)), left.eq(left - 1)]
                    with m.If(left == 1):
                        m.next = "START"
                with m.State("START"):
                    m.d.comb += crossbar.start.eq(1)
                    m.next = "SUM"
            with m.State("SUM"), m.If(~crossbar.busy & ~compare):
                m.next = "IDLE"

        # The reference comes one clock after its column; the sum waits for it, as its complement, because
        # `current < reference` is the carry out of their sum.
        complement = Signal.like(crossbar.o_sum)
        below = Signal(len(complement) + 1)
        column = Signal.like(crossbar.o_column)
        m.d.comb += [
            read.addr.eq(crossbar.o_column),
            self.busy.eq(~fsm.ongoing("IDLE")),
        ]
        m.d.comb += below.eq(read.data + complement)
        m.d.sync += [compare.eq(crossbar.o_valid), complement.eq(~crossbar.o_sum), column.eq(crossbar.o_column)]
        with m.If(compare):
            m.d.sync += self.l_g.bit_select(column, 1).eq(below[-1])

        for neuron in range(neurons):
            with m.If(self.restore[neuron]):
                m.d.sync += [previous[neuron].eq(self.latches[0]), self.l_g[neuron].eq(self.latches[2])]
                if self.tie != "inhibit":
                    m.d.sync += suppressed[neuron].eq(self.latches[1])
        return m


def _several(word: Value) -> Value:
    """One if at least two bits of `word` are one; a tree, so that it stays fast for a wide layer."""
    some = [bit for bit in word]
    two: list[Value] = [Const(0, 1)]
    while len(some) > 1:
        pairs = list(zip(some[::2], some[1::2], strict=False))
        two += [a & b for a, b in pairs]
        some = [a | b for a, b in pairs] + some[len(pairs) * 2 :]
    return Cat(two).any()
