import dataclasses

import numpy as np
import pytest

from memtwin.sim import backends
from memtwin.sim.compare import compare
from memtwin.sim.experiments import EXPERIMENTS
from tests.perform import perform
from tests.sim.stdp.jobs import one_pair, random_job


@pytest.mark.parametrize(("neurons", "rows"), [(1, 20), (3, 7)])
def test_gateware_is_the_model_word_by_word(neurons, rows):
    job = random_job(neurons, rows, seed=rows)
    model, rtl = (backends.run(job, backend) for backend in ("model", "rtl"))
    found = compare(job, model, rtl)
    assert found["equal"], found["first_difference"]
    assert found["ticks"] == 2 * 4 * 60
    assert found["words"] > 2 * 4 * 60 * (rows + neurons)
    assert model.layers[0].spikes.sum() > 0
    assert (model.history == rtl.history).all()
    assert (rtl.clocks > 0).all()

    # Counts alone are the same without a record.
    bare = backends.run(dataclasses.replace(job, record=False), "rtl")
    assert not bare.layers[0].words
    assert (bare.layers[0].spikes == model.layers[0].spikes).all()
    assert (bare.history == model.history).all()


def test_a_difference_is_found():
    job = one_pair(5)
    model = backends.run(job, "model")
    other = backends.run(dataclasses.replace(job, spec=dataclasses.replace(job.spec, rate_up=0.9)), "model")
    first = compare(job, model, other)["first_difference"]
    assert first["kind"] == "conductance"
    assert first["step"] == 6 + 5  # an epoch of six steps, then five until the output
    assert first["time_s"] == pytest.approx(11e-3)


def test_window_on_the_gateware():
    *_, results = perform(EXPERIMENTS["stdp-window"], "rtl")
    assert results["max_error"] < 0.01
    *_, model = perform(EXPERIMENTS["stdp-window"], "model")
    assert results == model


def test_coincidence_on_the_gateware():
    (_, _, ours, results), (_, _, theirs, model) = (
        perform(EXPERIMENTS["coincidence"], backend, trials=2) for backend in ("rtl", "model")
    )
    assert results == model
    assert np.array_equal(ours["epochs"].history, theirs["epochs"].history)
