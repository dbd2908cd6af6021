"""Registers of the link, and what a twin says of itself in them (docs/link.md, section 4)."""

from dataclasses import dataclass

from memtwin.link.channel import Operation
from memtwin.link.maps import Words

__all__ = [
    "COUNTERS",
    "DONE",
    "FIRES",
    "IDLE",
    "LINK_BASE",
    "POWERED",
    "REGISTERS",
    "SPIKES",
    "WAIT",
    "Identity",
    "Status",
    "read_words",
    "write_words",
]

COUNTERS = ("framing_errors", "malformed", "oversized", "crc_errors", "overruns", "refused", "dropped")
# Registers of the link: their words from its base on (docs/link.md, section 4).
LINK_BASE = 0xC00000
REGISTERS = {
    "divider": range(0, 1),
    "options": range(1, 2),
    "trace_kinds": range(2, 3),
    "state": range(3, 4),
    "runs": range(4, 6),
    "clocks": range(6, 9),
    **{name: range(at, at + 1) for at, name in enumerate(COUNTERS, 9)},
}
SPIKES, FIRES, DONE, WAIT = 1, 2, 4, 8  # option bits
IDLE, POWERED = 1, 2  # state bits


@dataclass(frozen=True)
class Identity:
    """What a twin says of itself.

    Attributes
    ----------
    protocol : int
        Version of the contract.
    design_digest, map_digest : str
        Digests of the gateware and of the memory map, 16 hex digits.
    clock_hz : int
        Its clock, Hz.
    """

    protocol: int
    design_digest: str
    map_digest: str
    clock_hz: int


@dataclass(frozen=True)
class Status:
    """What a twin is doing.

    Attributes
    ----------
    idle, powered : bool
        No presentation is going on; the network has powered up.
    runs : int
        Presentations that are over since power-up, modulo 2**32.
    clocks : int
        Clocks in which the network was not idle, modulo 2**48.
    """

    idle: bool
    powered: bool
    runs: int
    clocks: int


def _address(address: int) -> bytes:
    return address.to_bytes(3, "little")


def read_words(address: int, count: int) -> tuple[Operation, bytes]:
    """Request that reads `count` words from an address on."""
    return Operation.READ, _address(address) + bytes([count])


def write_words(address: int, words: Words) -> tuple[Operation, bytes]:
    """Request that writes words from an address on."""
    return Operation.WRITE, _address(address) + words.astype("<u2").tobytes()
