"""Jobs that the tests of Izhikevich neurons share."""

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.izhikevich.shown import Drive
from memtwin.sim.izhikevich.spec import IzhikevichSpec

CARDS = tuple(load_card(f"izhikevich-{name}") for name in ("rs", "ib", "ch", "fs", "lts"))


def silent(steps, rows=1, trials=1):
    return np.zeros((trials, sum(steps), rows), dtype=np.uint8)


def constant_job(current=10.0, *, cards=CARDS, step=0.5e-3, time=0.2, **values):
    """Every neuron under a constant current; no input has a spike."""
    steps = (round(time / step),)
    drive = Drive(steps=steps, inputs=silent(steps), current=np.full((1, 1, len(cards)), float(current)))
    spec = IzhikevichSpec(devices=cards, weight=np.ones((len(cards), 1)), step=step)
    return Job(spec=spec, shown=drive, **{"record": True, **values})


def random_job(neurons, rows, *, seed=0, trials=2, steps=(60, 1, 100), step=0.5e-3, largest=15.0):
    """Poisson inputs of both signs, other currents in every presentation, all cards."""
    rng = np.random.default_rng(seed)
    inputs = (rng.random((trials, sum(steps), rows)) < 0.1).astype(np.uint8)
    current = rng.uniform(-5, 20, (trials, len(steps), neurons))
    weight = rng.uniform(-0.5, 1, (neurons, rows)) * largest
    devices = tuple(CARDS[(seed + number) % len(CARDS)] for number in range(neurons))
    spec = IzhikevichSpec(devices=devices, weight=weight, step=step)
    return Job(spec=spec, shown=Drive(steps=steps, inputs=inputs, current=current), seed=seed, record=True)
