"""Quantiser of LIF networks: the integers of docs/lif-arithmetic.md, section 1, and what they stand for."""

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.lif.quantize import image_words, power_up_words, quantize, v_unit
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import RESETS, ConductancePair, LifLayerSpec, LifSpec

DT = 1e-3


def quantized(*layers, bits=6, trials=1, dt=DT, **options):
    spec = LifSpec(layers=layers, dt=dt, weight_bits=bits)
    shown = Images.from_values([[1]], steps=1, mode="rate", trials=trials)
    return Job(spec=spec, shown=shown, **options).coefficients()


def layer(weight=((0.4, -0.2),), **changes):
    return LifLayerSpec(**{"weight": weight, "tau": 20e-3} | changes)


def signed(words):
    return (np.asarray(words) ^ 0x8000) - 0x8000


def weights(own):
    return signed(own.words["weight"][0]).reshape(own.structure["rows"], -1).T


def told(own):
    return {line.name: line for line in own.report}


# Weights.


@given(st.integers(2, 16), st.data())
def test_whole_numbers_that_fit_come_back(bits, data):
    top = 2 ** (bits - 1) - 1
    given = data.draw(arrays.arrays(np.int64, (3, 4), elements=st.integers(-top, top)))
    (own,) = quantized(layer(given, r=1e-4), bits=bits)
    assert weights(own) * own.weight_unit == pytest.approx(given, rel=2.0**-22)
    assert own.weight_unit > 0.999 * np.gcd.reduce(given, axis=None)


@given(st.integers(2, 16), st.floats(1e-9, 1e9), st.booleans(), st.data())
def test_weights_on_a_grid_of_any_unit_come_back(bits, unit, single, data):
    top = 2 ** (bits - 1) - 1
    levels = data.draw(arrays.arrays(np.int64, (3, 4), elements=st.integers(-top, top)))
    levels[0, :2] = top, top - 1
    grid = (levels * unit).astype(np.float32 if single else np.float64)
    (own,) = quantized(layer(grid, r=1e-4 / unit), bits=bits)
    # As exact as single precision: what it does not tell apart may come back in fewer levels.
    assert weights(own) * own.weight_unit == pytest.approx(grid, rel=2.0**-22)
    assert abs(own.weight_unit / unit - 1) <= 2.0**-22 or own.weight_unit > unit


def test_a_level_is_fine_enough_for_its_gain():
    # By one weight of 1 the membrane moves 2 thresholds, which is twice what the word of a gain can say.
    strong = layer([[1.0], [-0.5]], tau=1e-3, r=2 / -np.expm1(-1), v_threshold=1.0)
    for bits, level in ((3, None), (4, 1 / 4), (6, 1 / 4)):
        (own,) = quantized(strong, bits=bits)
        assert told(own)["r"].saturated == 0
        assert abs(told(own)["r"].error) < 1e-4
        assert own.weight_unit == pytest.approx(level or 1 / 3)
    strong = layer([[1.0]], tau=1e-3, r=2 / -np.expm1(-1))  # nothing is finer
    with pytest.raises(InputError, match=r"layer 1, r: asked 3\.164, got 1\.582, which is the end of its word"):
        quantized(strong, bits=2)
    (own,) = quantized(strong, bits=2, allow_clipping=True)
    assert told(own)["r"].saturated == 1


def test_devices_that_spread_have_fine_levels():
    spec = LifSpec(
        layers=(layer([[1.0, -0.5]], r=0.1),),
        dt=DT,
        synapse=ConductancePair(g_on=1.0, g_off=0.0, spread_on=0.1, spread_off=0.1),
    )
    (own,) = Job(spec=spec, shown=Images.from_values([[1]], steps=1, mode="rate", trials=3)).coefficients()
    assert own.weight_unit == pytest.approx(1 / 30)  # the half is a whole number of levels, too
    assert len({tuple(words) for words in own.words["weight"].tolist()}) == 3


