import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.sim.cards import load_card
from memtwin.sim.errors import InputError
from memtwin.sim.hybrid.quantize import quantize
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec, draw_sample


def layer(**changes):
    return LayerSpec(**({"rows": 3, "neurons": 2, "v_in": 1.6, "g_initial": 400e-6} | changes))


def coefficients(spec, trials=1, seed=0):
    return quantize(spec, draw_sample(spec, trials=trials, seed=seed))


def words(spec, **kwargs):
    return coefficients(spec, **kwargs)[0].words


def test_decays_stand_for_the_time_constants_of_the_card():
    spec = NetworkSpec(layers=(layer(),))
    w = words(spec)
    for name, bits, tau, interval in (
        ("leak", 20, 4e-3, 15.625e-6),
        ("leak_half", 16, 4e-3, 250e-6),
        ("relax", 16, 150e-6, 15.625e-6),
    ):
        exact = (1 - math.exp(-interval / tau)) * 2**bits
        assert abs(w[name][0] - exact) <= 0.5


def test_growth_table_is_exact_at_its_entries_and_half_a_per_cent_between():
    spec = NetworkSpec(layers=(layer(),))
    w = words(spec)
    base, slope = w["growth_base"][0], w["growth_slope"][0]
    leak = 4e-3 * (1 - math.exp(-15.625e-6 / 4e-3))
    for volts in np.linspace(0.3, 2.0, 57):
        exact = 195 * math.exp(volts / 0.55) * leak * 2**18
        v1 = round(volts * 2**14)
        i, f = v1 >> 9, v1 & 511
        got = base[i] + ((slope[i] * f + 256) >> 9)
        # Chord of a convex curve over 31.25 mV, and rounding of both ends.
        assert -1.5 <= got - exact <= 1.5 + exact * (0.03125 / 0.55) ** 2 / 8
    assert (slope >= 0).all()
    assert base.max() <= 65535
    entries = 195 * np.exp(np.arange(129) * 0.03125 / 0.55) * leak * 2**18
    fits = entries[1:] < 65535
    assert np.abs(base - entries[:-1])[fits].max() <= 0.5
    assert np.abs(base + slope - entries[1:])[fits].max() <= 0.5


def test_growth_below_the_end_of_its_word_is_not_pulled_down_by_an_entry_above_it():
    # 1.39 V is between an entry that fits and one that does not.
    device = load_card("ag-sio2").replace(g0="19900/s")
    spec = NetworkSpec(layers=(layer(v_in=1.4),), device=device, substeps=256)
    w = words(spec)
    v1 = round(1.39 * 2**14)
    i, f = divmod(v1, 512)
    assert w["growth_base"][0, i] < w["growth_base"][0, i + 1] == 65535
    exact = 19900 * math.exp(v1 * 2**-14 / 0.55) * 4e-3 * -math.expm1(-250e-6 / 256 / 4e-3) * 2**18
    got = w["growth_base"][0, i] + w["growth_slope"][0, i] * f / 512
    step = 0.03125 / 0.55
    assert -1.5 <= got - exact <= 1.5 + exact * step**2 / 8 * math.exp(step)


def test_image_runs_over_rows_then_columns():
    g = np.arange(1, 7).reshape(2, 3) * 100e-6  # neurons, rows
    spec = NetworkSpec(layers=(layer(g_initial=g),))
    (coefficient,) = coefficients(spec)
    words = coefficient.words_of(0, "layer1.")
    flat = np.array(words["layer1.conductance"]) * coefficient.weight_unit
    assert flat == pytest.approx([g[n, r] for r in range(3) for n in range(2)], abs=coefficient.weight_unit / 2)
    assert words["layer1.leak"] == [int(coefficient.words["leak"][0])]


@given(rows=st.integers(1, 40), volts=st.floats(0.5, 3.0), load=st.just(0.0) | st.floats(1e-12, 1e-3))
@settings(max_examples=40, deadline=None)
def test_reciprocal_never_overflows_and_uses_its_bits(rows, volts, load):
    spec = NetworkSpec(layers=(layer(rows=rows, v_in=volts),), neuron=load_card("hybrid-neuron").replace(g_load=load))
    (coefficient,) = coefficients(spec)
    w, shift = coefficient.words, coefficient.structure["recip_shift"]
    sum_shift = (rows - 1).bit_length()

    def reciprocal(total, at):
        total_hi = (total + (1 << sum_shift >> 1)) >> sum_shift
        return ((int(w["v_in"][0]) << at) + (total_hi >> 1)) // max(total_hi, 1)

    smallest = rows * int(w["g_min"][0]) + int(w["g_load"][0])
    assert reciprocal(smallest, shift) < 65536
    assert shift == 15 or reciprocal(smallest, shift + 1) > 65535 * 0.95


