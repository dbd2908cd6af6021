"""A twin in pure Python, written from docs/link.md alone, that misbehaves on demand."""

import hashlib
import json
import os
import select
import socket
import threading
import time
import tty
import zlib
from collections.abc import Callable
from contextlib import contextmanager

CLOCK_HZ = 12_000_000
DIVIDER = 12
DESIGN_DIGEST = "00112233445566ff"
LINK = {"divider": (0, 1), "options": (1, 1), "trace_kinds": (2, 1), "state": (3, 1), "runs": (4, 2), "clocks": (6, 3)}
COUNTERS = ("framing_errors", "malformed", "oversized", "crc_errors", "overruns", "refused", "dropped")
LINK |= {name: (9 + at, 1) for at, name in enumerate(COUNTERS)}
REGISTERS, LINK_BASE = 0x800000, 0xC00000


def a_map(design: str = "toy", state: bool = True) -> dict:
    """Map of a network with windows of all kinds; those of `state` or none."""
    windows = [
        {"name": "layer1.leak", "base": 0, "words": 1, "rows": None, "columns": None, "state": False},
        {"name": "layer1.leak_half", "base": 1, "words": 1, "rows": None, "columns": None, "state": False},
        {"name": "layer1.growth_base", "base": 64, "words": 64, "rows": None, "columns": None, "state": False},
        {"name": "layer1.conductance", "base": 128, "words": 15, "rows": 3, "columns": 5, "state": state},
        {"name": "layer1.theta", "base": 512, "words": 300, "rows": None, "columns": None, "state": state},
    ]
    document = {
        "format": 1,
        "design": design,
        "network": "hybrid",
        "layers": [{"rows": 3, "neurons": 5}],
        "structure": {},
        "windows": windows,
        "registers": [
            {"name": "pixels", "base": REGISTERS, "words": 2},
            {"name": "periods", "base": REGISTERS + 2, "words": 1},
            {"name": "init", "base": REGISTERS + 3, "words": 1},
        ],
        "link": [{"name": name, "base": LINK_BASE + at, "words": words} for name, (at, words) in LINK.items()],
        "end": 1024,
        "traces": True,
    }
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    return document | {"map_digest": digest, "design_digest": DESIGN_DIGEST}


def stuff(data: bytes) -> bytes:
    """Byte stuffing, with a code byte at the front of every stretch without a zero; at most 254 bytes."""
    assert len(data) <= 254
    parts = data.split(b"\0")
    if len(data) == 254 and len(parts) == 1:
        return b"\xff" + data + b"\0"
    return b"".join(bytes([len(part) + 1]) + part for part in parts) + b"\0"


def unstuff(codes: bytes) -> bytes | None:
    """Undo `stuff`; None if the codes do not add up."""
    out, at = b"", 0
    while at < len(codes):
        size = codes[at] - 1
        if at + 1 + size > len(codes):
            return None
        out += codes[at + 1 : at + 1 + size]
        at += 1 + size
        if size < 254 and at < len(codes):
            out += b"\0"
    return out


