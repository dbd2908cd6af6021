"""A network behind the serial port of a board, and its bitstream."""

import json
from pathlib import Path

import pytest

from memtwin.boards import build as module
from memtwin.boards.build import build, build_linked
from memtwin.boards.link_top import LinkTop, divider, streams_traces
from memtwin.boards.registry import BOARDS, board, resource
from memtwin.designs import board_content
from memtwin.hdl.lif.layer import LifLayerConfig
from memtwin.hdl.lif.network import LifNetwork
from memtwin.hdl.link.map import design_digest, link_map
from memtwin.hdl.link.port import PROTOCOL
from memtwin.hdl.port.host import HostPort
from memtwin.sim.errors import InputError
from tests.hdl.link.bench import DONE, IDENTIFY, run
from tests.hdl.link.tiny import Tiny
from tests.programs import write_program

ENTRIES = pytest.mark.parametrize("entry", BOARDS.values(), ids=lambda entry: entry.name)
DIGESTS = {"map_digest": bytes(range(8)), "design_digest": bytes(range(100, 108))}


def rtlil(entry):
    top = LinkTop(entry, HostPort(Tiny()), **DIGESTS)
    return entry.platform().prepare(top, "top", emit_src=False).files


@ENTRIES
def test_a_link_on_the_pins_of_every_board(entry):
    files = rtlil(entry)
    constraints = "".join(text for name, text in files.items() if name.endswith((".pcf", ".lpf", ".cst")))
    for pin in ("rx", "tx"):
        assert f"uart_0__{pin}__io" in constraints
    for words in filter(None, (entry.training, entry.spike)):
        name, number, member = resource(words)
        assert f"{name}_{number}__{member and member + '__'}io" in constraints
    assert "scope" not in constraints
    # A queue of trace words takes nine block RAMs of an iCE40.
    assert ("traced1_valid" in files["top.il"]) == streams_traces(entry) == (entry.family != "ice40")


@ENTRIES
def test_the_line_has_the_rate_of_the_board(entry):
    bit = divider(entry)
    assert bit >= 4
    assert abs(entry.clock_hz / bit / entry.baud - 1) < 0.02  # what a UART stands in ten bits


def test_the_twin_says_what_it_is_at_the_rate_and_clock_of_the_board():
    target = board("icebreaker")
    top = LinkTop(target, HostPort(Tiny()), **DIGESTS)
    target.platform().prepare(top, "top", emit_src=False)
    answers = []

    async def script(line):
        line.divider = 30  # 30 MHz, 1 Mbaud
        answers.append(await line.ask(IDENTIFY))

    run(top.link, script)
    said = bytes([PROTOCOL]) + DIGESTS["design_digest"] + DIGESTS["map_digest"] + (30_000_000).to_bytes(4, "little")
    assert answers == [(DONE, said)]


def small(traces):
    """Two LIF neurons with two inputs, and their map."""
    host = HostPort(LifNetwork([LifLayerConfig(rows=2, neurons=2)], 2))
    return host, link_map(host, name="small", network="lif", traces=traces, design=design_digest(host))


def stand_in(monkeypatch, tmp_path, variable, script):
    path = write_program(tmp_path / variable.lower(), f"import json, sys\n{script}")
    monkeypatch.setenv(variable, str(path))


FAST = """
json.dump({"fmax": {"clk": {"achieved": 31.0, "constraint": 30.0}}, "utilization": {}, "critical_paths": []},
    open("report.json", "w"))
open("top.tim", "w").close()
"""
FULL = """
open("top.tim", "w").write("Info: \\t         ICESTORM_LC:    6382/   5280   120%\\n")
sys.exit(1)
"""


def with_tools(monkeypatch, tmp_path, place):
    for variable in ("YOSYS", "ICEPACK"):
        stand_in(monkeypatch, tmp_path, variable, "for name in ('top.rpt', 'top.bin'): open(name, 'w').close()")
    stand_in(monkeypatch, tmp_path, "NEXTPNR_ICE40", place)


def make(out, **options):
    return build_linked("small", "icebreaker", out, small, say=lambda line: None, **options)


def test_the_map_comes_with_the_bitstream(monkeypatch, tmp_path):
    with_tools(monkeypatch, tmp_path, FAST)
    out = tmp_path / "out"
    report = make(out)
    assert report["link"] is True
    assert report["map"] == str(out / "small-icebreaker.map.json")
    memory_map = json.loads(Path(report["map"]).read_text(encoding="utf-8"))
    assert memory_map == json.loads(json.dumps(small(traces=False)[1]))
    assert not list(out.glob(".*"))
    assert json.loads((out / "small-icebreaker.json").read_text(encoding="utf-8")) == report


def test_reuse_needs_the_map(monkeypatch, tmp_path):
    with_tools(monkeypatch, tmp_path, FAST)
    out = tmp_path / "out"
    report = make(out)
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    assert make(out, reuse=True) == report
    Path(report["map"]).write_text("{}", encoding="utf-8")
    with pytest.raises(InputError, match="YOSYS"):
        make(out, reuse=True)
    Path(report["map"]).unlink()
    with pytest.raises(InputError, match="YOSYS"):
        make(out, reuse=True)


def test_a_build_without_link_leaves_no_map_of_another(monkeypatch, tmp_path):
    with_tools(monkeypatch, tmp_path, FAST)
    monkeypatch.setitem(module.TWINS, "small", module.TWINS["lia"])
    report = make(tmp_path / "out")
    alone = build("small", "icebreaker", tmp_path / "out", board_content("lia"), say=lambda line: None)
    assert (alone["link"], alone["map"]) == (False, None)
    assert alone["bitstream"] == report["bitstream"]
    assert not Path(report["map"]).exists()


@pytest.mark.slow
def test_a_bitstream_with_the_link(tmp_path):
    report = make(tmp_path)
    assert report["fmax_hz"] >= board("icebreaker").clock_hz
    used, available = report["utilisation"]["ICESTORM_LC"]
    assert 1000 < used < available
    assert b"\x7e\xaa\x99\x7e" in Path(report["bitstream"]).read_bytes()[:256]
