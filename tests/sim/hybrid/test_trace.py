"""Decoding of trace words, against what the words were made from."""

import numpy as np
import pytest

from memtwin.sim.backends import Job
from memtwin.sim.hybrid import trace
from memtwin.sim.hybrid.model import run
from memtwin.sim.hybrid.quantize import quantize
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec, draw_sample

SPEC = NetworkSpec(layers=(LayerSpec(rows=2, neurons=2, v_in=1.6, g_initial=400e-6, inhibition=True),), substeps=2)
(COEFFICIENTS,) = quantize(SPEC, draw_sample(SPEC, trials=1, seed=0))
HALF = 250e-6
KIND = {name: kind for kind, name in trace.KINDS.items()}


def word(kind, index, *fields):
    """Word from (value, first bit) pairs."""
    return KIND[kind] | index << 4 | sum(value << 20 + bit for value, bit in fields)


def substep(neuron, x, *flags):
    return word("substep", neuron, (x, 0), *((1, 20 + trace.FLAGS.index(flag)) for flag in flags))


def half(number, clk, skipped=0):
    return word("half", 0, (clk, 0), (skipped, 1), (1, 2), (number, 3))


# One firing cycle of neuron 0 by hand: power-up, high, low (two passes each), high, and a low that is taken at once.
WORDS = np.array(
    [
        word("reciprocal", 0, (7, 0)),
        word("reciprocal", 1, (7, 0)),
        word("threshold", 0, (16384, 0)),
        word("threshold", 1, (16384, 0)),
        half(0, 1),
        word("drive", 0, (8192, 0), (100, 16), (1, 32)),
        word("drive", 1, (16384, 0), (100, 16), (1, 32)),
        substep(0, 1 << 18, "on", "node2", "l1", "gate", "driven"),
        substep(1, 5, "gate", "driven"),
        substep(0, 1 << 18, "on", "node2", "l1", "lifted", "gate", "driven"),
        substep(1, 4),
        word("conductance", 0, (300, 0), (1, 16)),
        word("reciprocal", 0, (9, 0)),
        word("threshold", 0, (16000, 0)),
        word("threshold", 1, (17000, 0)),
        half(1, 0),
        substep(0, 99, "on", "l1", "l2", "t1", "gate"),
        substep(1, 3),
        substep(0, 98, "l1", "l2", "t1", "gate"),
        substep(1, 2),
        half(2, 1),
        word("drive", 0, (8192, 0), (100, 16), (1, 32)),
        word("drive", 1, (16384, 0), (100, 16), (1, 32)),
        substep(0, 97, "l2", "t1", "gate"),
        substep(1, 2),
        substep(0, 96, "l2", "t1", "gate"),
        substep(1, 2),
        word("conductance", 0, (400, 0), (0, 16)),
        word("conductance", 0, (500, 0), (1, 16)),
        word("reciprocal", 0, (9, 0)),
        half(3, 0, skipped=1),
        substep(0, 95, "gate"),
        substep(1, 1, "gate"),
    ],
    dtype=np.uint64,
)


@pytest.fixture
def decoded():
    return trace.decode(WORDS, SPEC, COEFFICIENTS)


def test_samples_lie_at_the_ends_of_substeps(decoded):
    assert decoded.waveform.time_s == pytest.approx(HALF * np.array([0.5, 1, 1.5, 2, 2.5, 3, 4]))
    assert decoded.waveform.clk.tolist() == [1, 1, 0, 0, 1, 1, 0]


def test_signals(decoded):
    signals = {name: values[:, 0].tolist() for name, values in decoded.waveform.signals.items()}
    assert signals["x"] == [1.0, 1.0, *(x / 2**18 for x in (99, 98, 97, 96, 95))]
    assert signals["on"] == [1, 1, 1, 0, 0, 0, 0]
    assert signals["l1"] == [1, 1, 1, 1, 0, 0, 0]
    assert signals["l2"] == [0, 0, 1, 1, 1, 1, 0]
    assert signals["g1"] == [0, 0, 0, 0, 1, 1, 0]
    assert signals["v_l"] == [1, 1, 1, 1, 1, 1, 0]
    assert signals["t3"] == [0, 1, 0, 0, 0, 0, 0]


def test_node_1_follows_what_pulls_it(decoded):
    v_dep = SPEC.neuron["v_dep"]
    # The divider; T3; CLK low; T1; and for neuron 1, whose gate the winner closes, ground.
    assert decoded.waveform.signals["v1"].T.tolist() == [[0.5, v_dep, 0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 0, 0]]


def test_events(decoded):
    assert [(event.kind, event.neuron) for event in decoded.events] == [
        ("on", 0),
        ("fire", 0),
        ("l2_rise", 0),
        ("off", 0),
        ("spike", 0),
        ("l2_fall", 0),
    ]
    assert [event.time_s for event in decoded.events] == pytest.approx(HALF * np.array([0.5, 0.5, 1, 2, 2, 3]))


def test_learning_steps_start_from_the_conductances_at_power_up(decoded):
    lsb, initial = COEFFICIENTS.weight_unit, COEFFICIENTS.words["conductance"][0, 0]
    assert [(time, neuron) for time, neuron, _ in decoded.learning] == [(HALF, 0), (3 * HALF, 0)]
    assert decoded.learning[0][2] == pytest.approx(np.array([initial, 300]) * lsb)
    assert decoded.learning[1][2] == pytest.approx(np.array([400, 500]) * lsb)


def test_a_word_taken_apart():
    assert trace.fields(WORDS[5]) == {"kind": "drive", "index": 0, "v1": 8192, "growth": 100, "active": 1}
    assert trace.fields(half(77, 1, 1)) == {"kind": "half", "index": 0, "clk": 1, "skipped": 1, "learn": 1, "count": 77}
    assert trace.fields(substep(3, 12, "gate"))["gate"] == 1
    with pytest.raises(ValueError, match="kind 1 to 6, not 15"):
        trace.fields(0xF)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (WORDS[:-1], "whole passes of 2 neurons"),
        (np.r_[WORDS[:7], WORDS[8], WORDS[7]], "in order"),
        (np.r_[WORDS[:8], WORDS[15], WORDS[8]], "in one half-period"),
        (WORDS[7:9], "in one half-period"),
    ],
)
def test_broken_traces_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        trace.decode(words, SPEC, COEFFICIENTS)


def test_no_words_are_no_samples():
    empty = trace.decode(np.zeros(0, dtype=np.uint64), SPEC, COEFFICIENTS)
    assert empty.waveform.time_s.size == 0
    assert empty.events == []
    assert empty.learning == []


def test_events_of_a_run_are_its_counts():
    spec = NetworkSpec(**{**vars(SPEC), "c2c": True, "d2d": True, "substeps": 16})
    program = Program.build(np.ones((3, 4, 2)), gates=[1, 1], learn=(1,), periods=25, rest=[3, 0, 9, 30])
    layer = run(Job(spec=spec, shown=program, seed=4, record=True)).layers[0]
    for trial in range(3):
        for kind, counts in (("fire", layer.fires), ("spike", layer.spikes)):
            events = [event.neuron for event in layer.events[trial] if event.kind == kind]
            assert np.bincount(events, minlength=2).tolist() == counts[trial].sum(axis=0).tolist()
        for neuron in range(2):
            last = [synapses for _, who, synapses in layer.learning[trial] if who == neuron][-1]
            assert last == pytest.approx(layer.conductance[trial, neuron])
        assert (np.diff(layer.waveform[trial].time_s) > 0).all()
