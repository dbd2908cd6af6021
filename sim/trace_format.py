"""Format of the trace words of one kind of network: kind in bits 0-3, index in bits 4-19, value in bits 20-63."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TraceFormat"]

When = Callable[[Any, NDArray[np.int64]], dict[str, Any]]
_HEAD = np.int64(0xFFFFF)  # kind and index


class TraceFormat:
    """What is in the trace words of one kind of network.

    Parameters
    ----------
    kinds : mapping of int to str
        Name of each kind.
    values : mapping of str to sequence of (str, int, int)
        Name, first bit and width of what is in the value of each kind.
    expected : str
        The kinds, for a message.
    begins : str
        Kind of the words with which a pass over the neurons begins: those of neuron 0.
    when : callable
        From the network and words up to the one that is asked for: when that was, by the names of the kind, and
        ``time_s``.
    signed : collection of str
        Names of what is in two's complement.

    Attributes
    ----------
    kinds, when
        As given.
    """

    def __init__(
        self,
        kinds: Mapping[int, str],
        values: Mapping[str, Sequence[tuple[str, int, int]]],
        expected: str,
        *,
        begins: str,
        when: When,
        signed: Collection[str] = (),
    ) -> None:
        self.kinds, self.when = kinds, when
        self._values, self._expected, self._signed = values, expected, signed
        self._begins = next(number for number, name in kinds.items() if name == begins)

    def passes(self, words: NDArray[np.integer]) -> int:
        """Count the passes over the neurons that begin among `words`."""
        return int(np.count_nonzero(words.astype(np.int64) & _HEAD == self._begins))

    def describe(self, word: int) -> dict[str, Any]:
        """Name the kind and the index of a word, whatever it is."""
        return {"kind": self.kinds.get(word & 15, "unknown"), "index": word >> 4 & 0xFFFF}

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
        kind = self.kinds.get(word & 15)
        if kind is None:
            raise ValueError(f"word {word:#018x} must be of kind {self._expected}, not {word & 15}")
        parts = {name: int(values) for name, values in self.take(kind, np.array(word >> 20)).items()}
        return {"kind": kind, "index": word >> 4 & 0xFFFF, **parts}
