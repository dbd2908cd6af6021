"""Networks and images: what is taken, what is refused, and what an encoder makes of a picture."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin.sim.errors import InputError
from memtwin.sim.lif.encoder import Encoder
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec

PIXELS = np.array([[[0, 255], [1, 128]], [[0, 0], [0, 64]]], dtype=np.uint8)


def values(images, rows):
    """Values of all rows again."""
    out = np.zeros((images.presentations, rows), dtype=int)
    for p in range(images.presentations):
        entries = images.entries[0, p]
        out[p, images.row[0, p, :entries]] = images.value[0, p, :entries]
    return out


@given(st.integers(0, 2**32 - 1))
def test_values_come_back(seed):
    random = np.random.default_rng(seed)
    table = random.integers(0, 256, (3, 11)) * random.integers(0, 2, (3, 11))
    assert np.array_equal(values(Images.from_values(table, steps=1, mode="rate"), 11), table)


def test_bernoulli():
    shown = Images.bernoulli(PIXELS, steps=5, rate=0.5, labels=[4, 2], trials=3)
    assert values(shown, 4).tolist() == [[0, 128, 0, 64], [0, 0, 0, 32]]
    assert (shown.mode, shown.decoder, shown.trials, shown.presentations) == ("rate", "rate", 3, 2)
    assert shown.labels.tolist() == [[4, 2]] * 3
    assert shown.entries.tolist() == [[2, 1]] * 3


def test_poisson():
    shown = Images.poisson(PIXELS, steps=5, rate=2.0)
    expected = [round(255 * (1 - np.exp(-2 * pixel / 255))) for pixel in (0, 255, 1, 128)]
    assert values(shown, 4)[0].tolist() == expected == [0, 220, 2, 162]


def test_brighter_is_earlier():
    shown = Images.latency(PIXELS, steps=11)
    assert values(shown, 4).tolist() == [[0, 1, 11, 6], [0, 0, 0, 8]]
    assert (shown.mode, shown.decoder) == ("latency", "first spike")


def test_latency_leaves_dark_pixels_out():
    shown = Images.latency(PIXELS, steps=11, darkest=2, decoder="rate")
    assert values(shown, 4).tolist() == [[0, 1, 0, 6], [0, 0, 0, 8]]


def test_latencies_end_where_entries_do():
    ramp = np.arange(256, dtype=np.uint8)[None]
    (got,) = values(Images.latency(ramp, steps=1000), 256)
    assert (got[0], got[1], got[255]) == (0, 254, 1)
    assert set(np.diff(got[1:]).tolist()) <= {0, -1}


def test_the_encoder_spikes_with_the_probability_of_the_value():
    spec = LifSpec(layers=(LifLayerSpec(weight=np.ones((1, 4)), tau=1e-3),), dt=1e-3)
    shown = Images.from_values([[0, 32, 128, 255]], steps=20000, mode="rate")
    (wave,) = Encoder(spec, shown, spec.sample(trials=1, seed=1)[0]).waves()
    count = np.zeros(5)
    for step in range(20000):
        events = wave.step(step, np.array([True]))
        count += wave.events[0]
        assert events[0] == wave.events[0, :4].sum()
    assert count[:4] / 20000 == pytest.approx([0, 32 / 256, 128 / 256, 255 / 256], abs=0.01)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Images.bernoulli(PIXELS.astype(float), steps=1), "uint8 pixels"),
        (lambda: Images.bernoulli(PIXELS, steps=1, rate=1.5), "0 to 1 spikes"),
        (lambda: Images.poisson(PIXELS, steps=1, rate=-1), "zero or more spikes"),
        (lambda: Images.bernoulli(PIXELS, steps=0), "steps: expected 1 to 65535"),
        (lambda: Images.bernoulli(PIXELS, steps=1, labels=[1]), "labels: expected one for each"),
        (lambda: Images.bernoulli(PIXELS, steps=1, decoder="last"), "decoder: expected one of rate, first spike"),
        (lambda: Images.bernoulli(PIXELS[:0], steps=1), "nothing to show"),
        (lambda: Images.from_values([[256]], steps=1, mode="rate"), "0 to 255, not 256"),
        (lambda: Images.from_values([[1]], steps=1, mode="burst"), "mode: expected one of rate, latency"),
        (lambda: entries([[3, 1]], [[1, 1]]), "ascending order"),
        (lambda: entries([[1, 1]], [[1, 1]]), "each once"),
        (lambda: entries([[1, 2]], [[0, 1]]), "without gaps"),
        (lambda: entries([[1, 2]], [[1]]), "trials, images, entries"),
    ],
)
def test_images_that_are_refused(build, message):
    with pytest.raises(InputError, match=message):
        build()


def entries(row, value):
    return Images(row=np.array([row], np.uint16), value=np.array([value], np.uint8), steps=np.array([[1]]))


# Networks.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight": [1.0, 2.0]}, r"weight: expected a matrix of \(neurons, rows\)"),
        ({"weight": np.ones((0, 2))}, "weight: expected a matrix"),
        ({"weight": np.ones((1, 1025))}, "at most 1024 rows"),
        ({"weight": [[np.nan]]}, "weight: expected finite"),
        ({"weight": [[1.0], [1.0, 2.0]]}, "weight: expected numbers"),
        ({"tau": 0.0}, "tau: expected more than 0"),
        ({"tau": [1.0, 1.0, 1.0]}, r"tau: expected one value, or 2 \(neurons\)"),
        ({"tau": "20ms"}, "tau: expected numbers"),
        ({"r": -1.0}, "r: expected more than 0, not -1"),
        ({"r": np.inf}, "r: expected finite"),
        ({"bias": np.nan}, "bias: expected finite"),
        ({"v_threshold": 0.0}, "v_threshold: expected more than v_leak"),
        ({"reset": "zero"}, "reset: expected one of value, subtract"),
        ({"refractory": -1e-3}, "refractory: expected zero or more"),
        ({"lanes": 3}, r"lanes: expected 1 to 2 \(neurons\)"),
    ],
)
def test_layers_that_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        LifLayerSpec(**{"weight": [[1.0], [2.0]], "tau": 1e-3} | changes)


def network(*shapes, dt=1e-3, refractory=0.0, **changes):
    layers = tuple(LifLayerSpec(weight=np.ones(shape), tau=1e-2, refractory=refractory) for shape in shapes)
    return LifSpec(layers=layers, dt=dt, **changes)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (network, "layers: expected at least one"),
        (lambda: network((3, 2), (2, 4)), "layer of 3 neurons must be followed by one of as many rows, not 4"),
        (lambda: network((1, 1), dt=0.0), "dt: expected more than 0"),
        (lambda: network((1, 1), weight_bits=1), "weight_bits: expected 2 to 16"),
        (lambda: network((1, 1), capacity=3), "capacity: expected an even number"),
        (lambda: network((1, 1), refractory=0.256), "layer 1, refractory: expected at most 255 steps"),
    ],
)
def test_networks_that_are_refused(build, message):
    with pytest.raises(InputError, match=message):
        build()


def test_by_default_the_encoder_holds_all_rows():
    assert network((1, 783)).capacity == network((1, 784)).capacity == 784


def test_seeds_differ_and_are_never_nothing():
    (one,) = network((1, 1)).sample(trials=5, seed=3)
    (later,) = network((1, 1)).sample(trials=1, seed=5)
    assert len(set(one.seed.tolist())) == 5
    assert (one.seed > 0).all()
    assert later.seed[0] == one.seed[2]
