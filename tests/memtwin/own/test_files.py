import numpy as np
import pytest

import memtwin as mt
from memtwin.own.files import layer_of, template
from memtwin.sim.errors import InputError
from memtwin.sim.kinds import KINDS
from memtwin.sim.own.options import rules
from memtwin.sim.own.sources import Cut
from memtwin.sim.own.train import Size

WITH_LAYERS = ("hybrid", "lif", "opamp", "stdp", "izhikevich")
SIZE = Size(inputs=3, outputs=1, step=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_to_start_from_has_every_option_and_runs_as_it_is(kind, tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(template(kind))
    layer = layer_of(kind)
    for name in [name for options in (layer, layer.circuit) for name, _, _ in rules(options)]:
        assert f"\n{name} = " in path.read_text() or f"\n# {name} = " in path.read_text()
    net = mt.load_network(path)
    assert (net.kind, net.name) == (kind, "net")
    recording = mt.simulate(net)
    assert recording.counts.sum() > 2
    near = mt.compare(net, None, "physics", "model")
    assert near["within"], near["outside"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_to_start_from_is_the_same_in_its_gateware(kind, tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(template(kind))
    found = mt.compare(mt.load_network(path), None, "model", "rtl")
    assert found["equal"]
    assert found["words"] > 100


LIF = """
kind = "lif"
name = "two layers"
[network]
dt = "2ms"
[[layer]]
inputs = 2
neurons = 3
weights = "w.csv"
tau = ["10ms", "inf", 0.02]
[[layer]]
inputs = 3
neurons = 1
weights = [[3, 3, 3]]
[input]
file = "spikes.csv"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "net.toml").write_text(LIF)
    (tmp_path / "sub" / "w.csv").write_text("9, 1\n8, 2\n0, 7\n")
    (tmp_path / "sub" / "spikes.csv").write_text("step,address\n0,0\n3,1\n3,1\n7,0\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_paths_in_a_file_are_relative_to_it_and_units_are_read(folder):
    net = mt.load_network("sub/net.toml")
    assert net.name == "two layers"
    assert net.step == 2e-3
    assert net.layers[0].weights.tolist() == [[9, 1], [8, 2], [0, 7]]
    assert net.layers[0].tau.tolist() == [10e-3, np.inf, 20e-3]
    shown = net.job(None).shown.spikes[0]
    assert np.argwhere(shown).tolist() == [[0, 0], [3, 1], [7, 0]]
    assert shown[3, 1] == 2


def test_files_of_spreadsheets_begin_with_a_mark(folder):
    plain = mt.load_network("sub/net.toml").job(None).shown.spikes
    for name in ("w.csv", "spikes.csv", "net.toml"):
        path = folder / "sub" / name
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    net = mt.load_network("sub/net.toml")
    assert net.layers[0].weights.tolist() == [[9, 1], [8, 2], [0, 7]]
    assert np.array_equal(net.job(None).shown.spikes, plain)


def test_settings_and_cards_take_the_place_of_what_a_file_has(folder):
    net = mt.load_network(
        "sub/net.toml", settings=["dt=1ms", "layer2.weights=4", "layer1.lanes=2"], cards=["ag-tio2"], bits=9
    )
    assert (net.step, net.layers[1].weights, net.layers[0].lanes) == (1e-3, 4.0, 2)
    assert net.spec.weight_bits == 9
    assert net.spec.synapse is not None


@pytest.mark.parametrize(
    ("text", "settings", "what"),
    [
        ('kind = "liff"', [], "net.toml, kind: expected one of hybrid"),
        ("[network]", [], 'expected kind = "..."'),
        ('kind = "lif"', [], r"expected a table \[\[layer\]\]"),
        ('kind = "lif"\n[[layer]]\ninputs = 2', [], "layer 1: option neurons is missing"),
        ('kind = "lif"\ncolour = 1', [], "unknown entry colour"),
        (LIF.replace("neurons = 3", "neuron = 3"), [], "layer 1: unknown option neuron; expected inputs"),
        (LIF.replace("inputs = 2", "inputs = true"), [], "layer 1, inputs: expected a whole number"),
        (LIF.replace('dt = "2ms"', 'dt = "2V"'), [], "net.toml, network, dt: expected unit s"),
        (LIF.replace("w.csv", "none.csv"), [], "weights: file .*none.csv: cannot be read"),
        (LIF.replace("spikes.csv", "none.csv"), [], "none.csv: cannot be read"),
        (LIF.replace('file = "spikes.csv"', 'train = "noise"'), [], "input: expected train, one of poisson"),
        (LIF.replace('file = "spikes.csv"', 'train = "poisson"'), [], "input: option rate is missing"),
        (LIF.replace('file = "spikes.csv"', 'train = "poisson"\nspeed = 1'), [], "input: unknown option speed"),
        (LIF.replace("inputs = 3", "inputs = 2").replace("[[3, 3, 3]]", "3"), [], "must be followed"),
        ("kind = ", [], "expected a TOML file"),
        (LIF, ["dt"], "option --set: expected NAME=VALUE"),
        (LIF, ["layer3.tau=1ms"], "option --set"),
        (LIF, ["layer1.lanes=two"], "lanes: expected a whole number"),
        (LIF, ["layer1.tau=[1, 2"], "layer 1, tau: expected .* an array of"),
        (LIF, ["layer1.tau=[1, 2]"], "layer 1, tau: expected the shape"),
        (LIF, ["layer1.tau=[1, NaN, 2]"], "layer 1, tau: expected"),
        (LIF, ["layer1.tau=" + "[" * 10**5], "layer 1, tau: expected .* an array of"),
    ],
)
def test_what_is_no_network_file_is_refused_in_a_line(text, settings, what, folder):
    (folder / "sub" / "net.toml").write_text(text)
    with pytest.raises(InputError, match=what):
        mt.load_network("sub/net.toml", settings=settings)


def test_an_array_may_be_set_as_a_text(folder):
    net = mt.load_network("sub/net.toml", settings=['layer1.tau=["10ms", 0.02, 0.03]'])
    assert net.layers[0].tau.tolist() == [10e-3, 20e-3, 30e-3]


def test_a_card_that_a_network_does_not_have_is_refused(folder):
    with pytest.raises(InputError, match="ag-sio2 is of kind threshold switch"):
        mt.load_network("sub/net.toml", cards=["ag-sio2"])


@pytest.mark.parametrize("name", ["events.csv", "times.csv", "events.npz", "times.npz", "dense.npz"])
def test_the_same_spikes_in_every_form_of_file(name, tmp_path):
    dense = np.array([[1, 0, 0], [0, 0, 0], [0, 2, 1]])
    step, row = np.array([0, 2, 2, 2]), np.array([0, 1, 1, 2])
    path = tmp_path / name
    if name == "events.csv":
        path.write_text("step, address\n0,0\n2,1\n\n2,1\n2,2\n")
    elif name == "times.csv":
        path.write_text("time_s,address\n0.0,0\n2.5e-3,1\n0.002,1\n0.0029,2\n")
    elif name == "events.npz":
        np.savez(path, steps=step, addresses=row)
    elif name == "times.npz":
        np.savez(path, times=step * 1e-3, addresses=row)
    else:
        np.savez(path, spikes=dense)
    assert np.array_equal(mt.load_spikes(path).train(SIZE).spikes[0], dense)


def test_spikes_of_nir_data(tmp_path):
    nir = pytest.importorskip("nir")
    dense = np.array([[[True, False, False], [False, False, False], [False, True, True]]])
    events = nir.TimeGriddedData(dense, 1e-3).to_event(3, time_shift=0.5e-3)
    path = tmp_path / "spikes.nir"
    nir.write_data(path, nir.NIRGraphData({"input": nir.NIRNodeData({"spikes": events})}))
    assert np.array_equal(mt.load_spikes(path).train(SIZE).spikes, dense)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("a.csv", "1,2\n", "first line step,address or time_s,address, not '1,2'"),
        ("a.csv", "step,address\n1\n", "two numbers"),
        ("a.csv", "step,address\nx,y\n", "two numbers"),
        ("a.txt", "", "expected spikes as .csv, .npz or .nir"),
        ("a.npz", "", "NPZ file of spikes"),
        ("a.nir", "", "NIR data"),
    ],
)
def test_what_are_no_spikes_is_refused_in_a_line(name, text, what, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=what):
        mt.load_spikes(tmp_path / name)


@pytest.mark.parametrize("row", ["-1,0", "1,5"])
def test_spikes_that_do_not_fit_the_network_are_refused_with_the_name_of_their_file(row, tmp_path):
    (tmp_path / "a.csv").write_text(f"step,address\n{row}\n")
    with pytest.raises(InputError, match=r"^file .*a\.csv, events: expected"):
        mt.load_spikes(tmp_path / "a.csv").train(SIZE)


def test_arrays_without_the_right_names_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", times=np.zeros(2), rows=np.zeros(2))
    with pytest.raises(InputError, match="expected the array spikes, or addresses and times"):
        mt.load_spikes(tmp_path / "a.npz")


def test_a_train_is_cut_or_followed_by_silence():
    shown = mt.program([[1, 0, 1]], "2ms", learn=False)
    for steps in (1, 2, 4):
        train = Cut(shown, steps).train(SIZE)
        assert train.spikes[0].tolist() == [[1, 0, 1], [1, 0, 1], [0, 0, 0], [0, 0, 0]][:steps]
        assert train.gates.shape == (steps, 1)
        assert train.forced.shape == (1, steps, 1)
        assert not train.learn.any()
