"""The digits experiment: what the paper reports, on few trials (docs/digits.md has the numbers of many)."""

import json

import numpy as np
import pytest

from memtwin.sim.backends import run, run_all
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.digits import FLIPS, MODES, Digits, answers, winners

EXPERIMENT = Digits()


def perform(*assignments, trials, seed=0):
    settings = EXPERIMENT.settings(assignments=assignments, trials=trials, seed=seed)
    runs = EXPERIMENT.plan(settings)
    recordings = run_all(runs, "model")
    return settings, runs, recordings, EXPERIMENT.analyse(settings, runs, recordings)


@pytest.fixture(scope="module")
def digits():
    return perform(trials=8)


def test_the_greedy_neuron_is_there_without_noise_and_goes_with_it(digits):
    found = {mode: digits[3][mode]["distinct_winners"] for mode in MODES}
    assert found["deterministic"] <= 3
    assert found["noise"] >= 6
    assert found["adaptive"] >= 9.5


def test_two_layers_recognise_digits_with_flipped_pixels(digits):
    accuracy = digits[3]["adaptive"]["accuracy"]
    assert list(accuracy) == ["0", "1", "2", "3"]
    assert accuracy["0"] >= 0.95
    assert accuracy["1"] >= 0.90
    assert accuracy["2"] >= 0.80
    assert accuracy["3"] < accuracy["0"]
    assert digits[3]["deterministic"]["accuracy"]["0"] < 0.2


def test_one_synapse_of_each_output_neuron_is_set(digits):
    _, runs, recordings, results = digits
    assert results["adaptive"]["layer2_one_hot"] >= 0.9
    conductance = recordings["adaptive"].layers[1].conductance
    synapse = runs["adaptive"].spec.synapse
    # A synapse is at its upper bound, or within its spread of where it started.
    assert ((conductance > 0.98 * synapse["g_max"]) | (conductance < 1.2 * synapse["g_low"])).all()


def test_modes_share_cards_devices_and_programs(digits):
    runs = [digits[1][mode] for mode in MODES]
    for other in runs[1:]:
        assert other.shown is runs[0].shown
        assert other.seed == runs[0].seed
        for name in ("device", "synapse", "neuron", "lia", "substeps", "d2d"):
            assert getattr(other.spec, name) == getattr(runs[0].spec, name)
        for a, b in zip(runs[0].sample(), other.sample(), strict=True):
            assert (a.theta == b.theta).all()
            assert (a.conductance == b.conductance).all()


def test_layer_1_learns_without_labels_and_nothing_learns_at_inference(digits):
    program = digits[1]["adaptive"].shown
    count = 30 * 10
    assert (program.gates[:, :count] == 1).all()
    assert (program.learn[:, :count] == [1, 0]).all()
    assert (program.learn[:, count : count + 10] == [0, 1]).all()
    assert (program.gates[:, count : count + 10] == np.eye(10)).all()
    assert (program.learn[:, count + 10 :] == 0).all()
    assert (program.gates[:, count + 10 :] == 1).all()


def test_patterns_shown_at_inference_have_so_many_flipped_pixels(digits):
    program = digits[1]["adaptive"].shown
    clean, shown = program.pixels[:, 300:310], program.pixels[:, 310:].reshape(8, len(FLIPS), 10, 30)
    for level, flips in enumerate(FLIPS):
        assert ((shown[:, level] != clean).sum(axis=2) == flips).all()
    assert (shown[0, 1] != shown[1, 1]).any()


def test_results_are_json_with_the_keys_of_the_command_line(digits):
    results = json.loads(json.dumps(digits[3], allow_nan=False))
    assert set(results) == {*MODES, "trials", "order"}
    assert results["trials"] == 8
    assert results["order"] == "shuffled"
    for mode in MODES:
        assert set(results[mode]) == {"distinct_winners", "accuracy", "layer2_one_hot", "rates"}
        assert {layer: np.shape(matrix) for layer, matrix in results[mode]["rates"].items()} == {
            "1": (10, 10),
            "2": (10, 10),
        }
    output = np.array(results["adaptive"]["rates"]["2"])
    assert (output.argmax(axis=1) == np.arange(10)).sum() >= 8
    assert output.max() <= 2000 / 2  # a refractory period halves the clock at least


