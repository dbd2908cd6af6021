"""Memory maps of designs, made from the gateware."""

import gc
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from amaranth.hdl import Fragment, UnusedElaboratable
from amaranth.lib.wiring import Component

from memtwin.design import Design
from memtwin.designs import DESIGNS
from memtwin.hdl.link.map import DIGEST_BYTES, design_digest, link_map
from memtwin.hdl.port.host import HostPort
from memtwin.link.maps import write_map
from memtwin.sim.errors import InputError

__all__ = ["design_map", "host_of", "maps_of", "shipped_maps", "write_design_map"]


def host_of(design: Design) -> HostPort:
    """Build the gateware of a design that can be reached over a link.

    Raises
    ------
    InputError
        If it is no network behind a host port, or a value does not fit its word.
    """
    host = _host(design.build()[0])
    if host is None:
        raise InputError(f"design {design.name}: cannot be reached over a link; expected a network, such as digits")
    return host


def _host(component: Component) -> HostPort | None:
    if isinstance(component, HostPort):
        return component
    Fragment.get(component, None)  # else Amaranth warns that nothing was made of it
    return None


def design_map(design: str, host: HostPort, *, traces: bool, digest: bytes | None = None) -> dict[str, Any]:
    """Make the map of a design (docs/link.md, section 6).

    Parameters
    ----------
    design : str
        Its name.
    host : HostPort
        Its gateware.
    traces : bool
        The link streams trace words.
    digest : bytes, optional
        Digest of the gateware; without it that is worked out, which takes as long as writing its Verilog.
    """
    return link_map(
        host,
        name=design,
        network=host.network.kind,
        traces=traces,
        design=design_digest(host) if digest is None else digest,
    )


def write_design_map(design: str, component: Component, result: Path, *, traces: bool = True) -> Path | None:
    """Write the map of a design beside what was made of it, as ``NAME.map.json``; returns its path.

    Returns None, and writes nothing, if the design is no network behind a host port.

    Parameters
    ----------
    design : str
        Its name.
    component : Component
        Its gateware.
    result : Path
        File that the map goes with: Verilog, bitstream.
    traces : bool
        The link streams trace words.

    Raises
    ------
    InputError
        If a value does not fit its word, or the file cannot be written.
    """
    host = _host(component)
    if host is None:
        return None
    return write_map(design_map(design, host, traces=traces), result.with_suffix(".map.json"))


def shipped_maps() -> Iterator[Mapping[str, Any]]:
    """Make the maps of all designs as shipped, with and without traces; the digest of the gateware is left at 0."""
    for design in DESIGNS.values():
        yield from maps_of(design)


def maps_of(design: Design) -> list[dict[str, Any]]:
    """Make the maps of a design, with and without traces; the digest of the gateware is left at 0."""
    # The gateware is made for its addresses alone.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        host = _host(design.build()[0])
        if host is None:
            return []
        found = [design_map(design.name, host, traces=traces, digest=bytes(DIGEST_BYTES)) for traces in (False, True)]
        del host
        gc.collect()
    return found
