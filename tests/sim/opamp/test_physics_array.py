"""Layers of op-amp neurons in a row, and the synapses between them."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from memtwin.sim.backends import Job, run
from memtwin.sim.opamp.physics_array import inputs_of, learnt
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import OpampSpec
from tests.sim.opamp.circuits import NOVELTY, SUBSTEP, SYNAPSE, layer, signals


def network(*, learn=1, gates=(1, 1), on=600, off=100, presentations=2, g_second=5e-6):
    """Two novelty neurons of different inputs drive two neurons that answer a pulse at once."""
    first = layer("5a", [[2e-6, 0.0], [0.0, 3e-6]])
    second = layer("5a", np.full((2, 2), g_second), learns=True)
    pixels = np.zeros((1, presentations, 2))
    pixels[0, 0::2, 0] = pixels[0, 1::2, 1] = 1
    stimulus = Stimulus.build(pixels, on=on, off=off, gates=list(gates), learn=[1, learn])
    synapse = SYNAPSE.replace(g_on=20e-6, g_initial=1e-6)
    return Job(spec=OpampSpec(layers=(first, second), synapse=synapse), shown=stimulus, record=True)


def test_next_layer_follows_at_the_very_moment():
    recording = run(network(learn=0), "physics")
    first, second = recording.layers
    driven = {event.time_s for event in first.events[0] if event.kind == "on"}
    answers = [event.time_s for event in second.events[0] if event.kind == "on"]
    assert answers
    assert set(answers) & driven
    # 0.1 V times 5 uS while one neuron of the first layer is set, and nothing else.
    set_now = first.waveform[0].signals["on"].sum(axis=1)
    assert second.waveform[0].signals["i_in"][:, 0] == pytest.approx(0.1 * 5e-6 * set_now)


def test_current_that_ends_between_substeps_integrates_for_that_long():
    job = network(learn=0, g_second=0.8e-6)  # too little for a pulse: w grows with V = I R while a row is driven
    first, second = run(job, "physics").layers
    assert not second.events[0]
    at, wave = signals(run(job, "physics"), layer=1)
    ratio = math.log(NOVELTY["r_floor"] / NOVELTY["r_initial"])
    state = np.log(wave["r_first"] / NOVELTY["r_initial"]) / ratio
    assert state.max() > 1e-3
    turns = [(event.time_s, 1 if event.kind == "on" else -1) for event in first.events[0]]
    assert any(time / SUBSTEP % 1 > 0.01 for time, _ in turns)
    w, driven, compared = 0.0, 0, 0
    for (start, turn), (end, _) in zip(turns, [*turns[1:], (at[-1] + SUBSTEP, 0)], strict=True):
        driven += turn
        volts = driven * 0.1 * 0.8e-6 * NOVELTY["r_initial"]
        solution = solve_ivp(
            lambda _, w, volts=volts: ((volts * np.exp(ratio * w) / 1.2) ** 6 - w) / NOVELTY["tau"],
            (start, end),
            [w],
            rtol=1e-10,
            atol=1e-15,
            dense_output=True,
        )
        inside = (at >= start) & (at < end)
        assert state[inside] == pytest.approx(solution.sol(at[inside])[0], rel=1e-6, abs=1e-12)
        w, compared = solution.y[0, -1], compared + np.count_nonzero(inside)
    assert compared == at.size


def test_closed_gate_takes_the_input_away():
    recording = run(network(gates=(0, 1)), "physics")
    wave = recording.layers[1].waveform[0].signals
    assert not wave["i_in"][:, 0].any()
    assert wave["i_in"][:, 1].any()
    assert recording.layers[1].fires[0, :, 0].tolist() == [0, 0]
    assert {neuron for _, neuron, _ in recording.layers[1].learning[0]} == {1}
    assert recording.layers[1].conductance[0, 0] == pytest.approx(5e-6)


def test_each_pulse_learns_once_at_its_own_time():
    recording = run(network(), "physics")
    second = recording.layers[1]
    on = [(event.time_s, event.neuron) for event in second.events[0] if event.kind == "on"]
    assert [(time, neuron) for time, neuron, _ in second.learning[0]] == on
    # Presentation 0 drives row 0 only, 1 row 1 only; g_on - g_off = 19.8 uS, steps 0.25, nonlinearity 0.8.
    c = np.array([5e-6, 5e-6])
    for time, neuron, conductance in second.learning[0]:
        if neuron == 0:
            seen = int(time >= 700 * SUBSTEP)
            up = c[seen] + 0.25 * 19.8e-6 - 0.8 * 0.25 * (c[seen] - 0.2e-6)
            down = c[1 - seen] - 0.25 * 19.8e-6 + 0.8 * 0.25 * (20e-6 - c[1 - seen])
            c[seen], c[1 - seen] = min(up, 20e-6), max(down, 0.2e-6)
            assert conductance == pytest.approx(c, rel=1e-12)
    assert second.conductance[0, 0] == pytest.approx(c, rel=1e-12)
    assert not run(network(learn=0), "physics").layers[1].learning[0]


def test_new_conductance_acts_at_once():
    recording = run(network(), "physics")
    time, _, conductance = recording.layers[1].learning[0][0]
    k = math.ceil(time / SUBSTEP)
    assert recording.layers[1].waveform[0].signals["i_in"][k, 0] == pytest.approx(0.1 * conductance[0])


def test_learning_step_meets_the_bounds_and_the_bend():
    card = SYNAPSE
    low, high = card["g_off"], card["g_on"]
    c = np.array([low, (low + high) / 2, high])
    width = high - low
    up, down = learnt(c, np.ones(3, dtype=bool), card), learnt(c, np.zeros(3, dtype=bool), card)
    assert (up - c) / width == pytest.approx([0.25, 0.15, 0.0])
    assert (c - down) / width == pytest.approx([0.0, 0.15, 0.25])


def test_seen_is_what_was_driven_since_the_presentation_began():
    job = network()
    first = run(job, "physics").layers[0]
    inputs = inputs_of(job.shown, 0, 1, job.spec.layers[1], SUBSTEP, first.events[0])
    ones = {0: times_of(first, 0), 1: times_of(first, 1)}
    for time, seen, rows in zip(inputs.times[:-1], inputs.seen, inputs.rows, strict=False):
        begun = 700 * SUBSTEP * (time >= 700 * SUBSTEP)
        for row, turns in ones.items():
            set_now = any(on <= time < off for on, off in turns)
            assert rows[row] == set_now
            assert seen[row] == any(on <= time and off > begun for on, off in turns)
    assert not inputs.rows[-1].any()
    assert not inputs.learn[-1]


def times_of(layer, neuron):
    """Pairs of an "on" and the "off" after it."""
    own = [event.time_s for event in layer.events[0] if event.neuron == neuron] + [math.inf]
    return list(zip(own[0::2], own[1::2], strict=False))
