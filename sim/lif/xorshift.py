"""xorshift32 for many generators at once (docs/arithmetic.md, section 2).

A step of the generator is linear over GF(2), and so are many steps: what 2**k steps do to a state is the exclusive or
of what they do to its four bytes, each looked up in a table. That makes any number of steps a few look-ups.
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["jump", "stream"]

States = NDArray[np.uint32]


def jump(state: States, steps: NDArray[np.int64]) -> States:
    """Return the states after `steps`, one number for each generator."""
    out = state.copy()
    for bit in range(int(steps.max(initial=0)).bit_length()):
        due = steps >> bit & 1 == 1
        out[due] = _apply(_tables(bit), out[due])
    return out


def stream(state: States, count: int) -> States:
    """Return the next `count` numbers of each generator, (generators, count)."""
    out = np.empty((state.size, count), dtype=np.uint32)
    if count:
        out[:, 0] = _step(state)
    done, bit = 1, 0
    while done < count:  # what is there, `done` steps later
        more = min(done, count - done)
        out[:, done : done + more] = _apply(_tables(bit), out[:, :more])
        done, bit = done * 2, bit + 1
    return out


def _step(s: States) -> States:
    s = s ^ s << np.uint32(13)
    s = s ^ s >> np.uint32(17)
    return s ^ s << np.uint32(5)


@cache
def _tables(bit: int) -> States:
    """What ``2**bit`` steps do to each value of each byte, (4, 256)."""
    ones = np.uint32(1) << np.arange(32, dtype=np.uint32)
    after = _step(ones) if bit == 0 else _apply(_tables(bit - 1), _apply(_tables(bit - 1), ones))
    set_bits = np.arange(256)[:, None] >> np.arange(8) & 1 == 1
    return np.stack(
        [np.bitwise_xor.reduce(np.where(set_bits, after[8 * byte : 8 * byte + 8], 0), axis=1) for byte in range(4)]
    ).astype(np.uint32)


def _apply(tables: States, s: States) -> States:
    return tables[0][s & 255] ^ tables[1][s >> 8 & 255] ^ tables[2][s >> 16 & 255] ^ tables[3][s >> 24]
