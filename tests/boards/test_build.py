import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.hdl import ClockDomain, Elaboratable, Module, Signal
from amaranth.lib import io

from memtwin.boards.build import DoesNotFit, TooSlow, build, build_top
from memtwin.boards.clock import ClockGenerator
from memtwin.boards.registry import board
from memtwin.boards.tools import ToolError
from memtwin.boards.top import BoardTop
from memtwin.boards.twins import TWINS
from memtwin.designs import board_content
from memtwin.sim.errors import InputError
from tests.programs import write_program


class Blink(Elaboratable):
    """A counter; with `chain`, an addition as long as that many carries, which is slow."""

    def __init__(self, target, chain=0):
        self.target = target
        self.chain = chain

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.clock = ClockGenerator(self.target)
        m.submodules.led = led = io.Buffer("o", platform.request("led", 0, dir="-"))
        count = Signal(20 + self.chain)
        m.d.sync += count.eq(count + count[::-1] + 1)
        m.d.comb += led.o.eq(count[-1])
        return m


def make(name, out, **options):
    target = board(name)
    said = []
    chain = options.pop("chain", 0)
    report = build_top(Blink(target, chain), target, "blink", out, say=said.append, **options)
    return report, said


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "deeper"
    return out, *make("icebreaker", out)


def test_report_is_what_was_built(built):
    out, report, _ = built
    assert report["clock_hz"] == 30e6
    assert report["fmax_hz"] > 30e6
    used, available = report["utilisation"]["ICESTORM_LC"]
    assert 20 < used < 100
    assert available == 5280
    assert report["utilisation"]["ICESTORM_PLL"] == [1, 1]
    assert json.loads((out / "blink-icebreaker.json").read_text(encoding="utf-8")) == report


def test_files(built):
    out, report, _ = built
    names = {f"blink-icebreaker{end}" for end in (".bin", ".json", ".place.log", ".synthesis.log")}
    assert {path.name for path in out.iterdir()} == names
    assert report["bitstream"] == str(out / "blink-icebreaker.bin")
    image = (out / "blink-icebreaker.bin").read_bytes()
    assert b"\x7e\xaa\x99\x7e" in image[:256]  # an iCE40 bitstream begins so
    assert "Max frequency" in (out / "blink-icebreaker.place.log").read_text(encoding="utf-8")


def test_says_what_takes_time(built):
    _, _, said = built
    assert said == [
        "the first use of each tool compiles it, which takes a few minutes",
        "synthesis of blink for 1BitSquared iCEBreaker",
        "place and route, seed 1",
        "bitstream",
    ]


def test_same_design_same_bits(built, tmp_path):
    out, report, _ = built
    again, _ = make("icebreaker", tmp_path)
    assert (tmp_path / "blink-icebreaker.bin").read_bytes() == (out / "blink-icebreaker.bin").read_bytes()
    assert again["digest"] == report["digest"]


def test_reuse(built, monkeypatch, tmp_path):
    out, report, _ = built
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    again, said = make("icebreaker", out, reuse=True)
    assert again == report
    assert said == [f"{report['bitstream']} is up to date"]
    with pytest.raises(InputError, match="YOSYS"):
        make("icebreaker", out, reuse=True, chain=1)
    with pytest.raises(InputError, match="YOSYS"):
        make("icebreaker", tmp_path, reuse=True)


def test_reuse_needs_the_bits_that_were_built(built, monkeypatch, tmp_path):
    out, _, _ = built
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    make("icebreaker", tmp_path, reuse=True)
    bitstream = tmp_path / "blink-icebreaker.bin"
    bitstream.write_bytes(bitstream.read_bytes()[:-100])
    with pytest.raises(InputError, match="YOSYS"):
        make("icebreaker", tmp_path, reuse=True)


def stand_in(monkeypatch, tmp_path, variable, script):
    path = write_program(tmp_path / variable.lower(), f"import json, sys\n{script}")
    monkeypatch.setenv(variable, str(path))


SLOW = """
report = {"fmax": {"clk": {"achieved": 29.5, "constraint": 30.0}}, "utilization": {}, "critical_paths": [
    {"from": "posedge clk", "to": "posedge clk", "path": [
        {"delay": 1.0, "from": {"cell": "a.b_SB_DFF_Q_DFFLC"}, "to": {"cell": "x_SB_LUT4_O_LC"}},
        {"delay": 2.0, "from": {"cell": "x_SB_LUT4_O_LC"}, "to": {"cell": "c_SB_CARRY_CO"}}]}]}
json.dump(report, open("report.json", "w"))
open("seeds", "a").write(sys.argv[sys.argv.index("--seed") + 1])
"""


