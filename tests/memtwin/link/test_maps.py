"""Memory maps: what the gateware says of its addresses, and what the client makes of it; files."""

import json

import numpy as np
import pytest

from memtwin.designs import find_design
from memtwin.hdl.link.map import LINK_BASE
from memtwin.hdl.link.registers import LINK_REGISTERS
from memtwin.link import registers
from memtwin.link.design_maps import design_map, host_of, shipped_maps, write_design_map
from memtwin.link.maps import LARGEST_BURST, LinkMap, digest_of, read_map, write_map
from memtwin.sim.errors import InputError
from tests.fake_twin import a_map
from tests.hdl.helpers import unused
from tests.memtwin.cli.test_cli import memtwin
from tests.refusal import refusal

UNKNOWN = bytes(8)


@pytest.mark.parametrize("design", ["digits", "opamp-7b", "apparatus", "lif", "mnist"])
def test_every_word_of_a_design_is_where_the_gateware_has_it(design):
    with unused():
        host = host_of(find_design(design))
        document = design_map(design, host, traces=True, digest=UNKNOWN)
        link_map = LinkMap(json.loads(json.dumps(document)))
        memory_map = host.network.memory_map
        words = find_design(design).words
        expected = dict(memory_map.writes(words))
        windows = memory_map.windows
        registers = dict(host.registers)
        del host
    for name, window in windows.items():
        place = link_map[name]
        assert place.addresses().tolist() == [window.address(index) for index in range(window.depth)]
        assert place.readable == window.state
    for name, values in registers.items():
        if name != "go":
            assert link_map[name].addresses().tolist() == list(values)
    assert "go" not in link_map.places
    found = {}
    for address, values in link_map.writes(words):
        assert 1 <= values.size <= LARGEST_BURST
        for offset, word in enumerate(values.tolist()):
            assert address + offset not in found
            found[address + offset] = word
    assert found == expected


def test_the_client_knows_the_registers_of_the_link():
    assert (registers.LINK_BASE, registers.REGISTERS) == (LINK_BASE, LINK_REGISTERS)


def test_maps_of_shipped_designs_have_digests_of_their_own():
    maps = [LinkMap(document) for document in shipped_maps()]
    assert {"digits", "mnist", "opamp-5a"} <= {found.design for found in maps}
    assert "lia" not in {found.design for found in maps}
    assert len({found.digest for found in maps}) == len(maps)


def test_digest_is_of_everything_but_the_digests():
    document = a_map()
    assert digest_of(document | {"design_digest": "0" * 16}) == document["map_digest"]
    for changed in ({"design": "other"}, {"end": 2048}, {"traces": False}, {"windows": document["windows"][1:]}):
        assert digest_of(document | changed) != document["map_digest"]


def test_file_comes_back(tmp_path):
    path = write_map(a_map(), tmp_path / "deep" / "toy.map.json")
    assert read_map(path).document == a_map()
    assert [entry.name for entry in path.parent.iterdir()] == ["toy.map.json"]


def test_map_that_is_none(tmp_path):
    path = tmp_path / "toy.json"
    good = a_map()
    broken = {
        "expected a memory map of memtwin, which is JSON": "{",
        "expected a memory map of memtwin, format 1": "[]",
        "format 1": json.dumps(good | {"format": 2}),
        "map_digest: expected [0-9a-f]{16}, not": json.dumps(good | {"end": 4}),
        "not a memory map of memtwin: KeyError 'windows'": json.dumps(
            {name: part for name, part in good.items() if name != "windows"}
        ),
        "not a memory map of memtwin: KeyError 'base'": json.dumps(good | {"registers": [{"name": "pixels"}]}),
        "divider: expected one entry, not two": json.dumps(good | {"link": 2 * good["link"]}),
        "not a memory map of memtwin: TypeError": json.dumps(good | {"link": 3}),
    }
    for said, text in broken.items():
        path.write_text(text)
        with pytest.raises(InputError, match=said) as error:
            read_map(path)
        assert str(error.value).startswith(f"file {path}")
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"nowhere\.json: cannot be read \(No such file"):
        read_map(tmp_path / "nowhere.json")
    with pytest.raises(InputError, match="cannot be written"):
        write_map(good, path / "toy.json")


