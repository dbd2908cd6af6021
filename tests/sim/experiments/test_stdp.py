import numpy as np
import pytest

from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from tests.perform import perform

WINDOW, COINCIDENCE = EXPERIMENTS["stdp-window"], EXPERIMENTS["coincidence"]


@pytest.mark.parametrize("backend", ["physics", "model"])
def test_window_is_that_of_the_source(backend):
    _, _, _, results = perform(WINDOW, backend)
    assert {"0.001", "-0.001", "0.1", "-0.1", "0.15", "-0.15"} <= set(results["window"])
    assert results["max_error"] == max(abs(error) for error in results["window"].values()) < 0.01
    # Numbers of eq. (1), worked out by hand.
    assert results["change_percent"]["0.01"] == pytest.approx(118.59, rel=0.01)
    assert results["change_percent"]["-0.01"] == pytest.approx(-73.46, rel=0.01)


def test_another_card_moves_the_window():
    _, _, _, results = perform(WINDOW, "model", assignments=("tau1=30ms", "w_plus=50"))
    assert results["change_percent"]["0.02"] == pytest.approx(50 * np.exp(-20 / 30), rel=0.01)
    assert results["max_error"] < 0.01


def test_spread_blurs_the_window():
    _, _, _, results = perform(WINDOW, "model", trials=4, spread=True)
    assert 1e-4 < results["max_error"] < 0.1
    assert results["trials"] == 4


def test_coincidence_succeeds_for_at_least_95_of_100_seeds():
    _, _, _, results = perform(COINCIDENCE, "model", trials=100)
    assert results["trials"] == 100
    assert results["success_fraction"] >= 0.95
    assert min(results["ratio_median"]) > 3


def test_correlated_rows_alone_grow_and_later_forget():
    _, _, recordings, _ = perform(COINCIDENCE, "model", trials=20)
    mean = recordings["epochs"].history[:, :, 0].mean(axis=0)  # (epochs, rows)
    for end, grown in ((29, range(10, 15)), (59, range(5))):
        others = [row for row in range(20) if row not in grown]
        assert mean[end, list(grown)].min() > 2 * mean[end, others].max()


def test_balance_of_the_window_decides():
    # With the published amplitudes inputs at random times grow as well.
    _, _, _, results = perform(COINCIDENCE, "model", trials=20, assignments=("rate_up=0.1", "rate_down=0.1"))
    assert results["success_fraction"] < 0.1


def test_physics_learns_the_same():
    results = [perform(COINCIDENCE, backend, trials=5)[3] for backend in ("physics", "model")]
    assert results[0]["ratio_median"] == pytest.approx(results[1]["ratio_median"], rel=0.02)


def test_patterns_are_those_of_the_figure():
    settings = COINCIDENCE.settings(trials=2)
    inputs = COINCIDENCE.plan(settings)["epochs"].shown.inputs
    assert inputs.shape == (2, 60, 200, 20)
    assert (inputs.sum(axis=2) == 1).all()  # each row once an epoch
    times = inputs.argmax(axis=2)
    together = times == np.median(times[..., 10:15], axis=-1)[..., None]
    assert together[:, :30, 10:15].all()
    assert not together[:, 30:, 10:15].all(axis=-1).any()
    assert np.ptp(times[:, 30:, :5], axis=-1).max() == 0
    other = COINCIDENCE.plan(COINCIDENCE.settings(trials=1, seed=1))["epochs"].shown.inputs
    assert (other[0] == inputs[1]).all()


@pytest.mark.parametrize("experiment", [WINDOW, COINCIDENCE], ids=lambda experiment: experiment.name)
def test_figures(experiment):
    settings, runs, recordings, results = perform(experiment, "model", trials=1)
    figures = experiment.figures(settings, runs, recordings, results)
    assert figures
    for figure in figures.values():
        assert all(ax.has_data() for ax in figure.axes[:2])


def test_wrong_options_are_refused():
    with pytest.raises(InputError, match="option epoch: expected at least 20 steps"):
        COINCIDENCE.plan(COINCIDENCE.settings(assignments=("epoch=5ms",)))
    with pytest.raises(InputError, match="option step: expected at most"):
        WINDOW.plan(WINDOW.settings(assignments=("step=1s",)))


@pytest.mark.parametrize("experiment", [WINDOW, COINCIDENCE], ids=lambda experiment: experiment.name)
@pytest.mark.parametrize("length", ["70s", "1e9s"])
def test_an_epoch_too_long_is_refused_before_it_takes_memory(experiment, length):
    option = {WINDOW: "longest", COINCIDENCE: "epoch"}[experiment]
    for changes in ((f"{option}={length}",), (f"{option}={length}", "step=1ps")):
        with pytest.raises(InputError, match="expected at most 65535 steps"):
            experiment.plan(experiment.settings(assignments=changes))
