"""STDP recordings against the equations of docs/stdp.md: rounding is explained, and nothing else is."""

import copy
import dataclasses

import numpy as np
import pytest

from memtwin.sim.backends import run
from memtwin.sim.compare import compare
from memtwin.sim.stdp import model
from memtwin.sim.stdp.check import Allowance
from tests.sim.stdp.jobs import CARD, one_pair, random_job


def pair(job, other=None):
    return run(job, "physics"), run(other or job, "model")


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("neurons", "rows", "rates"), [(2, 8, 1.0), (3, 20, 0.3)])
def test_what_rounding_explains_is_within(neurons, rows, rates, seed):
    job = random_job(neurons, rows, seed=seed, epochs=6, rate_up=rates, rate_down=rates)
    found = compare(job, *pair(job))
    assert found["within"], found["outside"]
    bounds = found["errors"]["bounds"]
    assert 0.2 < bounds["conductance"] < 1  # no wider than it has to be
    assert 0.4 < bounds["membrane"] < 1
    assert bounds["initial"] <= 1


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"rate_up": 0.98}, "conductance"),
        ({"rate_down": 0.98}, "conductance"),
        ({"kick": 0.99}, "membrane"),
        ({"tau": 0.99}, "membrane"),
        ({"tau1": 0.98}, "conductance"),
        ({"tau2": 0.98}, "conductance"),
        ({"v_th": 0.99}, "threshold"),
        ({"r_on": 1.01}, "conductance"),
    ],
)
def test_integers_of_another_card_are_not_within(change, what):
    job = random_job(2, 8, epochs=6, c2c=False)
    ((name, factor),) = change.items()
    if name in CARD.fields:
        other = {"device": CARD.replace(**{name: CARD[name] * factor})}
        other["g_initial"] = job.spec.g_initial.clip(1 / other["device"]["r_off"], 1 / other["device"]["r_on"])
    else:
        other = {name: getattr(job.spec, name) * factor}
    one, wrong = pair(job, dataclasses.replace(job, spec=dataclasses.replace(job.spec, **other)))
    for recordings in ((one, wrong), (wrong, one)):
        found = compare(job, *recordings)
        assert not found["within"]
        assert any(what in why for why in found["outside"]), found["outside"]


def test_other_spikes_are_not_within_though_they_are_in_good_order():
    job = random_job(2, 8, epochs=6)
    more = run(dataclasses.replace(job, spec=dataclasses.replace(job.spec, kick=job.spec.kick * 1.2)), "model")
    found = compare(job, run(job, "physics"), more)
    assert found["errors"]["event_count_difference"] > 0
    assert not found["within"]


def test_allowances_are_those_of_the_page():
    """docs/compare.md, with numbers: one row and four rows, step 1 ms."""
    job = one_pair(5, kick=0.05)
    (own,) = job.coefficients()
    allowed = Allowance(job.spec, own)
    volt, leak = 2**-18, 1 - np.exp(-1 / 9.41)
    decay = volt * (15 * leak + 0.5) + 0.1 * 2**-20
    assert allowed.membrane(np.array([[0.1]]), np.array([[0.0]])) == pytest.approx(decay, rel=1e-3)
    level = 1000 * own.weight_unit  # a thousand units of conductance, not shifted as there is only one row
    drive = volt / 2 * (1 + 1001 / 2 ** own.structure["gain_shift"])
    assert allowed.membrane(np.array([[0.1]]), np.array([[level]])) == pytest.approx(decay + drive, rel=1e-3)
    assert allowed.level == pytest.approx(8 * volt, rel=1e-3)

    wide = random_job(1, 4)
    (own,) = wide.coefficients()
    allowed = Allowance(wide.spec, own)
    kick = wide.spec.kick * own.weight_unit / wide.spec.g_on  # of a unit of conductance; sums are shifted by 2
    drive = 2 * kick + volt / 2 * (1 + 251 / 2 ** own.structure["gain_shift"])
    level = 1000 * own.weight_unit
    assert allowed.membrane(np.array([[0.1]]), np.array([[level]])) == pytest.approx(decay + drive, rel=1e-3)

    # A spike 30 steps ago, with 64.1 ms; half of the way to the bound right after it.
    leak, left = 1 - np.exp(-1 / 64.1), np.exp(-30 / 64.1)
    trace = 2**-20 * ((15 * leak + 0.5) * 30 + 30 * left / (1 - leak))
    part = 0.5 * (trace + 15 * 2**-20) + (left + 1) * 2**-16
    expected = 1e-3 * part + own.weight_unit * (0.25 * left + 1)
    off = allowed.change(np.array([[1e-3]]), 0.5, np.array([[left]]), np.array([[30.0]]), 64.1e-3)
    assert off == pytest.approx(expected, rel=1e-3)
    exact = Allowance(wide.spec, None)
    assert exact.change(np.array([[1e-3]]), 0.5, np.array([[left]]), np.array([[30.0]]), 64.1e-3).max() < 1e-11
    assert exact.membrane(np.array([[0.1]]), np.array([[level]])).max() < 1e-9


