"""Random networks of op-amp neurons."""

from itertools import pairwise

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import CIRCUITS, LayerSpec, OpampSpec
from tests.structures.draw import Dice


def draw(dice: Dice) -> Job:
    """Draw a job: structure, circuits, cards, stimulus."""
    sizes = dice.sizes()
    synapse = dice.card(load_card("nv-synapse"), g_d2d=(0.0, 0.25), nonlinearity=(0.0, 1.0), potentiation=(0.05, 1.0))
    spec = OpampSpec(
        layers=tuple(_layer(dice, rows, neurons, synapse) for rows, neurons in pairwise(sizes)),
        synapse=synapse,
        substep=dice.pick(10e-6, dice.log(5e-6, 50e-6)),
        d2d=dice.chance(0.5),
    )
    shape = (dice.pick(1, 2), dice.pick(1, 2, 4))
    stimulus = Stimulus.build(
        dice.bits(dice.pick(0.5, 1.0), *shape, sizes[0]),
        on=dice.rng.integers(1, dice.pick(150, 400), shape),
        off=dice.rng.integers(0, 40, shape),
        gates=dice.bits(0.8, *shape, sizes[-1]),
        learn=dice.bits(0.8, *shape, len(sizes) - 1),
    )
    return Job(spec=spec, shown=stimulus, seed=dice.seed, record=True)


def _layer(dice: Dice, rows: int, neurons: int, synapse) -> LayerSpec:
    circuit = dice.pick(*CIRCUITS)
    kind, place = CIRCUITS[circuit]
    spreads = {"r_d2d": (0.0, 0.25)}
    neuron = dice.card(load_card("opamp"), v1=(0.0, 0.5))
    first = dice.card(load_card("rm-novelty"), exponent=(1, 6), **spreads) if kind == "dynamic" else None
    second = (
        dice.card(load_card("rm-learning"), v_floor=(0.5, 2.5), exponent=(1, 6), **spreads)
        if place != "switch"
        else None
    )
    learns = dice.chance(0.5)
    # All rows together make a volt or a few at OUT1.
    r_first = neuron["r2"] if first is None else first["r_initial"]
    g = dice.log(1.2, 8) / (neuron["v_pulse"] * r_first * max(1, rows / 2))
    g_initial = g * dice.log(0.7, 1.4, (neurons, rows))
    if learns:
        g_initial = np.clip(g_initial, synapse["g_off"], synapse["g_on"])
    return LayerSpec(
        rows=rows,
        neurons=neurons,
        circuit=circuit,
        g_initial=g_initial,
        neuron=neuron,
        switch=dice.card(load_card("ts-500k"), v_th_d2d=(0.0, 0.25)),
        first=first,
        second=second,
        learns=learns,
        lanes=dice.lanes(neurons),
    )
