"""Kills commands at random moments, and looks at what they leave: ``python -m tests.kill [MOMENTS [JOB ...]]``.

Whatever the moment, no file with a final name is anything but whole, and the same command, run again, gives the result
of one that nobody disturbed, and clears away what the killed one has left.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from memtwin.train.data import draw_digits

COMMANDS = {
    "run": "run digits --backend rtl --set patterns=two.txt --set epochs=3 --save out/states.npz -o out --json",
    "train": "train mnist --data mnist --net 784x10 --epochs 4 -o out/net.nir --json",
    "build": "build ts-neuron --board icebreaker -o out --json",
}
JOBS = {name: command.split() for name, command in COMMANDS.items()}
IMAGES = {"train": 1000, "t10k": 100}


@dataclass
class Figures:
    """What happened: kills, runs that were over before it, files seen under a final name after a kill."""

    killed: int = 0
    over: int = 0
    files: int = 0


def inputs(folder: Path) -> None:
    """Write what the commands read: two patterns, and pictures in the files of MNIST."""
    (folder / "two.txt").write_text("#.#\n.#.\n\n.#.\n#.#\n", encoding="utf-8")
    (folder / "mnist").mkdir()
    for part, count in IMAGES.items():
        digits = draw_digits(count, seed=count)
        for name, array in (("images-idx3", digits.images.reshape(-1, 28, 28)), ("labels-idx1", digits.labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            (folder / "mnist" / f"{part}-{name}-ubyte").write_bytes(header + array.tobytes())


def start(job: str, folder: Path) -> subprocess.Popen[str]:
    """Start a command in `folder`, which holds all that it writes: results, cache, and work in progress."""
    (folder / "tmp").mkdir(exist_ok=True)
    env = os.environ | {"MEMTWIN_CACHE": str(folder / "cache"), "TMPDIR": str(folder / "tmp")}
    return subprocess.Popen(
        [sys.executable, "-m", "memtwin", *JOBS[job]],
        cwd=folder,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def finish(job: str, folder: Path) -> object:
    """Run a command to its end; returns what it says that is no time."""
    process = start(job, folder)
    said, errors = process.communicate()
    assert process.returncode == 0, errors
    found = json.loads(said)
    return {name: value for name, value in found.items() if "seconds" not in name}


def digest(path: Path) -> str:
    """SHA-256 of a file, 64 hex digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def whole_files(folder: Path) -> dict[str, str]:
    """Digests of the results by name, and verdicts on the programs of the cache, which differ from build to build."""
    # What tools say of their time and memory is never the same.
    results = [path for path in (folder / "out").rglob("*") if path.is_file() and path.suffix not in (".part", ".log")]
    found = {path.name: digest(path) for path in results}
    for checksum in (folder / "cache").glob("*.sha256"):
        is_whole = checksum.read_text(encoding="ascii") == digest(checksum.with_suffix(""))
        found[checksum.stem] = "whole" if is_whole else "damaged"
    return found


def unfinished(folder: Path) -> list[str]:
    """What lies there that belongs to work in progress."""
    parts = [path.name for part in ("out", "cache") for path in (folder / part).rglob("*.part")]
    return [*parts, *(path.name for path in (folder / "tmp").glob("memtwin-work-*"))]


def kill(job: str, moments: int, seed: int = 0) -> Figures:
    """Kill a command at random moments.

    Raises
    ------
    AssertionError
        If a file is half-written, or the next run does not recover.
    """
    dice = random.Random(f"{job} {seed}")
    figures = Figures()
    with tempfile.TemporaryDirectory(prefix="memtwin-kill-") as name:
        folder = Path(name)
        inputs(folder)
        began = time.monotonic()
        expected = finish(job, folder)
        cold = time.monotonic() - began  # with an empty cache
        files = whole_files(folder)
        began = time.monotonic()
        assert finish(job, folder) == expected
        warm = time.monotonic() - began
        assert whole_files(folder) == files, "two undisturbed runs differ"
        for number in range(moments):
            shutil.rmtree(folder / "out")
            is_cold = number % 4 == 0
            if is_cold:
                shutil.rmtree(folder / "cache", ignore_errors=True)
            process = start(job, folder)
            time.sleep(dice.uniform(0, cold if is_cold else warm))
            figures.over += process.poll() is not None
            figures.killed += process.poll() is None
            process.kill()  # it alone: what it has started finds out by itself
            process.communicate()
            left = whole_files(folder)
            figures.files += len(left)
            assert left.items() <= files.items(), "a file is not what it is when the run is over"
            assert finish(job, folder) == expected
            assert whole_files(folder) == files
            assert not unfinished(folder)
    return figures


def main() -> None:
    """Kill each job so many times, and say what happened."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("moments", type=int, nargs="?", default=20)
    parser.add_argument("jobs", nargs="*", default=[*JOBS])
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    asked = parser.parse_args()
    for job in asked.jobs:
        print(job, kill(job, asked.moments, asked.seed), flush=True)


if __name__ == "__main__":
    main()
