"""Random valid cards, circuits and stimuli of hybrid and of op-amp neurons, by seed."""

import numpy as np

from memtwin.sim.backends import Run
from memtwin.sim.cards import load_card
from memtwin.sim.network import LayerSpec, NetworkSpec
from memtwin.sim.program import Program

AMPLITUDES = 4


def _spread(random, low, high):
    """Draw a value, uniform in its logarithm."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def hybrid(seed):
    """One hybrid neuron on random cards at four amplitudes, 24 clock periods each."""
    random = np.random.default_rng([9, seed])
    clock = _spread(random, 20, 20e3)
    half = 0.5 / clock
    v0 = _spread(random, 0.12, 1.2)
    # The time from rest to the threshold at 1 V, if there were no leak, in half-periods.
    pulses = _spread(random, 0.7, 8)
    tau_leak = half * _spread(random, 4, 100)
    device = load_card("ag-sio2").replace(
        g0=np.exp(-1 / v0) / (pulses * half),
        v0=v0,
        tau_leak=tau_leak,
        tau_relax=half * _spread(random, 0.1, 1.0),
        theta_off=_spread(random, 0.01, 0.3),
        x_max=random.uniform(1.5, 3.99),
        v_hold=random.uniform(0.05, 0.5),
        theta_c2c=random.uniform(0, 0.2),
        theta_d2d=random.uniform(0, 0.05),
        gain_d2d=random.uniform(0, 0.05),
    )
    g_max = _spread(random, 10e-6, 5e-3)
    g_min = g_max * _spread(random, 0.01, 0.3)
    synapse = load_card("ta-hfo2").replace(
        g_max=g_max,
        g_min=g_min,
        potentiation=random.uniform(0.02, 0.6),
        depression=random.uniform(0.02, 0.6),
        g_d2d=random.uniform(0, 0.1),
    )
    neuron = load_card("hybrid-neuron").replace(
        clock=clock, g_load=g_max * random.uniform(0, 0.5), v_dep=random.uniform(0.8, 1.8)
    )
    rows = int(random.integers(1, 5))
    layer = LayerSpec(
        rows=rows,
        neurons=int(random.integers(1, 4)),
        v_in=tuple(random.uniform(0.8, 2.2, AMPLITUDES).tolist()),
        g_initial=_spread(random, g_min, g_max),
        refractory=bool(random.integers(4)),
        depression=bool(random.integers(2)),
        scaled=bool(random.integers(2)),
        skip=bool(random.integers(2)),
    )
    spec = NetworkSpec(
        layers=(layer,),
        device=device,
        synapse=synapse,
        neuron=neuron,
        substeps=int(2 ** random.integers(4, 8)),
        c2c=bool(random.integers(3) == 0),
        d2d=bool(random.integers(2)),
    )
    pixels = random.integers(0, 2, (AMPLITUDES, 2, rows))
    pixels[..., 0] = 1
    program = Program.build(
        pixels, gates=np.ones(layer.neurons), learn=(int(random.integers(2)),), periods=12, rest=int(random.integers(3))
    )
    return Run(spec=spec, program=program, seed=seed, record=True)
