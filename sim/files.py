"""Files that are written whole or not at all, users' files that are read whole or refused, and files of arrays."""

import glob
import io
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError
from memtwin.sim.parsers import LARGEST_NPZ, parse_npz, parsing

__all__ = ["read_arrays", "read_bytes", "read_text", "whole", "write_arrays", "write_whole"]


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give the path of a file beside `path` to be written, which takes its place when the ``with`` statement is over.

    Directories that it needs are made. If something goes wrong, Ctrl-C included, `path` is as before.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    path = Path(path)
    partial = path.parent / f"{path.name}.{os.getpid()}.part"  # of "." and "/", which have no name, as of any directory
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        yield partial
        partial.replace(path)
    except OSError as error:
        raise InputError(f"file {path}: cannot be written ({error.strerror or error})") from None
    finally:
        with suppress(OSError):  # there is none any more, or there never was
            partial.unlink()


def _sweep(path: Path) -> None:
    """Remove what processes that were killed have left beside `path`."""
    for partial in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        process = partial.name.removeprefix(f"{path.name}.").removesuffix(".part")
        if process.isdecimal() and not Path(f"/proc/{process}").exists():
            partial.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write a file, and the directories that it needs; returns its path.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    with whole(path) as partial:
        partial.write_bytes(data)
    return Path(path)


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> Path:
    """Write arrays by name to an NPZ file, whole or not at all; returns its path.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return write_whole(path, file.getvalue())


def read_bytes(path: str | os.PathLike[str], where: str, most: int) -> bytes:
    """Read a user's file: a regular one, or a link to one, of at most `most` bytes; `where` names it in messages.

    Raises
    ------
    InputError
        If it cannot be read, or is something else: a device or a pipe may never end, or wait for ever.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            is_regular, size = stat.S_ISREG(status.st_mode), status.st_size
            data = file.read(most + 1) if is_regular and size <= most else b""
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise InputError(f"{where}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if not is_regular:
        raise InputError(f"{where}: cannot be read (expected a regular file, not a device or a pipe)")
    if (size := max(size, len(data))) > most:
        raise InputError(f"{where}: expected a file of at most {most} bytes, not {size}")
    return data


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # a pipe that nobody writes to does not wait


def read_text(path: str | os.PathLike[str], where: str, most: int) -> str:
    """Read a user's file of UTF-8 text, as `read_bytes`; a byte order mark, as spreadsheets write it, is no part of it.

    Raises
    ------
    InputError
        As `read_bytes`, or if it is no UTF-8.
    """
    data = read_bytes(path, where, most)
    with parsing(where, "UTF-8 text"):
        return data.decode("utf-8-sig")


def read_arrays(path: str | os.PathLike[str], expected: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of an NPZ file by name (`memtwin.sim.parsers.parse_npz`).

    Parameters
    ----------
    path : path
        File.
    expected : str
        What it should be, for the message.

    Raises
    ------
    InputError
        If it cannot be read, or is no such file.
    """
    where = f"file {path}"
    return parse_npz(read_bytes(path, where, LARGEST_NPZ), where, expected)
