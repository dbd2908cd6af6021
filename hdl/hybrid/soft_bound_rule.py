"""Learning: the soft-bounded Hebbian rule, one column of synapses at a time."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.fixed import CONDUCTANCE, GAIN

__all__ = ["SoftBoundRule"]


class SoftBoundRule(wiring.Component):
    """Walk through one column of the crossbar: change its synapses, and sum them.

    For every row in order, with `c` its conductance:

    - `potentiate` and the row active: `c = c + round_shift((g_max - c) * step_potentiation, 15)` if `c < g_max`;
    - `depress` and the row not active: `c = c - round_shift((c - g_min) * step_depression, 15)` if `c > g_min`.

    Neither: the column is only summed. `total = sum of c + g_load`, of the new conductances.

    One row per clock; `done` comes `latency` = `rows + 5` clocks after `start`, and the next `start` may come in the
    clock of `done`. All inputs but `start` must hold from `start` to `done`. One SB_MAC16.

    Source: zhang2021, optimised Hebbian rule with soft bounds; docs/arithmetic.md, section 7.

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
    potentiate, depress : In(1)
        Rules that apply.
    events : In(rows)
        Active rows.
    step_potentiation, step_depression : In(16)
        Steps, UQ(1, 15), at most 1.
    g_min, g_max : In(16)
        Soft bounds.
    g_load : In(16)
        Load at node 1.
    total : Out(17 + ceil_log2(rows))
        Sum of the column and the load, from `done` to the next `start`.
    done : Out(1)
        Strobe: every row is written, `total` is there.
    busy : Out(1)
        High from the clock after `start` to the clock before `done`.
    r_row, r_column : Out(range(rows)), Out(range(neurons))
        Synapse to read, learning port of `Crossbar`.
    r_enable : Out(1)
        Read strobe.
    r_data : In(16)
        Conductance, one clock later.
    w_row, w_column : Out(range(rows)), Out(range(neurons))
        Synapse to write.
    w_data : Out(16)
        Conductance.
    w_enable : Out(1)
        Write strobe.
    t_valid : Out(1)
        Trace: a rule touched a synapse, changed or not.
    t_row, t_column : Out(range(rows)), Out(range(neurons))
        The synapse.
    t_conductance : Out(16)
        Its new conductance.
    """

    start: Signal
    column: Signal
    potentiate: Signal
    depress: Signal
    events: Signal
    step_potentiation: Signal
    step_depression: Signal
    g_min: Signal
    g_max: Signal
    g_load: Signal
    total: Signal
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
    t_valid: Signal
    t_row: Signal
    t_column: Signal
    t_conductance: Signal

    def __init__(self, rows: int, neurons: int) -> None:
        for label, value in {"rows": rows, "neurons": neurons}.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{label} must be an integer of at least 1, not {value!r}")
        self.rows = rows
        self.latency = rows + 5
        super().__init__(
            {
                "start": In(1),
                "column": In(range(neurons)),
                "potentiate": In(1),
                "depress": In(1),
                "events": In(rows),
                "step_potentiation": In(GAIN),
                "step_depression": In(GAIN),
                "g_min": In(CONDUCTANCE),
                "g_max": In(CONDUCTANCE),
                "g_load": In(CONDUCTANCE),
                "total": Out(17 + ceil_log2(rows)),
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
                "t_valid": Out(1),
                "t_row": Out(range(rows)),
                "t_column": Out(range(neurons)),
                "t_conductance": Out(CONDUCTANCE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the walk."""
        m = Module()
        last = self.rows - 1

        # Stages of one row: (0) read, (1) distance to the bound, (2) product, (3) new conductance, (4) write and sum.
        reading = Signal()
        row = Signal(range(self.rows))
        active = self.events.bit_select(row, 1)
        valid = [reading, *(Signal(name=f"valid{stage}") for stage in range(1, 5))]
        touched = [
            (self.potentiate & active) | (self.depress & ~active),
            *(Signal(name=f"touched{stage}") for stage in range(1, 5)),
        ]
        up = [active, *(Signal(name=f"up{stage}") for stage in range(1, 4))]
        conductance = {1: self.r_data, **{stage: Signal(16, name=f"conductance{stage}") for stage in range(2, 5)}}

        with m.If(reading):
            m.d.sync += row.eq(row + 1)
            with m.If(row == last):
                m.d.sync += reading.eq(0)
        with m.Elif(self.start & ~self.busy):
            m.d.sync += [reading.eq(1), row.eq(0)]
        for pipe in (valid, touched, up):
            m.d.sync += [later.eq(earlier) for later, earlier in zip(pipe[1:], pipe[:-1], strict=True)]
        m.d.sync += [conductance[stage + 1].eq(conductance[stage]) for stage in range(1, 3)]
        m.d.comb += [
            self.r_row.eq(row),
            self.r_column.eq(self.column),
            self.r_enable.eq(reading),
        ]

        # Distance to the bound that the rule moves to, g_max - c or c - g_min, as one sum with one inverted operand
        # each, and a carry in. No carry out says that the synapse is already beyond the bound: it stays.
        near = self.r_data ^ up[1].replicate(16)
        far = Mux(up[1], self.g_max, ~self.g_min)
        total = Signal(18)
        within = Signal()
        change = Signal()
        # No reset, so that the multiplier block takes the registers in.
        distance = Signal(16, reset_less=True)
        step = Signal(16, reset_less=True)
        product = Signal(32, reset_less=True)
        m.d.comb += total.eq(Cat(1, near) + Cat(1, far))
        m.d.sync += [
            distance.eq(total[1:17]),
            within.eq(total[17]),
            step.eq(Mux(up[1], self.step_potentiation, self.step_depression)),
            product.eq(distance * step),
            change.eq(touched[2] & within),
        ]

        # One adder rounds and adds or subtracts: its operand is inverted to subtract, and its carry in is the rounding
        # bit, inverted likewise, because c - (p + r) = c + ~p + ~r for a word p and a bit r.
        subtract = change & ~up[3]
        move = Mux(change, product[15:31], 0) ^ subtract.replicate(16)
        carry = (change & product[14]) ^ subtract
        m.d.sync += conductance[4].eq((Cat(1, conductance[3]) + Cat(carry, move)) >> 1)

        with m.If(valid[4]):
            m.d.sync += self.total.eq(self.total + conductance[4])
        with m.Elif(self.start & ~self.busy):
            m.d.sync += self.total.eq(self.g_load)
        m.d.sync += self.done.eq(valid[4] & ~valid[3])
        m.d.comb += [
            self.busy.eq(reading | Cat(valid[1:]).any()),
            self.w_column.eq(self.column),
            self.w_data.eq(conductance[4]),
            self.w_enable.eq(valid[4] & touched[4]),
            self.t_valid.eq(self.w_enable),
            self.t_row.eq(self.w_row),
            self.t_column.eq(self.w_column),
            self.t_conductance.eq(self.w_data),
        ]
        # The rows leave in the order in which they came, so that a second counter replaces four delays.
        with m.If(valid[4]):
            m.d.sync += self.w_row.eq(self.w_row + 1)
        with m.Elif(self.start & ~self.busy):
            m.d.sync += self.w_row.eq(0)
        return m
