"""What a network of one's own can be taken to: its bench on every simulator, a bitstream, a board."""

import re

import pytest

from memtwin.own.design import OwnDesign
from memtwin.own.files import load_network, template
from memtwin.sim.kinds import KINDS
from memtwin.verify import verify

# Their templates take seconds under Icarus; the others take ten to thirty.
QUICK = ("lif", "stdp")


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(template("lif"))
    return path


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind not in QUICK)) for kind in KINDS])
def test_a_network_of_any_kind_is_verified_word_by_word(kind, icarus, tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(template(kind))
    report = verify(OwnDesign(load_network(path)), "icarus", tmp_path)
    assert (report["passed"], report["failed"]) == (2, 0), (tmp_path / "net-icarus.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["verilator", "netlist"])
def test_a_network_is_verified_in_every_simulator(simulator, icarus, net, tmp_path):
    report = verify(OwnDesign(load_network(net)), simulator, tmp_path)
    assert (report["passed"], report["failed"]) == (2, 0), (tmp_path / f"net-{simulator}.log").read_text()


def test_gateware_of_another_network_fails(icarus, net, tmp_path, monkeypatch):
    wrong = OwnDesign(load_network(net, settings=["layer1.bias=0.5"])).verilog()
    monkeypatch.setattr(OwnDesign, "verilog", lambda self: wrong)
    report = verify(OwnDesign(load_network(net)), "icarus", tmp_path)
    # The second test loads coefficients of its own.
    assert (report["passed"], report["failed"]) == (1, 1)
    assert re.search(r"layer 1, word \d+: design {'kind': 'membrane'", (tmp_path / "net-icarus.log").read_text())
