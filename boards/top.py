"""A design on the pins of a board."""

from collections.abc import Mapping

from amaranth.build import Platform
from amaranth.build.res import ResourceError
from amaranth.hdl import ClockDomain, Elaboratable, Module, ValueLike
from amaranth.lib import io

from memtwin.boards.base import BoardDemo
from memtwin.boards.clock import ClockGenerator
from memtwin.boards.panel import SelfPress
from memtwin.boards.pins import request_members, request_port
from memtwin.boards.registry import Board, resource
from memtwin.sim.errors import InputError

__all__ = ["BoardTop", "drive_lights", "request_uart"]


class BoardTop(Elaboratable):
    """Clock, buttons, LEDs and header of a board around a `BoardDemo`.

    What the board lacks is left out; without a button, the first one presses itself (`SelfPress`).

    Parameters
    ----------
    board : Board
        Board.
    twin : BoardDemo
        Design, made for the clock of the board.
    """

    def __init__(self, board: Board, twin: BoardDemo) -> None:
        self.board = board
        self.twin = twin

    def elaborate(self, platform: Platform) -> Module:
        """Build the clock and the pins."""
        m = Module()
        board = self.board
        m.domains.sync = ClockDomain()
        m.submodules.clock = ClockGenerator(board)
        m.submodules.twin = twin = self.twin

        for name in ("button", "button2"):
            if words := getattr(board, name):
                label, number, _ = resource(words)
                m.submodules[f"{name}_pin"] = pin = io.Buffer(io.Direction.Input, request_port(platform, label, number))
                m.d.comb += getattr(twin, name).eq(pin.i)
        if not board.button:
            m.submodules.self_press = press = SelfPress(round(board.clock_hz))
            m.d.comb += twin.button.eq(press.raw)

        lights: dict[str, ValueLike] = {board.training: twin.training, board.spike: twin.spike}
        lights |= {led: twin.winner[bit] for bit, led in enumerate(board.winner)}
        lights.pop("", None)
        drive_lights(m, platform, lights)
        m.submodules.scope_pin = pin = io.Buffer(io.Direction.Output, request_port(platform, "scope"))
        m.d.comb += pin.o.eq(twin.scope)
        return m


def drive_lights(m: Module, platform: Platform, lights: Mapping[str, ValueLike]) -> None:
    """Drive the LEDs. Of a LED with several colours the ones that nobody asks for are kept dark."""
    for label, number in dict.fromkeys(resource(words)[:2] for words in lights):
        port = request_members(platform, label, number)
        for member, part in port.items():
            words = " ".join(filter(None, (label, str(number), member)))
            m.submodules["_".join((*words.split(), "pin"))] = pin = io.Buffer(io.Direction.Output, part)
            m.d.comb += pin.o.eq(lights.get(words, 0))


def request_uart(board: Board, platform: Platform) -> tuple[io.PortLike, io.PortLike]:
    """Request the serial port of a board.

    Parameters
    ----------
    board : Board
        Board.
    platform : Platform
        Its platform, as `Board.platform` makes it.

    Returns
    -------
    (port, port)
        Pin to receive from, pin to send to; for `amaranth.lib.io.Buffer`.

    Raises
    ------
    InputError
        If something else has taken its pins.
    """
    label, number, _ = resource(board.uart if isinstance(board.uart, str) else "uart 0")
    try:
        port = request_members(platform, label, number)
    except ResourceError as error:
        raise InputError(f"board {board.name}: expected its serial port to be free ({error})") from None
    return port["rx"], port["tx"]
