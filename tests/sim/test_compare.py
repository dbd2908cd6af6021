"""The comparison must find what differs, and only that."""

import copy
import dataclasses

import numpy as np
import pytest

from memtwin.sim.backends import Job, run
from memtwin.sim.compare import compare
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec
from tests.sim.lif.test_physics import digits_job
from tests.sim.stdp.jobs import random_job

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
    return Job(spec=spec, shown=program, record=True)


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


@pytest.mark.parametrize("make", [lambda: digits_job(6, hidden=8), lambda: random_job(2, 5)])
def test_ticks_and_steps_of_lif_and_stdp_networks(make):
    one = make()
    good, bad = run(one, "model"), run(one, "model")
    layers = len(good.layers)
    steps = int(good.duration.sum())
    assert compare(one, good, bad)["ticks"] == layers * steps
    # The last neuron in the last step but two of the last trial; what follows it has two whole steps.
    words = bad.layers[-1].words[-1]
    first, last = good.layers[-1].waveform[-1].signals["spike" if layers > 1 else "on"].shape
    kind = 13 if layers > 1 else 2
    place = np.flatnonzero((words & np.uint64(0xFFFFF)) == kind | last - 1 << 4)[-3]
    words[place] ^= np.uint64(1 << 20)
    found = compare(one, good, bad)["first_difference"]
    assert (found["trial"], found["layer"], found["index"]) == (1, layers, last - 1)
    assert found["step"] == first - 3
    assert found["time_s"] == pytest.approx((first - 3) * (one.spec.dt if layers > 1 else one.spec.step))


def test_without_words_the_counts_decide():
    plain = dataclasses.replace(job(), record=False)
    a, b = run(plain, "model"), run(plain, "model")
    found = compare(plain, a, b)
    assert found["equal"]
    state = 4 + 2 + 4 + 2 + 2 + 2 + 2 + 1  # docs/link.md, section 5
    # Periods, times, fires, spikes, conductances, and the state of both trials.
    assert found["compared"] == {"words": 0, "counts": 2 + 2 + 4 + 4 + 8, "state": 2 * state, "traces": 0}
    assert found["words"] == 20 + 2 * state
    b.duration[1, 0] += 1
    assert compare(plain, a, b)["first_difference"]["kind"] == "duration"


# With the physics: tests/sim/hybrid/test_errors.py.


def test_a_comparison_with_the_physics_needs_events(model):
    plain = dataclasses.replace(job(), record=False)
    with pytest.raises(ValueError, match="record=True"):
        compare(plain, run(plain, "physics"), model)
