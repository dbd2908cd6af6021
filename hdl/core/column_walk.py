"""The walk of a learning rule through one column of synapses, which is the same for every rule."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Cat, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.delay_line import stages
from memtwin.hdl.core.fixed import CONDUCTANCE

__all__ = ["CROSSBAR_PORTS", "ColumnWalk"]

# Ports that the learning port of `Crossbar` has as well, from the walk to it.
CROSSBAR_PORTS = ("r_row", "r_column", "r_enable", "w_row", "w_column", "w_data", "w_enable")


class ColumnWalk(wiring.Component):
    """Walk through one column of the crossbar: every synapse is read, changed, and written if it changed.

    A rule derives from it, and says in `change` what becomes of a synapse, and in `depth` how long that takes.

    One row per clock; `done` comes `latency` clocks after `start`, and the next `start` may come in the clock of
    `done`. All inputs but `start` must hold from `start` to `done`.

    Parameters
    ----------
    rows : int
        Synapses per column.
    neurons : int
        Columns.
    members : mapping of str to Member
        What this rule has beside the members below.

    Attributes
    ----------
    depth : int
        Clocks from the read strobe of a synapse to its write.
    latency : int
        Clocks of a walk.

    Members
    -------
    start : In(1)
        Starts the walk; ignored while `busy`.
    column : In(range(neurons))
        Column to walk.
    events : In(rows)
        Active rows.
    done : Out(1)
        Strobe: every row is written.
    busy : Out(1)
        High from the clock after `start` to the clock before `done`.
    r_row, r_column : Out(range(rows)), Out(range(neurons))
        Synapse to read, learning port of `Crossbar`.
    r_enable : Out(1)
        Read strobe.
    r_data : In(16)
        Conductance, one clock later.
    w_row, w_column : Out(range(rows)), Out(range(neurons))
        Synapse to write, for the trace as well.
    w_data : Out(16)
        Conductance.
    w_enable : Out(1)
        Write strobe.
    """

    depth: int

    def __init__(self, rows: int, neurons: int, members: Mapping[str, wiring.Member]) -> None:
        check_integer("rows", rows, 1)
        check_integer("neurons", neurons, 1)
        self.rows = rows
        self.latency = rows + self.depth + 1
        super().__init__(
            {
                "start": In(1),
                "column": In(range(neurons)),
                "events": In(rows),
                **members,
                "done": Out(1),
                "busy": Out(1),
                "r_row": Out(range(rows)),
                "r_column": Out(range(neurons)),
                "r_enable": Out(1),
                "r_data": In(CONDUCTANCE),
                "w_row": Out(range(rows)),
                "w_column": Out(range(neurons)),
                "w_data": Out(CONDUCTANCE),
                "w_enable": Out(1),
            }
        )

    def change(self, m: Module, active: Value, valid: Sequence[Value]) -> tuple[Value, Value]:
        """Build the pipeline of the rule.

        Parameters
        ----------
        m : Module
            Where it belongs.
        active : Value
            The row that is being read is active; its conductance is on `r_data` one clock later.
        valid : sequence of Value
            A row was read as many clocks ago.

        Returns
        -------
        (conductance, changed)
            What becomes of a synapse, and whether a rule applies to it, `depth` clocks after `active`.
        """
        raise NotImplementedError

    def elaborate(self, platform: object) -> Module:
        """Build the walk around the rule."""
        m = Module()
        reading = Signal()
        begins = self.start & ~self.busy
        with m.If(reading):
            m.d.sync += self.r_row.eq(self.r_row + 1)
            with m.If(self.r_row == self.rows - 1):
                m.d.sync += reading.eq(0)
        with m.Elif(begins):
            m.d.sync += [reading.eq(1), self.r_row.eq(0)]

        valid = stages(m, "valid", self.depth, reading)
        conductance, changed = self.change(m, self.events.bit_select(self.r_row, 1), valid)
        m.d.comb += [
            self.r_column.eq(self.column),
            self.r_enable.eq(reading),
            self.busy.eq(Cat(valid).any()),
            self.w_column.eq(self.column),
            self.w_data.eq(conductance),
            self.w_enable.eq(valid[-1] & changed),
        ]
        m.d.sync += self.done.eq(valid[-1] & ~valid[-2])
        # The rows leave in the order in which they came, so that a second counter replaces a delay of the first.
        with m.If(valid[-1]):
            m.d.sync += self.w_row.eq(self.w_row + 1)
        with m.Elif(begins):
            m.d.sync += self.w_row.eq(0)
        return m
