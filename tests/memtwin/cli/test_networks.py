"""Commands on networks that need no training: recordings, and what an import can change."""

import json

import nir
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from memtwin.cli import networks as cli_networks
from memtwin.nir.networks import StoredNetwork
from memtwin.nir.nir_io import load_network, write_nir
from memtwin.sim.errors import InputError
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec


@pytest.fixture(scope="module")
def memtwin():
    app, export_app = typer.Typer(), typer.Typer()
    app.add_typer(export_app, name="export")
    cli_networks.register(app, export_app)

    def call(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


@pytest.fixture
def net(tmp_path):
    layer = LifLayerSpec(weight=np.random.default_rng(0).uniform(0.1, 1, (3, 700)), tau=1e-2, v_threshold=0.3)
    path = tmp_path / "net.nir"
    write_nir(StoredNetwork(spec=LifSpec(layers=(layer,), dt=1e-3), names=("lif",)), path)
    return path


def report(done):
    assert done.exit_code == 0, done.output
    return {line["name"]: line for line in json.loads(done.stdout)["quantisation"]}


def test_import_tells_in_how_many_neurons_a_sum_can_be_clamped(memtwin, net):
    narrow, wide = (report(memtwin("import", net, "--json", "--bits", bits))["sum"] for bits in (6, 12))
    assert (narrow["saturated"], wide["saturated"]) == (0, 3)
    assert narrow["got"] == narrow["asked"]
    assert wide["got"] < 0.1 * wide["asked"]


def test_import_has_the_keys_of_the_contract(memtwin, net):
    found = json.loads(memtwin("import", net, "--json").stdout)
    assert {"layers", "dt_s", "dt_source", "quantisation", "warnings"} <= set(found)
    assert found["dt_s"] == 1e-3
    for line in found["quantisation"]:
        assert {"name", "asked", "got", "error", "saturated"} <= set(line)
        assert line["node"] == "lif"


def test_import_says_which_step_it_took_and_why_and_what_cannot_spike(memtwin, tmp_path):
    path = tmp_path / "net.nir"
    nir.write(path, nir.NIRGraph.from_list(nir.Linear(np.full((3, 4), 0.2)), nir.IF(np.ones(3), np.ones(3))))
    done = memtwin("import", path, "--json")
    assert "taken to be 1s, a unit: no neuron leaks, and a spike adds its weight in a step (--dt)" in done.stderr
    assert (json.loads(done.stdout)["dt_s"], json.loads(done.stdout)["dt_source"]) == (1.0, "unit")
    assert json.loads(done.stdout)["warnings"] == []
    done = memtwin("import", path, "--json", "--dt", "100us")
    assert "taken to be" not in done.stderr
    (warning,) = json.loads(done.stdout)["warnings"]
    assert warning.startswith("node if: no neuron can spike before step 12501 of 1000")
    assert f"warning: {warning}" in done.stderr


def test_import_refuses_a_weight_whose_gain_is_clamped(memtwin, tmp_path):
    path = tmp_path / "net.nir"
    node = nir.LIF(*(np.array([value]) for value in (1e-3, 10.0, 0.0, 0.5)))
    nir.write(path, nir.NIRGraph.from_list(nir.Linear(np.array([[1.0]])), node))
    arguments = ("import", path, "--dt", "100us", "--euler", "--json")
    assert memtwin(*arguments).exit_code == 0
    done = memtwin(*arguments, "--bits", 2)
    assert isinstance(done.exception, InputError)
    assert "node lif, r: asked 10" in str(done.exception)
    assert "--allow-clipping" in str(done.exception)


def test_headroom_changes_the_units_of_a_threshold(memtwin, net, tmp_path):
    words = {}
    for headroom in (8, 64):
        done = memtwin("export", "npz", net, "--headroom", headroom, "-o", tmp_path / "words.npz")
        assert done.exit_code == 0, done.output
        with np.load(tmp_path / "words.npz") as arrays:
            words[headroom] = arrays["layer1.threshold"].tolist()
    assert words == {8: [4096] * 3, 64: [512] * 3}


def test_a_recording_of_an_experiment_is_nir_data(memtwin, tmp_path):
    for backend in ("model", "physics"):
        path = tmp_path / f"{backend}.nir"
        done = memtwin("export", "recording", "lif", "--set", "time=20ms", "--backend", backend, "-o", path)
        assert done.exit_code == 0, done.output
    model, physics = (nir.read_data(tmp_path / f"{name}.nir").nodes["layer1"] for name in ("model", "physics"))
    spikes, v = model.observables["spikes"], model.observables["v"]
    assert v.data.shape == (1, 200, 5)  # steps of 0.1 ms, five neurons
    assert np.abs(v.data - physics.observables["v"].data).max() < 1e-3
    counts = [(spikes.idx == neuron).sum() for neuron in range(5)]
    assert counts == [0, 1, 2, 3, 5]
    assert np.array_equal(spikes.idx, physics.observables["spikes"].idx)


MISTAKES = {
    "headroom": (["import", "NET", "--headroom", "3"], "option --headroom: expected a power of two from 2 to 1024"),
    "experiment": (["export", "recording", "digits", "-o", "x.nir"], "experiment digits: expected one on LIF neurons"),
    "unknown": (["export", "recording", "digit", "-o", "x.nir"], "experiment digit: unknown; expected one of"),
    "backend": (["export", "recording", "lif", "--backend", "ngspice", "-o", "x.nir"], "backend ngspice: not for"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_nothing_is_written(memtwin, net, name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    arguments, message = MISTAKES[name]
    done = memtwin(*(net if word == "NET" else word for word in arguments))
    assert isinstance(done.exception, InputError)
    assert str(done.exception).startswith(message)
    assert "\n" not in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["net.nir"]


def test_a_name_of_a_node_is_shown_and_not_obeyed(memtwin, tmp_path):
    name = "\x1b[2J\u202e[red]"
    layer = LifLayerSpec(weight=np.ones((3, 4)), tau=1e-2, v_threshold=0.3)
    write_nir(StoredNetwork(spec=LifSpec(layers=(layer,), dt=1e-3), names=(name,)), tmp_path / "net.nir")
    done = memtwin("import", tmp_path / "net.nir")
    assert done.exit_code == 0, done.output
    assert r"\x1b[2J\u202e[red]" in done.output
    assert done.output.replace("\n", "").isprintable()
    assert json.loads(memtwin("import", tmp_path / "net.nir", "--json").stdout)["layers"][0]["node"] == name


def test_what_a_word_clips_is_refused_unless_it_is_allowed(memtwin, tmp_path):
    layer = LifLayerSpec(weight=np.ones((1, 2)), tau=1e-2, v_threshold=0.3, bias=1e4)
    path = tmp_path / "net.nir"
    write_nir(StoredNetwork(spec=LifSpec(layers=(layer,), dt=1e-3), names=("lif",)), path)
    for arguments in (("import", path), ("export", "mem", path, "-o", tmp_path / "words.mem")):
        done = memtwin(*arguments)
        assert isinstance(done.exception, InputError)
        assert "net.nir, node lif, bias: asked 1e+04" in str(done.exception)
    assert not (tmp_path / "words.mem").exists()
    (line,) = json.loads(memtwin("import", path, "--json", "--allow-clipping").stdout)["warnings"]
    assert line.startswith("quantisation clips bias: asked 1e+04")
    assert memtwin("export", "mem", path, "-o", tmp_path / "words.mem", "--allow-clipping").exit_code == 0


@pytest.mark.parametrize(("mode", "bright", "dim", "dark"), [("rate", 255, 2, 0), ("latency", 1, 4, 0)])
def test_a_network_of_another_program_is_told_how_images_are_shown(memtwin, net, tmp_path, mode, bright, dim, dark):
    with pytest.raises(InputError, match=r"net\.nir: does not say .* export nir .*net\.nir --encoding"):
        load_network(str(net)).shown()
    path = tmp_path / "shown.nir"
    done = memtwin(
        "export",
        "nir",
        net,
        "--encoding",
        mode,
        "--steps",
        25,
        "--dt",
        "2ms",
        "--reset",
        "subtract-delayed",
        "-o",
        path,
    )
    assert done.exit_code == 0, done.output
    network = load_network(str(path))
    shown = network.shown()
    assert (shown.mode, shown.decoder, shown.steps) == (mode, "rate", 25)
    pixels = {"rate": [255, 2, 1], "latency": [255, 64, 63]}[mode]
    assert shown.values[pixels].tolist() == [bright, dim, dark]
    assert network.spec.dt == 2e-3
    assert network.spec.layers[0].reset == "subtract-delayed"


def test_a_file_that_does_not_say_how_images_are_shown_is_imported_as_a_user_says(memtwin, net):
    shown = ("--encoding", "latency", "--steps", 3, "--decoder", "first spike")
    found = json.loads(memtwin("import", net, "--json", *shown).stdout)
    assert found["encoding"] == {"mode": "latency", "decoder": "first spike", "steps": 3}
    assert json.loads(memtwin("import", net, "--json").stdout)["encoding"] is None


@pytest.mark.parametrize("options", [("--encoding", "rate"), ("--steps", 5), ("--encoding", "morse", "--steps", 5)])
def test_an_encoding_that_is_not_whole_is_refused(memtwin, net, tmp_path, options):
    done = memtwin("export", "nir", net, *options, "-o", tmp_path / "x.nir")
    assert isinstance(done.exception, InputError)
    assert not (tmp_path / "x.nir").exists()