def test_missed_timing_is_a_failure(monkeypatch, tmp_path):
    for variable in ("YOSYS", "ICEPACK"):
        stand_in(monkeypatch, tmp_path, variable, "")
    stand_in(monkeypatch, tmp_path, "NEXTPNR_ICE40", SLOW)
    said = []
    target = board("icebreaker")
    with pytest.raises(TooSlow) as caught:
        build_top(Blink(target), target, "blink", tmp_path / "out", say=said.append)
    assert caught.value.fmax_hz == 29.5e6
    assert str(caught.value) == (
        "design blink reaches 29.50 MHz on icebreaker, less than the 30.00 MHz that it must run at; "
        "its longest path is a.b to c"
    )
    assert [line for line in said if "seed" in line] == [f"place and route, seed {seed}" for seed in (1, 2, 3)]
    assert list((tmp_path / "out").iterdir()) == []


def test_next_seed_may_meet_the_timing(monkeypatch, tmp_path):
    for variable in ("YOSYS", "ICEPACK"):
        stand_in(monkeypatch, tmp_path, variable, "for name in ('top.rpt', 'top.bin'): open(name, 'w').close()")
    fast = SLOW.replace("29.5", "30.0 + (sys.argv[sys.argv.index('--seed') + 1] == '2') - 0.5")
    stand_in(monkeypatch, tmp_path, "NEXTPNR_ICE40", fast + "open('top.tim', 'w').close()")
    report, said = make("icebreaker", tmp_path / "out")
    assert (report["seed"], report["fmax_hz"]) == (2, 30.5e6)
    assert "too slow: 29.50 MHz of 30.00 MHz" in said


@pytest.mark.parametrize("order", [("clk", "other"), ("other", "clk")])
def test_the_slowest_of_several_clocks_decides(monkeypatch, tmp_path, order):
    for variable in ("YOSYS", "ICEPACK"):
        stand_in(monkeypatch, tmp_path, variable, "")
    achieved = {"clk": 29.5, "other": 100.0}
    clocks = {name: {"achieved": achieved[name], "constraint": 30.0} for name in order}
    stand_in(
        monkeypatch,
        tmp_path,
        "NEXTPNR_ICE40",
        SLOW + f"report['fmax'] = {clocks}; json.dump(report, open('report.json', 'w'))",
    )
    with pytest.raises(TooSlow) as caught:
        make("icebreaker", tmp_path / "out")
    assert caught.value.fmax_hz == 29.5e6


FULL = """
open("top.tim", "w").write(
    "Info: Device utilisation:\\n"
    "Info: \\t         ICESTORM_LC:    6382/   5280   120%\\n"
    "Info: \\t        ICESTORM_RAM:      30/     30   100%\\n"
    "ERROR: Failed to expand region\\n"
)
sys.exit(1)
"""


CROWDED = FULL.replace("6382", "5150").replace("Failed to expand region", "Unable to find legal placement")


def test_a_design_without_a_placement_does_not_fit(monkeypatch, tmp_path):
    """All cells are there, but too close together; that all memories are taken is no reason."""
    stand_in(monkeypatch, tmp_path, "YOSYS", "")
    stand_in(monkeypatch, tmp_path, "ICEPACK", "")
    stand_in(monkeypatch, tmp_path, "NEXTPNR_ICE40", CROWDED)
    with pytest.raises(DoesNotFit) as caught:
        make("icebreaker", tmp_path / "out")
    assert str(caught.value) == (
        "design blink does not fit icebreaker: no placement was found with 5150 of 5280 ICESTORM_LC"
    )
    assert caught.value.needs == {"ICESTORM_LC": [5150, 5280]}


def test_a_design_that_does_not_fit_says_so(monkeypatch, tmp_path):
    for variable in ("YOSYS", "ICEPACK"):
        stand_in(monkeypatch, tmp_path, variable, "")
    stand_in(monkeypatch, tmp_path, "NEXTPNR_ICE40", FULL)
    out = tmp_path / "out"
    with pytest.raises(DoesNotFit) as caught:
        make("icebreaker", out)
    assert str(caught.value) == (
        "design blink does not fit icebreaker: it needs 6382 of 5280 ICESTORM_LC (1102 too many)"
    )
    assert caught.value.needs == {"ICESTORM_LC": [6382, 5280]}
    assert list(out.iterdir()) == []


# Chips that are too small for the board registry: a neuron does not fit them.
SMALL = {
    "icestick": ("iCE40HX1K", "iCE40HX1K-TQ144", 1280, False),
    "icesugar-nano": ("iCE40LP1K", "iCE40LP1K-CM36", 1280, True),
}


