"""NIR files: what is written comes back with the same spikes; what others wrote is read, or refused in a line."""

import dataclasses
import json
import math

import h5py
import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.nir.networks import Encoding, StoredNetwork, card_text, soonest_spikes
from memtwin.nir.nir_io import graph_of, load_network, read_nir, write_nir
from memtwin.nir.recording import data_of, write_recording
from memtwin.sim.backends import Job, run
from memtwin.sim.cards import card_names, load_card
from memtwin.sim.errors import InputError
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import RESETS, LifLayerSpec, LifSpec


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


# What is written comes back.


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 1000), reset=st.sampled_from(RESETS), leaky=st.booleans())
def test_a_file_gives_the_same_words_and_spikes(tmp_path_factory, seed, reset, leaky):
    network = random_network(seed, reset=reset, leaky=leaky, bits=5 + seed % 4)
    path = tmp_path_factory.mktemp("nir") / "net.nir"
    write_nir(network, path)
    back = read_nir(path)
    assert back.names == network.names
    assert (back.spec.dt, back.spec.weight_bits, back.spec.capacity) == (1e-3, 5 + seed % 4, 18)
    for a, b in zip(network.coefficients(), back.coefficients(), strict=True):
        assert {name: words.tolist() for name, words in a.words.items()} == {
            name: words.tolist() for name, words in b.words.items()
        }
    first, second = (model(own.spec, images(16)) for own in (network, back))
    for a, b in zip(first.layers, second.layers, strict=True):
        assert a.spikes.sum() > 0
        assert np.array_equal(a.spikes, b.spikes)


def test_encoding_notes_and_cards_come_back(tmp_path):
    values = np.arange(256)[::-1].astype(np.uint8)
    card = load_card("ag-sio2")
    network = dataclasses.replace(
        random_network(1),
        encoding=Encoding(mode="latency", decoder="first spike", steps=300, values=values),
        notes={"accuracy": 0.9, "training": {"seed": 3}},
        cards={card.name: card_text(card)},
    )
    write_nir(network, tmp_path / "net.nir")
    back = read_nir(tmp_path / "net.nir")
    assert (back.encoding.mode, back.encoding.decoder, back.encoding.steps) == ("latency", "first spike", 300)
    assert np.array_equal(back.encoding.values, values)
    assert back.notes == network.notes
    assert back.source == str(tmp_path / "net.nir")
    # Any program finds the card beside the neurons.
    text = nir.read(tmp_path / "net.nir").nodes["hidden"].metadata["card_ag-sio2"]
    (tmp_path / "own.toml").write_text(text, encoding="utf-8")
    assert load_card(tmp_path / "own.toml") == card
    assert back.cards == {"ag-sio2": text}


@pytest.mark.parametrize("name", card_names())
def test_a_card_is_written_without_loss(tmp_path, name):
    (tmp_path / "card.toml").write_text(card_text(load_card(name)), encoding="utf-8")
    assert load_card(tmp_path / "card.toml") == load_card(name)


def test_a_card_of_odd_texts_is_written_without_loss(tmp_path):
    card = dataclasses.replace(load_card("ag-sio2"), title='"quoted"\\ \x00\x7f\x9b', citation="a\nb\tc")
    (tmp_path / "card.toml").write_text(card_text(card), encoding="utf-8")
    assert load_card(tmp_path / "card.toml") == card


def test_equal_networks_give_equal_files(tmp_path):
    for name in ("a", "b"):
        write_nir(random_network(4), tmp_path / f"{name}.nir")
    assert (tmp_path / "a.nir").read_bytes() == (tmp_path / "b.nir").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.nir", "b.nir"]


