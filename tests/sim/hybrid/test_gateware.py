"""The gateware under Verilator against the integer model: every word of every trial."""

import dataclasses

import numpy as np
import pytest

from memtwin.hdl.hybrid.structure import SCALARS
from memtwin.sim.backends import Job
from memtwin.sim.compare import compare
from memtwin.sim.engines import gateware as rtl
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.experiments.digits import MODES
from memtwin.sim.hybrid import model
from memtwin.sim.hybrid.quantize import quantize
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec

KIND = {name: number for number, name in enumerate(("drive", "substep", "threshold", "conductance", "reciprocal"), 1)}


def both(job):
    """Recordings of both levels, which must be the same."""
    recordings = model.run(job), rtl.run(job)
    found = compare(job, *recordings)
    assert found["first_difference"] is None
    assert found["equal"]
    a, b = recordings
    assert np.array_equal(a.duration, b.duration)
    assert np.array_equal(a.time_s, b.time_s)
    assert (b.clocks > 0).all()
    assert a.state.keys() == b.state.keys()
    for name, words in a.state.items():
        assert np.array_equal(words, b.state[name]), name
    return recordings


def count(layer, kind):
    return sum(np.count_nonzero((words & np.uint64(15)) == KIND[kind]) for words in layer.words)


# One neuron.


def neuron_job(seed, *, trials=4, presentations=25, device=None, **options):
    """One neuron with three synapses; `options` are those of a layer, whose gateware stays the same."""
    rng = np.random.default_rng(seed)
    shape = (trials, presentations)
    layer = LayerSpec(rows=3, neurons=1, v_in=1.9, g_initial=np.array([[300e-6, 200e-6, 250e-6]]), **options)
    spec = NetworkSpec(layers=(layer,), c2c=True, d2d=True)
    if device:
        spec = dataclasses.replace(spec, device=spec.device.replace(**device))
    program = Program.build(
        rng.random((*shape, 3)) < 0.7,
        gates=rng.random((*shape, 1)) < 0.9,
        learn=rng.integers(0, 2, (*shape, 1)),
        periods=rng.integers(1, 14, shape),
        fires=rng.integers(0, 3, shape),
        rest=rng.integers(0, 3, shape),
    )
    return Job(spec=spec, shown=program, seed=seed, record=True, allow_clipping=True)


NEURONS = {
    "plain": {},
    "no refractory period": {"refractory": False},
    "no depression": {"depression": False},
    "bare device": {"refractory": False, "depression": False},
    "every substep": {"skip": False},
    "adaptive": {"adaptive": True},
    "scaled": {"scaled": True, "skip": False},
    "sluggish": {"device": {"tau_relax": "800us", "theta_off": "0.3"}},
    "eager": {"device": {"g0": "900/s", "x_max": "1.5"}},
    "noisy": {"device": {"theta_c2c": "0.8"}},
}


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for seed, name in enumerate(NEURONS, 1)])
def test_neuron(name, seed):
    a, b = both(neuron_job(seed, **NEURONS[name]))
    assert a.layers[0].fires.sum() > 10
    assert count(b.layers[0], "conductance") > 20


def test_neurons_share_their_gateware():
    structures = [
        layer.structure
        for seed, options in enumerate(NEURONS.values(), 1)
        for job in [neuron_job(seed, **options)]
        for layer in quantize(job.spec, job.sample())
    ]
    assert all(structure == structures[0] for structure in structures)


# Two layers.


def network_job(seed, *, trials=2, presentations=12, d2d=True, c2c=True, first=None, second=None):
    """Seven inputs, six neurons that inhibit each other, four more that are taught."""
    rng = np.random.default_rng(seed)
    shape = (trials, presentations)
    layers = (
        LayerSpec(
            rows=7,
            neurons=6,
            v_in=2.0,
            g_initial=400e-6,
            inhibition=True,
            tie="random",
            lanes=4,
            **{"adaptive": True, "scaled": True, **(first or {})},
        ),
        LayerSpec(
            rows=6,
            neurons=4,
            v_in=3.5,
            g_initial=600e-6,
            inhibition=True,
            tie="lowest",
            one_cycle=True,
            lanes=1,
            **(second or {}),
        ),
    )
    spec = NetworkSpec(layers=layers, c2c=c2c, d2d=d2d)
    # A lower threshold makes both layers fire often.
    spec = dataclasses.replace(spec, device=spec.device.replace(g0="500/s"))
    program = Program.build(
        rng.random((*shape, 7)) < 0.8,
        gates=rng.random((*shape, 4)) < 0.8,
        learn=rng.integers(0, 4, (*shape, 2)) > 0,
        until=rng.integers(0, 2, shape),
        fires=rng.integers(0, 4, shape),
        periods=rng.integers(5, 20, shape),
        rest=rng.integers(0, 2, shape),
    )
    return Job(spec=spec, shown=program, seed=seed, record=True, allow_clipping=True)


def ties(layer, trial=0):
    """Number of passes in which several neurons fire at once."""
    l1 = layer.waveform[trial].signals["l1"].astype(int)
    return np.count_nonzero((np.diff(l1, axis=0) == 1).sum(axis=1) > 1)


