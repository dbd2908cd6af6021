"""The shipped bench of every design under every simulator, and on its netlist (``memtwin verify``)."""

import pytest

from memtwin.designs import DESIGNS
from memtwin.verify import SIMULATORS, verify


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("design", DESIGNS)
def test_design_equals_the_model(design, simulator, request, tmp_path):
    if simulator != "verilator":
        request.getfixturevalue("icarus")
    report = verify(design, simulator, tmp_path)
    log = (tmp_path / f"{design}-{simulator}.log").read_text()
    assert (report["passed"], report["failed"]) == (2, 0), log
