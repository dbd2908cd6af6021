"""Bounded proofs of the lateral inhibition array with fixed conductances, and proofs that the proofs can fail."""

import inspect

import pytest
from amaranth.hdl import Assert, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.hybrid import lia
from memtwin.hdl.hybrid.lia import TIES, LateralInhibition
from tests.formal import prove

pytestmark = pytest.mark.formal

NEURONS = 3
# Clocks; enough for a tie, the end of its spikes, and another spike of its loser.
DEPTH = {"inhibit": 40, "lowest": 50, "random": 54}


def conductances():
    """Image of an array in which the bias and one spike of another neuron reach the reference, but not exceed it."""
    array = [20 if row == column else 1500 for row in range(NEURONS) for column in range(NEURONS)]
    return MemoryMap({"inhibition": array + [100] * NEURONS, "reference": [1600] * NEURONS})


class Evaluations(wiring.Component):
    """The array under any spikes, evaluated whenever it is idle; the first evaluation is forced, as at power-up.

    Spikes that do not change make a pause. They hold for the clock after `evaluate`, in which the array takes them.
    `evaluate` stays on while the array is busy, and must be ignored then.
    Beside it the rules of docs/arithmetic.md, section 8, in one clock, on what the evaluation saw.
    """

    def __init__(self, dut, property_):
        self.dut = dut
        self.property = property_
        super().__init__({"v_l": In(NEURONS), "number": In(32)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        self.started = started = Signal()
        self.done = Signal()
        number = Signal(32)
        taking = Signal()
        self.spikes = spikes = Signal(NEURONS)
        m.d.sync += taking.eq(~dut.busy)
        m.d.comb += [
            dut.v_l.eq(Mux(taking & dut.busy, self.spikes, self.v_l)),
            dut.evaluate.eq(1),
            dut.refresh.eq(~started),
            dut.random.eq(number),
            self.done.eq(started & ~dut.busy),
        ]
        with m.If(dut.take_random):
            m.d.sync += number.eq(self.number)

        # What the evaluation saw, and what should come of it.
        self.new = new = Signal(NEURONS)
        self.suppressed = suppressed = Signal(NEURONS)
        self.seen = seen = Signal(NEURONS)
        self.tie = tie = Signal()
        still_suppressed = Signal(NEURONS)
        picked = Signal(NEURONS)
        with m.If(~dut.busy):
            m.d.sync += [
                started.eq(1),
                new.eq(self.v_l & ~spikes),
                spikes.eq(self.v_l),
                still_suppressed.eq(suppressed & self.v_l),
            ]
        start = (number[16:] * NEURONS >> 16) if dut.tie == "random" else 0
        for first in range(NEURONS):
            with m.If(start == first):
                # The last assignment wins, so the order is from the back.
                for index in reversed(range(first, first + NEURONS)):
                    with m.If(new[index % NEURONS]):
                        m.d.comb += picked.eq(1 << index % NEURONS)
        m.d.comb += [
            tie.eq((sum(new) > 1) & (dut.tie != "inhibit")),
            suppressed.eq(still_suppressed | Mux(tie, new & ~picked, 0)),
            seen.eq(spikes & ~suppressed),
        ]
        self.property(m, dut, self)
        return m


def truth_table(m, dut, top):
    """Nobody seen: all gates on. One seen: its gate only. More: all off. Without a tie rule, all spikes are seen."""
    with m.If(top.done):
        with m.Switch(sum(top.seen)):
            with m.Case(0):
                m.d.comb += Assert(dut.l_g.all())
            with m.Case(1):
                m.d.comb += Assert(dut.l_g == top.seen)
            with m.Default():
                m.d.comb += Assert(dut.l_g == 0)
        if dut.tie == "inhibit":
            m.d.comb += Assert(top.seen == top.spikes)


def one_winner(m, dut, top):
    """A tie among neurons of which none spiked before leaves one gate on, that of a neuron with a new spike."""
    with m.If(top.done & top.tie & (top.new == top.spikes)):
        m.d.comb += Assert((sum(dut.l_g) == 1) & ((dut.l_g & ~top.new) == 0))


def in_time(m, dut, top):
    """The array is never busy for longer than documented."""
    clocks = Signal(6)
    longest = NEURONS * (NEURONS + 2) + 6 if dut.tie == "inhibit" else NEURONS * (NEURONS + 1) + 6
    longest += {"inhibit": 0, "lowest": NEURONS + 1, "random": 2 * NEURONS + 2}[dut.tie]
    m.d.sync += clocks.eq(Mux(dut.busy, clocks + 1, 0))
    m.d.comb += Assert(clocks <= longest)


def reachable(m, dut, top):
    """What the properties speak of does happen."""
    losing = Signal(NEURONS)
    over = Signal(NEURONS)
    with m.If(top.done):
        m.d.sync += losing.eq(losing | top.suppressed)
        m.d.sync += over.eq(losing & ~top.spikes)
    m.d.comb += [
        Cover(top.done & (dut.l_g == 0)),
        Cover(top.done & dut.l_g.all()),
        *(Cover(top.done & (dut.l_g == 1 << neuron)) for neuron in range(NEURONS)),
    ]
    if dut.tie != "inhibit":
        m.d.comb += [
            Cover(top.done & (top.suppressed == 0b110)),
            # A loser whose spike ended spikes again, alone, and wins.
            Cover(top.done & (over & top.new & dut.l_g).any() & (sum(dut.l_g) == 1)),
        ]
    if dut.tie == "random":
        m.d.comb += [Cover(top.done & (top.suppressed == 0b101)), Cover(top.done & (top.suppressed == 0b011))]


def mutant(tie, old, new):
    """Array built from the source of the module with one thing wrong."""
    source = inspect.getsource(lia)
    assert source.count(old) == 1, f"the array no longer has {old!r} once"
    names = {}
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    return names["LateralInhibition"](NEURONS, tie, conductances(), "")


MUTANTS = {
    "equal_is_below": ("inhibit", truth_table, "eq(~crossbar.o_sum)", "eq(-crossbar.o_sum)"),
    "no_bias": ("inhibit", truth_table, "~suppressed, 1)", "~suppressed, 0)"),
    "old_spikes_tie": ("lowest", truth_table, "new.eq(self.v_l & ~previous)", "new.eq(self.v_l)"),
    "loser_for_ever": ("lowest", truth_table, "suppressed.eq(suppressed & self.v_l)", "suppressed.eq(suppressed)"),
    "loser_forgotten": ("lowest", truth_table, "suppressed.eq(suppressed & self.v_l)", "suppressed.eq(0)"),
    "nobody_loses": ("lowest", one_winner, "bit_select(at, 1).eq(found)", "bit_select(at, 1).eq(0)"),
    "random_takes_the_lowest": ("random", truth_table, "at.eq(at + added[16])", "at.eq(at)"),
    "one_clock_late": ("random", in_time, "with m.If(left == 0)", "with m.If(left == 7)"),
}


def array(tie):
    return LateralInhibition(NEURONS, tie, conductances(), "")


def holds(m, dut, top):
    """All properties in one proof, which costs less than one proof each."""
    truth_table(m, dut, top)
    in_time(m, dut, top)
    if dut.tie != "inhibit":
        one_winner(m, dut, top)


# The proofs of a random tie take as long as all others together.
PROVEN = [pytest.param(tie, marks=[pytest.mark.slow] if tie == "random" else []) for tie in TIES]


@pytest.mark.parametrize("tie", PROVEN)
def test_holds(tie, tmp_path):
    assert prove(Evaluations(array(tie), holds), DEPTH[tie], "lia", tmp_path) is None


@pytest.mark.parametrize("tie", PROVEN)
def test_everything_is_reachable(tie, tmp_path):
    assert prove(Evaluations(array(tie), reachable), DEPTH[tie], "lia", tmp_path, cover=True) is None


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name, tmp_path):
    tie, property_, *change = MUTANTS[name]
    trace = prove(Evaluations(mutant(tie, *change), property_), DEPTH[tie], "lia", tmp_path)
    assert trace is not None
    assert "$enddefinitions" in trace.read_text()
