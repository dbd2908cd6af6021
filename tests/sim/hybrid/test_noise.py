"""Random numbers of hybrid neurons against Marsaglia's sequence and their stated spread."""

import numpy as np
import pytest

from memtwin.sim.hybrid.noise import BELL_SD, Xorshift32, bell
from tests.sim.hybrid.circuits import xorshift


def test_random_sequence_is_that_of_the_integer_levels():
    seeds = np.array([1, 0xDEADBEEF], dtype=np.uint32)
    generator = Xorshift32(seeds)
    expected = [1, 0xDEADBEEF]
    for step in range(100):
        generator.take(np.array([True, step % 2 == 0]))
        expected[0] = xorshift(expected[0])
        if step % 2 == 0:
            expected[1] = xorshift(expected[1])
        assert generator.state.tolist() == expected
    assert bell(np.array([0x00000000, 0xFFFFFFFF, 0x01020304], dtype=np.uint32)).tolist() == [-510, 510, -500]


def test_bell_has_the_stated_spread():
    generator = Xorshift32(np.arange(1, 2001, dtype=np.uint32))
    everyone = np.ones(2000, dtype=bool)
    draws = np.concatenate([bell(generator.take(everyone)) for _ in range(60)][10:])
    assert abs(draws.mean()) < 2
    assert draws.std() == pytest.approx(BELL_SD, rel=0.01)
    assert pytest.approx(147.80, abs=0.01) == BELL_SD
