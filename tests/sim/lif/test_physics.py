"""Physics of LIF networks: yu-tio2, eq. (2), its closed form, and the integers against both."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from memtwin.sim.backends import Job
from memtwin.sim.lif import model, physics
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import RESETS, LifLayerSpec, LifSpec

TAU, REST = 9.41e-3, 0.43e-3  # of yu-tio2


def constant(current, *, dt=1e-4, images=1, steps=1000, **changes):
    """One neuron with a constant current, and nothing to see."""
    one = LifLayerSpec(**{"weight": [[1.0]], "tau": TAU, "v_leak": REST, "v_reset": REST, "bias": current} | changes)
    shown = Images.from_values(np.zeros((images, 1)), steps=steps, mode="rate")
    return Job(spec=LifSpec(layers=(one,), dt=dt, weight_bits=16), shown=shown, record=True)


# Closed form.


def test_charge_solves_equation_2():
    r, current = 50.0, 4e-3
    times = np.linspace(0, 40e-3, 9)
    solved = solve_ivp(
        lambda t, u: (-(u - REST) + r * current) / TAU, (0, 40e-3), [REST], t_eval=times, rtol=1e-10, atol=1e-14
    )
    got = physics.charge(times, current, tau=TAU, r=r, v_leak=REST)
    assert got == pytest.approx(solved.y[0], rel=1e-8)
    assert got[0] == REST


def test_equation_3_as_printed_does_not_solve_equation_2():
    r, current = 50.0, 4e-3
    printed = -REST + r * current * (1 - math.exp(0))
    assert printed != REST  # it does not start at rest
    assert physics.charge(0.0, current, tau=TAU, r=r, v_leak=REST) - printed == pytest.approx(2 * REST)


def test_interval_ends_at_the_threshold():
    time = physics.interval(4.0, tau=TAU, v_leak=REST, v_threshold=0.25, v_reset=REST)
    assert physics.charge(time, 4.0, tau=TAU, v_leak=REST) == pytest.approx(0.25)
    assert physics.interval(4.0, tau=TAU, v_leak=REST, v_threshold=0.25, v_reset=REST, refractory=2e-3) == (
        pytest.approx(time + 2e-3)
    )


def test_a_current_that_does_not_reach_the_threshold_never_fires():
    got = physics.interval([0.1, 0.25, 0.26], tau=TAU, v_threshold=0.25)
    assert np.isinf(got).tolist() == [True, True, False]


# Steps.


def test_without_spikes_every_step_is_on_the_closed_form():
    wave = physics.run(constant(0.2, v_threshold=1.0)).layers[0].waveform[0]
    assert wave.signals["v"][:, 0] == pytest.approx(physics.charge(wave.time_s, 0.2, tau=TAU, v_leak=REST), abs=1e-14)


@pytest.mark.parametrize("dt", [1e-3, 1e-4, 1e-5])
def test_a_step_of_any_length_is_exact(dt):
    steps = round(20e-3 / dt)
    wave = physics.run(constant(0.2, dt=dt, steps=steps)).layers[0].waveform[0]
    assert wave.signals["v"][-1, 0] == pytest.approx(physics.charge(20e-3, 0.2, tau=TAU, v_leak=REST), abs=1e-13)


# The closed form ends at 167.8, 65.06, 27.02 and 12.5 steps.
@pytest.mark.parametrize("backend", [physics, model])
@pytest.mark.parametrize("refractory", [0.0, 2e-3])
@pytest.mark.parametrize("current", [0.3, 0.5, 1.0, 2.0])
def test_intervals_are_those_of_the_closed_form(backend, current, refractory):
    job = constant(current, v_threshold=0.25, refractory=refractory, steps=2000)
    steps = [round(event.time_s / 1e-4) for event in backend.run(job).layers[0].events[0]]
    exact = physics.interval(current, tau=TAU, v_leak=REST, v_threshold=0.25, v_reset=REST, refractory=refractory)
    # A spike waits for the end of its step, where the next charge starts.
    assert set(np.diff(steps)) == {math.ceil(exact / 1e-4)}


def test_integrate_and_fire_climbs_in_equal_steps():
    wave = physics.run(constant(0.7, tau=np.inf, r=20.0, v_leak=0.0, v_reset=0.0, steps=100)).layers[0].waveform[0]
    assert wave.signals["v"][:50, 0] == pytest.approx(20 * 0.7 * 1e-4 * np.arange(1, 51))


def test_reset_by_subtraction_keeps_what_is_above_the_threshold():
    job = constant(0.0, weight=[[4.0]], v_threshold=0.25, reset="subtract")
    job = dataclasses.replace(job, shown=Images.from_values([[1]], steps=2, mode="latency"))
    one = dataclasses.replace(job.spec, dt=1e-3)
    wave = physics.run(dataclasses.replace(job, spec=one)).layers[0].waveform[0]
    before = REST + 4 * (1 - math.exp(-1e-3 / TAU))
    assert wave.signals["spike"][:, 0].tolist() == [1, 0]
    assert wave.signals["v"][0, 0] == pytest.approx(before - (0.25 - REST))


def test_the_membrane_holds_in_the_refractory_period():
    job = constant(1.0, v_threshold=0.25, refractory=3e-4)
    wave = physics.run(job).layers[0].waveform[0]
    first = int(np.argmax(wave.signals["spike"][:, 0]))
    assert wave.signals["hold"][first : first + 5, 0].tolist() == [3, 2, 1, 0, 0]
    v = wave.signals["v"][first : first + 5, 0]
    assert v[:4].tolist() == [REST] * 4
    assert v[4] > REST


def test_every_image_starts_at_rest():
    wave = physics.run(constant(0.2, images=2, steps=30)).layers[0].waveform[0]
    assert wave.signals["v"][:30].tolist() == wave.signals["v"][30:].tolist()


# Integers against double precision (in plain Python, not the physics): NIR's LIF with an irregular input.


def spike_steps(currents, reset):
    """Steps in which NIR's LIF (tau 2.5 ms, v_threshold 0.1, dt 0.1 ms) spikes."""
    keeps, v, out, late = math.exp(-0.1 / 2.5), 0.0, [], False
    for step, current in enumerate(currents):
        v = v * keeps + (1 - keeps) * current
        if late:
            v = 0.0 if reset == "value-delayed" else v - 0.1
        if v > 0.1:
            out.append(step)
            v = {"value": 0.0, "subtract": v - 0.1}.get(reset, v)
        late = step in out[-1:] and reset.endswith("delayed")
    return out


