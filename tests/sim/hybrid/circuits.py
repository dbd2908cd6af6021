"""Jobs for the physics of hybrid neurons, and what is read from it."""

import numpy as np

from memtwin.sim.backends import Job, run
from memtwin.sim.cards import load_card
from memtwin.sim.hybrid.physics_ts import ThresholdSwitch
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec

HALF = 250e-6
DEVICE = ThresholdSwitch.from_card(load_card("ag-sio2"))


def arrays(*values):
    return [np.array([[value]]) for value in values]


def make(layers, pixels, *, periods=20, learn=0, seed=0, record=True, gates=None, spec=None, **program):
    pixels = np.asarray(pixels)
    pixels = pixels.reshape((1,) * (3 - pixels.ndim) + pixels.shape)
    layers = layers if isinstance(layers, tuple) else (layers,)
    gates = np.ones(layers[-1].neurons) if gates is None else gates
    shown = Program.build(pixels, gates=gates, learn=(learn,) * len(layers), periods=periods, **program)
    return Job(spec=NetworkSpec(layers=layers, **(spec or {})), shown=shown, seed=seed, record=record)


def physics(*args, **kwargs):
    return run(make(*args, **kwargs), "physics")


def neuron(**changes):
    defaults = {"rows": 2, "neurons": 1, "v_in": 1.8, "g_initial": np.array([[100e-6, 25e-6]]), "depression": False}
    return LayerSpec(**(defaults | changes))


def times(recording, kind, layer=0, trial=0, neuron=0):
    events = recording.layers[layer].events[trial]
    return np.array([event.time_s for event in events if event.kind == kind and event.neuron == neuron])


def xorshift(s):
    s ^= (s << 13) & 0xFFFFFFFF
    s ^= s >> 17
    return s ^ ((s << 5) & 0xFFFFFFFF)