@pytest.mark.parametrize("reset", RESETS)
def test_neurons_without_leak_are_written_from_their_rest(tmp_path, reset):
    # NIR's IF has no rest: it counts from 0.
    layer = LifLayerSpec(
        weight=W, tau=math.inf, r=300.0, v_leak=0.5, v_threshold=[1.0, 1.25, 1.5], v_reset=0.25, reset=reset
    )
    network = StoredNetwork(spec=LifSpec(layers=(layer,), dt=1e-3), names=("steady",))
    write_nir(network, tmp_path / "net.nir")
    node = nir.read(tmp_path / "net.nir").nodes["steady"]
    assert (node.v_threshold.tolist(), node.v_reset.tolist()) == ([0.5, 0.75, 1.0], [-0.25] * 3)
    first, second = (model(own.spec, images(4)) for own in (network, read_nir(tmp_path / "net.nir")))
    assert first.layers[0].spikes.sum() > 20
    assert np.array_equal(first.layers[0].spikes, second.layers[0].spikes)


def test_other_programs_read_plain_neurons(tmp_path):
    write_nir(random_network(2), tmp_path / "net.nir")
    graph = nir.read(tmp_path / "net.nir")  # checks all types
    kinds = {name: type(node).__name__ for name, node in graph.nodes.items()}
    assert kinds == {
        "input": "Input",
        "hidden_synapses": "Affine",
        "hidden": "LIF",
        "answer_synapses": "Affine",
        "answer": "LIF",
        "output": "Output",
    }
    assert np.array_equal(graph.nodes["hidden"].tau, random_network(2).spec.layers[0].tau)
    own = graph_of(random_network(2, leaky=False)).nodes
    assert {type(own[name]).__name__ for name in ("hidden", "answer")} == {"IF"}


def test_a_layer_with_and_without_leak_cannot_be_said():
    layer = LifLayerSpec(weight=np.ones((2, 2)), tau=[1e-2, math.inf])
    network = StoredNetwork(spec=LifSpec(layers=(layer,), dt=1e-3), names=("mixed",), source="here")
    with pytest.raises(InputError, match="here, node mixed: NIR has no layer of neurons with and without leak"):
        graph_of(network)


# What others wrote.


def lif(count=3, **changes):
    values = {"tau": 1e-2, "r": 10.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0} | changes
    return nir.LIF(**{name: np.full(count, value, dtype=float) for name, value in values.items()})


def chain(*nodes):
    return nir.NIRGraph.from_list(*nodes)


W = np.random.default_rng(0).normal(0, 1, (3, 4))


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


def graph(nodes, edges):
    ends = {"in": nir.Input(np.array([4])), "out": nir.Output(np.array([3]))}
    return nir.NIRGraph(ends | nodes, edges, type_check=False)


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


def test_headroom_is_kept_and_can_be_changed(tmp_path):
    layer = LifLayerSpec(weight=np.ones((2, 3)), tau=1e-2, headroom=32)
    network = StoredNetwork(spec=LifSpec(layers=(layer,), dt=1e-3), names=("wide",))
    write_nir(network, tmp_path / "net.nir")
    assert read_nir(tmp_path / "net.nir").spec.layers[0].headroom == 32
    assert read_nir(tmp_path / "net.nir", headroom=4).spec.layers[0].headroom == 4


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


def test_numbers_for_all_neurons_are_repeated_and_v_reset_may_be_missing(tmp_path):
    write_tree(tmp_path / "net.nir", tree())
    layer = read_nir(tmp_path / "net.nir", dt=1e-3).spec.layers[0]
    assert layer.per_neuron("tau").tolist() == [1e-2] * 3
    assert layer.per_neuron("v_reset").tolist() == [0.0] * 3


@pytest.mark.parametrize(
    ("changes", "dt", "source"),
    [
        ({}, 1e-4, "default"),
        ({"lif": {"type": "LI", "tau": 1e-2, "r": 1.0, "v_leak": 0.0}}, 1e-4, "default"),
        ({"lif": {"type": "IF", "r": 1.0, "v_threshold": 1.0}}, 1.0, "unit"),
    ],
)
def test_a_step_that_the_file_does_not_say(tmp_path, changes, dt, source):
    write_tree(tmp_path / "net.nir", tree(**changes))
    network = read_nir(tmp_path / "net.nir")
    assert (network.spec.dt, network.dt_source, network.json()["dt_source"]) == (dt, source, source)
    given = read_nir(tmp_path / "net.nir", dt=2e-3)
    assert (given.spec.dt, given.dt_source) == (2e-3, "option")