class FakeTwin:
    """The state of a twin, and what it answers.

    `lose(count)` tells whether request number `count` (of those with the right CRC) is lost on its way, `mangle(count,
    frame)` returns what becomes of the answer or event frame number `count` on its way back.
    """

    def __init__(self, document: dict | None = None) -> None:
        self.map = document or a_map()
        self.words: dict[int, int] = {}
        self.counters = dict.fromkeys(COUNTERS, 0)
        self.divider = self.first_divider = DIVIDER
        self.options = self.trace_kinds = 0
        self.requests: list[bytes] = []
        self.runs = self.event_frames = self.answers = 0
        self.last_run: int | None = None
        self.busy_until = 0.0
        self.clocks = 0x1_2345_6789
        self.protocol = 2
        # Of every presentation: how long it takes (s), the bodies of its event frames, how many events are dropped.
        self.run_s = 0.0
        self.script: list[bytes] = []
        # Bodies of event frames that were in the queue when all options are taken back.
        self.queued: list[bytes] = []
        self.drops = 0
        self.lose: Callable[[int], bool] = lambda count: False
        self.mangle: Callable[[int, bytes], bytes] = lambda count, frame: frame
        self._codes = b""
        names = self.map["windows"]
        self._state: set[int] = set()
        for window in names:
            for index in range(window["words"]):
                offset = index
                if window["columns"]:
                    row, column = divmod(index, window["columns"])
                    offset = row * (1 << (window["columns"] - 1).bit_length()) + column
                if window["state"]:
                    self._state.add(window["base"] + offset)

    @property
    def idle(self) -> bool:
        return time.monotonic() >= self.busy_until

    def receive(self, data: bytes) -> bytes:
        """Take bytes, one after the other; returns what is sent back."""
        out = b""
        for byte in data:
            if byte:
                self._codes += bytes([byte])
            else:
                codes, self._codes = self._codes, b""
                out += self._frame(codes)
        return out

    def _frame(self, codes: bytes) -> bytes:
        if not codes:
            return b""
        data = unstuff(codes)
        if len(codes) > 255:
            self.counters["oversized"] += 1
        elif data is None or len(data) < 6:
            self.counters["malformed"] += 1
        elif zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little"):
            self.counters["crc_errors"] += 1
        else:
            self.requests.append(data[:-4])
            if not self.lose(len(self.requests)):
                return self._carry_out(data[:-4])
        return b""

    def _send(self, body: bytes) -> bytes:
        self.answers += 1
        return self.mangle(self.answers, stuff(body + zlib.crc32(body).to_bytes(4, "little")))

    def _carry_out(self, body: bytes) -> bytes:
        sequence, operation, rest = body[0], body[1], body[2:]
        extra = b""
        match operation:
            case 1:
                status, payload = (2 if rest else 0), b""
                if not rest:
                    self.last_run = None
                    digests = bytes.fromhex(self.map["design_digest"]) + bytes.fromhex(self.map["map_digest"])
                    payload = bytes([self.protocol]) + digests + CLOCK_HZ.to_bytes(4, "little")
            case 2:
                status, payload = self._read(rest)
            case 3:
                status, payload = self._write(rest), b""
                if not self.options:
                    extra = self._events(self.queued)
                    self.queued = []
            case 4:
                status, payload, extra = self._run(sequence, rest)
            case 5:
                status, payload = (2 if rest else 0), b""
                if not rest:
                    self._reset()
            case _:
                operation, status, payload = 0, 1, b""
        if status:
            self.counters["refused"] += 1
            payload = b""
        return self._send(bytes([sequence, operation | 0x80, status]) + payload) + extra

    def _where(self, address: int) -> str | None:
        if address < self.map["end"]:
            return "window"
        if REGISTERS <= address < REGISTERS + 4:
            return "register"
        return "link" if LINK_BASE <= address < LINK_BASE + 16 else None

    def _read(self, rest: bytes) -> tuple[int, bytes]:
        if len(rest) != 4 or not 1 <= rest[3] <= 120:
            return 2, b""
        out = b""
        for address in range(int.from_bytes(rest[:3], "little"), int.from_bytes(rest[:3], "little") + rest[3]):
            where = self._where(address)
            if where is None or (where == "window" and address not in self._state):
                return 3, b""
            if where != "link" and not self.idle:
                return 4, b""
            word = self._link(address - LINK_BASE) if where == "link" else self.words.get(address, 0)
            out += word.to_bytes(2, "little")
        return 0, out

    def _link(self, offset: int) -> int:
        wide = {4: self.runs, 6: self.clocks}
        for base, value in wide.items():
            if base <= offset < base + 3 and not (base == 4 and offset == 6):
                return value >> 16 * (offset - base) & 0xFFFF
        if offset >= 9:
            return min(self.counters[COUNTERS[offset - 9]], 0xFFFF)
        return (self.divider, self.options, self.trace_kinds, 2 | self.idle)[offset]

    def _write(self, rest: bytes) -> int:
        if len(rest) < 5 or len(rest) > 243 or len(rest) % 2 == 0:
            return 2
        first = int.from_bytes(rest[:3], "little")
        words = [int.from_bytes(rest[at : at + 2], "little") for at in range(3, len(rest), 2)]
        places = [self._where(first + at) for at in range(len(words))]
        if None in places or any(LINK_BASE + 3 <= first + at <= LINK_BASE + 8 for at in range(len(words))):
            return 3
        if not self.idle and any(place != "link" for place in places):
            return 4
        for address, word in enumerate(words, first):
            offset = address - LINK_BASE
            if offset < 0:
                self.words[address] = word
            elif offset == 0:
                self.divider = min(max(word, 4), 8191)
            elif offset == 1:
                self.options = word
            elif offset == 2:
                self.trace_kinds = word
            elif offset >= 9:
                self.counters[COUNTERS[offset - 9]] = 0
        return 0

    def _run(self, sequence: int, rest: bytes) -> tuple[int, bytes, bytes]:
        if rest:
            return 2, b"", b""
        if sequence == self.last_run:
            return 0, b"", b""
        if not self.idle:
            return 4, b"", b""
        self.last_run = sequence
        self.busy_until = time.monotonic() + self.run_s
        self.runs += 1
        self.counters["dropped"] += self.drops
        return 0, b"", self._events(self.script) if self.options & 7 or self.trace_kinds else b""

    def _events(self, bodies: list[bytes]) -> bytes:
        out = b""
        for body in bodies:
            out += self._send(bytes([self.event_frames & 0xFF, 0xC0]) + body)
            self.event_frames += 1
        return out

    def _reset(self) -> None:
        self.busy_until = 0.0
        self.options = self.trace_kinds = self.event_frames = 0
        self.counters = dict.fromkeys(COUNTERS, 0)
        for address in (0, 1):
            self.words.pop(address, None)


