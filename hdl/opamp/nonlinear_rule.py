"""Learning of the op-amp neurons: the synapses of a neuron that sets, one column at a time."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.fixed import CONDUCTANCE

__all__ = ["NonlinearRule"]


class NonlinearRule(wiring.Component):
    """Walk through one column of the crossbar: every synapse makes a step, up or down, that depends on where it is.

    For every row in order, with `c` its conductance between `g_off` and `g_on`, and ``sat`` to 0..65535:

    - the row was seen: ``c = min(c + sat(step_up - round_shift((c - g_off) * bend_up, 16)), g_on)``;
    - it was not: ``c = max(c - sat(step_down - round_shift((g_on - c) * bend_down, 16)), g_off)``.

    One row per clock; `done` comes `latency` = `rows + 6` clocks after `start`, and the next `start` may come in the
    clock of `done`. All inputs but `start` must hold from `start` to `done`. One SB_MAC16.

    Source: us12387090, synapses between V_reset and V_set; docs/opamp-arithmetic.md, section 8.

    Parameters
    ----------
    rows : int
        Synapses per column.
    neurons : int
        Columns.

    Members
    -------
    start : In(1)
        Starts the walk; ignored while `busy`.
    column : In(range(neurons))
        Column to walk.
    seen : In(rows)
        Rows that were active in this presentation.
    step_up, step_down : In(16)
        Change of a synapse at `g_off`, at `g_on`.
    bend_up, bend_down : In(16)
        How much smaller the change is per unit of distance from there, UQ(0, 16).
    g_off, g_on : In(16)
        Bounds of the synapse.
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

    start: Signal
    column: Signal
    seen: Signal
    step_up: Signal
    step_down: Signal
    bend_up: Signal
    bend_down: Signal
    g_off: Signal
    g_on: Signal
    done: Signal
    busy: Signal
    r_row: Signal
    r_column: Signal
    r_enable: Signal
    r_data: Signal
    w_row: Signal
    w_column: Signal
    w_data: Signal
    w_enable: Signal

    def __init__(self, rows: int, neurons: int) -> None:
        for label, value in {"rows": rows, "neurons": neurons}.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{label} must be an integer of at least 1, not {value!r}")
        self.rows = rows
        self.latency = rows + 6
        super().__init__(
            {
                "start": In(1),
                "column": In(range(neurons)),
                "seen": In(rows),
                "step_up": In(CONDUCTANCE),
                "step_down": In(CONDUCTANCE),
                "bend_up": In(16),
                "bend_down": In(16),
                "g_off": In(CONDUCTANCE),
                "g_on": In(CONDUCTANCE),
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

    def elaborate(self, platform: object) -> Module:
        """Build the walk."""
        m = Module()
        last = self.rows - 1

        # Stages of one row: (0) read, (1) distance to the bound it comes from, (2) product, (3) step, (4) sum,
        # (5) bound it moves to, write.
        reading = Signal()
        row = Signal(range(self.rows))
        valid = [reading, *(Signal(name=f"valid{stage}") for stage in range(1, 6))]
        up = [self.seen.bit_select(row, 1), *(Signal(name=f"up{stage}") for stage in range(1, 6))]
        conductance = {1: self.r_data, **{stage: Signal(16, name=f"conductance{stage}") for stage in range(2, 5)}}
        with m.If(reading):
            m.d.sync += row.eq(row + 1)
            with m.If(row == last):
                m.d.sync += reading.eq(0)
        with m.Elif(self.start & ~self.busy):
            m.d.sync += [reading.eq(1), row.eq(0)]
        for pipe in (valid, up, conductance.values()):
            m.d.sync += [later.eq(earlier) for earlier, later in pairwise(pipe)]
        m.d.comb += [self.r_row.eq(row), self.r_column.eq(self.column), self.r_enable.eq(reading)]

        # c - g_off or g_on - c, as one sum with one inverted operand each, and a carry in.
        near = self.r_data ^ (~up[1]).replicate(16)
        far = Mux(up[1], ~self.g_off, self.g_on)
        total = Signal(18)
        # No reset, so that the multiplier block takes the registers in.
        distance = Signal(16, reset_less=True)
        bend = Signal(16, reset_less=True)
        product = Signal(32, reset_less=True)
        m.d.comb += total.eq(Cat(1, near) + Cat(1, far))
        m.d.sync += [
            distance.eq(total[1:]),
            bend.eq(Mux(up[1], self.bend_up, self.bend_down)),
            product.eq(distance * bend),
        ]

        # The product rounds by its half bit, which is the borrow of the subtraction (the lowest bit pair). No step is
        # left where the difference is negative.
        difference = Signal(18)
        step = Signal(16)
        some = Signal()
        m.d.comb += difference.eq(Cat(0, Mux(up[3], self.step_up, self.step_down)) - Cat(product[15:]))
        m.d.sync += [step.eq(difference[1:]), some.eq(~difference[-1])]

        # One adder adds or subtracts: its operand is inverted to subtract, with a carry in. It has a sign.
        move = Mux(some, step, 0) ^ (~up[4]).replicate(16)
        moved = Signal(17)
        m.d.sync += moved.eq(((Cat(1, conductance[4], 0) + Cat(~up[4], move, ~up[4])) >> 1)[:17])
        # Below zero and above 65535 look alike in bit 16, and are beyond the bound in either direction.
        beyond = moved[16] | Mux(up[5], moved[:16] > self.g_on, moved[:16] < self.g_off)
        m.d.comb += [
            self.w_data.eq(Mux(beyond, Mux(up[5], self.g_on, self.g_off), moved[:16])),
            self.w_column.eq(self.column),
            self.w_enable.eq(valid[5]),
            self.busy.eq(Cat(valid).any()),
        ]
        m.d.sync += self.done.eq(valid[5] & ~valid[4])
        # The rows leave in the order in which they came, so that a second counter replaces five delays.
        with m.If(valid[5]):
            m.d.sync += self.w_row.eq(self.w_row + 1)
        with m.Elif(self.start & ~self.busy):
            m.d.sync += self.w_row.eq(0)
        return m
