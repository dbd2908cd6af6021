"""Logarithms in base 2: of an integer, back again, and of a sum of two quantities that are given as logarithms.

A log word is UQ(5, 13), 18 bits. The functions are tables with linear interpolation. Its products are narrow and are
made of shifted partial products, because Yosys would spend one of the UP5K's eight multipliers on each.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import log2

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import memory, wiring
from amaranth.lib.data import StructLayout
from amaranth.lib.wiring import In, Out
from amaranth.utils import bits_for, ceil_log2

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.delay_line import stages
from memtwin.hdl.core.fixed import UQ

__all__ = ["COEFFICIENT_LOG", "LOG", "Exp2", "Interpolation", "Log2", "LogSum", "clip_to_log", "log_word"]

LOG = UQ(5, 13)  # log word
COEFFICIENT_LOG = UQ(5, 11)  # coefficient; shifted left by 2 it is a log word


def log_word(coefficient: Value) -> Value:
    """Log word of a coefficient ``..._log``."""
    return Cat(Const(0, 2), coefficient)


def clip_to_log(m: Module, register: Signal, value: Value) -> None:
    """Let `register`, a log word, take `value`, below 2**19 and signed or not, clamped to a log word.

    As a reset or a set of the register, which costs no logic behind the carry chain that makes `value`.
    """
    below = value[-1] if value.shape().signed else Const(0, 1)
    above = ~below & value[len(register) : len(value) - value.shape().signed].any()
    m.d.sync += register.eq(value)
    with m.If(below):
        m.d.sync += register.eq(0)
    with m.Elif(above):
        m.d.sync += register.eq(-1)


class Interpolation(wiring.Component):
    """Table of a monotonic function, and how far to go from its point towards the next.

    With ``k = i >> fraction`` and ``lo = i`` below that::

        base = table[k]
        step = abs(table[k + 1] - table[k]) * lo >> fraction - 1

    The step is in halves, because its rounding costs nothing in the sum that follows: there it is the carry.

    Latency: 1 clock from `i` to `base`, 2 clocks to `step`. Throughput: one per clock.

    Parameters
    ----------
    table : sequence of int
        Function at equidistant points, one more than a power of two, none negative.
    fraction : int
        Bits between two points, at least 1.

    Members
    -------
    i : In(log2(len(table) - 1) + fraction)
        Argument.
    base : Out(bits of the largest point but the last)
        Point below the argument.
    step : Out(bits of the largest difference, and one)
        Distance from there, in halves.

    Source: docs/opamp-arithmetic.md, section 2.
    """

    def __init__(self, table: Sequence[int], fraction: int) -> None:
        points = len(table) - 1
        if points < 2 or points & (points - 1):
            raise ValueError(f"table must have one point more than a power of two, not {len(table)!r}")
        check_integer("fraction", fraction, 1)
        self._fraction = fraction
        self._rows = [{"base": point, "slope": abs(after - point)} for point, after in pairwise(table)]
        self._base_bits = bits_for(max(row["base"] for row in self._rows))
        self._slope_bits = bits_for(max(row["slope"] for row in self._rows))
        super().__init__(
            {
                "i": In(ceil_log2(points) + fraction),
                "base": Out(self._base_bits),
                "step": Out(self._slope_bits + 1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the table and the product."""
        m = Module()
        fraction = self._fraction
        row = StructLayout({"base": self._base_bits, "slope": self._slope_bits})
        table: memory.Memory = memory.Memory(shape=row, depth=len(self._rows), init=self._rows)
        m.submodules.table = table
        read = table.read_port()
        m.d.comb += [read.addr.eq(self.i[fraction:]), self.base.eq(read.data.base)]

        # The fraction in digits -1 to 2: a partial product takes one LUT a bit, and there are half as many. Adding 1 to
        # each pair of bits makes 3 hand 1 on; what is left is the digit and 1, so that 0 stands for -1. The last pair
        # has one bit of the fraction at most, so that it hands on nothing.
        count = fraction // 2 + 1
        digits = Signal(2 * count, reset_less=True)
        m.d.sync += digits.eq(self.i[:fraction] + sum(1 << 2 * k for k in range(count)))

        # A negative partial product is the complement, and 1 more in a place that its neighbour leaves free.
        slope = Cat(read.data.slope, Const(0, 2))
        partial = []
        minus = []
        for k in range(count):
            low, high = digits[2 * k], digits[2 * k + 1]
            partial.append(Mux(high, Mux(low, slope << 1, slope), Mux(low, 0, ~slope))[: len(slope)])
            minus.append(~(low | high))
        product: Value = Const(0, 1)
        late_minus: Value = Const(0, 0)
        for k in range(0, count, 2):
            pair = Signal(signed(len(slope) + 3), name=f"pair_{k}", reset_less=True)
            total: Value = partial[k].as_signed()
            if k + 1 < count:
                total = total + Cat(minus[k], Const(0, 1), partial[k + 1]).as_signed()
            m.d.sync += pair.eq(total)
            product = product + Cat(Const(0, max(2 * k - 2, 0)), late_minus, pair).as_signed()
            if k + 2 < count:
                late = Signal(name=f"minus_{k}", reset_less=True)
                m.d.sync += late.eq(minus[k + 1])
                late_minus = Cat(late, Const(0, 1))
        m.d.comb += self.step.eq(product[fraction - 1 :])
        return m


