"""``memtwin verify``: reports, files and messages. The benches of all designs run in tests/cocotb."""

import importlib.resources
import os
import re
import shlex
import signal
import threading
from dataclasses import replace

import numpy as np
import pytest

from memtwin import verify as module
from memtwin.designs import DESIGNS, Changes, ShippedDesign, find_design, verilog
from memtwin.hdl.port.host import HostPort
from memtwin.hdl.verilog import convert
from memtwin.nir.nir_io import load_network, write_nir
from memtwin.sim.engines.synthesis import synthesise
from memtwin.sim.errors import InputError
from memtwin.sim.kinds import kind_of
from memtwin.verify import run_bench, verify
from tests.programs import NEST, ended, until, written


def test_report_and_files(icarus, tmp_path):
    report = verify(find_design("lia"), "icarus", tmp_path / "new", seed=3)
    waves = tmp_path / "new" / "lia-icarus.vcd"
    assert report == {
        "design": "lia",
        "simulator": "icarus",
        "seed": 3,
        "passed": 2,
        "failed": 0,
        "waves": str(waves),
        "warnings": [],
    }
    assert sorted(path.name for path in waves.parent.iterdir()) == [
        "lia-icarus.gtkw",
        "lia-icarus.log",
        "lia-icarus.vcd",
    ]
    ports = re.findall(r"\$var \w+ \d+ \S+ (\S+)", waves.read_text())
    assert {"clk", "rst", "v_l", "l_g", "busy"} <= set(ports)
    view = (waves.with_suffix(".gtkw")).read_text()
    assert '[dumpfile] "lia-icarus.vcd"' in view
    assert "\nlia.l_g[9:0]\n" in view


def test_seed_decides_the_stimulus(icarus, tmp_path):
    def waves(name, seed):
        verify(find_design("lia"), "icarus", tmp_path / name, seed=seed)
        vcd = (tmp_path / name / "lia-icarus.vcd").read_text()
        return vcd[vcd.index("$enddefinitions") :]

    first = waves("a", 1)
    assert waves("b", 1) == first
    assert waves("c", 2) != first


def test_a_wrong_coefficient_fails(icarus, tmp_path, monkeypatch):
    right = verilog("ts-neuron")
    growth = find_design("ts-neuron").words["layer1.growth_base"][35]
    wrong = re.sub(rf"(\[35\] = 16'h){growth:04x};", rf"\g<1>{growth + 1:04x};", right)
    assert wrong != right
    monkeypatch.setattr(ShippedDesign, "verilog", lambda self: wrong)
    report = verify(find_design("ts-neuron"), "icarus", tmp_path)
    # The second test loads coefficients of its own.
    assert (report["passed"], report["failed"]) == (1, 1)
    assert "design {'kind': 'drive'" in (tmp_path / "ts-neuron-icarus.log").read_text()


def with_words(design, words):
    """Gateware of a network with other coefficients."""
    own = kind_of(design.spec).gateware()
    return HostPort(own.network(own.structure(design.spec, design.coefficients), words))


def test_a_wrong_coefficient_of_an_opamp_neuron_fails(icarus, tmp_path, monkeypatch):
    design = find_design("opamp-7a")
    words = design.words
    words["layer1.fall"][0] += 1
    wrong = convert(with_words(design, words), design.top)
    monkeypatch.setattr(ShippedDesign, "verilog", lambda self: wrong)
    report = verify(find_design("opamp-7a"), "icarus", tmp_path)
    assert (report["passed"], report["failed"]) == (1, 1)
    assert re.search(r"layer 1, word \d+: design {'kind': 'state'", (tmp_path / "opamp-7a-icarus.log").read_text())


def test_a_wrong_coefficient_of_a_lif_neuron_fails(icarus, tmp_path, monkeypatch):
    design = find_design("lif")
    words = design.words
    words["layer1.gain"][4] += 1
    words["layer1.bias"][4] += 1
    wrong = convert(with_words(design, words), design.top)
    monkeypatch.setattr(ShippedDesign, "verilog", lambda self: wrong)
    report = verify(find_design("lif"), "icarus", tmp_path)
    assert (report["passed"], report["failed"]) == (1, 1)
    assert re.search(r"layer 1, word \d+: design {'kind': 'membrane'", (tmp_path / "lif-icarus.log").read_text())


def test_a_network_of_a_file_reaches_the_bench(icarus, tmp_path, monkeypatch):
    network = load_network("mnist-784x10")
    (layer,) = network.spec.layers
    # Two layers, of which the second repeats the first.
    spec = replace(network.spec, layers=(layer, replace(layer, weight=2e3 * np.eye(10))))
    write_nir(replace(network, spec=spec, names=("first", "second")), tmp_path / "net.nir")
    monkeypatch.chdir(tmp_path)
    report = verify(find_design("mnist", Changes(assignments=("net=net.nir",))), "icarus", tmp_path / "out")
    assert (report["passed"], report["failed"]) == (2, 0), (tmp_path / "out" / "mnist-icarus.log").read_text()
    assert "trace2_word" in (tmp_path / "out" / "mnist-icarus.gtkw").read_text()


