import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from memtwin.boards import fits
from memtwin.boards.build import DoesNotFit, TooSlow
from memtwin.boards.registry import BOARDS, board
from memtwin.boards.twins import TWINS
from memtwin.build import fits as module
from memtwin.cli import lists
from memtwin.cli.main import app
from memtwin.designs import DESIGNS
from memtwin.sim.errors import InputError

DOCS = Path(__file__).parents[3] / "docs/boards.md"
REPORT = {
    "fmax_hz": 33e6,
    "seed": 1,
    "digest": "d",
    "utilisation": {"ICESTORM_LC": [3663, 5280], "ICESTORM_RAM": [24, 30], "ICESTORM_PLL": [1, 1], "SB_I2C": [0, 2]},
}


def stand_in(monkeypatch, outcome):
    def build(design, name, out, content):
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(module, "build", build)


def test_a_design_that_fits(monkeypatch, tmp_path):
    stand_in(monkeypatch, REPORT)
    entry = module.measure("digits", "icebreaker", tmp_path)
    assert entry.pop("seconds") >= 0
    assert len(entry.pop("date").split("-")) == 3
    used = {"ICESTORM_LC": [3663, 5280], "ICESTORM_RAM": [24, 30]}
    expected = {"clock_hz": 30e6, "fits": True, "fmax_hz": 33e6, "seed": 1, "digest": "d", "utilisation": used}
    assert entry == expected


@pytest.mark.parametrize(
    ("outcome", "found", "brief"),
    [
        (
            DoesNotFit("no", {"ICESTORM_LC": [6382, 5280]}),
            {"needs": {"ICESTORM_LC": [6382, 5280]}},
            "does not fit: 6382 of 5280 ICESTORM_LC",
        ),
        (
            TooSlow("no", 29e6, REPORT["utilisation"]),
            {"fmax_hz": 29e6},
            "too slow: 3663 (69 %), 29.0 MHz",
        ),
    ],
)
def test_a_design_that_does_not(monkeypatch, tmp_path, outcome, found, brief):
    stand_in(monkeypatch, outcome)
    entry = module.measure("digits", "icebreaker", tmp_path)
    assert entry["fits"] is False
    assert found.items() <= entry.items()
    (line,) = [
        text for text in module.matrix({"icebreaker": {"digits": entry}}, ["digits"]).splitlines() if brief in text
    ]
    assert line.startswith("| `icebreaker` | iCE40UP5K-SG48 | 30 |")


def test_other_failures_are_not_recorded(monkeypatch, tmp_path):
    stand_in(monkeypatch, InputError("program yosys: not found"))
    with pytest.raises(InputError, match="yosys"):
        module.measure("digits", "icebreaker", tmp_path)


def test_what_was_measured_before_stays(tmp_path):
    file = tmp_path / "fits.json"
    module.record("ulx3s-85f", "digits", {"fits": True}, file)
    module.record("icebreaker", "digits", {"fits": False}, file)
    module.record("icebreaker", "ts-neuron", {"fits": True}, file)
    module.record("icebreaker", "digits", {"fits": True}, file)
    found = json.loads(file.read_text(encoding="utf-8"))
    assert list(found) == ["icebreaker", "ulx3s-85f"]
    assert found["icebreaker"] == {"digits": {"fits": True}, "ts-neuron": {"fits": True}}
    assert [path.name for path in tmp_path.iterdir()] == ["fits.json"]


@pytest.mark.parametrize("linked", [False, True])
def test_what_is_shipped_is_of_these_boards_and_clocks(linked):
    for name, found in fits.fits(linked=linked).items():
        for design, entry in found.items():
            assert design in TWINS
            assert DESIGNS[design].is_network or not linked
            assert entry["clock_hz"] == board(name).clock_hz, (name, design)
            if entry["fits"]:
                assert entry["fmax_hz"] >= entry["clock_hz"]
    assert set(fits.fits(linked=linked)) == set(BOARDS)


def test_at_least_ten_boards_hold_a_neuron():
    assert len(fits.fitting("ts-neuron")) >= 10
    assert len(fits.fitting("digits")) >= 10
    assert fits.fitting("no-such-design") == []


def test_what_the_link_fits():
    assert "icebreaker" in fits.fitting("mnist", linked=True)
    assert {"ulx3s-85f"} <= set(fits.fitting("digits", linked=True)) <= set(fits.fitting("digits"))


def test_documentation_has_the_tables():
    text = DOCS.read_text(encoding="utf-8")
    assert module.matrix() in text
    assert module.matrix(fits.fits(linked=True), module.LINKED_MATRIX) in text


def test_table_option_measures_nothing(monkeypatch, capsys):
    stand_in(monkeypatch, AssertionError())
    module.main(["--table"])
    assert capsys.readouterr().out == module.matrix()
    module.main(["--table", "--link"])
    assert capsys.readouterr().out == module.matrix(fits.fits(linked=True), module.LINKED_MATRIX)


def test_main_records_what_is_asked_for(monkeypatch, tmp_path):
    stand_in(monkeypatch, REPORT)
    recorded = []
    monkeypatch.setattr(module, "record", lambda *entry: recorded.append((*entry[:2], entry[3])))
    module.main(["--design", "lia", "--board", "icesugar", "--board", "upduino-v3", "-o", str(tmp_path)])
    assert recorded == [("icesugar", "lia", fits.FILE), ("upduino-v3", "lia", fits.FILE)]


def test_main_measures_networks_with_the_link(monkeypatch, tmp_path):
    monkeypatch.setattr(module.bitstreams, "build", lambda *_, linked: REPORT if linked else None)
    recorded = []
    monkeypatch.setattr(module, "record", lambda name, design, entry, file: recorded.append((design, file)))
    module.main(["--link", "--board", "icebreaker", "-o", str(tmp_path)])
    assert recorded == [(design, fits.LINKED_FILE) for design in TWINS if DESIGNS[design].is_network]
    assert len(recorded) < len(TWINS)


def test_listing_of_boards_says_what_fits(monkeypatch):
    found = {"icebreaker": {"digits": {"fits": True}, "apparatus": {"fits": False}}}
    linked = {"icebreaker": {"mnist": {"fits": True}}}
    monkeypatch.setattr(lists, "fits", lambda *, linked=False, both=(found, linked): both[linked])
    listed = json.loads(CliRunner().invoke(app, ["boards", "--json"]).stdout)
    assert [entry["name"] for entry in listed] == list(BOARDS)
    assert listed[0]["fits"] == found["icebreaker"]
    assert listed[0]["linked"] == linked["icebreaker"]
    assert listed[0]["uart"] == {"baud": 1_000_000, "adapter": False}
    assert listed[1]["fits"] == {}
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(app, ["boards"]).stdout
    (line,) = [text for text in shown.splitlines() if text.startswith("icebreaker ")]
    for part in ("iCE40UP5K-SG48", "5280", "120 kbit", "30MHz", "1000000 baud", "digits, (apparatus)", "mnist"):
        assert part in line
    assert "115200 baud (adapter)" in shown
