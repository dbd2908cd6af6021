import numpy as np
import pytest
from scipy.integrate import solve_ivp

from memtwin.sim import backends
from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.izhikevich.shown import Drive
from memtwin.sim.izhikevich.spec import IzhikevichSpec
from tests.sim.izhikevich.jobs import CARDS, constant_job, random_job, silent


def spikes_of(recording, neuron, trial=0):
    return np.array([event.time_s for event in recording.layers[0].events[trial] if event.neuron == neuron])


def solved(card, currents, step):
    """Times of spikes, s, and the states at the ends of steps, under one current a step; by scipy."""
    a, b, c, d = (card[name] for name in "abcd")
    v, u, now, times, states = 1e3 * card["v_initial"], b * 1e3 * card["v_initial"], 0.0, [], []

    def top(t, y):
        return y[0] - 30

    top.terminal, top.direction = True, 1
    for number, current in enumerate(currents):
        end = (number + 1) * step * 1e3
        while now < end:

            def law(t, y, current=current):
                return [0.04 * y[0] ** 2 + 5 * y[0] + 140 - y[1] + current, a * (b * y[0] - y[1])]

            found = solve_ivp(law, (now, end), [v, u], "DOP853", rtol=1e-10, atol=1e-10, events=top)
            now, (v, u) = found.t[-1], found.y[:, -1]
            if found.status == 1:
                times.append(now)
                v, u = 1e3 * c, u + d
        states.append((1e-3 * v, u))
    return 1e-3 * np.array(times), np.array(states)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
def test_spikes_are_those_of_scipy(card):
    job = constant_job(cards=(card,), step=1e-3, time=0.1)
    recording = backends.run(job, "physics")
    times, states = solved(card, [10.0] * 100, 1e-3)
    assert len(times) >= 2
    assert spikes_of(recording, 0) == pytest.approx(times, abs=1e-8)
    wave = recording.layers[0].waveform[0]
    assert wave.signals["v"][:, 0] == pytest.approx(states[:, 0], abs=1e-6)
    assert wave.signals["u"][:, 0] == pytest.approx(states[:, 1], abs=1e-5)


def test_inputs_add_their_weight_for_one_step():
    job = random_job(2, 4, trials=2, steps=(30, 50))
    recording = backends.run(job, "physics")
    spec, drive = job.spec, job.shown
    for trial in range(2):
        currents = np.repeat(drive.current[trial], drive.steps, axis=0) + drive.inputs[trial] @ spec.weight.T
        for neuron in range(2):
            times, states = solved(spec.devices[neuron], currents[:, neuron], spec.step)
            assert spikes_of(recording, neuron, trial) == pytest.approx(times, abs=5e-8)
            assert recording.layers[0].waveform[trial].signals["v"][:, neuron] == pytest.approx(states[:, 0], abs=5e-6)


def test_the_step_is_a_matter_of_sampling_only():
    fine, coarse = (backends.run(constant_job(step=step, time=0.1), "physics") for step in (0.1e-3, 1e-3))
    for neuron in range(5):
        assert spikes_of(fine, neuron) == pytest.approx(spikes_of(coarse, neuron), abs=1e-8)
    assert fine.layers[0].spikes.tolist() == coarse.layers[0].spikes.tolist()


def test_several_spikes_in_a_step():
    card = CARDS[0].replace(a="0.1", d="0.01", c="20mV")
    job = constant_job(100.0, cards=(card,), step=1e-3, time=0.02)
    recording = backends.run(job, "physics")
    times, _ = solved(card, [100.0] * 20, 1e-3)
    assert recording.layers[0].waveform[0].signals["spike"].max() > 10
    assert spikes_of(recording, 0) == pytest.approx(times, abs=1e-8)


@pytest.mark.parametrize("backend", ["physics", "model"])
def test_without_a_current_it_comes_to_rest(backend):
    # The stable solution of 0.04 v^2 + (5 - b) v + 140 = 0.
    wave = backends.run(constant_job(0.0, time=0.5), backend).layers[0].waveform[0]
    b = np.array([card["b"] for card in CARDS])
    rest = (b - 5 - np.sqrt((5 - b) ** 2 - 22.4)) / 0.08
    assert not wave.signals["spike"].any()
    assert 1e3 * wave.signals["v"][-1] == pytest.approx(rest, abs=0.05)
    assert wave.signals["u"][-1] == pytest.approx(b * rest, abs=0.02)


@pytest.mark.parametrize("backend", ["physics", "model"])
def test_the_current_belongs_to_a_presentation(backend):
    steps = (100, 100, 100)
    drive = Drive(steps=steps, inputs=silent(steps), current=np.array([[[0.0], [20.0], [-5.0]]]))
    spec = IzhikevichSpec(devices=CARDS[3:4], weight=np.zeros((1, 1)))
    recording = backends.run(Job(spec=spec, shown=drive, record=True), backend)
    before, during, after = recording.layers[0].spikes[0, :, 0]
    assert before == 0
    assert during > 5
    assert after == 0
    assert recording.duration.tolist() == [[100, 100, 100]]
    assert recording.time_s == pytest.approx([0.15])


@pytest.mark.parametrize("backend", ["physics", "model"])
def test_an_input_lifts_the_membrane_by_its_weight_and_step(backend):
    inputs = silent((20,), rows=2)
    inputs[0, 10, 1] = 1
    drive = Drive(steps=(20,), inputs=inputs, current=np.zeros((1, 1, 1)))
    spec = IzhikevichSpec(devices=CARDS[:1], weight=np.array([[50.0, 4.0]]), step=0.1e-3)
    quiet = Drive(steps=(20,), inputs=silent((20,), rows=2), current=np.zeros((1, 1, 1)))
    waves = [
        backends.run(Job(spec=spec, shown=shown, record=True), backend).layers[0].waveform[0]
        for shown in (drive, quiet)
    ]
    lift = waves[0].signals["v"][10, 0] - waves[1].signals["v"][10, 0]
    assert 1e3 * lift == pytest.approx(4.0 * 0.1, rel=0.05)
    assert waves[0].clk.nonzero()[0].tolist() == [10]


def test_a_drive_that_is_too_fast_is_refused():
    # A reset right below the threshold, and a current that crosses the rest in no time.
    card = CARDS[0].replace(c="29.9999999999mV", d="0")
    with pytest.raises(InputError, match=r"physics: expected at most 2000 steps in a step, .*izhikevich-rs"):
        backends.run(constant_job(100.0, cards=(card,), time=0.05), "physics")
