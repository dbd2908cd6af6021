"""The comparison of op-amp runs must find what differs, and only that: on recordings made by hand, and on real ones."""

import copy
import dataclasses

import numpy as np
import pytest

from memtwin.sim.backends import run
from memtwin.sim.compare import compare
from memtwin.sim.opamp.errors import measure
from memtwin.sim.recording import Event, LayerRecording, Recording, Waveform
from tests.sim.opamp.jobs import SUBSTEP, network, steps

# Two presentations of 3 ms, driven for 2 ms.
JOB = steps("5a", [0.3e-6, 0.3e-6], on=200, off=100)
SWITCH = JOB.spec.layers[0].switch
STARTS = (0.0, 3e-3)
ON, OFF = 0.313e-3, 0.413e-3  # first pulse of a presentation, and its end
PERIOD = 0.5537e-3  # of the pulses after it


def by_hand(backend, late=0.0, stretch=1.0, clocked=False, trials=1):
    """Pulses in closed form: three in each presentation, `late` seconds late, at `stretch` times the period.

    The switch follows its events; `r_first` falls with 4 ms. A clocked recording has the events at the starts of
    substeps, and shows the switch at the end of its range there.
    """
    at = np.arange(600) * SUBSTEP
    phase = np.where(at < 3e-3 - 1e-9, at, at - 3e-3)
    driven = phase < 2e-3 - 1e-9
    events = []
    y = np.zeros_like(at)
    for start in STARTS:
        for pulse in range(3):
            on = start + ON + late + pulse * PERIOD * stretch
            off = on + SWITCH["tau_on"]
            rising, falling = (at - on) / SWITCH["tau_on"], 1 - (at - off) / SWITCH["tau_off"]
            seen = [np.ceil(time / SUBSTEP - 1e-6) * SUBSTEP if clocked else time for time in (on, off)]
            end = on + 0.999 * PERIOD
            y = np.where((at > on) & (at < end), np.clip(np.minimum(rising, falling), 0, 1), y)
            if clocked:
                for index, stuck in zip(np.rint(np.array(seen) / SUBSTEP).astype(int), (0.0, 1.0), strict=True):
                    y[index] = stuck
            events += [Event(seen[0], 0, "on"), Event(seen[1], 0, "off")]
    r_switch = SWITCH["r_off"] * (SWITCH["r_on"] / SWITCH["r_off"]) ** y
    r_first = 1e7 * np.where(driven, 10 ** -(1 - np.exp(-phase / 4e-3)), 0.5)
    v_out1 = np.where(driven, 0.3e-6 * r_first, 0.0)
    signals = {"i_in": 0.3e-6 * driven, "v_out1": v_out1, "v_out2": 800 * v_out1 / (r_switch + 800)}
    signals |= {"r_first": r_first, "r_switch": r_switch, "on": np.zeros_like(at)}
    layer = LayerRecording(
        fires=np.full((1, 2, 1), 3),
        spikes=np.full((1, 2, 1), 3),
        conductance=np.zeros((1, 1, 2)),
        waveform=[Waveform(at, driven.astype(np.uint8), {name: value[:, None] for name, value in signals.items()})],
        events=[events],
        words=[np.zeros(0, dtype=np.uint64)] if clocked else [],
    )
    return Recording(backend=backend, layers=[layer], duration=JOB.shown.on, time_s=np.array([6e-3]))


PHYSICS = by_hand("physics")


def changed(recording, change):
    """Copy of a recording, with every event as `change` returns it; None takes it out."""
    other = copy.deepcopy(recording)
    other.layers[0].events[0] = [new for event in recording.layers[0].events[0] if (new := change(event)) is not None]
    return other


def scaled(recording, name, factor):
    other = copy.deepcopy(recording)
    other.layers[0].waveform[0].signals[name][:] *= factor
    return other


# Continuous time.


def test_a_recording_agrees_with_itself():
    assert compare(JOB, PHYSICS, by_hand("ngspice")) == {
        "errors": {
            "event_time_s": 0.0,
            "event_count_difference": 0,
            "pulse_period": 0.0,
            "rms_between_events": {"v_out1": 0.0, "v_out2": 0.0, "r_first": 0.0},
            "divergence": [],
        },
        "within": True,
        "outside": [],
    }


@pytest.mark.parametrize("late", [7e-6, 19e-6, 21e-6])
def test_a_late_train_is_an_error_of_time_and_not_of_value(late):
    found = compare(JOB, PHYSICS, by_hand("ngspice", late=late))
    assert found["errors"]["event_time_s"] == pytest.approx(late)
    assert found["errors"]["pulse_period"] == pytest.approx(0, abs=1e-9)
    assert found["within"]
    # What is left is the linear interpolation of the turning switch.
    assert found["errors"]["rms_between_events"]["v_out2"] < 0.004
    unaligned = changed(
        by_hand("ngspice", late=late), lambda event: dataclasses.replace(event, time_s=event.time_s - late)
    )
    assert compare(JOB, PHYSICS, unaligned)["errors"]["rms_between_events"]["v_out2"] > 0.01


