"""Networks, and graphs of other programs, for tests of NIR files."""

import math

import h5py
import nir
import numpy as np

from memtwin.nir.networks import StoredNetwork
from memtwin.sim.backends import Job, run
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec


def model(spec, program, *, record=False):
    return run(Job(spec=spec, shown=program, seed=3, record=record), "model")


def images(rows, *, count=12, steps=10, seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (count, rows), dtype=np.uint8)
    return Images.bernoulli(pixels, steps=steps)


def random_network(seed, *, reset="value", leaky=True, bits=6):
    rng = np.random.default_rng(seed)
    layers = []
    for neurons, rows in ((9, 16), (4, 9)):
        layers.append(
            LifLayerSpec(
                weight=rng.normal(0.4, 0.5, (neurons, rows)),
                tau=rng.uniform(2e-3, 2e-2, neurons) if leaky else math.inf,
                r=rng.uniform(2.0, 4.0, neurons) * (1 if leaky else 200),
                v_leak=rng.uniform(-0.2, 0.2) if leaky else 0.0,
                v_threshold=rng.uniform(0.8, 1.2, neurons),
                v_reset=0.25,
                bias=rng.normal(0, 0.1, neurons),
                refractory=2e-3,
                reset=reset,
            )
        )
    spec = LifSpec(layers=tuple(layers), dt=1e-3, weight_bits=bits, capacity=18)
    return StoredNetwork(spec=spec, names=("hidden", "answer"))


def lif(count=3, **changes):
    values = {"tau": 1e-2, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | changes
    return nir.LIF(**{name: np.full(count, value, dtype=float) for name, value in values.items()})


def chain(*nodes):
    return nir.NIRGraph.from_list(*nodes)


W = np.random.default_rng(0).normal(0, 1, (3, 4))


def graph(nodes, edges):
    ends = {"in": nir.Input(np.array([4])), "out": nir.Output(np.array([3]))}
    return nir.NIRGraph(ends | nodes, edges, type_check=False)


def write_tree(path, tree):
    """Write nested dictionaries as NIR does, whatever is in them."""

    def put(group, members):
        for name, value in members.items():
            if isinstance(value, dict):
                put(group.create_group(name), value)
            else:
                group.create_dataset(name, data=value)

    with h5py.File(path, "w") as file:
        put(file, {"version": "1.0.8", "node": tree})


def tree(**changes):
    """A good file as nested dictionaries, with nodes replaced (or left out: None)."""
    nodes = {
        "input": {"type": "Input", "shape": [4]},
        "fc": {"type": "Linear", "weight": W},
        "lif": {"type": "LIF", "tau": 1e-2, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0},
        "output": {"type": "Output", "shape": [3]},
    } | {name: node for name, node in changes.items() if name != "edges"}
    nodes = {name: node for name, node in nodes.items() if node is not None}
    edges = changes.get("edges", list(zip(nodes, list(nodes)[1:], strict=False)))
    return {"type": "NIRGraph", "nodes": nodes, "edges": edges}


def without(name):
    node = dict(tree()["nodes"]["lif"])
    del node[name]
    return node


def with_lif(**changes):
    return tree()["nodes"]["lif"] | changes


LI = {"type": "LI", "tau": 1e-2, "r": 1.0, "v_leak": 0.0}
