"""Pictures of digits: MNIST from its IDX files, and a small drawn set where there is no MNIST.

`load_mnist` looks in a directory, in ``MEMTWIN_DATA``, and in the cache, in this order; into the cache it downloads.
IDX is the format of LeCun et al., http://yann.lecun.com/exdb/mnist: two zero bytes, the type (8: unsigned bytes), the
rank, the sizes as big-endian 32-bit numbers, the data.
"""

import gzip
import hashlib
import io
import math
import os
import queue
import struct
import threading
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cache import cache_directory
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.patterns import load_patterns
from memtwin.sim.files import read_bytes, write_whole
from memtwin.sim.parsers import parsing

__all__ = ["CLASSES", "PARTS", "SIDE", "Digits", "draw_digits", "load_mnist", "read_idx"]

CLASSES = 10
SIDE = 28  # pixels of an image, in each direction
PARTS = {"train": "train", "test": "t10k"}  # names of the parts of MNIST in those of its files

_MIRROR = "https://storage.googleapis.com/cvdf-datasets/mnist/"
_SHA256 = {
    "train-images-idx3-ubyte.gz": "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
    "train-labels-idx1-ubyte.gz": "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
    "t10k-images-idx3-ubyte.gz": "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
    "t10k-labels-idx1-ubyte.gz": "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
}
_LARGEST = 2**28  # bytes in an IDX file, unpacked
_PATIENCE_S = 30.0  # for a sign of life
_LONGEST_DOWNLOAD_S = 300.0  # of a file: 33 kB/s for the largest
_MOST_DOWNLOAD = 2**24  # bytes; the largest of the four has 9.9 MB
_CHUNK = 2**16

Bytes = NDArray[np.uint8]
Fetch = Callable[[str], bytes]  # content of an address


@dataclass(frozen=True, eq=False)
class Digits:
    """Pictures and what they show.

    Attributes
    ----------
    images : uint8 array (images, pixels)
        Row by row, 0 black to 255 white.
    labels : uint8 array (images,)
        0 to 9.
    """

    images: Bytes
    labels: Bytes

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, which: slice | NDArray) -> "Digits":
        """Return some of the pictures."""
        return Digits(self.images[which], self.labels[which])

    def split(self, held_out: int, seed: int) -> tuple["Digits", "Digits"]:
        """Return the pictures to train with and `held_out` others, by a seeded shuffle.

        Raises
        ------
        InputError
            If nothing would be left to train with.
        """
        if not 0 < held_out < len(self):
            raise InputError(f"expected 1 to {len(self) - 1} pictures to hold out, not {held_out}")
        order = np.random.default_rng(seed).permutation(len(self))
        return self.take(order[:-held_out]), self.take(order[-held_out:])


def load_mnist(part: str, directory: Path | None = None, *, fetch: Fetch | None = None) -> Digits:
    """Load one part of MNIST.

    Parameters
    ----------
    part : str
        ``"train"`` or ``"test"``.
    directory : Path, optional
        Where the four files are, under their usual names or with a dot before ``idx``, plain or with ``.gz``. Without
        it ``MEMTWIN_DATA``; without that the cache (`memtwin.sim.cache.cache_directory`), into which what is missing is
        downloaded and checked.
    fetch : callable, optional
        What downloads.

    Raises
    ------
    InputError
        If a file is missing, damaged, or does not belong to the others; the message names it.
    """
    if part not in PARTS:
        raise InputError(f"MNIST: expected the part {' or '.join(PARTS)}, not {part!r}")
    names = [f"{PARTS[part]}-images-idx3-ubyte", f"{PARTS[part]}-labels-idx1-ubyte"]
    if directory is None and os.environ.get("MEMTWIN_DATA"):
        directory = Path(os.environ["MEMTWIN_DATA"]).expanduser()
    if directory is not None:
        image_path, label_path = (_find(directory, name) for name in names)
    else:
        image_path, label_path = (_cached(f"{name}.gz", fetch or _download) for name in names)
    images, labels = read_idx(image_path, 3), read_idx(label_path, 1)
    if images.shape[1:] != (SIDE, SIDE) or not len(images):
        raise InputError(f"{image_path}: expected pictures of {SIDE} x {SIDE} pixels, not the shape {images.shape}")
    if len(labels) != len(images):
        raise InputError(
            f"{label_path}: expected {len(images)} labels, as {image_path.name} has pictures, not {len(labels)}"
        )
    if labels.max() >= CLASSES:
        raise InputError(f"{label_path}: expected labels from 0 to {CLASSES - 1}, not {labels.max()}")
    return Digits(images.reshape(len(images), -1), labels)


def read_idx(path: Path, rank: int) -> Bytes:
    """Read an IDX file of unsigned bytes with `rank` axes; compressed if it begins like gzip, whatever its name.

    Raises
    ------
    InputError
        If it cannot be read, is not such a file, or has more or fewer bytes than its header says.
    """
    data = read_bytes(path, str(path), _LARGEST)
    if data[:2] == b"\x1f\x8b":
        data = _unzip(path, data)
    start = 4 + 4 * rank
    if len(data) < 4 or data[:3] != b"\x00\x00\x08":
        raise InputError(
            f"{path}: expected an IDX file of bytes, which begins with 00 00 08, not {data[:3].hex(' ') or 'nothing'}"
        )
    if data[3] != rank:
        raise InputError(f"{path}: expected an IDX file of rank {rank}, not {data[3]}")
    if len(data) < start:
        raise InputError(f"{path}: expected a header of {start} bytes, not {len(data)}; fetch the file again")
    shape = struct.unpack(f">{rank}I", data[4:start])
    if math.prod(max(size, 1) for size in shape) > _LARGEST:  # also of no pictures, but huge ones
        raise InputError(f"{path}: expected at most {_LARGEST} bytes after the header, not {_sizes(shape)}")
    expected, found = math.prod(shape), len(data) - start
    if found != expected:
        raise InputError(
            f"{path}: expected {expected} bytes after the header ({_sizes(shape)}), not {found}; fetch the file again"
        )
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape).copy()


