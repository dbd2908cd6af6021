"""NIR files as other programs write them, against NIR's equations in plain NumPy, spike by spike.

`play` knows nothing of the engine: it takes the numbers that went into the file, the step, how the program integrates
and when it resets.
"""

import nir
import numpy as np
import pytest

from memtwin.nir.nir_io import read_nir
from memtwin.sim.lif import model, physics
from memtwin.sim.model_parts import Saturations

STEPS = 150
ROWS = 20


def neurons(rng, count, rows, scale, **changes):
    """Numbers of one layer: weights in single precision, as all programs have them, and the rest for each neuron."""
    values = {"tau": 1e-2, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | changes
    weight = (rng.normal(0.3, 1, (count, rows)) * scale).astype(np.float32)
    return {"weight": weight.astype(float)} | {
        name: np.broadcast_to(value, (count,)).astype(float) for name, value in values.items()
    }


def snntorch(rng):
    """`Leaky` with beta 0.9 at its step of 100 us: tau = dt / (1 - beta), r = tau / dt."""
    return [neurons(rng, count, rows, 0.3, tau=1e-3, r=10.0) for count, rows in ((15, ROWS), (5, 15))]


def norse(rng):
    """Each neuron has learned its time constant and threshold."""
    own = {"tau": rng.uniform(4e-3, 2e-2, 15), "r": rng.uniform(0.5, 2, 15), "v_threshold": rng.uniform(0.3, 0.6, 15)}
    return [neurons(rng, 15, ROWS, 0.8, **own)]


def sinabs(rng):
    """Neurons without leak, to which a spike adds its weight."""
    return [neurons(rng, count, rows, 0.3, tau=np.inf) for count, rows in ((15, ROWS), (5, 15))]


def biology(rng):
    """Volts, ohms and amperes of a cell."""
    return [neurons(rng, 15, ROWS, 1e-9, tau=2e-2, r=1e8, v_leak=-65e-3, v_threshold=-50e-3, v_reset=-70e-3)]


def strong(rng):
    """A single spike moves a membrane by two thresholds."""
    layer = neurons(rng, 3, ROWS, 1.0, tau=1e-3, r=10.0, v_threshold=0.5)
    return [layer | {"weight": np.ones((3, ROWS))}]


def graph_of(layers):
    nodes = []
    for layer in layers:
        own = {name: values for name, values in layer.items() if name != "weight"}
        nodes.append(nir.Linear(layer["weight"]))
        if np.isinf(own["tau"]).any():
            nodes.append(nir.IF(own["r"], own["v_threshold"], own["v_reset"]))
        else:
            nodes.append(nir.LIF(**own))
    return nir.NIRGraph.from_list(nir.Input(np.array([ROWS])), *nodes, nir.Output(np.array([len(layer["weight"])])))


def play(layers, events, dt, *, euler, reset):
    """Spikes of every layer, (steps, neurons)."""
    out, states = [[] for _ in layers], [[layer["v_leak"], np.zeros(len(layer["weight"]), bool)] for layer in layers]
    for spikes in events:
        for layer, state, own in zip(layers, states, out, strict=True):
            v, late = state
            current = layer["r"] * (layer["weight"] @ spikes)
            if np.isinf(layer["tau"]).any():
                u = v + dt * current
            elif euler:
                u = v + dt / layer["tau"] * (layer["v_leak"] - v + current)
            else:
                end = layer["v_leak"] + current
                u = end + (v - end) * np.exp(-dt / layer["tau"])
            drop = layer["v_threshold"] - layer["v_leak"]
            if reset == "subtract-delayed":
                u = u - late * drop
            if reset == "value-delayed":
                u = np.where(late, layer["v_reset"], u)
            spikes = u > layer["v_threshold"]
            after = {"value": layer["v_reset"], "subtract": u - drop}.get(reset, u)
            state[:] = np.where(spikes, after, u), spikes
            own.append(spikes)
    return [np.array(spikes) for spikes in out]


def follow(layers, events):
    """Spikes of the layers of a backend."""
    for layer in layers:
        layer.begin(np.zeros(1, dtype=np.int64))
    out = [[] for _ in layers]
    for spikes in events:
        shown = spikes[None]
        for layer, own in zip(layers, out, strict=True):
            own.append(layer.step(shown.astype(np.float32), np.ones(1, bool))[0])
            shown = own[-1][None]
    return [np.array(spikes) for spikes in out]


@pytest.mark.parametrize(
    ("program", "dt", "euler", "reset"),
    [
        *((snntorch, None, True, reset) for reset in ("subtract-delayed", "value-delayed", "subtract", "value")),
        (norse, 1e-3, True, "value"),
        (sinabs, None, False, "subtract"),
        (sinabs, None, False, "value"),
        (biology, 1e-3, False, "value"),
        (strong, None, True, "value"),
    ],
)
def test_a_file_spikes_as_its_program(tmp_path, program, dt, euler, reset):
    rng = np.random.default_rng(1)
    layers = program(rng)
    events = rng.random((STEPS, ROWS)) < 0.2
    nir.write(tmp_path / "net.nir", graph_of(layers))
    network = read_nir(tmp_path / "net.nir", dt=dt, euler=euler, reset=reset, weight_bits=13)
    assert network.warnings() == []
    right = play(layers, events, network.spec.dt, euler=euler, reset=reset)
    exact = follow([physics.Layer(own, network.spec.dt, own.weight[None]) for own in network.spec.layers], events)
    words = follow([model.Layer(own, Saturations(1)) for own in network.coefficients()], events)
    for wanted, floats, integers in zip(right, exact, words, strict=True):
        assert wanted.sum() > 50
        assert np.array_equal(floats, wanted)
        # A spike that hangs on the rounding moves, and with it what comes after; the numbers stay.
        assert np.abs(integers.sum(axis=0) - wanted.sum(axis=0)).max() <= 1
