"""The map of a design (docs/link.md, section 6)."""

import hashlib
import json

import pytest
from amaranth.hdl import Fragment

from memtwin.hdl.hybrid.network import HybridNetwork
from memtwin.hdl.hybrid.structure import HybridLayerConfig
from memtwin.hdl.link.map import LINK_BASE, design_digest, link_map, map_digest
from memtwin.hdl.port.host import HostPort
from tests.hdl.link.bench import LINK, NAMES
from tests.hdl.link.tiny import Tiny


def host_of(network):
    host = HostPort(network)
    Fragment.get(host, None)  # else it is one that was made and not used
    return host


def hybrid(rows=5):
    return host_of(HybridNetwork([HybridLayerConfig(rows=rows, neurons=3)]))


def test_the_map_names_every_address():
    host = hybrid()
    found = link_map(host, name="small", network="hybrid", traces=True, design=bytes(range(8)))
    assert json.loads(json.dumps(found)) == found
    assert [found[key] for key in ("format", "design", "network", "traces")] == [1, "small", "hybrid", True]
    assert found["design_digest"] == "0001020304050607"
    assert found["layers"][0]["rows"] == 5
    assert found["layers"][0]["tie"] == "inhibit"
    windows = host.network.memory_map.windows
    assert [window["name"] for window in found["windows"]] == list(windows)
    for window in found["windows"]:
        here = windows[window["name"]]
        assert (window["base"], window["words"], window["state"]) == (here.base, here.depth, here.state)
        if window["rows"] is not None:
            columns = 1 << (window["columns"] - 1).bit_length()
            for index in (0, 4, 14):
                row, column = divmod(index, window["columns"])
                assert here.address(index) == window["base"] + row * columns + column
    matrix = next(window for window in found["windows"] if window["name"] == "layer1.conductance")
    assert (matrix["rows"], matrix["columns"], matrix["state"]) == (5, 3, True)
    assert sum(window["rows"] is None for window in found["windows"]) == len(windows) - 1
    last = max(windows.values(), key=lambda window: window.base)
    assert found["end"] == last.base + (1 << last.bits)
    assert [register["name"] for register in found["registers"]] == [name for name in host.registers if name != "go"]
    assert found["registers"][0] == {"name": "pixels", "base": 0x800000, "words": 1}
    assert LINK_BASE == LINK
    names = [
        f"{entry['name']}{f'_{word}' if word else ''}" for entry in found["link"] for word in range(entry["words"])
    ]
    addresses = [entry["base"] + word for entry in found["link"] for word in range(entry["words"])]
    assert names == list(NAMES)
    assert addresses == list(range(LINK, LINK + 16))


def test_the_digest_is_of_all_but_the_digests():
    found = link_map(host_of(Tiny()), name="tiny", network="lif", traces=False, design=bytes(8))
    hashed = {key: value for key, value in found.items() if not key.endswith("_digest")}
    text = json.dumps(hashed, sort_keys=True, separators=(",", ":")).encode()
    assert found["map_digest"] == hashlib.sha256(text).hexdigest()[:16]
    assert map_digest(found).hex() == found["map_digest"]
    assert map_digest(json.loads(json.dumps(found))).hex() == found["map_digest"]
    assert map_digest(found | {"design_digest": "1"}) == map_digest(found)
    for change in ({"end": 1}, {"traces": True}, {"design": "other"}, {"structure": {"capacity": 2}}):
        assert map_digest(found | change) != map_digest(found)


def test_the_digest_of_the_gateware_follows_the_gateware():
    digest = design_digest(hybrid())
    assert len(digest) == 8
    assert design_digest(hybrid()) == digest
    assert design_digest(hybrid(rows=6)) != digest


def test_structure_beside_the_layers():
    found = link_map(
        host_of(Tiny()), name="tiny", network="lif", traces=False, design=bytes(8), structure={"capacity": 8}
    )
    assert found["structure"] == {"capacity": 8}


@pytest.mark.parametrize("design", [b"1", "12345678", None])
def test_a_digest_has_eight_bytes(design):
    with pytest.raises(ValueError, match=f"design must be 8 bytes, not {design!r}"):
        link_map(host_of(Tiny()), name="tiny", network="lif", traces=False, design=design)
