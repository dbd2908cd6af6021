"""Random valid cards, circuits and stimuli of hybrid and of op-amp neurons, by seed."""

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import CIRCUITS, OpampSpec
from memtwin.sim.opamp.spec import LayerSpec as OpampLayerSpec

AMPLITUDES = 4


def _spread(random, low, high):
    """Draw a value, uniform in its logarithm."""
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


def hybrid(seed):
    """One hybrid neuron on random cards at four amplitudes, 24 clock periods each."""
    random = np.random.default_rng([9, seed])
    clock = _spread(random, 20, 20e3)
    half = 0.5 / clock
    v0 = _spread(random, 0.2, 1.2)
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
        clock=clock, g_load=g_max * random.uniform(0, 0.5), v_dep=random.uniform(0.8, 1.6)
    )
    rows = int(random.integers(1, 5))
    layer = LayerSpec(
        rows=rows,
        neurons=int(random.integers(1, 4)),
        v_in=tuple(random.uniform(0.8, 2.0, AMPLITUDES).tolist()),
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
    return Job(spec=spec, shown=program, seed=seed, record=True)


def opamp(seed, circuit=None):
    """One op-amp neuron on random cards, three inputs one after the other, each with a rest after it."""
    random = np.random.default_rng([10, seed])
    circuit = circuit or sorted(CIRCUITS)[int(random.integers(len(CIRCUITS)))]
    substep = _spread(random, 2e-6, 20e-6)
    v_th = random.uniform(0.5, 1.5)
    r_on = _spread(random, 1e3, 5e3)
    switch = load_card("ts-500k").replace(
        r_off=r_on * _spread(random, 50, 2000),
        r_on=r_on,
        v_th=v_th,
        v_hold=v_th * random.uniform(0.4, 0.95),
        tau_on=substep * _spread(random, 6, 40),
        tau_off=substep * _spread(random, 6, 40),
    )
    neuron = load_card("opamp").replace(
        r1=random.uniform(300, 1500),
        r2=_spread(random, 1e6, 1e7),
        v1=float(random.choice([0.0, 0.0, random.uniform(0.05, 0.3)])),
        v_sat=random.uniform(3, 8),
    )

    def memristor(name):
        r_initial = _spread(random, 1e6, 1e8)
        return load_card(name).replace(
            r_initial=r_initial,
            r_floor=r_initial / _spread(random, 10, 1000),
            v_floor=v_th * random.uniform(0.4, 3),
            exponent=random.uniform(1, 7),
            tau=substep * _spread(random, 500, 8000),
        )

    kind, place = CIRCUITS[circuit]
    first = memristor("rm-novelty") if kind == "dynamic" else None
    second = memristor("rm-learning") if place != "switch" else None
    feedback = first["r_initial"] if first is not None else neuron["r2"]
    currents = v_th * random.uniform(0.7, 4, 3) / feedback
    layer = OpampLayerSpec(
        rows=3,
        neurons=1,
        circuit=circuit,
        g_initial=currents[None] / neuron["v_pulse"],
        neuron=neuron,
        switch=switch,
        first=first,
        second=second,
    )
    spec = OpampSpec(layers=(layer,), synapse=load_card("nv-synapse"), substep=substep)
    stimulus = Stimulus.build(np.eye(3)[None], on=random.integers(100, 500, 3), off=100, gates=[1], learn=[0])
    return Job(spec=spec, shown=stimulus, seed=seed, record=True)
