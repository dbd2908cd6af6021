"""Networks of one's own on the command line: TOML and NIR files where an experiment or design may be."""

import itertools
import json

import numpy as np
import pytest

import memtwin as mt
from tests.memtwin.cli.test_cli import document, memtwin

CHAIN = np.array([[1.0], [0.0], [0.0], [1.0], [1.0]])


@pytest.fixture(scope="module")
def net(tmp_path_factory):
    path = tmp_path_factory.mktemp("own") / "net.toml"
    done = memtwin("new", "lif", "-o", path)
    assert done.returncode == 0, done.stderr
    return path


def test_run_prints_what_the_contract_says(net, tmp_path):
    spikes = tmp_path / "in.csv"
    spikes.write_text("time_s,address\n0.001,0\n0.002,1\n0.002,2\n0.002,3\n")
    found = document("run", net, "--input", spikes, "--steps", 10)
    assert set(found) == {"experiment", "backend", "seed", "results", "acceleration", "clock_hz", "warnings"}
    assert found["results"] == {
        "spikes": {"layer1": [[2, neuron] for neuron in range(3)]},
        "counts": {"layer1": [1, 1, 1]},
        "steps": 10,
        "dt_s": 1e-3,
        "warnings": [],
    }


def test_compare_verilog_and_report_take_a_file(net, tmp_path):
    found = document("compare", net, "--backends", "model,rtl", "--steps", 50)
    assert found["equal"]
    assert found["words"] == 50 * 4
    written = document("verilog", net, "-o", tmp_path / "net.v")
    assert "module net(" in (tmp_path / "net.v").read_text()
    assert json.loads((tmp_path / "net.map.json").read_text())["layers"][0]["neurons"] == 3
    assert written["warnings"] == []
    names = {row["name"] for row in document("report", net, "--set", "layer1.tau=7ms")}
    assert {"tau", "weight", "v_threshold"} <= names


def test_results_are_written_as_arrays_and_waves(net, tmp_path):
    done = memtwin("run", net, "-o", tmp_path, "--trials", 2, "--json")
    counts = json.loads(done.stdout)["results"]["counts_by_trial"]["layer1"]
    with np.load(tmp_path / "net.npz") as arrays:
        assert arrays["layer1.spikes"].sum(axis=1).tolist() == counts
        assert arrays["layer1.v.1"].shape == (200, 3)
    assert list((tmp_path / "net").rglob("*.vcd")) or list(tmp_path.glob("net*.vcd"))


def chain():
    """A network as another program exports it: NIR's own classes, no metadata of ours."""
    nir = pytest.importorskip("nir")
    rng = np.random.default_rng(2)

    def lif(size):
        ones = np.ones(size)
        return nir.LIF(tau=20e-3 * ones, r=20 * ones, v_leak=0 * ones, v_threshold=ones, v_reset=0 * ones)

    def affine(rows, size):
        return nir.Affine(weight=rng.normal(0.1, 0.5, (size, rows)), bias=np.zeros(size))

    nodes = {
        "input": nir.Input({"input": np.array([1, 4, 4])}),
        "flatten": nir.Flatten({"input": np.array([1, 4, 4])}, start_dim=0),
        "fc1": affine(16, 6),
        "lif1": lif(6),
        "fc2": affine(6, 3),
        "lif2": lif(3),
        "output": nir.Output({"output": np.array([3])}),
    }
    names = list(nodes)
    return nir, nir.NIRGraph(nodes, list(itertools.pairwise(names)))


def test_a_network_of_another_program_runs_and_becomes_verilog_without_an_encoder(tmp_path):
    nir, graph = chain()
    nir.write(tmp_path / "net.nir", graph)
    np.savez(tmp_path / "in.npz", spikes=np.random.default_rng(1).poisson(0.2, (80, 16)))
    options = ("--input", tmp_path / "in.npz", "--set", "dt=1ms")
    counts = []
    for backend in ("physics", "model"):
        results = document("run", tmp_path / "net.nir", *options, "--backend", backend, "--bits", 10)["results"]
        assert list(results["counts"]) == ["lif1", "lif2"]
        counts.append(results["counts"])
    assert sum(counts[0]["lif2"]) > 5
    assert np.abs(np.subtract(*(own["lif2"] for own in counts))).max() <= 1
    quantised = document("run", tmp_path / "net.nir", *options, "--backend", "physics", "--set", "weights=quantised")
    assert quantised["results"]["weights"] == "quantised"
    assert results["weights"] == "file"
    found = document("compare", tmp_path / "net.nir", *options, "--backends", "model,rtl")
    assert found["equal"]
    text = memtwin("verilog", tmp_path / "net.nir", "--set", "dt=1ms").stdout
    assert "events.step" in text
    assert "encoder" not in text
    assert "tau 20ms, " in text  # all are alike


