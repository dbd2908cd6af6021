"""Fixed-point words: shapes by name, and the only ways in which the gateware drops bits.

A word `UQ(i, f)` has `i` integer and `f` fraction bits and stands for its integer value times `2**-f`; a negative `i`
means that the top fraction bits are absent. Products and sums keep every bit; `round_shift`, and `saturate` or `ssat`
for signed words, say where precision or range is given up (docs/arithmetic.md, section 1).
"""

from amaranth.hdl import Mux, Shape, Value, ValueLike, unsigned

__all__ = ["CONDUCTANCE", "GAIN", "GROWTH", "THETA", "UQ", "VOLT", "X", "round_shift", "saturate", "ssat"]


def UQ(i: int, f: int) -> Shape:
    """Shape of an unsigned word with `i` integer and `f` fraction bits.

    Raises
    ------
    ValueError
        If no bit is left.
    """
    if i + f <= 0:
        raise ValueError(f"UQ({i}, {f}) must have at least one bit")
    return unsigned(i + f)


X = UQ(2, 18)  # filament of the threshold switch, 1 = nominal threshold
THETA = UQ(2, 14)  # thresholds and their adaptation
GROWTH = UQ(-2, 18)  # growth of x in one substep
GAIN = UQ(1, 15)  # device-to-device gain, learning steps
VOLT = UQ(2, 14)  # node voltages, V
CONDUCTANCE = unsigned(16)  # in the layer's g_lsb


def round_shift(value: ValueLike, shift: int) -> Value:
    """Drop `shift` fraction bits, rounding half up."""
    value = Value.cast(value)
    if shift == 0:
        return value
    return (value + (1 << (shift - 1))) >> shift


def saturate(value: ValueLike, width: int) -> Value:
    """Clamp to the range of an unsigned word of `width` bits; never wraps."""
    value = Value.cast(value)
    top = (1 << width) - 1
    if value.shape().signed:
        # The sign bit decides "below"; any other high bit decides "above".
        return Mux(value < 0, 0, Mux(value[width:].any(), top, value[:width]))
    if len(value) <= width:
        return value
    return Mux(value[width:].any(), top, value[:width])


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
