"""Learning of the hybrid neurons: the Hebbian rule with soft bounds."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.column_walk import ColumnWalk
from memtwin.hdl.core.delay_line import stages
from memtwin.hdl.core.fixed import CONDUCTANCE, GAIN

__all__ = ["SoftBoundRule"]


class SoftBoundRule(ColumnWalk):
    """Change the synapses of a column, and sum them.

    For every row in order, with `c` its conductance:

    - `potentiate` and the row active: `c = c + round_shift((g_max - c) * step_potentiation, 15)` if `c < g_max`;
    - `depress` and the row not active: `c = c - round_shift((c - g_min) * step_depression, 15)` if `c > g_min`.

    Neither: the column is only summed. `total = sum of c + g_load`, of the new conductances. A synapse to which a rule
    applies is written, changed or not.

    Latency, parameters, members that are not listed here: see `ColumnWalk`. One SB_MAC16.

    Source: zhang2021, optimised Hebbian rule with soft bounds; docs/arithmetic.md, section 7.

    Members
    -------
    potentiate, depress : In(1)
        Rules that apply.
    step_potentiation, step_depression : In(16)
        Steps, UQ(1, 15), at most 1.
    g_min, g_max : In(16)
        Soft bounds.
    g_load : In(16)
        Load at node 1.
    total : Out(17 + ceil_log2(rows))
        Sum of the column and the load, from `done` to the next `start`.
    """

    depth = 4

    def __init__(self, rows: int, neurons: int) -> None:
        super().__init__(
            rows,
            neurons,
            {
                "potentiate": In(1),
                "depress": In(1),
                "step_potentiation": In(GAIN),
                "step_depression": In(GAIN),
                "g_min": In(CONDUCTANCE),
                "g_max": In(CONDUCTANCE),
                "g_load": In(CONDUCTANCE),
                "total": Out(17 + ceil_log2(rows)),
            },
        )

    def change(self, m: Module, active: Value, valid: Sequence[Value]) -> tuple[Value, Value]:
        """Build the rule: (1) distance to the bound, (2) product, (3) new conductance, (4) sum."""
        up = stages(m, "up", 3, active)
        touched = stages(m, "touched", 4, (self.potentiate & active) | (self.depress & ~active))
        conductance = stages(m, "conductance", 2, self.r_data, first=2)  # of clocks 1 to 3

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
        changed = Signal(16)
        subtract = change & ~up[3]
        move = Mux(change, product[15:31], 0) ^ subtract.replicate(16)
        carry = (change & product[14]) ^ subtract
        m.d.sync += changed.eq((Cat(1, conductance[2]) + Cat(carry, move)) >> 1)

        with m.If(valid[4]):
            m.d.sync += self.total.eq(self.total + changed)
        with m.Elif(self.start & ~self.busy):
            m.d.sync += self.total.eq(self.g_load)
        return changed, touched[4]
