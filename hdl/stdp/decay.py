"""The exponential decay that traces and membranes of the STDP engine share."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["STATE_BITS", "StdpDecay"]

STATE_BITS = 20  # traces and membranes


class StdpDecay(wiring.Component):
    """One step of an exponential decay: ``o = i - round_shift((i >> 4) * leak, 15)``.

    With ``leak = 1 - exp(-step / tau)`` in units of 2**-19, the 16 bits are below 1/8.

    Latency: `latency` clocks from `i` and `leak` to `o`. Throughput: one word per clock. One SB_MAC16.

    Attributes
    ----------
    latency : int
        Clocks.

    Members
    -------
    i : In(20)
        Trace or membrane before the step.
    leak : In(16)
        UQ(-3, 19).
    o : Out(20)
        After the step.

    Source: yu-tio2, eq. (1) and (2); docs/stdp.md, section 2.
    """

    latency = 3

    def __init__(self) -> None:
        super().__init__({"i": In(STATE_BITS), "leak": In(16), "o": Out(STATE_BITS)})

    def elaborate(self, platform: object) -> Module:
        """Build the pipeline; a number in a name is the clock in which the register holds it."""
        m = Module()
        # Only registers without a reset fit into the SB_MAC16.
        i_1 = Signal(16, reset_less=True)
        leak_1 = Signal(16, reset_less=True)
        product_2 = Signal(32, reset_less=True)
        whole_1 = Signal(STATE_BITS)
        whole_2 = Signal(STATE_BITS)
        m.d.sync += [
            i_1.eq(self.i[4:]),
            leak_1.eq(self.leak),
            whole_1.eq(self.i),
            product_2.eq(i_1 * leak_1),
            whole_2.eq(whole_1),
            # In halves: the bit that rounds is the borrow of the lowest one.
            self.o.eq((Cat(0, whole_2) - product_2[14:])[1:]),
        ]
        return m
