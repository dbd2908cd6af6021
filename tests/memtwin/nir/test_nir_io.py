"""NIR files: what is written comes back with the same spikes; what others wrote is read."""

import dataclasses
import math

import nir
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.nir.networks import Encoding, StoredNetwork, card_text, soonest_spikes
from memtwin.nir.nir_io import graph_of, read_nir, write_nir
from memtwin.sim.backends import Job, run
from memtwin.sim.cards import card_names, load_card
from memtwin.sim.errors import InputError
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import RESETS, LifLayerSpec, LifSpec
from tests.memtwin.nir.graphs import (
    W,
    chain,
    images,
    lif,
    model,
    random_network,
    tree,
    with_lif,
    write_tree,
)


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


def test_headroom_is_kept_and_can_be_changed(tmp_path):
    layer = LifLayerSpec(weight=np.ones((2, 3)), tau=1e-2, headroom=32)
    network = StoredNetwork(spec=LifSpec(layers=(layer,), dt=1e-3), names=("wide",))
    write_nir(network, tmp_path / "net.nir")
    assert read_nir(tmp_path / "net.nir").spec.layers[0].headroom == 32
    assert read_nir(tmp_path / "net.nir", headroom=4).spec.layers[0].headroom == 4


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
