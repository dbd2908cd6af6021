"""Jobs of op-amp neurons for the tests: one neuron with an input row for each current, or a chain of layers."""

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import CIRCUITS, LayerSpec, OpampSpec

SUBSTEP = 10e-6


def layer(circuit, g_initial, *, learns=False, neuron=None, switch=None, memristor=None):
    """Layer of the default cards, with some of their fields changed; `g_initial` (neurons, rows) in S."""
    first, second = CIRCUITS[circuit]
    g_initial = np.atleast_2d(np.asarray(g_initial, dtype=float))
    return LayerSpec(
        rows=g_initial.shape[1],
        neurons=g_initial.shape[0],
        circuit=circuit,
        g_initial=g_initial,
        neuron=load_card("opamp").replace(**neuron or {}),
        switch=load_card("ts-500k").replace(**switch or {}),
        first=load_card("rm-novelty").replace(**memristor or {}) if first == "dynamic" else None,
        second=load_card("rm-learning").replace(**memristor or {}) if second != "switch" else None,
        learns=learns,
    )


def steps(circuit, currents, *, on, off=0, trials=1, record=True, seed=0, d2d=False, **changes):
    """One neuron; presentation `p` drives it with ``currents[p]`` (A) for `on` substeps, then not for `off`."""
    v_pulse = load_card("opamp").replace(**changes.get("neuron", {}))["v_pulse"]
    spec = OpampSpec(
        layers=(layer(circuit, np.array(currents) / v_pulse, **changes),), synapse=load_card("nv-synapse"), d2d=d2d
    )
    pixels = np.repeat(np.eye(len(currents))[None], trials, axis=0)
    stimulus = Stimulus.build(pixels, on=on, off=off, gates=[1], learn=[0])
    return Job(spec=spec, shown=stimulus, seed=seed, record=record)


def network(*, trials=2, seed=3, on=150, off=50, presentations=4, d2d=True, record=True, v_floor="1.2V"):
    """Four inputs, three novelty neurons, two neurons that learn; random patterns and gates.

    The lower `v_floor` of the learning neurons, the more they pulse, and the less a substep resolves.
    """
    random = np.random.default_rng(7)
    first = layer("5a", random.uniform(0.4e-6, 0.8e-6, (3, 4)), neuron={"v_pulse": "0.1V"})
    weights = random.uniform(1e-6, 2e-6, (2, 3))
    second = layer(
        "6a", weights, learns=True, neuron={"r2": "9MOhm", "v_pulse": "0.1V"}, memristor={"v_floor": v_floor}
    )
    shape = (trials, presentations)
    stimulus = Stimulus.build(
        np.broadcast_to(random.integers(0, 2, (presentations, 4)) | [1, 0, 0, 0], (*shape, 4)),
        on=on,
        off=off,
        gates=np.broadcast_to(random.integers(0, 2, (presentations, 2)) | [0, 1], (*shape, 2)),
        learn=[0, 1],
    )
    spec = OpampSpec(layers=(first, second), synapse=load_card("nv-synapse"), d2d=d2d)
    return Job(spec=spec, shown=stimulus, seed=seed, record=record)
