"""The smooth law against the sharp law, and where its thresholds are."""

import dataclasses
import functools
import math

import numpy as np
import pytest

from memtwin.sim.backends import Job, run
from memtwin.sim.cards import load_card
from memtwin.sim.errors import InputError
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.smooth_law import LAW
from memtwin.sim.opamp.spec import OpampSpec
from tests.sim.opamp import circuits
from tests.sim.opamp.circuits import AMP, LEARNING, NOVELTY, SUBSTEP, SWITCH, SYNAPSE, layer

staircase = functools.partial(circuits.staircase, smooth=True)


def sharp_and_smooth(job):
    """Run by both laws."""
    return tuple(
        run(dataclasses.replace(job, spec=dataclasses.replace(job.spec, smooth=smooth)), "physics")
        for smooth in (False, True)
    )


def on_times(recording, layer=0):
    return np.array([event.time_s for event in recording.layers[layer].events[0] if event.kind == "on"])


# Steps are not multiples of the period of 500 us: a pulse due just at the end of one would be a matter of rounding.
CASES = {
    "5a": ("5a", [k * 110e-9 for k in (1, 2, 3, 4, 5)], 1000, 0, {}),
    "6a": ("6a", [0.5e-6, 0.6e-6], 1013, 400, {}),
    "6a from a terminal": ("6a", [0.2e-6, 0.95e-6], 1013, 380, {"neuron": AMP.replace(v1=2.0)}),
    "7a": ("7a", [0.21e-6, 0.25e-6], 513, 300, {}),
    "7b": ("7b", [k * 110e-9 for k in (1, 2, 3)], 513, 100, {}),
    "7b-series": ("7b-series", [0.5e-6, 0.62e-6], 613, 200, {"first": NOVELTY.replace(v_floor=4.0)}),
    "fast to set": ("5a", [110e-9, 330e-9], 700, 0, {"switch": SWITCH.replace(tau_on=50e-6, tau_off=1e-3)}),
    "fast to reset": ("5a", [110e-9, 330e-9], 700, 0, {"switch": SWITCH.replace(tau_on=1e-3, tau_off=50e-6)}),
}


@functools.cache
def by_both_laws(case):
    circuit, amperes, on, off, changes = CASES[case]
    return sharp_and_smooth(staircase(circuit, amperes, on=on, off=off, **changes))


@pytest.mark.parametrize("case", CASES)
def test_smooth_law_gives_the_pulses_and_periods_of_the_sharp_one(case):
    _, amperes, on, off, _ = CASES[case]
    sharp, smooth = by_both_laws(case)
    assert sharp.layers[0].fires.sum() > 0
    assert np.array_equal(sharp.layers[0].fires, smooth.layers[0].fires)
    starts = np.arange(len(amperes)) * (on + off) * SUBSTEP
    ours, theirs = on_times(sharp), on_times(smooth)
    steps = np.searchsorted(starts, ours, side="right")
    for step in np.unique(steps):
        periods = np.diff(ours[steps == step]), np.diff(theirs[steps == step])
        assert periods[1] == pytest.approx(periods[0], rel=0.02)
    kinds = [[event.kind for event in one.layers[0].events[0]] for one in (sharp, smooth)]
    assert kinds[0] == kinds[1]


@pytest.mark.parametrize("case", ["5a", "6a", "7a", "7b-series"])
def test_waveforms_of_both_laws_are_alike(case):
    sharp, smooth = by_both_laws(case)
    a, b = (one.layers[0].waveform[0] for one in (sharp, smooth))
    assert np.array_equal(a.time_s, b.time_s)
    assert np.array_equal(a.clk, b.clk)
    assert a.signals.keys() == b.signals.keys()
    assert np.array_equal(a.signals["i_in"], b.signals["i_in"])
    assert b.signals["v_out1"] == pytest.approx(a.signals["v_out1"], abs=0.01 * a.signals["v_out1"].max())
    for name in ("r_first", "r_second"):
        if name in a.signals:
            assert b.signals[name] == pytest.approx(a.signals[name], rel=0.02)
    # Around events a small difference in time is a large one in resistance; elsewhere there is none.
    close = np.isclose(b.signals["r_switch"], a.signals["r_switch"], rtol=0.05)
    assert close.mean() > 0.5
    assert (b.signals["on"] == a.signals["on"]).mean() > 0.97


@pytest.mark.parametrize(("part", "fires"), [(0.995, False), (1.005, True)])
def test_switch_sets_at_its_threshold_voltage(part, fires):
    # The amplifier saturates, and its output divides between R_t and R_1, whatever the memristor does.
    v_sat = part * SWITCH["v_th"] * (500e3 + 800) / 500e3
    job = staircase("5a", [3e-6], on=300, neuron=AMP.replace(v_sat=v_sat))
    assert bool(run(job, "physics").layers[0].fires.sum()) is fires


