"""A group of an HDF5 file as nested dictionaries, of a file that may come from anyone.

HDF5 files can name other files, and a small one can ask for any amount of memory and time. So HDF5's library only
looks up what there is and where it lies, in a copy of the file in memory: everything must lie in the file itself, and
is counted before any of it is read. It does so in a process of its own, because a tree of groups or chunks with a
loop in it makes HDF5 2.0.0 crash or hang. The data are taken from the bytes here, because what the library does with
damaged or hostile ones is not bounded (HDF5 2.0.0 loops for ever in a damaged global heap, allocates what the length
of a text says, and inflates a chunk to any size). Layout of the bytes: HDF5 File Format Specification 3.0.
"""

import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5o, h5s, h5t, h5z
from numpy.typing import NDArray

from memtwin.sim.errors import InputError
from memtwin.sim.isolation import isolated
from memtwin.sim.parsers import parsing

__all__ = ["LARGEST_NUMBERS", "read_group"]

LARGEST_NUMBERS = 2**24  # numbers in a file, those of chunks beyond the edge of an array as well
_NUMBER_BYTES = 8  # as the numbers are calculated with
_LARGEST_TEXT = 2**24  # bytes of all texts
_LINKS = 2**14  # paths to groups and arrays
_DEPTH = 64  # groups in groups
_CHUNKS = 2**14
_REFERENCE = np.dtype([("size", "<u4"), ("heap", "<u8"), ("index", "<u4")])  # to a text in a heap
_HEAP = b"GCOL\1"  # signature and version of a heap
_ADDRESS_BYTES = 8
_SECONDS = 5  # of processor time, and
_MEMORY = 2**29  # bytes that HDF5's library may take to look up what there is
_NAMES = {h5z.FILTER_DEFLATE: "gzip", h5z.FILTER_SHUFFLE: "shuffle"}  # of the filters that can be undone


def read_group(data: bytes, where: str, name: str, expected: str) -> dict[str, Any]:
    """Read a group at the top of a file.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        What messages call it.
    name : str
        Name of the group.
    expected : str
        What the file should be, for messages.

    Returns
    -------
    dict
        A dictionary for each group, an array for each array, a number or bytes for each scalar. Texts are bytes, an
        array of them has the dtype object.

    Raises
    ------
    InputError
        If the file is damaged, does not hold all of the group itself, or holds more than the limits above.
    """
    try:
        tree, arrays = isolated(lambda: _survey(data, where, name, expected), seconds=_SECONDS, memory=_MEMORY)
    except ChildProcessError as error:
        raise InputError(f"{where}: expected {expected}, undamaged (HDF5's library {error})") from None
    reader = _Reader(data)
    for place, key, plan in arrays:
        with parsing(f"{where}: {plan.name}", "an undamaged array"):
            place[key] = reader.array(plan)
    return tree


def _survey(data: bytes, where: str, name: str, expected: str) -> tuple[dict[str, Any], list["_Place"]]:
    """Look up what there is in a group: the groups in it, and what belongs into them."""
    with parsing(where, f"{expected}, undamaged"), h5py.File(io.BytesIO(data), "r") as file:
        if file.get(name, getlink=True, getclass=True) is not h5py.HardLink or not isinstance(file[name], h5py.Group):
            raise InputError(f"{where}: expected {expected}, with a group {name!r} at the top")
        sizes = file.id.get_create_plist()
        if file.userblock_size or sizes.get_sizes() != (_ADDRESS_BYTES, _ADDRESS_BYTES):
            raise InputError(f"{where}: expected addresses of {_ADDRESS_BYTES} bytes from the first byte on")
        found = _Survey(where)
        return found.group(file[name], "", 0), found.arrays


@dataclass(frozen=True)
class _Array:
    """Where an array lies in a file.

    Attributes
    ----------
    name : str
        Path in the group.
    shape : tuple of int
        Of the array; () of a scalar.
    dtype : dtype
        Of an element in the file.
    chunk : tuple of int
        Shape of a chunk; that of the array if it is not cut.
    pieces : list of (offset, address, size, mask)
        Where each chunk lies in the array and in the file, its bytes, and the filters that were left out, bit by bit.
    filters : tuple of int
        What was done to each chunk, in this order.
    """

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    chunk: tuple[int, ...]
    pieces: list[tuple[tuple[int, ...], int, int, int]]
    filters: tuple[int, ...]