NETWORKS = {
    "spread": {},
    "ties": {"d2d": False, "c2c": False},
    "every substep": {"first": {"skip": False, "adaptive": False}, "second": {"skip": False, "scaled": True}},
    "bare": {
        "first": {"refractory": False, "depression": False},
        "second": {"refractory": False, "adaptive": True},
    },
}


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for seed, name in enumerate(NETWORKS, 11)])
def test_network(name, seed):
    a, b = both(network_job(seed, **NETWORKS[name]))
    for layer in a.layers:
        assert layer.fires.sum() > 10
        assert count(layer, "conductance") > 0
    assert b.layers[1].spikes.sum() > 0
    if name == "ties":
        assert all(ties(layer) > 0 for layer in a.layers)


@pytest.mark.parametrize(("name", "seed"), [(name, seed) for seed, name in enumerate(NETWORKS, 21)])
def test_network_goes_on_from_any_state(name, seed):
    """Cut after each presentation in turn: the gateware goes on from the model's state, word by word."""
    job = network_job(seed, presentations=8, **NETWORKS[name])
    whole = model.run(job)
    states = []
    for at in range(1, 8):
        early, late = (dataclasses.replace(job, shown=job.shown.take(part)) for part in (slice(0, at), slice(at, None)))
        before = model.run(early)
        states.append(before.state)
        after = rtl.run(dataclasses.replace(late, start=before.state))
        for entire, *parts in zip(whole.layers, before.layers, after.layers, strict=True):
            for trial, words in enumerate(entire.words):
                assert np.array_equal(np.concatenate([part.words[trial] for part in parts]), words), at
            for counts in ("fires", "spikes"):
                joined = np.concatenate([getattr(part, counts) for part in parts], axis=1)
                assert np.array_equal(joined, getattr(entire, counts)), at
            assert np.array_equal(parts[1].conductance, entire.conductance)
        for window, words in whole.state.items():
            assert np.array_equal(after.state[window], words), (at, window)
    # Between presentations there were latches and devices in either position.
    for window, bits in (("layer1.latches", 0b10011), ("layer1.filament", 0b10000)):
        words = np.concatenate([state[window] for state in states])
        if window == "layer1.filament":
            words = words[:, 1::2]
        assert np.bitwise_or.reduce(words, axis=None) & bits == bits, window
        assert np.bitwise_and.reduce(words, axis=None) & bits == 0, window


# Digits.


@pytest.mark.parametrize("epochs", [2, pytest.param(None, marks=pytest.mark.slow)])
def test_digits_trains_alike(epochs):
    """All runs of the experiment, one trial: training of both layers, and inference; so many epochs, or all."""
    experiment = EXPERIMENTS["digits"]
    epochs = epochs or experiment.options["epochs"].default
    for name, planned in experiment.plan(experiment.settings(assignments=(f"epochs={epochs}",), trials=1)).items():
        a, b = both(dataclasses.replace(planned, record=True))
        assert a.layers[0].fires.sum() >= epochs, name
        assert (count(b.layers[1], "conductance") > 0) == (name in MODES), name


# A difference is found.

# By 1, unless so small a change cannot cross any level here.
CHANGES = {
    "theta_off": lambda words: words * 4,
    "x_max": lambda words: words // 2,
    "v_hold": lambda words: words + 14000,
    "adapt_leak": lambda words: words + 200,
    "growth_base": lambda words: words - (words > 0),
    "inhibition": lambda words: words // 8,
    "reference": lambda words: np.full_like(words, 65535),
    "options": lambda words: words ^ 4,
}
TABLES = (
    "growth_base",
    "growth_slope",
    "lift_growth",
    "theta_mean",
    "gain",
    "conductance",
    "inhibition",
    "reference",
)


@pytest.mark.parametrize("name", [*SCALARS, *TABLES])
def test_one_coefficient_changed_on_one_side_is_found(name, monkeypatch):
    """Every coefficient of layer 1 matters, and the comparison sees it."""
    job = network_job(5, trials=1, presentations=16, first={"scaled": False})
    other = quantize(job.spec, job.sample())
    other[0].words[name] = CHANGES.get(name, lambda words: words ^ 1)(other[0].words[name])
    recordings = [model.run(job)]
    monkeypatch.setattr(Job, "coefficients", lambda _: other)
    recordings.append(rtl.run(job))
    found = compare(job, *recordings)
    assert not found["equal"]
    assert found["first_difference"] is not None


# What a run returns.


def test_counts_do_not_depend_on_the_recording():
    job = network_job(6)
    full = rtl.run(job)
    parts = []
    short = rtl.run(dataclasses.replace(job, record=False), parts.append)
    for a, b in zip(full.layers, short.layers, strict=True):
        for name in ("fires", "spikes", "conductance"):
            assert np.array_equal(getattr(a, name), getattr(b, name))
        assert a.words
        assert a.waveform
        assert not b.words
        assert not b.waveform
    assert np.array_equal(full.clocks, short.clocks)
    assert np.array_equal(full.duration, short.duration)
    assert len(parts) == job.shown.trials * (1 + job.shown.presentations)
    assert parts == sorted(parts)
    assert parts[-1] == 1


def test_a_trial_alone_is_the_same():
    job = network_job(7, trials=3)
    last = {name: values[2:] for name, values in vars(job.shown).items()}
    alone = rtl.run(dataclasses.replace(job, shown=Program(**last), seed=job.seed + 2))
    together = rtl.run(job)
    assert together.clocks[2] == alone.clocks[0]
    for a, b in zip(together.layers, alone.layers, strict=True):
        assert np.array_equal(a.words[2], b.words[0])


def test_too_many_periods():
    job = neuron_job(1, trials=1, presentations=1)
    job.shown.periods[:] = 65536
    with pytest.raises(InputError, match="periods: the gateware counts to 65535, not to 65536"):
        rtl.run(job)
