"""The order of things in a layer of hybrid neurons: edge, node 1, passes, inhibition, learning, thresholds."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.hybrid.ts_device import TsDevice

__all__ = ["Sequencer"]


# Strobes and levels of one bit, which are all described in the class.
_INPUTS = (
    *("init", "start", "read", "restore", "driven", "may_skip", "formed", "drive_done", "ended", "waiting"),
    *("inhibited", "settling", "due", "learns", "column_learns", "step_done", "walk_done", "column_done"),
    *("redraws", "thresholds_busy"),
)
_OUTPUTS = (
    *("busy", "advance", "reading", "powering", "clearing", "clear", "edge", "half", "quiet", "skipped"),
    *("potentiates", "issue", "restart", "sums", "refresh", "step", "walk", "divide", "thresholds_start"),
)


class Sequencer(wiring.Component):
    """Takes a layer through a half-period, or through power-up (docs/arithmetic.md, sections 3 and 4).

    Latency: see `HybridLayer`.

    Parameters
    ----------
    neurons : int
        Neurons.
    substeps : int
        Passes of a half-period.

    Members
    -------
    init, start : In(1)
        Strobes while not `busy`: power-up, half-period.
    read : In(1)
        Strobe while not `busy`: the bus reads the state of neuron `read_index`.
    read_index : In(range(neurons))
        See `read`.
    restore : In(1)
        Strobe while not `busy`: `count` becomes `word`.
    word : In(16)
        See `restore`.
    driven : In(1)
        There are events. This and the levels below are held for the half-period.
    may_skip : In(1)
        A half-period without events in which no device is on is one pass.
    formed : In(1)
        A device is on.
    pace : In(range(substeps + 1))
        Number of substeps whose time is over.
    drive_done : In(1)
        Strobe: the growth of the next neuron has been stored.
    ended, waiting, completed : In(1), In(1), In(range(substeps + 1))
        As in `NeuronPass`.
    inhibited : In(1)
        With `ended`: the lateral inhibition array will evaluate anew.
    settling : In(1)
        It evaluates.
    due : In(1)
        The adaptation of the thresholds decays, or is not at rest, in this half-period.
    learns : In(1)
        After the last pass: a column learns.
    column_learns : In(1)
        Column `index` does.
    step_done, walk_done, column_done : In(1)
        The step of the column is there; it has been walked; its reciprocal has been stored.
    redraws : In(1)
        The thresholds change.
    thresholds_busy : In(1)
        They are changing.
    busy : Out(1)
        High from the clock after `init` or `start` on.
    index : Out(range(neurons))
        Neuron whose growth comes, that enters a pass or that learns.
    advance : Out(1)
        Strobe: the next one is next.
    reading : Out(1)
        The bus has the memories of the state, from the clock after `read` on.
    powering, clearing : Out(1)
        Power-up; its first part, in which every neuron is cleared, and every reciprocal worked out.
    clear, edge, half : Out(1)
        Strobes: power-up begins; a half-period begins; a clock later, when `quiet` is valid.
    quiet : Out(1)
        With `half`: it is skipped.
    skipped : Out(1)
        It is; until its end.
    potentiates : Out(1)
        There were events at its start.
    count : Out(16)
        Half-periods since power-up; after `half` this one is among them.
    issue, restart : Out(1)
        Neuron `index` enters a pass; what has entered is dropped.
    sums : Out(1)
        Strobe: the currents of the columns are wanted.
    refresh : Out(1)
        Strobe: the lateral inhibition array must evaluate.
    step, walk, divide : Out(1)
        Strobes that start the parts of learning.
    thresholds_start : Out(1)
        Strobe: the pass over the thresholds.
    """

    def __init__(self, neurons: int, substeps: int) -> None:
        self._neurons = neurons
        self._substeps = substeps
        super().__init__(
            {
                **{name: In(1) for name in _INPUTS},
                "read_index": In(range(neurons)),
                "word": In(16),
                "pace": In(ceil_log2(substeps) + 1),
                "completed": In(ceil_log2(substeps) + 1),
                **{name: Out(1) for name in _OUTPUTS},
                "index": Out(range(neurons)),
                "count": Out(16),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the sequence."""
        m = Module()
        last = self.index == self._neurons - 1
        over = Signal()  # every pass of this half-period is completed
        last_pass = self.skipped | (self.completed == self._substeps - 1)
        # The next pass may begin if no neuron enters again before it has been stored, and if there is a next one.
        may_begin = ~self.waiting | ~last_pass if self._neurons > TsDevice.latency else ~self.waiting
        # A clock late, which keeps the comparison out of the path through the sequence; the sum has long settled when
        # the next pass is due.
        paced = Signal()
        m.d.sync += paced.eq(self.completed + self.waiting <= self.pace)
        with m.If(self.advance):
            m.d.sync += self.index.eq(Mux(last, 0, self.index + 1))

        def after_pass() -> None:
            with m.If(self.ended):
                m.d.sync += over.eq(last_pass)
                with m.If(self.inhibited):
                    # Begin the pass that has entered since again, under the new gates.
                    m.d.comb += self.restart.eq(1)
                    m.d.sync += self.index.eq(0)
                    m.next = "INHIBIT"
                with m.Elif(last_pass):
                    m.next = "LEARN"
                    with m.If(self.skipped & ~self.due):
                        m.next = "IDLE"

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                with m.If(self.init | self.start):
                    m.d.sync += [self.index.eq(0), self.reading.eq(0)]
                with m.Elif(self.read):
                    m.d.sync += [self.index.eq(self.read_index), self.reading.eq(1)]
                with m.If(self.restore):
                    m.d.sync += self.count.eq(self.word)
                with m.If(self.init):
                    m.d.comb += self.clear.eq(1)
                    m.d.sync += [self.powering.eq(1), self.clearing.eq(1), self.count.eq(0)]
                    m.next = "COLUMN"
                with m.Elif(self.start):
                    m.d.comb += self.edge.eq(1)
                    m.d.sync += over.eq(0)
                    m.next = "HALF"
            with m.State("HALF"):
                m.d.comb += [
                    self.half.eq(1),
                    self.quiet.eq(~self.driven & ~self.formed & self.may_skip),
                    self.sums.eq(self.driven),
                ]
                m.d.sync += [
                    self.count.eq(self.count + 1),
                    self.potentiates.eq(self.driven),
                    self.skipped.eq(self.quiet),
                ]
                m.next = "PASS"
                with m.If(self.driven):
                    m.next = "DRIVE"
            with m.State("DRIVE"), m.If(self.drive_done):
                m.d.comb += self.advance.eq(1)
                with m.If(last):
                    m.next = "PASS"
            with m.State("PASS"):
                with m.If((self.index != 0) | (may_begin & paced)):
                    m.d.comb += [self.issue.eq(1), self.advance.eq(1)]
                    with m.If(last):
                        m.next = "GAP"
                after_pass()
            with m.State("GAP"):
                # Keeps the first neuron of a pass from being stored in the clock in which the LIA asks for its end.
                m.next = "PASS"
                after_pass()
            with m.State("INHIBIT"), m.If(~self.settling):
                m.next = "PASS"
                with m.If(over):
                    m.next = "LEARN"
            with m.State("LEARN"):
                m.next = "THRESHOLD"
                with m.If(self.learns):
                    m.next = "COLUMN"
            with m.State("COLUMN"):
                with m.If(self.column_learns):
                    m.next = "STEP"
                with m.Else():
                    m.d.comb += self.advance.eq(1)
                    with m.If(last):
                        m.next = "THRESHOLD"
            with m.State("STEP"):
                m.d.comb += self.step.eq(1)
                m.next = "SCALE"
            with m.State("SCALE"), m.If(self.step_done):
                m.d.comb += self.walk.eq(1)
                m.next = "WALK"
            with m.State("WALK"), m.If(self.walk_done):
                m.d.comb += self.divide.eq(1)
                m.next = "DIVIDE"
            with m.State("DIVIDE"), m.If(self.column_done):
                m.d.comb += self.advance.eq(1)
                m.next = "COLUMN"
                with m.If(last):
                    m.d.sync += self.clearing.eq(0)
                    m.next = "THRESHOLD"
            with m.State("THRESHOLD"):
                m.next = "IDLE"
                with m.If(self.redraws):
                    m.d.comb += self.thresholds_start.eq(1)
                    m.next = "THRESHOLDS"
            with m.State("THRESHOLDS"), m.If(~self.thresholds_busy):
                m.d.comb += self.refresh.eq(self.powering)
                m.next = "SETTLE"
            with m.State("SETTLE"), m.If(~self.settling):
                m.d.sync += self.powering.eq(0)
                m.next = "IDLE"
        return m