class Log2(wiring.Component):
    """Logarithm of an integer.

    With ``p = floor(log2 i)``, ``n = (i << 15) >> p`` without its leading one, ``k = n >> 9``, ``lo = n & 511`` and
    ``base[k] = round(2**13 * log2(1 + k / 64))``::

        o = (p << 13) + base[k] + round_shift((base[k + 1] - base[k]) * lo, 9)

    and ``o = 0`` for ``i = 0``.

    Latency: `latency` clocks from `i_valid` to `o_valid`. Throughput: one integer per clock.

    Parameters
    ----------
    width : int
        Width of the integer, 1 to 24.

    Members
    -------
    i_valid : In(1)
        An integer is presented.
    i : In(width)
        Integer.
    o_valid : Out(1)
        The result is valid.
    o : Out(18)
        Logarithm, log word in the unit 1.

    Source: docs/opamp-arithmetic.md, section 2.
    """

    latency = 4

    def __init__(self, width: int) -> None:
        check_integer("width", width, 1, 24)
        super().__init__({"i_valid": In(1), "i": In(width), "o_valid": Out(1), "o": Out(LOG)})

    def elaborate(self, platform: object) -> Module:
        """Build the normalisation, the table and its interpolation."""
        m = Module()
        table = [round(2**13 * log2(1 + k / 64)) for k in range(65)]
        m.submodules.table = lookup = Interpolation(table, 9)
        valid = Signal(self.latency)
        m.d.sync += valid.eq(Cat(self.i_valid, valid))
        m.d.comb += self.o_valid.eq(valid[-1])

        # Shifts that bring the leading one to the top, by bytes and then by less. The width is a power of two, so that
        # the shifts that are not made are the bits of `p`. Of zero all are made: `p` is 0 as well, as it shall be.
        width = max(16, 1 << ceil_log2(len(self.i)))
        shifts = [width >> level for level in range(1, width.bit_length())]
        bytewise = Signal(width)
        bytewise_p = Signal(len(shifts) - 3)
        value, p = _normalise(self.i, width, shifts[:-3])
        m.d.sync += [bytewise.eq(value), bytewise_p.eq(p)]
        value, p = _normalise(bytewise, width, shifts[-3:])
        whole = Signal(len(shifts))
        m.d.sync += whole.eq(Cat(p, bytewise_p))
        m.d.comb += lookup.i.eq(value[width - 16 : width - 1])

        point = Signal(LOG)
        m.d.sync += [
            point.eq(Cat(lookup.base, whole)),
            self.o.eq((Cat(Const(1, 1), point) + lookup.step)[1:]),
        ]
        return m


def _normalise(value: Value, width: int, shifts: Sequence[int]) -> tuple[Value, Value]:
    """`value` shifted left by each of `shifts` while that loses nothing; the shifts not made, the last in bit 0."""
    value = Cat(value, Const(0, width))[:width]
    kept = []
    for shift in shifts:
        keep = value[width - shift :].any()
        kept.append(keep)
        value = Mux(keep, value, Cat(Const(0, shift), value)[:width])
    return value, Cat(*reversed(kept))


