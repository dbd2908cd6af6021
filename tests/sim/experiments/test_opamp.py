import numpy as np
import pytest

from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from tests.perform import perform

LEVELS = ["physics", "model"]


@pytest.fixture(scope="module")
def results():
    """Results of an experiment on a level; each is performed once."""
    found = {}

    def results(name, backend, *assignments):
        key = (name, backend, assignments)
        if key not in found:
            _, runs, recordings, found_results = perform(EXPERIMENTS[name], backend, assignments=assignments)
            found[key] = (found_results, runs, recordings)
        return found[key]

    return results


def pulses_after(recording, run, step, seconds):
    """Pulses of a step of B that come later than `seconds` after its start."""
    start = run.shown.starts(0)[step] * run.spec.substep
    end = start + run.shown.on[0, step] * run.spec.substep
    times = [event.time_s for event in recording.layers[0].events[0] if event.kind == "on"]
    return sum(start + seconds < time < end for time in times)


# Fig. 5: the novelty neuron.


@pytest.mark.parametrize("backend", LEVELS)
def test_novelty_neuron_pulses_at_the_start_of_a_step_only(results, backend):
    found, runs, recordings = results("opamp-5a", backend)
    assert all(count >= 2 for count in found["pulses"]["B"])
    for step in range(5):
        assert pulses_after(recordings["B"], runs["B"], step, 2e-3) == 0


@pytest.mark.parametrize("backend", LEVELS)
def test_novelty_neuron_falls_less_at_larger_current(results, backend):
    found, _, _ = results("opamp-5a", backend)
    voltage, resistance = found["v_out1_v"]["B"], found["r_m_ohm"]["B"]
    falls = np.subtract(voltage["start"], voltage["end"])
    assert (falls > 0).all()
    assert (np.diff(falls) < 0).all()
    assert (np.diff(resistance["end"]) < 0).all()  # further down for larger current


@pytest.mark.parametrize("backend", LEVELS)
def test_novelty_neuron_under_uniform_and_non_uniform_periods(results, backend):
    found, _, _ = results("opamp-5a", backend)
    first, *later = found["pulses"]["C"]
    assert first >= 2
    assert not any(later)
    assert found["pulses"]["D"] == [1, 0, 0, 0]
    assert found["conditions"]["C"]["current_a"] != found["conditions"]["D"]["current_a"]
    same = found["same_conditions_pulses"]
    # D's longer first period contains C's.
    assert same["D"][0] >= same["C"][0]
    assert (np.diff(found["r_m_ohm"]["C"]["end"]) < 0).all()  # step-wise fall


# Fig. 6: the learning neuron.


@pytest.mark.parametrize("backend", LEVELS)
def test_learning_neuron_is_flat_and_linear_and_pulses_more_with_amplitude(results, backend):
    found, runs, recordings = results("opamp-6a", backend)
    assert (np.diff(found["pulses"]["B"]) > 0).all()
    voltage = recordings["B"].layers[0].waveform[0].signals["v_out1"][:, 0]
    starts, on = runs["B"].shown.starts(0), runs["B"].shown.on[0]
    for step in range(5):
        within = voltage[starts[step] : starts[step] + on[step]]
        assert within == pytest.approx(within[0], rel=1e-9)
    gain = np.divide(found["v_out1_v"]["B"]["start"], found["conditions"]["B"]["current_a"])
    assert gain == pytest.approx(5e6, rel=0.01)


@pytest.mark.parametrize("backend", LEVELS)
def test_learning_neuron_integrates_over_periods(results, backend):
    found, _, _ = results("opamp-6a", backend)
    assert found["pulses"]["C"] == [0, 0, 0, 1]
    assert found["pulses"]["D"][0] >= 3
    assert (np.diff(found["r_m_ohm"]["C"]["end"]) < 0).all()
    assert found["same_conditions_pulses"] == {name: found["pulses"][name] for name in "CD"}


# Fig. 7.


@pytest.mark.parametrize("backend", LEVELS)
def test_parallel_memristor_gives_tonic_pulses_that_the_shunt_ends(results, backend):
    found, runs, recordings = results("opamp-7a", backend)
    silent, *tonic, latched = found["pulses"]["B"]
    assert silent == 0
    assert all(count == tonic[0] >= 10 for count in tonic)  # the rate does not depend on the current
    assert latched == 1  # above v_hold (1 + R_1 / r_on) the switch stays on
    assert found["pulses"]["C"][0] > found["pulses"]["C"][-1]
    times = np.array([event.time_s for event in recordings["B"].layers[0].events[0] if event.kind == "on"])
    start = runs["B"].shown.starts(0)[1] * 10e-6
    inside = np.diff(times[(times >= start) & (times < start + 9.8e-3)])
    assert inside == pytest.approx(500e-6, rel=1e-6)  # tau_on + tau_off