def test_a_neuron_without_synapses_does_not_set_the_gain():
    (own,) = quantized(layer([[0.1], [0.0]], r=[1.0, 1e6]))
    assert own.words["gain"][0, 0] >= 2**15
    assert told(own)["r"].saturated == 0
    (own,) = quantized(layer(np.zeros((2, 3)), r=1e6))
    assert not own.words["weight"].any()


def test_a_weight_is_off_by_at_most_half_a_level():
    given = np.random.default_rng(0).normal(size=(10, 50))
    (own,) = quantized(layer(given))
    error = np.abs(weights(own) * own.weight_unit - given).max()
    assert own.weight_unit == pytest.approx(np.abs(given).max() / 31)
    assert error <= own.weight_unit / 2 * (1 + 1e-9)
    line = told(own)["weight"]
    assert abs(line.got - line.asked) == pytest.approx(error)
    assert line.saturated == 0


def test_weights_run_over_rows_then_columns_in_two_complement():
    (own,) = quantized(layer([[1, -2, 3], [-4, 5, -31]]))
    assert own.words["weight"].tolist() == [[1, 65532, 65534, 5, 3, 65505]]


def test_layers_have_scales_of_their_own():
    first, second = quantized(layer([[0.31], [0.1]]), layer([[62.0, 2.0]], v_threshold=30.0))
    assert (first.weight_unit, second.weight_unit) == pytest.approx((0.01, 2.0))
    assert weights(second).tolist() == [[31, 1]]


# Neurons.


@pytest.mark.parametrize("v_threshold", [1.0, 0.9999, 0.25, 0.1, 100.0, 1e-6])
@pytest.mark.parametrize("headroom", [2, 8, 64])
def test_a_threshold_is_not_rounded_and_the_word_holds_the_headroom(v_threshold, headroom):
    one = layer([[1e-6 * v_threshold]], v_threshold=v_threshold, r=1e6, headroom=headroom)
    assert headroom * v_threshold / v_unit(one) == pytest.approx(2**19, rel=1e-12)
    (own,) = quantized(one)
    assert own.words["threshold"][0, 0] == 2**15 // headroom
    assert told(own)["v_threshold"].error == pytest.approx(0, abs=1e-12)


def test_of_several_thresholds_the_largest_sets_the_unit():
    one = layer(np.ones((3, 1)), v_threshold=[0.3, 0.1, 0.2])
    (own,) = quantized(one)
    assert own.words["threshold"][0].tolist() == [4096, round(4096 / 3), round(8192 / 3)]
    assert abs(told(own)["v_threshold"].error) <= 0.5 / 1365


def test_the_unit_also_has_room_for_the_reset():
    one = layer([[0.1]], v_threshold=0.1, v_reset=-0.9, r=10.0)
    assert v_unit(one) * 2**19 == pytest.approx(8 * 1.6)  # the next power of two of 0.9 / 0.1 thresholds
    assert signed(quantized(one)[0].words["v_reset"])[0] == round(-9 * 4096 / 16)
    # What rounding makes of a reset as far as the threshold is no reason for a coarser unit.
    same = layer(v_leak=-0.07, v_threshold=0.03, v_reset=-0.17)
    assert v_unit(same) == pytest.approx(v_unit(layer(v_threshold=0.1)))


def test_the_membrane_is_counted_from_v_leak():
    (own,) = quantized(layer(v_leak=-0.07, v_threshold=-0.05, v_reset=-0.08))
    unit = v_unit(layer(v_threshold=0.02, v_reset=-0.01))
    assert own.words["threshold"][0, 0] == round(0.02 / unit / 16)
    assert signed(own.words["v_reset"])[0] == round(-0.01 / unit / 16)
    assert told(own)["v_threshold"].got == pytest.approx(-0.05, abs=8 * unit)
    assert told(own)["v_reset"].got == pytest.approx(-0.08, abs=8 * unit)