def test_a_step_is_needed_where_some_neurons_leak_and_some_do_not(tmp_path):
    steady = {"type": "IF", "r": 1.0, "v_threshold": 1.0}
    content = tree(lif=None, output=None)
    content["nodes"] |= {"if": steady, "out": with_lif()}
    content["edges"] = [("input", "fc"), ("fc", "if"), ("if", "out")]
    write_tree(tmp_path / "net.nir", content)
    with pytest.raises(InputError, match=r"net\.nir: expected a step \(--dt\).*with leak \(out\).*without \(if\)"):
        read_nir(tmp_path / "net.nir")
    assert read_nir(tmp_path / "net.nir", dt=1e-3).spec.dt == 1e-3
    content["metadata"] = {"memtwin": '{"dt": 2e-3}'}
    write_tree(tmp_path / "own.nir", content)
    assert read_nir(tmp_path / "own.nir").dt_source == "file"


def test_integrate_and_fire_of_other_programs_adds_its_weights():
    # As Sinabs exports: IF with r 1, thresholds in weights; a step adds the weights of its spikes.
    graph = chain(nir.Input(np.array([4])), nir.Linear(W), nir.IF(np.ones(3), np.ones(3)))
    network = read_nir(graph)
    pixels = np.random.default_rng(5).integers(0, 256, (30, 4), dtype=np.uint8)
    shown = Images.latency(pixels, steps=12, decoder="rate")
    found = run(Job(spec=network.spec, shown=shown), "physics").layers[0].spikes[0]
    at = 1 + np.rint((255 - pixels.astype(int)) * 11 / 255)
    v, counts = np.zeros((30, 3)), np.zeros((30, 3), dtype=int)
    for step in range(12):
        v = v + ((at == step + 1) * (pixels > 0)) @ W.T
        counts, v = counts + (v > 1), np.where(v > 1, 0, v)
    assert counts.sum() > 20
    assert np.array_equal(found, counts)


def test_a_network_that_cannot_spike_is_told():
    def warnings(node, dt=1e-3, **options):
        return read_nir(chain(nir.Linear(np.array([[0.5, -1.0], [0.25, 0.1]])), node), dt=dt, **options).silent()

    steady = nir.IF(np.ones(2), np.ones(2))
    assert warnings(steady, dt=1.0) == []
    (line,) = warnings(steady)  # 0.5 mV in a step: the first spike in step 2001
    assert line.startswith("node if: no neuron can spike before step 2001 of 1000, even if all inputs")
    (line,) = warnings(lif(2, r=2.0))  # 1 V at most, which is not above the threshold
    assert line.startswith("node lif: no neuron can spike at all, even if")
    assert warnings(lif(2, r=2.01)) == []
    assert warnings(nir.LI(np.full(2, 1e-2), np.ones(2), np.zeros(2))) == []


@pytest.mark.parametrize("leaky", [True, False])
def test_the_soonest_spike_is_that_of_the_physics(leaky):
    rng = np.random.default_rng(8)
    layer = LifLayerSpec(
        weight=rng.normal(0, 1, (20, 6)),
        tau=rng.uniform(1e-3, 3e-2, 20) if leaky else math.inf,
        r=rng.uniform(0.1, 2, 20) * (1 if leaky else 100),
        v_leak=-0.5,
        v_threshold=rng.uniform(0, 1, 20),
        bias=rng.normal(0, 0.5, 20),
    )
    soonest = soonest_spikes(layer, 1e-3)
    positive = dataclasses.replace(
        layer, weight=layer.weight.clip(min=0), bias=layer.bias + layer.weight.clip(min=0).sum(1)
    )
    shown = Images.from_values(np.zeros((1, 6)), steps=300, mode="rate")
    job = Job(spec=LifSpec(layers=(positive,), dt=1e-3), shown=shown, record=True)
    spike = run(job, "physics").layers[0].waveform[0].signals["spike"]
    first = np.where(spike.any(axis=0), spike.argmax(axis=0) + 1, np.inf)
    assert np.isfinite(first).sum() > 5
    assert np.array_equal(first, np.where(soonest > 300, np.inf, soonest))


