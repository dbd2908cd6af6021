"""The generator of the encoder, which jumps ahead."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from memtwin.sim.lif import xorshift


@given(st.integers(1, 2**32 - 1), st.integers(1, 70))
def test_stream_and_jump_are_single_steps(seed, count):
    s, numbers = seed, []
    for _ in range(count):
        s ^= s << 13 & 0xFFFFFFFF
        s ^= s >> 17
        s ^= s << 5 & 0xFFFFFFFF
        numbers.append(s)
    state = np.array([seed], dtype=np.uint32)
    assert xorshift.stream(state, count)[0].tolist() == numbers
    assert xorshift.jump(state, np.array([count])).tolist() == numbers[-1:]
    assert state.tolist() == [seed]


def test_each_generator_jumps_its_own_way():
    state = np.array([1, 2, 3, 1], dtype=np.uint32)
    far = xorshift.jump(state, np.array([0, 5, 1000, 2**32 - 1]))
    assert far.tolist() == [1, xorshift.stream(state, 5)[1, 4], xorshift.stream(state, 1000)[2, 999], 1]


def test_none_are_drawn_if_none_are_wanted():
    assert xorshift.stream(np.array([7], dtype=np.uint32), 0).shape == (1, 0)
