"""Encoder and course of the physics of LIF networks, which are written apart from those of the integers."""

import dataclasses

import numpy as np
import pytest

from memtwin.sim.lif import encoder, model, physics, xorshift
from memtwin.sim.lif.physics_course import answer
from memtwin.sim.lif.physics_encoder import Encoder, numbers
from memtwin.sim.lif.shown import DECODERS, MODES, Images
from tests.sim.lif.test_physics import digits_job


def images(mode, decoder="rate", trials=2):
    random = np.random.default_rng(5)
    values = random.integers(0, 21, (6, 9)) * (random.random((6, 9)) < 0.7)
    values[2] = 0
    values[3] = [100, *[0] * 8]
    steps = np.array([12, 3, 5, 20, 1, 9])
    return Images.from_values(values, steps=steps, mode=mode, decoder=decoder, trials=trials)


def test_the_published_generator():
    # Marsaglia, "Xorshift RNGs" (2003), with the shifts 13, 17, 5.
    assert numbers(2463534242, 3) == [723471715, 2497366906, 2064144800]
    assert numbers(1, 0) == []


@pytest.mark.parametrize("mode", MODES)
def test_both_encoders_make_the_same_events(mode):
    job = digits_job(6, mode=mode)
    shown, seeds = job.shown, job.sample()[0].seed
    ours = Encoder(shown, 64, seeds)
    table = {(trial, image): ours.events(trial, image) for trial in range(2) for image in range(shown.presentations)}
    seen = 0
    for wave in encoder.Encoder(job.spec, shown, job.sample()[0]).waves():
        live = np.ones(wave.trial.size, dtype=bool)
        for step in range(20):
            wave.step(step, live)
            for place, which in enumerate(zip(wave.trial, wave.presentation, strict=True)):
                assert np.array_equal(wave.events[place, :-1] == 1, table[which][step])
                seen += int(table[which][step].sum())
    assert seen > 1000


def test_an_image_that_ends_early_takes_back_what_was_drawn():
    shown, seeds = images("rate"), np.array([77, 78], dtype=np.uint32)
    whole, cut = Encoder(shown, 9, seeds), Encoder(shown, 9, seeds)
    whole.events(0, 0)
    first = whole.events(0, 3)
    cut.events(0, 0)
    cut.events(0, 3)
    cut.ended(0, 2)  # a single entry is drawn once a step
    before = 12 * ((int(shown.entries[0, 0]) + 1) // 2)
    drawn = [number & 255 for number in numbers(numbers(77, before)[-1], 20)]
    assert first[:, 0].tolist() == [number < 100 for number in drawn]
    assert 0 < first.sum() < 20
    again = cut.events(0, 3)
    assert again[:18, 0].tolist() == first[2:, 0].tolist()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("decoder", DECODERS)
def test_both_courses_show_the_same(mode, decoder):
    """With whole weights nothing but the membrane is rounded: events, steps, spikes and answers are the same."""
    base = digits_job(12, hidden=8)
    random = np.random.default_rng(3)
    layers = tuple(
        dataclasses.replace(layer, weight=random.integers(-3, 5, layer.weight.shape).astype(float) * 0.25)
        for layer in base.spec.layers
    )
    spec = dataclasses.replace(base.spec, layers=layers)
    pixels = (random.random((20, 64)) < 0.3) * random.integers(0, 256, (20, 64))
    build = Images.latency if mode == "latency" else Images.bernoulli
    shown = build(pixels.astype(np.uint8), steps=15, decoder=decoder, trials=3)
    job = dataclasses.replace(base, spec=spec, shown=shown)
    one, other = physics.run(job), model.run(job)
    assert np.array_equal(one.duration, other.duration)
    assert one.duration.min() < one.duration.max() or decoder == "rate"
    assert np.array_equal(one.answers, other.answers)
    assert len(set(one.answers.ravel().tolist())) > 3
    for ours, theirs in zip(one.layers, other.layers, strict=True):
        assert ours.spikes.sum() > 5
        assert np.array_equal(ours.spikes, theirs.spikes)
        assert [wave.signals["hold"].tolist() for wave in ours.waveform] == [
            wave.signals["hold"].tolist() for wave in theirs.waveform
        ]
    for trial in range(3):
        events = [recording.layers[0].waveform[trial].signals["events"].tolist() for recording in (one, other)]
        assert events[0] == events[1]


def test_a_fault_of_the_integers_generator_shows(monkeypatch):
    """The physics does not follow: its events are its own."""
    job = digits_job(12)
    before = physics.run(job).layers[0].waveform[0].signals["events"]
    monkeypatch.setattr(xorshift, "stream", lambda state, count: np.zeros((state.size, count), dtype=np.uint32))
    assert np.array_equal(physics.run(job).layers[0].waveform[0].signals["events"], before)
    assert not np.array_equal(model.run(job).layers[0].waveform[0].signals["events"], before)


def test_blocks_have_no_influence(monkeypatch):
    job = digits_job(12, hidden=8)
    whole = physics.run(job)
    monkeypatch.setattr("memtwin.sim.lif.physics_course._ROOM", 1)
    parts = physics.run(job)
    assert np.array_equal(whole.answers, parts.answers)
    for ours, theirs in zip(whole.layers, parts.layers, strict=True):
        assert np.array_equal(ours.spikes, theirs.spikes)
        assert ours.waveform[1].signals["v"] == pytest.approx(theirs.waveform[1].signals["v"], abs=1e-12)


def test_answers_by_the_page():
    still = np.zeros((2, 3), dtype=bool)
    v = np.array([[9.0, 9, 9], [1, 3, 3]])
    u = np.array([[9.0, 9, 9], [5, 2, 4]])
    assert answer("rate", v, u, still) == 1  # no spike: the largest membrane, of several the lowest
    assert answer("first spike", v, u, still) == 1
    one = still.copy()
    one[1, [0, 2]] = True
    assert answer("rate", v, u, one) == 2  # one spike each: the larger membrane at the end
    assert answer("first spike", v, u, one) == 0  # in the same step: the larger membrane before the reset
    two = one.copy()
    two[0, 0] = True
    assert answer("rate", v, u, two) == 0