@pytest.mark.parametrize(("v_in", "shift"), [(65535, 11), (65534, 12), (33000, 12), (32767, 13), (800, 15)])
def test_the_reciprocal_takes_as_many_bits_as_leave_it_below_full_scale(v_in, shift):
    synapse = load_card("ta-hfo2").replace(g_min=2.0**-13, g_low=2.0**-13, g_max=1e-3)
    one = layer(rows=1, v_in=v_in * 2.0**-14, g_initial=500e-6)
    spec = NetworkSpec(layers=(one,), synapse=synapse, neuron=load_card("hybrid-neuron").replace(g_load=0.0))
    (coefficient,) = coefficients(spec)
    assert (coefficient.words["g_min"][0], coefficient.words["v_in"][0]) == (4096, v_in)
    assert coefficient.structure["recip_shift"] == shift


def test_options_and_seed():
    spec = NetworkSpec(layers=(layer(refractory=False, adaptive=True, skip=True, depression=True, scaled=True),))
    sample = draw_sample(spec, trials=3, seed=9)
    w = quantize(spec, sample)[0].words
    assert w["options"].tolist() == [0b11110] * 3
    assert (w["seed_low"] | w["seed_high"] << 16).tolist() == sample[0].seed.tolist()
    # Scaled depression: a whole half-period lifted makes the card's step.
    assert w["depression"][0] == round(0.2 * 32768 / 16)


def test_one_cycle_potentiation_goes_all_the_way():
    assert words(NetworkSpec(layers=(layer(one_cycle=True),)))["potentiation"][0] == 32768


def test_inhibition_words_keep_the_sign_of_every_column():
    spec = NetworkSpec(layers=(layer(neurons=10, inhibition=True),))
    (coefficient,) = coefficients(spec)
    table = coefficient.words["inhibition"][0].reshape(11, 10)
    reference = coefficient.words["reference"][0]
    assert (table[10] < reference).all()
    for winner in range(10):
        gates = table[winner] + table[10] < reference
        assert np.flatnonzero(gates).tolist() == [winner]


def test_report_names_every_parameter_and_its_error():
    (coefficient,) = coefficients(NetworkSpec(layers=(layer(),)))
    report = {line.name: line for line in coefficient.report}
    assert abs(report["tau_leak (leak)"].error) < 2e-4
    assert abs(report["v_hold"].error) < 2e-4
    assert report["growth per substep at v_dep"].saturated == 0
    assert report["theta_sd"].error == 0


def test_spread_needs_its_option_and_follows_the_seed():
    spec = NetworkSpec(layers=(layer(),))
    spread = dataclasses.replace(spec, d2d=True, c2c=True)
    assert words(spec)["theta_sd"][0] == 0
    assert words(spread)["theta_sd"][0] == round(0.15 * 2**14 * 256 / 147.80)
    assert len(np.unique(words(spec, trials=4)["theta_mean"])) == 1
    many = words(spread, trials=4, seed=5)
    assert len(np.unique(many["theta_mean"])) == 8
    # Trial t of seed s is trial 0 of seed s + t.
    assert words(spread, seed=7)["gain"][0].tolist() == many["gain"][2].tolist()


@pytest.mark.parametrize(
    ("cards", "message"),
    [
        ({"device": load_card("ag-sio2").replace(tau_leak="200us")}, "card ag-sio2, field tau_leak: expected at least"),
        ({"neuron": load_card("hybrid-neuron").replace(v_dep="0.1V")}, "field v_dep: expected more than v_hold"),
    ],
)
def test_what_does_not_fit_is_an_input_error(cards, message):
    with pytest.raises(InputError, match=message):
        coefficients(NetworkSpec(layers=(layer(),), **cards))


def test_an_amplitude_beyond_its_word_is_an_input_error():
    with pytest.raises(InputError, match="input amplitude: expected less than 4V"):
        coefficients(NetworkSpec(layers=(layer(v_in=4.5),)))
