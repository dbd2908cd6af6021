"""What the commands that draw many random networks are asked: how many of each kind, from which seed, which kinds."""

import argparse
from collections.abc import Sequence

from memtwin.sim.kinds import KINDS


def asked(name: str, about: str, *, number: int) -> tuple[Sequence[str], range]:
    """Read the command line: kinds, and seeds of each; by default `number` of every kind, from 0 on."""
    parser = argparse.ArgumentParser(prog=name, description=about.splitlines()[0])
    parser.add_argument("--number", type=int, default=number, help=f"of each kind (default: {number})")
    parser.add_argument("--seed", type=int, default=0, help="of the first of each kind (default: 0)")
    parser.add_argument("--kind", choices=KINDS, action="append", help="one kind (default: all)")
    options = parser.parse_args()
    return options.kind or list(KINDS), range(options.seed, options.seed + options.number)
