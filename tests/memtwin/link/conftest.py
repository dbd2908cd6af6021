"""A client, and the twin in pure Python that it talks to."""

import pytest

from memtwin.link import Link
from tests.fake_twin import FakeTwin, served
from tests.memtwin.link.words import HANG_S


@pytest.fixture
def twin():
    return FakeTwin()


@pytest.fixture
def server(twin):
    with served(twin) as server:
        yield server


@pytest.fixture
def link(server, twin):
    with Link(server.url, map=twin.map, timeout=HANG_S) as link:
        yield link
