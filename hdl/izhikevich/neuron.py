"""The datapath: one step of forward Euler of one neuron, with one multiplier."""

import enum

from amaranth.hdl import Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.fixed import round_shift, ssat
from memtwin.hdl.izhikevich.fixed import MEMBRANE, RECOVERY, STEP, TOTAL

__all__ = ["IzhikevichField", "IzhikevichNeuron"]


class IzhikevichField(enum.IntEnum):
    """Coefficient of a neuron, in the order in which a step takes them."""

    V_START = 0
    U_START = 1
    B = 2
    CURRENT = 3
    A = 4
    THRESHOLD = 5
    C = 6
    D = 7


class IzhikevichNeuron(wiring.Component):
    """One step of one neuron at a time; four products, one after the other, on one multiplier of 29 x 20 bits.

    Latency: `o_valid` comes `latency` clocks after `start`. Throughput: one neuron in ``latency + 1`` clocks.

    Attributes
    ----------
    latency : int
        Clocks.

    Members
    -------
    start : In(1)
        Strobe: a step of a neuron begins.
    first : In(1)
        It begins from the coefficients and not from `v` and `u`; held until `o_valid`, as are the inputs below.
    v, u : In(signed(20)), In(signed(23))
        State; from the clock after `start` on.
    total : In(signed(24))
        Sum of the weights of the rows with a spike.
    step : In(16)
        Time of a step.
    field : Out(IzhikevichField)
        Coefficient that is wanted on `word` in the next clock.
    word : In(16)
        Coefficient.
    o_valid : Out(1)
        Strobe: state and spike are on the ports below.
    o_v, o_u, o_spike : Out(signed(20)), Out(signed(23)), Out(1)
        After the step.

    Source: Izhikevich, IEEE Trans. Neural Networks 14(6), 2003, eq. (1) to (3); docs/izhikevich.md, section 2.
    """

    latency = 11

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "first": In(1),
                "v": In(MEMBRANE),
                "u": In(RECOVERY),
                "total": In(TOTAL),
                "step": In(STEP),
                "field": Out(IzhikevichField),
                "word": In(16),
                "o_valid": Out(1),
                "o_v": Out(MEMBRANE),
                "o_u": Out(RECOVERY),
                "o_spike": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the schedule; a case is a clock, counted from `start`."""
        m = Module()
        count = Signal(range(self.latency + 1))
        with m.If(self.start | (count != 0)):
            m.d.sync += count.eq(Mux(count == self.latency, 0, count + 1))
        m.d.comb += self.o_valid.eq(count == self.latency)

        # Only registers without a reset fit into a multiplier. A product is there two clocks after its factors.
        x = Signal(signed(29), reset_less=True)
        y = Signal(MEMBRANE, reset_less=True)
        product = Signal(signed(49), reset_less=True)
        m.d.sync += product.eq(x * y)

        v = Signal(MEMBRANE)
        u = Signal(RECOVERY)
        slope = Signal(signed(29))
        distance = Signal(signed(25))
        moved_v = Signal(signed(30))
        moved_u = Signal(signed(24))
        number = self.word.as_signed()  # all coefficients but `a` have a sign
        level = number << 4  # from SQ(4, 12) to the membrane
        with m.Switch(count):
            with m.Case(0):
                m.d.comb += self.field.eq(IzhikevichField.V_START)
            with m.Case(1):
                m.d.sync += v.eq(Mux(self.first, level, self.v))
                m.d.comb += self.field.eq(IzhikevichField.U_START)
            with m.Case(2):
                m.d.sync += [u.eq(Mux(self.first, number << 7, self.u)), x.eq(v), y.eq(v)]
                m.d.comb += self.field.eq(IzhikevichField.B)
            with m.Case(3):
                m.d.sync += [x.eq(v), y.eq(number)]
                m.d.comb += self.field.eq(IzhikevichField.CURRENT)
            with m.Case(4):  # v * v
                m.d.sync += slope.eq(round_shift(product, 16) + ((number + self.total) << 4) - round_shift(u, 3))
            with m.Case(5):  # v * b
                m.d.sync += [distance.eq(round_shift(product, 12) - u), x.eq(slope), y.eq(self.step)]
                m.d.comb += self.field.eq(IzhikevichField.A)
            with m.Case(6):
                m.d.sync += [x.eq(distance), y.eq(self.word)]
            with m.Case(7):  # slope * step
                m.d.sync += moved_v.eq(v + round_shift(product, 15))
                m.d.comb += self.field.eq(IzhikevichField.THRESHOLD)
            with m.Case(8):  # distance * a
                m.d.sync += [self.o_spike.eq(moved_v > level), moved_u.eq(u + round_shift(product, 19))]
                m.d.comb += self.field.eq(IzhikevichField.C)
            with m.Case(9):
                m.d.sync += self.o_v.eq(Mux(self.o_spike, level, ssat(moved_v, len(v))))
                m.d.comb += self.field.eq(IzhikevichField.D)
            with m.Case(10):
                m.d.sync += self.o_u.eq(ssat(moved_u + Mux(self.o_spike, number << 4, 0), len(u)))
        return m
