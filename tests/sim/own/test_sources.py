import numpy as np
import pytest

from memtwin.sim.errors import InputError
from memtwin.sim.own.sources import Events, Patterns, Periodic, Poisson, source
from memtwin.sim.own.train import Size

SIZE = Size(inputs=3, outputs=2, step=1e-3, trials=2, seed=5)


def test_an_array_is_shown_in_every_trial():
    counts = np.array([[0, 1, 2], [3, 0, 0]])
    train = source(counts).train(SIZE)
    assert np.array_equal(train.spikes, [counts, counts])
    assert train.learn.all()
    assert train.gates.all()
    assert train.gates.shape == (2, 2)


@pytest.mark.parametrize(
    ("counts", "what"),
    [
        (np.zeros((4, 2)), "3 inputs"),
        (np.zeros((3, 4, 3)), "2 trials"),
        (np.full((4, 3), 0.5), "whole numbers"),
        (np.full((4, 3), 256), "0 to 255"),
        (np.full((4, 3), -1), "0 to 255"),
        (np.full((4, 3), np.nan), "whole numbers"),
        (np.array([["a"] * 3]), "numbers of spikes"),
        (np.zeros((0, 3)), "shape"),
        ([[0, 0, 0], [0]], "numbers of spikes, in an array"),
        ("spikes.csv", "load_spikes"),
    ],
)
def test_what_is_no_train_is_refused(counts, what):
    with pytest.raises(InputError, match=what):
        source(counts).train(SIZE)


def test_an_event_is_in_the_step_that_holds_its_time():
    # 3 * 1e-3 is a little more than 0.003, and 0.0029999 a little less.
    train = source([(0.0, 0), (0.0009, 1), (3 * 1e-3, 2), (0.0029, 2), (0.0029, 2)]).train(SIZE)
    assert train.steps == 4
    assert np.argwhere(train.spikes[0]).tolist() == [[0, 0], [0, 1], [2, 2], [3, 2]]
    assert train.spikes[0, 2, 2] == 2


def test_events_by_step_and_with_a_duration():
    train = Events([1, 1], [0, 2], duration="5ms", by_step=True).train(SIZE)
    assert train.spikes[0].tolist() == [[0, 0, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]


@pytest.mark.parametrize(
    ("events", "what"),
    [
        (Events([0.0], [3]), "addresses from 0 to 2"),
        (Events([0.0], [-1]), "addresses"),
        (Events([0.0], [0.5]), "addresses"),
        (Events([0.0], ["a"]), "addresses"),
        (Events([0.0], [None]), "addresses"),
        (Events([0.0], [1j]), "addresses"),
        (Events(["1ms"], [0]), "times as numbers"),
        (Events([[0.0], [0.0, 0.0]], [0, 0]), "times as numbers"),
        (Events([1e300], [0]), r"steps, not 1e\+303;"),
        (Events([-1.0], [0]), "zero or more"),
        (Events([np.inf], [0]), "zero or more"),
        (Events([0.5], [0], by_step=True), "whole numbers of steps"),
        (Events([], []), "give a duration"),
        (Events([0.0, 1.0], [0]), "as many"),
        (Events([1.0], [0], duration=0.5), "within the duration"),
        (Events([1e9], [0]), "expected 1 to"),
    ],
)
def test_events_that_cannot_be_are_refused(events, what):
    with pytest.raises(InputError, match=what):
        events.train(SIZE)


def test_poisson_trains_have_their_rate_and_are_those_of_their_seed():
    size = Size(inputs=200, outputs=1, step=1e-3, trials=2, seed=5)
    train = Poisson("100Hz", "1s").train(size)
    expected = 1 - np.exp(-0.1)
    deviation = np.sqrt(expected * (1 - expected) / train.spikes.size)
    assert abs(train.spikes.mean() - expected) < 4 * deviation
    later = Poisson(100, 1.0).train(Size(inputs=200, outputs=1, step=1e-3, trials=1, seed=6))
    assert np.array_equal(later.spikes[0], train.spikes[1])
    assert not np.array_equal(train.spikes[0], train.spikes[1])


def test_regular_trains_have_equal_intervals_from_time_zero_on():
    train = Periodic([250.0, 0.0, 2000.0], "8ms").train(SIZE)
    assert train.spikes[0].T.tolist() == [[1, 0, 0, 0, 1, 0, 0, 0], [0] * 8, [2] * 8]
    texts = Periodic(["250Hz", 0, "2kHz"], "8ms").train(SIZE)
    assert np.array_equal(texts.spikes, train.spikes)
    third = Periodic(1000 / 3, 10e-3).train(SIZE).spikes[0, :, 0]
    assert np.flatnonzero(third).tolist() == [0, 3, 6, 9]


def test_patterns_follow_each_other_with_rest():
    shown = Patterns([[1, 0, 1], [0, 1, 0]], "2ms", rest="1ms", learn=[True, False], gates=[[1, 0], [0, 1]])
    train = shown.train(SIZE)
    assert train.spikes[0].tolist() == [[1, 0, 1]] * 2 + [[0] * 3] + [[0, 1, 0]] * 2 + [[0] * 3]
    assert train.learn.tolist() == [True] * 3 + [False] * 3
    assert train.gates.tolist() == [[1, 0]] * 3 + [[0, 1]] * 3


@pytest.mark.parametrize(
    ("shown", "what"),
    [
        (Patterns([[1, 0]], "2ms"), "3 inputs"),
        (Patterns([[1, 0, 1]], "2ms", learn=[True, False]), "learn"),
        (Patterns([[1, 0, 1]], "2ms", gates=[[2, 0]]), "gates"),
        (Patterns([[1, 0, 1], [1]], "2ms"), "patterns: expected numbers of spikes, in an array"),
        (Patterns([[np.nan, 0, 1]], "2ms"), "whole numbers"),
        (Patterns([[1, 0, 1]] * 2, "2ms", learn=[[1], [1, 0]]), "learn: expected 0 or 1"),
        (Patterns([[1, 0, 1]], "0s"), "duration"),
        (Patterns([[1, 0, 1]], "2V"), "unit s"),
        (Poisson([1.0, 2.0], "1s"), "rate"),
        (Poisson("1s", "1s"), "rate"),
        (Poisson(-1.0, "1s"), "rate"),
        (Poisson(1.0, "1e6s"), "steps of 1ms"),
        (Poisson(1.0, True), "expected a time"),
        (Poisson(1.0, [1.0]), "expected a time"),
        (Poisson([[1], [2, 3]], "1s"), "rate: expected a rate"),
        (Poisson({}, "1s"), "rate: expected a rate"),
    ],
)
def test_what_cannot_be_shown_is_refused(shown, what):
    with pytest.raises(InputError, match=what):
        shown.train(SIZE)


@pytest.mark.parametrize(
    "shown", [Poisson(1.0, "2ks"), Periodic(1.0, "2ks"), Events([0], [0], "2ks"), Patterns([[1] * 512], "2ks")]
)
def test_a_train_that_does_not_fit_the_memory_is_refused_before_it_is_made(shown):
    size = Size(inputs=512, outputs=1, step=1e-3, trials=1)
    with pytest.raises(InputError, match="at most 262144 steps with 512 inputs and 1 trials, not 2000000"):
        shown.train(size)


def test_equal_steps_are_one_run_unless_it_is_too_long():
    train = source(np.array([[1, 0, 0]] * 5 + [[0, 0, 0]] * 2)).train(SIZE)
    assert train.runs(100).tolist() == [0, 5]
    assert train.runs(3).tolist() == [0, 3, 5]