class Server:
    """The twin behind a socket, one client at a time.

    Attributes
    ----------
    sent_limit, received_limit : int or None
        After so many bytes to, or from, a client it is thrown out; once.
    """

    def __init__(self, twin: FakeTwin) -> None:
        self.twin = twin
        self.sent_limit: int | None = None
        self.received_limit: int | None = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._wake, self._woken = os.pipe()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        os.write(self._woken, b".")
        self._thread.join()
        self._listener.close()
        os.close(self._wake)
        os.close(self._woken)

    def _serve(self) -> None:
        self._client: socket.socket | None = None
        while True:
            waiting = [self._wake, self._listener, *([self._client] if self._client else [])]
            ready, _, _ = select.select(waiting, [], [])
            if self._wake in ready:
                break
            if self._client in ready:
                self._answer()
            elif self._listener in ready:
                # The client may have left just before the next one comes.
                while self._client and select.select([self._client], [], [], 0)[0]:
                    self._answer()
                other, _ = self._listener.accept()
                if self._client is None:
                    self._client, self._sent, self._received = other, 0, 0
                else:
                    other.close()
        if self._client:
            self._client.close()

    def _answer(self) -> None:
        """Take what the client sends, and answer; let it go if it leaves, or has had enough."""
        assert self._client is not None
        answer = b""
        try:
            data = self._client.recv(4096)
            if self.received_limit is not None:
                data = data[: self.received_limit - self._received]
            answer = self.twin.receive(data)
            if self.sent_limit is not None:
                answer = answer[: self.sent_limit - self._sent]
            self._client.sendall(answer)
        except OSError:
            data = b""
        self._received += len(data)
        self._sent += len(answer)
        if self._sent == self.sent_limit or self._received == self.received_limit:
            self.sent_limit = self.received_limit = None
            data = b""
        if not data:
            self._client.close()
            self._client = None


@contextmanager
def served(twin: FakeTwin):
    """The twin behind a socket; see `Server`."""
    server = Server(twin)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def on_a_line(twin: FakeTwin):
    """The twin behind a pseudo-terminal; yields the name of its device."""
    line, device = os.openpty()
    tty.setraw(device)
    wake, woken = os.pipe()

    def serve() -> None:
        while True:
            ready, _, _ = select.select([wake, line], [], [])
            if wake in ready:
                return
            os.write(line, twin.receive(os.read(line, 4096)))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield os.ttyname(device)
    finally:
        os.write(woken, b".")
        thread.join()
        for end in (line, device, wake, woken):
            os.close(end)
