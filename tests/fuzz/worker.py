"""Reads mutants one after the other: ``python -m tests.fuzz.worker FOLDER FORMAT START STOP ...``.

On standard output every mutant has two lines: ``FORMAT NUMBER`` before it is read, and what came of it after. So
whoever reads them knows the mutant that made this process crash, hang or fill the memory it is given.
"""

import random
import resource
import signal
import sys
import time
import traceback
import warnings
from pathlib import Path

from memtwin.sim.errors import InputError
from tests.fuzz.formats import FORMATS

__all__ = ["MEMORY", "SECONDS", "attempt", "main"]

SECONDS = 20  # of processor time that one file may take
MEMORY = 2**30  # bytes that this process may take beyond what it has at the start
_NO_MEMORY = ("MemoryError", "Unable to allocate", "cannot allocate")


def attempt(kind: str, path: Path) -> str:
    """Read a file; returns ``accepted``, ``refused``, or what is wrong: another exception, or a line that is none."""
    try:
        FORMATS[kind].read(path)
    except InputError as error:
        said = str(error)
        if not said.isprintable() or len(said) > 2100:
            return f"fault: a message that is no printable line: {said[:200]!r}"
        return f"fault: {said}" if any(sign in said for sign in _NO_MEMORY) else "refused"
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        return f"fault: {type(error).__name__} {error} at {at.filename}:{at.lineno}".replace("\n", " ")
    return "accepted"


def main(folder: str, *parts: str) -> None:
    """Read mutants number START to STOP of each FORMAT; they are written to a folder."""
    warnings.simplefilter("error")
    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for kind, start, stop in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        path = Path(folder) / FORMATS[kind].name
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for number in range(int(start), int(stop)):
            data = FORMATS[kind].mutant(random.Random(f"{kind} {number}"))
            path.write_bytes(data)
            print(kind, number, flush=True)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # ends the process, also while it is in a C library
            began = time.thread_time()  # that of the process stands still while its timer runs
            result = attempt(kind, path)
            seconds = time.thread_time() - began
            signal.setitimer(signal.ITIMER_PROF, 0)
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
            print(f"{seconds:.6f} {grown} {result}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
