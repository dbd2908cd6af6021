"""Building with or without the link, and a board that answers after it was programmed."""

import json

import pytest
from typer.testing import CliRunner

from memtwin.boards.build import DoesNotFit, TooSlow
from memtwin.build import bitstreams, programming
from memtwin.cli.main import app
from memtwin.designs import DESIGNS, Changes, find_design
from memtwin.hdl.port.host import HostPort
from memtwin.hdl.verilog import convert
from memtwin.link import LinkError
from memtwin.sim.errors import InputError
from tests.fake_twin import DESIGN_DIGEST, FakeTwin, a_map, on_a_line, served
from tests.programs import write_program

TOY = find_design("lif")  # a network; what is built is a stand-in


@pytest.fixture
def builds(monkeypatch):
    """Record what is built instead of building it; each is (linked, design, board)."""
    done = []

    def build(design, board, out, content, **options):
        done.append((False, design, board))
        return {"link": False}

    def build_linked(design, board, out, network, **options):
        done.append((True, design, board))
        return {"link": True}

    monkeypatch.setattr(bitstreams.board_build, "build", build)
    monkeypatch.setattr(bitstreams.board_build, "build_linked", build_linked)
    return done


def measured(monkeypatch, found):
    monkeypatch.setattr(bitstreams, "fits", lambda *, linked: found if linked else {})


def test_networks_have_the_link_where_it_fits(monkeypatch, builds, tmp_path):
    measured(monkeypatch, {"icebreaker": {"digits": {"fits": False}, "mnist": {"fits": True}}})
    for design in ("digits", "mnist", "opamp-5a", "lia"):
        bitstreams.build(find_design(design), "icebreaker", tmp_path)
    bitstreams.build(find_design("digits"), "ulx3s-85f", tmp_path)
    assert [linked for linked, _, _ in builds] == [False, True, True, False, True]


def test_a_user_may_ask_for_the_other(monkeypatch, builds, tmp_path):
    measured(monkeypatch, {"icebreaker": {"digits": {"fits": False}}})
    bitstreams.build(find_design("digits"), "icebreaker", tmp_path, linked=True)
    bitstreams.build(find_design("mnist"), "icebreaker", tmp_path, linked=False)
    assert builds == [(True, "digits", "icebreaker"), (False, "mnist", "icebreaker")]


LINK = "; --alone builds it without the link, in fewer cells"


@pytest.mark.parametrize(
    ("design", "set_", "linked", "boards", "hint"),
    [
        ("lia", (), False, [], ""),
        ("lia", (), False, ["icebreaker", "ulx3s-85f", "versa-ecp5"], "; it fits ulx3s-85f, versa-ecp5"),
        ("lia", (), False, list("abcde"), "; it fits a, b, c, d, and others that memtwin boards lists"),
        ("mnist", (), True, ["icebreaker", "ulx3s-85f"], f"{LINK}; with the link it fits ulx3s-85f"),
        # What was measured is the design as it is shipped.
        ("mnist", ("net=mnist-784x10",), False, ["icebreaker", "ulx3s-85f"], ""),
        ("mnist", ("net=mnist-784x10",), True, ["icebreaker", "ulx3s-85f"], LINK),
        ("digits", ("lanes=8",), False, ["ulx3s-85f"], "; --set lanes=1 takes fewer cells and more clocks"),
    ],
)
@pytest.mark.parametrize("is_slow", [False, True])
def test_hints_are_of_the_design_that_is_built(monkeypatch, tmp_path, design, set_, linked, boards, hint, is_slow):
    error = TooSlow("no", 1e6, {}) if is_slow else DoesNotFit("no", {"LC": [2, 1]})

    def build(*_, **__):
        raise error

    monkeypatch.setattr(bitstreams.board_build, "build", build)
    monkeypatch.setattr(bitstreams.board_build, "build_linked", build)
    monkeypatch.setattr(bitstreams, "fitting", lambda name, *, linked: boards)
    changes = Changes(assignments=set_)
    with pytest.raises((DoesNotFit, TooSlow)) as caught:
        bitstreams.build(find_design(design, changes), "icebreaker", tmp_path, linked=linked)
    assert str(caught.value) == "no" + hint


def test_what_cannot_have_the_link(tmp_path):
    with pytest.raises(InputError, match="design lia: cannot be reached over a link; expected a network"):
        bitstreams.build(find_design("lia"), "icebreaker", tmp_path, linked=True, say=lambda line: None)
    with pytest.raises(InputError, match="board none: unknown"):
        bitstreams.build(TOY, "none", tmp_path)
    with pytest.raises(InputError, match="option --alone: expected a design that plays for itself; izhikevich needs"):
        bitstreams.build(find_design("izhikevich"), "icebreaker", tmp_path, linked=False)


