"""The shipped bench of every design under every simulator, and on its netlist (``memtwin verify``)."""

import pytest

from memtwin.designs import DESIGNS, find_design
from memtwin.verify import SIMULATORS, verify

# Every design runs under Icarus; the other simulator and the netlists see the same bench and Verilog, so a few small
# designs stand for all of them where time counts.
QUICK = {("ts-neuron", "verilator"), ("ts-neuron", "netlist"), ("lia", "netlist"), ("opamp-5a", "netlist")}


def cases():
    for name in DESIGNS:
        for simulator in SIMULATORS:
            slow = simulator != "icarus" and (name, simulator) not in QUICK
            yield pytest.param(name, simulator, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("design", "simulator"), list(cases()))
def test_design_equals_the_model(design, simulator, request, tmp_path):
    if simulator != "verilator":
        request.getfixturevalue("icarus")
    report = verify(find_design(design), simulator, tmp_path)
    log = (tmp_path / f"{design}-{simulator}.log").read_text()
    assert (report["passed"], report["failed"]) == (2, 0), log
