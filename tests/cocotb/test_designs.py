"""The shipped bench of every design under every simulator, and on its netlist (``memtwin verify``)."""

import pytest

from memtwin.designs import DESIGNS
from memtwin.verify import SIMULATORS, verify

# The designs made of op-amp neurons are parts of the same kind, and so are those made of LIF neurons: one netlist and
# one binary stand for the others.
QUICK = {("opamp-7b", "netlist"), ("apparatus", "verilator"), ("mnist", "netlist"), ("lif", "verilator")}


def cases():
    for name, design in DESIGNS.items():
        for simulator in SIMULATORS:
            slow = design.bench in ("tb_opamp", "tb_lif") and simulator != "icarus" and (name, simulator) not in QUICK
            yield pytest.param(name, simulator, marks=[pytest.mark.slow] if slow else [])


@pytest.mark.parametrize(("design", "simulator"), list(cases()))
def test_design_equals_the_model(design, simulator, request, tmp_path):
    if simulator != "verilator":
        request.getfixturevalue("icarus")
    report = verify(design, simulator, tmp_path)
    log = (tmp_path / f"{design}-{simulator}.log").read_text()
    assert (report["passed"], report["failed"]) == (2, 0), log
