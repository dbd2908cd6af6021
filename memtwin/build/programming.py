"""Puts a design on a board, and asks it over the link whether it is there."""

import time
from pathlib import Path
from typing import Any

from memtwin.boards import registry
from memtwin.boards.flash import flash as flash_board
from memtwin.build.bitstreams import build
from memtwin.design import Design
from memtwin.link import Link, LinkError
from memtwin.sim.errors import InputError

__all__ = ["greeting", "program"]

START_S = 5.0  # in which a board starts and its serial port comes back, which the loader may have taken
_PAUSE_S = 0.25


def program(
    design: Design,
    board: str,
    out: Path,
    *,
    port: str | None = None,
    linked: bool | None = None,
) -> dict[str, Any]:
    """Build a design if need be, and program a board with it; returns the report of the build.

    Parameters
    ----------
    design : Design
        Design, as shipped or of a network of one's own.
    board : str
        Name.
    out : Path
        Folder of the bitstream.
    port : str, optional
        Serial port that the twin is to be asked at afterwards, see `greeting`.
    linked : bool, optional
        See `memtwin.build.bitstreams.build`; True with a port.

    Raises
    ------
    InputError, ToolError
        See `memtwin.build.bitstreams.build` and `memtwin.boards.flash.flash`.
    """
    if port is not None and linked is False:
        raise InputError("option --port: expected a design with the link; leave out --alone")
    report = build(design, board, out, linked=True if port is not None else linked, reuse=True)
    flash_board(report["bitstream"], board)
    return report


def greeting(port: str, board: str, report: dict[str, Any], *, patience_s: float = START_S) -> str:
    """Ask the twin at a port what it is, and say it in a line.

    Parameters
    ----------
    port : str
        Serial port, or ``socket://HOST:NUMBER``.
    board : str
        Name of the board that has just been programmed.
    report : dict
        What was built, with its map.
    patience_s : float
        Time for the board to start.

    Raises
    ------
    LinkError
        If no twin of this design answers in that time.
    """
    end = time.monotonic() + patience_s
    while True:
        try:
            with Link(port, baud=registry.board(board).baud, map=report["map"]) as link:
                found = link.identity
                return f"{link.map.design} answers on {port}: design {found.design_digest}, map {found.map_digest}"
        except LinkError:
            if time.monotonic() >= end:
                raise
            time.sleep(_PAUSE_S)