def test_a_clocked_backend_is_aligned_by_the_state_of_its_switch():
    clocked = by_hand("model", clocked=True)
    errors = measure(JOB, PHYSICS, clocked, [[np.full(1, np.inf)]])
    # Events are seen up to a substep late, yet the switch has turned in time.
    assert errors["event_time_s"] == pytest.approx(9.6e-6, abs=0.5e-6)
    assert errors["rms_between_events"]["v_out2"] < 0.001
    clocked.layers[0].words = []
    assert measure(JOB, PHYSICS, clocked, [[np.full(1, np.inf)]])["rms_between_events"]["v_out2"] > 0.01


@pytest.mark.parametrize(
    ("name", "factor", "within"),
    [
        ("v_out1", 1.005, True),
        ("v_out1", 1.05, False),
        ("v_out2", 1.03, True),  # of a trace that is near zero most of the time
        ("v_out2", 1.3, False),
        ("r_first", 1.019, True),
        ("r_first", 0.979, False),
    ],
)
def test_a_wrong_trace_shows(name, factor, within):
    found = compare(JOB, PHYSICS, scaled(by_hand("ngspice"), name, factor))
    trace = PHYSICS.layers[0].waveform[0].signals[name]
    rms = found["errors"]["rms_between_events"]
    scale = np.sqrt(np.mean(trace**2)) / trace.max() if name.startswith("v") else 1.0
    assert rms.pop(name) == pytest.approx(abs(factor - 1) * scale, rel=1e-2)
    assert set(rms.values()) == {0.0}
    assert found["within"] is within


def test_a_shifted_trace_shows():
    other = by_hand("ngspice")
    r_first = other.layers[0].waveform[0].signals["r_first"]
    r_first[1:200] = r_first[:199].copy()
    # A substep of 10 us while it falls towards a tenth with 4 ms: 0.6 % at first.
    assert 0.002 < compare(JOB, PHYSICS, other)["errors"]["rms_between_events"]["r_first"] < 0.006


def test_a_missing_pulse_shows():
    # The last pulse does not end.
    found = compare(JOB, PHYSICS, changed(by_hand("ngspice"), lambda event: event if event.time_s < 4.5e-3 else None))
    assert found["errors"]["event_count_difference"] == 1
    assert not found["within"]


def test_events_of_other_neurons_are_no_counterparts():
    other = changed(by_hand("ngspice"), lambda event: dataclasses.replace(event, neuron=1))
    assert compare(JOB, PHYSICS, other)["errors"]["event_count_difference"] == 2 * 12


@pytest.mark.parametrize(("stretch", "within"), [(1.015, True), (0.985, True), (1.025, False)])
def test_ngspice_is_judged_by_the_period(stretch, within):
    found = compare(JOB, PHYSICS, by_hand("ngspice", late=15e-6, stretch=stretch))
    assert found["errors"]["pulse_period"] == pytest.approx(abs(stretch - 1))
    assert found["within"] is within


def test_time_does_not_judge_ngspice():
    late = by_hand("ngspice", late=45e-6)
    assert compare(JOB, PHYSICS, late)["within"]
    assert compare(JOB, dataclasses.replace(by_hand("ngspice"), backend="model"), late)["within"]


def test_periods_are_taken_within_presentations():
    # One pulse in each presentation: there is an interval, but no period.
    def first(event):
        return event if event.time_s % 3e-3 < OFF + 1e-6 else None

    found = compare(JOB, changed(PHYSICS, first), changed(by_hand("ngspice"), first))
    assert found["errors"]["pulse_period"] is None
    assert found["errors"]["event_count_difference"] == 0


def test_a_silent_neuron_is_compared():
    def silent(event):
        return None

    quiet = changed(PHYSICS, silent), changed(by_hand("ngspice"), silent)
    for recording in quiet:
        recording.layers[0].fires[:] = recording.layers[0].spikes[:] = 0
    found = compare(JOB, *quiet)
    assert found["within"], found["outside"]
    assert found["errors"]["event_time_s"] == 0.0
    assert found["errors"]["pulse_period"] is None
    assert not compare(JOB, quiet[0], scaled(quiet[1], "v_out1", 1.05))["within"]


def test_order_does_not_matter():
    other = by_hand("ngspice", late=7e-6)
    assert compare(JOB, PHYSICS, other) == compare(JOB, other, PHYSICS)


