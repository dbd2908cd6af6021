"""LIF recordings against the equation of their layers: rounding is explained, and nothing else is."""

import copy
import dataclasses

import numpy as np
import pytest

from memtwin.sim.backends import run
from memtwin.sim.compare import compare
from memtwin.sim.lif.check import allowances
from memtwin.sim.lif.shown import DECODERS, MODES, Images
from memtwin.sim.lif.spec import RESETS, ConductancePair
from tests.sim.lif.test_physics import REST, constant, digits_job


def pair(job, other=None):
    """The physics of a job, and the integers of it or of another."""
    return run(job, "physics"), run(other or job, "model")


def with_layers(job, **changes):
    layers = tuple(dataclasses.replace(layer, **changes) for layer in job.spec.layers)
    return dataclasses.replace(job, spec=dataclasses.replace(job.spec, layers=layers))


@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("refractory", [0.0, 2e-3])
@pytest.mark.parametrize("tau", [9.41e-3, np.inf])
def test_what_rounding_explains_is_within(reset, refractory, tau):
    job = digits_job(6, hidden=8, reset=reset, refractory=refractory, tau=tau)
    found = compare(job, *pair(job))
    assert found["within"], found["outside"]
    assert 0.3 < found["errors"]["bounds"]["membrane"] < 1  # no wider than it has to be
    assert 0.9 < found["errors"]["bounds"]["weight"] < 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("decoder", DECODERS)
def test_every_way_to_show_an_image(mode, decoder):
    job = digits_job(5, hidden=8)
    random = np.random.default_rng(3)
    pixels = ((random.random((30, 64)) < 0.3) * random.integers(0, 256, (30, 64))).astype(np.uint8)
    build = Images.latency if mode == "latency" else Images.bernoulli
    rate = {} if mode == "latency" else {"rate": 0.3}
    job = dataclasses.replace(job, shown=build(pixels, steps=15, decoder=decoder, trials=2, **rate))
    one, other = pair(job)
    found = compare(job, one, other)
    assert found["within"], found["outside"]
    differs = found["errors"]
    assert differs["event_count_difference"] > 0  # weights of five bits: what the errors say is what there is
    assert differs["answers_different"] == np.count_nonzero(one.answers != other.answers)
    assert {entry["trial"] for entry in differs["divergence"]} <= {0, 1}


def test_a_membrane_at_the_end_of_its_word_is_told_of():
    job = digits_job(6)
    job = with_layers(job, weight=-8 * np.abs(job.spec.layers[0].weight))
    one, other = pair(job)
    assert other.saturated["u"] > 0
    outside = compare(job, one, other)["outside"]
    assert [why.partition(": ")[2] for why in outside] == [
        f"{count} samples are at the end of the membrane's word, 1.997 from rest" for count in clamped(other)
    ]


def clamped(recording):
    """Samples at 8 thresholds below rest in each trial."""
    for wave in recording.layers[0].waveform:
        yield np.count_nonzero(wave.signals["v"] < REST - 7.999 * (0.25 - REST))


def test_devices_that_spread_are_within():
    pairs = ConductancePair(g_on=5e-3, g_off=1e-6, spread_on=0.02, spread_off=0.02)
    job = digits_job(12)
    # The largest weight of a layer has no level above it: a single one leaves room for the others.
    weight = job.spec.layers[0].weight.clip(-1, 1)
    weight[0, 0] = 0.0
    job = with_layers(job, weight=weight)
    job = dataclasses.replace(job, spec=dataclasses.replace(job.spec, synapse=pairs))
    found = compare(job, *pair(job))
    beyond = [why for why in found["outside"] if "weight" not in why]
    assert beyond == []


@pytest.mark.parametrize(
    ("name", "change", "what"),
    [
        ("tau", lambda value: value * 1.01, "membrane"),
        ("r", lambda value: value * 1.005, "membrane"),
        ("bias", lambda value: value + 0.002, "membrane"),
        ("v_leak", lambda value: value + 0.001, "membrane"),
        ("v_threshold", lambda value: value * 1.01, "threshold"),
        ("v_reset", lambda value: value + 0.001, "reset"),
        ("refractory", lambda value: value + 1e-3, "refractory"),
        ("weight", lambda value: np.roll(value, 1, axis=1), "weight"),
    ],
)
def test_integers_of_another_network_are_not_within(name, change, what):
    job = digits_job(12, hidden=8, refractory=2e-3)
    changed = [change(getattr(layer, name)) for layer in job.spec.layers]
    layers = tuple(
        dataclasses.replace(layer, **{name: value}) for layer, value in zip(job.spec.layers, changed, strict=True)
    )
    other = dataclasses.replace(job, spec=dataclasses.replace(job.spec, layers=layers))
    for recordings in (pair(job, other), pair(job, other)[::-1]):
        found = compare(job, *recordings)
        assert not found["within"]
        assert any(what in why for why in found["outside"]), found["outside"]


def test_other_random_numbers_are_not_within():
    job = digits_job(12)
    assert not compare(job, *pair(job, dataclasses.replace(job, seed=1)))["within"]


