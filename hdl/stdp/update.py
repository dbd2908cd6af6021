"""The STDP rule: what one pair of spikes does to a synapse."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.delay_line import stages
from memtwin.hdl.core.fixed import CONDUCTANCE

__all__ = ["StdpUpdate"]


class StdpUpdate(wiring.Component):
    """Move a conductance towards a bound, by a share of the way that a decaying trace decides.

    With ``part = round_shift(decay * rate, 16)``:

    - `up`: ``o_g = min(g + round_shift((g_on - g) * part, 15), g_on)``, potentiation;
    - else: ``o_g = max(g - round_shift((g - g_off) * part, 15), g_off)``, depression.

    Latency: `latency` clocks from `decay`, `rate` and `g` to `o_g`. Throughput: one synapse per clock. Two SB_MAC16.

    Attributes
    ----------
    latency : int
        Clocks.

    Members
    -------
    up : In(1)
        Direction; stable.
    g_off, g_on : In(16)
        Bounds, stable; `g` lies between them.
    rate : In(16)
        UQ(1, 15), share of the way at a full `decay`; stable.
    decay : In(16)
        Upper bits of the decaying trace of the other side, UQ(0, 16).
    g : In(16)
        Conductance before.
    o_g : Out(16)
        Conductance after.

    Source: yu-tio2, eq. (1); docs/stdp.md, section 2.
    """

    latency = 7

    def __init__(self) -> None:
        super().__init__(
            {
                "up": In(1),
                "g_off": In(CONDUCTANCE),
                "g_on": In(CONDUCTANCE),
                "rate": In(16),
                "decay": In(16),
                "g": In(CONDUCTANCE),
                "o_g": Out(CONDUCTANCE),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the pipeline; a number in a name is the clock in which the register holds it."""
        m = Module()
        g = stages(m, "g", 5, self.g)

        # Only registers without a reset fit into the SB_MAC16.
        decay_1 = Signal(16, reset_less=True)
        rate_1 = Signal(16, reset_less=True)
        product_2 = Signal(32, reset_less=True)
        part_3 = Signal(16, reset_less=True)
        way_3 = Signal(16, reset_less=True)
        product_4 = Signal(32, reset_less=True)
        way_4 = Signal(16)
        way_5 = Signal(16)
        change_5 = Signal(18)
        beyond_6 = Signal()
        moved_6 = Signal(16)
        m.d.sync += [
            decay_1.eq(self.decay),
            rate_1.eq(self.rate),
            product_2.eq(decay_1 * rate_1),
            part_3.eq(product_2[16:] + product_2[15]),
            way_3.eq(Mux(self.up, self.g_on - g[2], g[2] - self.g_off)),
            product_4.eq(part_3 * way_3),
            way_4.eq(way_3),
            change_5.eq(product_4[15:] + product_4[14]),
            way_5.eq(way_4),
            beyond_6.eq(change_5 > way_5),
            moved_6.eq(Mux(self.up, g[5] + change_5, g[5] - change_5)),
            self.o_g.eq(Mux(beyond_6, Mux(self.up, self.g_on, self.g_off), moved_6)),
        ]
        return m
