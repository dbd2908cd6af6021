"""The comparison must find what differs, and only that."""

import copy
import dataclasses

import numpy as np
import pytest

from memtwin.sim.backends import Run, run
from memtwin.sim.compare import compare
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.network import LayerSpec, NetworkSpec
from memtwin.sim.program import Program
from memtwin.sim.recording import Event

HALF = 250e-6


def job(substeps=16, v_in=(1.4, 1.8), c2c=False, periods=30, **layer):
    spec = NetworkSpec(
        layers=(
            LayerSpec(
                rows=2,
                neurons=2,
                v_in=v_in,
                g_initial=np.array([[100e-6, 25e-6], [130e-6, 25e-6]]),
                **({"skip": False, "depression": False} | layer),
            ),
        ),
        substeps=substeps,
        c2c=c2c,
    )
    pixels = np.tile([1, 0], (len(v_in), 1, 1))
    program = Program.build(pixels, gates=np.ones(2), learn=(0,), periods=periods)
    return Run(spec=spec, program=program, record=True)


@pytest.fixture(scope="module")
def physics():
    return run(job(), "physics")


@pytest.fixture(scope="module")
def model():
    return run(job(), "model")


# Word by word.


def test_equal_recordings(model):
    found = compare(job(), model, run(job(), "model"))
    words = model.layers[0].words
    assert found == {
        "equal": True,
        "words": words[0].size + words[1].size,
        "ticks": 2 * 60 * 16,  # trials, half-periods, substeps
        "first_difference": None,
        "compared": found["compared"],
    }
    assert found["compared"]["words"] == found["words"]
    assert found["compared"]["state"] == 2 * 19  # docs/link.md, section 5
    assert found["compared"]["traces"] > 2 * 60 * 16 * 2 * 11  # every signal of every substep


def test_the_first_word_that_differs_is_named(model):
    other = copy.deepcopy(model)
    words = other.layers[0].words[1]
    # A substep word of neuron 1 in the fourth half-period, and one later.
    fourth = np.flatnonzero((words & np.uint64(15)) == 6)[3]
    position = fourth + np.flatnonzero((words[fourth:] & np.uint64(0xFFFFF)) == 2 | 1 << 4)[0]
    words[[position, position + 40]] ^= np.uint64(1 << 20)
    found = compare(job(), model, other)
    assert not found["equal"]
    first = found["first_difference"]
    assert (first["trial"], first["layer"], first["position"]) == (1, 1, position)
    assert (first["kind"], first["index"], first["half_period"]) == ("substep", 1, 3)
    assert first["time_s"] == pytest.approx(3 * HALF)
    assert first["a"] ^ first["b"] == 1


def test_a_missing_word_is_a_difference(model):
    other = copy.deepcopy(model)
    other.layers[0].words[0] = other.layers[0].words[0][:-1]
    first = compare(job(), model, other)["first_difference"]
    assert first["b"] is None
    assert first["position"] == model.layers[0].words[0].size - 1
    assert compare(job(), other, model)["first_difference"]["a"] is None


@pytest.mark.parametrize("field", ["fires", "spikes", "conductance"])
def test_counts_are_compared_too(model, field):
    other = copy.deepcopy(model)
    getattr(other.layers[0], field)[1, 0, 1] += 1
    first = compare(job(), model, other)["first_difference"]
    assert (first["kind"], first["trial"], first["index"]) == (field, 1, [0, 1])


@pytest.mark.parametrize("window", ["theta", "random", "latches"])
def test_the_state_at_the_end_is_compared_too(model, window):
    other = copy.deepcopy(model)
    other.state[f"layer1.{window}"][1, 0] ^= 1
    first = compare(job(), model, other)["first_difference"]
    assert (first["kind"], first["trial"], first["index"]) == (f"layer1.{window}", 1, [0])
    assert first["a"] ^ first["b"] == 1


