"""Learning of the op-amp neurons: the synapses of a neuron that sets make a step, up or down."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib.wiring import In

from memtwin.hdl.core.column_walk import ColumnWalk
from memtwin.hdl.core.delay_line import stages
from memtwin.hdl.core.fixed import CONDUCTANCE

__all__ = ["NonlinearRule"]


class NonlinearRule(ColumnWalk):
    """Every synapse of a column makes a step, up or down, that depends on where it is.

    For every row in order, with `c` its conductance between `g_off` and `g_on`, and ``sat`` to 0..65535:

    - the row is active: ``c = min(c + sat(step_up - round_shift((c - g_off) * bend_up, 16)), g_on)``;
    - it is not: ``c = max(c - sat(step_down - round_shift((g_on - c) * bend_down, 16)), g_off)``.

    Latency, parameters, members that are not listed here: see `ColumnWalk`; every synapse is written. One SB_MAC16.

    Source: us12387090, synapses between V_reset and V_set; docs/opamp-arithmetic.md, section 8.

    Members
    -------
    step_up, step_down : In(16)
        Change of a synapse at `g_off`, at `g_on`.
    bend_up, bend_down : In(16)
        How much smaller the change is per unit of distance from there, UQ(0, 16).
    g_off, g_on : In(16)
        Bounds of the synapse.
    """

    depth = 5

    def __init__(self, rows: int, neurons: int) -> None:
        super().__init__(
            rows,
            neurons,
            {
                "step_up": In(CONDUCTANCE),
                "step_down": In(CONDUCTANCE),
                "bend_up": In(16),
                "bend_down": In(16),
                "g_off": In(CONDUCTANCE),
                "g_on": In(CONDUCTANCE),
            },
        )

    def change(self, m: Module, active: Value, valid: Sequence[Value]) -> tuple[Value, Value]:
        """Build the rule: (1) distance to the bound it comes from, (2) product, (3) step, (4) sum, (5) other bound."""
        up = stages(m, "up", 5, active)
        conductance = stages(m, "conductance", 3, self.r_data, first=2)  # of clocks 1 to 4

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
        m.d.sync += moved.eq(((Cat(1, conductance[3], 0) + Cat(~up[4], move, ~up[4])) >> 1)[:17])
        # Below zero and above 65535 look alike in bit 16, and are beyond the bound in either direction.
        beyond = moved[16] | Mux(up[5], moved[:16] > self.g_on, moved[:16] < self.g_off)
        return Mux(beyond, Mux(up[5], self.g_on, self.g_off), moved[:16]), Const(1)
