"""Formats of users' files, from bytes in memory: bounded in memory and work, and every fault is an `InputError`.

What a parser raises depends on where a file is damaged: `parsing` makes one line of all of it. What a parser would do
without a fault, but with more memory or time than any honest file needs, is refused before it runs.
"""

import io
import json
import math
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError

__all__ = ["LARGEST_NPZ", "parse_json", "parse_npy", "parse_npz", "parse_toml", "parsing"]

LARGEST_NPZ = 2**28  # bytes of all arrays of a file, unpacked
_MEMBERS = 4096  # arrays in a file
_ENTRY = b"PK\x01\x02"  # begins an entry in the directory of a zip file
_KINDS = "biufU"  # truth values, integers, numbers, texts
_LAST_CHARACTER = 0x10FFFF
_DOTS = 256  # in a line of TOML; the work for a dotted key is the square of its parts


@contextmanager
def parsing(where: str, expected: str) -> Iterator[None]:
    """Say of whatever a parser raises within the ``with`` statement what was `expected`, and what the parser said.

    Raises
    ------
    InputError
        Instead of any other exception, `RecursionError` and `MemoryError` among them.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"{where}: expected {expected} ({str(error) or type(error).__name__})") from None


def parse_toml(text: str, where: str) -> dict[str, Any]:
    """Parse TOML; `where` names it in messages.

    Raises
    ------
    InputError
        If it is no TOML, or has a line with more than 256 dots.
    """
    for number, line in enumerate(text.split("\n"), start=1):
        if line.count(".") > _DOTS:
            raise InputError(f"{where}, line {number}: expected at most {_DOTS} dots, not {line.count('.')}")
    with parsing(where, "a TOML file"):
        return tomllib.loads(text)


def parse_json(text: str, where: str, expected: str) -> Any:
    """Parse JSON: finite numbers, and no name twice in an object. `expected` says in messages what it should be.

    Raises
    ------
    InputError
        If it is something else.
    """
    with parsing(where, expected):
        return json.loads(text, object_pairs_hook=_members, parse_constant=_finite, parse_float=_finite)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)!r} twice in an object")
    return members


def _finite(number: str) -> float:
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is not finite")
    return value


def parse_npz(data: bytes, where: str, expected: str) -> dict[str, NDArray[Any]]:
    """Parse the arrays of an NPZ file, by name.

    Members are stored or deflated, as NumPy writes them; arrays are of truth values, integers, numbers or texts.
    `expected` says in messages what the file should be.

    Raises
    ------
    InputError
        If it is something else, damaged, or has more than `LARGEST_NPZ` bytes of arrays.
    """
    out = {}
    with parsing(where, expected):
        if (count := data.count(_ENTRY)) > _MEMBERS:
            raise ValueError(f"{count} arrays; at most {_MEMBERS} are read")
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            members = file.infolist()
            if (total := sum(member.file_size for member in members)) > LARGEST_NPZ:
                raise ValueError(f"{total} bytes of arrays; at most {LARGEST_NPZ} are read")
            for member in members:
                name = member.filename.removesuffix(".npy")
                with parsing(f"{where}, array {name}", expected):
                    if name in out:
                        raise ValueError("two arrays of one name")
                    out[name] = _array(file, member)
    return out


def parse_npy(data: bytes, where: str, expected: str) -> NDArray[Any]:
    """Parse the array of a file of NumPy, of truth values, integers, numbers or texts.

    Raises
    ------
    InputError
        If it is something else, or damaged.
    """
    with parsing(where, expected):
        return _content(data)


def _array(file: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """Read one array."""
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"compressed by method {member.compress_type}, not by deflate")
    with file.open(member) as packed:
        return _content(packed.read(member.file_size))  # a member may unpack to more than it says


def _content(content: bytes) -> NDArray[Any]:
    stream = io.BytesIO(content)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    shape, by_column, dtype = readers[np.lib.format.read_magic(stream)](stream)
    if dtype.kind not in _KINDS:
        raise ValueError(f"an array of {dtype}")
    count, found = math.prod(shape), len(content) - stream.tell()
    if any(size < 0 for size in shape) or count * dtype.itemsize != found:
        raise ValueError(f"{found} bytes for {dtype} of the shape {shape}")
    values = np.frombuffer(content, dtype, count=count, offset=stream.tell())
    if dtype.kind == "U" and values.size and np.max(values.view(f"{dtype.byteorder}u4")) > _LAST_CHARACTER:
        raise ValueError("a text with a character that there is not")
    return values.reshape(shape, order="F" if by_column else "C").copy()
