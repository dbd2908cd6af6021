"""Draws random structures and holds gateware against model: ``make soak [N=200] [SEED=0] [KIND=lif]``.

One line for each job that differs, with the seed that draws it again, and one with the figures of each kind; exit
status 1 if a job differs.
"""

import os
import sys
from unittest import mock

from memtwin.console import progress
from memtwin.sim.scratch import scratch
from tests.structures.check import Verdict, check, job_of
from tests.structures.command import asked


def main() -> int:
    """Run the command line."""
    kinds, seeds = asked("soak", __doc__, number=200)
    # Programs that run once are not kept.
    with scratch() as cache, mock.patch.dict(os.environ, MEMTWIN_CACHE=str(cache)):
        failures = [soak(kind, seeds) for kind in kinds]
    return int(any(failures))


def soak(kind: str, seeds: range) -> int:
    """Check one kind; returns the number of jobs that differ."""
    before = _processor_time()
    failed = fired = words = 0
    with progress() as report:
        for done, seed in enumerate(seeds, 1):
            try:
                verdict = check(job_of(kind, seed))
            except Exception as error:  # a job that cannot be run is a finding as well; the others go on
                verdict = Verdict(f"{type(error).__name__}: {error}")
            fired += verdict.fired
            words += verdict.words
            if verdict.difference:
                failed += 1
                print(f"{kind}: {verdict.difference}; again with: make soak KIND={kind} SEED={seed} N=1", flush=True)
            if report:
                report(kind, done / len(seeds))
    print(
        f"{kind}: {len(seeds) - failed} of {len(seeds)} equal, in {fired} of them a neuron fired; {words} words; "
        f"{_processor_time() - before:.0f} s of a processor",
        flush=True,
    )
    return failed


def _processor_time() -> float:
    """Seconds that this process and those that it started have used."""
    return sum(os.times()[:4])


if __name__ == "__main__":
    sys.exit(main())