_Place = tuple[dict[str, Any], str, _Array]  # an array belongs into a dictionary under a name


@dataclass
class _Survey:
    """What there is in a group, counted; nothing is read."""

    where: str
    links: int = 0
    numbers: int = 0
    groups: set[int] = field(default_factory=set)  # addresses
    arrays: list[_Place] = field(default_factory=list)

    def group(self, group: h5py.Group, path: str, depth: int) -> dict[str, Any]:
        """Return the groups in a group, and note the arrays that belong into them."""
        if depth > _DEPTH:
            raise InputError(f"{self.where}: expected groups in at most {_DEPTH} others, not {path}")
        address = h5o.get_info(group.id).addr
        if address in self.groups:  # a loop, or one of the many paths through groups that share groups
            raise InputError(f"{self.where}: {path}: expected one name for each group, not several")
        self.groups.add(address)
        self._count("links", len(group), _LINKS)
        out: dict[str, Any] = {}
        for key in group:
            name = f"{path}{key}"
            if group.get(key, getlink=True, getclass=True) is not h5py.HardLink:
                raise InputError(f"{self.where}: {name}: expected data in this file, not a link by name")
            item = group[key]
            if isinstance(item, h5py.Group):
                out[key] = self.group(item, f"{name}/", depth + 1)
            elif isinstance(item, h5py.Dataset):
                self.arrays.append((out, key, self._array(item.id, name)))
            else:
                raise InputError(f"{self.where}: {name}: expected a group or an array")
        return out

    def _count(self, what: str, count: int, most: int) -> None:
        total = getattr(self, what) + count
        setattr(self, what, total)
        if total > most:
            raise InputError(f"{self.where}: expected at most {most} {what} in all, not {total}")

    def _array(self, array: h5d.DatasetID, name: str) -> _Array:
        where = f"{self.where}: {name}"
        layout = array.get_create_plist()
        if layout.get_layout() == h5d.VIRTUAL or layout.get_external_count():
            raise InputError(f"{where}: expected data in this file, not in another one")
        if array.get_space().get_simple_extent_type() == h5s.NULL:
            raise InputError(f"{where}: expected data, not nothing")
        dtype, shape = _dtype(array.get_type(), where), array.shape
        size = -(-dtype.itemsize // _NUMBER_BYTES)  # in numbers, also of a text of fixed length
        if layout.get_layout() == h5d.CHUNKED:
            chunk = layout.get_chunk()
            count = math.prod(-(-size // part) for size, part in zip(shape, chunk, strict=True))
            if count > _CHUNKS or (there := array.get_num_chunks()) != count:
                found = f"not {there} of {count}" if count <= _CHUNKS else f"not {count}"
                raise InputError(f"{where}: expected all chunks, at most {_CHUNKS}, {found}")
            self._count("numbers", count * math.prod(chunk) * size, LARGEST_NUMBERS)
            pieces: list[Any] = []
            array.chunk_iter(pieces.append)
            places = [(one.chunk_offset, one.byte_offset, one.size, one.filter_mask) for one in pieces]
            filters = tuple(layout.get_filter(number)[0] for number in range(layout.get_nfilters()))
            if odd := set(filters) - _NAMES.keys():
                known, found = " and ".join(_NAMES.values()), ", ".join(map(str, sorted(odd)))
                raise InputError(f"{where}: expected no filter but {known}, not number {found}")
            return _Array(name, shape, dtype, chunk, places, filters)
        self._count("numbers", math.prod(shape) * size, LARGEST_NUMBERS)
        stored = math.prod(shape) * dtype.itemsize
        if stored and array.get_offset() is None:
            raise InputError(f"{where}: expected data of its own in the file")
        return _Array(name, shape, dtype, shape, [((0,) * len(shape), array.get_offset() or 0, stored, 0)], ())


def _dtype(kind: h5t.TypeID, where: str) -> np.dtype:
    """Return the type of an element, as its bytes are in the file; `_REFERENCE` for texts that lie elsewhere."""
    if isinstance(kind, h5t.TypeStringID):
        return _REFERENCE if kind.is_variable_str() else np.dtype(f"S{kind.get_size()}")
    if isinstance(kind, h5t.TypeIntegerID | h5t.TypeFloatID | h5t.TypeEnumID):
        dtype = kind.dtype
        if dtype.kind in "biuf" and h5t.py_create(dtype).equal(kind):
            return dtype
    raise InputError(f"{where}: expected plain numbers or texts")


class _Reader:
    """Takes arrays from the bytes of a file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._heaps: dict[int, dict[int, bytes]] = {}
        self._text = 0  # bytes of texts so far
        self._heap_bytes = 0

    def array(self, plan: _Array) -> Any:
        """Read one array."""
        out = np.zeros(plan.shape, plan.dtype)
        for offset, address, size, mask in plan.pieces:
            raw = self._undo(self._slice(address, size), plan, mask)
            piece = np.frombuffer(raw, plan.dtype, count=math.prod(plan.chunk)).reshape(plan.chunk)
            room = [slice(start, start + part) for start, part in zip(offset, plan.chunk, strict=True)]
            where: tuple[Any, ...] = (*room, ...)  # a view, of a scalar as well
            target = out[where]
            target[...] = piece[tuple(slice(0, size) for size in target.shape)]
        if plan.dtype == _REFERENCE:
            out = self._texts(out)
        return out if plan.shape else out[()]

    def _slice(self, address: int, size: int) -> bytes:
        if not 0 <= address <= address + size <= len(self._data):
            raise ValueError(f"{size} bytes from {address} on are not in the file")
        return self._data[address : address + size]

    def _undo(self, raw: bytes, plan: _Array, mask: int) -> bytes:
        """Undo the filters of a chunk."""
        size = math.prod(plan.chunk) * plan.dtype.itemsize
        for number in reversed(range(len(plan.filters))):
            if mask >> number & 1:
                continue
            if plan.filters[number] == h5z.FILTER_DEFLATE:
                unpacker = zlib.decompressobj()
                raw = unpacker.decompress(raw, size + 1)
                if not unpacker.eof:
                    raise ValueError("a chunk that unpacks to another size")
            else:
                raw = np.frombuffer(raw, np.uint8).reshape(plan.dtype.itemsize, -1).T.tobytes()
        if len(raw) != size:
            raise ValueError(f"a chunk of {len(raw)} bytes, not {size}")
        return raw

    def _texts(self, references: NDArray[Any]) -> NDArray[Any]:
        """Look up texts in the heaps."""
        out = np.empty(references.shape, object)
        for at, (size, heap, index) in zip(np.ndindex(out.shape), references.ravel().tolist(), strict=True):
            self._text += size
            if self._text > _LARGEST_TEXT:
                raise ValueError(f"more than {_LARGEST_TEXT} bytes of texts")
            text = self._heap(heap)[index] if size else b""
            if size > len(text):
                raise ValueError(f"a text of {size} bytes where there are {len(text)}")
            out[at] = text[:size].partition(b"\0")[0]
        return out

    def _heap(self, address: int) -> dict[int, bytes]:
        """Return what lies in a heap, by index (specification, section III.E)."""
        if address not in self._heaps:
            head = self._slice(address, 16)
            size = int.from_bytes(head[8:], "little")
            if not head.startswith(_HEAP):
                raise ValueError(f"no heap of texts at {address}")
            self._heap_bytes += size
            if self._heap_bytes > len(self._data):
                raise ValueError("heaps of texts that overlap")
            self._heaps[address] = dict(_objects(self._slice(address, size)))
        return self._heaps[address]


def _objects(heap: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield index and content of the objects in a heap.

    Each is an index, a use count, 4 reserved bytes, a size, and the content, filled up to a multiple of 8 bytes.
    """
    at = 16
    while index := int.from_bytes(heap[at : at + 2], "little"):  # 0: the space that is free, or the end
        size = int.from_bytes(heap[at + 8 : at + 16], "little")
        yield index, heap[at + 16 : at + 16 + size]
        at += 16 + -(-size // 8) * 8