@pytest.mark.parametrize("design", ["ts-neuron", "lif"])
def test_a_network_is_what_has_a_host_port(design):
    component, _ = DESIGNS[design].build()
    convert(component, "top")  # else it is one that was made and not used
    assert isinstance(component, HostPort) == DESIGNS[design].is_network


def test_options_of_the_command_line(monkeypatch, tmp_path):
    asked = []

    def build(*arguments, linked):
        asked.append(linked)
        return {"link": linked, "warnings": []}

    monkeypatch.setattr(bitstreams, "build", build)
    for options in ([], ["--link"], ["--alone"]):
        done = CliRunner().invoke(app, ["build", "digits", "--board", "icebreaker", "--json", *options])
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout) == {"link": asked[-1], "warnings": []}
    assert asked == [None, True, False]


# Programming.


@pytest.fixture
def loader(monkeypatch, tmp_path):
    """An openFPGALoader that records its arguments, and a bitstream with a map; returns both files and a report."""
    record = tmp_path / "arguments.json"
    script = f"import json, sys\njson.dump(sys.argv[1:], open({str(record)!r}, 'w'))"
    path = write_program(tmp_path / "loader", script)
    monkeypatch.setenv("OPENFPGALOADER", str(path))
    bitstream, memory_map = tmp_path / "toy.bin", tmp_path / "toy.map.json"
    bitstream.write_bytes(b"bits")
    memory_map.write_text(json.dumps(a_map()), encoding="utf-8")
    asked = []

    def build(design, board, out, *, linked, reuse):
        asked.append((design.name, board, design.changes, linked, reuse))
        return {"bitstream": str(bitstream), "link": linked, "map": str(memory_map), "warnings": []}

    monkeypatch.setattr(programming, "build", build)
    return record, asked, str(bitstream), a_map()


def test_a_board_that_answers(loader, tmp_path):
    record, asked, bitstream, document = loader
    with on_a_line(FakeTwin(document)) as port:
        arguments = ["flash", "digits", "--board", "icebreaker", "--port", port, "-o", str(tmp_path)]
        done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    said = f"toy answers on {port}: design {DESIGN_DIGEST}, map {document['map_digest']}\n"
    assert done.stderr == said
    assert asked == [("digits", "icebreaker", Changes(), True, True)]
    assert json.loads(record.read_text(encoding="utf-8")) == ["-b", "ice40_generic", bitstream]


def test_without_a_port_nobody_is_asked(loader, tmp_path):
    record, asked, _, _ = loader
    done = CliRunner().invoke(
        app, ["flash", "digits", "--board", "icebreaker", "--alone", "--set", "a=1", "-o", str(tmp_path)]
    )
    assert done.stderr == "icebreaker runs digits\n"
    assert asked == [("digits", "icebreaker", Changes(assignments=("a=1",)), False, True)]
    assert record.exists()


def test_a_twin_without_link_has_no_port(loader, tmp_path):
    record, asked, _, _ = loader
    with pytest.raises(InputError, match="option --port: expected a design with the link; leave out --alone"):
        programming.program(TOY, "icebreaker", tmp_path, port="/dev/null", linked=False)
    assert not asked
    assert not record.exists()


def test_another_twin_at_the_port_is_not_taken_for_this_one(loader, tmp_path):
    report = programming.program(TOY, "icebreaker", tmp_path, linked=True)
    with (
        served(FakeTwin(a_map("another"))) as server,
        pytest.raises(LinkError, match=r"expected its own map [0-9a-f]{16}, not [0-9a-f]{16} \(toy\)"),
    ):
        programming.greeting(server.url, "icebreaker", report, patience_s=0)


def test_a_board_has_time_to_start(loader, tmp_path, monkeypatch):
    _, _, _, document = loader
    report = programming.program(TOY, "icebreaker", tmp_path, linked=True)
    calls = []
    whole = programming.Link

    def link(port, **options):
        calls.append(options["baud"])
        if len(calls) < 3:
            raise LinkError("not there yet")
        return whole(port, **options)

    monkeypatch.setattr(programming, "Link", link)
    monkeypatch.setattr(programming.time, "sleep", lambda seconds: None)
    with served(FakeTwin(document)) as server:
        assert programming.greeting(server.url, "icebreaker", report).startswith("toy answers on socket://")
    assert calls == [1_000_000] * 3
