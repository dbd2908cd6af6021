import numpy as np
import pytest

from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.experiments.izhikevich import pattern
from tests.perform import perform

EXPERIMENT = EXPERIMENTS["izhikevich"]
NAMES = {
    "RS": "regular spiking",
    "IB": "intrinsically bursting",
    "CH": "chattering",
    "FS": "fast spiking",
    "LTS": "low-threshold spiking",
}


@pytest.mark.parametrize(
    ("backend", "step", "spikes"),
    [
        ("physics", "1ms", [21, 31, 80, 123, 71]),
        ("model", "0.1ms", [21, 31, 78, 118, 69]),
        ("model", "0.5ms", [21, 29, 73, 102, 67]),
    ],
)
def test_patterns_are_those_of_the_source(backend, step, spikes):
    *_, results = perform(EXPERIMENT, backend, assignments=(f"step={step}",))
    assert results["patterns"] == NAMES
    assert list(results["spikes"].values()) == spikes


def test_euler_is_late_by_some_steps_an_interval():
    """docs/izhikevich.md, section 6; of neurons without bursts in the end."""
    intervals = {}
    for backend, step in (("physics", 1e-3), ("model", 0.1e-3), ("model", 0.5e-3)):
        _, _, recordings, _ = perform(EXPERIMENT, backend, assignments=(f"step={step}s",))
        events = recordings["step"].layers[0].events[0]
        trains = [np.array([event.time_s for event in events if event.neuron == n]) for n in (0, 1, 3, 4)]
        intervals[backend, step] = np.array([np.diff(times[times.size // 2 :]).mean() for times in trains])
    for step in (0.1e-3, 0.5e-3):
        late = (intervals["model", step] - intervals["physics", 1e-3]) / step
        assert (late > 1).all()
        assert (late < 4).all()


def test_the_gateware_has_the_patterns():
    ours, theirs = (perform(EXPERIMENT, backend, assignments=("time=300ms",))[3] for backend in ("rtl", "model"))
    assert ours["patterns"] == NAMES
    assert ours == theirs


def times(*intervals):
    return np.cumsum([0.1, *intervals])


@pytest.mark.parametrize(
    ("spikes", "name"),
    [
        (times(), "few spikes"),
        (np.zeros(0), "silent"),
        (times(0.02, *[0.04] * 5), "regular spiking"),
        (times(0.021, *[0.04] * 5), "tonic spiking"),
        (times(*[0.0201] * 5), "tonic spiking"),
        (times(*[0.0199] * 5), "fast spiking"),
        (times(0.005, *[0.01] * 5), "low-threshold spiking"),
        (times(0.005, 0.005, 0.0201, 0.02, 0.02), "intrinsically bursting"),
        (times(0.005, 0.005, 0.019, 0.02, 0.02), "low-threshold spiking"),
        (times(0.005, 0.005, 0.0201, 0.005, 0.0201), "chattering"),
    ],
)
def test_a_pattern_is_named_by_its_intervals(spikes, name):
    assert pattern(spikes) == name


def test_a_card_decides_the_pattern():
    *_, results = perform(EXPERIMENT, "model", assignments=("izhikevich-rs.c=-50mV", "izhikevich-rs.d=2"))
    assert results["patterns"]["RS"] == "chattering"
    *_, results = perform(EXPERIMENT, "model", cards=("izhikevich-fs",))
    assert set(results["patterns"].values()) == {"fast spiking"}


def test_without_a_current_it_is_silent():
    settings, runs, recordings, results = perform(EXPERIMENT, "model", assignments=("current=0", "time=20ms"))
    assert set(results["patterns"].values()) == {"silent"}
    assert set(results["first_spike_s"].values()) == set(results["rate_hz"].values()) == {None}
    (figure,) = EXPERIMENT.figures(settings, runs, recordings, results).values()
    assert all(ax.has_data() for ax in figure.axes)


@pytest.mark.parametrize("name", ["before", "time"])
@pytest.mark.parametrize("value", ["7s", "1us"])
def test_times_that_the_counter_does_not_hold_are_refused(name, value):
    with pytest.raises(InputError, match=f"option {name}: expected 1 to 65535 steps"):
        EXPERIMENT.plan(EXPERIMENT.settings(assignments=(f"{name}={value}",)))
