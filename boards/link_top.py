"""A network behind the serial port of a board: a host loads it, shows it things, and reads what it remembers."""

from amaranth.build import Platform
from amaranth.hdl import ClockDomain, Elaboratable, Module, ValueLike
from amaranth.lib import io

from memtwin.boards.clock import ClockGenerator
from memtwin.boards.panel import Flash, Sampler
from memtwin.boards.registry import Board
from memtwin.boards.top import drive_lights, request_uart
from memtwin.hdl.link.port import LinkPort
from memtwin.hdl.link.registers import LEAST_DIVIDER
from memtwin.hdl.port.host import HostPort

__all__ = ["LinkTop", "divider", "streams_traces"]

BLINK_BITS = 21  # a byte lights a LED for 2**21 clocks at least, an eye's blink


def divider(board: Board) -> int:
    """Return the clocks of a bit at the board's rate, rounded."""
    return max(LEAST_DIVIDER, round(board.clock_hz / board.baud))


def streams_traces(board: Board) -> bool:
    """Whether the twin on a board streams trace words: their queue takes more memory than an iCE40 has left."""
    return board.family != "ice40"


class LinkTop(Elaboratable):
    """Clock, serial port and LEDs of a board around a network that a host drives (docs/link.md).

    Coefficients are those that the network was made with, until a host writes others. The LED of training is on while
    something is being shown, that of the spikes flashes with the bytes that go out; what the board lacks is left out.

    Parameters
    ----------
    board : Board
        Board.
    host : HostPort
        The network.
    map_digest, design_digest : bytes
        See `memtwin.hdl.link.map`.
    """

    def __init__(self, board: Board, host: HostPort, *, map_digest: bytes, design_digest: bytes) -> None:
        self.board = board
        self.host = host
        self.link = LinkPort(
            host,
            clock_hz=round(board.clock_hz),
            divider=divider(board),
            map_digest=map_digest,
            design_digest=design_digest,
            traces=streams_traces(board),
        )

    def elaborate(self, platform: Platform) -> Module:
        """Build the clock and the pins."""
        m = Module()
        board = self.board
        m.domains.sync = ClockDomain()
        m.submodules.clock = ClockGenerator(board)
        m.submodules.link = link = self.link
        rx, tx = request_uart(board, platform)
        m.submodules.rx_pin = rx_pin = io.Buffer(io.Direction.Input, rx)
        m.submodules.tx_pin = tx_pin = io.Buffer(io.Direction.Output, tx)
        m.d.comb += [link.rx.eq(rx_pin.i), tx_pin.o.eq(link.tx)]

        lights: dict[str, ValueLike] = {}
        if board.training:
            lights[board.training] = ~self.host.idle
        if board.spike:
            m.submodules.sampler = sampler = Sampler(BLINK_BITS)
            m.submodules.flash = flash = Flash()
            m.d.comb += [sampler.tick.eq(1), flash.sample.eq(sampler.sample), flash.strobe.eq(~link.tx)]
            lights[board.spike] = flash.lit
        drive_lights(m, platform, lights)
        return m
