"""Integer logarithms: the functions of docs/opamp-arithmetic.md, section 2, on int64 arrays.

EXP2 and F depend on one log word only. They are tabulated for every word that there is, from the formulas of the page,
so that a substep costs one look-up instead of some ten operations.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["LOG_TOP", "add", "exp2", "log2", "log_one_plus", "par"]

Ints = NDArray[np.int64]

LOG_TOP = 2**18 - 1  # largest log word
_FAR = 16 << 13  # distance from which on the smaller term no longer counts


def _table(values: NDArray[np.float64], scale: int) -> Ints:
    return np.rint(scale * values).astype(np.int64)


_LOG2_BASE = _table(np.log2(1 + np.arange(65) / 64), 2**13)
_EXP2_BASE = _table(2.0 ** (np.arange(65) / 64), 2**15)
_SUM_BASE = _table(np.log2(1 + 2.0 ** (-np.arange(257) / 16)), 2**13)


def log2(n: Ints) -> Ints:
    """Log word of integers in unit 1; 0 for 0."""
    n = np.asarray(n)
    positive = np.maximum(n, 1)
    p = np.frexp(positive.astype(np.float64))[1].astype(np.int64) - 1  # floor(log2 n), exact below 2**53
    m = ((positive << 15) >> p) - 2**15  # without the leading one
    i, lo = m >> 9, m & 511
    word = (p << 13) + _LOG2_BASE[i] + ((_LOG2_BASE[i + 1] - _LOG2_BASE[i]) * lo + 256 >> 9)
    return np.where(n == 0, 0, word)


def _exp2(a: Ints) -> Ints:
    k, i, lo = a >> 13, a >> 7 & 63, a & 127
    m = _EXP2_BASE[i] + ((_EXP2_BASE[i + 1] - _EXP2_BASE[i]) * lo + 64 >> 7)
    return m << k >> 15


def _log_one_plus(d: Ints) -> Ints:
    i, lo = d >> 9, d & 511
    return _SUM_BASE[i] - ((_SUM_BASE[i] - _SUM_BASE[i + 1]) * lo + 256 >> 9)


_EXP2 = _exp2(np.arange(LOG_TOP + 1))
_LOG_ONE_PLUS = np.append(_log_one_plus(np.arange(_FAR)), 0)


def exp2(a: Ints) -> Ints:
    """Integer, in unit 1, whose log word is `a`, 0 to `LOG_TOP`."""
    return _EXP2[a]


def log_one_plus(d: Ints) -> Ints:
    """F of the page: ``log2(1 + 2**-d)`` of a log word `d` >= 0."""
    return _LOG_ONE_PLUS[np.minimum(d, _FAR)]


def add(a: Ints, b: Ints) -> Ints:
    """Sum of two quantities, not yet saturated: resistances in series."""
    return np.maximum(a, b) + log_one_plus(np.abs(a - b))


def par(a: Ints, b: Ints) -> Ints:
    """Reciprocal of the sum of the reciprocals, not yet saturated: resistances in parallel."""
    return np.minimum(a, b) - log_one_plus(np.abs(a - b))
