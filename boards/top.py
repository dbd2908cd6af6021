"""A design on the pins of a board."""

from amaranth.build import Attrs, Pins, Platform, Resource
from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import io

from memtwin.boards.base import Twin
from memtwin.boards.clock import ClockGenerator
from memtwin.boards.registry import Board

__all__ = ["BoardTop"]


class BoardTop(Elaboratable):
    """Clock, buttons, LEDs and header of a board around a `Twin`.

    Parameters
    ----------
    board : Board
        Board.
    twin : Twin
        Design, made for the clock of the board.
    """

    def __init__(self, board: Board, twin: Twin) -> None:
        self.board = board
        self.twin = twin

    def elaborate(self, platform: Platform) -> Module:
        """Build the clock and the pins."""
        m = Module()
        board = self.board
        m.domains.sync = ClockDomain()
        m.submodules.clock = ClockGenerator(board)
        m.submodules.twin = twin = self.twin
        if board.extension:
            platform.add_resources(getattr(platform, board.extension))
        scope = Pins(" ".join(board.scope), dir="o", conn=board.connector)
        platform.add_resources([Resource("scope", 0, scope, Attrs(**board.attributes))])

        inputs = {"button": board.button, "second": board.second}
        outputs = {
            "training": (board.training, twin.training),
            "spike": (board.spike, twin.spike),
            "scope": (("scope", 0), twin.scope),
            **{f"winner{bit}": (led, twin.winner[bit]) for bit, led in enumerate(board.winner)},
        }
        for name, resource in inputs.items():
            m.submodules[f"{name}_pin"] = pin = io.Buffer("i", platform.request(*resource, dir="-"))
            m.d.comb += getattr(twin, name).eq(pin.i)
        for name, (resource, value) in outputs.items():
            m.submodules[f"{name}_pin"] = pin = io.Buffer("o", platform.request(*resource, dir="-"))
            m.d.comb += pin.o.eq(value)
        return m