def _sizes(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape))


def _unzip(path: Path, data: bytes) -> bytes:
    with parsing(str(path), "undamaged gzip data"), gzip.open(io.BytesIO(data)) as file:
        out = file.read(_LARGEST + 1)
    if len(out) > _LARGEST:
        raise InputError(f"{path}: expected at most {_LARGEST} bytes when unpacked")
    return out


def _find(directory: Path, name: str) -> Path:
    """Find a file under its name, or with a dot before ``idx``, as some archives have it; plain or with ``.gz``."""
    for own in (name, name.replace("-idx", ".idx")):
        for path in (directory / own, directory / f"{own}.gz"):
            if path.is_file():
                return path
    raise InputError(
        f"{directory}: expected {name} or {name}.gz there; give the directory of MNIST's four files (--data or "
        "MEMTWIN_DATA), or neither to download them"
    )


def _cached(name: str, fetch: Fetch) -> Path:
    """Return the path of a file in the cache, downloaded and checked if it was not there."""
    path = cache_directory() / "mnist" / name
    if path.is_file():
        return path
    url = _MIRROR + name
    try:
        content = fetch(url)
    except (OSError, HTTPException) as error:  # urllib's errors are of the first
        reason = getattr(error, "reason", None) or error
        reason = getattr(reason, "strerror", None) or reason
        raise InputError(
            f"{url}: cannot be downloaded ({reason}); give the directory of MNIST's files (--data or MEMTWIN_DATA)"
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != _SHA256[name]:
        raise InputError(f"{url}: expected the SHA-256 {_SHA256[name]}, not {found}; try again, or give a directory")
    try:
        return write_whole(path, content)
    except InputError as error:
        raise InputError(f"{error}; set MEMTWIN_CACHE to a directory") from None


def _download(url: str, *, most: int = _MOST_DOWNLOAD, seconds: float = _LONGEST_DOWNLOAD_S) -> bytes:
    """Return the content of an address, of at most so many bytes, within so many seconds in all.

    Raises
    ------
    OSError, HTTPException
        If it cannot be had, is too large, or does not come in time.
    """
    done: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()
    is_late = threading.Event()

    def fetch() -> None:
        try:
            done.put(_read(url, most, is_late))
        except (OSError, HTTPException) as error:
            done.put(error)

    # In a thread, because a name, a connection and every line of a header may each be late.
    threading.Thread(target=fetch, daemon=True).start()
    try:
        found = done.get(timeout=seconds)
    except queue.Empty:
        is_late.set()
        raise TimeoutError(f"not all there after {seconds:g} s") from None
    if isinstance(found, Exception):
        raise found
    return found


def _read(url: str, most: int, is_late: threading.Event) -> bytes:
    """Read an address, until it is too much or too late."""
    content = bytearray()
    with urllib.request.urlopen(url, timeout=_PATIENCE_S) as answer:
        while not is_late.is_set() and (part := answer.read1(_CHUNK)):
            content += part
            if len(content) > most:
                raise OSError(f"more than {most} bytes")
    return bytes(content)


def draw_digits(count: int, *, seed: int) -> Digits:
    """Draw pictures of the digits 0 to 9 in the manner of MNIST, for where there is no MNIST.

    Every one is a character of the font 7x5 in its own size, slant, place, thickness and brightness. Much easier than
    handwriting; equal seeds give equal pictures.
    """
    rng = np.random.default_rng(seed)
    font = np.pad(load_patterns("font7x5").astype(np.float32), ((0, 0), (1, 1), (1, 1)))
    labels = rng.permutation(np.arange(count) % CLASSES).astype(np.uint8)
    at = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
    shape = (count, 1, 1)
    pitch = rng.uniform(2.4, 3.0, shape)  # pixels of the picture in one of the font
    down, right = rng.uniform(-2.5, 2.5, (2, *shape))
    y = (at[:, None] - down) / pitch
    x = (at[None, :] - right) / pitch + rng.uniform(-0.25, 0.25, shape) * y
    # Between the font's pixels the picture is bilinear; a threshold below and above makes strokes with soft edges.
    row, column = np.clip(y + 4, 0, 7.999), np.clip(x + 3, 0, 5.999)
    top, left = row.astype(int), column.astype(int)
    below, beside = row - top, column - left
    top, left = np.broadcast_arrays(top, left)
    which = np.broadcast_to(labels.reshape(shape), top.shape)
    ink = (font[which, top, left] * (1 - beside) + font[which, top, left + 1] * beside) * (1 - below)
    ink += (font[which, top + 1, left] * (1 - beside) + font[which, top + 1, left + 1] * beside) * below
    stroke = np.clip((ink - rng.uniform(0.15, 0.35, shape)) * 3, 0, 1)
    images = np.rint(stroke * rng.uniform(160, 255, shape)).astype(np.uint8)
    return Digits(images.reshape(count, -1), labels)