def test_a_step_that_a_file_does_not_say_is_warned_of(tmp_path):
    nir, graph = chain()
    nir.write(tmp_path / "net.nir", graph)
    (tmp_path / "in.csv").write_text("step,address\n1,0\n")
    shown = ("--input", tmp_path / "in.csv", "--bits", 16)
    for command in (
        ("run", *shown),
        ("compare", *shown, "--backends", "physics,model"),
        ("verilog", "-o", tmp_path / "a.v"),
    ):
        first, *options = command
        arguments = (first, tmp_path / "net.nir", *options)
        assert "does not say its step; taken to be 100us" in document(*arguments)["warnings"][0]
        assert not any("its step" in line for line in document(*arguments, "--set", "dt=1ms")["warnings"])
    network = mt.load_network(tmp_path / "net.nir")
    assert "its step" in mt.simulate(network, np.zeros((2, 16))).warnings[0]


def test_the_neuron_of_the_paper_fires_where_its_exact_solution_does(tmp_path):
    nir = pytest.importorskip("nir")
    one = np.ones(1)
    neuron = nir.LIF(tau=2.5e-3 * one, r=one, v_leak=0 * one, v_threshold=0.1 * one, v_reset=0 * one)
    nodes = {
        "input": nir.Input({"input": np.array([1])}),
        "affine": nir.Affine(weight=np.ones((1, 1)), bias=np.zeros(1)),
        "lif": neuron,
        "output": nir.Output({"output": np.array([1])}),
    }
    edges = [("input", "affine"), ("affine", "lif"), ("lif", "output")]
    nir.write(tmp_path / "lif.nir", nir.NIRGraph(nodes, edges))
    # The train and the spikes of NIR's paper, task 1 (paper_01_lif_exact.csv), at 100 us.
    train = [60, 220, 270, 310, 320, 350, 370, 400, 410, *range(430, 540, 10), *range(670, 790, 10), 840, 850]
    (tmp_path / "in.csv").write_text("step,address\n" + "".join(f"{step},0\n" for step in train))
    for backend in ("physics", "model"):
        found = document(
            "run", tmp_path / "lif.nir", "--input", tmp_path / "in.csv", "--steps", 1000, "--backend", backend
        )
        assert [step for step, _ in found["results"]["spikes"]["lif"]] == [460, 510, 710, 760]


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("run", "NET", "--order", "shuffled"), "option --order: is for experiments"),
        (("run", "NET", "--save", "a.npz"), "option --save: run network leaves no state"),
        (("run", "NET", "--steps", 0), "steps: expected 1 to"),
        (("run", "NET", "--bits", 17), "weight_bits: expected a whole number from 2 to 16"),
        (("run", "NET", "--input", "none.csv"), "none.csv: cannot be read"),
        (("run", "none.toml"), "none.toml: cannot be read"),
        (("run", "none.nir"), "none.nir"),
        (("run", "lif", "--input", "a.csv"), "option --input: is for network files"),
        (("verilog", "lif", "--bits", 4), "option --bits: is for network files"),
        (("compare", "NET", "--backends", "model,model"), "expected two backends that differ"),
        (("new", "neuron", "-o", "a.toml"), "kind: expected one of hybrid"),
        (("new", "lif", "-o", "a.txt"), "expected a file .toml"),
        (("new", "lif", "-o", "NET"), "is there already"),
        (("verify", "NET", "--order", "shuffled"), "option --order: is for experiments"),
        (("verify", "lif", "--steps", 3), "option --steps: is for network files"),
        (("verify", "NET", "--input", "none.csv"), "none.csv: cannot be read"),
        (("verify", "none.toml"), "none.toml: cannot be read"),
        (("flash", "none.toml", "--board", "icebreaker"), "none.toml: cannot be read"),
        (("flash", "NET", "--board", "none"), "board none: unknown"),
        (("export", "spice", "NET", "--run", "B"), "option --run: is for experiments"),
        (("export", "recording", "lif", "-o", "a.nir", "--steps", 3), "option --steps: is for network files"),
        (("build", "NET", "--board", "icebreaker", "--alone"), "needs the link"),
    ],
)
def test_a_mistake_is_one_line_and_status_two(arguments, what, net, tmp_path):
    before = net.read_text()
    done = memtwin(*(net if argument == "NET" else argument for argument in arguments), cwd=tmp_path)
    assert done.returncode == 2
    assert what in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert net.read_text() == before
    assert not list(tmp_path.iterdir())
