"""The memory map of a design, for hosts: every name, and its addresses."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict

from memtwin.hdl.core.config import MatrixWindow, Window
from memtwin.hdl.link.registers import LINK_REGISTERS
from memtwin.hdl.port.host import HostPort
from memtwin.hdl.verilog import convert

__all__ = ["LINK_BASE", "design_digest", "link_map", "map_digest"]

FORMAT = 1
LINK_BASE = 0xC00000
DIGEST_BYTES = 8


def link_map(
    host: HostPort,
    *,
    name: str,
    network: str,
    traces: bool,
    design: bytes,
    structure: Mapping[str, object] | None = None,
) -> dict:
    """Return the map of a twin (docs/link.md, section 6); it can be written as JSON.

    Parameters
    ----------
    host : HostPort
        The network behind its host port.
    name : str
        Name of the design.
    network : str
        Kind of the network: ``"hybrid"``, ``"lif"``, ...
    traces : bool
        The link streams trace words.
    design : bytes
        Digest of the gateware, from `design_digest`.
    structure : mapping, optional
        What else is fixed in the design and is not of one layer, such as the capacity of an encoder.
    """
    _check_digest("design", design)
    windows = host.network.memory_map.windows.values()
    registers = {name: words for name, words in host.registers.items() if name != "go"}
    out: dict = {
        "format": FORMAT,
        "design": name,
        "network": network,
        "layers": [
            {name: value for name, value in asdict(layer).items() if value is not None} for layer in host.network.layers
        ],
        "structure": dict(structure or {}),
        "windows": [_window(window) for window in windows],
        "registers": [_words(name, words) for name, words in registers.items()],
        "link": [
            _words(name, range(LINK_BASE + words.start, LINK_BASE + words.stop))
            for name, words in LINK_REGISTERS.items()
        ],
        "end": host.network.memory_map.end,
        "traces": traces,
    }
    out["design_digest"] = design.hex()
    out["map_digest"] = map_digest(out).hex()
    return out


def map_digest(memory_map: Mapping[str, object]) -> bytes:
    """Return the digest of a map: of all that it holds, but the digests."""
    hashed = {key: value for key, value in memory_map.items() if key not in ("design_digest", "map_digest")}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()[:DIGEST_BYTES]


def design_digest(host: HostPort) -> bytes:
    """Return the digest of the gateware: of the Verilog of the network behind its host port.

    The network is elaborated for it, so that it takes as long as the Verilog of a design does.
    """
    return hashlib.sha256(convert(host, "host").encode()).digest()[:DIGEST_BYTES]


def _window(window: Window) -> dict:
    shape = (window.rows, window.columns) if isinstance(window, MatrixWindow) else (None, None)
    return {
        "name": window.name,
        "base": window.base,
        "words": window.depth,
        "rows": shape[0],
        "columns": shape[1],
        "state": window.state,
    }


def _words(name: str, words: range) -> dict:
    return {"name": name, "base": words.start, "words": len(words)}


def _check_digest(name: str, value: object) -> None:
    if not isinstance(value, bytes) or len(value) != DIGEST_BYTES:
        raise ValueError(f"{name} must be {DIGEST_BYTES} bytes, not {value!r}")
