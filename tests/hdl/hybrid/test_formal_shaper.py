"""Bounded proofs of the spike shaper under the paper's CLK protocol, and proofs that the proofs can fail."""

import inspect

import pytest
from amaranth.hdl import Assert, Assume, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from memtwin.hdl.hybrid import shaper
from memtwin.hdl.hybrid.shaper import SpikeShaper
from tests.formal import prove

pytestmark = pytest.mark.formal

DEPTH = 40  # clocks; enough for four whole periods of the shortest half-periods


class Protocol(wiring.Component):
    """The shaper under the paper's CLK: high and low in turn, 2 to 4 commits in each, any node 2, any pauses.

    Node 2 is 0 while T1 grounds node 1, as in the threshold switch; it is free otherwise, also while T3 lifts node 1.
    """

    def __init__(self, dut, property_):
        self.dut = dut
        self.property = property_
        super().__init__(
            {"go": In(1), "commits": In(range(2, 5)), "node2": In(1), "refractory": In(1), "depression": In(1)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        level = Signal()
        left = Signal(3)
        edge = Signal()
        m.d.comb += [
            edge.eq(self.go & (left == 0)),
            dut.edge.eq(edge),
            dut.clk.eq(level ^ edge),
            dut.commit.eq(self.go & (left != 0)),
            dut.node2.eq(self.node2 & ~dut.t1),
        ]
        m.d.comb += Assume((self.commits >= 2) & (self.commits <= 4))
        with m.If(edge):
            m.d.sync += [left.eq(self.commits), level.eq(dut.clk)]
        with m.Elif(self.go):
            m.d.sync += left.eq(left - 1)

        # The options are the solver's choice, but do not change.
        past = Signal()
        m.d.sync += past.eq(1)
        for option, connected in ((self.refractory, dut.refractory), (self.depression, dut.depression)):
            before = Signal()
            m.d.sync += before.eq(option)
            m.d.comb += [connected.eq(option), Assume(~past | (option == before))]
        self.property(m, dut)
        return m


def spike_is_one_high_half_period(m, dut):
    """(a) G1 has one value in the whole of a high half-period, that of the fire before, and is 0 while CLK is low."""
    spike = Signal()
    expected = Signal()
    with m.If(dut.edge & ~dut.clk):
        m.d.sync += expected.eq(dut.l1)
    with m.If(dut.edge):
        m.d.sync += spike.eq(dut.g1)
        m.d.comb += Assert(~dut.clk | (dut.g1 == expected))
    with m.Else():
        m.d.comb += Assert(~dut.clk | (dut.g1 == spike))
    with m.If(~dut.clk):
        m.d.comb += Assert(~dut.g1)


def refractory_is_two_half_periods(m, dut):
    """(b) T1 is on for low(k) and high(k + 1) after a fire in high(k), whole, and never for longer."""
    left = Signal(2)
    with m.If(dut.edge):
        m.d.sync += left.eq(Mux(left == 0, 0, left - 1))
        with m.If(~dut.clk & dut.l1):
            m.d.sync += left.eq(2)
            # At the end of high(k + 1) there is no new fire, so that no two refractory periods run together.
            m.d.comb += Assert((left == 0) | ~dut.refractory)
    m.d.comb += Assert(dut.t1 == ((left != 0) & dut.refractory))


def never_together(m, dut):
    """(c) T1 and T3 are never on together."""
    m.d.comb += Assert(~(dut.t1 & dut.t3))


def reachable(m, dut):
    """What the properties speak of does happen: a spike, T1, T3, and a second spike two periods after the first."""
    fired = Signal()
    edges = Signal(3)
    with m.If(dut.edge & ~dut.clk & dut.l1 & ~fired):
        m.d.sync += fired.eq(1)
    with m.If(dut.edge & fired):
        m.d.sync += edges.eq(edges + 1)
    m.d.comb += [
        Cover(dut.t1 & dut.clk & dut.g1),
        Cover(dut.t3 & dut.commit & ~dut.node2),
        Cover(dut.t3 & dut.refractory & fired),
        Cover(dut.g1 & dut.refractory & (edges == 5)),
    ]


PROPERTIES = [spike_is_one_high_half_period, refractory_is_two_half_periods, never_together]


def mutant(*changes):
    """Shaper built from the source of the module with one thing wrong."""
    source = inspect.getsource(shaper)
    for old, new in changes:
        assert source.count(old) == 1, f"the shaper no longer has {old!r} once"
        source = source.replace(old, new)
    names = {}
    exec(compile(source, "mutant", "exec"), names)
    return names["SpikeShaper"]()


MUTANTS = {
    "l2_follows_at_the_rising_edge": (
        spike_is_one_high_half_period,
        ("with m.If(~self.clk):", "with m.If(self.clk):"),
    ),
    "spike_not_gated_by_clk": (
        spike_is_one_high_half_period,
        ("self.g1.eq(self.l2 & self.clk)", "self.g1.eq(self.l2)"),
    ),
    "l2_never_falls": (
        refractory_is_two_half_periods,
        ("self.l2.eq(self.l1)", "self.l2.eq(self.l1 | self.l2)"),
    ),
    "t1_from_l1": (
        refractory_is_two_half_periods,
        ("self.t1.eq(self.l2 &", "self.t1.eq(self.l1 &"),
    ),
    "t3_straight_from_l1": (
        never_together,
        ("self.t3.eq(lift &", "self.t3.eq(self.l1 &"),
    ),
    "t3_kept_over_the_edge": (
        never_together,
        ("[lift.eq(0), self.fired.eq(0)]\n            with", "[self.fired.eq(0)]\n            with"),
        ("m.d.sync += lift.eq(self.node2 & self.clk)", "m.d.sync += lift.eq(Mux(self.clk, self.node2, lift))"),
        ("import Module, Signal", "import Module, Mux, Signal"),
    ),
}


@pytest.mark.parametrize("property_", PROPERTIES, ids=lambda p: p.__name__)
def test_holds(property_, tmp_path):
    assert prove(Protocol(SpikeShaper(), property_), DEPTH, "shaper", tmp_path) is None


def test_assumptions_leave_everything_reachable(tmp_path):
    assert prove(Protocol(SpikeShaper(), reachable), DEPTH, "shaper", tmp_path, cover=True) is None


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name, tmp_path):
    property_, *changes = MUTANTS[name]
    trace = prove(Protocol(mutant(*changes), property_), DEPTH, "shaper", tmp_path)
    assert trace is not None
    assert "$enddefinitions" in trace.read_text()


def test_unreachable_cover_is_reported(tmp_path):
    def both(m, dut):
        m.d.comb += Cover(dut.t1 & dut.t3)

    assert prove(Protocol(SpikeShaper(), both), 12, "shaper", tmp_path, cover=True) is not None


def test_broken_top_is_an_error(tmp_path):
    with pytest.raises(RuntimeError, match="Yosys failed"):
        prove(Protocol(SpikeShaper(), never_together), DEPTH, "no good name", tmp_path)
