import functools

import pytest

from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from tests.perform import perform as perform_experiment

EXPERIMENT = EXPERIMENTS["ts-pulses"]
SUBSTEP = 15.625e-6
perform = functools.partial(perform_experiment, EXPERIMENT)


@pytest.fixture(scope="module")
def physics():
    return perform("physics")


@pytest.fixture(scope="module")
def model():
    return perform("model")


def test_keys(physics):
    assert set(physics[3]) == {
        "pulses_to_first_fire",
        "pulses_to_second_fire",
        "integration_time_s",
        "relaxation_time_s",
        "pulses_by_amplitude",
    }
    for name in ("integration_time_s", "relaxation_time_s", "pulses_by_amplitude"):
        assert list(physics[3][name]) == ["1.0", "1.1", "1.2", "1.3", "1.4"]


@pytest.mark.parametrize("backend", ["physics", "model"])
def test_a_filament_at_its_ceiling_is_told_with_the_amplitudes(backend, request):
    assert all(recording.warnings == {} for recording in request.getfixturevalue(backend)[2].values())
    _, _, recordings, results = perform(backend, assignments=("x_max=2",))
    assert recordings["trains"].warnings == {}
    ((line, places),) = recordings["wide"].warnings.items()
    assert "ag-sio2: the filament reaches its ceiling, x_max = 2;" in line
    assert places == ["layer 1 at 1.3V, 1.4V"]
    times = results["relaxation_time_s"]
    assert times["1.3"] == times["1.4"] > times["1.2"]


@pytest.mark.parametrize("backend", ["physics", "model"])
def test_four_pulses_to_fire_and_then_at_once(backend, request):
    results = request.getfixturevalue(backend)[3]
    assert results["pulses_to_first_fire"] == 4
    # Without a refractory period the device has not relaxed when the next pulse comes.
    assert results["pulses_to_second_fire"] == 1
    assert results["pulses_by_amplitude"] == {"1.0": 5, "1.1": 4, "1.2": 3, "1.3": 3, "1.4": 2}


def test_times_of_the_physics(physics):
    results = physics[3]
    integration = [value * 1e6 for value in results["integration_time_s"].values()]
    relaxation = [value * 1e6 for value in results["relaxation_time_s"].values()]
    assert integration == pytest.approx([933, 762, 625, 514, 424], abs=0.5)
    assert relaxation == pytest.approx([461, 494, 524, 554, 583], abs=0.5)


def test_times_of_the_model_are_within_a_substep(physics, model):
    for name in ("integration_time_s", "relaxation_time_s"):
        for volts, exact in physics[3][name].items():
            assert abs(model[3][name][volts] - exact) <= SUBSTEP


def test_model_against_physics(physics, model):
    for name, job in physics[1].items():
        found = compare(job, physics[2][name], model[2][name])
        assert found["within"]
        assert found["errors"]["divergence"] == []
        assert found["errors"]["event_count_difference"] == 0
        assert found["errors"]["event_time_s"] <= SUBSTEP
        assert max(found["errors"]["rms_between_events"].values()) < 0.002


def test_the_device_is_bare(physics):
    for job in physics[1].values():
        assert job.spec.neuron["g_load"] == 0
        layer = job.spec.layers[0]
        assert (layer.refractory, layer.depression, layer.skip) == (False, False, False)
    wave = physics[2]["trains"].layers[0].waveform[0]
    assert wave.signals["v1"].max() == pytest.approx(1.1, rel=1e-12)


def test_amplitude_is_an_option():
    results = perform("physics", assignments=("v_in=1.4V",))[3]
    assert results["pulses_to_first_fire"] == 2
    assert perform("physics", assignments=("v_in=0.5V",))[3]["pulses_to_first_fire"] is None


def test_spread_has_distributions_and_the_same_seed_the_same():
    results = perform("physics", spread=True, trials=40, seed=3)[3]
    spread = results["spread"]
    assert spread["n"] == 40
    assert results["integration_time_s"]["1.2"] == pytest.approx(625e-6, abs=1e-6)  # still nominal
    for volts in ("1.2", "1.3", "1.4"):
        point = spread["integration_time_s"][volts]
        assert point["n"] == 40
        # 15 % of the threshold, and a little more because growth slows down.
        assert 0.1 < point["sd"] / point["mean"] < 0.25
    # At 1.0 V a high threshold is not reached within 1 ms: those trials have no time.
    assert spread["integration_time_s"]["1.0"]["n"] < 40
    assert spread["pulses_by_amplitude"]["1.0"]["mean"] > spread["pulses_by_amplitude"]["1.4"]["mean"]
    assert perform("physics", spread=True, trials=40, seed=3)[3] == results
    assert perform("physics", spread=True, trials=40, seed=4)[3]["spread"] != spread


def test_figures_can_be_drawn(tmp_path):
    settings, runs, recordings, results = perform("physics", spread=True, trials=5)
    figures = EXPERIMENT.figures(settings, runs, recordings, results)
    assert set(figures) == {"fig2c-pulse", "fig2d-times", "fig2e-train", "fig2f-pulses"}
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


def test_figures_of_a_device_that_never_fires(tmp_path):
    settings, runs, recordings, results = perform("physics", assignments=("g0=1/s",), spread=True, trials=2)
    assert results["spread"]["integration_time_s"]["1.4"] == {"mean": None, "sd": None, "n": 0}
    for figure in EXPERIMENT.figures(settings, runs, recordings, results).values():
        figure.savefig(tmp_path / "figure.png")


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("pulses=0", "option pulses: expected at least 1"),
        ("v_in=1.1", "option v_in: expected unit V"),
        ("speed=1", "unknown name speed"),
    ],
)
def test_mistakes_are_one_clear_line(assignment, message):
    with pytest.raises(InputError, match=message):
        EXPERIMENT.plan(EXPERIMENT.settings(assignments=(assignment,)))
