"""How far the synapses of a neuron are depressed: a step for every substep in which T3 lifted its node 1."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.fixed import GAIN

__all__ = ["ScaledStep"]


class ScaledStep(wiring.Component):
    """``step = min(unit * substeps, 1)`` if `scaled`, else ``step = unit``.

    The product is made by repeated addition: it is short, and the multipliers are taken.

    Latency: `done` comes in the clock after `start`, with `scaled` as many clocks later as `substeps` says.

    Parameters
    ----------
    count_bits : int
        Width of `substeps`.

    Members
    -------
    start : In(1)
        Strobe: takes `substeps`.
    scaled : In(1)
        See above. This and `unit` are held from `start` to `done`.
    unit : In(16)
        Step for one substep, UQ(1, 15).
    substeps : In(count_bits)
        Substeps.
    step : Out(16)
        Result, UQ(1, 15), from `done` to the next `start`.
    done : Out(1)
        It is there.

    Source: zhang2021, Supp. 4; docs/arithmetic.md, section 7.
    """

    def __init__(self, count_bits: int) -> None:
        check_integer("count_bits", count_bits, 1)
        super().__init__(
            {
                "start": In(1),
                "scaled": In(1),
                "unit": In(GAIN),
                "substeps": In(count_bits),
                "step": Out(GAIN),
                "done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the sum."""
        m = Module()
        left = Signal.like(self.substeps)
        larger = Signal(17)
        m.d.comb += [larger.eq(self.step + self.unit), self.done.eq(~self.scaled | (left == 0))]
        with m.If(self.start):
            m.d.sync += [self.step.eq(Mux(self.scaled, 0, self.unit)), left.eq(self.substeps)]
        with m.Elif(~self.done):
            m.d.sync += [left.eq(left - 1), self.step.eq(Mux(larger[15:] != 0, 1 << 15, larger))]
        return m