@pytest.mark.parametrize(("part", "resets"), [(0.995, True), (1.005, False)])
def test_switch_resets_at_its_hold_voltage(part, resets):
    v_sat = part * SWITCH["v_hold"] * 2800 / 2000
    events = run(staircase("5a", [3e-6], on=300, neuron=AMP.replace(v_sat=v_sat)), "physics").layers[0].events[0]
    assert ("off" in {event.kind for event in events}) is resets
    assert events[0].kind == "on"


def test_slow_passage_through_the_threshold_switches_where_the_sharp_law_does():
    sharp, smooth = sharp_and_smooth(staircase("6a", [0.53e-6], on=1413))
    assert on_times(sharp)[0] > 5e-3
    assert on_times(smooth)[0] == pytest.approx(on_times(sharp)[0], abs=3 * SUBSTEP)


def test_push_puts_the_fold_of_the_bistable_at_one_half():
    # Where set = 1/2 the curve sigma(hold (h - 1/2) + push set) just touches h: the stable state near 0 ends.
    h = np.linspace(0, 0.5, 200_001)
    margin = {
        set_: (1 / (1 + np.exp(-(LAW.hold * (h - 0.5) + LAW.push * set_))) - h).min() for set_ in (0, 0.49, 0.51, 1)
    }
    assert margin[0] < margin[0.49] < 0 < margin[0.51] < margin[1]
    assert LAW.push == pytest.approx(LAW.hold - 2 - 2 * math.log(LAW.hold), rel=0.01)


def test_states_are_smooth_and_resistances_in_range():
    wave = run(staircase("5a", [110e-9, 330e-9], on=500), "physics").layers[0].waveform[0].signals
    assert wave["r_switch"].max() == pytest.approx(500e3, rel=0.01)
    assert wave["r_switch"].min() == pytest.approx(2e3, rel=0.01)
    assert np.all((wave["r_switch"] <= 500e3) & (wave["r_switch"] >= 2e3 * (1 - 1e-12)))


def test_floor_of_the_memristor():
    job = staircase("7a", [0.9e-6], on=2500)
    sharp, smooth = (one.layers[0].waveform[0].signals["r_second"][-1, 0] for one in sharp_and_smooth(job))
    assert sharp == pytest.approx(LEARNING["r_floor"], rel=1e-9)
    # sigma((1 - w) / w_s) brings growth down to w: a few widths from the end.
    assert smooth == pytest.approx(LEARNING["r_floor"], rel=10 * LAW.w_s * math.log(200))


def test_network_learns_by_both_laws_alike():
    first = layer("5a", [[2e-6, 0.0], [0.0, 3e-6]])
    second = layer("5a", np.full((2, 2), 5e-6), learns=True)
    pixels = np.array([[[1, 0], [0, 1]]])
    stimulus = Stimulus.build(pixels, on=613, off=87, gates=[1, 0], learn=[0, 1])
    synapse = SYNAPSE.replace(g_on=20e-6, g_initial=1e-6)
    job = Job(spec=OpampSpec(layers=(first, second), synapse=synapse), shown=stimulus, record=True)
    sharp, smooth = sharp_and_smooth(job)
    for a, b in zip(sharp.layers, smooth.layers, strict=True):
        assert np.array_equal(a.fires, b.fires)
        assert b.conductance == pytest.approx(a.conductance, rel=1e-12)
    assert smooth.layers[1].fires.sum() > 0
    ours, theirs = sharp.layers[1].learning[0], smooth.layers[1].learning[0]
    assert len(ours) == len(theirs) == smooth.layers[1].fires[0, :, 0].sum()
    for (time, neuron, conductance), (smooth_time, smooth_neuron, smooth_conductance) in zip(ours, theirs, strict=True):
        assert smooth_neuron == neuron == 0  # the gate of neuron 1 is closed
        assert smooth_time == pytest.approx(time, abs=3 * SUBSTEP)
        assert smooth_conductance == pytest.approx(conductance, rel=1e-12)


def test_switching_times_that_the_law_cannot_tell_apart_are_refused():
    job = staircase("5a", [110e-9], on=100, switch=SWITCH.replace(tau_on=40e-6, tau_off=4e-3))
    with pytest.raises(InputError, match="field tau_off: expected at most 32 times tau_on"):
        run(job, "physics")


@pytest.mark.parametrize("change", [{"v_floor": "1nV"}, {"tau": "1ps"}])
def test_a_memristor_that_floating_point_cannot_follow_is_refused(change):
    job = staircase("7a", [2e-7, 2e-7], on=980, off=1000, second=load_card("rm-integrating").replace(**change))
    with pytest.raises(InputError, match=r"^smooth law: expected devices that floating point can .* rm-integrating$"):
        run(job, "physics")
