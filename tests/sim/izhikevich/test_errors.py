"""Recordings of Izhikevich neurons against the equations of docs/izhikevich.md, and nothing else is within."""

import copy
import dataclasses

import numpy as np
import pytest

from memtwin.sim.backends import run
from memtwin.sim.compare import compare
from memtwin.sim.izhikevich import model
from memtwin.sim.izhikevich.check import LATE, Allowance, Check, Law
from memtwin.sim.recording import Event
from tests.sim.izhikevich.jobs import CARDS, constant_job, random_job


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("step", [1e-3, 0.5e-3, 0.1e-3])
def test_what_rounding_explains_is_within(seed, step):
    job = random_job(4, 6, seed=seed, step=step)
    recordings = run(job, "physics"), run(job, "model")
    found = compare(job, *recordings)
    assert found["within"], found["outside"]
    bounds = found["errors"]["bounds"]
    assert 0.4 < bounds["membrane"] < 1  # no wider than it has to be
    assert 0.4 < bounds["recovery"] < 1
    assert 0.5 < bounds["weight"] < 1
    physics = Check(job, recordings[0], words=False).ratios
    assert 1e-3 < max(physics["membrane"], physics["recovery"], physics["threshold"]) < 1


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("a", 0.0201, "recovery"),
        ("b", 0.201, "recovery"),
        ("c", -65.1e-3, "reset"),
        ("d", 8.02, "recovery"),
        ("v_threshold", -10e-3, "threshold"),
        ("v_initial", -64.9e-3, "start"),
    ],
)
def test_a_recording_of_another_card_is_not_within(name, value, what):
    job = constant_job(cards=CARDS[:1])
    spec = dataclasses.replace(job.spec, devices=(CARDS[0].replace(**{name: value}),))
    other = dataclasses.replace(job, spec=spec)
    for changed in ("model", "physics"):
        recordings = [run(other if backend == changed else job, backend) for backend in ("physics", "model")]
        found = compare(job, *recordings)
        assert not found["within"]
        # The physics has no word of its start: that shows in the first step.
        wanted = {"start": "membrane", "reset": "membrane"}.get(what, what) if changed == "physics" else what
        wanted = "membrane" if (changed, what) == ("model", "start") else wanted
        assert any(f"{changed}, {wanted}" in why for why in found["outside"]), found["outside"]


@pytest.mark.parametrize("backend", ["physics", "model"])
@pytest.mark.parametrize("change", [{"weight": 1.01}, {"current": 1.001}, {"inputs": 0}])
def test_a_recording_of_another_drive_is_not_within(backend, change):
    job = random_job(3, 4)
    ((name, factor),) = change.items()
    if name == "weight":
        other = dataclasses.replace(job, spec=dataclasses.replace(job.spec, weight=job.spec.weight * factor))
    else:
        shown = {name: (getattr(job.shown, name) * factor).astype(getattr(job.shown, name).dtype)}
        other = dataclasses.replace(job, shown=dataclasses.replace(job.shown, **shown))
    recordings = [run(other if each == backend else job, each) for each in ("physics", "model")]
    found = compare(job, *recordings)
    assert not found["within"]
    assert all(why.startswith(backend) or "not" in why for why in found["outside"])


def test_allowances_are_those_of_the_page():
    """docs/izhikevich.md, section 6, with numbers: half a unit of every word, in mV, a step of 0.5 ms."""
    law = Law(np.array([0.02]), np.array([0.2]))
    allowed = Allowance(law, 0.5)
    slope = 25 * (2 * 2**-17 + 3 * 2**-13)  # two roundings to 16 bits; the current and two weights
    expected = (0.5 + 2**-16) * slope + 2**-16 * 100 + 25 * 2**-17
    assert allowed.membrane(np.array([[-100.0]]), np.array([[2]])) == pytest.approx(expected, rel=1e-5)
    distance = 25 * 2**-20 + 2**-16 * 60
    expected = (0.01 + 2**-20) * distance + 2**-20 * 2.0 + 25 * 2**-20
    assert allowed.recovery(np.array([[-60.0]]), np.array([[-10.0]])) == pytest.approx(expected, rel=1e-4)
    assert Allowance.level == 25 * 2**-13
    assert Allowance.jump == 25 * 2**-16
    assert pytest.approx(2.03e-6, rel=0.01) == LATE


