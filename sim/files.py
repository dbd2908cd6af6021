"""Files that are written whole or not at all, and files of arrays."""

import glob
import io
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError

__all__ = ["read_arrays", "whole", "write_arrays", "write_whole"]


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
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
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


def read_arrays(path: str | os.PathLike[str], expected: str) -> dict[str, NDArray[Any]]:
    """Read the arrays of an NPZ file by name.

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
    try:
        with np.load(io.BytesIO(Path(path).read_bytes()), allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except OSError as error:
        raise InputError(f"file {path}: cannot be read ({error.strerror or error})") from None
    # What NumPy says of a damaged file depends on where the damage is.
    except (ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error):
        raise InputError(f"file {path}: expected {expected}") from None
