"""Events that a twin streams: spikes, fires, ends of presentations, trace words (docs/link.md, section 7)."""

from collections.abc import Iterator
from dataclasses import dataclass

from memtwin.link.errors import MISMATCH, LinkError

__all__ = ["EventDecoder", "LinkEvent"]

_KINDS = ("spike", "fire", "pause", "done")
_PAUSE, _DONE = 2, 3
_TRACE_BIT = 0x80
_EVENT_BYTES, _TRACE_BYTES = 4, 10
_SEQUENCES = 256


@dataclass(frozen=True, slots=True)
class LinkEvent:
    """One event.

    Attributes
    ----------
    kind : str
        ``"spike"``, ``"fire"``, ``"done"`` (a presentation is over) or ``"trace"``.
    step : int
        Steps since the start of the presentation: clock periods of hybrid neurons, substeps of op-amp neurons, steps
        of LIF neurons and STDP synapses.
    layer : int
        Layer, counted from 1 as in the names of the map.
    index : int
        Neuron; of ``"done"`` the network's answer, where it has one; of ``"trace"`` the index of the trace word.
    word : int
        Of ``"trace"`` the trace word: kind in bits 0-3, index in bits 4-19, value in bits 20-63. Else 0.
    """

    kind: str
    step: int
    layer: int
    index: int
    word: int = 0


class EventDecoder:
    """Takes the bodies of event frames apart, in the order in which they come."""

    def __init__(self) -> None:
        self._step = 0
        self._next: int | None = None

    def lost(self, sequence: int) -> int:
        """Return how many frames are missing in front of the one with that sequence number, modulo 256."""
        before = 0 if self._next is None else (sequence - self._next) % _SEQUENCES
        self._next = (sequence + 1) % _SEQUENCES
        return before

    def decode(self, data: bytes) -> Iterator[LinkEvent]:
        """Yield the events of one frame, whose body without sequence number and operation is `data`.

        Raises
        ------
        LinkError
            If they are not those of the contract.
        """
        at = 0
        while at < len(data):
            head = data[at]
            is_trace = bool(head & _TRACE_BIT)
            size = _TRACE_BYTES if is_trace else _EVENT_BYTES
            part = data[at : at + size]
            kind, layer = head & 15, (head >> 4 & 7) + 1
            if len(part) < size or (not is_trace and kind >= len(_KINDS)):
                raise LinkError(f"event {part.hex()}: not one of docs/link.md; {MISMATCH}")
            at += size
            self._step += part[1]
            index = int.from_bytes(part[2:4], "little")
            if is_trace:
                value = int.from_bytes(part[4:], "little")
                yield LinkEvent("trace", self._step, layer, index, value << 20 | index << 4 | kind)
            elif kind != _PAUSE:
                yield LinkEvent(_KINDS[kind], self._step, layer, index)
            if not is_trace and kind == _DONE:
                self._step = 0
