import numpy as np
import pytest

from memtwin.sim.experiments import EXPERIMENTS
from tests.perform import perform


@pytest.fixture(scope="module", params=["physics", "model"])
def performed(request):
    _, runs, recordings, results = perform(EXPERIMENTS["apparatus"], request.param)
    return results, runs, recordings


def test_first_layer_answers_to_what_is_new(performed):
    results, _, _ = performed
    novelty = results["novelty"]
    assert novelty["repeated_over_first"] < 0.2
    assert novelty["fresh_over_first"] > 0.5
    assert novelty["first_pulses"] >= 4


def test_second_layer_learns_which_neurons_answer(performed):
    results, runs, _ = performed
    assert results["recall_accuracy"] == 1.0
    conductance = 1e6 * np.array(results["conductance_S"])
    own = np.repeat(np.eye(4, dtype=bool), 2, axis=1)
    assert conductance[own].min() > 1.5
    assert conductance[~own].max() < 0.6
    before = runs["stream"].sample()[1].conductance[0]
    assert not np.allclose(before, conductance * 1e-6)


def test_nothing_is_learnt_in_the_recall(performed):
    _, runs, recordings = performed
    run = runs["stream"]
    recall = run.shown.starts(0)[-9] * run.spec.substep
    assert recordings["stream"].layers[1].learning[0]
    assert all(step[0] < recall for step in recordings["stream"].layers[1].learning[0])


def test_many_devices_alike():
    *_, results = perform(EXPERIMENTS["apparatus"], "model", trials=8)
    assert results["trials"] == 8
    assert results["recall_accuracy"] == 1.0
    assert results["novelty"]["repeated_over_first"] < 0.2
