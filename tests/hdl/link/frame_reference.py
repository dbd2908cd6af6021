"""Frames of the link in plain Python (docs/link.md, section 2)."""

import zlib
from collections import deque

from cobs import cobs

MOST = 254


def encode(body):
    """Frame of a body, without its last zero byte."""
    return cobs.encode(body + zlib.crc32(body).to_bytes(4, "little"))


def unstuff(chunk):
    """Bytes that the codes of a chunk give, as far as they go, and whether they add up."""
    out = b""
    while chunk:
        code = chunk[0]
        out += chunk[1:code]
        if len(chunk) < code:
            return out, False
        chunk = chunk[code:]
        if chunk and code < 255:
            out += b"\0"
    return out, True


class Reference:
    """What a decoder does: verdicts by name, one per frame or None, and the bodies that wait."""

    def __init__(self):
        self.waiting = deque()
        self._chunk = b""
        self._is_spoiled = False
        self._is_overrun = False

    def framing_error(self):
        self._is_spoiled = True

    def byte(self, byte):
        """Take a byte; a zero byte may bring a verdict."""
        if byte:
            if not self._chunk:
                self._is_overrun = len(self.waiting) == 2
            self._chunk += bytes([byte])
            return None
        verdict = self._judge() if self._chunk and not self._is_spoiled else None
        self._chunk, self._is_spoiled = b"", False
        return verdict

    def _judge(self):
        frame, adds_up = unstuff(self._chunk)
        if self._is_overrun:
            return "overrun"
        if len(frame) > MOST:
            return "oversized"
        if not adds_up or len(frame) < 6:
            return "malformed"
        body, crc = frame[:-4], frame[-4:]
        if zlib.crc32(body) != int.from_bytes(crc, "little"):
            return "crc_error"
        self.waiting.append(body)
        return "right"
