import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.sim import backends
from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.sim.model_parts import Saturations
from memtwin.sim.stdp import model, trace
from memtwin.sim.stdp.spec import StdpSpec
from tests.hdl.stdp.reference import Reference, parse
from tests.sim.stdp.jobs import CARD, one_pair, random_job, spec, trains


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 4), st.integers(1, 9), st.integers(0, 1000))
def test_words_are_those_of_the_page(neurons, rows, seed):
    job = random_job(neurons, rows, seed=seed, trials=2, epochs=2, steps=30)
    (coefficients,) = job.coefficients()
    recording = backends.run(job, "model")
    for trial, words in enumerate(recording.layers[0].words):
        named = coefficients.words_of(trial, "")
        reference = Reference(named, rows, neurons, coefficients.structure["gain_shift"])
        expected = []
        for epoch in range(2):
            shown = job.shown
            for step in range(30):
                bits = [
                    sum(int(bit) << k for k, bit in enumerate(values[trial, epoch, step]))
                    for values in (shown.inputs, shown.forced)
                ]
                expected += reference.step(*bits, int(shown.learn[trial, epoch]))
        assert [parse(int(word)) for word in words] == expected


def test_a_trial_does_not_depend_on_its_neighbours():
    job = random_job(2, 6, trials=3)
    together = backends.run(job, "model")
    last = dataclasses.replace(
        job,
        seed=job.seed + 2,
        shown=dataclasses.replace(
            job.shown, **{name: getattr(job.shown, name)[2:] for name in ("inputs", "forced", "learn")}
        ),
    )
    alone = backends.run(last, "model")
    assert (alone.layers[0].words[0] == together.layers[0].words[2]).all()
    assert (alone.history[0] == together.history[2]).all()


def test_counts_are_the_same_without_a_record():
    job = random_job(2, 5)
    full, bare = (backends.run(dataclasses.replace(job, record=record), "model") for record in (True, False))
    assert not bare.layers[0].words
    assert (full.history == bare.history).all()
    assert (full.layers[0].spikes == bare.layers[0].spikes).all()
    spikes = [len(events) for events in full.layers[0].events]
    assert spikes == bare.layers[0].spikes.sum(axis=(1, 2)).tolist()
    assert min(spikes) > 0


def test_learning_ends_at_the_last_conductances():
    recording = backends.run(random_job(3, 4), "model")
    for trial, steps in enumerate(recording.layers[0].learning):
        last = {neuron: column for _, neuron, column in steps}
        for neuron, column in last.items():
            assert column == pytest.approx(recording.layers[0].conductance[trial, neuron])
        assert sorted(last) == [0, 1, 2]


def test_saturation_of_the_membrane_is_counted():
    rows = 20
    job = Job(spec=spec(rows=rows, kick=2.0), shown=trains(np.ones((1, 1, 3, rows)), learn=0))
    recording = backends.run(job, "model")
    assert recording.saturated == {"v": 3}
    assert recording.layers[0].spikes.sum() == 3


@pytest.mark.parametrize(("conductance", "spikes"), [(15, 0), (16, 0), (17, 1)])
def test_a_membrane_at_the_threshold_does_not_spike(conductance, spikes):
    job = Job(spec=spec(), shown=trains(np.ones((1, 1, 1, 1)), learn=0), record=True)
    (coefficients,) = job.coefficients()
    words = {name: np.zeros_like(values) for name, values in coefficients.words.items()}
    for name, value in {"conductance": conductance, "gain": 1, "threshold": 1}.items():
        words[name][:] = value
    exact = dataclasses.replace(coefficients, words=words, structure={**coefficients.structure, "gain_shift": 0})
    layer = model._Layer(exact, Saturations(1), record=False)
    assert layer.step(np.ones((1, 1), bool), np.zeros((1, 1), bool), np.zeros(1, bool)).sum() == spikes
    assert layer.v[0, 0] == (0 if spikes else conductance)
    named = exact.words_of(0, "")
    assert [entry["spike"] for entry in Reference(named, 1, 1, 0).step(1, 0, 0) if "spike" in entry] == [spikes]


def test_spread_is_that_of_the_card():
    device = CARD.replace(r_on_c2c=0.05)
    job = spec(rows=200, device=device, c2c=True)
    (sample,) = job.sample(trials=20, seed=3)
    relative = sample.conductance / CARD["g_initial"]
    assert relative.std() == pytest.approx(0.05, rel=0.1)
    (other,) = job.sample(trials=1, seed=5)
    assert (other.conductance[0] == sample.conductance[2]).all()
    (none,) = dataclasses.replace(job, c2c=False).sample(trials=1, seed=3)
    assert (none.conductance == CARD["g_initial"]).all()


