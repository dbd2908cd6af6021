"""Draws random networks of one's own and holds model against physics: ``make bounds [N=100] [SEED=0] [KIND=opamp]``.

Each network must be inside its bounds, or a user must be told, by a warning that comes with a run of the model.
One line for each that is neither, with the seed that draws it again, and one with the counts of each kind; exit status
1 if there is any.
"""

import sys
from collections import Counter
from enum import StrEnum

import memtwin as mt
from memtwin.console import progress
from tests.structures import own
from tests.structures.command import asked
from tests.structures.draw import Dice


class Verdict(StrEnum):
    """What came of one network."""

    INSIDE = "inside"
    TOLD = "told"
    REFUSED = "refused"
    NEITHER = "neither"


def verdict_of(kind: str, seed: int) -> tuple[Verdict, list[str]]:
    """Draw a network and compare its model with the physics; returns also what is outside, or what is told."""
    try:
        net, train = own.draw(Dice(kind, seed))
        found = mt.compare(net, train, "physics", "model", seed=seed)
    except mt.InputError as error:
        return Verdict.REFUSED, [str(error)]
    if found["within"]:
        return Verdict.INSIDE, found["warnings"]
    return (Verdict.TOLD, found["warnings"]) if found["warnings"] else (Verdict.NEITHER, found["outside"])


def main() -> int:
    """Run the command line."""
    kinds, seeds = asked("bounds", __doc__, number=100)
    counts = [count(kind, seeds) for kind in kinds]
    return int(any(found[Verdict.NEITHER] for found in counts))


def count(kind: str, seeds: range) -> Counter[Verdict]:
    """Compare networks of one kind."""
    found: Counter[Verdict] = Counter()
    with progress() as report:
        for done, seed in enumerate(seeds, 1):
            verdict, lines = verdict_of(kind, seed)
            found[verdict] += 1
            if verdict is Verdict.NEITHER:
                print(f"{kind}: {'; '.join(lines)}; again with: make bounds KIND={kind} SEED={seed} N=1", flush=True)
            if report:
                report(kind, done / len(seeds))
    print(f"{kind}: {len(seeds)} drawn, {', '.join(f'{found[name]} {name}' for name in Verdict)}", flush=True)
    return found


if __name__ == "__main__":
    sys.exit(main())
