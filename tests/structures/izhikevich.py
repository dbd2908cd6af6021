"""Random layers of Izhikevich neurons."""

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.izhikevich.shown import Drive
from memtwin.sim.izhikevich.spec import IzhikevichSpec
from tests.structures.draw import Dice

CARDS = tuple(load_card(f"izhikevich-{name}") for name in ("rs", "ib", "ch", "fs", "lts"))


def draw(dice: Dice) -> Job:
    """Draw a job: structure, cards, weights, step, spikes and currents."""
    rows, neurons = dice.pick(dice.size(), dice.size(), 17), dice.size()
    ranges = {"b": (-0.5, 0.5), "c": (-0.15, 0.02), "d": (-20.0, 20.0), "v_threshold": (-0.04, 0.1)}
    spec = IzhikevichSpec(
        devices=tuple(dice.card(dice.pick(*CARDS), **ranges) for _ in range(neurons)),
        weight=dice.rng.uniform(-1, 1, (neurons, rows)) * dice.log(1, 100),
        step=dice.pick(0.5e-3, dice.log(0.1e-3, 1e-3)),
    )
    trials, steps = dice.pick(1, 2, 3), dice.pick((1,), (60,), (1, 2, 30), (20, 40))
    drive = Drive(
        steps=steps,
        inputs=dice.bits(dice.pick(0.05, 0.3, 0.9), trials, sum(steps), rows),
        current=np.clip(dice.rng.normal(10, dice.pick(5, 50), (trials, len(steps), neurons)), -100, 100),
    )
    return Job(spec=spec, shown=drive, seed=dice.seed, record=True)