@pytest.mark.parametrize(
    ("reset", "spikes"), [("value", 50), ("subtract", 50), ("value-delayed", 40), ("subtract-delayed", 46)]
)
def test_a_delayed_reset_is_that_of_snntorch(reset, spikes):
    # snnTorch's Leaky with beta 0.9 and threshold 1, a drive of 0.3 for 200 steps: 46 spikes with its default reset by
    # subtraction, 40 with the reset to zero of its documentation (R is the spike of the step before).
    u, count = 0.0, 0
    for _ in range(200):
        late = u > 1
        goes = 0.9 * u + 0.3
        u = {"value-delayed": goes - late * goes, "subtract-delayed": goes - late}.get(reset, goes)
        count += u > 1
        u = {"value": u * (u <= 1), "subtract": u - (u > 1)}.get(reset, u)
    assert count == spikes
    one = LifLayerSpec(weight=[[1.0]], tau=-1e-3 / math.log(0.9), bias=3.0, reset=reset)
    shown = Images.from_values([[0]], steps=200, mode="rate")
    job = Job(spec=LifSpec(layers=(one,), dt=1e-3), shown=shown, record=True)
    found = [backend.run(job) for backend in (physics, model)]
    assert [recording.layers[0].spikes.item() for recording in found] == [count, count]
    membranes = [recording.layers[0].waveform[0].signals["v"] for recording in found]
    assert membranes[0] == pytest.approx(membranes[1], abs=2e-4)


def test_a_reset_is_not_delayed_beyond_a_refractory_period():
    for kind in ("value", "subtract"):
        counts = []
        for reset in (kind, f"{kind}-delayed"):
            one = LifLayerSpec(weight=[[1.0]], tau=10e-3, bias=3.0, reset=reset, refractory=2e-3, v_reset=0.1)
            shown = Images.from_values([[0]], steps=200, mode="rate")
            job = Job(spec=LifSpec(layers=(one,), dt=1e-3), shown=shown)
            counts += [backend.run(job).layers[0].spikes.item() for backend in (physics, model)]
        assert len(set(counts)) == 1
        assert counts[0] > 10


def shown_current(currents, reset):
    """Each step has an input of its own, whose weight is the current."""
    one = LifLayerSpec(weight=[currents], tau=2.5e-3, v_threshold=0.1, reset=reset)
    steps = np.arange(1, len(currents) + 1)
    return Job(
        spec=LifSpec(layers=(one,), dt=1e-4, weight_bits=16),
        shown=Images.from_values(steps[None], steps=len(currents), mode="latency"),
        record=True,
    )


def steps_of(recording):
    return [round(event.time_s / 1e-4) - 1 for event in recording.layers[0].events[0]]


