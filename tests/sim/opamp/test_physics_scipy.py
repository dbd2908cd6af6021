"""The sharp law of the op-amp neurons against scipy."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from memtwin.sim.backends import run
from memtwin.sim.opamp.physics_array import inputs_of
from memtwin.sim.opamp.physics_neuron import run_layer
from memtwin.sim.opamp.spec import CIRCUITS
from tests.sim.opamp.circuits import AMP, LEARNING, NOVELTY, SUBSTEP, SYNAPSE, signals, staircase

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