def test_answers_are_compared_too():
    chosen = EXPERIMENTS["lif"]
    own = next(iter(chosen.plan(chosen.settings()).values()))
    a, b = run(own, "model"), run(own, "model")
    assert compare(own, a, b)["equal"]
    b.answers[0, 0] += 1
    first = compare(own, a, b)["first_difference"]
    assert (first["kind"], first["trial"], first["index"]) == ("answers", 0, [0])


def test_without_words_the_counts_decide():
    plain = dataclasses.replace(job(), record=False)
    a, b = run(plain, "model"), run(plain, "model")
    found = compare(plain, a, b)
    assert found["equal"]
    state = 4 + 2 + 4 + 2 + 2 + 2 + 2 + 1  # docs/link.md, section 5
    # Periods, times, fires, spikes, conductances, and the state of both trials.
    assert found["compared"] == {"words": 0, "counts": 2 + 2 + 4 + 4 + 8, "state": 2 * state, "traces": 0}
    assert found["words"] == 20 + 2 * state
    b.periods[1, 0] += 1
    assert compare(plain, a, b)["first_difference"]["kind"] == "periods"


# With the physics.


def test_physics_agrees_with_itself_at_other_substeps(physics):
    finer = run(job(substeps=64), "physics")
    found = compare(job(), finer, physics)
    assert found["within"]
    assert found["errors"]["event_count_difference"] == 0
    assert found["errors"]["event_time_s"] < 1e-15
    # What is left is the linear interpolation between samples.
    assert max(found["errors"]["rms_between_events"].values()) < 1e-5


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"depression": True},
        {"refractory": False},
        {"skip": True},
    ],
)
def test_model_agrees_with_the_physics(changes):
    one = job(**changes)
    found = compare(one, run(one, "physics"), run(one, "model"))
    errors = found["errors"]
    assert errors["divergence"] == []
    assert errors["event_count_difference"] == 0
    assert 0 < errors["event_time_s"] <= one.spec.substep
    assert 0 < errors["rms_between_events"]["x"] < 0.002
    assert 0 < errors["rms_between_events"]["v1"] < 0.0005
    assert found["within"]


def test_finer_substeps_come_closer_until_the_words_decide():
    jobs = job(substeps=4), job(substeps=64)
    coarse, fine = (compare(one, run(one, "physics"), run(one, "model")) for one in jobs)
    assert coarse["within"]
    # A substep of 3.9 us is less than what the words resolve: late by up to two of them.
    assert not fine["within"]
    assert fine["errors"]["event_time_s"] < 2 * jobs[1].spec.substep
    assert fine["errors"]["event_time_s"] < coarse["errors"]["event_time_s"] / 5
    assert fine["errors"]["rms_between_events"]["x"] < coarse["errors"]["rms_between_events"]["x"] / 5


def test_order_does_not_matter(physics, model):
    one, other = compare(job(), physics, model)["errors"], compare(job(), model, physics)["errors"]
    assert one["event_time_s"] == other["event_time_s"]
    assert one["rms_between_events"] == pytest.approx(other["rms_between_events"])


def test_a_wrong_trace_shows(physics, model):
    other = copy.deepcopy(model)
    other.layers[0].waveform[0].signals["v1"][:] *= 1.02
    found = compare(job(), physics, other)
    # 2 % of 0.75 V and 0.85 V, half of the time, in one of two trials, of 1.8 V.
    assert 0.004 < found["errors"]["rms_between_events"]["v1"] < 0.005
    other.layers[0].waveform[0].signals["v1"][:] *= 1.02
    assert not compare(job(), physics, other)["within"]


def test_a_shifted_trace_shows(physics, model):
    other = copy.deepcopy(model)
    x = other.layers[0].waveform[0].signals["x"]
    x[1:] = x[:-1].copy()
    shifted = compare(job(), physics, other)["errors"]["rms_between_events"]["x"]
    assert shifted > 4 * compare(job(), physics, model)["errors"]["rms_between_events"]["x"]


