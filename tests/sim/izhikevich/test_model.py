import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.sim import backends
from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.errors import InputError
from memtwin.sim.izhikevich import trace
from memtwin.sim.izhikevich.quantize import current_words
from memtwin.sim.izhikevich.shown import Drive
from memtwin.sim.izhikevich.spec import IzhikevichSpec
from tests.hdl.izhikevich.reference import Reference, parse
from tests.sim.izhikevich.jobs import CARDS, constant_job, random_job, silent


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 1000))
def test_words_are_those_of_the_page(neurons, rows, seed):
    job = random_job(neurons, rows, seed=seed, steps=(20, 1, 9))
    (own,) = job.coefficients()
    recording = backends.run(job, "model")
    currents = current_words(own, job.shown)
    for trial, words in enumerate(recording.layers[0].words):
        reference = Reference(own.words_of(trial, "") | {"current": [0] * neurons}, rows, neurons)
        expected, step = [], 0
        for number, steps in enumerate(job.shown.steps):
            for at in range(steps):
                bits = sum(int(bit) << k for k, bit in enumerate(job.shown.inputs[trial, step]))
                own_current = currents[trial, number].tolist() if at == 0 else None
                expected += reference.present(inputs=bits, init=step == 0, current=own_current)
                step += 1
        assert [parse(int(word)) for word in words] == expected


def test_a_trial_does_not_depend_on_its_neighbours():
    job = random_job(2, 6, trials=3)
    together = backends.run(job, "model")
    parts = {name: getattr(job.shown, name)[2:] for name in ("inputs", "current")}
    alone = backends.run(dataclasses.replace(job, shown=dataclasses.replace(job.shown, **parts)), "model")
    assert (alone.layers[0].words[0] == together.layers[0].words[2]).all()


def test_counts_are_the_same_without_a_record():
    job = random_job(5, 5)
    full, bare = (backends.run(dataclasses.replace(job, record=record), "model") for record in (True, False))
    assert not bare.layers[0].words
    assert (full.layers[0].spikes == bare.layers[0].spikes).all()
    spikes = [len(events) for events in full.layers[0].events]
    assert spikes == bare.layers[0].spikes.sum(axis=(1, 2)).tolist()
    assert min(spikes) > 0


@pytest.mark.parametrize(("weight", "name", "end"), [(-100.0, "v", -262.5e-3), (100.0, "u", 200.0 - 62.5 * 0.2)])
def test_states_at_the_ends_of_their_words_are_counted(weight, name, end):
    spec = IzhikevichSpec(devices=(CARDS[0].replace(d="20"),), weight=np.full((1, 200), weight))
    drive = Drive(steps=(20,), inputs=np.ones((1, 20, 200), np.uint8), current=np.zeros((1, 1, 1)))
    recording = backends.run(Job(spec=spec, shown=drive, record=True), "model")
    assert set(recording.saturated) == {name}
    states = recording.layers[0].waveform[0].signals[name][:, 0]
    assert states[-1] == pytest.approx(end, abs=1e-3)
    assert recording.saturated[name] == np.count_nonzero(np.isclose(states, end, atol=1e-3))


def test_a_spike_resets_the_membrane_and_lifts_the_recovery():
    wave = backends.run(constant_job(), "model").layers[0].waveform[0].signals
    step, neuron = np.argwhere(wave["spike"] == 1).T
    assert wave["v"][step, neuron] == pytest.approx(np.array([card["c"] for card in CARDS])[neuron], abs=4e-6)
    moved = wave["u"][step, neuron] - wave["u"][step - 1, neuron]
    jump = np.array([card["d"] for card in CARDS])[neuron]
    drift = 0.5 * np.array([card["a"] for card in CARDS])[neuron] * 20  # by b v - u, below 20 at the top of a spike
    assert (np.abs(moved - jump) < drift).all()


def test_words_that_are_no_trace_are_refused():
    words = backends.run(constant_job(time=2e-3), "model").layers[0].words[0]
    with pytest.raises(ValueError, match="whole steps"):
        trace.read(words[1:], 5)
    with pytest.raises(ValueError, match="must be of kind"):
        trace.fields(3)
    assert trace.fields(int(words[0]))["kind"] == "neuron"


