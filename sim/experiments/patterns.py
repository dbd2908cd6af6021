"""Pattern files: small black and white pictures as text, ``#`` a black pixel and ``.`` a white one.

A blank line ends a pattern; all patterns have one size::

    .#.
    ###

    #.#
    .#.
"""

import importlib.resources
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError
from memtwin.sim.files import read_text

__all__ = ["load_patterns", "parse_patterns", "pattern_names"]

LEAST, MOST = 2, 32  # patterns in a file
_LARGEST = 2**20  # bytes in a file


def pattern_names() -> list[str]:
    """Names of the pattern files that are shipped."""
    folder = importlib.resources.files("memtwin.sim") / "data"
    return sorted(entry.name.removesuffix(".txt") for entry in folder.iterdir() if entry.name.endswith(".txt"))


def load_patterns(name: str | Path) -> NDArray[np.uint8]:
    """Load a shipped pattern file by name, or any by path (a name that ends in ``.txt``, or of a file that is there).

    Returns
    -------
    uint8 array (patterns, height, width)
        1 where a pixel is black.

    Raises
    ------
    InputError
        If there is no such file, or it is not made of 2 to 32 different patterns of equal size.
    """
    where = f"pattern file {name}"
    if str(name) in pattern_names():
        text = (importlib.resources.files("memtwin.sim") / "data" / f"{name}.txt").read_text(encoding="utf-8")
    elif Path(name).suffix == ".txt" or os.path.exists(name):
        text = read_text(name, where, _LARGEST)
    else:
        names = ", ".join(pattern_names())
        raise InputError(f"option patterns: expected one of {names}, or the path of a .txt file, not {str(name)!r}")
    return parse_patterns(text, where)


def parse_patterns(text: str, where: str) -> NDArray[np.uint8]:
    """Parse the text of a pattern file; `where` names it in messages.

    Raises
    ------
    InputError
        As `load_patterns`; the message names the line.
    """
    patterns: list[list[str]] = []
    starts: list[int] = []
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        row = line.rstrip()
        if not row:
            inside = False
            continue
        if not inside:
            patterns.append([])
            starts.append(number)
            inside = True
        wrong = set(row) - {"#", "."}
        if wrong:
            raise InputError(f"{where}, line {number}: expected only # (black) and . (white), not {min(wrong)!r}")
        if len(row) != len(patterns[0][0] if patterns[0] else row):
            raise InputError(
                f"{where}, line {number}: expected {len(patterns[0][0])} pixels as in line {starts[0]}, not {len(row)}"
            )
        patterns[-1].append(row)
    if not LEAST <= len(patterns) <= MOST:
        raise InputError(
            f"{where}: expected {LEAST} to {MOST} patterns with a blank line between them, not {len(patterns)}"
        )
    for start, pattern in zip(starts, patterns, strict=True):
        if len(pattern) != len(patterns[0]):
            raise InputError(
                f"{where}, line {start}: expected {len(patterns[0])} rows as in the first pattern, not {len(pattern)}"
            )
    pixels = np.array([[[mark == "#" for mark in row] for row in pattern] for pattern in patterns], dtype=np.uint8)
    seen: dict[bytes, int] = {}
    for start, pattern in zip(starts, pixels, strict=True):
        if not pattern.any():
            raise InputError(f"{where}, line {start}: expected a pattern with at least one black pixel")
        if (first := seen.setdefault(pattern.tobytes(), start)) != start:
            raise InputError(f"{where}, line {start}: expected a new pattern, not that of line {first} again")
    return pixels
