"""The LIF neuron: leak, drive, threshold and reset as one pipeline."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.delay_line import stages
from memtwin.hdl.core.fixed import ssat
from memtwin.hdl.lif.fixed import CURRENT, HOLD, MEMBRANE

__all__ = ["LifNeuron"]

# Two bits more than the membrane: a drive that is clamped here clamps the membrane whatever its potential is.
DRIVE = signed(23)  # with half a unit


class LifNeuron(wiring.Component):
    """One step of a leaky integrate-and-fire neuron: leak, drive, a spike above the threshold, reset.

    ``u = ssat(v - round_shift((v >> 4) * leak, 12) + round_shift(acc * gain, gain_shift) + bias, 20)``; the neuron
    spikes if ``u > threshold << 4``, and then ``v = u - (threshold << 4)`` with `subtract`, else ``v_reset << 4``, and
    ``hold = refractory``. While ``hold`` is not 0 it counts down and ``v`` stays.

    Two 16x16 products, each with its operands and its result in registers. They are of words without sign; a negative
    word counts 2**16 too much there, and that many of the other one are taken off.

    Latency: `latency` clocks from `valid` to `o_valid`; some inputs are taken later than `valid`, so that nothing has
    to wait in registers. Throughput: one neuron per clock.

    Attributes
    ----------
    latency : int
        Clocks.
    state_delay, bias_delay, threshold_delay : int
        Clocks after `valid` in which `v`, `hold`, `leak`; `bias`; `threshold` are taken.

    Members
    -------
    valid : In(1)
        A neuron is presented.
    acc : In(signed(16))
        Sum of its weights.
    gain : In(16)
        Factor of the sum.
    v : In(signed(20))
        Membrane before the step.
    hold : In(8)
        Steps of the refractory period that are left.
    leak : In(16)
        UQ(0, 16), ``1 - exp(-dt / tau)``.
    bias : In(signed(16))
        Constant drive.
    threshold : In(16)
        In units of 16 of the membrane.
    gain_shift : In(4), v_reset : In(signed(16)), refractory : In(8), subtract : In(1)
        The same for all neurons; stable.
    o_valid : Out(1)
        `valid` of `latency` clocks ago.
    o_spike : Out(1)
        The neuron spikes.
    o_v, o_hold : Out(signed(20)), Out(8)
        State after the step.
    o_u : Out(signed(20))
        Membrane before a reset.

    Source: docs/lif-arithmetic.md, section 2.
    """

    latency = 10
    state_delay = 2
    bias_delay = 5
    threshold_delay = 8

    def __init__(self) -> None:
        super().__init__(
            {
                "valid": In(1),
                "acc": In(CURRENT),
                "gain": In(16),
                "v": In(MEMBRANE),
                "hold": In(HOLD),
                "leak": In(16),
                "bias": In(signed(16)),
                "threshold": In(16),
                "gain_shift": In(4),
                "v_reset": In(signed(16)),
                "refractory": In(HOLD),
                "subtract": In(1),
                "o_valid": Out(1),
                "o_spike": Out(1),
                "o_v": Out(MEMBRANE),
                "o_hold": Out(HOLD),
                "o_u": Out(MEMBRANE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the pipeline; a number in a name is the clock, counted from `valid`, in which the register holds it."""
        m = Module()
        valid = Signal(self.latency)
        m.d.sync += valid.eq(Cat(self.valid, valid))
        m.d.comb += self.o_valid.eq(valid[-1])

        held = stages(m, "held", 7, self.hold.any(), first=3)
        hold = stages(m, "hold", 7, Mux(held[0], self.hold - 1, 0)[: len(self.hold)], first=3)

        # The drive: product, shift by up to 15 in two moves, and clamped.
        acc_1, gain_1, product_2 = self._product(m, "drive", self.acc, self.gain)
        excess_2 = Signal(16)
        drive_3 = Signal(signed(32))
        drive_4 = Signal(signed(33))
        drive_5 = Signal(signed(33))
        drive_6 = Signal(DRIVE)
        m.d.sync += [
            excess_2.eq(Mux(acc_1[-1], gain_1, 0)),
            drive_3.eq(Cat(product_2[:16], product_2[16:] - excess_2)),
            # One bit more below the point, by which it is rounded at the end.
            drive_4.eq(Cat(0, drive_3).as_signed() >> (self.gain_shift & 0b1100)),
            drive_5.eq(drive_4 >> self.gain_shift[:2]),
            drive_6.eq(Mux(held[3], 0, ssat(drive_5, DRIVE.width))),
        ]

        # The membrane without a drive, from clock 2 on. A neuron that is held neither leaks nor is driven.
        _, leak_3, product_4 = self._product(m, "leak", self.v[4:], Mux(held[0], 0, self.leak))
        v_3 = Signal(MEMBRANE)
        v_4 = Signal(MEMBRANE)  # with the excess of the product, which is taken off next
        kept_5 = Signal(MEMBRANE)
        kept_6 = Signal(signed(21))
        m.d.sync += [
            v_3.eq(self.v),
            v_4.eq(v_3 + (Mux(v_3[-1], leak_3, 0) << 4)),
            # The bits that are dropped round by their highest one, which is the borrow of the lowest bit pair.
            kept_5.eq((Cat(0, v_4) - product_4[11:])[1:]),
            kept_6.eq(kept_5 + Mux(held[3], 0, self.bias)),
        ]

        # Their sum.
        total_7 = Signal(signed(23))
        u_8 = Signal(MEMBRANE)
        m.d.sync += [
            total_7.eq((Cat(1, kept_6).as_signed() + drive_6) >> 1),
            u_8.eq(ssat(total_7, MEMBRANE.width)),
        ]

        # The threshold has no bits below 16, so that those of the membrane stay.
        above_9 = Signal(signed(18))
        u_9 = Signal(MEMBRANE)
        spike = Signal()
        m.d.sync += [
            above_9.eq((u_8 >> 4) - self.threshold),
            u_9.eq(u_8),
        ]
        m.d.comb += spike.eq(~above_9[-1] & (above_9.any() | u_9[:4].any()) & ~held[-1])
        m.d.sync += [
            self.o_spike.eq(spike),
            self.o_u.eq(u_9),
            self.o_v.eq(u_9),
            self.o_hold.eq(hold[-1]),
        ]
        with m.If(spike):
            m.d.sync += [
                self.o_v.eq(Mux(self.subtract, Cat(u_9[:4], above_9), Cat(0, 0, 0, 0, self.v_reset))),
                self.o_hold.eq(self.refractory),
            ]
        return m

    def _product(self, m: Module, name: str, a: Value, b: Value) -> tuple[Signal, Signal, Signal]:
        """Multiply two words as if both were unsigned; returns operands and product, all registers."""
        # Only registers without a reset fit into the SB_MAC16.
        a_1 = Signal(16, name=f"{name}_a", reset_less=True)
        b_1 = Signal(16, name=f"{name}_b", reset_less=True)
        product = Signal(32, name=f"{name}_product", reset_less=True)
        m.d.sync += [a_1.eq(a), b_1.eq(b), product.eq(a_1 * b_1)]
        return a_1, b_1, product