@pytest.mark.parametrize("backend", LEVELS)
def test_two_memristors_in_parallel_fire_less_than_one(results, backend):
    both, _, _ = results("opamp-7b", backend)
    alone, _, _ = results("opamp-5a", backend)
    assert sum(both["pulses"]["B"]) < sum(alone["pulses"]["B"])
    assert all(a <= b for a, b in zip(both["pulses"]["B"], alone["pulses"]["B"], strict=True))
    assert both["r_m_ohm"]["B"]["end"] == pytest.approx(alone["r_m_ohm"]["B"]["end"], rel=1e-3)
    assert both["r_m2_ohm"]["B"]["end"][-1] < 60e3


@pytest.mark.parametrize("backend", LEVELS)
def test_two_memristors_in_series_integrate_first(results, backend):
    options = ("second=series", "r_off=2MOhm", "v_th=0.65V", "v_hold=0.5V")
    found, _, _ = results("opamp-7b", backend, *options)
    assert found["pulses"]["B"][:3] == [0, 0, 0]
    assert min(found["pulses"]["B"][3:]) >= 10
    assert found["conditions"]["circuit"] == "7b-series"


def test_first_voltage_terminal_shifts_the_threshold(results):
    """With V1 at 0.5 V the switch sees V_OUT1 - V1."""
    options = ("v1=0.5V", "b_lowest=0.28uA", "b_highest=0.32uA")
    found, _, recordings = results("opamp-7a", "physics", *options)
    assert found["pulses"]["B"] == [0, 0, 0, 20, 20]
    out2 = recordings["B"].layers[0].waveform[0].signals["v_out2"][:, 0]
    # Without input the current flows from V1 to OUT1: most of it while the switch is still on its way back.
    assert 0.5 * 2000 / 2800 - 1e-6 <= out2.min() < 0.5
    model, _, _ = results("opamp-7a", "model", *options)
    assert model["pulses"] == found["pulses"]


# The device alone, and spread.


@pytest.mark.parametrize("backend", LEVELS)
def test_dynamic_memristor(results, backend):
    found, _, _ = results("dynamic-memristor", backend)
    after = list(found["r_after_pulse_ohm"].values())
    assert (np.diff([found["r_initial_ohm"], *after]) < 0).all()
    assert found["recovery_time_s"] == pytest.approx(20e-3, rel=0.01)
    assert found["one_wide_pulse_ohm"] < found["two_narrow_pulses_ohm"]
    ends = np.array(list(found["r_by_duty_ohm"].values()))
    assert (np.diff(ends[:, :4], axis=1) < 0).all()  # accumulates over the periods
    assert (np.diff(ends, axis=0) < 0).all()  # the more, the larger the duty ratio


def test_spread_changes_devices_and_is_reproducible():
    found = [
        perform(EXPERIMENTS["opamp-5a"], "model", trials=20, spread=True, seed=seed)[3]["spread"] for seed in (0, 0, 1)
    ]
    assert found[0] == found[1] != found[2]
    assert found[0]["n"] == 20
    assert any(step["sd"] > 0 for step in found[0]["pulses"]["B"])


@pytest.mark.parametrize(
    ("name", "assignments", "message"),
    [
        ("opamp-5a", ["c_on=0s"], "stimulus C: expected at least one driven substep; it is empty"),
        ("opamp-5a", ["c_periods=0"], "option c_periods: expected at least 1, not 0"),
        ("opamp-5a", ["v_hold=1.2V"], "card ts-500k, field v_hold: expected less than v_th (1V), not 1.2V"),
        ("opamp-5a", ["r_initial=2TOhm"], "card rm-novelty, field r_initial: expected at most 1TOhm, not 2TOhm"),
        ("opamp-5a", ["r1=100Ohm"], "card opamp, field r1: expected at least 257Ohm, not 100Ohm"),
        ("opamp-5a", ["b_lowest=0A"], "option b_lowest: expected more than zero, not 0A"),
        ("opamp-7b", ["second=both"], "option second: expected one of parallel, series, not 'both'"),
        ("opamp-7b", ["tau=10ms"], "option --set: tau is on several cards; write rm-integrating.tau or rm-novelty.tau"),
        ("dynamic-memristor", ["amplitude=6V"], "option amplitude: expected more than 0 V and at most v_sat (5V)"),
        ("opamp-5a", ["on=1us"], "option --set: unknown name on"),
        ("apparatus", ["repeats=0"], "option repeats: expected at least 1, not 0"),
    ],
)
def test_bad_input_is_one_clear_line(name, assignments, message):
    chosen = EXPERIMENTS[name]
    with pytest.raises(InputError) as error:
        chosen.plan(chosen.settings(assignments=tuple(assignments)))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_card_of_another_kind_is_refused():
    with pytest.raises(InputError, match=r"option --card: opamp-5a takes cards of kind .*; ag-sio2 is of kind thr"):
        EXPERIMENTS["opamp-5a"].settings(cards=("ag-sio2",))


def test_fields_that_belong_together_can_be_set_together():
    settings = EXPERIMENTS["opamp-5a"].settings(assignments=("v_th=0.6V", "v_hold=0.5V"))
    switch = settings.cards["threshold-switching memristor"]
    assert (switch["v_th"], switch["v_hold"]) == (0.6, 0.5)
