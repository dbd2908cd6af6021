"""What quantisation may change: spikes of random layers in integers, against the physics in float64.

Weights are whole numbers, so that the words of the neurons are what is tried: gain, bias, leak, threshold, value after
a spike, refractory period. A run is left out if a user is told of it: refused, moved by more than 2 %, or saturated.

1. The physics with the parameters that the words stand for has the same counts, but one of a neuron and an image. A
   step rounds the membrane four times at most (leak, drive, bias, and with a spike threshold or reset, which are exact
   here) by half a unit, of which a threshold has at least 2**19 / 32 / 16 = 1024: in 40 steps less than 8 % of a
   threshold, which decides on one spike, not on two.
2. The physics with the parameters as asked for may differ by more, where they are moved by up to 2 % and a neuron is
   near its threshold all the time. In all images together the counts are within 1 %.
"""

import dataclasses

import numpy as np

from memtwin.sim.backends import Job, run
from memtwin.sim.errors import InputError
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import RESETS, LifLayerSpec, LifSpec
from memtwin.sim.quantised import TOLERANCE


def draw(seed):
    """One layer under random images; parameters over decades, most of them sensible."""
    rng = np.random.default_rng(seed)
    neurons, rows = rng.integers(1, 6, 2)
    dt = 10.0 ** rng.uniform(-6, 0)
    volt = 10.0 ** rng.uniform(-3, 3)
    leak = volt * rng.choice([0.0, -3.0, 0.5])
    threshold = volt * rng.uniform(0.5, 2, neurons) if rng.random() < 0.5 else np.full(neurons, volt)
    steps = np.inf if rng.random() < 0.3 else 10.0 ** rng.uniform(-1, 3, neurons)
    weight = rng.integers(-8, 32, (neurons, rows))
    drive = -np.expm1(-1 / np.broadcast_to(steps, neurons)) if np.isfinite(steps).all() else dt
    # What all inputs do in a step, in thresholds: from little to more than any word holds.
    push = 10.0 ** rng.uniform(-1.5, 1) * rng.uniform(0.5, 1, neurons)
    r = push * threshold / (drive * np.maximum(weight.sum(axis=1), 5))
    layer = LifLayerSpec(
        weight=weight,
        tau=steps * dt,
        r=r,
        v_leak=leak,
        v_threshold=leak + threshold,
        v_reset=leak + volt * rng.choice([0.0, -0.3, 0.2, -10.0]),
        bias=rng.normal(0, 1, neurons) * rng.choice([0.0, 1.0, 10.0]),
        refractory=dt * rng.integers(0, 4),
        reset=str(rng.choice(RESETS)),
        headroom=int(2 ** rng.integers(1, 6)),
    )
    values = rng.integers(0, 256, (3, rows))
    shown = Images.from_values(values, steps=40, mode="rate")
    return Job(spec=LifSpec(layers=(layer,), dt=dt, weight_bits=int(rng.integers(6, 9))), shown=shown, seed=seed)


def is_told(job, recording):
    """Whether a user is told that something was moved or clamped."""
    (own,) = job.coefficients()
    return bool(recording.saturated) or any(line.moved > TOLERANCE for line in own.report)


def words_as_parameters(job):
    """The same job with a layer of the parameters that the words of docs/lif-arithmetic.md stand for."""
    (layer,), (own,) = job.spec.layers, job.coefficients()
    words = {name: values[0].astype(float) for name, values in own.words.items()}
    signed = {name: words[name] - 65536 * (words[name] >= 32768) for name in ("bias", "v_reset")}
    unit = np.max(layer.per_neuron("v_threshold") - layer.v_leak) / words["threshold"].max() / 16
    leak = words["leak"] / 65536
    drive = np.where(leak > 0, leak, job.spec.dt)
    rise = words["gain"] * 2.0 ** -words["gain_shift"] * unit / own.weight_unit  # V per unit of current
    rise = np.where(rise > 0, rise, drive * layer.r)  # without synapses there is none
    with np.errstate(divide="ignore"):
        tau = job.spec.dt / -np.log1p(-leak)
    exact = dataclasses.replace(
        layer,
        tau=tau,
        r=rise / drive,
        bias=signed["bias"][: layer.neurons] * unit / rise,
        v_threshold=layer.v_leak + words["threshold"] * 16 * unit,
        v_reset=layer.v_leak + signed["v_reset"] * 16 * unit,
        refractory=words["refractory"] * job.spec.dt,
    )
    return dataclasses.replace(job, spec=dataclasses.replace(job.spec, layers=(exact,)))


def test_counts_are_those_of_the_physics_or_a_user_is_told():
    tried, spikes, off = 0, 0, 0
    for seed in range(250):
        job = draw(seed)
        try:
            found = run(job, "model")
        except InputError:
            continue
        if is_told(job, found):
            continue
        count, exact, right = (
            recording.layers[0].spikes
            for recording in (found, run(words_as_parameters(job), "physics"), run(job, "physics"))
        )
        assert np.abs(count - exact).max() <= 1, seed
        tried += 1
        spikes += int(right.sum())
        off += int(np.abs(count - right).sum())
    assert tried > 100
    assert spikes > 4000
    assert off <= spikes / 100
