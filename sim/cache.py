"""Programs, and parts of them, that are compiled once and kept by their content, each with a checksum beside it.

They are in ``MEMTWIN_CACHE``, else in ``memtwin`` of ``XDG_CACHE_HOME`` or ``~/.cache``.
"""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from memtwin.sim.errors import InputError
from memtwin.sim.files import whole, write_whole
from memtwin.sim.scratch import scratch

__all__ = ["cache_directory", "cached"]


def cache_directory() -> Path:
    """Directory of the cache, made if it is not there.

    Raises
    ------
    InputError
        If it cannot be made.
    """
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    path = Path(os.environ.get("MEMTWIN_CACHE") or f"{base}/memtwin").expanduser().resolve()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cache {path}: cannot be made ({error.strerror}); set MEMTWIN_CACHE to a directory") from None
    return path


def cached(name: str, build: Callable[[Path], Path]) -> Path:
    """Return the path of what was compiled; what is missing or damaged is built, by one process at a time.

    Parameters
    ----------
    name : str
        File name, which tells all that the program depends on.
    build : callable
        Makes the program in a directory that it is given, and returns its path there.

    Raises
    ------
    InputError
        If the cache or the directory for the build cannot be written.
    """
    cache = cache_directory()
    path = cache / name
    if _is_whole(path):
        return path
    try:
        with _lock(cache / f"{name}.lock"):
            if not _is_whole(path):  # another process may have built it meanwhile
                with scratch() as directory:
                    _keep(build(directory), path)
    except OSError as error:
        where = error.filename or cache
        raise InputError(
            f"cache {cache}: {where} cannot be written ({error.strerror or error}); make room there, or set "
            "MEMTWIN_CACHE to another directory"
        ) from None
    return path


def _checksum(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _is_whole(path: Path) -> bool:
    """Whether a program is there, and is what was built."""
    try:
        return _checksum(path).read_text(encoding="ascii") == _digest(path)
    except (OSError, ValueError):
        return False


def _digest(path: Path) -> str:
    """Of the content of a file, and of whether it can be run."""
    return f"{hashlib.sha256(path.read_bytes()).hexdigest()} {'program' if os.access(path, os.X_OK) else 'part'}"


def _keep(made: Path, path: Path) -> None:
    """Take a program into the cache."""
    with whole(path) as partial:
        shutil.copy(made, partial)  # with its permissions
    write_whole(_checksum(path), _digest(made).encode())


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Let one process at a time build a program; the lock of a process that dies is free."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