# Quantiser.


def test_coefficients_stand_for_the_card():
    report = {entry.name: entry for entry in constant_job().coefficients()[0].report}
    assert set(report) == {"a", "b", "c", "d", "v_threshold", "v_initial", "weight", "step"}
    for name, entry in report.items():
        assert abs(entry.error) < 1e-3, name


@pytest.mark.parametrize(
    ("a", "step", "message"),
    [("0.3", 0.5e-3, "field a: expected at most 0.25, .*use a shorter step"),
     ("0.01", 10e-6, "field a: expected at least 0.01221, .*use a longer step")],
)  # fmt: skip
def test_rates_that_do_not_fit_are_refused(a, step, message):
    with pytest.raises(InputError, match=message):
        constant_job(cards=(CARDS[0].replace(a=a),), step=step, time=10 * step).coefficients()


def test_the_largest_current_fits_with_any_b():
    for b in (-0.99, 0.99):
        job = constant_job(100.0 if b > 0 else -100.0, cards=(CARDS[0].replace(b=b),))
        (own,) = job.coefficients()
        word = int(current_words(own, job.shown).item())
        asked = (job.shown.current.item() - 16.25 + 62.5 * b) / 25
        assert ((word ^ 0x8000) - 0x8000) / 4096 == pytest.approx(asked, abs=1e-3)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weight": np.ones(3)}, "weight: expected 1 to 1024 neurons"),
        ({"weight": np.ones((2, 1))}, "devices: expected one of each of 2 neurons, not 1"),
        ({"weight": np.full((1, 1), 101.0)}, "weight: expected -100 to 100"),
        ({"weight": np.full((1, 1), np.nan)}, "weight: expected -100 to 100"),
        ({"step": 2e-3}, "step: expected 10us to 1ms, not 0.002s"),
        ({"step": 0.0}, "step: expected 10us to 1ms"),
    ],
)
def test_specs_are_checked(values, message):
    with pytest.raises(InputError, match=message):
        IzhikevichSpec(**{"devices": CARDS[:1], "weight": np.ones((1, 1)), **values})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"steps": ()}, "steps: expected 1 to 65535 in each presentation"),
        ({"steps": (0,)}, "steps: expected 1 to 65535"),
        ({"steps": (70_000,)}, "steps: expected 1 to 65535"),
        ({"inputs": silent((4,))}, r"inputs: expected \(trials, 5 steps, rows\)"),
        ({"current": np.zeros((1, 2, 1))}, "current: expected .1 trials, 1 presentations, neurons"),
        ({"current": np.full((1, 1, 1), -101.0)}, "current: expected -100 to 100"),
        ({"current": np.full((1, 1, 1), np.nan)}, "current: expected -100 to 100"),
    ],
)
def test_drives_are_checked(values, message):
    with pytest.raises(InputError, match=message):
        Drive(**{"steps": (5,), "inputs": silent((5,)), "current": np.zeros((1, 1, 1)), **values})


def test_ngspice_is_refused():
    with pytest.raises(InputError, match="backend ngspice: not for networks of this kind"):
        backends.run(constant_job(), "ngspice")


# Cards: Izhikevich 2003, Fig. 2.


@pytest.mark.parametrize(
    ("card", "values"),
    [("rs", (0.02, 0.2, -65, 8)), ("ib", (0.02, 0.2, -55, 4)), ("ch", (0.02, 0.2, -50, 2)),
     ("fs", (0.1, 0.2, -65, 2)), ("lts", (0.02, 0.25, -65, 2))],
)  # fmt: skip
def test_cards_have_the_numbers_of_the_source(card, values):
    found = load_card(f"izhikevich-{card}")
    assert [found["a"], found["b"], 1e3 * found["c"], found["d"]] == pytest.approx(values)
    assert found["v_threshold"] == pytest.approx(30e-3)
    assert "10.1109/TNN.2003.820440" in found.citation


@pytest.mark.parametrize("name", ["c", "v_initial"])
def test_cards_are_checked(name):
    with pytest.raises(InputError, match=f"field {name}: expected less than v_threshold"):
        CARDS[0].replace(**{name: "30mV"})