def test_input_and_output_may_be_missing(tmp_path):
    write_tree(tmp_path / "net.nir", tree(input=None, output=None))
    assert read_nir(tmp_path / "net.nir").spec.layers[0].rows == 4


def test_li_as_the_last_layer_answers_with_its_membrane():
    readout = nir.LI(np.full(3, 5e-3), np.ones(3), np.full(3, 0.2))
    weight = np.random.default_rng(2).integers(-20, 21, (3, 8)).astype(float)
    network = read_nir(chain(nir.Linear(weight), readout), dt=1e-3)
    pixels = np.random.default_rng(3).choice([0, 255], (40, 8)).astype(np.uint8)
    recording = model(network.spec, Images.latency(pixels, steps=4, decoder="rate"))
    assert recording.layers[0].spikes.sum() == 0
    assert recording.saturated == {}
    sums = (pixels > 0) @ weight.T  # all bright pixels spike in step 0, and then all membranes decay alike
    clear = np.diff(np.sort(sums, axis=1)[:, -2:], axis=1)[:, 0] > 0.5
    assert clear.sum() > 30
    assert np.array_equal(recording.answers[0][clear], sums.argmax(axis=1)[clear])


def test_li_with_a_bias_never_spikes_and_answers_with_its_membrane():
    rest = np.full(3, 0.2)
    bias = np.array([0.5, 2.0, -4.0])  # far more than the weights
    for tau in (5e-3, 1e-1):
        readout = nir.LI(np.full(3, tau), np.full(3, 2.0), rest)
        network = read_nir(chain(nir.Affine(W / 100, bias), readout), dt=1e-3)
        layer = network.spec.layers[0]
        assert np.array_equal(layer.per_neuron("v_reset"), rest)
        assert (layer.per_neuron("v_threshold") > rest + 2.0 * np.abs(bias).max()).all()
        recording = model(network.spec, images(4, steps=200), record=True)
        assert (recording.layers[0].spikes.sum(), recording.saturated) == (0, {})
        assert (recording.answers == 1).all()
        v = recording.layers[0].waveform[0].signals["v"][199]
        assert v == pytest.approx(rest + 2.0 * bias * -np.expm1(-0.2 / tau), abs=0.2)


def test_euler_gives_the_spikes_of_a_program_that_integrates_so():
    dt, tau = 1e-3, np.array([2e-3, 3e-3, 8e-3])
    r = 0.1371 * tau / dt
    weight = np.random.default_rng(4).integers(-3, 8, (3, 6)).astype(float)
    graph = chain(nir.Linear(weight), nir.LIF(tau, r, np.zeros(3), np.ones(3)))
    network = read_nir(graph, dt=dt, weight_bits=8, reset="subtract", euler=True)
    pixels = np.random.default_rng(5).integers(0, 256, (30, 6), dtype=np.uint8)
    shown = Images.latency(pixels, steps=12, decoder="rate")
    counts = np.zeros((30, 3), dtype=int)
    v = np.zeros((30, 3))
    at = 1 + np.rint((255 - pixels.astype(int)) * 11 / 255)
    for step in range(12):
        v = v + dt / tau * (r * ((at == step + 1) * (pixels > 0) @ weight.T) - v)
        assert np.abs(v - 1).min() > 2e-4  # no spike hangs on the rounding
        spikes = v > 1
        counts, v = counts + spikes, v - spikes
    assert counts.sum() > 20
    assert np.array_equal(model(network.spec, shown).layers[0].spikes[0], counts)
    exact = read_nir(graph, dt=dt, weight_bits=8, reset="subtract")
    assert not np.array_equal(model(exact.spec, shown).layers[0].spikes[0], counts)


