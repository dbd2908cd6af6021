"""Weights that are pairs of conductances with a spread: drawn once for every trial, the same on every level."""

import dataclasses

import numpy as np
import pytest

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.lif import model, physics
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import ConductancePair, LifLayerSpec, LifSpec
from memtwin.sim.lif.synapses import Synapses

PAIR = ConductancePair(g_on=5e-3, g_off=0.5e-3, spread_on=0.1, spread_off=0.2)


def job(*, trials=1, seed=3, synapse=PAIR, mode="rate"):
    random = np.random.default_rng(1)
    layers = tuple(
        LifLayerSpec(weight=random.integers(-31, 32, shape), tau=20e-3, v_threshold=1.0) for shape in ((6, 20), (4, 6))
    )
    values = random.integers(0, 13, (5, 20)) * (20 if mode == "rate" else 1)
    shown = Images.from_values(values, steps=12, mode=mode, trials=trials)
    return Job(spec=LifSpec(layers=layers, dt=1e-3, synapse=synapse), shown=shown, seed=seed, record=True)


def signed(words):
    return (np.asarray(words) ^ 0x8000) - 0x8000


def test_the_deviation_of_a_weight_is_that_of_its_two_devices():
    weight = np.repeat([[31.0, 15.5, 0.0, -31.0]], 20000, axis=0)
    drawn = PAIR.draw(weight, np.random.default_rng(0))
    assert drawn.mean(axis=0) == pytest.approx([31, 15.5, 0, -31], abs=0.1)
    unit = 31 / (5e-3 - 0.5e-3)
    off = 0.2 * 0.5e-3
    on, half = 0.1 * 5e-3, 0.15 * 2.75e-3  # half way, the coefficient of variation is half way, too
    expected = unit * np.array([np.hypot(on, off), np.hypot(half, off), np.hypot(off, off), np.hypot(on, off)])
    assert drawn.std(axis=0) == pytest.approx(expected, rel=0.03)


def test_without_spread_a_pair_is_its_weight():
    pair = dataclasses.replace(PAIR, spread_on=0.0, spread_off=0.0)
    weight = np.random.default_rng(0).normal(size=(3, 4))
    assert pair.draw(weight, np.random.default_rng(0)) == pytest.approx(weight, abs=1e-15)
    assert pair.draw(np.zeros((2, 2)), np.random.default_rng(0)).tolist() == [[0, 0], [0, 0]]


def test_no_conductance_is_negative():
    wide = dataclasses.replace(PAIR, g_off=0.0, spread_on=3.0)
    drawn = wide.draw(np.full((1000, 1), 2.0), np.random.default_rng(0))
    assert drawn.min() == 0


def test_every_trial_has_devices_of_its_own_and_a_seed_gives_the_same_again():
    many, later = job(trials=3, seed=5).sample(), job(seed=7).sample()
    bare = job(trials=3, seed=5, synapse=None).sample()
    for own, one, nominal, layer in zip(many, later, bare, job().spec.layers, strict=True):
        assert np.array_equal(own.weight[2], one.weight[0])
        assert not np.array_equal(own.weight[0], own.weight[1])
        assert np.array_equal(own.seed, nominal.seed)  # the encoder does not know of it
        assert np.array_equal(nominal.weight, np.broadcast_to(layer.weight, nominal.weight.shape))


def test_words_are_the_drawn_weights_rounded_to_the_levels_of_the_network():
    run = job(trials=2)
    for own, drawn in zip(run.coefficients(), run.sample(), strict=True):
        rounded = np.rint(drawn.weight.transpose(0, 2, 1)).clip(-32, 31).reshape(2, -1)
        assert own.weight_unit == 1.0
        assert np.array_equal(signed(own.words["weight"]), rounded)
        assert not np.array_equal(*rounded)
        weight = next(line for line in own.report if line.name == "weight")
        assert weight.saturated == np.count_nonzero(np.abs(np.rint(drawn.weight) + 0.5) > 32)


@pytest.mark.parametrize("mode", ["rate", "latency"])
@pytest.mark.parametrize("backend", [model, physics])
def test_trials_side_by_side_are_trials_alone(backend, mode):
    together = backend.run(job(trials=3, seed=4, mode=mode))
    for trial in range(3):
        alone = backend.run(job(seed=4 + trial, mode=mode))
        for ours, own in zip(together.layers, alone.layers, strict=True):
            assert own.spikes.sum() > 10
            assert np.array_equal(ours.spikes[trial], own.spikes[0])
            assert np.array_equal(ours.waveform[trial].signals["v"], own.waveform[0].signals["v"])
            assert np.array_equal(ours.conductance[trial], own.conductance[0])
    assert not np.array_equal(together.layers[0].conductance[0], together.layers[0].conductance[1])


def test_sums_are_those_of_the_trial_of_each_image():
    random = np.random.default_rng(0)
    weight, events = random.normal(size=(3, 5, 2)), random.integers(0, 2, (4, 5)).astype(float)
    synapses = Synapses(weight)
    trial = np.array([2, 0, 2, 1])
    synapses.begin(trial)
    expected = [row @ weight[number] for row, number in zip(events, trial, strict=True)]
    assert synapses.sums(events) == pytest.approx(np.array(expected))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"g_off": 6e-3}, "conductance pair: expected 0 <= g_off < g_on, not 0.006S and 0.005S"),
        ({"spread_on": -0.1}, "conductance pair, spread_on: expected zero or more, not -0.1"),
        ({"spread_off": np.inf}, "conductance pair, spread_off: expected zero or more, not inf"),
    ],
)
def test_pairs_that_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        dataclasses.replace(PAIR, **changes)