def clocked(job):
    """The physics as if it had words: what it may be off by is what the integers may."""
    recording = run(job, "physics")
    recording.backend = "model"
    return recording


@pytest.mark.parametrize(("part", "within"), [(0.0, True), (0.9, True), (1.5, False), (-1.5, False)])
def test_a_membrane_may_be_off_by_its_allowance_and_no_more(part, within):
    job = one_pair(1, length=9, kick=0.05)
    allowed = Allowance(job.spec, job.coefficients()[0])
    moved = clocked(job)
    u = moved.layers[0].waveform[0].signals["u"]
    assert not job.shown.inputs[0, -1, -1].any()
    assert not moved.layers[0].waveform[0].signals["on"][-1].any()
    before = u[-2:-1] - CARD["u_rest"]
    u[-1:] += part * allowed.membrane(before, np.zeros_like(before))
    found = compare(job, run(job, "physics"), moved)
    assert found["within"] is within, found["outside"]


@pytest.mark.parametrize(("part", "within"), [(0.9, True), (1.5, False), (-1.5, False)])
def test_a_learning_step_may_be_off_by_its_allowance_and_no_more(part, within):
    job = one_pair(5)
    allowed = Allowance(job.spec, job.coefficients()[0])
    moved = clocked(job)
    g = job.coefficients()[0].words["conductance"].item() * job.coefficients()[0].weight_unit
    share = CARD["w_plus"] / 100 * CARD["g_initial"] / (job.spec.g_on - CARD["g_initial"])
    left = np.exp(-5e-3 / CARD["tau1"])
    room = np.array([[job.spec.g_on - g]])
    off = allowed.change(room, share, np.array([[left]]), np.array([[5.0]]), CARD["tau1"])
    time, neuron, column = moved.layers[0].learning[0][-1]
    column = np.array(g + room[0] * share * left + part * off[0])
    moved.layers[0].learning[0][-1] = (time, neuron, column)
    moved.history[0, 1, 0] = moved.layers[0].conductance[0, 0] = column
    # What is not learnt stays where the integers begin.
    first = moved.layers[0].learning[0][0]
    moved.layers[0].learning[0][0] = (*first[:2], np.array([g]))
    moved.history[0, 0, 0] = g
    found = compare(job, run(job, "physics"), moved)
    assert found["within"] is within, found["outside"]


def test_where_recordings_part_is_told():
    job = random_job(2, 8, epochs=6)
    one = run(job, "physics")
    gone = copy.deepcopy(one)
    event = gone.layers[0].events[1].pop(3)
    found = compare(job, one, gone)
    assert found["errors"]["divergence"] == [{"trial": 1, "time_s": event.time_s, "neuron": event.neuron}]
    assert not found["within"]


def test_a_fault_of_the_traces_of_spikes_is_seen(monkeypatch):
    job = random_job(2, 8, epochs=6)
    decayed = model._decayed
    monkeypatch.setattr(model, "_decayed", lambda value, leak: decayed(value, leak) + 64 * (value > 2**18))
    assert not compare(job, *pair(job))["within"]
