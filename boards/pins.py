"""Ports of a board's resources without a buffer of their own, for `amaranth.lib.io.Buffer`."""

from amaranth.build import Pins, Platform
from amaranth.lib import io

__all__ = ["request_members", "request_port"]


def request_port(platform: Platform, name: str, number: int = 0) -> io.PortLike:
    """Request a resource that is one port."""
    port = platform.request(name, number, dir="-")
    assert isinstance(port, io.PortLike)
    return port


def request_members(platform: Platform, name: str, number: int) -> dict[str, io.PortLike]:
    """Request the ports of a resource by member; one without members has a nameless one."""
    parts = platform.lookup(name, number).ios  # type: ignore[attr-defined]  # the stubs leave it out
    if isinstance(parts[0], Pins):
        return {"": request_port(platform, name, number)}
    group = platform.request(name, number, dir={part.name: "-" for part in parts})
    return {part.name: getattr(group, part.name) for part in parts}
