"""Networks of one's own as Verilog, and as a bitstream that a host drives over the board's serial port."""

import os
from collections.abc import Callable
from typing import Any

from memtwin.own.design import OwnDesign
from memtwin.own.network import Network
from memtwin.sim.extras import extra_for
from memtwin.sim.files import write_whole

__all__ = ["build", "verilog"]


def verilog(
    network: Network,
    path: str | os.PathLike[str] | None = None,
    *,
    seed: int = 0,
    allow_clipping: bool = False,
) -> str:
    """Return the Verilog of a network, with the devices of a seed, and write it to a file if a path is given.

    Raises
    ------
    InputError
        If a value does not fit its word, Amaranth is missing, or the file cannot be written.
    """
    with extra_for("memtwin.verilog"):
        text = OwnDesign(network, seed=seed, allow_clipping=allow_clipping).verilog()
    if path is not None:
        write_whole(path, text.encode())
    return text


def build(
    network: Network,
    board: str,
    out: str | os.PathLike[str] = "out",
    *,
    seed: int = 0,
    allow_clipping: bool = False,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Build the bitstream of a network for a board, with the link to a host; see `memtwin.build.bitstreams.build`.

    Raises
    ------
    InputError
        If the board is unknown, a value does not fit its word, or a tool is missing.
    DoesNotFit, TooSlow, ToolError
        See `memtwin.boards.build.build`.
    """
    from memtwin.build import bitstreams

    design = OwnDesign(network, seed=seed, allow_clipping=allow_clipping)
    return bitstreams.build(design, board, out, say=say or bitstreams.to_stderr)