def test_a_file_is_named_from_where_the_command_runs(icarus, tmp_path, monkeypatch):
    text = (importlib.resources.files("memtwin.sim") / "cards" / "ag-sio2.toml").read_text(encoding="utf-8")
    (tmp_path / "mine").write_text(text.replace('\n[tau_leak]\nvalue = "4ms"', '\n[tau_leak]\nvalue = "3ms"'))
    monkeypatch.chdir(tmp_path)
    report = verify(find_design("ts-neuron", Changes(cards=("mine",), seed=3)), "icarus", tmp_path / "out")
    assert (report["passed"], report["failed"]) == (2, 0), (tmp_path / "out" / "ts-neuron-icarus.log").read_text()


def test_changes_of_an_opamp_neuron_reach_the_bench(icarus, tmp_path):
    changes = Changes(assignments=("second=series", "v1=20mV"))
    report = verify(find_design("opamp-7b", changes), "icarus", tmp_path)
    assert (report["passed"], report["failed"]) == (2, 0), (tmp_path / "opamp-7b-icarus.log").read_text()


def test_a_hanging_design_fails(icarus, tmp_path, monkeypatch):
    stuck = re.sub(r"assign busy = .*;", "assign busy = 1'h1;", verilog("lia"))
    monkeypatch.setattr(ShippedDesign, "verilog", lambda self: stuck)
    report = verify(find_design("lia"), "icarus", tmp_path)
    assert (report["passed"], report["failed"]) == (0, 2)
    assert "the design hangs" in (tmp_path / "lia-icarus.log").read_text()


def test_netlist_is_made_of_cells():
    netlist = synthesise(verilog("lia"), "lia")
    assert netlist.count("SB_LUT4 #(") > 50
    assert netlist.count("SB_RAM40_4K #(") >= 1
    assert "always" not in netlist


@pytest.mark.parametrize(
    ("design", "simulator", "message"),
    [
        ("lion", "icarus", f"design lion: unknown; expected one of {', '.join(DESIGNS)}"),
        ("lia", "modelsim", "option --sim: expected one of icarus, verilator, netlist, not 'modelsim'"),
    ],
)
def test_bad_names(design, simulator, message, tmp_path):
    with pytest.raises(InputError) as error:
        verify(find_design(design), simulator, tmp_path)
    assert str(error.value) == message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("simulator", "package"), [("icarus", "iverilog"), ("netlist", "iverilog"), ("verilator", "g++")]
)
def test_missing_tool(simulator, package, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=re.escape(package) + ".*not installed; on Debian or Ubuntu: sudo apt install"):
        verify(find_design("lia"), simulator, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_directory_that_cannot_be_made(icarus, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="option -o: cannot make the directory"):
        verify(find_design("lia"), "icarus", tmp_path / "file" / "out")


def test_verilog_that_does_not_compile(icarus, tmp_path):
    with pytest.raises(RuntimeError, match="icarus cannot compile broken"):
        run_bench(
            "module broken(clk); input clk; wire clk; nonsense endmodule",
            top="broken",
            bench="none",
            simulator="icarus",
            out=tmp_path,
            name="broken",
        )
    assert not (tmp_path / "broken.vcd").exists()


def test_bench_that_cannot_be_loaded(icarus, tmp_path):
    with pytest.raises(RuntimeError, match=r"icarus ended without results:[^$]*No module named 'no_such_bench'"):
        run_bench(
            "module empty(clk); input clk; wire clk; endmodule",
            top="empty",
            bench="no_such_bench",
            simulator="icarus",
            out=tmp_path,
            name="empty",
        )


def test_environment_is_left_alone(icarus, tmp_path, monkeypatch):
    monkeypatch.setenv("SIM_CMD_SUFFIX", "-mine")
    before = dict(module.os.environ)
    verify(find_design("lia"), "icarus", tmp_path)
    assert {k: v for k, v in module.os.environ.items() if k != "PYTEST_CURRENT_TEST"} == {
        k: v for k, v in before.items() if k != "PYTEST_CURRENT_TEST"
    }


def test_what_a_simulator_has_started_ends_with_the_command(tmp_path, monkeypatch):
    # A compiler that a simulator starts, and that would go on.
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("iverilog", "vvp"):
        (tools / name).write_text(f"#!/bin/sh\ncd {shlex.quote(str(tmp_path))}; {NEST}\n")
        (tools / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)

    def interrupt():
        until(lambda: written(tmp_path / "pid"))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        verify(find_design("lia"), "icarus", tmp_path / "out")
    thread.join()
    until(lambda: ended(int((tmp_path / "pid").read_text())))
    assert [*(tmp_path / "out").iterdir()] == []