def test_a_weight_that_moves_two_thresholds_spikes_in_every_step():
    # A level of one whole weight is beyond the word of a gain; with finer ones every spike comes.
    graph = chain(nir.Linear(np.array([[1.0]])), lif(1, tau=1e-3, r=10.0, v_threshold=0.5))
    network = read_nir(graph, dt=1e-4, euler=True)
    shown = Images.from_values([[255]], steps=20, mode="rate")
    found = [run(Job(spec=network.spec, shown=shown, seed=3), on) for on in ("physics", "model")]
    assert [recording.layers[0].spikes.item() for recording in found] == [20, 20]


@pytest.mark.parametrize(("reset", "spikes"), [("subtract-delayed", 46), ("value-delayed", 40), ("value", 50)])
def test_a_network_of_snntorch_spikes_as_there(reset, spikes):
    # As snnTorch exports Leaky(beta=0.9): tau = dt / (1 - beta), r = tau / dt.
    node = lif(1, tau=1e-3, r=10.0)
    network = read_nir(chain(nir.Affine(np.zeros((1, 1)), np.array([0.3])), node), dt=1e-4, euler=True, reset=reset)
    shown = Images.from_values([[0]], steps=200, mode="rate")
    found = [run(Job(spec=network.spec, shown=shown), on).layers[0].spikes.item() for on in ("physics", "model")]
    assert found == [spikes, spikes]


def test_report_counts_what_does_not_fit():
    weight = np.array([[1.0, -1.0, 0.5, 0.5]])
    graph = chain(nir.Affine(weight, np.array([1e6])), lif(1))
    network = read_nir(graph, dt=1e-3)
    with pytest.raises(InputError, match=r"node lif, bias: asked 1e\+06, got .* or clip it with --allow-clipping"):
        network.json()
    found = dataclasses.replace(network, allow_clipping=True).json()
    (warning,) = found["warnings"]
    assert warning.startswith("quantisation clips bias: asked 1e+06")
    lines = {line["name"]: line for line in found["quantisation"]}
    assert (lines["bias"]["asked"], lines["bias"]["saturated"]) == (1e6, 1)
    assert lines["bias"]["got"] < 1e3
    assert lines["weight"]["saturated"] == 0
    assert abs(lines["weight"]["error"]) <= 0.5 / 31 / 0.5


# What is refused.


def without(name):
    node = dict(tree()["nodes"]["lif"])
    del node[name]
    return node


def with_lif(**changes):
    return tree()["nodes"]["lif"] | changes


LI = {"type": "LI", "tau": 1e-2, "r": 1.0, "v_leak": 0.0}
BAD_WEIGHT = np.where(np.eye(3, 4), np.nan, 1.0)


def own(text):
    """Our metadata, as a text."""
    return {"metadata": {"memtwin": text}}


def chain_tree(first, second):
    nodes = {"input": {"type": "Input", "shape": [3]}, "a": first, "b": second, "lif": with_lif()}
    edges = [("input", "a"), ("a", "b"), ("b", "lif"), ("lif", "output")]
    return {"type": "NIRGraph", "edges": edges, "nodes": nodes | {"output": {"type": "Output", "shape": [3]}}}


