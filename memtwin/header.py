"""Verilog to read: what is said at the head of a file, and the module below it."""

import re
import textwrap
from collections.abc import Sequence

from amaranth.lib import wiring
from amaranth.utils import ceil_log2

from memtwin.hdl.core.config import MatrixWindow, MemoryMap
from memtwin.hdl.port.host import HostPort
from memtwin.hdl.port.ports import ports_of
from memtwin.hdl.verilog import convert

__all__ = ["WIDTH", "interface", "written"]

WIDTH = 117
"""Columns of the text at the head of a file."""


def written(head: Sequence[str], component: wiring.Component, top: str) -> str:
    """Return the Verilog of a component as module `top`, below the lines `head` and a list of its ports."""
    comment = "".join(f"// {line}".rstrip() + "\n" for line in head)
    text = re.sub(r"^(module \S+ ?)\(([^()]*)\);$", _a_port_a_line, convert(component, top), flags=re.MULTILINE)
    # Without a time scale Icarus warns of whoever has one.
    return f"{comment}\n`timescale 1ns / 1ps\n\n{text}"


def _a_port_a_line(module: re.Match[str]) -> str:
    ports = [port.strip() for port in module[2].split(",")]
    # An escaped name ends with a space.
    listed = ",\n".join(f"  {port} " if port.startswith("\\") else f"  {port}" for port in ports)
    return f"{module[1]}(\n{listed}\n);"


def interface(component: wiring.Component, memory_map: MemoryMap) -> list[str]:
    """Say what every port is, and which word is at which address: a line each, and more where it is long."""
    ports = ports_of(component)
    name, kind = (max(len(getattr(port, field)) for port in ports) for field in ("name", "format"))
    lines = ["Ports: direction, bits, name, format, meaning."]
    for port in ports:
        start = f"  {port.direction:3}  {port.width:3}  {port.name:{name}}  {port.format:{kind}}  "
        lines += textwrap.wrap(port.meaning, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))
    return [*lines, "", *_addresses(component, memory_map)]


def _addresses(component: wiring.Component, memory_map: MemoryMap) -> list[str]:
    """Say which word is at which address."""
    lines = ["Words of 16 bits on the configuration bus: address, r if it can be read, w if it can be written, name."]
    for window in memory_map.windows.values():
        first, last = window.address(0), window.address(window.depth - 1)
        where = f"0x{first:05x}" if window.depth == 1 else f"0x{first:05x}-0x{last:05x}"
        fields = f", row * {1 << ceil_log2(window.columns)} + column" if isinstance(window, MatrixWindow) else ""
        lines.append(f"  {where:17}  {'rw' if window.state else ' w'}  {window.name}{fields}")
    if isinstance(component, HostPort):
        for register, addresses in component.registers.items():
            where = f"0x{addresses[0]:06x}" if len(addresses) == 1 else f"0x{addresses[0]:06x}-0x{addresses[-1]:06x}"
            lines.append(f"  {where:17}   w  presentation: {register}")
    return lines
