"""Client of the link: one class that talks to a twin on a board, or to a virtual board (docs/link.md).

It is long because it is one: all that a user asks of a twin.
"""

import contextlib
import os
import struct
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from memtwin.link.channel import Channel, NoAnswerError, Operation
from memtwin.link.errors import MISMATCH, LinkError
from memtwin.link.events import LinkEvent
from memtwin.link.maps import Burst, LinkMap, Words, bursts, read_map
from memtwin.link.registers import (
    COUNTERS,
    DONE,
    FIRES,
    IDLE,
    LINK_BASE,
    POWERED,
    REGISTERS,
    SPIKES,
    WAIT,
    Identity,
    Status,
    read_words,
    write_words,
)
from memtwin.link.snapshot import Snapshot
from memtwin.sim.errors import InputError

__all__ = ["BAUD", "Link"]

BAUD = 1_000_000

_PROTOCOL = 2
_REVERT_CLOCKS = 2**25  # after which a twin gives a baud rate up that nobody uses
_BAUD_ERROR = 0.02  # that a UART stands, as a fraction
_DIVIDERS = range(4, 2**13)
_LONGEST_POLL_S = 0.05
_PATIENCE_S = 60.0
_SILENCE_S = 0.05  # after which no frame of events is on its way
_ADDRESS_BITS, _WORD_BITS = 24, 16


