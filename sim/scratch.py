"""Directories for work in progress, which are gone when the work is over, whatever ends it."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["scratch"]

_PREFIX = "memtwin-work-"
# Makefiles and the scripts of Yosys and Verilog take no other path.
_PLAIN = re.compile(r"[\w./+-]+", re.ASCII)
_FALLBACK = "/tmp"


@contextmanager
def scratch() -> Iterator[Path]:
    """Make a directory that is removed at the end of a ``with`` statement.

    Its path is one that every tool takes: of letters, digits and ``. / + - _`` alone. It is locked while it is in use,
    so that what a process has left that was killed is found, and removed, when the next one makes a directory.
    """
    parent = Path(tempfile.gettempdir())
    if not _PLAIN.fullmatch(str(parent)):
        parent = Path(_FALLBACK)
    _sweep(parent)
    path, lock = _make(parent)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _make(parent: Path) -> tuple[Path, int]:
    """Make a directory and lock it; returns its path and the open directory that holds the lock."""
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        with suppress(FileNotFoundError):  # swept before it was locked
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():
                return path, lock
            os.close(lock)


def _sweep(parent: Path) -> None:
    """Remove the directories whose process is gone."""
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # of another user, or swept by another process
            lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(lock)