def test_one_step_of_the_words_is_one_step_of_the_equation():
    tau, r, bias = np.array([5e-3, 20e-3, 80e-3]), np.array([0.5, 1.0, 2.0]), np.array([0.3, -0.2, 0.0])
    one = layer([[1.0], [0.5], [-0.75]], tau=tau, r=r, bias=bias)
    (own,) = quantized(one, bits=12)
    words = {name: values[0] for name, values in own.words.items()}
    unit, kept = v_unit(one), np.exp(-DT / tau)
    assert np.abs(words["leak"] / 65536 - (1 - kept)).max() <= 0.5 / 65536
    level = words["gain"] * 2.0 ** -words["gain_shift"] * unit  # what a level of weight adds
    assert level == pytest.approx(r * (1 - kept) * own.weight_unit, rel=0.5 / words["gain"].min())
    assert signed(words["bias"]) * unit == pytest.approx(np.tile(r * (1 - kept) * bias, 2), abs=0.5 * unit)


@given(st.floats(1e-4, 1e2), st.floats(1e-3, 1e3), st.integers(2, 16))
def test_the_largest_gain_uses_its_word(r, v_threshold, bits):
    try:
        (own,) = quantized(layer(r=r, v_threshold=v_threshold), bits=bits)
    except InputError:
        return  # too small for any shift
    gain, shift = own.words["gain"].max(), own.words["gain_shift"][0]
    assert 0 <= shift <= 15
    assert shift == 15 or gain >= 2**15 - 1 or told(own)["r"].saturated


def test_integrate_and_fire_has_no_leak_and_the_gain_of_its_step():
    one = layer(tau=[np.inf], r=50.0)
    (own,) = quantized(one)
    assert own.words["leak"].tolist() == [[0]]
    gain = own.words["gain"][0, 0] * 2.0 ** -own.words["gain_shift"][0] * v_unit(one)
    assert gain == pytest.approx(50 * DT * own.weight_unit, rel=1e-4)
    assert told(own)["tau"].got == np.inf


def test_refractory_and_reset_are_words():
    (own,) = quantized(layer(refractory=7e-3, reset="subtract"))
    assert own.words["refractory"].tolist() == [7]
    assert own.words["options"].tolist() == [1]


@pytest.mark.parametrize(("ms", "steps", "moved"), [(2.0, 2, 0), (2.6, 3, 0.4 / 2.6), (2.4, 2, 1 / 6), (0.3, 0, 1)])
def test_a_refractory_period_is_the_nearest_number_of_steps(ms, steps, moved):
    (own,) = quantized(layer(refractory=ms * 1e-3))
    assert own.words["refractory"].tolist() == [steps]
    assert told(own)["refractory"].moved == pytest.approx(moved, abs=1e-9)


def test_a_neuron_is_told_of_whatever_others_have():
    # Next to the largest of the layer each error is small.
    one = layer(np.ones((2, 1)), tau=[20e-3, 20.0], r=[1.0, 0.1], v_threshold=[1.0, 0.0123], v_reset=0.0)
    (own,) = quantized(one)
    moved = {name: line.moved for name, line in told(own).items()}
    assert moved["v_threshold"] == pytest.approx(abs(round(0.0123 * 4096) / 4096 / 0.0123 - 1))
    assert moved["tau"] == pytest.approx(abs(3 / 65536 / -np.expm1(-1e-3 / 20.0) - 1), rel=1e-6)
    assert moved["v_threshold"] > 0.001
    assert moved["tau"] > 0.08


def test_what_is_out_of_range_saturates_and_is_told():
    one = layer([[1], [1]], bias=[1000.0, -1000.0], r=10.0, tau=[1e-5, 20e-3], v_threshold=0.1)
    with pytest.raises(InputError, match=r"layer 1, .*, which is the end of its word"):
        quantized(one, bits=2)
    (own,) = quantized(one, bits=2, allow_clipping=True)
    lines = told(own)
    assert own.words["bias"].tolist() == [[32767, 32768] * 2]
    assert lines["bias"].saturated == 2
    assert own.words["leak"][0, 0] == 65535
    assert lines["tau"].saturated == 0  # forgets all but a 65536th
    assert own.words["gain"][0, 0] == 65535
    assert lines["r"].saturated == 2
    assert lines["weight"].saturated == lines["v_threshold"].saturated == 0


