"""Defaults of options, and what is drawn, are what was written down and read (`inventory.py`)."""

import json

import pytest

from memtwin.sim.experiments import EXPERIMENTS
from tests.sim.experiments import inventory

WRITTEN = json.loads(inventory.FILE.read_text(encoding="utf-8"))


def test_every_experiment_is_written_down():
    assert list(WRITTEN) == list(EXPERIMENTS)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_options_are_those_written_down(name):
    assert json.loads(json.dumps(inventory.options(name))) == WRITTEN[name]["options"]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_figures_are_those_written_down(name):
    assert json.loads(json.dumps(inventory.figures(name))) == WRITTEN[name]["figures"]
