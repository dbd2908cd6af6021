"""The trace: every state word of a layer that changes, one 64-bit word an entry.

Which entries there are, and what they hold, is a matter of the layer, whose kinds of entries are numbered by itself.
"""

import enum
from collections.abc import Iterable

from amaranth.hdl import Cat, Const, Module, Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

__all__ = ["INDEX_BITS", "KIND_BITS", "TracePort", "TraceSignature", "trace_word", "write_trace"]

KIND_BITS = 4
INDEX_BITS = 16


class TracePort(wiring.PureInterface):
    """A port of the trace."""


class TraceSignature(wiring.Signature):
    """Trace port of a layer, at most one entry per clock, without back-pressure.

    Members
    -------
    valid : Out(1)
        An entry is on the port.
    word : Out(64)
        The entry: `kind` in bits 0-3, `index` in bits 4-19, `value` in bits 20-63.
    """

    def __init__(self) -> None:
        super().__init__({"valid": Out(1), "word": Out(64)})

    def create(self, *, path: tuple[str | int, ...] = (), src_loc_at: int = 0) -> TracePort:
        """Create a port."""
        return TracePort(self, path=path, src_loc_at=1 + src_loc_at)


def trace_word(kind: enum.IntEnum, index: ValueLike, *fields: Value) -> Value:
    """Pack an entry; `fields` make up the value, from bit 0, each as wide as its shape.

    Raises
    ------
    ValueError
        If the fields need more than the 44 bits of the value.
    """
    value = Cat(*fields)
    if len(value) > 64 - KIND_BITS - INDEX_BITS:
        raise ValueError(f"fields of {kind.name} must have at most 44 bits, not {len(value)}")
    index = Value.cast(index)
    # Extended rather than left to the assignment, because the value comes after it.
    index = Cat(index, Const(0, INDEX_BITS))[:INDEX_BITS]
    return Cat(Const(kind, KIND_BITS), index, value)


def write_trace(m: Module, trace: TracePort, entries: Iterable[tuple[Value, Value]]) -> None:
    """Put entries on the port `trace`, one clock late.

    Parameters
    ----------
    m : Module
        Where the port belongs.
    trace : TraceSignature
        The port; its word has no meaning while it is not valid.
    entries : iterable of (strobe, word)
        At least one; where strobes come in one clock, the first one counts.
    """
    *others, (strobe, word) = entries
    m.d.sync += [trace.valid.eq(Cat(strobe, *(strobe for strobe, _ in others)).any()), trace.word.eq(word)]
    # The last assignment counts.
    for strobe, word in reversed(others):
        with m.If(strobe):
            m.d.sync += trace.word.eq(word)
