"""Op-amp neurons against the physics: every bound holds on random cards, and is tight enough to notice small faults."""

import copy
import dataclasses
import re

import numpy as np
import pytest

import memtwin as mt
from memtwin.sim.backends import run
from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.opamp import quantize
from memtwin.sim.opamp import steps as opamp_steps
from memtwin.sim.opamp.law import STEP_LIMIT
from memtwin.sim.opamp.spec import CIRCUITS
from tests.sim.opamp.jobs import SUBSTEP, steps
from tests.sim.random_cards import opamp

# Integrates, then a train of pulses, then a second input.
JOB = steps("6a", [0.6e-6, 0.66e-6], on=500, off=100, switch={"tau_on": "93us", "tau_off": "371us"})


@pytest.fixture(scope="module")
def physics():
    return run(JOB, "physics")


@pytest.fixture(scope="module")
def model():
    return run(JOB, "model")


# It holds.


def loaded(seeds, circuit=None):
    """Random jobs, and whether something is told of them, or they are refused, when they are loaded."""
    for seed in seeds:
        one = opamp(seed, circuit)
        try:
            told = bool(one.coarse_steps())
            one.coefficients()
        except InputError:
            told = True
        yield seed, one, told


@pytest.mark.parametrize("circuit", CIRCUITS)
def test_random_cards_are_inside_their_bounds(circuit):
    seed, one = next((seed, one) for seed, one, told in loaded(range(50, 80), circuit) if not told)
    found = compare(one, run(one, "physics"), run(one, "model"))
    assert found["within"], (seed, found["outside"])


@pytest.mark.slow
def test_many_random_cards_are_inside_their_bounds():
    cards = list(loaded(range(200)))
    assert sum(not told for *_, told in cards) > 100
    for seed, one, told in cards:
        found = None if told else compare(one, run(one, "physics"), run(one, "model"))
        assert found is None or found["within"], (seed, found["outside"])


def test_bounds_are_used(physics, model):
    found = compare(JOB, physics, model)
    assert found["within"], found["outside"]
    # What is far from its bound would notice nothing.
    assert all(0.05 < used <= 1 for used in found["errors"]["bounds"].values()), found["errors"]["bounds"]


# It notices coefficients that are a little wrong.


def scaled(name, by):
    def change(words):
        words[name] = np.rint(words[name] * by).astype(np.int64)

    return change


def octaves(name, ratio):
    """Change a quantity whose logarithm is a coefficient."""

    def change(words):
        words[name] = words[name] + round(np.log2(ratio) * 2**11)

    return change


@pytest.mark.parametrize(
    ("change", "bound"),
    [
        (scaled("leak_second", 1.01), "r_second"),
        (octaves("growth_second_log", 1.02), "r_second"),
        (octaves("growth_second_log", 0.98), "r_second"),
        (octaves("v_floor_second_log", 1.01), "r_second"),
        (scaled("exponent_second", 1.01), "r_second"),
        (octaves("r0_second_log", 1.01), "r_second"),
        (octaves("v_th_log", 1.01), "decisions"),
        (octaves("v_th_log", 0.99), "decisions"),
        (scaled("rise", 1.01), "r_switch"),
        (scaled("fall", 0.99), "r_switch"),
        (octaves("r2_log", 1.01), "v_out1"),
        (octaves("r1_log", 1.02), "v_out2"),
        (octaves("current_log", 1.01), "current"),
    ],
)
def test_a_coefficient_that_is_a_little_wrong_shows(monkeypatch, physics, change, bound):
    honest = quantize.quantize

    def doctored(*args):
        layers = honest(*args)
        for layer in layers:
            change(layer.words)
        return layers

    with monkeypatch.context() as patch:
        patch.setattr(quantize, "quantize", doctored)
        wrong = run(JOB, "model")
    found = compare(JOB, physics, wrong)
    assert not found["within"]
    assert any(bound in line for line in found["outside"]), found["outside"]


# It notices what is done to a recording.


def events(recording, change):
    other = copy.deepcopy(recording)
    own = other.layers[0].events
    own[0] = [new for event in own[0] if (new := change(event)) is not None]
    return other


@pytest.mark.parametrize("side", ["physics", "model"])
def test_deleted_and_shifted_events_show(physics, model, side):
    good = {"physics": physics, "model": model}
    last = good[side].layers[0].events[0][-1]

    def late(event):
        return dataclasses.replace(event, time_s=event.time_s + SUBSTEP)

    for change in (lambda event: None if event == last else event, lambda e: late(e) if e.kind == "off" else e):
        found = compare(JOB, *(good | {side: events(good[side], change)}).values())
        assert not found["within"]
        assert any("not those of the trace" in line for line in found["outside"])


def test_every_other_pulse_a_substep_late_shows(physics, model):
    """Consistent in trace and events, every other pulse begins a substep late."""
    other = copy.deepcopy(model)
    wave = other.layers[0].waveform[0]
    late = [event.time_s for event in other.layers[0].events[0] if event.kind == "on"][::2]
    for time in late:
        wave.signals["on"][round(time / SUBSTEP), 0] = 0
    delayed = [
        dataclasses.replace(event, time_s=event.time_s + SUBSTEP) if event.time_s in late else event
        for event in other.layers[0].events[0]
    ]
    other.layers[0].events[0] = delayed
    found = compare(JOB, physics, other)
    assert not found["within"]
    assert any("decisions" in line for line in found["outside"]), found["outside"]


