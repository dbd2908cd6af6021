"""Jobs that the tests of the STDP backends share."""

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.stdp.shown import SpikeTrains
from memtwin.sim.stdp.spec import StdpSpec

CARD = load_card("ag-tio2")


def spec(neurons=1, rows=1, **values):
    """Neurons on the shipped card; a spike through a fresh synapse alone does not reach the threshold."""
    g_initial = np.full((neurons, rows), CARD["g_initial"])
    return StdpSpec(**{"device": CARD, "g_initial": g_initial, "kick": 0.2, **values})


def trains(inputs, forced=None, *, neurons=1, learn=1):
    """Spike trains from `inputs` (T, P, L, rows)."""
    inputs = np.asarray(inputs, dtype=np.uint8)
    if forced is None:
        forced = np.zeros((*inputs.shape[:3], neurons))
    return SpikeTrains(
        inputs=inputs,
        forced=np.asarray(forced, dtype=np.uint8),
        learn=np.broadcast_to(np.asarray(learn, dtype=np.uint8), inputs.shape[:2]).copy(),
    )


def random_job(neurons, rows, *, seed=0, trials=2, epochs=4, steps=60, **values):
    """Poisson inputs, a few forced spikes, learning in most epochs, conductances all over their range."""
    rng = np.random.default_rng(seed)
    shape = (trials, epochs, steps)
    shown = trains(
        rng.random((*shape, rows)) < 0.1,
        rng.random((*shape, neurons)) < 0.01,
        learn=np.arange(epochs) != 1,
    )
    low, high = 1 / CARD["r_off"], 1 / CARD["r_on"]
    chosen = {"g_initial": rng.uniform(low, high, (neurons, rows)), "kick": 0.4 / rows**0.5, "c2c": True, **values}
    return Job(spec=spec(**chosen), shown=shown, seed=seed, record=True)


def one_pair(dt_steps, *, neurons=1, learn=1, length=None, **values):
    """One input and one forced output spike `dt_steps` later; a silent epoch before."""
    length = length or abs(dt_steps) + 1
    inputs, forced = np.zeros((1, 2, length, 1)), np.zeros((1, 2, length, neurons))
    inputs[0, 1, max(-dt_steps, 0)] = 1
    forced[0, 1, max(dt_steps, 0)] = 1
    return Job(
        spec=spec(neurons=neurons, **{"kick": 0.01, **values}), shown=trains(inputs, forced, learn=learn), record=True
    )
