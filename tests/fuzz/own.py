"""Network files and files of spikes: good ones, and mutants of their lines."""

import random
import re
from collections.abc import Sequence

import numpy as np

from memtwin.own.files import load_network, template
from memtwin.own.inputs import load_spikes
from memtwin.sim.kinds import KINDS
from memtwin.sim.own.train import Size
from tests.fuzz.mutators import NUMBERS

__all__ = ["SPIKES", "TEMPLATES", "network", "read_network", "read_spikes", "spikes"]

TEMPLATES = [template(kind).encode() for kind in KINDS]
SPIKES = [b"step,address\n0,0\n3,2\n3,2\n", b"time_s,address\n0.0,1\n2.5e-3,0\n"]

_VALUES = (
    "true",
    '"inf"',
    '"1ms"',
    '"-2V"',
    "[]",
    "[[1, 2], [3]]",
    "[1e999]",
    '"w.csv"',
    "{}",
    "1979-05-27",
    '""',
    "nan",
)


def read_network(path):
    """Read a network file, and make the job that shows its input."""
    net = load_network(path)
    if net.input is not None:
        net.job(None)


def network(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Change values of options, and leave out, double or move lines."""
    lines = rng.choice(seeds).decode().split("\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(lines))
        what = rng.random()
        if what < 0.7:
            at = rng.choice([number for number, line in enumerate(lines) if re.match(r"(# )?\w+ = ", line)] or [at])
            number = rng.choice(NUMBERS)
            text = str(number) if isinstance(number, float) or abs(number) < 10**40 else "1" + "0" * 400
            lines[at] = (
                f"{lines[at].removeprefix('# ').partition(' = ')[0]} = {rng.choice((text, rng.choice(_VALUES)))}"
            )
        elif what < 0.8:
            del lines[at]
            lines = lines or [""]
        else:
            lines.insert(rng.randrange(len(lines)), rng.choice((lines[at], "[[layer]]", "[input]", "[network]")))
    return "\n".join(lines).encode()


def read_spikes(path):
    """Read spikes, and make a train of them."""
    load_spikes(path).train(Size(inputs=4, outputs=1, step=1e-3))


def spikes(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Draw lines of events, some of which are none."""
    header = rng.choice(seeds).partition(b"\n")[0].decode()
    lines = [header]
    for _ in range(rng.choice((0, 1, 5, 300))):
        step = rng.choice((rng.randrange(2000), *NUMBERS)) if rng.random() < 0.1 else rng.randrange(2000)
        lines.append(f"{step},{rng.choice((0, 1, 3, 4, -1)) if rng.random() < 0.05 else rng.randrange(4)}")
    if rng.random() < 0.1:
        lines.append(rng.choice(("1", "a,b", "1,2,3", ",", "#", str(np.nan), "\0")))
    return "\n".join(lines).encode()
