import copy
import functools

import numpy as np
import pytest

from memtwin.sim.cards import load_card
from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.experiments.lia import programmed
from memtwin.sim.hybrid.physics_lia import InhibitionArray
from tests.perform import perform as perform_experiment

EXPERIMENT = EXPERIMENTS["lia"]
perform = functools.partial(perform_experiment, EXPERIMENT)


@pytest.fixture(scope="module")
def physics():
    return perform("physics")


@pytest.fixture(scope="module")
def model():
    return perform("model")


@pytest.mark.parametrize("backend", ["physics", "model"])
@pytest.mark.parametrize("tie", ["inhibit", "lowest", "random"])
@pytest.mark.parametrize("neurons", [2, 3, 10])
def test_truth_table(backend, tie, neurons):
    results = perform(backend, assignments=(f"tie={tie}", f"neurons={neurons}"))[3]
    assert results["truth_table_ok"] is True
    assert results["tie"] == tie


@pytest.mark.parametrize("backend", ["physics", "model"])
def test_truth_table_fails_where_the_array_is_too_large(backend):
    assert perform(backend, assignments=("neurons=30",))[3]["truth_table_ok"] is True
    assert perform(backend, assignments=("neurons=31",))[3]["truth_table_ok"] is False
    # More bias makes the same array work again.
    assert perform(backend, assignments=("neurons=31", "g_bias=0.3mS"))[3]["truth_table_ok"] is True


def test_margins_by_hand(physics):
    card, margins = load_card("lia"), physics[3]["margin_v"]
    for n in (2, 10, 100, 1000):
        total = (n - 1) * 400e-6 + 10e-6 + 10e-6 + card["g_load"]
        own, loser = 1.5 * 20e-6 / total, 1.5 * 410e-6 / total
        assert margins[str(n)] == pytest.approx(min(0.05 - own, loser - 0.05), rel=1e-9)
    assert margins["2"] > 0.01
    assert margins["10"] > 0.04
    # A passive sum of n equal conductances cannot lift a column above V_L / n.
    assert margins["100"] < 0
    assert margins["1000"] < 0
    assert physics[3]["largest_n"] == 30


def test_margins_of_the_words_agree(physics, model):
    for n, volts in physics[3]["margin_v"].items():
        assert model[3]["margin_v"][n] == pytest.approx(volts, abs=0.1e-3)
        assert model[3]["margin_v"][n] != volts


def test_a_programmed_bias_row_centres_the_reference(physics):
    found = physics[3]["programmed"]
    assert all(point["margin_v"] > 0 for point in found.values())
    for n in (100, 1000):
        card = programmed(load_card("lia"), n)
        volts = InhibitionArray(card, n).voltages(np.eye(n)[0])
        assert card["v_ref"] - volts[0] == pytest.approx(volts[1] - card["v_ref"], rel=1e-9)
        assert found[str(n)]["margin_v"] == pytest.approx(0.75 / n, rel=0.1)
    # Where the array has margin anyway, nothing is changed.
    assert found["10"] == {"g_bias_S": pytest.approx(10e-6), "margin_v": physics[3]["margin_v"]["10"]}


def test_truth_table_is_read_from_the_recording(physics):
    settings, runs, recordings, _ = physics

    def broken(change):
        recording = copy.deepcopy(recordings["layer"])
        change(recording.layers[0])
        return EXPERIMENT.analyse(settings, runs, {"layer": recording})["truth_table_ok"]

    assert broken(lambda layer: None)

    def open_gate(layer):
        wave = layer.waveform[3]
        wave.signals["gate"][np.flatnonzero(wave.signals["v_l"].any(axis=1))[5], 7] = 1

    def close_gate(layer):
        layer.waveform[3].signals["gate"][2, 7] = 0

    def wrong_winner(layer):
        layer.fires[2, 0] = np.roll(layer.fires[2, 0], 1)

    for change in (open_gate, close_gate, wrong_winner):
        assert not broken(change)


def test_model_against_physics(physics, model):
    found = compare(physics[1]["layer"], physics[2]["layer"], model[2]["layer"])
    assert found["within"]
    assert found["errors"]["divergence"] == []
    assert found["errors"]["event_count_difference"] == 0
    assert found["errors"]["event_time_s"] <= physics[1]["layer"].spec.substep


def test_figures_can_be_drawn(physics, tmp_path):
    figures = EXPERIMENT.figures(*physics)
    assert set(figures) == {"fig4d-columns", "fig4e-moment", "margins"}
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 10_000


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("neurons=1", "option neurons: expected at least 2"),
        ("tie=both", "option tie: expected one of inhibit, lowest, random"),
        ("g_load=1mS", r"g_load is on several cards; write hybrid-neuron.g_load or lia.g_load"),
    ],
)
def test_mistakes_are_one_clear_line(assignment, message):
    with pytest.raises(InputError, match=message):
        EXPERIMENT.plan(EXPERIMENT.settings(assignments=(assignment,)))


def test_a_reference_of_less_than_a_step_is_refused():
    settings = EXPERIMENT.settings(assignments=("v_ref=1nV",))
    for job in EXPERIMENT.plan(settings).values():
        with pytest.raises(InputError, match="card lia, field v_ref: expected more than half a step of the compar"):
            job.coefficients()
