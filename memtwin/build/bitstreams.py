"""From a design to a bitstream: one that a host drives over the serial port of the board, or one that needs no host."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

from memtwin.boards import build as board_build
from memtwin.boards.fits import fits, fitting
from memtwin.boards.registry import board as find_board
from memtwin.design import Design
from memtwin.hdl.port.host import HostPort
from memtwin.link.design_maps import design_map, host_of

__all__ = ["build", "is_linked", "to_stderr"]

_NAMED = 4  # boards that a message names


def to_stderr(line: str) -> None:
    """Write a line to standard error."""
    print(line, file=sys.stderr, flush=True)


def is_linked(design: Design, board: str) -> bool:
    """Whether a design is built with the link unless a user asks for the other.

    Networks are, but where it was measured that the link does not fit.

    Raises
    ------
    InputError
        If the board is unknown.
    """
    found = fits(linked=True).get(find_board(board).name, {}) if design.is_shipped else {}
    return design.is_network and found.get(design.name, {}).get("fits", True)


def build(
    design: Design,
    board: str,
    out: str | os.PathLike[str],
    *,
    linked: bool | None = None,
    reuse: bool = False,
    say: Callable[[str], None] = to_stderr,
) -> dict[str, Any]:
    """Build the bitstream of a design for a board.

    Parameters
    ----------
    design : Design
        Design, as shipped or of a network of one's own.
    board : str
        Name.
    out : path
        Folder of the results, see `memtwin.boards.build.build_top`.
    linked : bool, optional
        A host drives it, or it plays for itself; without it see `is_linked`.
    reuse, say
        See `memtwin.boards.build.build_top`.

    Returns
    -------
    dict
        See `memtwin.boards.build.build_top`; and ``warnings``, what a user should know of the design.

    Raises
    ------
    InputError
        If the board is unknown, the design is no network but is to have the link, it needs the link but is to have
        none, a value does not fit its word, or a tool is missing.
    DoesNotFit, TooSlow, ToolError
        See `memtwin.boards.build.build`.
    """
    with_link = is_linked(design, board) if linked is None else linked

    def network(traces: bool) -> tuple[HostPort, Mapping[str, object]]:
        host = host_of(design)
        return host, design_map(design.name, host, traces=traces)

    try:
        if with_link:
            report = board_build.build_linked(design.name, board, out, network, reuse=reuse, say=say)
        else:
            report = board_build.build(design.name, board, out, design.board_content(), reuse=reuse, say=say)
    except (board_build.DoesNotFit, board_build.TooSlow) as error:
        error.args = ("; ".join([str(error), *_hints(design, board, with_link)]),)
        raise
    return {**report, "warnings": design.warnings}


def _hints(design: Design, board: str, linked: bool) -> list[str]:
    """Say what can be done about a design that a board does not hold.

    What was measured of a design as it is shipped says nothing of one that was changed.
    """
    out = ["--alone builds it without the link, in fewer cells"] if linked and design.is_shipped else []
    if option := design.narrower:
        out.append(f"{option} takes fewer cells and more clocks")
    found = [] if design.is_changed else fitting(design.name, linked=linked)
    boards = [name for name in found if name != find_board(board).name]
    if boards:
        more = ", and others that memtwin boards lists" if len(boards) > _NAMED else ""
        out.append(f"{'with the link ' * linked}it fits {', '.join(boards[:_NAMED])}{more}")
    return out
