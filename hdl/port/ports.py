"""What the ports of a component are: names and widths from its signature, meanings from its docstring.

The section ``Members`` of a docstring has an entry for every member, ``name : In(width)`` with its meaning below. Names
may share an entry, and ``...`` among them stands for more of the same with other numbers. A member that is an
interface, such as a configuration bus, is described by the docstring of its signature.
"""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass

from amaranth.hdl import Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In

__all__ = ["Port", "ports_of"]

_FORMAT = re.compile(r"[US]Q\(-?\d+, \d+\)(?: V)?")


@dataclass(frozen=True)
class Port:
    """One port of a module.

    Attributes
    ----------
    name, direction : str
        Name in Verilog; ``"in"`` or ``"out"``.
    width : int
        Bits.
    format : str
        Fixed-point format with its unit, or ``"bit"``, ``"unsigned"``, ``"signed"``.
    meaning : str
        What it is, in a sentence or two.
    """

    name: str
    direction: str
    width: int
    format: str
    meaning: str


def ports_of(component: wiring.Component) -> list[Port]:
    """List the ports of a component, in the order of its signature; clock and reset first.

    Raises
    ------
    ValueError
        If a docstring lacks a member.
    """
    found = [
        Port("clk", "in", 1, "bit", "Clock of the fabric: all inputs are taken at its rising edge."),
        Port("rst", "in", 1, "bit", "Reset, high at a rising edge of clk."),
    ]
    for path, member, port in component.signature.flatten(component):
        shape = Value.cast(port).shape()
        meaning = _meaning(component, [str(name) for name in path])
        fixed = _FORMAT.search(meaning)
        kind = "bit" if shape.width == 1 else "signed" if shape.signed else "unsigned"
        direction = "in" if member.flow is In else "out"
        found.append(Port("__".join(map(str, path)), direction, shape.width, fixed[0] if fixed else kind, meaning))
    return found


def _meaning(component: wiring.Component, path: list[str]) -> str:
    """Find what a member means, by its path through the interfaces."""
    owner, signature = type(component), component.signature
    for name in path[:-1]:
        member = signature.members[name].signature
        signature = member.flip() if isinstance(member, wiring.FlippedSignature) else member
        owner = type(signature)
    for base in owner.__mro__:
        for names, meaning in _entries(inspect.cleandoc(base.__doc__ or "")):
            if path[-1] in names or ("..." in names and any(_is_like(path[-1], name) for name in names)):
                return meaning
    raise ValueError(f"the docstring of {owner.__name__} must say what its member {path[-1]} is")


def _is_like(name: str, given: str) -> bool:
    """Whether a name is one that was given, with other numbers."""
    return re.sub(r"\d+", "0", name) == re.sub(r"\d+", "0", given)


def _entries(text: str) -> Iterator[tuple[list[str], str]]:
    """Read the section ``Members``: names and meaning of each entry."""
    section = re.split(r"^(\S+)\n-+\n", text, flags=re.MULTILINE)
    members = dict(zip(section[1::2], section[2::2], strict=True)).get("Members", "")
    for entry in re.split(r"^(?=\S)", members, flags=re.MULTILINE):
        head, _, body = entry.partition("\n")
        names, is_entry, _ = head.partition(" : ")
        if is_entry:
            yield names.split(", "), " ".join(body.replace("`", "").split())