@pytest.mark.parametrize("part", [0.9, -0.9, 1.1, -1.1])
@pytest.mark.parametrize("name", ["v", "u"])
def test_the_last_state_may_be_off_by_its_allowance_and_no_more(name, part):
    job = constant_job(0.0, cards=CARDS[:1], time=2e-3)
    recording = run(job, "model")
    signals = recording.layers[0].waveform[0].signals
    v, u = 1e3 * signals["v"][-2:-1], signals["u"][-2:-1]
    law = Law(np.array([0.02]), np.array([0.2]))
    allowed, slope = Allowance(law, 0.5), law.membrane(v, u, np.zeros(1))
    if name == "v":
        signals["v"][-1:] = 1e-3 * (v + 0.5 * slope + part * allowed.membrane(slope, np.array([[0]])))
    else:
        signals["u"][-1:] = u + 0.5 * law.recovery(v, u) + part * allowed.recovery(v, u)
    found = Check(job, recording, words=True)
    assert (found.ratios[{"v": "membrane", "u": "recovery"}[name]] <= 1) == (abs(part) < 1)


@pytest.mark.parametrize("part", [0.9, 1.1])
def test_the_physics_may_be_late_by_its_allowance_and_no_more(part):
    job = constant_job(10.0, cards=CARDS[:1], time=2e-3)
    recording = run(job, "physics")
    signals = recording.layers[0].waveform[0].signals
    slope = Law(np.array([0.02]), np.array([0.2])).membrane(1e3 * signals["v"][-1], signals["u"][-1], np.array([10.0]))
    signals["v"][-1] += 1e-3 * part * LATE * 0.5 * (abs(slope) + 1)
    assert (Check(job, recording, words=False).ratios["membrane"] <= 1) == (part < 1)


@pytest.mark.parametrize("backend", ["physics", "model"])
def test_a_spike_that_is_lost_or_moved_is_not_within(backend):
    job = constant_job()
    whole = {each: run(job, each) for each in ("physics", "model")}
    for shift in (None, 1e-3, 1e-8):
        if backend == "model" and shift == 1e-8:
            continue  # within a step: its words have no time of a spike but the step
        changed = copy.deepcopy(whole[backend])
        events = changed.layers[0].events[0]
        event = events.pop(3)
        if shift is not None:
            events.insert(3, Event(event.time_s + shift, event.neuron, "spike"))
        recordings = {**whole, backend: changed}
        assert not compare(job, recordings["physics"], recordings["model"])["within"]


def test_what_is_measured():
    job = constant_job()
    recordings = run(job, "physics"), run(job, "model")
    found = compare(job, *recordings)["errors"]
    ours, theirs = (
        [[event.time_s for event in each.layers[0].events[0] if event.neuron == n] for n in range(5)]
        for each in recordings
    )
    pairs = [list(zip(one, other, strict=False)) for one, other in zip(ours, theirs, strict=True)]
    assert found["event_time_s"] == max(abs(one - other) for each in pairs for one, other in each)
    intervals = [abs(np.diff([one for one, _ in each]) - np.diff([other for _, other in each])) for each in pairs]
    assert found["interval_s"] == max(each.max() for each in intervals)
    lost = [rest[0] for n in range(5) for rest in (ours[n][len(pairs[n]) :], theirs[n][len(pairs[n]) :]) if rest]
    assert found["event_count_difference"] == sum(
        abs(len(one) - len(other)) for one, other in zip(ours, theirs, strict=True)
    )
    assert found["event_count_difference"] > 0
    (entry,) = found["divergence"]
    assert entry["time_s"] == min(lost)
    assert found["rms_between_events"]["v"] > 0
    assert compare(job, *recordings[::-1])["errors"]["event_time_s"] == found["event_time_s"]


def test_a_fault_of_the_arithmetic_is_seen(monkeypatch):
    job = constant_job()
    rounded = model.round_shift
    monkeypatch.setattr(model, "round_shift", lambda value, shift: rounded(value, shift) + 8 * (shift == 15))
    assert not compare(job, run(job, "physics"), run(job, "model"))["within"]


def test_states_at_the_ends_of_their_words_are_not_within():
    job = random_job(1, 60, largest=-100.0, trials=1)
    recording = run(job, "model")
    assert recording.saturated["v"] > 0
    assert any("end of their word" in fault for fault in Check(job, recording, words=True).faults)
