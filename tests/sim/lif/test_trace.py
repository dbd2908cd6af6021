"""The trace words of LIF networks, and what they say in SI units."""

import numpy as np
import pytest

from memtwin.sim.backends import Job
from memtwin.sim.lif import model, trace
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec
from tests.sim.lif.test_model import job


def test_waveforms_are_in_volts_and_at_the_ends_of_steps():
    spec = LifSpec(layers=(LifLayerSpec(weight=[[3.0]], tau=10e-3, v_leak=-0.5, v_threshold=0.5, r=0.5),), dt=1e-3)
    shown = Images.from_values([[1]], steps=3, mode="latency")
    got = model.run(Job(spec=spec, shown=shown, record=True))
    wave = got.layers[0].waveform[0]
    assert wave.time_s == pytest.approx([1e-3, 2e-3, 3e-3])
    first = -0.5 + 0.5 * 3 * (1 - np.exp(-0.1))
    assert wave.signals["v"][:, 0] == pytest.approx(
        [first, -0.5 + (first + 0.5) * np.exp(-0.1), -0.5 + (first + 0.5) * np.exp(-0.2)], abs=3e-5
    )
    assert wave.signals["events"].tolist() == [1, 0, 0]


def test_spikes_are_events_at_the_ends_of_their_steps():
    got = model.run(job(np.random.default_rng(4), hidden=5, images=2))
    for layer in got.layers:
        assert len(layer.events[0]) == layer.spikes.sum()
        spike = layer.waveform[0].signals["spike"]
        steps = [round(event.time_s / 1e-3) - 1 for event in layer.events[0]]
        assert all(spike[step, event.neuron] for step, event in zip(steps, layer.events[0], strict=True))


def test_fields_of_words():
    assert trace.fields(13 | 3 << 4 | (2**20 - 2 | 1 << 20 | 7 << 21) << 20) == {
        "kind": "membrane",
        "index": 3,
        "v": -2,
        "spike": 1,
        "hold": 7,
    }
    assert trace.fields(14 | (9 | 12 << 16) << 20) == {"kind": "answer", "index": 0, "answer": 9, "spikes": 12}
    assert trace.fields(15 | 150 << 20) == {"kind": "events", "index": 0, "events": 150}
    with pytest.raises(ValueError, match="kind 13 to 15, not 2"):
        trace.fields(2)


def test_words_are_read_back():
    one = job(np.random.default_rng(4), images=3, refractory=2e-3)
    got = model.run(one)
    taken = trace.read(got.layers[0].words[0], 4)
    assert taken.answer.tolist() == got.answers[0].tolist()
    assert taken.end.tolist() == np.cumsum(got.duration[0]).tolist()
    assert taken.spike.sum() == got.layers[0].spikes.sum()
    assert taken.hold.max() == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda words: words[:-2], "whole steps"),
        (lambda words: words[:-1][::-1], "in order"),
        (lambda words: words[1:], "events of the encoder once"),
        (lambda words: words[:-6], "end with an answer"),
        (lambda words: np.append(words, words[-1]), "answer after the steps"),
        (lambda words: np.append(words, np.uint64(2)), "kind 13 to 15"),
        (lambda words: np.append(words[:-1], words[-1] | np.uint64(16)), "index 0"),
        (lambda words: np.insert(words, 2, words[0]), "nothing between"),
    ],
)
def test_words_in_disorder_are_refused(change, message):
    words = model.run(job(np.random.default_rng(4), images=2)).layers[0].words[0]
    with pytest.raises(ValueError, match=message):
        trace.read(change(words), 4)
