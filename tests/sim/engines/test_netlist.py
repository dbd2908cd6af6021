"""Backend `netlist`: the gateware after synthesis is the model, word by word, and takes the clocks of before."""

import dataclasses

import numpy as np
import pytest

from memtwin.sim import backends
from memtwin.sim.backends import Job
from memtwin.sim.compare import compare
from memtwin.sim.experiments import EXPERIMENTS


def job_of(name: str) -> Job:
    """First run of an experiment, of one trial, with its trace."""
    chosen = EXPERIMENTS[name]
    job = next(iter(chosen.plan(chosen.settings(trials=1)).values()))
    return dataclasses.replace(job, spec=job.spec.first_trial(), record=True)


slow = pytest.mark.slow


@pytest.mark.parametrize(
    "name", ["stdp-window", *(pytest.param(name, marks=slow) for name in ("lif", "hybrid-neuron"))]
)
def test_netlist_is_the_model(name):
    job = job_of(name)
    model, netlist, rtl = (backends.run(job, backend) for backend in ("model", "netlist", "rtl"))
    for other in (model, rtl):
        found = compare(job, other, netlist)
        assert found["equal"] is True
        assert found["compared"]["words"] > 500
    assert np.array_equal(netlist.clocks, rtl.clocks)
    assert netlist.backend == "netlist"
