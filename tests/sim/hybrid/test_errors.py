"""Hybrid neurons against the physics: every bound holds on random cards, and is tight enough to notice small faults."""

import copy
import dataclasses
import re

import numpy as np
import pytest

from memtwin.sim.backends import run
from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.hybrid import quantize
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec
from memtwin.sim.recording import Event
from tests.sim.random_cards import hybrid
from tests.sim.test_compare import HALF, job

SUBSTEP = HALF / 16


@pytest.fixture(scope="module")
def physics():
    return run(job(), "physics")


@pytest.fixture(scope="module")
def model():
    return run(job(), "model")


def check(one, physics=None, other=None):
    return compare(one, physics or run(one, "physics"), other or run(one, "model"))


# It holds.


@pytest.mark.parametrize("changes", [{}, {"depression": True}, {"refractory": False}, {"skip": True}])
def test_model_agrees_with_the_physics(changes):
    one = job(**changes)
    found = check(one)
    errors = found["errors"]
    assert found["within"], found["outside"]
    assert errors["divergence"] == []
    assert errors["event_count_difference"] == 0
    assert 0 < errors["event_time_s"] < 1.1 * one.spec.substep
    assert 0 < errors["rms_between_events"]["x"] < 0.002
    assert 0 < errors["rms_between_events"]["v1"] < 0.0005
    # Bounds that are far from what happens would notice nothing.
    assert all(0.04 < used <= 1 for used in errors["bounds"].values()), errors["bounds"]


def test_without_input_nothing_is_said_to_differ():
    found = check(job(v_in=(0.0, 0.0)))
    assert found["within"], found["outside"]
    assert found["errors"]["rms_between_events"]["v1"] == 0


def test_finer_substeps_come_closer():
    coarse, fine = (check(job(substeps=substeps)) for substeps in (8, 64))
    assert coarse["within"]
    assert fine["within"]
    assert fine["errors"]["event_time_s"] < coarse["errors"]["event_time_s"] / 4
    ours, theirs = (found["errors"]["rms_between_events"]["x"] for found in (coarse, fine))
    assert theirs < ours / 4


def test_a_clock_at_which_an_event_is_exactly_a_substep_late():
    chosen = EXPERIMENTS["hybrid-neuron"]
    for one in chosen.plan(chosen.settings(assignments=("clock=2.6kHz",))).values():
        found = check(one)
        assert found["within"], found["outside"]
        assert not found["errors"]["divergence"]


def test_order_does_not_matter(physics, model):
    assert compare(job(), physics, model) == compare(job(), model, physics)


def loaded(seeds):
    """Random jobs, and whether something is told of them, or they are refused, when they are loaded."""
    for seed in seeds:
        one = hybrid(seed)
        told = bool(one.coarse_steps())
        try:
            one.coefficients()
        except InputError:
            told = True
        yield seed, one, told


def test_random_cards_are_inside_their_bounds():
    inside = 0
    for seed, one, told in loaded(range(12)):
        if told:
            continue
        found = check(one)
        assert found["within"], (seed, found["outside"])
        inside += 1
    assert inside > 6


@pytest.mark.slow
def test_many_random_cards_are_inside_their_bounds():
    cards = list(loaded(range(12, 200)))
    assert sum(not told for _, _, told in cards) > 140
    for seed, one, told in cards:
        found = None if told else check(one)
        assert found is None or found["within"], (seed, found["outside"])


def test_a_noisy_winner_take_all_layer_diverges_with_a_reason():
    spec = NetworkSpec(
        layers=(LayerSpec(rows=6, neurons=4, v_in=1.6, g_initial=400e-6, inhibition=True),), c2c=True, d2d=True
    )
    pixels = np.random.default_rng(2).integers(0, 2, (6, 30, 6))
    pixels[..., :3] = 1
    program = Program.build(pixels, gates=np.ones(4), learn=(1,), periods=20, fires=1, rest=2)
    learning = dataclasses.replace(job(), spec=spec, shown=program, seed=3)
    found = check(learning)
    assert found["within"], found["outside"]
    assert found["errors"]["divergence"]
    assert all(entry["reason"] in ("race", "pulse end") for entry in found["errors"]["divergence"])