class Link:
    """Connection to one twin, to be used in a ``with`` statement.

    What is not answered is sent again, in the same frame, which does no harm (docs/link.md, section 3).

    Parameters
    ----------
    port : str
        Device of a serial port, such as ``/dev/ttyUSB1``, or ``socket://HOST:NUMBER``.
    baud : int
        Baud rate, of a serial port.
    map : mapping or path, optional
        Memory map of the twin, or its JSON file. Without it the map is looked up by the digest that the twin tells.
    maps : callable, optional
        Gives the maps to look in; without it those of the designs that are shipped.
    timeout : float, optional
        Time for an answer, s, beside that of its bytes on the line; without it 0.5 s, or 5 s to a virtual board.
    attempts : int
        How often a frame is sent at most.

    Attributes
    ----------
    map : LinkMap
        Memory map of the twin; without one that was given it is looked up when it is first asked for, because that
        takes the gateware along. `status`, `counters` and `run` need none.
    identity : Identity
        What the twin said when it was opened.

    Raises
    ------
    LinkError
        If there is no such port, no twin answers, or `map` is not its own; where it is looked up, if it is that of no
        design as shipped.
    InputError
        If `map` is no map.
    """

    identity: Identity

    def __init__(
        self,
        port: str,
        *,
        baud: int = BAUD,
        map: Mapping[str, Any] | str | os.PathLike[str] | None = None,
        maps: Callable[[], Iterable[Mapping[str, Any]]] | None = None,
        timeout: float | None = None,
        attempts: int = 3,
    ) -> None:
        given = None if map is None else LinkMap(map) if isinstance(map, Mapping) else read_map(map)
        self._first: tuple[int, int] | None = None  # baud rate and divider before `set_baud`
        self._loaded: dict[str, Words] = {}
        self._streaming = False
        self._dropped = 0
        self._maps = maps or _shipped
        self._channel = Channel(port, baud, timeout, attempts)
        try:
            self._channel.flush()
            self.identity = self.identify()
            if given is not None:
                if given.digest != self.identity.map_digest:
                    raise LinkError(
                        f"twin at {port}: expected its own map {self.identity.map_digest}, not {given.digest} "
                        f"({given.design}); give the JSON that was written beside its bitstream"
                    )
                self.map = given
        except BaseException:
            self._channel.close()
            raise

    def __enter__(self) -> "Link":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave; a twin whose baud rate was changed gets its first one back, so that the next host finds it."""
        try:
            if self._first is not None:
                self._channel.exchange([self._divider_write(self._first[1])], attempts=1)
        except LinkError:
            pass  # there is no twin any more to be left in order
        finally:
            self._channel.close()

    # What a twin is

    def identify(self) -> Identity:
        """Ask the twin what it is.

        Raises
        ------
        LinkError
            If it does not answer, or speaks another protocol.
        """
        (answer,) = self._channel.exchange([(Operation.IDENTIFY, b"")])
        if not answer or answer[0] != _PROTOCOL:
            said = answer[0] if answer else "none"
            raise LinkError(f"twin at {self._channel.name}: expected protocol {_PROTOCOL}, not {said}; {MISMATCH}")
        try:
            protocol, design, map_digest, clock_hz = struct.unpack("<B8s8sI", answer)
        except struct.error:
            raise self._nonsense() from None
        return Identity(protocol, design.hex(), map_digest.hex(), clock_hz)

    @cached_property
    def map(self) -> LinkMap:
        """Memory map of the twin.

        Raises
        ------
        LinkError
            If it was not given, and is that of none that is known here.
        """
        for document in self._maps():
            if document["map_digest"] == self.identity.map_digest:
                return LinkMap(document)
        raise LinkError(
            f"twin at {self._channel.name}: its map {self.identity.map_digest} is not of what is asked for; "
            "it is of another network or options: give the JSON that was written beside its bitstream (--map FILE)"
        )

    def status(self) -> Status:
        """Ask the twin what it is doing."""
        # `state` comes first: who finds the twin idle then reads a `runs` that has the last presentation in it.
        state, runs, clocks = self._values("state", "runs", "clocks")
        return Status(bool(state & IDLE), bool(state & POWERED), runs, clocks)

    def counters(self) -> dict[str, int]:
        """Read the counters of what went wrong, by name; each stays at 65535 (docs/link.md, section 2)."""
        return dict(zip(COUNTERS, self._values(*COUNTERS), strict=True))

    def clear_counters(self) -> None:
        """Set the counters to 0."""
        zero = np.zeros(1, np.uint16)
        self._write([(LINK_BASE + REGISTERS[name].start, zero) for name in COUNTERS])
        self._dropped = 0

    # What a twin holds

    def read(self, name: str, first: int = 0, count: int | None = None) -> Words:
        """Read words by their name.

        Parameters
        ----------
        name : str
            Window of state, register of a presentation or of the link.
        first, count : int
            First word and number of words; without `count` all from `first` on.

        Returns
        -------
        uint16 array
            Words; a whole matrix as (rows, columns).

        Raises
        ------
        InputError
            If there is no such name or part, or it cannot be read.
        LinkError
            If the twin does not answer, or is busy.
        """
        place = self.map[name]
        if not place.readable:
            readable = ", ".join(window.name for window in self.map.state) or "none"
            raise InputError(f"{name}: cannot be read; expected a window of state ({readable}) or a register")
        last = place.words if count is None else first + count
        if not 0 <= first < last <= place.words:
            raise InputError(f"{name}: expected a part of its {place.words} words, not {first} to {last - 1}")
        addresses = place.addresses()[first:last]
        parts = [(address, part.stop - part.start) for address, part in bursts(addresses)]
        answers = self._channel.exchange([read_words(address, size) for address, size in parts])
        for (_, size), answer in zip(parts, answers, strict=True):
            if len(answer) != 2 * size:
                raise self._nonsense()
        words = np.frombuffer(b"".join(answers), dtype="<u2").astype(np.uint16)
        return place.shaped(words) if words.size == place.words else words

    def write(self, name: str, words: ArrayLike, first: int = 0) -> None:
        """Write words by their name, from word `first` on; an integer fills a register of several words.

        Raises
        ------
        InputError
            If there is no such name, or the words do not fit.
        LinkError
            If the twin does not answer, is busy, or does not let them be written.
        """
        place = self.map[name]
        if not 0 <= first < place.words:
            raise InputError(f"{name}: expected a first word of 0 to {place.words - 1}, not {first}")
        taken = place.take(words, first)
        addresses = place.addresses()[first : first + taken.size]
        self._write([(address, taken[part]) for address, part in bursts(addresses)])

    def write_words(self, addresses: ArrayLike, words: ArrayLike) -> None:
        """Write words by their addresses, each once, in bursts of neighbours.

        Raises
        ------
        InputError
            If an address or a word is none.
        LinkError
            As in `write`.
        """
        where, what = (np.atleast_1d(np.asarray(values, dtype=np.int64)) for values in (addresses, words))
        for name, values, bits in (("address", where, _ADDRESS_BITS), ("word", what, _WORD_BITS)):
            if values.size and not 0 <= values.min() <= values.max() < 1 << bits:
                raise InputError(f"{name}: expected 0 to {(1 << bits) - 1}, not {values.min()}..{values.max()}")
        if where.shape != what.shape:
            raise InputError(f"words: expected {where.size}, as there are addresses, not {what.size}")
        order = np.argsort(where)
        where, data = where[order], what[order].astype(np.uint16)
        self._write([(address, data[part]) for address, part in bursts(where)])

    def load(self, words: Mapping[str, ArrayLike]) -> None:
        """Load words of several windows by name, such as coefficients; they are part of later snapshots.

        Raises
        ------
        InputError
            If there is a name or a length that the design does not have.
        LinkError
            As in `write`.
        """
        self._write(self.map.writes(words))
        self._loaded |= {name: self.map[name].take(values) for name, values in words.items()}

    # What a twin does

    def show(self, **fields: ArrayLike) -> None:
        """Write registers of a presentation, such as ``show(pixels=0b101, periods=20)``; the others stay.

        Raises
        ------
        InputError
            If the presentation has no such field, or the value does not fit.
        """
        names = [place.name for place in self.map.presentation]
        for name, value in fields.items():
            if name not in names:
                raise InputError(f"{name}: expected a field of a presentation, one of {', '.join(names)}")
            self.write(name, value)

    def run(self) -> None:
        """Show the presentation that the registers hold; returns when it has begun.

        Raises
        ------
        LinkError
            If the twin does not answer, or another presentation is going on.
        """
        self._channel.exchange([(Operation.RUN, b"")])

    def run_until_done(self, timeout: float = _PATIENCE_S) -> Status:
        """Show the presentation that the registers hold, and wait for its end.

        Parameters
        ----------
        timeout : float
            Longest time for it, s.

        Raises
        ------
        LinkError
            If the twin does not answer, another presentation is going on, this one does not end in time, or events
            had no room.
        """
        self.run()
        status = self._wait(timeout, "the presentation to end")
        self._check_dropped()
        return status

    def power_up(self, timeout: float = _PATIENCE_S) -> None:
        """Make coefficients take effect: a presentation of nothing, with `init`; the registers are 0 afterwards."""
        for place in self.map.presentation:
            self.write(place.name, 0)
        self.write("init", 1)
        self.run_until_done(timeout)
        self.write("init", 0)

    def reset(self, timeout: float = _PATIENCE_S) -> None:
        """End whatever is going on, and wait until the network has powered up.

        Scalar coefficients are those of the build; what is in memories stays, so load all coefficients again.
        """
        self._channel.exchange([(Operation.RESET, b"")])
        self._channel.forget_events()
        self._streaming = False
        self._loaded.clear()
        self._wait(timeout, "the network to power up")

    def set_baud(self, baud: int) -> None:
        """Go on with another baud rate, on both sides; `close` goes back.

        Raises
        ------
        LinkError
            If the twin's clock cannot make it, or the line does not work with it; then the old one is back.
        """
        clock_hz = self.identity.clock_hz
        divider = round(clock_hz / baud) if baud > 0 else 0
        if divider not in _DIVIDERS or abs(clock_hz / divider / baud - 1) > _BAUD_ERROR:
            raise LinkError(f"{baud} baud: expected a rate that the twin's clock of {clock_hz} Hz is a multiple of")
        old = self._channel.baud
        (old_divider,) = self._values("divider")
        # The answer comes with the old rate. Without one the twin may have changed all the same.
        with contextlib.suppress(NoAnswerError):
            self._channel.exchange([self._divider_write(divider)], attempts=1)
        self._channel.set_baud(baud)
        try:
            self.identify()
        except NoAnswerError:
            self._channel.set_baud(old)
            time.sleep(_REVERT_CLOCKS / clock_hz)
            self.identify()
            raise LinkError(
                f"{baud} baud: the line to {self._channel.name} does not work with it; stays at {old}"
            ) from None
        self._first = self._first or (old, old_divider)

    # What a twin says by itself

    def stream(
        self, *, spikes: bool = True, fires: bool = False, trace_kinds: Iterable[int] = (), wait: bool = False
    ) -> None:
        """Choose the events that `events` gives; ends of presentations are always among them.

        Parameters
        ----------
        spikes, fires : bool
            Output spikes; fires of hybrid neurons.
        trace_kinds : iterable of int
            Kinds of trace words.
        wait : bool
            Hold the network rather than drop an event.
        """
        if any(self._values("options", "trace_kinds")):
            self.write("options", 0)
            self.write("trace_kinds", 0)
            # What the twin has in its queue is of the choice before.
            self._channel.wait_for_silence(_SILENCE_S)
        self._channel.forget_events()
        (self._dropped,) = self._values("dropped")
        self.write("trace_kinds", sum(1 << kind for kind in set(trace_kinds)))
        self._streaming = True
        self.write("options", SPIKES * spikes | FIRES * fires | DONE | WAIT * wait)

    def events(self, timeout: float = _PATIENCE_S) -> Iterator[LinkEvent]:
        """Yield events up to the end of a presentation, and that.

        Parameters
        ----------
        timeout : float
            Longest time without an event, s.

        Raises
        ------
        LinkError
            If none comes in time, a frame of them was lost, or the twin had no room for one.
        """
        if not self._streaming:
            raise LinkError("events: expected a choice of events first; call stream")
        while True:
            end = time.monotonic() + timeout
            while not self._channel.events:
                if time.monotonic() >= end:
                    raise LinkError(
                        f"twin at {self._channel.name}: no event in {timeout:g} s; is a presentation going on?"
                    )
                self._channel.receive(end)
            event = self._channel.events.popleft()
            if isinstance(event, LinkError):
                raise event
            yield event
            if event.kind == "done":
                self._check_dropped()
                return

    # What a network remembers

    def snapshot(self) -> Snapshot:
        """Read everything that the network remembers between presentations.

        Raises
        ------
        InputError
            If networks of this kind do not give their state.
        LinkError
            If the twin does not answer, or a presentation is going on.
        """
        if not self.map.state:
            raise InputError(
                f"snapshot: design {self.map.design} has no windows of state; expected hybrid or LIF neurons"
            )
        state = {place.name: self.read(place.name) for place in self.map.state}
        return Snapshot(self.map.design, self.map.digest, state, dict(self._loaded))

    def restore(self, snapshot: Snapshot) -> None:
        """Continue from a snapshot: its coefficients, power-up, its state. The next presentation must not have `init`.

        Raises
        ------
        InputError
            If it is one of another design.
        LinkError
            If the twin does not answer, or a presentation is going on.
        """
        if snapshot.map_digest != self.map.digest:
            raise InputError(
                f"snapshot: expected one of a twin with the map {self.map.digest} ({self.map.design}), "
                f"not {snapshot.map_digest} ({snapshot.design})"
            )
        if missing := [place.name for place in self.map.state if place.name not in snapshot.state]:
            raise InputError(f"snapshot: expected every window of state; it lacks {', '.join(missing)}")
        if snapshot.coefficients:
            self.load(snapshot.coefficients)
        self.power_up()
        self._write(self.map.writes(snapshot.state))

    def _values(self, *names: str) -> list[int]:
        """Read registers, each in one burst so that its words are of one moment."""
        words = [REGISTERS[name] for name in names]
        answers = self._channel.exchange([read_words(LINK_BASE + own.start, len(own)) for own in words])
        if any(len(answer) != 2 * len(own) for own, answer in zip(words, answers, strict=True)):
            raise self._nonsense()
        return [int.from_bytes(answer, "little") for answer in answers]

    def _write(self, parts: Sequence[Burst]) -> None:
        self._channel.exchange([write_words(address, words) for address, words in parts])

    def _divider_write(self, divider: int) -> tuple[Operation, bytes]:
        return write_words(LINK_BASE + REGISTERS["divider"].start, np.array([divider], np.uint16))

    def _wait(self, timeout: float, what: str) -> Status:
        end = time.monotonic() + timeout
        pause = 0.0
        while True:
            status = self.status()
            if status.idle and status.powered:
                return status
            if time.monotonic() >= end:
                raise LinkError(f"twin at {self._channel.name}: expected {what} in {timeout:g} s; reset ends it")
            time.sleep(pause)
            pause = min(_LONGEST_POLL_S, 2 * pause + 1e-3)

    def _check_dropped(self) -> None:
        """Complain of events that the twin dropped since the choice of events, or since the last complaint."""
        if not self._streaming:
            return
        before = self._dropped
        (self._dropped,) = self._values("dropped")
        if self._dropped != before:
            raise LinkError(
                f"twin at {self._channel.name}: dropped {self._dropped - before} events or more; "
                "choose fewer kinds, or let the network wait"
            )

    def _nonsense(self) -> LinkError:
        return LinkError(f"twin at {self._channel.name}: an answer of the wrong length; {MISMATCH}")


def _shipped() -> Iterable[Mapping[str, Any]]:
    """Maps of the designs that are shipped; only now, for they take the gateware along."""
    from memtwin.link.design_maps import shipped_maps

    return shipped_maps()
