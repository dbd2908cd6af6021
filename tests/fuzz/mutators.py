"""Changes to files that a damaged disk, another program or an attacker would make; all from a seeded generator."""

import random
from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["NUMBERS", "TOKENS", "VALUES", "change", "damaged", "insert_token"]

_LARGEST = 2**18  # bytes of a mutant
_CHANGES = (1, 1, 1, 2, 3, 5, 8)  # of one mutant

# What parsers and the code behind them are apt to take wrongly.
NUMBERS: tuple[Any, ...] = (0, -1, 1, -2, 0.5, 255, 256, 1023, 1024, 1025, 2**15, 2**16, 2**31 - 1, -(2**31), 2**32)
NUMBERS += (2**63, 10**30, 10**400, 1e-320, 1e-30, 1e30, 1e300, -1e300, float("nan"), float("inf"))
VALUES: tuple[Any, ...] = (*NUMBERS, True, None, "", "x", "1", "\x1b[31m\u202e", "\0", "y" * 3000, [], [[]], {}, [1])
TOKENS = (
    b"\0", b"\x1b[2J", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\n\n", b'"', b"'''", b'"""', b"\\u0000",
    b"\\ud800",
    b"[" * 3000, b"{" * 3000, b'{"a":' * 3000, b"a." * 3000, b"9" * 5000, b"1e400", b"-1e-400", b"nan", b"inf", b"0x7f",
    b"true", b"null", b"1979-05-27T07:32:00", b"1_000", b"#", b".", b"=", b"]", b"}", b",", b"e", b"-", b"\xc2\xb5s",
)  # fmt: skip


def _at(rng: random.Random, data: bytearray) -> int:
    """Choose a place; what says how a file is to be read is mostly at its beginning."""
    return rng.randrange(min(len(data), rng.choice((16, 256, 4096, _LARGEST))))


def _flip(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    data[_at(rng, data)] ^= 1 << rng.randrange(8)


def _extreme(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    size, at = rng.choice((1, 2, 4, 8)), _at(rng, data)
    value = rng.choice((0, 1, -1, 127, 128, 255, 2**31 - 1, 2**31, 2**63 - 1, len(data), rng.randrange(2**16)))
    data[at : at + size] = (value % 256**size).to_bytes(size, rng.choice(("little", "big")))


def _truncate(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    del data[rng.randrange(len(data)) :]


def _drop(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _at(rng, data)
    del data[at : at + rng.randrange(1, 64)]


def _repeat(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at, size = _at(rng, data), rng.randrange(1, 256)
    data[at:at] = data[at : at + size] * rng.choice((1, 2, 30, 1000))
    del data[_LARGEST:]


def _copy(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at, other, size = _at(rng, data), rng.randrange(len(data)), rng.randrange(1, 64)
    data[at : at + size] = data[other : other + size]


def _splice(rng: random.Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    other = rng.choice(seeds)
    data[rng.randrange(len(data)) :] = other[rng.randrange(len(other)) :]


def _noise(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    at = _at(rng, data)
    data[at:at] = rng.randbytes(rng.randrange(1, 32))


def insert_token(rng: random.Random, data: bytearray, _: Sequence[bytes]) -> None:
    """Put a token of some text format somewhere."""
    at = _at(rng, data)
    data[at : at + rng.choice((0, 0, 1, 8))] = rng.choice(TOKENS)


Change = Callable[[random.Random, bytearray, Sequence[bytes]], None]
_BYTES: tuple[Change, ...] = (_flip, _flip, _extreme, _extreme, _truncate, _drop, _repeat, _copy, _splice, _noise)


def damaged(rng: random.Random, seeds: Sequence[bytes], *, more: tuple[Change, ...] = ()) -> bytes:
    """Change the bytes of one of some files, in one to eight ways."""
    data = bytearray(rng.choice(seeds))
    for _ in range(rng.choice(_CHANGES)):
        if data:
            rng.choice(_BYTES + more * 3)(rng, data, seeds)
    return bytes(data)


def change(rng: random.Random, tree: Any, values: Sequence[Any] = VALUES) -> Any:
    """Change a tree of dictionaries and lists in one place: another value, one less, one more, one twice.

    Of the branches those with more leaves are taken more often, or most changes would be near the root.
    """
    what = rng.random()
    if isinstance(tree, dict) and tree and what < 0.98:
        out, (key,) = dict(tree), rng.choices(list(tree), [_leaves(branch) for branch in tree.values()])
        if what < 0.02:
            del out[key]
        elif what < 0.04:
            out[rng.choice(("x", "", "\x1b[31m", "a" * 300))] = rng.choice(values)
        elif what < 0.06:
            out[rng.choice(list(tree))] = tree[key]
        else:
            out[key] = change(rng, tree[key], values)
        return out
    if isinstance(tree, list) and tree and what < 0.98:
        (at,) = rng.choices(range(len(tree)), [_leaves(branch) for branch in tree])
        new = [] if what < 0.04 else [tree[at]] * 2 if what < 0.08 else [change(rng, tree[at], values)]
        return [*tree[:at], *new, *tree[at + 1 :]]
    return rng.choice(values)


def _leaves(tree: Any) -> int:
    if isinstance(tree, dict | list):
        return 1 + sum(map(_leaves, tree.values() if isinstance(tree, dict) else tree))
    return 1
