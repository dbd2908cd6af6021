"""Pace: keeps what is computed in step with real time, where a tick says how much of that has passed."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.check import check_integer

__all__ = ["COUNT_BITS", "Pace"]

COUNT_BITS = 16  # width of a count in a presentation


class Pace(wiring.Component):
    """Keeps half-periods in step with real time: one tick is the time of one substep.

    It counts ticks, and takes those of a half-period back at its end. A half-period that took longer than its time
    (learning did) is thus caught up, to at most ``3 * substeps`` ticks; one that took less waits. With `tick` always
    high a half-period takes at least `substeps` clocks on average, which is less than any needs.

    Latency: `pace` and `full` follow `tick` and `take` after one clock.

    Parameters
    ----------
    substeps : int
        Substeps of a half-period, a power of two.

    Members
    -------
    tick : In(1)
        The time of one substep has passed.
    clear : In(1)
        Forget the ticks; wins over the others.
    take : In(1)
        Strobe: a half-period is over; only while `full`.
    pace : Out(range(substeps + 1))
        Number of substeps of this half-period whose time is over.
    full : Out(1)
        The time of this half-period is over.
    """

    def __init__(self, substeps: int) -> None:
        check_integer("substeps", substeps, 1)
        if substeps & (substeps - 1):
            raise ValueError(f"substeps must be a power of two, not {substeps!r}")
        self.substeps = substeps
        super().__init__(
            {
                "tick": In(1),
                "clear": In(1),
                "take": In(1),
                "pace": Out(ceil_log2(substeps) + 1),
                "full": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the counter."""
        m = Module()
        # The low part counts substeps, the high part whole half-periods.
        bits = ceil_log2(self.substeps)
        ticks = Signal(bits + 2)
        low, high = ticks[:bits], ticks[bits:]
        saturated = ticks.all()
        with m.If(self.clear):
            m.d.sync += ticks.eq(0)
        with m.Elif(self.take):
            m.d.sync += ticks.eq(Cat(low, high - 1) + self.tick)
        with m.Elif(self.tick & ~saturated):
            m.d.sync += ticks.eq(ticks + 1)
        m.d.comb += [
            self.full.eq(high != 0),
            self.pace.eq(Mux(self.full, self.substeps, low)),
        ]
        return m