MALFORMED = {
    "no nodes": ({"type": "NIRGraph", "nodes": {}, "edges": [("a", "b")]}, ": expected a graph with nodes"),
    "not a graph": ({"type": "LIF", "r": 1.0}, ": expected a NIR graph at the top, not LIF"),
    "no edges": ({"type": "NIRGraph", "nodes": tree()["nodes"]}, ": expected a list of edges"),
    "edges that are no pairs": (tree(edges=[("input", "fc", "lif")]), ": expected edges that are pairs"),
    "edge to nowhere": (tree(edges=[("input", "fc"), ("fc", "lf")]), "but there is no node lf"),
    "no type": (tree(fc={"weight": W}), ", node fc: expected a node with a type"),
    "unknown type": (tree(fc={"type": "Magic", "weight": W}), ", node fc: Magic is not supported; expected one of"),
    "convolution": (tree(fc={"type": "Conv2d", "weight": W}), ", node fc: Conv2d is not supported; expected one of"),
    "missing parameter": (tree(lif=without("v_threshold")), ", node lif: expected a field v_threshold"),
    "missing weights": (tree(fc={"type": "Linear"}), ", node fc: expected a field weight"),
    "wrong count": (tree(lif=with_lif(r=np.ones(5))), ", node lif, r: expected 1 or 3 values, not 5"),
    "wrong columns": (tree(input={"type": "Input", "shape": [5]}), ", node fc, weight: expected 5 columns"),
    "wrong output": (tree(output={"type": "Output", "shape": [2]}), ", node output, shape: expected 3 signals, not 2"),
    "weights of one axis": (tree(fc={"type": "Linear", "weight": W[0]}), ", node fc, weight: expected a matrix"),
    "weights that are no numbers": (
        tree(fc={"type": "Linear", "weight": BAD_WEIGHT}),
        "expected finite numbers, not nan",
    ),
    "a text for a number": (tree(lif=with_lif(tau="long")), ", node lif, tau: expected numbers"),
    "negative tau": (tree(lif=with_lif(tau=-1.0)), ", node lif, tau: expected more than 0, not -1"),
    "infinite tau": (tree(lif=with_lif(tau=math.inf)), ", node lif, tau: expected finite numbers, not inf"),
    "threshold at rest": (tree(lif=with_lif(v_leak=1.0)), ", node lif, v_threshold: expected more than v_leak"),
    "no neurons": (tree(lif=None, output=None), ", node fc: expected neurons (LIF, IF or LI)"),
    "synapses at the end": (tree(output={"type": "Linear", "weight": W.T}), ", node output: expected neurons"),
    "integrator inside": (tree(lif=LI, output=with_lif()), ", node lif: LI sends no spikes"),
    "too many signals": (tree(input=None, fc={"type": "Scale", "scale": np.ones(2000)}), ", node fc: expected at most"),
    "branch": (
        tree(edges=[("input", "fc"), ("fc", "lif"), ("fc", "output"), ("lif", "output")]),
        ", node output: gets from the input and from lif; expected branches of one layer of neurons",
    ),
    "recurrence": (
        tree(edges=[("input", "fc"), ("fc", "lif"), ("lif", "lif"), ("lif", "output")]),
        ", node lif: part of a loop (lif to lif); the engine has no recurrence",
    ),
    "longer recurrence": (
        tree(
            back={"type": "Linear", "weight": np.eye(3)},
            edges=[("input", "fc"), ("fc", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "output")],
        ),
        ", node back: part of a loop (back to lif to back); the engine has no recurrence",
    ),
    "skip over neurons": (
        tree(
            fc={"type": "Linear", "weight": np.eye(3, 4)},
            next=with_lif(),
            side={"type": "Linear", "weight": W},
            edges=[
                ("input", "fc"),
                ("fc", "lif"),
                ("lif", "next"),
                ("input", "side"),
                ("side", "next"),
                ("next", "output"),
            ],
        ),
        ", node next: gets from lif and from the input; expected branches of one layer of neurons: "
        "in the engine no signal passes by a layer",
    ),
    "two layers side by side": (
        tree(
            other=with_lif(),
            next=with_lif(),
            edges=[
                ("input", "fc"),
                ("fc", "lif"),
                ("fc", "other"),
                ("lif", "next"),
                ("other", "next"),
                ("next", "output"),
            ],
        ),
        ", node other: gets from the input, as lif does; expected neurons behind lif",
    ),
    "branches of other sizes": (
        tree(
            side={"type": "Linear", "weight": W[:2]},
            edges=[("input", "fc"), ("input", "side"), ("fc", "lif"), ("side", "lif"), ("lif", "output")],
        ),
        ", node lif: gets branches of 2 and 3 signals; expected equal numbers",
    ),
    "end that leads nowhere": (
        tree(
            side={"type": "Linear", "weight": W},
            edges=[("input", "fc"), ("input", "side"), ("fc", "lif"), ("lif", "output")],
        ),
        ", node side: sends to nothing; the signal ends at output",
    ),
    "synapses before the output": (
        tree(
            after={"type": "Linear", "weight": np.eye(3)},
            edges=[("input", "fc"), ("fc", "lif"), ("lif", "after"), ("after", "output")],
        ),
        ", node after: expected neurons (LIF, IF or LI) behind it",
    ),
    "headroom": (
        tree(lif=with_lif() | {"metadata": {"memtwin": '{"headroom": 3}'}}),
        ", node lif, headroom: expected a power of two from 2 to 1024 (thresholds), not 3",
    ),
    "loop": (tree(input=None, output=None, edges=[("fc", "lif"), ("lif", "fc")]), "expected one Input, not 0"),
    "loop aside": (
        tree(
            a=with_lif(),
            b=with_lif(),
            edges=[("input", "fc"), ("fc", "lif"), ("lif", "output"), ("a", "b"), ("b", "a")],
        ),
        ", node a: part of a loop",
    ),
    "loose node": (tree(edges=[("input", "fc"), ("lif", "output")]), ", node lif: nothing is sent to it"),
    "two inputs": (tree(lif={"type": "Input", "shape": [3]}), ": expected one Input, not 2 (input, lif)"),
    "damaged metadata": (tree() | {"metadata": {"memtwin": "{"}}, ", metadata memtwin: expected a JSON object"),
    "step": (tree() | {"metadata": {"memtwin": '{"dt": -1}'}}, ": dt: expected more than 0, not -1"),
    "bits": (tree() | {"metadata": {"memtwin": '{"weight_bits": "x"}'}}, "/weight_bits: expected a number"),
    "encoding": (
        tree() | {"metadata": {"memtwin": json.dumps({"encoding": {"mode": "rate", "values": [300]}})}},
        "/values: expected whole numbers from 0 to 255",
    ),
    "values that are a number": (tree() | own('{"encoding": {"values": 1000000000000}}'), "/values: expected whole"),
    "step beyond floats": (tree() | own(f'{{"dt": 1{"0" * 400}}}'), "/dt: expected a number"),
    "step of 5000 digits": (tree() | own(f'{{"dt": {"1" * 5000}}}'), ", metadata memtwin: expected a JSON object ("),
    "step that is none": (tree() | own('{"dt": NaN}'), "expected a JSON object (NaN is not finite)"),
    "two steps": (tree() | own('{"dt": 1, "dt": 2}'), "expected a JSON object ('dt' twice in an object)"),
    "deep metadata": (tree() | own("[" * 10**5), ", metadata memtwin: expected a JSON object ("),
    "negative shape": (
        tree(input={"type": "Input", "shape": [-2, -2]}),
        ", node input, shape: expected whole numbers of at least 1, not [-2.0, -2.0]",
    ),
    "shape beyond integers": (tree(input={"type": "Input", "shape": [1e300]}), ", node fc, weight: expected 1000"),
    "half a signal": (tree(input={"type": "Input", "shape": [4.5]}), ", node input, shape: expected whole numbers"),
    "digits for a number": (tree(lif=with_lif(tau=np.bytes_(b"1.0"))), ", node lif, tau: expected numbers, not |S3"),
    "many columns": (
        tree(fc={"type": "Linear", "weight": np.ones((3, 1025))}),
        "expected at most 1024 outputs and inputs",
    ),
    "weights without end": (
        chain_tree({"type": "Linear", "weight": 1e200 * np.eye(3)}, {"type": "Scale", "scale": np.full(3, 1e200)}),
        ", node b: the weights up to here multiply to what is no finite number",
    ),
    "escape bytes": (tree(fc={"type": "\x1b[2J", "weight": W}), ", node fc: \\x1b[2J is not supported"),
}


