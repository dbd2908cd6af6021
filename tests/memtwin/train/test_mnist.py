"""The trained network on images: MNIST where MEMTWIN_DATA names it, else drawn digits in files like MNIST's."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from memtwin import api
from memtwin.sim import backends
from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.train.data import draw_digits
from tests import conftest, pictures

IMAGES = 30


def idx(array):
    """An IDX file of unsigned bytes."""
    head = bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    if folder := pictures.mnist():
        return folder
    folder = tmp_path_factory.mktemp("drawn")
    digits = draw_digits(200, seed=1)
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(digits.images.reshape(-1, 28, 28)))
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(digits.labels))
    return str(folder)


def test_gateware_is_the_model_in_every_spike_and_membrane(data):
    experiment = api.experiment("mnist")
    settings = experiment.settings(assignments=(f"data={data}", f"images={IMAGES}"), seed=3)
    job = experiment.plan(settings)["test"]
    recorded = backends.Job(spec=job.spec, shown=job.shown, seed=job.seed, record=True)
    model, rtl = (backends.run(recorded, backend) for backend in ("model", "rtl"))
    found = compare(recorded, model, rtl)
    assert found["equal"], found["first_difference"]
    assert found["ticks"] == 20 * IMAGES
    assert (model.answers == rtl.answers).all()

    results = experiment.analyse(settings, {"test": job}, {"test": rtl})
    assert results["images"] == IMAGES
    assert results["bits"] <= 6
    assert results["sops_per_clock"] > 5
    # One clock for an event of all ten neurons, and some 30 more a step.
    assert results["clocks_per_image"] < results["sops_per_image"] / 10 + 20 * 45


def test_with_spread_every_trial_has_other_synapses_on_both_levels(data):
    experiment = api.experiment("mnist")
    settings = experiment.settings(
        assignments=(f"data={data}", "images=4", "r_on_c2c=0.2"), seed=3, trials=2, spread=True
    )
    job = dataclasses.replace(experiment.plan(settings)["test"], record=True)
    assert (job.spec.synapse.spread_on, job.spec.synapse.g_on) == (0.2, pytest.approx(5e-3))
    model, rtl = (backends.run(job, backend) for backend in ("model", "rtl"))
    found = compare(job, model, rtl)
    assert found["equal"], found["first_difference"]
    weights = model.layers[0].conductance
    assert np.array_equal(weights, rtl.layers[0].conductance)
    assert 1000 < np.count_nonzero(weights[0] != weights[1]) < weights[0].size

    settings.spread = False
    assert experiment.plan(settings)["test"].spec.synapse is None


def test_results_tell_the_accuracy_of_every_trial_and_what_saturated(data):
    results = api.run("mnist", assignments=[f"data={data}", "images=50"], trials=3).results
    assert len(results["accuracy_of_trials"]) == 3
    assert results["accuracy"] == pytest.approx(np.mean(results["accuracy_of_trials"]))
    assert set(results["saturated"]) <= {"acc", "u"}
    assert results["accuracy_float"] == pytest.approx(0.926, abs=0.002)


def test_the_shipped_network_reads_digits(data):
    outcome = api.run("mnist", assignments=[f"data={data}", "images=200"])
    assert outcome.results["accuracy"] >= pictures.least()
    assert (outcome.results["steps"], outcome.results["encoding"]) == (20, "rate")


@pytest.mark.parametrize(
    ("folder", "least", "said"),
    [("", 0.3, "drawn digits, accuracy at least 0.3; set MEMTWIN_DATA"), ("/m", 0.9, "MNIST in /m, accuracy at least")],
)
def test_the_summary_says_which_pictures_were_shown(monkeypatch, folder, least, said):
    monkeypatch.setenv("MEMTWIN_DATA", folder)
    assert pictures.least() == least
    lines = []
    reporter = SimpleNamespace(stats={}, write_line=lambda line, **markup: lines.append(line))
    conftest.pytest_terminal_summary(reporter)
    assert lines == []  # no test with pictures ran
    reporter.stats = {"passed": [SimpleNamespace(nodeid=f"tests/memtwin/{name}.py::t") for name in ("a", "test_mnist")]}
    conftest.pytest_terminal_summary(reporter)
    assert len(lines) == 1
    assert said in lines[0]


def test_other_encoder_seeds_show_other_spikes(data):
    outcomes = [api.run("mnist", assignments=[f"data={data}", "images=100"], seed=seed) for seed in (0, 0, 1)]
    assert outcomes[0].results == outcomes[1].results
    assert outcomes[2].results["encoder_seed"] == 1


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ({"net": "none.nir"}, "network none.nir: expected a NIR file, or one of mnist-784x10"),
        ({"images": "0"}, "option images: expected at least 1, not 0"),
        ({"data": "/nowhere"}, "/nowhere"),
    ],
)
def test_bad_input_is_one_clear_line(data, assignments, message):
    with pytest.raises(InputError, match=message) as error:
        api.run("mnist", assignments=[f"{name}={value}" for name, value in {"data": data, **assignments}.items()])
    assert "\n" not in str(error.value)
