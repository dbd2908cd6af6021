"""Logarithms in words, against mathematics (docs/opamp-arithmetic.md, section 2)."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin.sim.opamp import log_arithmetic

UNIT = 2**13  # log words per octave
TOP = 2**18 - 1
log_words = st.integers(0, TOP)


def array(*values):
    return [np.array(value) for value in values]


@given(st.integers(1, 2**24 - 1))
def test_log2(n):
    # The mantissa keeps 15 bits: above 2**16 what it drops adds to the error.
    assert abs(log_arithmetic.log2(np.array(n)) - UNIT * math.log2(n)) <= (1.5 if n < 2**16 else 1.65)


@pytest.mark.parametrize("power", range(24))
def test_log2_of_a_power_of_two_is_exact(power):
    assert log_arithmetic.log2(np.array(2**power)) == power * UNIT


def test_log2_of_nothing_is_nothing():
    assert log_arithmetic.log2(np.array([0, 1, 2])).tolist() == [0, 0, UNIT]


@given(log_words)
def test_exp2(a):
    exact = 2 ** (a / UNIT)
    # An integer, and the mantissa is good to 1.5 units.
    assert abs(log_arithmetic.exp2(np.array(a)) - exact) <= 1 + 1.5 / UNIT * math.log(2) * exact


def test_exp2_never_falls():
    assert (np.diff(log_arithmetic.exp2(np.arange(TOP + 1))) >= 0).all()


@given(log_words)
def test_log_one_plus(d):
    assert abs(log_arithmetic.log_one_plus(np.array(d)) - UNIT * math.log2(1 + 2 ** (-d / UNIT))) <= 1.5


@given(log_words, log_words)
def test_sum_and_parallel(a, b):
    plus = UNIT * math.log2(2 ** (a / UNIT) + 2 ** (b / UNIT))
    assert abs(log_arithmetic.add(*array(a, b)) - plus) <= 1.5
    assert abs(log_arithmetic.par(*array(a, b)) - (a + b - plus)) <= 1.5
    assert log_arithmetic.add(*array(a, b)) == log_arithmetic.add(*array(b, a))