def test_allowances_are_those_of_the_page():
    """docs/compare.md, with the numbers of one neuron: tau 9.41 ms, dt 0.1 ms, threshold 1 V, weights of 16 bits."""
    job = constant(0.2, v_threshold=1.0, weight=[[0.7]])
    (allowed,) = allowances(job, words=True)
    unit = 8 * (1.0 - REST) / 2**19
    leak = 1 - np.exp(-0.1 / 9.41)
    assert allowed.step == pytest.approx([unit * (15 * leak + 1.5)], abs=2e-9)
    assert allowed.of_membrane == 2**-17
    (own,) = job.coefficients()
    assert allowed.of_current * own.weight_unit == pytest.approx(unit / 2 ** (int(own.words["gain_shift"][0]) + 1))
    assert allowed.level == pytest.approx(8 * unit, abs=2e-9)
    assert allowed.weight == pytest.approx(own.weight_unit / 2)
    assert allowed.most == pytest.approx(8 * (1.0 - REST), rel=1e-5)
    (exact,) = allowances(job, words=False)
    assert exact.step[0] < 1e-8
    assert exact.of_current[0] == exact.weight == 0
    assert exact.most == np.inf


@pytest.mark.parametrize(("units", "within"), [(0, True), (1.5, False), (-1.5, False)])
def test_a_membrane_may_be_off_by_its_allowance_and_no_more(units, within):
    job = constant(0.2, v_threshold=1.0)
    one, other = run(job, "physics"), run(job, "physics")
    other.backend = "model"
    (allowed,) = allowances(job, words=True)
    v = other.layers[0].waveform[0].signals["v"]
    v[-1, 0] += units * (allowed.step[0] + allowed.of_membrane * abs(v[-2, 0]))
    found = compare(job, one, other)
    assert found["within"] is within
    assert found["errors"]["bounds"]["membrane"] == pytest.approx(abs(units), abs=0.01)


@pytest.mark.parametrize(("units", "within"), [(0.9, True), (1.1, False)])
def test_a_spike_may_come_where_the_threshold_is_that_near(units, within):
    """The physics of a neuron with a higher threshold, which stays silent, as the integers of one that should spike."""
    quiet = run(constant(0.2, v_threshold=1.0, steps=100), "physics")
    quiet.backend = "model"
    top = float(quiet.layers[0].waveform[0].signals["v"][-1, 0])
    (allowed,) = allowances(constant(0.2, v_threshold=top), words=True)
    near = float(allowed.step[0] + allowed.of_membrane * top + allowed.level)
    job = constant(0.2, v_threshold=top - units * near, steps=100)
    one = run(job, "physics")
    assert one.layers[0].spikes.sum() == 1
    found = compare(job, one, quiet)
    assert found["within"] is within, found["outside"]
    assert found["errors"]["event_count_difference"] == 1


def test_weights_may_be_off_by_half_a_level():
    job = digits_job(6)
    one, other = pair(job)
    level = job.coefficients()[0].weight_unit
    for off, within in ((0.0, True), (1.0, False)):
        moved = copy.deepcopy(other)
        moved.layers[0].conductance[0, 3, 5] += off * level
        assert compare(job, one, moved)["within"] is within


def test_spikes_that_move_are_measured():
    job = digits_job(12)
    one = run(job, "physics")
    spike = one.layers[0].waveform[0].signals["spike"]
    step, neuron = next((s, n) for s, n in np.argwhere(spike) if 0 < s % 20 < 17 and not spike[s : s + 3, n][1:].any())
    moved = copy.deepcopy(one)
    moved.layers[0].waveform[0].signals["spike"][[step, step + 2], neuron] = [0, 1]
    found = compare(job, one, moved)
    assert found["errors"]["event_time_s"] == pytest.approx(2e-3)
    assert found["errors"]["divergence"] == [
        {"trial": 0, "time_s": pytest.approx((step + 1) * 1e-3), "image": step // 20, "layer": 1, "neuron": neuron}
    ]
    assert not found["within"]


def test_missing_spikes_are_counted():
    job = digits_job(12)
    one = run(job, "physics")
    fewer = copy.deepcopy(one)
    fewer.layers[0].spikes[1, 4] = 0
    found = compare(job, one, fewer)
    assert found["errors"]["event_count_difference"] == one.layers[0].spikes[1, 4].sum() > 0
    assert not found["within"]


def test_the_root_mean_square_is_up_to_the_first_spike_that_differs():
    job = constant(0.2, v_threshold=1.0, steps=10)
    one, other = run(job, "physics"), run(job, "physics")
    other.layers[0].waveform[0].signals["v"][5, 0] += 0.1
    scale = 1.0 - job.spec.layers[0].v_leak
    rms = compare(job, one, other)["errors"]["rms_between_events"]["v"]
    assert rms == pytest.approx(0.1 / scale / 10**0.5)
    other.layers[0].waveform[0].signals["spike"][5, 0] = 1
    assert compare(job, one, other)["errors"]["rms_between_events"]["v"] == 0.0
