"""Memory map of a twin: names, addresses and shapes of everything that the link reaches (docs/link.md, section 6)."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memtwin.sim.errors import InputError
from memtwin.sim.files import read_text, write_whole
from memtwin.sim.parsers import parse_json

__all__ = ["LARGEST_BURST", "LinkMap", "Place", "Words", "bursts", "digest_of", "read_map", "write_map"]

LARGEST_BURST = 120  # words of one read or write
_FORMAT = 1
_LARGEST = 2**20  # bytes in a file
_ADDRESSES = 2**24
_NO_MATRIX = {"rows": None, "columns": None}
_WORD_BITS = 16
_LARGEST_WORD = (1 << _WORD_BITS) - 1

Words = NDArray[np.uint16]
Burst = tuple[int, Words]  # first address, words


@dataclass(frozen=True)
class Place:
    """Words under one name.

    Attributes
    ----------
    name : str
        Name.
    base, words : int
        First address, number of words.
    rows, columns : int or None
        Shape, of a matrix.
    readable : bool
        The twin gives them back.
    is_register : bool
        Register of the presentation or of the link; else window of the configuration bus.
    """

    name: str
    base: int
    words: int
    rows: int | None = None
    columns: int | None = None
    readable: bool = True
    is_register: bool = False

    def addresses(self) -> NDArray[np.int64]:
        """Address of every word, row by row."""
        index = np.arange(self.words)
        if self.columns is None:
            return self.base + index
        row, column = np.divmod(index, self.columns)
        return self.base + (row << (self.columns - 1).bit_length()) + column

    def take(self, values: ArrayLike, first: int = 0, count: int | None = None) -> Words:
        """Return `values` as words, checked: `count` of them, or up to the last one from word `first` on.

        An integer fills a register of several words, lowest word first.

        Raises
        ------
        InputError
            If they are too many or too few, or one is no word.
        """
        room = self.words - first
        if isinstance(values, int) and self.is_register and first == 0:
            if not 0 <= values < 1 << _WORD_BITS * room:
                raise InputError(f"{self.name}: expected 0 to {(1 << _WORD_BITS * room) - 1}, not {values}")
            values = [values >> _WORD_BITS * word & _LARGEST_WORD for word in range(room)]
        try:
            found = np.asarray(values)
        except ValueError:
            raise InputError(f"{self.name}: expected words, or rows of equal length") from None
        if self.columns is not None and found.ndim == 2 and found.shape != (self.rows, self.columns):
            raise InputError(f"{self.name}: expected {self.rows} x {self.columns} words, not the shape {found.shape}")
        found = found.ravel()
        if found.shape == (0,) and count is None:
            return np.empty(0, np.uint16)
        if not (1 <= found.size <= room and (count is None or found.size == count)):
            expected = f"{count}" if count is not None else f"up to {room}"
            raise InputError(f"{self.name}: expected {expected} words from word {first} on, not {found.size}")
        if found.dtype.kind not in "iub" or int(found.min()) < 0 or int(found.max()) > _LARGEST_WORD:
            raise InputError(
                f"{self.name}: expected integers of 0 to {_LARGEST_WORD}, not {found.min()}..{found.max()}"
            )
        return found.astype(np.uint16)

    def shaped(self, words: Words) -> Words:
        """Give the words of a whole matrix its shape."""
        return words if self.rows is None or self.columns is None else words.reshape(self.rows, self.columns)


def bursts(addresses: NDArray[np.int64]) -> Iterator[tuple[int, slice]]:
    """Group ascending addresses: yields the first address of each burst, and which addresses it takes."""
    if not addresses.size:
        return
    breaks = np.flatnonzero(np.diff(addresses) != 1) + 1
    edges = [0, *breaks.tolist(), addresses.size]
    for start, end in pairwise(edges):
        for at in range(start, end, LARGEST_BURST):
            yield int(addresses[at]), slice(at, min(at + LARGEST_BURST, end))


class LinkMap:
    """Memory map of a twin.

    Parameters
    ----------
    document : mapping
        As in docs/link.md, section 6.
    source : str
        What messages call it.

    Attributes
    ----------
    document : dict
        What it was made from.
    design, network : str
        Name of the design, kind of the network.
    digest, design_digest : str
        Digests of the map and of the gateware, 16 hex digits.
    places : dict of str to Place
        All names.

    Raises
    ------
    InputError
        If the document is not a map, or its digest is not that of its contents.
    """

    def __init__(self, document: Mapping[str, Any], source: str = "map") -> None:
        if not isinstance(document, Mapping) or document.get("format") != _FORMAT:
            raise InputError(f"{source}: expected a memory map of memtwin, format {_FORMAT}")
        self.document = dict(document)
        try:
            self.design, self.network = (_typed(document, name, str) for name in ("design", "network"))
            self.digest, self.design_digest = (_typed(document, f"{of}_digest", str) for of in ("map", "design"))
            _typed(document, "traces", bool)
            for layer in _typed(document, "layers", list):
                _expect(isinstance(layer, dict), "layers", "objects", layer)
            places = [_place(entry, readable=entry["state"]) for entry in document["windows"]]
            # A host knows what it has written into the registers of a presentation; the twin does not give them back.
            for part, readable in (("registers", False), ("link", True)):
                places += [_place(entry | _NO_MATRIX, readable=readable, is_register=True) for entry in document[part]]
            for entry in document["link"]:  # each is read in one burst
                _expect(entry["words"] <= LARGEST_BURST, f"{entry['name']}, words", f"1 to {LARGEST_BURST}", "more")
            _expect(sum(place.words for place in places) <= _ADDRESSES, "words", f"at most {_ADDRESSES} in all", "more")
            self.places: dict[str, Place] = {}
            for place in places:
                _expect(place.name not in self.places, place.name, "one entry", "two")
                self.places[place.name] = place
        except (KeyError, TypeError) as error:
            raise InputError(f"{source}: not a memory map of memtwin: {error.__class__.__name__} {error}") from None
        except ValueError as error:
            raise InputError(f"{source}: {error}") from None
        if (got := digest_of(document)) != self.digest:
            raise InputError(f"{source}, map_digest: expected {got}, not {self.digest}; write the map again")

    @property
    def state(self) -> list[Place]:
        """Windows of what the network remembers."""
        return [place for place in self.places.values() if place.readable and not place.is_register]

    @property
    def presentation(self) -> list[Place]:
        """Registers of a presentation."""
        return [self.places[entry["name"]] for entry in self.document["registers"]]

    def __getitem__(self, name: str) -> Place:
        """Find a name.

        Raises
        ------
        InputError
            If there is none.
        """
        if name not in self.places:
            raise InputError(f"{name}: not in the map of design {self.design}; it has {', '.join(self.places)}")
        return self.places[name]

    def writes(self, words: Mapping[str, ArrayLike]) -> list[Burst]:
        """List the bursts that load `words`: ascending addresses, neighbours together.

        Raises
        ------
        InputError
            If there is a name or a length that the design does not have.
        """
        places = [(self[name], values) for name, values in words.items()]
        if not places:
            return []
        data = np.concatenate([place.take(values, count=place.words) for place, values in places])
        addresses = np.concatenate([place.addresses() for place, _ in places])
        order = np.argsort(addresses)
        addresses, data = addresses[order], data[order]
        return [(address, data[part]) for address, part in bursts(addresses)]


def _place(entry: Mapping[str, Any], *, readable: bool, is_register: bool = False) -> Place:
    """Build a place from an entry of a map; ValueError if its words are not all at addresses of the link."""
    name, base, words, rows, columns = (entry[key] for key in ("name", "base", "words", "rows", "columns"))
    _expect(isinstance(name, str), "name", "a text", name)
    _expect(_is_whole(words, 1, _ADDRESSES), f"{name}, words", f"1 to {_ADDRESSES}", words)
    last = words - 1
    if (rows, columns) != (None, None):
        is_matrix = _is_whole(rows, 1, words) and _is_whole(columns, 1, words) and rows * columns == words
        _expect(is_matrix, f"{name}, rows and columns", f"two numbers whose product is {words}", f"{rows}, {columns}")
        last = (rows - 1 << (columns - 1).bit_length()) + columns - 1
    most = _ADDRESSES - 1 - last
    _expect(_is_whole(base, 0, most), f"{name}, base", f"0 to {most}", base)
    return Place(name, base, words, rows, columns, bool(readable), is_register)


def _expect(good: bool, what: str, expected: str, found: Any) -> None:
    if not good:
        raise ValueError(f"{what}: expected {expected}, not {found}")


def _is_whole(value: Any, least: int, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _typed(document: Mapping[str, Any], name: str, kind: type) -> Any:
    _expect(isinstance(document[name], kind), name, f"a {kind.__name__}", type(document[name]).__name__)
    return document[name]


def digest_of(document: Mapping[str, Any]) -> str:
    """Digest of everything in a map but its digests, 16 hex digits."""
    rest = {name: value for name, value in document.items() if name not in ("map_digest", "design_digest")}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()[:8].hex()


def read_map(path: str | os.PathLike[str]) -> LinkMap:
    """Read the map that was written beside a bitstream, a Verilog file or by a virtual board.

    Raises
    ------
    InputError
        If the file cannot be read, or holds no map.
    """
    where = f"file {path}"
    text = read_text(path, where, _LARGEST)
    return LinkMap(parse_json(text, where, "a memory map of memtwin, which is JSON"), where)


def write_map(document: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write a map, whole or not at all; returns the path.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    return write_whole(path, (json.dumps(document, indent=1) + "\n").encode())
