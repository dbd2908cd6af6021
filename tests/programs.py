"""Programs that stand in for tools: scripts for this Python, wherever it lies."""

import shlex
import sys
from pathlib import Path


def write_program(path: Path, script: str) -> Path:
    """Write a program of Python that can be run; the path of its interpreter may have spaces, which a ``#!`` cannot."""
    # The shell starts Python with this file; to Python those lines are a text.
    start = f"#!/bin/sh\n'''exec' {shlex.quote(sys.executable)} \"$0\" \"$@\"\n' '''\n"
    path.write_text(f"{start}{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path
