"""Programs that stand in for tools: scripts for this Python, wherever it lies; and whether they have ended."""

import shlex
import sys
import time
from pathlib import Path

# A script of the shell that starts another program, which would run for long, and waits for it.
NEST = "sleep 1000 & echo $! > pid; wait"


def write_program(path: Path, script: str) -> Path:
    """Write a program of Python that can be run; the path of its interpreter may have spaces, which a ``#!`` cannot."""
    # The shell starts Python with this file; to Python those lines are a text.
    start = f"#!/bin/sh\n'''exec' {shlex.quote(sys.executable)} \"$0\" \"$@\"\n' '''\n"
    path.write_text(f"{start}{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def ended(pid: int) -> bool:
    """Whether a process is gone, or has only not been fetched yet."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def until(happens) -> None:
    for _ in range(6000):  # a guard against a hang, no limit
        if happens():
            return
        time.sleep(0.01)
    raise AssertionError("never happens")


def written(path) -> bool:
    return path.exists() and path.read_text().endswith("\n")
