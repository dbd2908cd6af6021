"""The part of a job that is done, as every backend of every kind tells it."""

import numpy as np
import pytest

from memtwin.sim import backends
from tests.structures.check import KINDS, job_of


@pytest.mark.parametrize("backend", ["physics", "model", "rtl"])
@pytest.mark.parametrize("kind", KINDS)
def test_progress_rises_to_the_whole(kind, backend):
    told = []
    backends.run(job_of(kind, 1000), backend, told.append)
    assert told[-1] == 1
    assert 0 <= told[0] <= 1
    assert (np.diff(told) >= 0).all()
