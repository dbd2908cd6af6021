"""Random networks of LIF neurons."""

import math
from itertools import pairwise

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.lif.shown import DECODERS, MODES, Images
from memtwin.sim.lif.spec import HEADROOMS, RESETS, ConductancePair, LifLayerSpec, LifSpec
from memtwin.sim.lif.trains import Trains
from tests.structures.draw import Dice

_PAIR = ConductancePair(g_on=100e-6, g_off=2e-6, spread_on=0.05, spread_off=0.1)


def draw(dice: Dice) -> Job:
    """Draw a job: structure, word lengths, parameters, images."""
    sizes = dice.sizes()
    dt = dice.log(1e-4, 1e-2)
    encoder = dice.chance(0.7)
    program = _images(dice, sizes[0]) if encoder else _trains(dice, sizes[0])
    if encoder:
        capacity = sizes[0] + sizes[0] % 2 + dice.pick(0, 0, 2)
    else:
        capacity = max(1, int(program.spikes.sum(axis=2).max())) + dice.pick(0, 0, 10)
    spec = LifSpec(
        layers=tuple(_layer(dice, rows, neurons, dt) for rows, neurons in pairwise(sizes)),
        dt=dt,
        weight_bits=int(dice.rng.integers(2, 17)),
        capacity=capacity,
        synapse=_PAIR if dice.chance(0.3) else None,
        encoder=encoder,
    )
    return Job(spec=spec, shown=program, seed=dice.seed, record=True)


def _layer(dice: Dice, rows: int, neurons: int, dt: float) -> LifLayerSpec:
    rng = dice.rng

    def each(values):
        """One value for the layer, or one for each neuron."""
        return values if dice.chance(0.5) else float(values[0])

    v_leak = each(rng.uniform(-1, 1, neurons)) if dice.chance(0.3) else 0.0
    threshold = each(dice.log(0.3, 2, neurons))
    tau = math.inf if dice.chance(0.2) else each(dt * dice.log(0.5, 100, neurons))
    # A weight of 1 lifts the membrane by about 1.
    r = each(dice.log(0.5, 3, neurons)) / (dt if np.isinf(tau).all() else -np.expm1(-dt / np.asarray(tau)))
    weight = rng.normal(dice.pick(0, 0.5, 1), dice.pick(0.3, 1), (neurons, rows)) * dice.pick(0.5, 2)
    return LifLayerSpec(
        weight=weight if weight.any() else np.ones_like(weight),
        tau=tau,
        r=r,
        v_leak=v_leak,
        v_threshold=v_leak + threshold,
        v_reset=v_leak + (rng.uniform(-1, 0.2) if dice.chance(0.4) else 0.0),
        bias=each(rng.uniform(-0.2, 0.4, neurons)) if dice.chance(0.4) else 0.0,
        refractory=dice.pick(0, 0, 1, 2, 5) * dt,
        reset=dice.pick(*RESETS),
        headroom=dice.pick(8, 8, *HEADROOMS),
        lanes=int(dice.rng.integers(1, neurons + 1)),
    )


def _images(dice: Dice, rows: int) -> Images:
    trials, presentations = dice.pick(1, 2), dice.pick(1, 2, 4)
    mode = dice.pick(*MODES)
    values = dice.rng.integers(1, 14 if mode == "latency" else 256, (presentations, rows))
    values[dice.rng.random(values.shape) < dice.pick(0, 0.3, 0.7)] = 0
    return Images.from_values(
        values,
        steps=dice.rng.integers(1, 25, presentations),
        mode=mode,
        decoder=dice.pick(*DECODERS),
        trials=trials,
    )


def _trains(dice: Dice, rows: int) -> Trains:
    """Draw spikes, in some of the networks many of a row in a step."""
    shape = dice.pick(1, 2), int(dice.rng.integers(1, 60)), rows
    return Trains(spikes=dice.rng.poisson(dice.pick(0.1, 0.5, 3), shape).astype(np.uint8))
