"""Takes trace words apart, of whatever kind of network: kind in bits 0-3, index in bits 4-19, value in bits 20-63."""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["TraceFields"]


class TraceFields:
    """What is in the trace words of one kind of network.

    Parameters
    ----------
    kinds : mapping of int to str
        Name of each kind.
    values : mapping of str to sequence of (str, int, int)
        Name, first bit and width of what is in the value of each kind.
    expected : str
        The kinds, for a message.
    signed : collection of str
        Names of what is in two's complement.
    """

    def __init__(
        self,
        kinds: Mapping[int, str],
        values: Mapping[str, Sequence[tuple[str, int, int]]],
        expected: str,
        signed: Collection[str] = (),
    ) -> None:
        self._kinds, self._values, self._expected, self._signed = kinds, values, expected, signed

    def take(self, kind: str, value: NDArray) -> dict[str, NDArray[np.int64]]:
        """Fields of the values of words of one kind."""
        out = {}
        for name, bit, width in self._values[kind]:
            field = value.astype(np.int64) >> bit & (1 << width) - 1
            out[name] = (field ^ 1 << width - 1) - (1 << width - 1) if name in self._signed else field
        return out

    def fields(self, word: int) -> dict[str, int | str]:
        """Take one word apart: its kind, its index, and what is in its value.

        Raises
        ------
        ValueError
            If the word is of no known kind.
        """
        word = int(word) & 2**64 - 1
        kind = self._kinds.get(word & 15)
        if kind is None:
            raise ValueError(f"word {word:#018x} must be of kind {self._expected}, not {word & 15}")
        parts = {name: int(values) for name, values in self.take(kind, np.array(word >> 20)).items()}
        return {"kind": kind, "index": word >> 4 & 0xFFFF, **parts}
