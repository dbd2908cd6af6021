"""The sharp law of the op-amp neurons against closed forms and the behaviours that us12387090 shows."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.sim.backends import Job, run
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import CIRCUITS, OpampSpec
from tests.sim.opamp.circuits import (
    AMP,
    LEARNING,
    NOVELTY,
    SUBSTEP,
    SWITCH,
    SYNAPSE,
    layer,
    pulses,
    signals,
    staircase,
    times,
)


def test_memristor_recovers_exponentially():
    recording = run(staircase("5a", [300e-9], on=500, off=2000), "physics")
    at, wave = signals(recording)
    span = math.log(NOVELTY["r_initial"] / NOVELTY["r_floor"])
    w = np.log(NOVELTY["r_initial"] / wave["r_first"]) / span
    resting = at >= 500 * SUBSTEP
    assert w[500] > 0.1
    assert w[resting] == pytest.approx(w[500] * np.exp(-(at[resting] - at[500]) / NOVELTY["tau"]), rel=1e-10)


def test_memristor_under_constant_voltage():
    # The amplifier saturates at 1.1 V, below the threshold of the switch in this card, whatever the memristor does.
    job = staircase("5a", [3e-6], on=3000, neuron=AMP.replace(v_sat=1.1), switch=SWITCH.replace(v_th=1.3, v_hold=0.5))
    at, wave = signals(run(job, "physics"))
    assert wave["v_out1"] == pytest.approx(1.1)
    w = np.log(wave["r_first"] / NOVELTY["r_initial"]) / math.log(NOVELTY["r_floor"] / NOVELTY["r_initial"])
    assert w == pytest.approx((1.1 / 1.2) ** 6 * (1 - np.exp(-at / NOVELTY["tau"])), rel=1e-9, abs=1e-15)


def test_memristor_stays_at_its_floor_and_leaves_it():
    job = staircase("7a", [0.9e-6, 0.04e-6], on=2000)
    at, wave = signals(run(job, "physics"))
    # V_t is nearly V_OUT1 = 4.5 V, less while the switch is on; w reaches 1 after tau ln(G / (G - 1)) at most.
    low = 4.5 * 2000 / 2800
    latest = 20e-3 * math.log(1 / (1 - (low / 1.8) ** -3))
    held = (at > latest + SUBSTEP) & (at < 2000 * SUBSTEP)
    assert held.any()
    assert np.all(wave["r_second"][held] == pytest.approx(LEARNING["r_floor"], rel=1e-12))
    assert wave["r_second"].min() >= LEARNING["r_floor"] * (1 - 1e-12)
    assert np.all(np.diff(wave["r_second"][2001:]) > 0)


def test_output_is_linear_in_the_current_until_it_saturates():
    recording = run(staircase("6a", [0.1e-6, 0.2e-6, 0.4e-6, 2e-6], on=50), "physics")
    _, wave = signals(recording)
    assert wave["i_in"][::50] == pytest.approx([0.1e-6, 0.2e-6, 0.4e-6, 2e-6], rel=1e-12)
    assert wave["v_out1"] == pytest.approx(np.repeat([0.5, 1.0, 2.0, 5.0], 50), rel=1e-12)


@pytest.mark.parametrize("v1", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("circuit", CIRCUITS)
def test_node_voltages_solve_kirchhoffs_law(circuit, v1):
    recording = run(staircase(circuit, [150e-9, 0, 400e-9], on=200, neuron=AMP.replace(v1=v1)), "physics")
    _, wave = signals(recording)
    r_t, r_m = wave["r_switch"], wave.get("r_second")
    second = {"switch": r_t} if r_m is None else {"series": r_m + r_t, "parallel": 1 / (1 / r_m + 1 / r_t)}
    r_second = second[CIRCUITS[circuit][1]]
    # The same current flows from OUT1 through the second device to OUT2, and on through R_1 to the terminal.
    through_device = (wave["v_out1"] - wave["v_out2"]) / r_second
    through_r1 = (wave["v_out2"] - v1) / AMP["r1"]
    assert through_device == pytest.approx(through_r1, rel=1e-6, abs=1e-14)


def test_driven_switch_has_a_period_of_both_switching_times():
    recording = run(staircase("6a", [0.8e-6], on=4000), "physics")
    on, off = times(recording), times(recording, "off")
    period = SWITCH["tau_on"] + SWITCH["tau_off"]
    settled = on > 20e-3
    assert np.diff(on[settled]) == pytest.approx(period, rel=1e-9)
    assert off[: on.size] - on[: off.size] == pytest.approx(SWITCH["tau_on"], rel=1e-9)
    at, wave = signals(recording)
    k = round(on[-3] / SUBSTEP) + 3
    since = at[k] - on[-3]
    assert wave["r_switch"][k] == pytest.approx(500e3 * (2e3 / 500e3) ** (since / SWITCH["tau_on"]), rel=1e-9)
    assert wave["on"][k] == 1


# Behaviours of us12387090.


def test_novelty_neuron_pulses_at_the_start_of_a_step_and_then_is_silent():
    recording = run(staircase("5a", [k * 110e-9 for k in (1, 2, 3, 4, 5)], on=1000), "physics")
    assert all(count >= 2 for count in pulses(recording))
    on, (_, wave) = times(recording), signals(recording)
    for step in range(5):
        start = step * 1000 * SUBSTEP
        own = on[(on >= start) & (on < start + 1000 * SUBSTEP)]
        assert own[0] == pytest.approx(start, abs=1e-12)
        assert own[-1] < start + 5e-3
        inside = slice(step * 1000, (step + 1) * 1000)
        assert np.all(np.diff(wave["v_out1"][inside]) < 0)
        assert np.all(np.diff(wave["r_first"][inside]) < 0)
    # Fig. 5B: the drop of V_OUT1 within a step is smaller for larger currents (after the first, which starts at rest).
    drops = wave["v_out1"][1000::1000] - wave["v_out1"][1999::1000]
    assert np.all(np.diff(drops) < 0)


def test_novelty_neuron_pulses_in_the_first_of_equal_periods_only():
    job = staircase("5a", [112e-9] * 5, on=600, off=400)
    assert pulses(run(job, "physics")) == [2, 0, 0, 0, 0]


def test_learning_neuron_integrates_and_then_fires_more_for_larger_currents():
    recording = run(staircase("6a", [0.5e-6, 0.54e-6, 0.58e-6, 0.62e-6, 0.66e-6], on=1000, off=2000), "physics")
    assert pulses(recording)[0] == 0
    assert all(np.diff(pulses(recording)) > 0)
    assert times(recording)[0] > 3e-3 + 3000 * SUBSTEP  # several ms into the second step
    _, wave = signals(recording)
    assert np.all(np.diff(wave["r_second"][:1000]) < 0)
    assert np.all(np.diff(wave["v_out2"][1:1000]) > 0)


def test_learning_neuron_fires_after_several_equal_periods():
    counts = pulses(run(staircase("6a", [0.525e-6] * 5, on=500, off=500), "physics"))
    assert counts[:2] == [0, 0]
    assert counts[4] > counts[3] > counts[2] > 0


def test_a_wide_pulse_acts_more_than_two_narrow_ones():
    wide, narrow = (
        run(staircase("6a", [0.525e-6] * count, on=on, off=500), "physics") for count, on in ((1, 1000), (2, 500))
    )
    end_of_drive = signals(wide)[1]["r_second"][999], signals(narrow)[1]["r_second"][1499]
    assert end_of_drive[0] < end_of_drive[1]


# Times, trials, counts.


def test_phases_begin_and_end_at_exact_times_and_pulses_belong_to_them():
    job = staircase("6a", [0.9e-6, 0.9e-6, 0.9e-6], on=333, off=777)
    recording = run(job, "physics")
    one = recording.layers[0]
    wave = one.waveform[0]
    assert wave.time_s == pytest.approx(SUBSTEP * np.arange(3 * 1110), rel=1e-15)
    assert wave.clk.tolist() == 3 * (333 * [1] + 777 * [0])
    assert np.array_equal(wave.signals["i_in"][:, 0] > 0, wave.clk == 1)
    assert recording.time_s == pytest.approx([3 * 1110 * SUBSTEP])
    assert recording.duration.tolist() == [[333] * 3]
    assert np.array_equal(one.fires, one.spikes)
    place = np.floor(times(recording) / (1110 * SUBSTEP)).astype(int)
    assert pulses(recording) == np.bincount(place, minlength=3).tolist()
    assert (np.floor(times(recording) / SUBSTEP) % 1110 < 333).all()


def test_sample_at_the_start_of_a_substep_has_its_input_and_its_decision():
    _, wave = signals(run(staircase("5a", [110e-9], on=5), "physics"))
    assert wave["on"].tolist() == [1] * 5  # set at time 0, by the step of the input
    assert wave["r_switch"] == pytest.approx(500e3 * 250.0 ** (-0.1 * np.arange(5)))


def test_trials_are_independent_and_have_the_seeds_of_their_own():
    amperes = [120e-9, 330e-9]
    both = run(staircase("7b", amperes, on=400, trials=3, seed=7, d2d=True), "physics").layers[0]
    assert len({tuple(event.time_s for event in own) for own in both.events}) == 3
    for trial in range(3):
        alone = run(staircase("7b", amperes, on=400, seed=7 + trial, d2d=True), "physics").layers[0]
        assert [event.kind for event in alone.events[0]] == [event.kind for event in both.events[trial]]
        ours, theirs = ([event.time_s for event in own] for own in (alone.events[0], both.events[trial]))
        assert ours == pytest.approx(theirs, rel=1e-9, abs=1e-12)
        for name, values in alone.waveform[0].signals.items():
            assert values == pytest.approx(both.waveform[trial].signals[name], rel=1e-6), name


def test_trials_of_different_length():
    job = staircase("6a", [0.8e-6], on=1500, trials=2)
    long = run(job, "physics").layers[0]
    on = np.array([[1500], [700]])
    short = run(dataclasses.replace(job, shown=dataclasses.replace(job.shown, on=on)), "physics")
    assert short.time_s == pytest.approx([15e-3, 7e-3])
    assert short.layers[0].waveform[1].time_s.size == 700
    assert short.layers[0].events[0] == long.events[0]
    assert short.layers[0].events[1] == [event for event in long.events[1] if event.time_s < 7e-3]
    assert short.layers[0].fires[1, 0, 0] == len([e for e in short.layers[0].events[1] if e.kind == "on"])


def test_what_happens_within_the_last_substep_is_there():
    longer = run(staircase("6a", [0.6e-6], on=600), "physics").layers[0].events[0]
    within = longer[2].time_s / SUBSTEP
    assert within % 1 > 0.1
    shorter = run(staircase("6a", [0.6e-6], on=math.ceil(within)), "physics").layers[0].events[0]
    assert shorter == longer[:3]


def test_counts_need_no_recording():
    recorded, counted = (
        run(staircase("5a", [110e-9, 330e-9], on=500, record=record), "physics").layers[0] for record in (True, False)
    )
    assert np.array_equal(recorded.fires, counted.fires)
    assert recorded.fires.sum() > 0
    assert not counted.waveform
    assert not counted.events


def test_presentation_without_substeps_is_passed_over():
    stimulus = Stimulus.build(np.ones((1, 3, 1)), on=[100, 0, 100], off=0, gates=[1], learn=[0])
    spec = OpampSpec(layers=(layer("5a", [[1.1e-6]]),), synapse=SYNAPSE)
    recording = run(Job(spec=spec, shown=stimulus, record=True), "physics")
    assert recording.layers[0].fires[0, :, 0].tolist() == [2, 0, 0]
    assert recording.layers[0].waveform[0].time_s.size == 200


def test_progress_rises_to_the_end():
    told = []
    run(staircase("5a", [110e-9], on=1000), "physics", told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


@settings(max_examples=15, deadline=None)
@given(
    circuit=st.sampled_from(list(CIRCUITS)),
    amperes=st.lists(st.floats(0, 3e-6), min_size=2, max_size=4),
    v1=st.sampled_from([0.0, 1.0]),
)
def test_whatever_the_input_states_stay_in_range_and_events_in_order(circuit, amperes, v1):
    amperes = [*amperes, 100e-9]  # so that there is a synapse
    recording = run(staircase(circuit, amperes, on=60, neuron=AMP.replace(v1=v1)), "physics")
    events = recording.layers[0].events[0]
    assert [event.kind for event in events] == (["on", "off"] * len(events))[: len(events)]
    gaps = np.diff([event.time_s for event in events])
    shortest = [SWITCH["tau_on"], SWITCH["tau_off"]]
    assert all(gap >= shortest[number % 2] * (1 - 1e-9) for number, gap in enumerate(gaps))
    _, wave = signals(recording)
    for name in ("r_first", "r_second"):
        if name in wave:
            assert np.all((wave[name] <= 10e6 * (1 + 1e-12)) & (wave[name] >= 50e3 * (1 - 1e-12)))
    assert np.all((wave["r_switch"] <= 500e3 * (1 + 1e-12)) & (wave["r_switch"] >= 2e3 * (1 - 1e-12)))


def test_pulse_that_is_due_when_the_input_ends_does_not_come():
    """The input changes first: a tonic neuron driven for a whole number of pulses."""
    experiment = EXPERIMENTS["opamp-7a"]
    chosen = experiment.settings(assignments=("b_on=10ms", "b_rest=5ms"))
    jobs = experiment.plan(chosen)
    fires = [run(jobs["B"], backend).layers[0].fires[0, :, 0].tolist() for backend in ("physics", "model")]
    assert fires[0] == fires[1] == [0, 20, 20, 20, 1]