def test_sums_that_can_be_clamped_are_told():
    given = np.ones((3, 700))
    given[1, :300] = -1.0  # 400 of one sign
    given[2] = 0.1
    given[0, -1] = np.pi / 4  # on no grid
    for bits, clamped in ((6, 0), (7, 1), (8, 2), (12, 3)):
        (own,) = quantized(layer(given * 1.5), bits=bits)
        line = told(own)["sum"]
        assert line.saturated == clamped
        assert line.got == pytest.approx(min(line.asked, 32767 * own.weight_unit))


def test_the_report_has_the_neuron_with_the_largest_error():
    (own,) = quantized(layer(np.ones((3, 1)), tau=[10e-3, 1000e-3, 20e-3]))
    line = told(own)["tau"]
    assert line.asked == 1.0
    assert line.got == pytest.approx(1.0, rel=0.01)
    assert line.got != 1.0


def test_structure_is_what_the_gateware_needs():
    (own,) = quantized(layer(np.ones((4, 3)), lanes=2), bits=8)
    assert own.structure == {"rows": 3, "neurons": 4, "lanes": 2, "weight_bits": 8}


def test_every_trial_has_the_same_words():
    (own,) = quantized(layer(), trials=3)
    assert {len(values) for values in own.words.values()} == {3}
    assert own.words_of(2, "layer1.") == own.words_of(0, "layer1.")
    assert all(0 <= word <= 65535 for words in own.words_of(0, "").values() for word in words)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau": 1e3}, r"layer 1, tau: expected at most 131.072s .* not 1000s"),
        ({"weight": np.ones((2, 1)), "v_threshold": [1.0, 1e-5]}, "layer 1, v_threshold: expected at least 0.0002"),
        ({"r": 1e-9}, r"layer 1, r: a level of weight moves the membrane"),
        ({"weight": np.ones((2, 1)), "v_reset": [0.0, 0.1]}, "layer 1, v_reset: expected the same distance"),
    ],
)
def test_what_cannot_be_represented_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        quantized(layer(**changes))


# Encoder and decoder.


def test_words_of_an_image():
    shown = Images.from_values([[0, 7, 0, 255], [3, 0, 0, 0]], steps=4, mode="latency", decoder="first spike")
    assert image_words(shown, 0, 0) == {
        "encoder.entry_row": [1, 3],
        "encoder.entry_value": [7, 255],
        "encoder.entries": [2],
    }
    assert image_words(shown, 0, 1)["encoder.entries"] == [1]
    spec = LifSpec(layers=(layer(),), dt=DT)
    sample = spec.sample(trials=1, seed=4)
    words = power_up_words(sample, shown, 0)
    assert words["encoder.mode"] == words["decoder"] == [1]
    assert words["encoder.seed_low"][0] + (words["encoder.seed_high"][0] << 16) == sample[0].seed[0]


_QUANTITIES = ("weight", "tau", "r", "v_leak", "v_threshold", "v_reset", "bias", "refractory", "dt")


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(_QUANTITIES), st.floats() | st.floats(1e-3, 1e3), max_size=4),
    st.sampled_from(RESETS),
    st.integers(2, 16),
)
@example({"r": 1e-320}, "value", 6)
@example({"weight": 5e-324}, "value", 6)
@example({"dt": 1e-320, "refractory": 1.0}, "value", 6)
@example({"v_threshold": 5e-324}, "value", 6)
@example({"bias": 1e308, "r": 1e308}, "subtract", 6)
def test_any_numbers_are_quantised_or_refused(values, reset, bits):
    quantities = {"weight": 1.0, "tau": 1e-2} | values
    dt = quantities.pop("dt", 1e-3)
    quantities["weight"] = np.array([[quantities["weight"], 0.5 * quantities["weight"]]] * 3)
    with suppress(InputError):
        spec = LifSpec(layers=(LifLayerSpec(reset=reset, **quantities),), dt=dt, weight_bits=bits)
        (words,) = quantize(spec, spec.sample(trials=1, seed=0))
        assert all(np.isfinite(entry.got).all() or entry.name == "tau" for entry in words.report)
