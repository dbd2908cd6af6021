"""One op-amp neuron or a layer of them on the shipped cards, for tests of the physics."""

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import CIRCUITS, LayerSpec, OpampSpec

SUBSTEP = 10e-6
AMP = load_card("opamp").replace(v_pulse=0.1)
SWITCH = load_card("ts-500k")
NOVELTY, LEARNING = load_card("rm-novelty"), load_card("rm-learning")
SYNAPSE = load_card("nv-synapse")


def layer(circuit, conductance, **changes):
    """A layer on the cards above; `conductance` is (neurons, rows)."""
    first, second = CIRCUITS[circuit]
    cards = {
        "neuron": AMP,
        "switch": SWITCH,
        "first": NOVELTY if first == "dynamic" else None,
        "second": None if second == "switch" else LEARNING,
    }
    g = np.asarray(conductance, dtype=float)
    return LayerSpec(rows=g.shape[1], neurons=g.shape[0], circuit=circuit, g_initial=g, **(cards | changes))


def staircase(circuit, amperes, *, on, off=0, trials=1, seed=0, d2d=False, smooth=False, record=True, **changes):
    """One neuron that gets one current after the other, each for `on` substeps and then for `off` none."""
    rows = np.repeat(np.eye(len(amperes), dtype=int)[None], trials, axis=0)
    one = layer(circuit, [[ampere / 0.1 for ampere in amperes]], **changes)
    stimulus = Stimulus.build(rows, on=on, off=off, gates=[1], learn=[0])
    spec = OpampSpec(layers=(one,), synapse=SYNAPSE, d2d=d2d, smooth=smooth)
    return Job(spec=spec, shown=stimulus, seed=seed, record=record)


def times(recording, kind="on", layer=0, trial=0, neuron=0):
    events = recording.layers[layer].events[trial]
    return np.array([event.time_s for event in events if event.kind == kind and event.neuron == neuron])


def pulses(recording):
    return recording.layers[0].fires[0, :, 0].tolist()


def signals(recording, layer=0):
    wave = recording.layers[layer].waveform[0]
    return wave.time_s, {name: values[:, 0] for name, values in wave.signals.items()}
