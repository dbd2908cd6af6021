"""The sharp law of the op-amp neurons against scipy, closed forms and the behaviours that us12387090 shows."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from memtwin.sim.backends import Job, run
from memtwin.sim.cards import load_card
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.opamp.physics_array import inputs_of, learnt
from memtwin.sim.opamp.physics_neuron import run_layer
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import CIRCUITS, LayerSpec, OpampSpec

SUBSTEP = 10e-6
AMP = load_card("opamp").replace(v_pulse=0.1)
SWITCH = load_card("ts-500k")
NOVELTY, LEARNING = load_card("rm-novelty"), load_card("rm-learning")
SYNAPSE = load_card("nv-synapse")


def layer(circuit, conductance, **changes):
    """A layer on the cards above; `conductance` is (neurons, rows)."""
    first, second = CIRCUITS[circuit]
    cards = {
        "neuron": AMP,
        "switch": SWITCH,
        "first": NOVELTY if first == "dynamic" else None,
        "second": None if second == "switch" else LEARNING,
    }
    g = np.asarray(conductance, dtype=float)
    return LayerSpec(rows=g.shape[1], neurons=g.shape[0], circuit=circuit, g_initial=g, **(cards | changes))


def staircase(circuit, amperes, *, on, off=0, trials=1, seed=0, d2d=False, record=True, **changes):
    """One neuron that gets one current after the other, each for `on` substeps and then for `off` none."""
    rows = np.repeat(np.eye(len(amperes), dtype=int)[None], trials, axis=0)
    one = layer(circuit, [[ampere / 0.1 for ampere in amperes]], **changes)
    stimulus = Stimulus.build(rows, on=on, off=off, gates=[1], learn=[0])
    spec = OpampSpec(layers=(one,), synapse=SYNAPSE, d2d=d2d)
    return Job(spec=spec, shown=stimulus, seed=seed, record=record)


def times(recording, kind="on", layer=0, trial=0, neuron=0):
    events = recording.layers[layer].events[trial]
    return np.array([event.time_s for event in events if event.kind == kind and event.neuron == neuron])


def pulses(recording):
    return recording.layers[0].fires[0, :, 0].tolist()


def signals(recording, layer=0):
    wave = recording.layers[layer].waveform[0]
    return wave.time_s, {name: values[:, 0] for name, values in wave.signals.items()}


# Against scipy.

SLOW_NOVELTY = NOVELTY.replace(v_floor=4.0)  # leaves the second memristor of 7B enough voltage in series
# No step is a multiple of the period of 500 us: a pulse due just at its end would be a matter of rounding.
CASES = {
    "5a": ("5a", [110e-9, 220e-9, 330e-9, 550e-9], 513, 0, {}),
    "5a from a terminal": ("5a", [0, 110e-9, 330e-9], 400, 200, {"neuron": AMP.replace(v1=0.3)}),
    "5a saturated": ("5a", [3e-6, 1e-6], 300, 500, {}),
    "5a beyond the floor": ("5a", [60e-6, 110e-9], 300, 500, {"first": NOVELTY.replace(r_floor=5e6)}),
    "6a": ("6a", [0.5e-6, 0.66e-6], 1013, 400, {}),
    "6a against a terminal": ("6a", [0.2e-6, 0.94e-6], 713, 307, {"neuron": AMP.replace(v1=2.0)}),
    "7a": ("7a", [0.21e-6, 0.3e-6], 513, 200, {}),
    "7a held at the floor": ("7a", [0.6e-6, 0.25e-6], 800, 700, {"second": LEARNING.replace(tau=2e-3)}),
    "7b": ("7b", [110e-9, 220e-9, 440e-9], 513, 100, {}),
    "7b-series": ("7b-series", [0.5e-6, 0.62e-6], 613, 200, {"first": SLOW_NOVELTY}),
}


class Reference:
    """One neuron by scipy, written out anew: which threshold comes next is a mode, and ends each integration."""

    def __init__(self, one):
        self.one, (self.first, self.second) = one, CIRCUITS[one.circuit]
        self.state, self.on, self.moving = [0.0, 0.0, 0.0], False, False  # w first, w second, y
        self.full = [False, False]
        self.turns = []

    def volts(self, state, ampere):
        neuron, switch = self.one.neuron, self.one.switch
        r_t = switch["r_off"] ** (1 - state[2]) * switch["r_on"] ** state[2]
        r_first, r_m = (
            card and card["r_initial"] ** (1 - w) * card["r_floor"] ** w
            for card, w in zip((self.one.first, self.one.second), state[:2], strict=True)
        )
        v_out1 = min(ampere * (r_first or neuron["r2"]), neuron["v_sat"])
        drop = v_out1 - neuron["v1"]
        if self.second == "switch":
            loop = drop / (r_t + neuron["r1"])
            v_t, v_m = loop * r_t, 0.0
        elif self.second == "series":
            loop = drop / (r_m + r_t + neuron["r1"])
            v_t, v_m = loop * r_t, loop * r_m
        else:
            loop = drop / (1 / (1 / r_m + 1 / r_t) + neuron["r1"])
            v_t = v_m = drop - loop * neuron["r1"]
        return v_out1, v_m, abs(v_t), neuron["v1"] + loop * neuron["r1"]

    def slopes(self, state, ampere):
        v_first, v_second, _, _ = self.volts(state, ampere)
        out = []
        for card, volts, w, full in zip(
            (self.one.first, self.one.second), (v_first, v_second), state[:2], self.full, strict=True
        ):
            slope = ((abs(volts) / card["v_floor"]) ** card["exponent"] - w) / card["tau"] if card else 0.0
            out.append(min(slope, 0.0) if full else slope)
        switch = self.one.switch
        return [*out, (1 / switch["tau_on"] if self.on else -1 / switch["tau_off"]) if self.moving else 0.0]

    def excess(self, state, ampere):
        v_t = self.volts(state, ampere)[2]
        return self.one.switch["v_hold"] - v_t if self.on else v_t - self.one.switch["v_th"]

    def turn(self, time):
        self.on, self.moving = not self.on, True
        self.turns.append((time, "on" if self.on else "off"))

    def run(self, start, end, ampere, samples):
        """From `start` to `end` with a constant current; return v_out1 and v_out2 at `samples`."""
        found = []
        if not self.moving and self.excess(self.state, ampere) > 0:
            self.turn(start)
        while start < end:
            ends = [
                lambda _, state: (state[2] - 1 if self.on else -state[2]) if self.moving else -1.0,
                lambda _, state: -1.0 if self.moving else self.excess(state, ampere),
                *(lambda _, state, i=i: -1.0 if self.full[i] else state[i] - 1 for i in (0, 1)),
            ]
            for function in ends:
                function.terminal, function.direction = True, 1
            solution = solve_ivp(
                lambda _, state: self.slopes(state, ampere),
                (start, end),
                self.state,
                method="DOP853",
                rtol=1e-11,
                atol=1e-13,
                max_step=50e-6,
                events=ends,
                dense_output=True,
            )
            inside = samples[(samples >= start) & (samples < solution.t[-1])]
            found += [self.volts(solution.sol(time), ampere) for time in inside]
            start, self.state = float(solution.t[-1]), list(solution.y[:, -1])
            if solution.t_events[0].size:
                self.state[2], self.moving = float(self.on), False
                if self.excess(self.state, ampere) > 0:
                    self.turn(start)
            elif solution.t_events[1].size:
                self.turn(start)
            for number in (0, 1):
                if solution.t_events[2 + number].size:
                    self.state[number], self.full[number] = 1.0, True
                elif self.state[number] < 1 - 1e-9:
                    self.full[number] = False
        return [(v_out1, v_out2) for v_out1, _, _, v_out2 in found]


@pytest.mark.parametrize("case", CASES)
def test_events_and_voltages_are_those_of_scipy(case):
    circuit, amperes, on, off, changes = CASES[case]
    job = staircase(circuit, amperes, on=on, off=off, **changes)
    recording = run(job, "physics")
    reference = Reference(job.spec.layers[0])
    at, wave = signals(recording)
    volts = []
    for number, ampere in enumerate(amperes):
        start = number * (on + off)
        for first, last, current in ((start, start + on, ampere), (start + on, start + on + off, 0.0)):
            if last > first:
                volts += reference.run(first * SUBSTEP, last * SUBSTEP, current, at[first:last])
    events = recording.layers[0].events[0]
    assert len(events) > 1
    assert [event.kind for event in events] == [kind for _, kind in reference.turns]
    late = np.array([event.time_s for event in events]) - [time for time, _ in reference.turns]
    assert np.abs(late).max() < 0.01 * SUBSTEP
    v_out1, v_out2 = np.array(volts).T
    assert wave["v_out1"] == pytest.approx(v_out1, rel=2e-5, abs=1e-9)
    assert wave["v_out2"] == pytest.approx(v_out2, rel=1e-3, abs=1e-6)  # steep in time: 0.55 per substep


@pytest.mark.parametrize("case", CASES)
def test_steps_are_short_enough(case):
    circuit, amperes, on, off, changes = CASES[case]
    job = staircase(circuit, amperes, on=on, off=off, trials=3, seed=5, d2d=True, **changes)
    inputs = [inputs_of(job.shown, trial, 0, job.spec.layers[0], SUBSTEP, None) for trial in range(3)]
    grid = (len(amperes) * (on + off), SUBSTEP)
    once, halved = (
        run_layer(job.spec.layers[0], job.sample()[0], inputs, SYNAPSE, grid, False, lambda _: None, fine).events
        for fine in (1, 2)
    )
    for ours, theirs in zip(once, halved, strict=True):
        assert [(event.kind, event.neuron) for event in ours] == [(event.kind, event.neuron) for event in theirs]
        assert [event.time_s for event in ours] == pytest.approx(
            [event.time_s for event in theirs], abs=0.01 * SUBSTEP, rel=0
        )


# Closed forms.


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


# Networks.


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


def test_pulse_that_is_due_when_the_input_ends_does_not_come():
    """The input changes first: a tonic neuron driven for a whole number of pulses."""
    experiment = EXPERIMENTS["opamp-7a"]
    chosen = experiment.settings(assignments=("b_on=10ms", "b_rest=5ms"))
    jobs = experiment.plan(chosen)
    fires = [run(jobs["B"], backend).layers[0].fires[0, :, 0].tolist() for backend in ("physics", "model")]
    assert fires[0] == fires[1] == [0, 20, 20, 20, 1]
