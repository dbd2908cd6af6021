"""Random layers of neurons with STDP synapses."""

from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.stdp.shown import SpikeTrains
from memtwin.sim.stdp.spec import StdpSpec
from tests.structures.draw import Dice


def draw(dice: Dice) -> Job:
    """Draw a job: structure, card, rates, trains."""
    rows, neurons = dice.pick(dice.size(), dice.size(), 17), dice.size()
    device = dice.card(
        load_card("ag-tio2"), r_on_c2c=(0.0, 0.25), tau=(2e-3, 50e-3), tau1=(2e-3, 60e-3), tau2=(2e-3, 60e-3)
    )
    low, high = 1 / device["r_off"], 1 / device["r_on"]
    reached = device["v_th"] - device["u_rest"]
    spec = StdpSpec(
        device=device,
        g_initial=dice.rng.uniform(low, high, (neurons, rows)),
        kick=reached * dice.log(0.2, 2) if dice.chance(0.9) else 0.0,
        rate_up=dice.pick(0.0, 1.0, dice.log(0.1, 3)),
        rate_down=dice.pick(0.0, 1.0, dice.log(0.1, 3)),
        step=dice.pick(1e-3, dice.log(0.3e-3, 3e-3)),
        c2c=dice.chance(0.5),
    )
    shape = (dice.pick(1, 2, 3), dice.pick(1, 2, 4), dice.pick(1, 2, 20, 60))
    trains = SpikeTrains(
        inputs=dice.bits(dice.pick(0.05, 0.3, 0.9), *shape, rows),
        forced=dice.bits(dice.pick(0.0, 0.03, 0.3), *shape, neurons),
        learn=dice.bits(0.8, *shape[:2]),
    )
    return Job(spec=spec, shown=trains, seed=dice.seed, record=True)