# It notices coefficients that are a little wrong.


def with_words(monkeypatch, change):
    """Model of `job` with other coefficients, which the comparison does not see."""
    honest = quantize.quantize

    def doctored(*args):
        layers = honest(*args)
        for layer in layers:
            change(layer.words)
        return layers

    with monkeypatch.context() as patch:
        patch.setattr(quantize, "quantize", doctored)
        return run(job(), "model")


def scaled(*names, by):
    def change(words):
        for name in names:
            words[name] = np.rint(words[name] * by).astype(np.int64)

    return change


@pytest.mark.parametrize(
    ("change", "bound"),
    [
        (scaled("leak", by=1.01), "filament"),
        (scaled("leak", by=0.99), "filament"),
        (scaled("relax", by=1.01), "filament"),
        (scaled("growth_base", "growth_slope", by=1.02), "filament"),
        (scaled("growth_base", "growth_slope", by=0.99), "filament"),
        (scaled("theta_mean", by=1.01), "threshold"),
        (scaled("theta_mean", by=0.999), "threshold"),
        (scaled("v_in", by=1.002), "node1"),
        (scaled("conductance", by=1.01), "node1"),
        (scaled("theta_off", by=1.02), "decisions"),
    ],
)
def test_a_coefficient_that_is_a_little_wrong_shows(monkeypatch, physics, change, bound):
    found = compare(job(), physics, with_words(monkeypatch, change))
    assert not found["within"]
    assert any(bound in line for line in found["outside"]), found["outside"]


# It notices what is done to a recording.


def changed(recording, change, trial=0):
    other = copy.deepcopy(recording)
    events = other.layers[0].events[trial]
    other.layers[0].events[trial] = [new for event in events if (new := change(event)) is not None]
    return other


def outside(physics, other):
    found = compare(job(), physics, other)
    assert not found["within"]
    return " ".join(found["outside"])


def test_a_trace_that_is_a_little_wrong_shows(physics, model):
    for name, factor in (("v1", 1.001), ("x", 1.005)):
        other = copy.deepcopy(model)
        other.layers[0].waveform[1].signals[name][:] *= factor
        assert "times its bound" in outside(physics, other)


@pytest.mark.parametrize(("parts", "shows"), [(0.75, True), (0.25, False)])
def test_a_rupture_is_judged_to_half_a_unit_of_the_threshold(physics, model, parts, shows):
    """A device that has opened, or not, with its filament beside `theta_off` by so many units."""
    said = "decisions of a device against its own filament"
    wave = model.layers[0].waveform[0]
    on = wave.signals["on"].astype(bool)
    theta_off, unit = job().spec.device["theta_off"], 2.0**-14
    closed, opened = np.argwhere(on[:-1] & ~on[1:])[0], np.argwhere(on[:-1] & ~on[1:])[0] + [1, 0]
    for (sample, neuron), x in ((closed, theta_off - parts * unit), (opened, theta_off + parts * unit)):
        other = copy.deepcopy(model)
        other.layers[0].waveform[0].signals["x"][sample, neuron] = x
        assert (said in " ".join(compare(job(), physics, other)["outside"])) == shows


def test_one_wrong_sample_shows(physics, model):
    other = copy.deepcopy(model)
    other.layers[0].waveform[1].signals["x"][333, 1] += 0.01
    assert "filament" in outside(physics, other)