IRREGULAR = {
    "spikes": lambda random: np.where(random.random(254) < 0.3, 1.0, 0.0),
    "few strong spikes": lambda random: np.where(random.random(254) < 0.1, 3.0, 0.0),
    "noise": lambda random: random.uniform(-0.2, 1.0, 254),
    "steps": lambda random: np.repeat(random.uniform(0, 0.6, 32), 8)[:254],
}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("kind", IRREGULAR)
def test_spikes_of_a_single_neuron_are_in_the_exact_steps(kind, reset, seed):
    currents = IRREGULAR[kind](np.random.default_rng([seed, len(kind)]))
    exact = spike_steps(currents, reset)
    assert len(exact) >= 5
    job = shown_current(currents, reset)
    assert steps_of(model.run(job)) == exact
    assert steps_of(physics.run(job)) == exact


@pytest.mark.parametrize(("reset", "share"), [("value", 0.98), ("subtract", 0.96)])
def test_how_often_a_spike_is_in_another_step(reset, share):
    # A membrane next to the threshold decides by rounding; a reset by value forgets it.
    exact = 0
    for seed in range(100):
        currents = IRREGULAR["noise"](np.random.default_rng(1000 + seed))
        exact += steps_of(model.run(shown_current(currents, reset))) == spike_steps(currents, reset)
    assert exact >= share * 100


# Integers against the physics.


def digits_job(bits, *, hidden=0, mode="rate", trials=2, **changes):
    random = np.random.default_rng(11)
    sizes = [64, *([hidden] if hidden else []), 10]
    layers = tuple(
        LifLayerSpec(
            **{"weight": random.normal(0.05, 0.5, (size, before)), "tau": TAU, "v_leak": REST, "v_reset": REST}
            | {"v_threshold": 0.25}
            | changes
        )
        for before, size in itertools.pairwise(sizes)
    )
    pixels = (random.random((30, 64)) < 0.3) * random.integers(0, 256, (30, 64))
    build = Images.latency if mode == "latency" else Images.poisson
    shown = build(pixels.astype(np.uint8), steps=20, decoder="rate", trials=trials)
    return Job(spec=LifSpec(layers=layers, dt=1e-3, weight_bits=bits), shown=shown, record=True)


@pytest.mark.parametrize("mode", ["rate", "latency"])
def test_with_wide_weights_the_integers_follow_the_physics(mode):
    job = digits_job(12, mode=mode)
    ours, theirs = model.run(job), physics.run(job)
    (one,), (other,) = ours.layers, theirs.layers
    assert np.array_equal(one.waveform[0].signals["events"], other.waveform[0].signals["events"])
    assert other.spikes.sum() > 100
    assert np.abs(one.spikes - other.spikes).sum() <= 0.005 * other.spikes.sum()
    assert (ours.answers == theirs.answers).mean() >= 0.98
    difference = one.waveform[0].signals["v"] - other.waveform[0].signals["v"]
    assert np.median(np.abs(difference)) < 1e-3 * 0.25


def test_narrow_weights_are_the_larger_error():
    errors = {}
    for bits in (4, 6, 8, 10):
        job = digits_job(bits, v_threshold=5.0)
        one, other = (backend.run(job).layers[0].waveform[0].signals for backend in (model, physics))
        quiet = ~(one["spike"] | other["spike"]).any(axis=0)
        errors[bits] = np.sqrt(np.mean((one["v"] - other["v"])[:, quiet] ** 2))
    # Two bits more are a quarter of the error.
    for bits in (4, 6, 8):
        assert errors[bits] / errors[bits + 2] == pytest.approx(4, rel=0.4)


def test_rounded_weights_are_no_error_if_the_physics_has_them_too():
    job = digits_job(6, hidden=8, refractory=2e-3, reset="subtract")
    rounded = tuple(
        dataclasses.replace(
            layer,
            weight=((own.words["weight"][0] ^ 0x8000) - 0x8000).reshape(layer.rows, layer.neurons).T * own.weight_unit,
        )
        for layer, own in zip(job.spec.layers, job.coefficients(), strict=True)
    )
    same = dataclasses.replace(job, spec=dataclasses.replace(job.spec, layers=rounded))
    ours, theirs = model.run(same), physics.run(same)
    for one, other in zip(ours.layers, theirs.layers, strict=True):
        assert other.spikes.sum() > 50
        assert np.abs(one.spikes - other.spikes).sum() <= 0.01 * other.spikes.sum()


def test_the_physics_has_no_words():
    got = physics.run(digits_job(6, hidden=8))
    assert all(layer.words == [] for layer in got.layers)
    assert got.clocks is None
    assert [layer.conductance.shape for layer in got.layers] == [(2, 8, 64), (2, 10, 8)]