class Exp2(wiring.Component):
    """Integer of a logarithm.

    With ``n = i >> 13``, ``k = (i >> 7) & 63``, ``lo = i & 127`` and ``base[k] = round(2**15 * 2**(k / 64))``::

        o = ((base[k] + round_shift((base[k + 1] - base[k]) * lo, 7)) << n) >> 15

    Latency: `latency` clocks from `i` to `o`. Throughput: one per clock.

    Parameters
    ----------
    width : int
        Width of the integer, 16 to 24; `i` must be below ``width << 13``.

    Members
    -------
    i : In(18)
        Log word in the unit 1.
    zero : In(1)
        The result is 0, whatever `i` is.
    full : In(1)
        It is the largest of the width, unless `zero`.
    o : Out(width)
        Integer.

    Source: docs/opamp-arithmetic.md, section 2.
    """

    latency = 4

    def __init__(self, width: int) -> None:
        check_integer("width", width, 16, 24)
        super().__init__({"i": In(LOG), "zero": In(1), "full": In(1), "o": Out(width)})

    def elaborate(self, platform: object) -> Module:
        """Build the table, its interpolation and the shift."""
        m = Module()
        table = [round(2**15 * 2 ** (k / 64)) for k in range(65)]
        # The leading one need not be stored.
        m.submodules.table = lookup = Interpolation([point - 2**15 for point in table], 7)
        m.d.comb += lookup.i.eq(self.i[:13])

        width = len(self.o)
        # How far the mantissa must go down from the top.
        down = stages(m, "down", 3, (width - 1 - self.i[13:])[:5])
        zero = stages(m, "zero", 3, self.zero)
        full = stages(m, "full", 3, self.full)

        point = Signal(15)
        mantissa = Signal(16, init=1 << 15)
        m.d.sync += [
            point.eq(lookup.base),
            mantissa.eq(Cat((Cat(Const(1, 1), point) + lookup.step)[1:16], 1)),
            self.o.eq(Cat(Const(0, width - 16), mantissa) >> down[3]),
        ]
        with m.If(zero[3]):
            m.d.sync += self.o.eq(0)
        with m.Elif(full[3]):
            m.d.sync += self.o.eq(-1)
        return m


class LogSum(wiring.Component):
    """Two resistances, given as logarithms, in series or in parallel.

    With ``d = abs(a - b)``, ``k = d >> 9``, ``lo = d & 511``, ``base[k] = round(2**13 * log2(1 + 2**(-k / 16)))`` and
    ``F = base[k] - round_shift((base[k] - base[k + 1]) * lo, 9)``, 0 for ``d >= 16 << 13``::

        o = saturate(max(a, b) + F)    in series
        o = saturate(min(a, b) - F)    in parallel

    Latency: `latency` clocks from `a` and `b` to `o`. Throughput: one sum per clock.

    Parameters
    ----------
    parallel : bool
        The resistances are in parallel.

    Members
    -------
    a, b : In(18)
        Log words of the same unit.
    o : Out(18)
        Log word of both together.

    Source: docs/opamp-arithmetic.md, section 2.
    """

    latency = 3

    def __init__(self, *, parallel: bool) -> None:
        if not isinstance(parallel, bool):
            raise TypeError(f"parallel must be a bool, not {parallel!r}")
        self._parallel = parallel
        super().__init__({"a": In(LOG), "b": In(LOG), "o": Out(LOG)})

    def elaborate(self, platform: object) -> Module:
        """Build the distance, the table and the sum."""
        m = Module()
        table = [round(2**13 * log2(1 + 2 ** (-k / 16))) for k in range(257)]
        m.submodules.table = lookup = Interpolation(table, 9)

        # Both differences, so that only a choice follows.
        forward = self.a - self.b
        smaller = forward[-1]  # `a` is
        distance = Mux(smaller, (self.b - self.a)[:18], forward[:18])
        # Beyond the table is its end: there both the point and the slope are 0.
        m.d.comb += lookup.i.eq(Cat(distance[:9], distance[9:17] | distance[17].replicate(8)))

        main = Signal(LOG, reset_less=True)
        m.d.sync += main.eq(Mux(smaller ^ self._parallel, self.b, self.a))
        if self._parallel:
            total = Signal(signed(19), reset_less=True)
            m.d.sync += total.eq(main - lookup.base)
            clip_to_log(m, self.o, (Cat(Const(1, 1), total).as_signed() + lookup.step)[1:20].as_signed())
        else:
            total = Signal(19, reset_less=True)
            m.d.sync += total.eq(main + lookup.base)
            clip_to_log(m, self.o, (Cat(Const(0, 1), total) - lookup.step)[1:20])
        return m