def test_a_sample_that_is_missing_shows(physics, model):
    for whole, which in ((physics, 0), (model, 1)):
        other = copy.deepcopy(whole)
        wave = other.layers[0].waveform[0]
        # All of one half-period.
        keep = np.flatnonzero(np.ceil(wave.time_s / HALF - 1e-6) != 7)
        wave.time_s, wave.clk = wave.time_s[keep], wave.clk[keep]
        wave.signals = {name: values[keep] for name, values in wave.signals.items()}
        assert "expected" in outside(*((other, model) if which == 0 else (physics, other)))


def test_every_other_event_a_substep_late_shows(physics, model):
    """The device decides one substep late, consistently in the trace and the events, every other time."""
    other = copy.deepcopy(model)
    layer = other.layers[0]
    wave = layer.waveform[0]
    late = [event.time_s for event in layer.events[0] if event.kind == "on" and event.neuron == 0][::2]
    for time in late:
        sample = np.searchsorted(wave.time_s, time - 1e-9)
        for name in ("on", "node2", "l1", "v_l"):
            wave.signals[name][sample, 0] = 0

    def delayed(event):
        if event.neuron == 0 and event.kind in ("on", "fire") and any(abs(event.time_s - t) < 1e-9 for t in late):
            return dataclasses.replace(event, time_s=event.time_s + SUBSTEP)
        return event

    other = changed(other, delayed)
    text = outside(physics, other)
    assert f"{len(late)} decisions" in text
    assert "event_time" in text or "no counterpart" in text


def test_an_event_that_is_late_shows(physics, model):
    def late(event):
        return dataclasses.replace(event, time_s=event.time_s + SUBSTEP) if event.kind == "off" else event

    assert "on and off are not those of the trace" in outside(physics, changed(model, late))
    assert "on and off are not those of the trace" in outside(changed(physics, late), model)


@pytest.mark.parametrize("kind", ["on", "off", "fire", "spike", "l2_rise", "l2_fall"])
def test_a_deleted_event_shows(physics, model, kind):
    for recording in (physics, model):
        for number in (0, -1):
            gone = [event for event in recording.layers[0].events[1] if event.kind == kind][number]
            other = changed(recording, lambda event, gone=gone: None if event == gone else event, trial=1)
            assert "are not those" in outside(*((other, model) if recording is physics else (physics, other)))


def test_other_learning_shows():
    one = dataclasses.replace(job(depression=True))
    one = dataclasses.replace(one, shown=dataclasses.replace(one.shown, learn=np.ones_like(one.shown.learn)))
    physics, model = run(one, "physics"), run(one, "model")
    assert compare(one, physics, model)["within"]
    other = copy.deepcopy(model)
    other.layers[0].conductance[0, 0, 0] *= 1.002
    assert not compare(one, physics, other)["within"]
    other = copy.deepcopy(model)
    del other.layers[0].learning[0][0]
    assert not compare(one, physics, other)["within"]


# Divergences excuse what comes after, in their own trial and neuron.


def last_before_the_edge():
    """Seed, job and neuron with an explained divergence of a single neuron among others."""
    for seed, one, told in loaded(range(40)):
        if told or one.spec.c2c or one.spec.layers[0].neurons == 1 or one.shown.fires.any():
            continue
        physics, model = run(one, "physics"), run(one, "model")
        entries = compare(one, physics, model)["errors"]["divergence"]
        if entries:
            return seed, one, physics, model, entries
    raise AssertionError("no divergence among these cards")


@pytest.fixture(scope="module")
def diverged():
    return last_before_the_edge()


def test_a_divergence_is_explained(diverged):
    *_, entries = diverged
    assert {entry["reason"] for entry in entries} <= {"pulse end", "pulse start"}
    assert len({(entry["trial"], entry["neuron"]) for entry in entries}) == len(entries)


