"""Words of LIF neurons, and the one way in which they lose range."""

from amaranth.hdl import Mux, Value, ValueLike, signed, unsigned
from amaranth.utils import ceil_log2

__all__ = ["CURRENT", "HOLD", "MEMBRANE", "row_shape", "ssat"]

CURRENT = signed(16)  # sum of weights that reaches a neuron
MEMBRANE = signed(20)  # membrane potential; 0 is the leak's end
HOLD = unsigned(8)  # steps of the refractory period that are left


def row_shape(rows: int) -> unsigned:
    """Shape of the number of one of `rows` rows; at least one bit, so that a stream has something to carry."""
    return unsigned(max(1, ceil_log2(rows)))


def ssat(value: ValueLike, width: int) -> Value:
    """Clamp to the range of a signed word of `width` bits; never wraps (docs/lif-arithmetic.md)."""
    value = Value.cast(value)
    if not value.shape().signed:
        raise TypeError(f"value must be signed, not {value.shape()!r}")
    if len(value) <= width:
        return value
    sign = value[-1]
    high = value[width - 1 : -1]
    fits = Mux(sign, high.all(), ~high.any())
    return Mux(fits, value[:width], sign.replicate(width) ^ ((1 << (width - 1)) - 1)).as_signed()
