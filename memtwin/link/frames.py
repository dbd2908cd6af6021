"""Frames of the link: body, CRC-32, consistent-overhead byte stuffing, a zero byte (docs/link.md, section 2)."""

import zlib
from collections.abc import Iterator

from cobs import cobs

__all__ = ["LARGEST_BODY", "FrameReader", "encode"]

LARGEST_BODY = 250
_CRC_BYTES = 4
_SHORTEST = 2  # bytes of a body
_LARGEST_CODE = 1 + LARGEST_BODY + _CRC_BYTES  # bytes in front of the zero byte


def encode(body: bytes) -> bytes:
    """Return the frame of a body, with the zero byte that ends it.

    Raises
    ------
    ValueError
        If the body does not have 2 to 250 bytes.
    """
    if not _SHORTEST <= len(body) <= LARGEST_BODY:
        raise ValueError(f"body must have {_SHORTEST} to {LARGEST_BODY} bytes, not {len(body)}")
    return cobs.encode(body + zlib.crc32(body).to_bytes(_CRC_BYTES, "little")) + b"\0"


class FrameReader:
    """Finds the frames in a stream of bytes that may start, stop or be damaged anywhere.

    Attributes
    ----------
    damaged : int
        Frames that were dropped: their codes did not add up, their length or their CRC was wrong.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._codes = bytearray()
        self._oversized = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the bodies of the frames that end in `data`; what comes after the last one is kept."""
        *ends, rest = data.split(b"\0")
        for part in ends:
            self._append(part)
            body = self._close()
            if body is not None:
                yield body
        self._append(rest)

    def _append(self, part: bytes) -> None:
        self._codes += part
        if len(self._codes) > _LARGEST_CODE:  # a line that never is zero must not fill the memory
            self._oversized = True
            self._codes.clear()

    def _close(self) -> bytes | None:
        """End a frame; returns its body if it is whole."""
        codes, oversized = bytes(self._codes), self._oversized
        self._codes.clear()
        self._oversized = False
        if not codes and not oversized:  # a zero byte on its own is no frame
            return None
        try:
            data = b"" if oversized else cobs.decode(codes)
        except cobs.DecodeError:
            data = b""
        body, crc = data[:-_CRC_BYTES], data[-_CRC_BYTES:]
        if len(body) < _SHORTEST or zlib.crc32(body) != int.from_bytes(crc, "little"):
            self.damaged += 1
            return None
        return body
