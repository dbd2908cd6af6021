"""Random networks of hybrid neurons."""

from itertools import pairwise

from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import TIES, LayerSpec, NetworkSpec
from tests.structures.draw import Dice


def draw(dice: Dice) -> Job:
    """Draw a job: structure, options, cards, program."""
    trials, presentations = dice.pick(1, 2, 3), dice.pick(1, 2, 4, 6)
    sizes = dice.sizes()
    layers = tuple(_layer(dice, rows, neurons, trials) for rows, neurons in pairwise(sizes))
    spread = {name: (0.0, 0.25) for name in ("theta_d2d", "gain_d2d")}
    spec = NetworkSpec(
        layers=layers,
        device=dice.card(
            load_card("ag-sio2"), g0=(150, 900), v_hold=(0.05, 0.5), x_max=(1.2, 4), theta_off=(0.01, 0.5), **spread
        ),
        synapse=dice.card(load_card("ta-hfo2"), g_d2d=(0.0, 0.25)),
        neuron=dice.card(load_card("hybrid-neuron"), v_dep=(1.0, 2.5), v_spike=(1.5, 3.5), tau_adapt=(5e-3, 1)),
        lia=dice.card(load_card("lia")),
        substeps=dice.pick(1, 2, 4, 8, 16, 16, 32),
        c2c=dice.chance(0.5),
        d2d=dice.chance(0.5),
    )
    return Job(spec=spec, shown=_program(dice, sizes, (trials, presentations)), seed=dice.seed, record=True)


def _layer(dice: Dice, rows: int, neurons: int, trials: int) -> LayerSpec:
    return LayerSpec(
        rows=rows,
        neurons=neurons,
        v_in=dice.rng.uniform(1.3, 3.5, trials) if dice.chance(0.2) else dice.rng.uniform(1.3, 3.5),
        g_initial=dice.log(50e-6, 950e-6, (neurons, rows)) if dice.chance(0.7) else dice.log(50e-6, 950e-6),
        inhibition=dice.chance(0.5),
        tie=dice.pick(*TIES),
        one_cycle=dice.chance(0.3),
        refractory=dice.chance(0.8),
        depression=dice.chance(0.8),
        adaptive=dice.chance(0.4),
        scaled=dice.chance(0.4),
        skip=dice.chance(0.7),
        resistors=dice.chance(0.2),
        lanes=dice.lanes(neurons),
    )


def _program(dice: Dice, sizes: list[int], shape: tuple[int, int]) -> Program:
    rng, layers = dice.rng, len(sizes) - 1
    return Program.build(
        dice.bits(dice.pick(0.3, 0.7, 1.0), *shape, sizes[0]),
        gates=dice.bits(0.8, *shape, sizes[-1]),
        learn=dice.bits(0.7, *shape, layers),
        until=rng.integers(0, layers, shape),
        fires=rng.integers(0, 4, shape),
        periods=rng.integers(1, 14, shape),
        rest=rng.integers(0, 3, shape),
    )
