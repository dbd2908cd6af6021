import functools

import numpy as np
import pytest

from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from tests.perform import perform as perform_experiment

EXPERIMENT = EXPERIMENTS["hybrid-neuron"]
perform = functools.partial(perform_experiment, EXPERIMENT)


@pytest.fixture(scope="module")
def physics():
    return perform("physics")


@pytest.fixture(scope="module")
def model():
    return perform("model")


@pytest.fixture(params=["physics", "model"])
def results(request):
    return request.getfixturevalue(request.param)[3]


def test_fires_on_the_fifth_pulse_from_rest_and_after_each_refractory_period(results):
    assert results["fire_pulse_numbers"] == [5, 5]


def test_refractory_period_and_spike_width(results):
    assert results["refractory_s"] == pytest.approx(500e-6, rel=1e-9)
    assert results["spike_width_s"] == pytest.approx(250e-6, rel=1e-9)


def test_rate_rises_with_amplitude(results):
    assert list(results["rate_hz"]) == ["1.4", "1.5", "1.6", "1.7", "1.8", "1.9", "2.0"]
    rates = list(results["rate_hz"].values())
    assert rates == pytest.approx([2000 / n for n in (9, 8, 7, 6, 6, 5, 5)], abs=1e-5)
    assert rates == sorted(rates)


def test_learning_ends_where_the_paper_says(results):
    learning = results["learning"]
    s1, s2, rate = (np.array(learning[name]) for name in ("s1_S", "s2_S", "rate_hz"))
    assert s1.size == s2.size == rate.size == 30
    assert s1[0] == pytest.approx(400e-6, rel=1e-3)
    assert s2[0] == pytest.approx(400e-6, rel=1e-3)
    assert s1[-1] == pytest.approx(980e-6, rel=0.05)
    assert s2[-1] == pytest.approx(42e-6, rel=0.05)
    assert (np.diff(s1) > 0).all()
    assert (np.diff(s2) < 0).all()
    assert (np.diff(rate) >= 0).all()
    assert rate[-1] >= 1.5 * rate[0]


def test_learning_is_the_soft_bounded_rule(physics):
    fires = np.arange(30)
    learning = physics[3]["learning"]
    assert learning["s1_S"] == pytest.approx(990e-6 - 590e-6 * 0.8**fires, rel=1e-12)
    assert learning["s2_S"] == pytest.approx(40e-6 + 360e-6 * 0.8**fires, rel=1e-12)


def test_a_chain_passes_spikes_on(results):
    first, second = results["chain_spikes"]
    assert first == 6
    assert second == 6


def test_model_against_physics(physics, model):
    for name, job in physics[1].items():
        found = compare(job, physics[2][name], model[2][name])
        assert found["within"]
        assert found["errors"]["divergence"] == []
        assert found["errors"]["event_count_difference"] == 0
        assert found["errors"]["event_time_s"] <= job.spec.substep
        assert max(found["errors"]["rms_between_events"].values()) < 0.002


def test_results_that_cannot_be_had_are_null():
    results = perform("physics", assignments=("v_in=0.5V", "v_learn=0.5V"))[3]
    assert results["fire_pulse_numbers"] == [None, None]
    assert results["refractory_s"] is None
    assert results["spike_width_s"] is None
    assert results["chain_spikes"] == [0, 0]
    assert results["learning"] == {"s1_S": [], "s2_S": [], "rate_hz": []}


def test_spread_of_the_rates():
    results = perform("physics", spread=True, trials=20)[3]
    spread = results["spread"]["rate_hz"]
    assert results["rate_hz"]["1.4"] == pytest.approx(2000 / 9, abs=1e-5)  # still nominal
    for volts, nominal in results["rate_hz"].items():
        assert spread[volts]["n"] == 20
        assert spread[volts]["sd"] > 1
        assert spread[volts]["mean"] == pytest.approx(nominal, rel=0.15)
    means = [point["mean"] for point in spread.values()]
    assert means == sorted(means)


def test_figures_can_be_drawn(physics, tmp_path):
    figures = EXPERIMENT.figures(*physics)
    assert set(figures) == {"fig3b-sequence", "fig3c-spikes", "fig3d-rate", "learning", "chain"}
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_figures_of_a_neuron_that_never_fires(tmp_path):
    figures = EXPERIMENT.figures(*perform("physics", assignments=("g0=1/s",), spread=True, trials=2))
    assert figures
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


@pytest.mark.parametrize("name", ["periods", "fires"])
def test_mistakes_are_one_clear_line(name):
    with pytest.raises(InputError, match=f"option {name}: expected at least 1, not 0"):
        EXPERIMENT.plan(EXPERIMENT.settings(assignments=(f"{name}=0",)))
