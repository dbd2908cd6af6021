import math

import numpy as np
import pytest

from memtwin.sim import backends
from tests.sim.stdp.jobs import CARD, Job, one_pair, spec, trains

W_PLUS, TAU1, W_MINUS, TAU2 = 1.3861, 64.1e-3, 1.0346, 29.2e-3  # yu-tio2, eq. (1)


def change(recording):
    before, after = recording.history[0, :, 0, 0]
    return after / before - 1


@pytest.fixture(params=["physics", "model"])
def backend(request):
    return request.param


@pytest.mark.parametrize("steps", [1, 7, 30, 100])
def test_input_before_output_potentiates(backend, steps):
    expected = W_PLUS * math.exp(-steps * 1e-3 / TAU1)
    assert change(backends.run(one_pair(steps), backend)) == pytest.approx(expected, rel=0.002)


@pytest.mark.parametrize("steps", [2, 7, 30, 100])
def test_output_before_input_depresses(backend, steps):
    expected = -W_MINUS * math.exp(-steps * 1e-3 / TAU2)
    assert change(backends.run(one_pair(-steps), backend)) == pytest.approx(expected, rel=0.005)


def test_spikes_of_one_moment_potentiate(backend):
    assert change(backends.run(one_pair(0), backend)) == pytest.approx(W_PLUS, rel=0.001)


def test_rates_scale_the_window(backend):
    up = change(backends.run(one_pair(10, rate_up=0.25), backend))
    down = change(backends.run(one_pair(-10, rate_down=0.5), backend))
    assert up == pytest.approx(0.25 * W_PLUS * math.exp(-10e-3 / TAU1), rel=0.002)
    assert down == pytest.approx(-0.5 * W_MINUS * math.exp(-10e-3 / TAU2), rel=0.002)


def test_nothing_changes_without_learning(backend):
    assert change(backends.run(one_pair(5, learn=0), backend)) == 0


def test_only_the_nearest_spike_counts(backend):
    inputs, forced = np.zeros((2, 1, 31, 1)), np.zeros((2, 1, 31, 1))
    inputs[:, 0, 20] = forced[:, 0, 30] = 1
    inputs[1, 0, 5] = 1  # an earlier input
    recording = backends.run(Job(spec=spec(kick=0.01), shown=trains(inputs, forced)), backend)
    assert recording.history[0, 0, 0, 0] == recording.history[1, 0, 0, 0]


@pytest.mark.parametrize("direction", ["up", "down"])
def test_conductance_stays_between_its_bounds(backend, direction):
    inputs, forced = np.zeros((1, 1, 400, 1)), np.zeros((1, 1, 400, 1))
    inputs[0, 0, ::4] = forced[0, 0, 1::4] = 1
    other = {"up": {"rate_down": 0.0}, "down": {"rate_up": 0.0}}[direction]
    recording = backends.run(Job(spec=spec(kick=0.0, **other), shown=trains(inputs, forced)), backend)
    bound = CARD["r_on" if direction == "up" else "r_off"]
    assert recording.history[0, 0, 0, 0] == pytest.approx(1 / bound, rel=0.06)


def test_a_step_beyond_the_bound_ends_at_it(backend):
    inputs, forced = np.zeros((1, 1, 3, 1)), np.zeros((1, 1, 3, 1))
    forced[0, 0, 0] = inputs[0, 0, 1] = 1
    job = Job(spec=spec(kick=0.0, rate_down=1.5), shown=trains(inputs, forced))
    assert backends.run(job, backend).history[0, 0, 0, 0] == pytest.approx(1 / CARD["r_off"], rel=0.1)


def test_membrane_leaks_as_equation_2_says(backend):
    inputs = np.zeros((1, 1, 50, 1))
    inputs[0, 0, 3] = 1
    recording = backends.run(Job(spec=spec(kick=0.5), shown=trains(inputs, learn=0), record=True), backend)
    wave = recording.layers[0].waveform[0]
    n = np.arange(50)
    lift = 0.5 * CARD["g_initial"] * CARD["r_on"] * np.exp(-(n - 3) * 1e-3 / 9.41e-3)
    expected = 0.43e-3 + np.where(n >= 3, lift, 0)
    assert wave.signals["u"][:, 0] == pytest.approx(expected, abs=2e-4)
    assert wave.clk.nonzero()[0].tolist() == [3]
    assert recording.layers[0].spikes.sum() == 0


def test_enough_inputs_make_it_spike_and_reset(backend):
    inputs = np.zeros((1, 1, 10, 4))
    inputs[0, 0, 2, :3] = 1  # 0.24 V: below the threshold
    inputs[0, 0, 4, 3] = 1
    recording = backends.run(Job(spec=spec(rows=4), shown=trains(inputs, learn=0), record=True), backend)
    (event,) = recording.layers[0].events[0]
    assert (event.kind, event.neuron) == ("spike", 0)
    assert event.time_s == pytest.approx(4e-3)
    assert recording.layers[0].waveform[0].signals["u"][4, 0] == pytest.approx(CARD["u_rest"], abs=1e-5)


def test_neurons_are_independent(backend):
    inputs, forced = np.zeros((1, 1, 10, 1)), np.zeros((1, 1, 10, 2))
    inputs[0, 0, 2] = forced[0, 0, 5, 1] = 1
    recording = backends.run(Job(spec=spec(neurons=2), shown=trains(inputs, forced), record=True), backend)
    still, grown = recording.history[0, 0, :, 0]
    assert still == pytest.approx(CARD["g_initial"], rel=1e-4)
    assert grown > 2 * still
    times = {neuron: time for time, neuron, _ in recording.layers[0].learning[0]}
    assert times[1] == pytest.approx(5e-3)
