"""The command line as a script sees it: one JSON document, exit statuses, one line for each mistake."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import memtwin as package
from memtwin.boards.registry import BOARDS

ROOT = Path(__file__).parents[3]


def memtwin(*arguments, cwd=None):
    command = [sys.executable, "-m", "memtwin", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def document(*arguments):
    done = memtwin(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_run_prints_one_document_with_the_contract_keys():
    found = document("run", "hybrid-neuron", "--seed", 3)
    assert set(found) == {"experiment", "backend", "seed", "results", "acceleration", "clock_hz", "warnings"}
    assert (found["experiment"], found["backend"], found["seed"]) == ("hybrid-neuron", "model", 3)
    assert found["results"]["fire_pulse_numbers"] == [5, 5]
    assert found["acceleration"] is None
    assert found["clock_hz"] is None


def test_what_does_not_fit_is_refused_or_clipped_with_a_warning():
    steep = ("run", "ts-pulses", "--set", "g0=3000/s")
    done = memtwin(*steep)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "growth per substep: asked 0.5964, got 0.25" in done.stderr
    assert (
        "expected at least 64 substeps (option substeps) in the half-period of 250us, not 16, or a smaller g0"
        in done.stderr
    )

    done = memtwin(*steep, "--allow-clipping", "--json")
    assert done.returncode == 0
    told = json.loads(done.stdout)["warnings"]
    (line,) = quantisation(told)
    assert line.startswith("quantisation clips growth per substep")
    assert done.stderr == "".join(f"warning: {line}\n" for line in told)

    assert quantisation(document(*steep, "--set", "substeps=64")["warnings"]) == []
    assert quantisation(document(*steep, "--backend", "physics")["warnings"]) == []


def quantisation(warnings):
    return [line for line in warnings if line.startswith("quantisation")]


def test_set_changes_a_card_field_and_an_option():
    slow = document("run", "ts-pulses", "--set", "g0=150/s", "--set", "v_in=1.0V")
    assert slow["results"]["pulses_to_first_fire"] > 4


def test_card_file_replaces_the_card_of_its_kind(tmp_path):
    card = json.loads(memtwin("devices", "ag-sio2", "--json").stdout)
    lines = ['name = "mine"', 'kind = "threshold switch"', 'title = "t"', 'citation = "c"']
    for field in card:
        value = 2 * field["value"] if field["name"] == "g0" else field["value"]
        lines += [f"[{field['name']}]", f'value = "{value}{field["unit"]}"', 'source = "test"']
    (tmp_path / "mine.toml").write_text("\n".join(lines))
    found = document("run", "ts-pulses", "--card", tmp_path / "mine.toml")
    assert found["results"]["pulses_to_first_fire"] < 4


@pytest.mark.parametrize("command", ["devices", "experiments", "boards"])
def test_listings_have_names(command):
    names = [entry["name"] for entry in document(command)]
    assert names
    assert len(set(names)) == len(names)


def test_tables_in_a_pipe_have_a_line_for_every_row():
    title, *rows = memtwin("boards").stdout.splitlines()
    assert title.split()[:2] == ["name", "title"]
    assert [row.split()[0] for row in rows] == list(BOARDS)


def test_report_says_what_quantisation_changed():
    rows = document("report", "hybrid-neuron")
    tau = next(row for row in rows if row["name"].startswith("tau_relax"))
    assert tau["asked"] == pytest.approx(150e-6)
    assert tau["got"] != tau["asked"]
    assert abs(tau["error"]) < 1e-3


def test_figures_and_waves_are_written_whole(tmp_path):
    done = memtwin("run", "hybrid-neuron", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    names = {path.suffix for path in (tmp_path / "out").iterdir()}
    assert names == {".png", ".vcd", ".gtkw"}


MISTAKES = {
    "unknown experiment": (["run", "digit"], "digit: unknown; expected one of"),
    "a backend with itself": (["compare", "lia", "--backends", "model,model"], "expected two that differ, not model"),
    "unknown backend": (["run", "lia", "--backend", "spice"], "backend spice"),
    "unknown design": (["verilog", "neuron"], "design neuron: unknown; expected one of"),
    "unknown board": (["build", "digits", "--board", "arty"], "board arty: unknown; expected one of"),
    "unknown simulator": (["verify", "lia", "--sim", "modelsim"], "modelsim"),
    "unknown name": (["run", "lia", "--set", "tau=1ms"], "unknown name tau"),
    "wrong unit": (["run", "lia", "--set", "tau_leak=4V"], "expected unit s"),
    "non-positive conductance": (["run", "digits", "--set", "g_min=0S"], "g_min: expected more than zero"),
    "name on two cards": (["run", "lia", "--set", "g_load=1uS"], "several cards"),
    "no assignment": (["run", "lia", "--set", "tau_leak"], "NAME=VALUE"),
    "substeps": (["run", "hybrid-neuron", "--set", "substeps=15"], "power of two"),
    "missing card": (["run", "lia", "--card", "nowhere.toml"], "nowhere.toml"),
    "missing pattern file": (["run", "digits", "--patterns", "nowhere.txt"], "nowhere.txt"),
    "order": (["run", "digits", "--order", "sorted"], "shuffled"),
    "one backend": (["compare", "lia", "--backends", "model"], "two names"),
    "unknown option": (["run", "lia", "--bogus"], "--bogus"),
    "missing argument": (["run"], "EXPERIMENT"),
}


@pytest.mark.parametrize(("arguments", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_line_and_status_2(arguments, said):
    done = memtwin(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("memtwin: ")
    assert said in lines[0]


def test_unwritable_directory_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    done = memtwin("run", "lia", "-o", tmp_path / "file" / "out")
    assert done.returncode == 2
    assert "file/out" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_verilog_is_the_same_from_anywhere(tmp_path):
    first = memtwin("verilog", "lia").stdout
    done = memtwin("verilog", "lia", "-o", "deep/lia.v", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "deep" / "lia.v").read_text() == first
    assert first.startswith("//")
    assert "module" in first
    assert str(tmp_path) not in first


def test_verilog_of_another_device_differs_in_its_tables_only():
    first, second = (memtwin("verilog", "hybrid-neuron", "--set", f"g0={rate}/s").stdout for rate in (195, 150))
    modules = [re.findall(r"^module \w+", text, re.MULTILINE) for text in (first, second)]
    assert modules[0] == modules[1] != []
    assert first == memtwin("verilog", "hybrid-neuron").stdout != second


def test_verify_takes_the_options_of_run(icarus, tmp_path):
    found = document(
        "verify", "hybrid-neuron", "--sim", "icarus", "--set", "tau_leak=3ms", "--set", "substeps=32", "-o", tmp_path
    )
    assert (found["passed"], found["failed"]) == (2, 0)
    assert found["waves"].endswith("hybrid-neuron-icarus.vcd")


def test_verify_refuses_a_change_that_does_not_fit(tmp_path):
    done = memtwin("verify", "hybrid-neuron", "--sim", "icarus", "--set", "tau_leak=3V", "-o", tmp_path)
    assert done.returncode == 2
    assert "tau_leak" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_card_of_escape_bytes_is_one_printable_line(tmp_path):
    heads = [r'name = "\u001b[31mred"', r'kind = "\u001b]0;title\u0007"', 'title = "t"', 'citation = "c"']
    (tmp_path / "mine.toml").write_text("\n".join(heads))
    for card in (tmp_path / "mine.toml", "none\x1b[31m.toml"):
        done = memtwin("run", "ts-pulses", "--card", card)
        assert done.returncode == 2
        line, end = done.stderr.split("\n")
        assert line.isprintable()
        assert r"\x1b" in line
        assert not end


@pytest.mark.parametrize("arguments", [("devices", "--json"), ("--help",)])
def test_a_full_disk_behind_standard_output_is_one_line_and_status_2(arguments):
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "memtwin", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "memtwin: standard output: No space left on device\n")


def test_a_reader_that_goes_away_is_no_failure():
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:
        command = [sys.executable, "-m", "memtwin", "devices", "--json"]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_for_a_closed_standard_error_is_not_on_standard_output():
    command = [
        "sh",
        "-c",
        'exec "$@" 2>&-',
        "sh",
        sys.executable,
        "-m",
        "memtwin",
        "run",
        "nonsense",
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")


def test_a_full_disk_behind_standard_error_leaves_the_status():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "memtwin", "run", "nonsense"]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=full, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("module", ["numpy", "typer", "memtwin.api"])
@pytest.mark.parametrize("start", ["script", "module"])
def test_ctrl_c_while_modules_are_imported_is_a_status_without_a_traceback(start, module):
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]["memtwin"]
    script = "from {} import {} as main; main()".format(*entry.split(":"))
    code = f"""
import runpy, sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            raise KeyboardInterrupt

sys.meta_path.insert(0, CtrlC())
sys.argv = ["memtwin", "boards"]
{script if start == "script" else 'runpy.run_module("memtwin", run_name="__main__")'}
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_python_m_memtwin_is_the_command_line():
    done = subprocess.run([sys.executable, "-m", "memtwin", "run", "nonsense"], capture_output=True, check=False)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)


def test_the_public_names_are_imported_when_they_are_asked_for():
    code = "import sys, memtwin; assert 'numpy' not in sys.modules; from memtwin import *; print(sorted(dir()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {*package.__all__} <= {*ast.literal_eval(done.stdout)}
    assert {*package.__all__} <= {*dir(package)}
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = package.nothing