def test_a_comparison_in_continuous_time_needs_events():
    bare = by_hand("ngspice")
    bare.layers[0].events = []
    with pytest.raises(ValueError, match="record=True"):
        compare(JOB, PHYSICS, bare)


# Word by word.


@pytest.fixture(scope="module")
def model():
    return run(network(), "model")


def test_equal_recordings(model):
    words = sum(own.size for layer in model.layers for own in layer.words)
    found = compare(network(), model, run(network(), "model"))
    assert found["equal"]
    assert found["first_difference"] is None
    assert found["words"] == found["compared"]["words"] == words
    assert found["ticks"] == 2 * 2 * 800


@pytest.mark.parametrize(
    ("kind", "shown", "phase", "substep"),
    [
        (12, "phase", 3, 350),
        (8, "current", 6, 600),
        (9, "circuit", 3, 350),
        (10, "state", 3, 350),
    ],
)
def test_the_first_word_that_differs_is_named(model, kind, shown, phase, substep):
    other = copy.deepcopy(model)
    words = other.layers[1].words[1]
    start = np.flatnonzero(words & np.uint64(15) == 12)[phase]  # phases last 150 and 50 substeps
    position = start + np.flatnonzero(words[start:] & np.uint64(15) == kind)[0]
    words[[position, position + 30]] ^= np.uint64(1 << 20)
    found = compare(network(), model, other)
    assert not found["equal"]
    first = found["first_difference"]
    assert first.pop("a") ^ first.pop("b") == 1
    assert first == {
        **{"trial": 1, "layer": 2, "position": position, "kind": shown, "index": 0},
        **{"phase": phase, "substep": substep, "time_s": pytest.approx(substep * SUBSTEP)},
    }


def test_a_synapse_belongs_to_the_substep_of_its_pulse(model):
    other = copy.deepcopy(model)
    words = other.layers[1].words[0]
    position = np.flatnonzero(words & np.uint64(15) == 4)[0]
    words[position] ^= np.uint64(1 << 20)
    first = compare(network(), model, other)["first_difference"]
    assert first["kind"] == "conductance"
    assert first["time_s"] == pytest.approx(model.layers[1].learning[0][0][0])


def test_a_missing_word_is_a_difference(model):
    other = copy.deepcopy(model)
    other.layers[0].words[0] = other.layers[0].words[0][:-1]
    first = compare(network(), model, other)["first_difference"]
    assert (first["kind"], first["index"], first["substep"], first["b"]) == ("state", 2, 799, None)


# Real runs.


@pytest.mark.parametrize(
    ("circuit", "currents", "second"),
    [
        ("5a", [0.125e-6, 0.2e-6], {}),
        ("6a", [0.54e-6, 0.66e-6], {}),
        ("7a", [0.3e-6, 0.9e-6], {}),
        ("7b", [0.125e-6, 0.2e-6], {}),
        ("7b-series", [0.125e-6, 0.2e-6], {"neuron": {"v1": 0.25}}),
    ],
)
def test_model_agrees_with_the_physics(circuit, currents, second):
    job = steps(circuit, currents, on=600, off=333, switch={"tau_on": "93us", "tau_off": "371us"}, **second)
    found = compare(job, run(job, "physics"), run(job, "model"))
    errors = found["errors"]
    assert found["within"], errors
    assert errors["event_count_difference"] == 0
    assert 0 < errors["rms_between_events"]["v_out1"] < 0.003
    assert 0 < errors["rms_between_events"]["v_out2"] < 0.005
    assert all(0 < errors["rms_between_events"][f"r_{place}"] < 0.01 for place in job.spec.layers[0].memristors)


def test_finer_substeps_come_closer():
    coarse = steps("6a", [0.66e-6], on=600, switch={"tau_on": "93us", "tau_off": "371us"})
    fine = steps("6a", [0.66e-6], on=2400, switch={"tau_on": "93us", "tau_off": "371us"})
    fine = dataclasses.replace(fine, spec=dataclasses.replace(fine.spec, substep=SUBSTEP / 4))
    errors = [compare(job, run(job, "physics"), run(job, "model"))["errors"] for job in (coarse, fine)]
    assert errors[1]["event_time_s"] < 0.7 * errors[0]["event_time_s"]
    assert errors[1]["rms_between_events"]["r_second"] < errors[0]["rms_between_events"]["r_second"] / 2


def test_a_network_that_learns_agrees_with_the_physics():
    job = network(v_floor="1.8V", on=300)
    found = compare(job, run(job, "physics"), run(job, "model"))
    assert run(job, "model").layers[1].fires.sum() >= 4
    assert found["within"], found
    assert set(found["errors"]["rms_between_events"]) == {"v_out1", "v_out2", "r_first", "r_second"}
    assert found["errors"]["pulse_period"] > 0
