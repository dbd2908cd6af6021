"""Threshold switch: one substep of the two-regime device, one neuron per clock."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.delay_line import stages
from memtwin.hdl.core.fixed import GROWTH, THETA, X, saturate

__all__ = ["TsDevice"]


class TsDevice(wiring.Component):
    """Datapath of a pass: filament, switching and node 2 of one neuron after the next.

    Off, the filament integrates: ``x += d - leak * x``, and the switch closes at ``x >= theta + adapt``. On, it grows
    by ``d`` up to `x_max` while driven; undriven it relaxes by ``relax * x`` and ruptures below `theta_off`. ``d`` is
    `growth` if `driven`, else 0. In a skipped pass it only decays, by ``leak_half * x``. Every result saturates.

    Latency: `latency` clocks from `valid` to `o_valid`. Throughput: one neuron per clock. One SB_MAC16.

    The multiplier is free while `valid` is low, and lent to parts of the layer that never work during a pass
    (`GrowthTable`, `Thresholds`): ``m_product`` is ``m_a * m_b`` of two clocks earlier, if `valid` was low then.

    Members
    -------
    valid : In(1)
        A neuron is presented.
    x : In(20)
        Filament, UQ(2, 18).
    on : In(1)
        The device is on.
    growth : In(16)
        Growth in this substep if driven (of the events, or of the lifted node 1), UQ(-2, 18).
    driven : In(1)
        Node 1 is above the hold voltage.
    skipped : In(1)
        The pass stands for a whole quiet half-period.
    theta, adapt : In(16)
        Threshold and its adaptation of the neuron that was presented `theta_delay` clocks ago, UQ(2, 14).
    leak, leak_half, relax, theta_off, x_max : In(16)
        Coefficients of the layer (docs/arithmetic.md, section 1); stable during a pass.
    o_valid : Out(1)
        The results are valid.
    o_x : Out(20)
        New filament.
    o_on : Out(1)
        The device is on now.
    o_node2 : Out(1)
        Node 2 is high: on and driven.
    m_a, m_b : In(16)
        Factors of who borrows the multiplier.
    m_product : Out(32)
        Their product.

    Source: docs/arithmetic.md, section 6; zhang2021, Fig. 2 (threshold switch) and Fig. 3 (nodes 1 and 2).
    """

    latency = 4
    theta_delay = 2

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": In(1),
                "x": In(X),
                "on": In(1),
                "growth": In(GROWTH),
                "driven": In(1),
                "skipped": In(1),
                "theta": In(THETA),
                "adapt": In(THETA),
                "leak": In(16),
                "leak_half": In(16),
                "relax": In(16),
                "theta_off": In(THETA),
                "x_max": In(THETA),
                "o_valid": Out(1),
                "o_x": Out(X),
                "o_on": Out(1),
                "o_node2": Out(1),
                "m_a": In(16),
                "m_b": In(16),
                "m_product": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the pipeline: operands, product, sum, comparison."""
        m = Module()
        valid = Signal(self.latency)
        m.d.sync += valid.eq(Cat(self.valid, valid))
        on, driven, skipped = (
            stages(m, name, self.latency - 1, word)
            for name, word in (("on", self.on), ("driven", self.driven), ("skipped", self.skipped))
        )

        # Operands. Only registers without a reset fit into the SB_MAC16; `valid` has one.
        a = Signal(16, reset_less=True)
        b = Signal(16, reset_less=True)
        x_1 = Signal(X)
        growth_1 = Signal(GROWTH)
        leak = Mux(self.skipped, self.leak_half, Mux(self.on, self.relax, self.leak))
        m.d.sync += [
            a.eq(Mux(self.valid, self.x[4:], self.m_a)),
            b.eq(Mux(self.valid, leak, self.m_b)),
            x_1.eq(self.x),
            growth_1.eq(Mux(self.driven & ~self.skipped, self.growth, 0)),
        ]

        # Product, and the growth meanwhile.
        product = Signal(32, reset_less=True)
        grown = Signal(21)
        m.d.comb += self.m_product.eq(product)
        m.d.sync += [
            product.eq(a * b),
            grown.eq(x_1 + growth_1),
        ]

        # Sum: the product rounds by its half bit, which is the borrow of the subtraction (the lowest bit pair).
        lost = Signal(20)
        half = Signal()
        total = Signal(21)
        difference = Signal(22)
        with m.If(~skipped[2] & ~on[2]):
            m.d.comb += [lost.eq(product[16:]), half.eq(product[15])]
        with m.Elif(skipped[2] | ~driven[2]):
            m.d.comb += [lost.eq(product[12:]), half.eq(product[11])]
        m.d.comb += difference.eq(Cat(0, grown) - Cat(half, lost))
        m.d.sync += total.eq(difference[1:])

        # One comparison per neuron is enough, because each case has one bound: the threshold while off, the ceiling
        # while on and driven, the rupture level while on and not driven. It is kept inverted: `a >= b` is the carry out
        # of `a + ~b + 1`.
        bound = Mux(on[2], Mux(driven[2], self.x_max, self.theta_off), saturate(self.theta + self.adapt, 16))
        inverted = Signal(THETA)
        m.d.sync += inverted.eq(~bound)

        # Comparison. It may use the sum before it is clipped: the clipped one is still above every threshold.
        distance = Signal(19)
        reached = Signal()
        new_on = Signal()
        m.d.comb += [
            distance.eq(Cat(1, total[4:]) + Cat(1, inverted, 1)),
            reached.eq(distance[-1]),
            new_on.eq(Mux(on[3] ^ driven[3], reached, on[3])),
        ]
        m.d.sync += [
            self.o_on.eq(new_on),
            self.o_node2.eq(new_on & driven[3]),
            self.o_x.eq(total),
        ]
        with m.If(on[3] & driven[3] & ~skipped[3] & reached):
            m.d.sync += self.o_x.eq(Cat(0, 0, 0, 0, ~inverted))
        with m.Elif(total[20]):
            m.d.sync += self.o_x.eq((1 << 20) - 1)
        m.d.comb += self.o_valid.eq(valid[-1])
        return m
