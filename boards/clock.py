"""Clock of a board: the PLL, and a reset that waits for it."""

from amaranth.build import Platform
from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    Elaboratable,
    Instance,
    IOValue,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib import io, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

from memtwin.boards.pins import request_port
from memtwin.boards.pll import Ecp5Pll, GowinPll, Ice40Pll
from memtwin.boards.registry import Board

__all__ = ["ClockGenerator", "Settled"]

# The block RAMs of an iCE40 read as zero for about 3 us after configuration; five times that, as amaranth does.
SETTLE = 15e-6


class Settled(wiring.Component):
    """Says when a PLL has been locked for long enough.

    Latency: `ready` rises ``clocks + 3`` clocks after `locked`, two of them in a synchroniser, and falls 3 clocks after
    it.

    Parameters
    ----------
    clocks : int
        For how long, at least 1.

    Members
    -------
    locked : In(1)
        Of the PLL, from any clock domain.
    ready : Out(1)
        `locked` has held.
    """

    def __init__(self, clocks: int) -> None:
        self._clocks = clocks
        super().__init__({"locked": In(1), "ready": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Build the timer."""
        m = Module()
        stable = Signal()
        m.submodules.locked_sync = FFSynchronizer(self.locked, stable)
        timer = Signal(range(self._clocks + 1))
        with m.If(~stable):
            m.d.sync += [timer.eq(0), self.ready.eq(0)]
        with m.Elif(timer == self._clocks):
            m.d.sync += self.ready.eq(1)
        with m.Else():
            m.d.sync += timer.eq(timer + 1)
        return m


class ClockGenerator(Elaboratable):
    """Drives clock and reset of the domain ``sync`` from the oscillator of a board; the design above defines it.

    ``sync`` is held in reset until the PLL has been locked for 15 us, so that nothing is left of what it may have done
    before.

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
        m.submodules.pll = self._pll(m, platform, clock, locked)
        platform.add_clock_constraint(clock, self.board.clock_hz)

        m.domains.power_on = ClockDomain(reset_less=True, local=True)
        m.submodules.settled = settled = DomainRenamer("power_on")(Settled(round(SETTLE * self.board.clock_hz)))
        m.d.comb += [
            settled.locked.eq(locked),
            ClockSignal("power_on").eq(clock),
            ClockSignal("sync").eq(clock),
            ResetSignal("sync").eq(~settled.ready),
        ]
        return m

    def _pll(self, m: Module, platform: Platform, clock: Signal, locked: Signal) -> Instance:
        """Return the PLL of the chip, fed by the oscillator."""
        board, pll = self.board, self.board.pll
        port = request_port(platform, board.oscillator)
        if board.pad and isinstance(pll, Ice40Pll):
            assert isinstance(port, io.SingleEndedPort)
            return _ice40_pll(board, pll, clock, locked, "SB_PLL40_PAD", io_PACKAGEPIN=port.io)
        m.submodules.clock_in = clock_in = io.Buffer(io.Direction.Input, port)
        match pll:
            case Ice40Pll():
                return _ice40_pll(board, pll, clock, locked, "SB_PLL40_CORE", i_REFERENCECLK=clock_in.i)
            case Ecp5Pll():
                return _ecp5_pll(pll, clock_in.i, clock, locked)
            case GowinPll():
                return _gowin_pll(board, pll, clock_in.i, clock, locked)


def _ice40_pll(
    board: Board, pll: Ice40Pll, clock: Signal, locked: Signal, cell: str, **source: Signal | IOValue
) -> Instance:
    return Instance(
        cell,
        p_FEEDBACK_PATH="SIMPLE",
        p_DIVR=pll.divr,
        p_DIVF=pll.divf,
        p_DIVQ=pll.divq,
        p_FILTER_RANGE=pll.filter_range(board.oscillator_hz),
        **source,
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


def _gowin_pll(board: Board, pll: GowinPll, pin: Signal, clock: Signal, locked: Signal) -> Instance:
    return Instance(
        "rPLL",
        p_DEVICE=board.silicon.name,
        p_FCLKIN=str(board.oscillator_mhz),
        p_IDIV_SEL=pll.idiv - 1,
        p_FBDIV_SEL=pll.fbdiv - 1,
        p_ODIV_SEL=pll.odiv,
        p_DYN_IDIV_SEL="false",
        p_DYN_FBDIV_SEL="false",
        p_DYN_ODIV_SEL="false",
        p_DYN_DA_EN="false",
        p_DYN_SDIV_SEL=2,
        p_PSDA_SEL="0000",
        p_DUTYDA_SEL="1000",
        p_CLKFB_SEL="internal",
        p_CLKOUT_BYPASS="false",
        p_CLKOUTP_BYPASS="false",
        p_CLKOUTD_BYPASS="false",
        p_CLKOUTD_SRC="CLKOUT",
        p_CLKOUTD3_SRC="CLKOUT",
        i_CLKIN=pin,
        i_CLKFB=0,
        i_RESET=0,
        i_RESET_P=0,
        i_FBDSEL=Const(0, 6),
        i_IDSEL=Const(0, 6),
        i_ODSEL=Const(0, 6),
        i_PSDA=Const(0, 4),
        i_DUTYDA=Const(0, 4),
        i_FDLY=Const(0, 4),
        o_CLKOUT=clock,
        o_LOCK=locked,
    )
