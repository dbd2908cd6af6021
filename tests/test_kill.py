"""A command that is killed leaves nothing half-written, and the next one recovers; 20 moments of each by hand."""

import pytest

from tests.kill import JOBS, kill


@pytest.mark.slow
@pytest.mark.parametrize("job", JOBS)
def test_killed_at_any_moment(job):
    figures = kill(job, 2)
    assert figures.killed + figures.over == 2
