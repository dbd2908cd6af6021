"""Clock of a board: the PLL, and a reset that waits for it."""

from amaranth.build import Platform
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, Instance, IOPort, Module, ResetSignal, Signal
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from memtwin.boards.registry import Board, Ecp5Pll, Ice40Pll

__all__ = ["ClockGenerator"]

# The block RAMs of an iCE40 read as zero for about 3 us after configuration; five times that, as amaranth does.
SETTLE = 15e-6


class ClockGenerator(Elaboratable):
    """Drives clock and reset of the domain ``sync`` from the oscillator of a board; the design above defines it.

    The PLL takes the oscillator's pin. ``sync`` is held in reset until the PLL has been locked for 15 us, so that
    nothing is left of what it may have done before.

    Parameters
    ----------
    board : Board
        Board.
    """

    def __init__(self, board: Board) -> None:
        self.board = board

    def elaborate(self, platform: Platform) -> Module:
        """Build the PLL and the reset."""
        m = Module()
        clock = Signal(attrs={"keep": 1})
        locked = Signal()
        port = platform.request(platform.default_clk, dir="-")
        if isinstance(self.board.pll, Ice40Pll):
            m.submodules.pll = _ice40_pll(self.board.pll, port.io, clock, locked)
        else:
            m.submodules.clock_in = clock_in = io.Buffer("i", port)
            m.submodules.pll = _ecp5_pll(self.board.pll, clock_in.i, clock, locked)
        platform.add_clock_constraint(clock, self.board.clock_hz)

        m.domains.power_on = ClockDomain(reset_less=True, local=True)
        stable = Signal()
        m.submodules.locked_sync = FFSynchronizer(locked, stable, o_domain="power_on")
        delay = round(SETTLE * self.board.clock_hz)
        timer = Signal(range(delay + 1))
        ready = Signal()
        with m.If(~stable):
            m.d.power_on += [timer.eq(0), ready.eq(0)]
        with m.Elif(timer == delay):
            m.d.power_on += ready.eq(1)
        with m.Else():
            m.d.power_on += timer.eq(timer + 1)
        m.d.comb += [
            ClockSignal("power_on").eq(clock),
            ClockSignal("sync").eq(clock),
            ResetSignal("sync").eq(~ready),
        ]
        return m


def _ice40_pll(pll: Ice40Pll, pin: IOPort, clock: Signal, locked: Signal) -> Instance:
    return Instance(
        "SB_PLL40_PAD",
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=pll.divr,
        p_DIVF=pll.divf,
        p_DIVQ=pll.divq,
        p_FILTER_RANGE=pll.filter_range,
        io_PACKAGEPIN=pin,
        i_RESETB=1,
        i_BYPASS=0,
        o_PLLOUTGLOBAL=clock,
        o_LOCK=locked,
    )


def _ecp5_pll(pll: Ecp5Pll, pin: Signal, clock: Signal, locked: Signal) -> Instance:
    return Instance(
        "EHXPLLL",
        a_ICP_CURRENT="12",
        a_LPF_RESISTOR="8",
        a_MFG_ENABLE_FILTEROPAMP="1",
        a_MFG_GMCREF_SEL="2",
        p_CLKI_DIV=pll.clki_div,
        p_CLKFB_DIV=pll.clkfb_div,
        p_CLKOP_DIV=pll.clkop_div,
        p_CLKOP_ENABLE="ENABLED",
        p_CLKOP_CPHASE=pll.clkop_div // 2,
        p_CLKOP_FPHASE=0,
        p_FEEDBK_PATH="CLKOP",
        i_RST=0,
        i_STDBY=0,
        i_CLKI=pin,
        i_CLKFB=clock,
        i_PHASESEL0=0,
        i_PHASESEL1=0,
        i_PHASEDIR=1,
        i_PHASESTEP=1,
        i_PHASELOADREG=1,
        i_PLLWAKESYNC=0,
        i_ENCLKOP=0,
        o_CLKOP=clock,
        o_LOCK=locked,
    )
