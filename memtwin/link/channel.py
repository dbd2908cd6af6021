"""Requests and answers over one port: sequence numbers, repetition, and the events that come in between."""

import random
import time
from collections import deque
from collections.abc import Sequence
from enum import IntEnum

from memtwin.link.errors import MISMATCH, LinkError
from memtwin.link.events import EventDecoder, LinkEvent
from memtwin.link.frames import FrameReader, encode
from memtwin.link.ports import PortClosedError, open_port

__all__ = ["Channel", "NoAnswerError", "Operation"]

_ANSWER, _EVENTS = 0x80, 0xC0  # alone, the answer to an operation that is not known
_REFUSALS = {
    1: f"it does not know the operation; {MISMATCH}",
    2: f"the length is wrong; {MISMATCH}",
    3: "an address is outside its map, or cannot be read or written",
    4: "a presentation is going on; wait for its end",
}
_SHORTEST_ANSWER = 3
_SEQUENCES = 256
_IN_FLIGHT = 2  # the twin holds two frames
_BITS_PER_BYTE = 10  # on the line
_LARGEST_FRAME = 256


class Operation(IntEnum):
    """What a host asks for (docs/link.md, section 3)."""

    IDENTIFY = 1
    READ = 2
    WRITE = 3
    RUN = 4
    RESET = 5


Request = tuple[Operation, bytes]  # operation, rest of the body


class NoAnswerError(LinkError):
    """Nothing came back."""


class Channel:
    """One port to a twin.

    Parameters
    ----------
    name : str
        See `memtwin.link.ports.open_port`.
    baud : int
        Baud rate.
    timeout : float, optional
        Time for an answer, s, beside that of its bytes on the line; without it that of the kind of port.
    attempts : int
        How often a frame is sent at most.

    Attributes
    ----------
    name, baud
        As above.
    events : deque of LinkEvent or LinkError
        What the twin said by itself, and what is wrong with it.
    """

    def __init__(self, name: str, baud: int, timeout: float | None, attempts: int) -> None:
        self.name, self.baud = name, baud
        self.events: deque[LinkEvent | LinkError] = deque()
        self._decoder = EventDecoder()
        self._reader = FrameReader()
        self._answers: deque[bytes] = deque()
        self._sequence = random.randrange(_SEQUENCES)
        self._last_run: int | None = None
        self._answered = False
        self._attempts = attempts
        self._port = open_port(name, baud)
        self._patience = self._port.patience_s if timeout is None else timeout

    def close(self) -> None:
        """Leave."""
        self._port.close()

    def flush(self) -> None:
        """End whatever another host left unfinished on the line."""
        self._write(b"\0")

    def set_baud(self, baud: int) -> None:
        """Go on with another baud rate on this side."""
        self._port.set_baud(baud)
        self.baud = baud

    def forget_events(self) -> None:
        """Drop the events that have come; the next frame of them may have any sequence number."""
        self.events.clear()
        self._decoder = EventDecoder()

    def wait_for_silence(self, pause_s: float) -> None:
        """Wait until no frame of events has come for that time, and that of some frames on the line."""
        pause_s += 4 * _LARGEST_FRAME * _BITS_PER_BYTE / self.baud
        end = time.monotonic() + pause_s
        while time.monotonic() < end:
            before = len(self.events)
            self.receive(end)
            if len(self.events) > before:
                end = time.monotonic() + pause_s

    def exchange(self, requests: Sequence[Request], attempts: int | None = None) -> list[bytes]:
        """Carry out requests in their order, the next one being sent while one is answered.

        They may be repeated, those of one call out of order: no two may write the same address.

        Returns
        -------
        list of bytes
            What follows the status in each answer.

        Raises
        ------
        LinkError
            If the twin refuses one, or does not answer.
        """
        attempts = attempts or self._attempts
        todo = deque(enumerate(requests))
        waiting: dict[int, tuple[int, Operation, bytes]] = {}  # by sequence number
        out = [b""] * len(requests)
        failures = 0
        end = 0.0
        while todo or waiting:
            while todo and len(waiting) < _IN_FLIGHT:
                position, (operation, rest) = todo.popleft()
                sequence = self._next(operation)
                frame = encode(bytes([sequence, operation]) + rest)
                waiting[sequence] = position, operation, frame
                self._write(frame)
                end = self._end(waiting)
            answer = self._answer(end)
            if answer is None:
                failures += 1
                if failures == attempts:
                    raise NoAnswerError(
                        f"no answer from {self.name} in {self._patience:g} s, {attempts} attempts: "
                        f"is the design flashed and the baud rate right ({self.baud})?"
                    )
                # The zero byte ends what a broken frame has left there.
                self._write(b"\0" + b"".join(frame for _, _, frame in waiting.values()))
                end = self._end(waiting)
                continue
            sequence, status, payload = answer[0], answer[2], answer[3:]
            if sequence not in waiting or answer[1] not in (waiting[sequence][1] | _ANSWER, _ANSWER):
                continue  # answer to a frame that was repeated, or to the host before this one
            position, operation, _ = waiting.pop(sequence)
            failures = 0
            end = self._end(waiting)
            self._answered = True
            if status:
                reason = _REFUSALS.get(status, f"status {status}; {MISMATCH}")
                raise LinkError(f"the twin at {self.name} refuses to {operation.name.lower()}: {reason}")
            out[position] = payload
        return out

    def receive(self, end: float) -> None:
        """Read once, until the time `end` at most, and sort what has come.

        Raises
        ------
        LinkError
            If the other end is gone.
        """
        try:
            data = self._port.read(max(0.0, end - time.monotonic()))
        except PortClosedError:
            raise self._gone() from None
        for body in self._reader.feed(data):
            if body[1] != _EVENTS:
                if len(body) >= _SHORTEST_ANSWER:
                    self._answers.append(body)
                continue
            if lost := self._decoder.lost(body[0]):
                self.events.append(LinkError(f"twin at {self.name}: {lost} frames of events were lost on the line"))
            try:
                self.events.extend(self._decoder.decode(body[2:]))
            except LinkError as error:
                self.events.append(error)

    def _next(self, operation: Operation) -> int:
        """Choose a sequence number; a `run` with that of the last one would not be carried out."""
        self._sequence = (self._sequence + 1) % _SEQUENCES
        if operation is Operation.RUN:
            if self._sequence == self._last_run:
                self._sequence = (self._sequence + 1) % _SEQUENCES
            self._last_run = self._sequence
        return self._sequence

    def _end(self, waiting: dict[int, tuple[int, Operation, bytes]]) -> float:
        """Time at which an answer is late: frames, answers and a frame of events take their time on the line."""
        on_line = sum(len(frame) + _LARGEST_FRAME for _, _, frame in waiting.values()) + _LARGEST_FRAME
        return time.monotonic() + self._patience + on_line * _BITS_PER_BYTE / self.baud

    def _answer(self, end: float) -> bytes | None:
        """Return the next answer; None if there is none until the time `end`."""
        while not self._answers:
            if time.monotonic() >= end:
                return None
            self.receive(end)
        return self._answers.popleft()

    def _write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except PortClosedError:
            raise self._gone() from None

    def _gone(self) -> LinkError:
        if self._answered:
            return LinkError(f"the twin at {self.name} has gone: expected it to stay; connect again")
        return LinkError(f"the twin at {self.name} is in use by another client, or has gone; wait for it")