def small_board(name):
    silicon, chip, cells, nano = SMALL[name]
    platform = "icesugar_nano.ICESugarNanoPlatform" if nano else "icestick.ICEStickPlatform"
    return replace(
        board("ice40-hx8k-b-evn"),
        name=name,
        title=name,
        path=platform,
        silicon=replace(board("ice40-hx8k-b-evn").silicon, name=silicon, LUT4=cells, BRAM=16),
        chip=chip,
        winner=("led 0",),
        training="",
        spike="",
        scope={"pins": "A1 A2 B1 B3 B4 B5 C5 C6" if nano else "112 113 114 115 116 117 118 119"},
        attributes={"IO_STANDARD": "SB_LVCMOS"},
    )


# The package of the nano has no PLL, which is found before the cells are counted.
@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("icestick", r"\d+ of 1280 ICESTORM_LC"),
        pytest.param("icesugar-nano", "1 of 0 PLL", marks=pytest.mark.slow),
    ],
)
def test_small_chips_do_not_hold_a_neuron(tmp_path, name, needs):
    target = small_board(name)
    twin = TWINS["ts-neuron"](board_content("ts-neuron"), round(target.clock_hz))
    out = tmp_path / "out"
    with pytest.raises(DoesNotFit, match=f"design ts-neuron does not fit {name}: it needs {needs}"):
        build_top(BoardTop(target, twin), target, "ts-neuron", out, say=lambda line: None)
    assert list(out.iterdir()) == []


GOWIN = """
import os, re
words = sys.argv[1:]
assert words[words.index("--device") + 1] == "GW1NR-LV9QN88PC6/I5", words
assert [words[at + 1] for at, word in enumerate(words) if word == "--vopt"] == ["family=GW1N-9C", "cst=top.cst"], words
frequency = float(words[words.index("--freq") + 1])
json.dump({"fmax": {"clk": {"achieved": frequency, "constraint": frequency}}, "utilization": {}, "critical_paths": []},
    open("report.json", "w"))
open("top.tim", "w").close()
"""


def test_gowin_takes_the_place_of_nextpnr_gowin(monkeypatch, tmp_path):
    for variable in ("YOSYS", "GOWIN_PACK"):
        stand_in(monkeypatch, tmp_path, variable, "for name in ('top.rpt', 'top.fs'): open(name, 'w').close()")
    stand_in(monkeypatch, tmp_path, "NEXTPNR_HIMBAECHEL_GOWIN", GOWIN)
    report, _ = make("tang-nano-9k", tmp_path / "out")
    assert report["fmax_hz"] == report["clock_hz"] == board("tang-nano-9k").clock_hz
    assert report["bitstream"].endswith("blink-tang-nano-9k.fs")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "cell", "preamble"),
    [
        ("ice40-hx8k-b-evn", "ICESTORM_LC", bytes.fromhex("7eaa997e")),
        ("orangecrab-r0-2", "TRELLIS_COMB", bytes.fromhex("ffffbdb3")),
        ("tang-nano-9k", "LUT4", f"{0xA5C3:b}".encode()),
    ],
)
def test_a_bitstream_of_every_family(tmp_path, name, cell, preamble):
    report = build("lia", name, tmp_path, board_content("lia"), say=lambda line: None)
    used, available = report["utilisation"][cell]
    assert 100 < used < available
    assert abs(available - board(name).size["LUT4"]) < 100
    assert report["fmax_hz"] >= board(name).clock_hz
    assert preamble in Path(report["bitstream"]).read_bytes()[:4096]


def test_failed_tool_leaves_nothing_and_shows_its_lines(monkeypatch, tmp_path):
    stand_in(
        monkeypatch,
        tmp_path,
        "YOSYS",
        "sys.stderr.write('ERROR: Module `x` is not part of the design\\n'); sys.exit(1)",
    )
    out = tmp_path / "out"
    with pytest.raises(ToolError, match=r"yosys failed \(exit status 1\)\n  ERROR: Module `x` is not part"):
        make("icebreaker", out)
    assert list(out.iterdir()) == []


def test_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"folder .*file/out: cannot be made"):
        make("icebreaker", tmp_path / "file" / "out")


def test_unknown_names():
    def never(design):
        raise AssertionError(design)

    with pytest.raises(InputError, match="board none: unknown; expected one of icebreaker, ulx3s-85f"):
        build("digits", "none", "out", never)
    with pytest.raises(InputError, match="design none: cannot be built for a board; expected one of digits, "):
        build("none", "icebreaker", "out", never)
