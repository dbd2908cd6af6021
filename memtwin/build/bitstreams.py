"""From a design to a bitstream: one that a host drives over the serial port of the board, or one that needs no host."""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from memtwin import designs
from memtwin.boards import build as board_build
from memtwin.boards.fits import fits, fitting
from memtwin.boards.registry import board as find_board
from memtwin.hdl.port.host import HostPort
from memtwin.link.design_maps import design_map, host_of

__all__ = ["build", "is_linked", "to_stderr"]

_NAMED = 4  # boards that a message names


def to_stderr(line: str) -> None:
    """Write a line to standard error."""
    print(line, file=sys.stderr, flush=True)


def is_linked(design: str, board: str) -> bool:
    """Whether a design is built with the link unless a user asks for the other.

    Networks are, but where it was measured that the link does not fit.

    Raises
    ------
    InputError
        If the design or the board is unknown.
    """
    name = find_board(board).name
    return designs.find_design(design).is_network and fits(linked=True).get(name, {}).get(design, {}).get("fits", True)


def build(
    design: str,
    board: str,
    out: str | os.PathLike[str],
    changes: designs.Changes | None = None,
    *,
    linked: bool | None = None,
    reuse: bool = False,
    say: Callable[[str], None] = to_stderr,
) -> dict[str, Any]:
    """Build the bitstream of a design for a board.

    Parameters
    ----------
    design, board : str
        Names.
    out : path
        Folder of the results, see `memtwin.boards.build.build_top`.
    changes : Changes, optional
        What differs from the default cards and options.
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
        If the design or the board is unknown, the design is no network but is to have the link, a change does not fit,
        or a tool is missing.
    DoesNotFit, TooSlow, ToolError
        See `memtwin.boards.build.build`.
    """
    with_link = is_linked(design, board) if linked is None else linked
    try:
        if with_link:
            network = partial(_network, design, changes)
            report = board_build.build_linked(design, board, out, network, reuse=reuse, say=say)
        else:
            content = partial(designs.board_content, changes=changes)
            report = board_build.build(design, board, out, content, reuse=reuse, say=say)
    except (board_build.DoesNotFit, board_build.TooSlow) as error:
        error.args = ("; ".join([str(error), *_hints(design, board, changes, with_link)]),)
        raise
    return {**report, "warnings": designs.find_design(design, changes).warnings}


def _hints(design: str, board: str, changes: designs.Changes | None, linked: bool) -> list[str]:
    """Say what can be done about a design that a board does not hold.

    What was measured of a design as it is shipped says nothing of one that was changed.
    """
    out = ["--alone builds it without the link, in fewer cells"] if linked else []
    if designs.find_design(design, changes).settings.options.get("lanes", 1) > 1:
        out.append("--set lanes=1 takes fewer cells and more clocks")
    boards = [name for name in fitting(design, linked=linked) if name != find_board(board).name]
    if boards and changes in (None, designs.Changes()):
        more = ", and others that memtwin boards lists" if len(boards) > _NAMED else ""
        out.append(f"{'with the link ' * linked}it fits {', '.join(boards[:_NAMED])}{more}")
    return out


def _network(design: str, changes: designs.Changes | None, traces: bool) -> tuple[HostPort, Mapping[str, object]]:
    host = host_of(design, changes)
    return host, design_map(design, host, traces=traces)
