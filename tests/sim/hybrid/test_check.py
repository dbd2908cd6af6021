"""Jobs whose substeps are too few or too many are told."""

import pytest

from memtwin.sim.experiments import EXPERIMENTS


def told(name, *assignments):
    chosen = EXPERIMENTS[name]
    runs = chosen.plan(chosen.settings(assignments=assignments, trials=1))
    return {label: one.coarse_steps() for label, one in runs.items()}


@pytest.mark.parametrize("name", ["ts-pulses", "hybrid-neuron", "lia", "digits"])
def test_shipped_experiments_have_fine_substeps(name):
    assert not any(told(name).values())


@pytest.mark.parametrize(
    ("name", "assignments", "runs"),
    [
        ("hybrid-neuron", ("substeps=2", "g0=600/s"), {"fire", "rate", "learning", "chain"}),
        ("hybrid-neuron", ("substeps=1",), {"fire", "rate", "learning", "chain"}),
        ("ts-pulses", ("g0=3000/s",), {"trains", "wide"}),
        ("hybrid-neuron", ("substeps=1024",), {"fire", "rate", "chain"}),
        ("hybrid-neuron", ("v0=0.05V", "g0=1e-5/s"), {"fire", "rate", "learning", "chain"}),
    ],
)
def test_substeps_that_are_too_few_or_too_many_are_told(name, assignments, runs):
    assert {label for label, lines in told(name, *assignments).items() if lines} >= runs


def test_what_is_told_names_the_number_and_the_way_out():
    (line,) = told("ts-pulses", "g0=3000/s")["trains"]
    assert line == (
        "card ag-sio2, fields g0 and v0: in layer 1 a filament reaches its threshold in 1.7 substeps, fewer than 4; "
        "expected 4 times as many substeps (option substeps), or a smaller g0"
    )
    assert not told("ts-pulses", "g0=3000/s", "substeps=64")["trains"]
    (line,) = told("ts-pulses", "tau_relax=10ns")["trains"]
    assert line == (
        "card ag-sio2, field tau_relax: a filament relaxes from its threshold in 0.0019 substeps, fewer than 4; "
        "expected a larger tau_relax; even 1024 substeps are too few"
    )