def changed(recording, change, trial=0):
    other = copy.deepcopy(recording)
    events = other.layers[0].events[trial]
    other.layers[0].events[trial] = [new for event in events if (new := change(event)) is not None]
    return other


def test_a_late_event_shows(physics):
    def late(event):
        return dataclasses.replace(event, time_s=event.time_s + 40e-6) if event.kind == "off" else event

    found = compare(job(), physics, changed(physics, late))
    assert found["errors"]["event_time_s"] == pytest.approx(40e-6)
    assert not found["within"]


def test_a_missing_event_shows(physics):
    gone = changed(physics, lambda event: None if event.kind == "spike" and event.time_s < 5e-3 else event)
    found = compare(job(), physics, gone)
    assert found["errors"]["event_count_difference"] == 2
    assert not found["within"]


def first_fire(recording, trial=0):
    return next(event for event in recording.layers[0].events[trial] if event.kind == "fire")


def test_an_unexplained_divergence_is_a_failure(physics):
    fire = first_fire(physics)
    gone = changed(physics, lambda event: None if event == fire else event)
    found = compare(job(), physics, gone)
    assert found["errors"]["divergence"] == [
        {"trial": 0, "time_s": pytest.approx(fire.time_s // (2 * HALF) * 2 * HALF), "layer": 1, "reason": "unexplained"}
    ]
    assert not found["within"]


def test_a_fire_at_the_end_of_a_pulse_is_explained(physics):
    fire = first_fire(physics)
    end = (fire.time_s // HALF + 1) * HALF

    def last(event):
        return Event(end - 20e-6, event.neuron, "fire") if event == fire else event

    late = changed(physics, last)
    found = compare(job(), late, changed(late, lambda e: None if e.kind == "fire" and e.time_s == end - 20e-6 else e))
    assert [entry["reason"] for entry in found["errors"]["divergence"]] == ["pulse end"]


def test_a_race_is_explained(physics):
    fire = first_fire(physics)

    def other_wins(event):
        return Event(event.time_s + 10e-6, 1 - event.neuron, "fire") if event == fire else event

    (entry,) = compare(job(), physics, changed(physics, other_wins))["errors"]["divergence"]
    assert entry["reason"] == "race"
    assert entry["time_s"] < fire.time_s

    def other_wins_late(event):
        return Event(event.time_s - 100e-6, 1 - event.neuron, "fire") if event == fire else event

    (entry,) = compare(job(), physics, changed(physics, other_wins_late))["errors"]["divergence"]
    assert entry["reason"] == "unexplained"


def test_only_what_lies_before_a_divergence_counts(physics):
    fire = first_fire(physics)

    def spoil(event):
        if event == fire:
            return None
        return dataclasses.replace(event, time_s=event.time_s + 30e-6) if event.time_s > fire.time_s else event

    errors = compare(job(), physics, changed(physics, spoil))["errors"]
    assert errors["event_time_s"] == 0


def test_a_noisy_winner_take_all_layer_diverges_with_a_reason():
    spec = NetworkSpec(
        layers=(LayerSpec(rows=6, neurons=4, v_in=1.6, g_initial=400e-6, inhibition=True),), c2c=True, d2d=True
    )
    pixels = np.random.default_rng(2).integers(0, 2, (6, 30, 6))
    pixels[..., :3] = 1
    program = Program.build(pixels, gates=np.ones(4), learn=(1,), periods=20, fires=1, rest=2)
    learning = Run(spec=spec, program=program, seed=3, record=True)
    found = compare(learning, run(learning, "physics"), run(learning, "model"))
    assert all(entry["reason"] in ("race", "pulse end") for entry in found["errors"]["divergence"])
    assert found["errors"]["rms_between_events"]["x"] < 0.005


def test_a_comparison_with_the_physics_needs_events(model):
    plain = dataclasses.replace(job(), record=False)
    with pytest.raises(ValueError, match="record=True"):
        compare(plain, run(plain, "physics"), model)
