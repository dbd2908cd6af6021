"""The spike shaper under every simulator, and its netlist; the bench is `tb_shaper.py`."""

from pathlib import Path

import pytest
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.hybrid.shaper import SpikeShaper
from memtwin.hdl.verilog import convert
from memtwin.verify import SIMULATORS, run_bench

HERE = Path(__file__).parent
INPUTS = ("clear", "commit", "node2", "refractory", "depression")
OUTPUTS = ("l1", "l2", "g1", "g2", "g3", "t1", "t3", "fired")


class Top(wiring.Component):
    """The shaper under port names that Verilog has no other use for."""

    def __init__(self) -> None:
        super().__init__({name: In(1) for name in ("level", "strobe", *INPUTS)} | {name: Out(1) for name in OUTPUTS})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.shaper = shaper = SpikeShaper()
        m.d.comb += [shaper.clk.eq(self.level), shaper.edge.eq(self.strobe)]
        m.d.comb += [getattr(shaper, name).eq(getattr(self, name)) for name in INPUTS]
        m.d.comb += [getattr(self, name).eq(getattr(shaper, name)) for name in OUTPUTS]
        return m


@pytest.fixture(scope="module")
def shaper() -> str:
    return convert(Top(), "shaper_top")


def bench(source, simulator, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    return run_bench(
        source,
        top="shaper_top",
        bench="tb_shaper",
        simulator=simulator,
        out=tmp_path,
        name="shaper",
        env={"MEMTWIN_SEED": "1"},
    )


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_shaper_follows_the_text(shaper, simulator, request, tmp_path, monkeypatch):
    if simulator != "verilator":
        request.getfixturevalue("icarus")
    report = bench(shaper, simulator, tmp_path, monkeypatch)
    assert report == {"passed": 1, "failed": 0, "waves": str(tmp_path / "shaper.vcd")}
    vcd = (tmp_path / "shaper.vcd").read_text()
    assert vcd.count("\n#") > 2000
    gtkw = (tmp_path / "shaper.gtkw").read_text()
    assert all(f"shaper_top.{name}\n" in gtkw for name in OUTPUTS)


def test_a_fault_is_found(shaper, icarus, tmp_path, monkeypatch):
    broken = shaper.replace("assign t1 = l2 & refractory", "assign t1 = l1 & refractory")
    assert broken != shaper
    report = bench(broken, "icarus", tmp_path, monkeypatch)
    assert (report["passed"], report["failed"]) == (0, 1)
    assert "AssertionError" in (tmp_path / "shaper.log").read_text()