def test_a_divergence_excuses_its_own_trial_and_neuron_only(diverged):
    _, one, physics, model, entries = diverged
    places = {(entry["trial"], entry["neuron"]) for entry in entries}
    touched = 0
    for trial, events in enumerate(model.layers[0].events):
        for neuron in range(one.spec.layers[0].neurons):
            own = [event for event in events if event.neuron == neuron and event.kind == "fire"]
            if (trial, neuron) in places or not own:
                continue
            # The device is said to have switched on, and fired, three periods later, whatever the trace says.
            other = copy.deepcopy(model)
            other.layers[0].events[trial] = [
                Event(e.time_s + 6 * one.spec.half_period, e.neuron, e.kind) if e == own[-1] else e for e in events
            ]
            assert not compare(one, physics, other)["within"]
            touched += 1
    assert touched


def test_a_race_is_no_excuse_without_inhibition(physics, model):
    fire = next(event for event in model.layers[0].events[0] if event.kind == "fire")

    def swapped(event):
        return Event(event.time_s, 1 - event.neuron, "fire") if event == fire else event

    other = changed(model, swapped)
    for counts in (other.layers[0].fires,):
        counts[0, 0] += [-1, 1] if fire.neuron == 0 else [1, -1]
    assert "no counterpart" in outside(physics, other)


# ngspice.


def spice_like(recording):
    """A recording of the physics in the place of one of ngspice, which is as exact here."""
    return dataclasses.replace(copy.deepcopy(recording), backend="ngspice")


def moved(recording, kind, seconds):
    """The first event of a kind later by some time, with its trace."""
    out = copy.deepcopy(recording)
    events = out.layers[0].events[0]
    place = next(place for place, event in enumerate(events) if event.kind == kind)
    events[place] = dataclasses.replace(events[place], time_s=events[place].time_s + seconds)
    return out


def test_errors_of_ngspice_and_of_substeps_add_up(physics, model):
    # The model decides up to a substep late, ngspice may be one early; the two together are within.
    one = job()
    late = next(e for e in model.layers[0].events[0] if e.kind == "on").time_s
    spice = spice_like(physics)
    delay = late - next(e for e in spice.layers[0].events[0] if e.kind == "on").time_s
    assert 0 < delay < SUBSTEP
    early = moved(spice, "on", -0.95 * SUBSTEP)
    assert delay + 0.95 * SUBSTEP > SUBSTEP
    for pair in ((early, model), (model, early)):
        found = compare(one, *pair)
        assert found["within"], found["outside"]
        assert found["errors"]["event_time_s"] == pytest.approx(delay + 0.95 * SUBSTEP)
    # That of ngspice alone is a substep, and the model decides later, not earlier.
    assert compare(one, physics, early)["within"]
    assert not compare(one, physics, moved(spice, "on", -1.05 * SUBSTEP))["within"]
    assert not compare(one, moved(spice, "on", -2.2 * SUBSTEP), model)["within"]
    assert not compare(one, moved(spice, "on", delay + 1.2 * SUBSTEP), model)["within"]


@pytest.mark.parametrize("other", ["physics", "model"])
def test_what_is_outside_with_ngspice_says_what_and_by_how_much(other, request):
    one, base = job(), request.getfixturevalue(other)
    spice = spice_like(request.getfixturevalue("physics"))
    (line,) = compare(one, moved(spice, "on", -3 * SUBSTEP), base)["outside"]
    assert re.fullmatch(
        r"trial 0, layer 1, neuron \d: event on of ngspice at \S+s, the other \S+us later, limit \S+us", line
    )
    loud = copy.deepcopy(spice)
    loud.layers[0].waveform[0].signals["x"] *= 1.1
    assert any(re.fullmatch(r"x: 0\.\d+ rms, limit 0\.01", line) for line in compare(one, loud, base)["outside"])
    fewer = copy.deepcopy(spice)
    fewer.layers[0].events[0] = [event for event in fewer.layers[0].events[0] if event.kind != "off"]
    lines = compare(one, fewer, base)["outside"]
    assert any(re.fullmatch(r"trial 0, layer 1: \d+ events of kinds on and off without a c.*", line) for line in lines)
