"""Files that are written whole or not at all."""

import contextlib
import os
from pathlib import Path

from memtwin.sim.errors import InputError

__all__ = ["write_whole"]


def write_whole(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write a file, and the directories that it needs; returns its path.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise InputError(f"file {path}: cannot be written ({error.strerror})") from None
    return path