@pytest.mark.parametrize("name", ["r_second", "r_switch", "v_out1", "v_out2", "i_in"])
def test_a_wrong_sample_shows(physics, model, name):
    other = copy.deepcopy(model)
    other.layers[0].waveform[0].signals[name][300, 0] *= 1.01
    assert not compare(JOB, physics, other)["within"]


def test_the_ratio_of_the_switching_times_is_rounded():
    """Much longer off than on, 54 of 256 parts: what is beyond an end turns into more time than it was."""
    one = opamp(192)
    found = compare(one, run(one, "physics"), run(one, "model"))
    assert found["within"], found["outside"]


def test_a_race_with_the_end_of_an_input_is_explained_and_excuses_nothing_else():
    one = opamp(27)
    physics, model = run(one, "physics"), run(one, "model")
    found = compare(one, physics, model)
    (entry,) = found["errors"]["divergence"]
    assert entry["reason"] == "input end"
    assert found["within"], found["outside"]
    # An event before it is still needed.
    other = copy.deepcopy(model)
    del other.layers[0].events[0][2]
    other.layers[0].fires[0, 0, 0] -= 1
    assert not compare(one, physics, other)["within"]


# It is told when a job is loaded.


def told(name, *assignments):
    chosen = EXPERIMENTS[name]
    runs = chosen.plan(chosen.settings(assignments=assignments, trials=1))
    return {label: one.coarse_steps() for label, one in runs.items()}


@pytest.mark.parametrize("name", ["opamp-5a", "opamp-6a", "opamp-7a", "opamp-7b", "apparatus", "dynamic-memristor"])
def test_shipped_experiments_have_fine_substeps(name):
    assert not any(told(name).values())


def test_a_step_that_is_too_long_is_told():
    # docs/opamp-neurons.md: 7B in series.
    wide = ("second=series", "b_lowest=0.4uA", "b_highest=2uA")
    lines = told("opamp-7b", *wide)["B"]
    assert any("rm-integrating (second place): substeps of 10us get its resistance wrong by" in line for line in lines)
    fewer = told("opamp-7b", *wide, "substep=2us")["B"]
    assert len(fewer) < len(lines)


@pytest.mark.parametrize("circuit", ["6a", "7a"])
@pytest.mark.parametrize("change", [{"v_floor": "1nV"}, {"tau": "1ps"}])
def test_a_step_that_is_hopelessly_long_is_told_like_any_other(circuit, change):
    # Growth is up to 1e30 times what a substep resolves; no number on the way leaves the range of floats.
    lines = steps(circuit, [0.2e-6, 0.6e-6], on=100, off=100, memristor=change).coarse_steps()
    assert any(re.search(r"card rm-learning .* wrong by more than [\d.]+% \(rms\);", line) for line in lines)


def test_what_is_told_is_what_compare_measures():
    """Also where neurons learn, inputs pause, and trials differ in their spikes."""
    layers = [mt.opamp.Layer(inputs=3, neurons=2, g_initial="3uS"), mt.opamp.Layer(inputs=2, neurons=2, learn=True)]
    net = mt.Network(layers, substep="10us", d2d=True)
    one = net.job(mt.poisson("200Hz", "30ms"), trials=2)
    found = compare(one, run(one, "physics"), run(one, "model"))
    # Both are of the largest error of all layers and trials.
    measured = found["errors"]["bounds"]["step"] * STEP_LIMIT
    rehearsed = max(errors.max() for errors in opamp_steps.step_errors(one.spec, one.sample(), one.shown))
    assert rehearsed == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize(("substep", "part"), [("1us", 0.52), ("2us", 1.12)])
def test_what_is_beyond_the_limit_is_told_and_no_more(substep, part):
    """Of the limit that `compare` has, 2 % rms; what is told begins a little below."""
    layers = [mt.opamp.Layer(inputs=3, neurons=2, g_initial="3uS"), mt.opamp.Layer(inputs=2, neurons=2, learn=True)]
    one = mt.Network(layers, substep=substep, d2d=True).job(mt.poisson("200Hz", "30ms"), trials=2)
    errors = opamp_steps.step_errors(one.spec, one.sample(), one.shown)
    assert max(own.max() for own in errors) == pytest.approx(part * 0.02, rel=0.02)
    assert bool(one.coarse_steps()) == (part > 1)


def test_a_later_layer_is_told_of_too():
    first = mt.opamp.Layer(inputs=3, neurons=2, devices="6a", g_initial="3uS")
    layers = [first, mt.opamp.Layer(inputs=2, neurons=2, devices="7a", g_initial="3uS")]
    shown = mt.program([[1, 0, 0], [0, 1, 0]], "4ms", rest="2ms")
    found = mt.compare(mt.Network(layers), shown, "physics", "model")
    assert any("step" in line for line in found["outside"])
    assert any("layer 2, card rm-learning (second place)" in line for line in found["warnings"])


# Switching times that are whole numbers of substeps: a switch gets to its end just at the start of one.


@pytest.mark.parametrize(
    "shown",
    [mt.program([[1, 0, 0], [0, 1, 0]], "4ms", rest="2ms"), mt.poisson("200Hz", "50ms")],
    ids=("program", "poisson"),
)
def test_a_switch_may_get_to_its_end_at_the_start_of_a_substep(shown):
    found = mt.compare(mt.Network([mt.opamp.Layer(inputs=3, neurons=2)], substep="20us"), shown, "physics", "model")
    assert found["within"], found["outside"]