def test_the_evolution_is_that_of_a_neuron_that_learns_one_digit(digits):
    _, runs, recordings, _ = digits
    layer = recordings["evolution"].layers[0]
    black = runs["evolution"].shown.pixels[0, 0] == 1
    neuron = layer.fires[0].sum(axis=0).argmax()
    last = [synapses for _, who, synapses in layer.learning[0] if who == neuron][-1]
    assert last[black].min() > 800e-6
    assert last[~black].max() < 150e-6
    assert layer.fires[0].sum() >= 30


def test_figures(digits, tmp_path):
    figures = EXPERIMENT.figures(*digits)
    assert list(figures) == ["fig5a-patterns", "fig5e-evolution", "fig5f-weights", "fig5g-rates", "fig5j-weights"]
    for name, figure in figures.items():
        figure.savefig(tmp_path / f"{name}.png", dpi=30)
        assert (tmp_path / f"{name}.png").stat().st_size > 1000
    maps = [ax for ax in figures["fig5f-weights"].axes if ax.images]
    adaptive = np.array([ax.images[0].get_array() for ax in maps[-10:]])
    assert adaptive.reshape(10, -1) == pytest.approx(1e6 * digits[2]["adaptive"].layers[0].conductance[0])


def test_the_network_fits_the_pattern_file(tmp_path):
    path = tmp_path / "three.txt"
    path.write_text("###\n...\n##.\n\n...\n###\n.##\n\n##.\n##.\n..#\n")
    short = ("epochs=4", "settle=0", "periods=20", f"patterns={path}")
    settings, runs, recordings, results = perform(*short, trials=2)
    first, second = runs["adaptive"].spec.layers
    assert (first.rows, first.neurons, second.rows, second.neurons) == (9, 3, 3, 3)
    assert np.shape(results["noise"]["rates"]["2"]) == (3, 3)
    assert set(EXPERIMENT.figures(settings, runs, recordings, results)) >= {"fig5a-patterns"}


def test_same_seed_same_bits_and_trials_stand_alone():
    short = ("epochs=2", "settle=0", "periods=10")
    one = perform(*short, trials=3, seed=5)[2]["adaptive"]
    again = perform(*short, trials=3, seed=5)[2]["adaptive"]
    alone = perform(*short, trials=1, seed=7)[2]["adaptive"]
    for layer in (0, 1):
        assert (one.layers[layer].spikes == again.layers[layer].spikes).all()
        assert (one.layers[layer].spikes[2] == alone.layers[layer].spikes[0]).all()
        assert (one.layers[layer].conductance[2] == alone.layers[layer].conductance[0]).all()


def test_running_all_is_running_each():
    settings = EXPERIMENT.settings(assignments=("epochs=2", "settle=0", "periods=10"), trials=2)
    runs = EXPERIMENT.plan(settings)
    seen = []
    recordings = run_all(runs, "model", lambda name, done: seen.append((name, done)))
    assert {name for name, done in seen if done == 1.0} == set(runs)
    for name, job in runs.items():
        alone = run(job, "model")
        assert (alone.layers[0].spikes == recordings[name].layers[0].spikes).all()
        assert (alone.time_s == recordings[name].time_s).all()


def test_blocked_order_shows_one_pattern_after_the_other():
    settings = EXPERIMENT.settings(assignments=("order=blocked", "epochs=3"), trials=2)
    pixels = EXPERIMENT.plan(settings)["noise"].shown.pixels
    clean = pixels[:, 30:40]
    assert (pixels[:, :30] == np.repeat(clean, 3, axis=1)).all()


def test_answers_and_winners():
    spikes = np.array([[0, 3, 1], [2, 2, 1], [0, 0, 0]])
    assert winners(spikes).tolist() == [1, 0, -1]
    assert answers(spikes).tolist() == [1, -1, -1]  # a tie and silence are no answers


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("epochs=0", "option epochs: expected at least 1, not 0"),
        ("periods=0", "option periods: expected at least 1, not 0"),
        ("order=random", "option order: expected one of shuffled, blocked, not 'random'"),
        ("tie=highest", "option tie: expected one of inhibit, lowest, random, not 'highest'"),
        ("patterns=numbers", "option patterns: expected one of digits, "),
    ],
)
def test_bad_options(assignment, message):
    with pytest.raises(InputError, match=message):
        EXPERIMENT.plan(EXPERIMENT.settings(assignments=(assignment,), trials=1))
