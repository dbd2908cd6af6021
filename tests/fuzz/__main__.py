"""Reads mutants of users' files, and says what came of them: ``make fuzz N=20000``.

Mutants are drawn by their number, so each can be drawn again. Those that make anything but a result or one line of
refusal are kept in the output folder.
"""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.fuzz.formats import FORMATS
from tests.fuzz.run import run


def main() -> None:
    """Run, print a table, exit with 1 if a mutant was not handled."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=main.__doc__)
    parser.add_argument("--count", type=int, default=1000, help="mutants of each format")
    parser.add_argument("--start", type=int, default=0, help="number of the first one")
    parser.add_argument("--format", action="append", choices=list(FORMATS), help="formats; all without it")
    parser.add_argument("-o", dest="out", type=Path, default=Path("out/fuzz"), help="folder for what was not handled")
    chosen = parser.parse_args()
    bad = 0
    print("format    mutants  accepted  refused  faults  slowest (s)  memory (MiB)  processor (s)")
    for kind in chosen.format or FORMATS:
        with tempfile.TemporaryDirectory() as folder:
            found = run({kind: range(chosen.start, chosen.start + chosen.count)}, Path(folder))[kind]
        print(
            f"{kind:8} {found.count:8} {found.accepted:9} {found.refused:8} {len(found.faults):7} "
            f"{found.slowest:12.3f} {found.memory / 1024:13.1f} {found.seconds:14.1f}",
            flush=True,
        )
        for number, what in found.faults.items():
            chosen.out.mkdir(parents=True, exist_ok=True)
            (chosen.out / f"{kind}-{number}").write_bytes(FORMATS[kind].mutant(random.Random(f"{kind} {number}")))
            print(f"  {kind} {number}: {what}", flush=True)
        bad += len(found.faults)
    sys.exit(bad > 0)


if __name__ == "__main__":
    main()
