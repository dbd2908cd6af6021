"""Runs workers over mutants, and starts another one after each that did not live."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Found", "run"]

ROOT = Path(__file__).parents[2]


@dataclass
class Found:
    """What came of the mutants of a format.

    Attributes
    ----------
    accepted, refused : int
        How many were read, and refused in one line.
    faults : dict of int to str
        What was wrong with others, by number.
    seconds, slowest : float
        Processor time of all and of one.
    memory : int
        By how much the largest of them let the process grow, KiB.
    """

    accepted: int = 0
    refused: int = 0
    faults: dict[int, str] = field(default_factory=dict)
    seconds: float = 0.0
    slowest: float = 0.0
    memory: int = 0

    @property
    def count(self) -> int:
        """How many mutants were read."""
        return self.accepted + self.refused + len(self.faults)


def run(numbers: Mapping[str, range], folder: Path, worker: str = "tests.fuzz.worker") -> dict[str, Found]:
    """Read mutants of some formats, by number, with the module `worker`; files go to a folder."""
    found = {kind: Found() for kind in numbers}
    left = {kind: (span.start, span.stop) for kind, span in numbers.items() if span}
    while left:
        parts = [str(part) for kind, (start, stop) in left.items() for part in (kind, start, stop)]
        command = [sys.executable, "-m", worker, str(folder), *parts]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
        lines = done.stdout.splitlines()
        for head, result in zip(lines[::2], lines[1::2], strict=False):
            _note(found, head, result)
        if done.returncode == 0:
            return found
        if len(lines) % 2 == 0:  # it did not end while it read a file
            raise RuntimeError(f"the worker ended with {done.returncode}")
        kind, number = lines[-1].split()
        found[kind].faults[int(number)] = f"the process ended with {done.returncode}"
        kinds = list(left)
        left = {name: left[name] for name in kinds[kinds.index(kind) :]}
        left[kind] = (int(number) + 1, left[kind][1])
    return found


def _note(found: Mapping[str, Found], head: str, result: str) -> None:
    kind, number = head.split()
    seconds, memory, what = result.split(" ", 2)
    own = found[kind]
    own.seconds += float(seconds)
    own.slowest = max(own.slowest, float(seconds))
    own.memory = max(own.memory, int(memory))
    if what == "accepted":
        own.accepted += 1
    elif what == "refused":
        own.refused += 1
    else:
        own.faults[int(number)] = what