def test_complex_weights_are_refused_also_in_memory():
    weights = np.eye(3) * 1j
    with pytest.raises(InputError, match=r"node .*, weight: expected numbers, not complex128"):
        read_nir(chain(nir.Linear(weights), lif()))


def test_thousands_of_small_nodes_do_not_fill_the_memory():
    """Every Scale of 1024 signals is a matrix of a million weights, from a file of some kilobytes."""
    scales = [nir.Scale(np.ones(1024)) for _ in range(40)]
    with pytest.raises(InputError, match=r"expected at most 16777216 weights, those behind every node counted"):
        read_nir(chain(*scales, lif(1024)))


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_gives_one_line_that_names_it(tmp_path, name):
    content, message = MALFORMED[name]
    path = tmp_path / "net.nir"
    write_tree(path, content)
    with pytest.raises(InputError) as caught:
        read_nir(path)
    assert str(caught.value).startswith(str(path))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_nir_file(tmp_path):
    path = tmp_path / "net.nir"
    with pytest.raises(InputError, match=r"net\.nir: cannot be read \(No such file"):
        read_nir(path)
    path.write_bytes(b"weights")
    with pytest.raises(InputError, match=r"net\.nir: expected a NIR file, undamaged \("):
        read_nir(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("node", data=1)
    with pytest.raises(InputError, match=r"net\.nir: expected a NIR file, with a group 'node' at the top"):
        read_nir(path)
    with pytest.raises(InputError, match="network nothing: expected a NIR file, or one of"):
        load_network("nothing")


def test_no_truncated_file_gives_anything_but_one_line(tmp_path):
    path = tmp_path / "net.nir"
    write_nir(random_network(0), path)
    content = path.read_bytes()
    for size in range(0, len(content), 997):
        path.write_bytes(content[:size])
        with pytest.raises(InputError) as caught:
            read_nir(path)
        assert "\n" not in str(caught.value)


def test_an_array_that_cannot_be_is_not_read(tmp_path):
    path = tmp_path / "net.nir"
    write_tree(path, tree())
    with h5py.File(path, "a") as file:
        del file["node/nodes/fc/weight"]
        file.create_dataset("node/nodes/fc/weight", shape=(2**20, 2**20), chunks=(64, 64), dtype="f4")
    with pytest.raises(InputError, match=r"nodes/fc/weight: expected all chunks, at most 16384, not 268435456"):
        read_nir(path)


def test_a_value_that_cannot_be_represented_names_the_node(tmp_path):
    write_tree(tmp_path / "net.nir", tree(lif=with_lif(tau=1e6)))
    with pytest.raises(InputError, match=r"net\.nir, node lif, tau: expected at most"):
        read_nir(tmp_path / "net.nir", dt=1e-3).json()


# Recordings.


def test_a_recording_has_the_spikes_and_membranes_of_every_step(tmp_path):
    network = random_network(3)
    recording = model(network.spec, images(16), record=True)
    write_recording(network, recording, tmp_path / "run.nir")
    data = nir.read_data(tmp_path / "run.nir")
    data.check_nodes(graph_of(network))  # the same names and sizes
    for name, layer in zip(network.names, recording.layers, strict=True):
        spikes = data.nodes[name].observables["spikes"]
        assert np.array_equal(spikes.to_time_gridded(1e-3).data[0], layer.waveform[0].signals["spike"])
        assert np.array_equal(data.nodes[name].observables["v"].data[0], layer.waveform[0].signals["v"])
        assert (spikes.idx >= 0).sum() == layer.spikes.sum()


def test_counts_alone_are_no_recording():
    network = random_network(3)
    with pytest.raises(InputError, match="run with record=True"):
        data_of(network, model(network.spec, images(16)))