def test_words_that_are_no_trace_are_refused():
    words = backends.run(one_pair(3), "model").layers[0].words[0]
    structure = {"rows": 1, "neurons": 1}
    with pytest.raises(ValueError, match="whole steps"):
        trace.read(words[1:], structure)
    with pytest.raises(ValueError, match="must be of kind"):
        trace.fields(3)
    assert trace.fields(int(words[0])) == {"kind": "row", "index": 0, "x": 0, "input": 0}


# Quantiser.


def test_coefficients_stand_for_the_card():
    report = {entry.name: entry for entry in one_pair(1, kick=0.2).coefficients()[0].report}
    assert set(report) >= {"ag-tio2.tau", "ag-tio2.tau1", "ag-tio2.w_plus", "ag-tio2.v_th", "ag-tio2.r_off", "kick"}
    for name, entry in report.items():
        assert abs(entry.error) < 1e-3, name


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"step": 2e-3}, "field tau: expected at least .*use a shorter step"),
        ({"step": 1e-6}, "field tau: expected at most .*use a longer step"),
        ({"kick": 1e6}, "kick: expected at most"),
        ({"rate_up": 3.0}, "field w_plus: expected at most"),
    ],
)
def test_what_does_not_fit_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        one_pair(1, **values).coefficients()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"g_initial": np.full((1, 1), 1.0)}, "g_initial: expected conductances"),
        ({"g_initial": np.full(3, 1e-3)}, "g_initial: expected 1 to 64 neurons"),
        ({"kick": -1.0}, "kick: expected zero or more"),
        ({"step": 0.0}, "step: expected more than zero"),
        ({"rate_up": float("nan")}, "rate_up: expected zero or more"),
    ],
)
def test_specs_are_checked(values, message):
    base = {"device": CARD, "g_initial": np.full((1, 1), 2e-3), "kick": 0.1}
    with pytest.raises(InputError, match=message):
        StdpSpec(**{**base, **values})


def test_trains_are_checked():
    with pytest.raises(InputError, match="forced: expected the shape"):
        trains(np.zeros((1, 1, 5, 2)), np.zeros((1, 1, 4, 1)))
    with pytest.raises(InputError, match=r"expected \(trials, epochs, steps, rows\)"):
        trains(np.zeros((1, 5, 2)), np.zeros((1, 5, 1)))


def test_ngspice_is_refused():
    with pytest.raises(InputError, match="backend ngspice: not for networks of this kind"):
        backends.run(one_pair(1), "ngspice")


# Card.


@pytest.mark.parametrize(
    ("name", "value"),
    [("v_th", 0.25), ("v_hold", 0.1), ("tau", 9.41e-3), ("u_rest", 0.43e-3), ("w_plus", 138.61), ("tau1", 64.1e-3),
     ("w_minus", 103.46), ("tau2", 29.2e-3), ("r_on_c2c", 0.0081), ("r_off_c2c", 0.0115)],
)  # fmt: skip
def test_card_has_the_numbers_of_the_source(name, value):
    assert CARD[name] == pytest.approx(value)
    assert "yu-tio2" in CARD.fields[name].source


def test_card_is_checked():
    with pytest.raises(InputError, match="field g_initial: expected a conductance between"):
        load_card("ag-tio2").replace(g_initial=6e-3)
    with pytest.raises(InputError, match="field v_hold: expected less than v_th"):
        load_card("ag-tio2").replace(v_hold=0.3)


# Against the physics.


def test_physics_and_model_agree():
    job = random_job(2, 8, trials=3, epochs=6)
    physics, model = (backends.run(job, backend) for backend in ("physics", "model"))
    found = compare(job, physics, model)
    assert found["within"], found["errors"]
    assert found["errors"]["rms_between_events"]["g"] < 2e-4
    assert found["errors"]["rms_between_events"]["u"] < 5e-4
    assert compare(job, model, physics) == found


def test_a_wrong_recording_is_not_within():
    job = random_job(1, 8, trials=1, epochs=6)
    physics = backends.run(job, "physics")
    other = dataclasses.replace(job, spec=dataclasses.replace(job.spec, rate_up=0.8))
    found = compare(job, physics, backends.run(other, "model"))
    assert not found["within"]
    with pytest.raises(ValueError, match="must have events"):
        compare(job, physics, backends.run(dataclasses.replace(job, record=False), "model"))
