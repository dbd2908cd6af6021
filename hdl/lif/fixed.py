"""Words of LIF neurons."""

from amaranth.hdl import Shape, signed, unsigned
from amaranth.utils import ceil_log2

__all__ = ["CURRENT", "HOLD", "MEMBRANE", "row_shape"]

CURRENT = signed(16)  # sum of weights that reaches a neuron
MEMBRANE = signed(20)  # membrane potential; 0 is the leak's end
HOLD = unsigned(8)  # steps of the refractory period that are left


def row_shape(rows: int) -> Shape:
    """Shape of the number of one of `rows` rows; at least one bit, so that a stream has something to carry."""
    return unsigned(max(1, ceil_log2(rows)))
