"""Synapses of a NIR graph, one after the other and in branches, are one matrix for each layer."""

import nir
import numpy as np
import pytest

from memtwin.nir.nir_io import read_nir
from tests.memtwin.nir.graphs import W, chain, graph, images, lif, model


def test_synapses_one_after_the_other_are_one_matrix():
    bias = np.array([0.5, -0.5, 0.25])
    scale = np.array([1.0, 2.0, 0.0, -1.0])
    turn = np.random.default_rng(1).normal(0, 1, (3, 3))
    graph = chain(nir.Input(np.array([4])), nir.Scale(scale), nir.Affine(W, bias), nir.Linear(turn), lif())
    layer = read_nir(graph, dt=1e-3).spec.layers[0]
    assert layer.weight == pytest.approx(turn @ W @ np.diag(scale))
    assert layer.bias == pytest.approx(turn @ bias)


def test_neurons_without_synapses_have_the_identity():
    spec = read_nir(chain(nir.Input(np.array([3])), lif(), nir.IF(np.ones(3), np.ones(3))), dt=1e-3).spec
    assert [layer.weight.tolist() for layer in spec.layers] == [np.eye(3).tolist()] * 2
    assert [np.isinf(layer.per_neuron("tau")).all() for layer in spec.layers] == [False, True]


def test_flatten_and_nested_graphs_are_taken_apart():
    inner = chain(nir.Input(np.array([4])), nir.Linear(W), lif(v_reset=0.1), nir.Output(np.array([3])))
    flat = nir.Flatten(np.array([1, 2, 2]), 0, -1)
    graph = nir.NIRGraph(
        {"in": nir.Input(np.array([1, 2, 2])), "flat": flat, "block": inner, "out": nir.Output(np.array([3]))},
        [("in", "flat"), ("flat", "block"), ("block", "out")],
    )
    network = read_nir(graph, dt=1e-3)
    assert network.names == ("block.lif",)
    assert np.array_equal(network.spec.layers[0].weight, W)
    assert network.spec.layers[0].per_neuron("v_reset").tolist() == [0.1] * 3


def test_branches_that_meet_before_neurons_add_up():
    # in -> a, in -> scale -> b, both and their common bias into the neurons.
    bias = np.array([0.5, -0.5, 0.25])
    scale, other = np.array([1.0, 2.0, 0.0, -1.0]), np.random.default_rng(3).normal(0, 1, (3, 4))
    nodes = {"a": nir.Affine(W, bias), "scale": nir.Scale(scale), "b": nir.Affine(other, bias), "lif": lif()}
    edges = [("in", "a"), ("in", "scale"), ("scale", "b"), ("a", "lif"), ("b", "lif"), ("lif", "out")]
    layer = read_nir(graph(nodes, edges), dt=1e-3).spec.layers[0]
    assert layer.weight == pytest.approx(W + other * scale)
    assert layer.bias == pytest.approx(2 * bias)


def test_a_skip_of_synapses_is_the_identity():
    # A residual block between two layers of neurons: branches split and meet at synapses, too.
    turn, last = np.random.default_rng(1).normal(0, 1, (2, 3, 3))
    nodes = {"fc": nir.Linear(W), "lif": lif(), "turn": nir.Linear(turn), "last": nir.Linear(last), "end": lif()}
    way = [("in", "fc"), ("fc", "lif"), ("lif", "turn"), ("turn", "last"), ("lif", "last"), ("last", "end")]
    network = read_nir(graph(nodes, [*way, ("end", "out")]), dt=1e-3)
    assert network.names == ("lif", "end")
    assert network.spec.layers[1].weight == pytest.approx(last @ (turn + np.eye(3)))


def test_a_branching_graph_spikes_like_its_sum():
    # Whole numbers, so that both have the same levels.
    random = np.random.default_rng(6)
    one, other = random.integers(-7, 8, (2, 3, 4)).astype(float)
    nodes = {"one": nir.Linear(one), "other": nir.Linear(other), "lif": lif()}
    edges = [("in", "one"), ("in", "other"), ("one", "lif"), ("other", "lif"), ("lif", "out")]
    whole = chain(nir.Input(np.array([4])), nir.Linear(one + other), lif(), nir.Output(np.array([3])))
    found = [model(read_nir(own, dt=1e-3).spec, images(4)).layers[0].spikes for own in (graph(nodes, edges), whole)]
    assert found[0].sum() > 10
    assert np.array_equal(*found)