def changed(part, number, **changes):
    """A map with an entry changed, and the digest of it."""
    document = a_map()
    document[part][number] |= changes
    return document | {"map_digest": digest_of(document)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": -1}, "layer1.conductance, base: expected 0 to 16777195, not -1"),
        ({"base": 10**30}, "layer1.conductance, base: expected 0 to 16777195"),
        ({"base": 1.5}, "layer1.conductance, base: expected 0 to 16777195, not 1.5"),
        ({"base": True}, "layer1.conductance, base: expected 0 to 16777195, not True"),
        ({"words": 0}, "layer1.conductance, words: expected 1 to 16777216, not 0"),
        ({"words": 10**12}, "layer1.conductance, words: expected 1 to 16777216"),
        ({"words": "15"}, "layer1.conductance, words: expected 1 to 16777216"),
        ({"columns": 0}, "layer1.conductance, rows and columns: expected two numbers whose product is 15, not 3, 0"),
        ({"columns": None}, "rows and columns: expected two numbers whose product is 15, not 3, None"),
        ({"rows": -3, "columns": -5}, "rows and columns: expected two numbers whose product is 15, not -3, -5"),
        ({"rows": 4}, "rows and columns: expected two numbers whose product is 15, not 4, 5"),
        ({"name": ["x"]}, "name: expected a text, not ['x']"),
        ({"name": "layer1.leak"}, "layer1.leak: expected one entry, not two"),
    ],
)
def test_an_entry_that_is_no_place(changes, message):
    said = refusal(LinkMap, changed("windows", 3, **changes))
    assert said.startswith("map: ")
    assert message in said


def test_a_register_of_the_link_fits_a_burst():
    assert LinkMap(changed("link", 4, words=120))["runs"].words == 120
    assert refusal(LinkMap, changed("link", 4, words=121)) == "map: runs, words: expected 1 to 120, not more"


def test_a_place_ends_with_the_last_address():
    assert LinkMap(changed("windows", 3, base=2**24 - 21))["layer1.conductance"].addresses().max() == 2**24 - 1
    assert "expected 0 to 16777195" in refusal(LinkMap, changed("windows", 3, base=2**24 - 20))


def test_places_have_no_more_words_than_there_are_addresses():
    many = {"rows": None, "columns": None, "state": False, "base": 0, "words": 2**24}
    document = a_map()
    document["windows"] += [{"name": f"w{number}", **many} for number in range(2)]
    said = refusal(LinkMap, document | {"map_digest": digest_of(document)})
    assert said == "map: words: expected at most 16777216 in all, not more"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("design", 3, "design: expected a str, not int"),
        ("map_digest", ["x"], "map_digest: expected a str, not list"),
        ("traces", 1, "traces: expected a bool, not int"),
        ("layers", {}, "layers: expected a list, not dict"),
        ("layers", [3], "layers: expected objects, not 3"),
        ("windows", 3, "not a memory map of memtwin: TypeError"),
        ("windows", {"a": 1}, "not a memory map of memtwin: TypeError"),
        ("registers", ["x"], "not a memory map of memtwin: TypeError"),
    ],
)
def test_a_map_of_other_types(name, value, message):
    assert message in refusal(LinkMap, a_map() | {name: value})


@pytest.mark.parametrize("text", ["[" * 10**5, '{"format": NaN}', '{"format": 1, "format": 1}', "1" * 5000, "\x00"])
def test_text_that_is_no_map(tmp_path, text):
    path = tmp_path / "toy.json"
    path.write_text(text)
    assert "toy.json: expected a memory map of memtwin, which is JSON (" in refusal(read_map, path)


def test_image_is_cut_into_bursts_of_neighbours():
    link_map = LinkMap(a_map())
    words = {"layer1.theta": np.arange(300), "layer1.leak_half": [7], "layer1.leak": [6]}
    bursts = link_map.writes(words)
    assert [(address, values.size) for address, values in bursts] == [(0, 2), (512, 120), (632, 120), (752, 60)]
    assert bursts[0][1].tolist() == [6, 7]
    assert link_map.writes({}) == []


def test_verilog_comes_with_its_map(tmp_path):
    done = memtwin("verilog", "lif", "-o", tmp_path / "out" / "lif.v")
    assert done.returncode == 0, done.stderr
    found = read_map(tmp_path / "out" / "lif.map.json")
    assert (found.design, found.network) == ("lif", "lif")
    assert int(found.document["design_digest"], 16)
    assert write_design_map("lia", find_design("lia").build()[0], tmp_path / "lia.v") is None
    assert not (tmp_path / "lia.map.json").exists()
