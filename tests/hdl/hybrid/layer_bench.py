"""A layer of one hybrid neuron between two resistors, on a bench."""

from tests.hdl.bench import Bench

# S1 = 10 kOhm at the input and S2 = 40 kOhm to ground (zhang2021, Fig. 3b).
FIXED_RESISTORS = [[100e-6], [25e-6]]


def rounded(value, shift):
    return (value + (1 << shift >> 1)) >> shift


def neuron(**card):
    return Bench(rows=2, neurons=1, conductance=FIXED_RESISTORS, **card)
