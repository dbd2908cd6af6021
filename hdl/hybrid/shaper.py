"""Spike shaper: two latches and the gates that make one clean spike, a refractory period and a synaptic depression."""

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["SpikeShaper"]


class SpikeShaper(wiring.Component):
    """Shaper of one neuron at substep resolution: latches L1 and L2, gates G1 to G3, transistors T1 and T3.

    L1 is transparent while CLK is high and takes node 2; L2 is transparent while CLK is low, when L1 holds, and so
    changes at the falling edge only. A fire in high half-period ``k`` therefore gives a spike G1 exactly as wide as
    high half-period ``k + 1``, and T1 grounds node 1 for low ``k`` and high ``k + 1``. T3 acts one substep after the
    fire, which breaks the loop L1 - T3 - node 1 - L1, and never together with T1.

    Latency: the registers follow `edge`, `commit`, `clear` and `restore` after one clock; `g1`, `g2`, `t1` and `t3`
    follow `clk`, `refractory` and `depression` combinationally. Throughput: one strobe per clock. Of strobes in the
    same clock `clear` wins over `edge`, `edge` over `commit`, and `commit` over `restore`.

    Members
    -------
    clk : In(1)
        Level of the paper's CLK; it has its new level in the clock of the `edge` strobe.
    edge : In(1)
        Strobe: CLK has changed.
    clear : In(1)
        Strobe: power-up, every latch is cleared.
    commit : In(1)
        Strobe: the neuron's substep is over, `node2` is valid.
    restore : In(1)
        Strobe, while CLK is low between presentations: the latches take `latches`. T3 needs none, it is off then.
    latches : In(2)
        L1 and L2.
    node2 : In(1)
        Node 2 is high (the device is on and driven).
    refractory : In(1)
        T1 is connected.
    depression : In(1)
        T3 is connected.
    l1, l2 : Out(1)
        Latches.
    g1 : Out(1)
        ``L2 & CLK``: the spike.
    g2 : Out(1)
        ``L1 & CLK``: the fire, towards the synapses' depression.
    g3 : Out(1)
        ``L1 | L2``: towards the lateral inhibition array.
    t1 : Out(1)
        ``L2 & refractory``: node 1 is grounded.
    t3 : Out(1)
        Node 1 is lifted to the depression voltage (while CLK is high, from the substep after the fire on).
    fired : Out(1)
        L1 rose in this half-period.

    Source: zhang2021, Fig. 3 (latches, gates G1 to G3, transistors T1 and T3); docs/arithmetic.md, sections 4 and 6.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "clk": In(1),
                "edge": In(1),
                "clear": In(1),
                "commit": In(1),
                "restore": In(1),
                "latches": In(2),
                "node2": In(1),
                "refractory": In(1),
                "depression": In(1),
                "l1": Out(1),
                "l2": Out(1),
                "g1": Out(1),
                "g2": Out(1),
                "g3": Out(1),
                "t1": Out(1),
                "t3": Out(1),
                "fired": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the latches as flip-flops and the gates."""
        m = Module()
        lift = Signal()

        with m.If(self.clear):
            m.d.sync += [self.l1.eq(0), self.l2.eq(0), lift.eq(0), self.fired.eq(0)]
        with m.Elif(self.edge):
            m.d.sync += [lift.eq(0), self.fired.eq(0)]
            with m.If(~self.clk):
                m.d.sync += self.l2.eq(self.l1)
        with m.Elif(self.commit):
            # L1 holds while CLK is low, but T3 does not.
            m.d.sync += lift.eq(self.node2 & self.clk)
            with m.If(self.clk):
                m.d.sync += [self.l1.eq(self.node2), self.fired.eq(self.fired | (self.node2 & ~self.l1))]
        with m.Elif(self.restore):
            m.d.sync += [self.l1.eq(self.latches[0]), self.l2.eq(self.latches[1])]

        m.d.comb += [
            self.g1.eq(self.l2 & self.clk),
            self.g2.eq(self.l1 & self.clk),
            self.g3.eq(self.l1 | self.l2),
            self.t1.eq(self.l2 & self.refractory),
            self.t3.eq(lift & self.clk & self.depression),
        ]
        return m
