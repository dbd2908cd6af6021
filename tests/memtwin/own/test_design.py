"""What a network of one's own can be taken to: its bench on every simulator, a bitstream, a board, a state."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

import memtwin as mt
from memtwin.boards.build import DoesNotFit
from memtwin.build import bitstreams, programming
from memtwin.cli.main import app
from memtwin.hdl.verilog import convert
from memtwin.own.design import OwnDesign
from memtwin.own.files import load_network, template
from memtwin.sim.kinds import KINDS
from memtwin.verify import verify
from tests.memtwin.cli.test_cli import document, memtwin

# Their templates take seconds under Icarus; the others take ten to thirty.
QUICK = ("lif", "stdp")


@pytest.fixture
def net(tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(template("lif"))
    return path


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind not in QUICK)) for kind in KINDS])
def test_a_network_of_any_kind_is_verified_word_by_word(kind, icarus, tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(template(kind))
    report = verify(OwnDesign(load_network(path)), "icarus", tmp_path)
    assert (report["passed"], report["failed"]) == (2, 0), (tmp_path / "net-icarus.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("simulator", ["verilator", "netlist"])
def test_a_network_is_verified_in_every_simulator(simulator, icarus, net, tmp_path):
    report = verify(OwnDesign(load_network(net)), simulator, tmp_path)
    assert (report["passed"], report["failed"]) == (2, 0), (tmp_path / f"net-{simulator}.log").read_text()


def test_gateware_of_another_network_fails(icarus, net, tmp_path, monkeypatch):
    wrong = OwnDesign(load_network(net, settings=["layer1.bias=0.5"])).verilog()
    monkeypatch.setattr(OwnDesign, "verilog", lambda self: wrong)
    report = verify(OwnDesign(load_network(net)), "icarus", tmp_path)
    # The second test loads coefficients of its own.
    assert (report["passed"], report["failed"]) == (1, 1)
    assert re.search(r"layer 1, word \d+: design {'kind': 'membrane'", (tmp_path / "net-icarus.log").read_text())


# Bitstreams and boards.


@pytest.fixture
def builds(monkeypatch):
    """Make the gateware of what is built, and not its bitstream; each is (design, board, map)."""
    done = []

    def build_linked(design, board, out, network, **options):
        host, document = network(False)
        convert(host, "top")  # else it is one that was made and not used
        done.append((design, board, document))
        return {"link": True, "bitstream": str(out / f"{design}-{board}.bin"), "map": str(out / "map.json")}

    monkeypatch.setattr(bitstreams.board_build, "build_linked", build_linked)
    return done


@pytest.mark.parametrize("kind", KINDS)
def test_a_network_of_any_kind_is_built_with_the_link(kind, builds, tmp_path):
    path = tmp_path / "net.toml"
    path.write_text(template(kind))
    report = mt.build(load_network(path), "icebreaker", tmp_path)
    ((design, board, document),) = builds
    assert (design, board, report["link"]) == ("net", "icebreaker", True)
    assert (document["design"], document["network"], len(document["layers"])) == ("net", kind, 1)


def test_what_was_measured_of_a_design_says_nothing_of_a_network_of_its_name(builds, monkeypatch, tmp_path):
    layer = mt.hybrid.Layer(inputs=2, neurons=2, lanes=2)
    network = mt.Network([layer], name="digits")
    assert not bitstreams.fits(linked=True)["icebreaker"]["digits"]["fits"]
    assert mt.build(network, "icebreaker", tmp_path)["link"]

    def too_large(*_, **__):
        raise DoesNotFit("no", {"LC": [2, 1]})

    monkeypatch.setattr(bitstreams.board_build, "build_linked", too_large)
    with pytest.raises(DoesNotFit) as caught:
        mt.build(network, "icebreaker", tmp_path)
    assert str(caught.value) == "no; --set layer1.lanes=1 takes fewer cells and more clocks"


@pytest.mark.parametrize(("name", "design"), [("a/b 1", "a-b-1"), ("7", "network-7"), ("é", "network--")])
def test_files_and_modules_have_plain_names(name, design):
    own = OwnDesign(mt.Network([mt.lif.Layer(inputs=1, neurons=1)], name=name))
    assert (own.name, own.top) == (design, design.replace("-", "_"))


def test_the_head_of_the_verilog_describes_this_network(tmp_path):
    (tmp_path / "net.toml").write_text(template("stdp"))
    network = load_network(tmp_path / "net.toml", settings=["layer1.g_initial=1mS", "dt=500us"])
    network.names = ("a\nendmodule",)
    text = mt.verilog(network, seed=3)
    head = text[: text.index("`timescale")]
    assert all(line.startswith("//") for line in head.splitlines() if line)
    head = " ".join(line.removeprefix("//").strip() for line in head.splitlines())
    assert "memtwin, network net: stdp neurons, 5 x 3" in head
    assert r"Layer a\nendmodule: rows 5, neurons 3, gain_shift" in head
    assert "inputs 5, neurons 3, g_initial 1mS, learn true" in head
    assert "network net: device ag-tio2, kick 1V, rate_up 1.0, rate_down 1.0, dt 500us, c2c false, seed 3" in head
    assert "card ag-tio2: i_volatile 7uA, v_th 250mV," in head
    with pytest.raises(mt.InputError, match="network: expected a name of printable characters"):
        mt.Network([mt.lif.Layer(inputs=1, neurons=1)], name="a\nb")


@pytest.mark.parametrize(
    ("kind", "sizes", "message"),
    [
        ("lif", (1000, 1000), r"coefficients must fit \d+ addresses, not need \d+"),
        ("opamp", (1024, 1), r"rows must be in 1\.\.256, not 1024"),
    ],
)
def test_a_network_that_gateware_cannot_hold_is_refused_in_a_line(kind, sizes, message, tmp_path):
    (tmp_path / "net.toml").write_text(template(kind))
    settings = [f"layer1.{name}={size}" for name, size in zip(("inputs", "neurons"), sizes, strict=True)]
    network = load_network(tmp_path / "net.toml", settings=settings)
    with pytest.raises(mt.InputError, match=f"^gateware: cannot be made for this network: {message}$"):
        mt.verilog(network)
    with pytest.raises(mt.InputError, match=message):
        mt.simulate(network, np.ones((1, sizes[0])), "rtl")


def test_flash_takes_a_file(builds, net, tmp_path, monkeypatch):
    flashed = []
    monkeypatch.setattr(programming, "flash_board", lambda *arguments: flashed.append(arguments))
    done = CliRunner().invoke(app, ["flash", str(net), "--board", "icebreaker", "--bits", "5", "-o", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert done.stderr == "icebreaker runs net\n"
    assert flashed == [(str(tmp_path / "net-icebreaker.bin"), "icebreaker")]
    assert builds[0][2]["layers"][0]["weight_bits"] == 5


@pytest.mark.slow
def test_a_bitstream_is_made_of_a_file(net, tmp_path):
    report = document("build", net, "--board", "icebreaker", "-o", tmp_path)
    assert report["fmax_hz"] >= report["clock_hz"]
    assert report["utilisation"]["ICESTORM_RAM"][0] > 0
    assert (tmp_path / "net-icebreaker.bin").stat().st_size > 100_000
    assert json.loads((tmp_path / "net-icebreaker.map.json").read_text())["layers"][0]["neurons"] == 3


# States.


def test_a_run_goes_on_from_a_state_on_another_backend(tmp_path):
    net = mt.Network([mt.hybrid.Layer(inputs=3, neurons=2, learn=True)])
    spikes = np.random.default_rng(1).random((50, 3)) < 0.7
    whole = mt.simulate(net, spikes)
    mt.simulate(net, spikes[:20], save=tmp_path / "state.npz")
    rest = mt.simulate(net, spikes[20:], "rtl", start=tmp_path / "state.npz")
    assert rest.spikes.sum() > 0
    assert np.array_equal(rest.spikes, whole.spikes[:, 20:])
    assert not np.array_equal(mt.simulate(net, spikes[20:]).spikes, rest.spikes)
    assert {name: words.tolist() for name, words in rest.recording.state.items()} == {
        name: words.tolist() for name, words in whole.recording.state.items()
    }


def test_the_state_of_a_file_does_not_depend_on_its_name(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(template("hybrid"))
    state = tmp_path / "state.npz"
    options = ("--steps", 60, "--set", "layer1.v_in=2V")
    fresh = document("run", tmp_path / "a.toml", *options, "--save", state)["results"]["spikes"]
    assert document("run", tmp_path / "b.toml", *options, "--start", state)["results"]["spikes"] != fresh


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"save": "s.npz"}, "leaves no state; what its lif neurons remember is not within reach"),
        ({"save": "s.npz", "backend": "physics"}, "backend physics leaves no state"),
        ({"start": "none.npz"}, "none.npz: cannot be read"),
    ],
)
def test_states_that_are_not_there(options, message, tmp_path):
    net = mt.Network([mt.lif.Layer(inputs=1, neurons=1)])
    paths = {name: tmp_path / value if name != "backend" else value for name, value in options.items()}
    with pytest.raises(mt.InputError, match=message):
        mt.simulate(net, np.ones((3, 1)), **paths)
    assert not list(tmp_path.iterdir())


# What else takes a file.


def test_recordings_and_netlists_of_files_are_written(net, tmp_path):
    done = memtwin("export", "recording", net, "--steps", 40, "-o", tmp_path / "run.nir")
    assert done.returncode == 0, done.stderr
    nir = pytest.importorskip("nir")
    spikes = nir.read_data(tmp_path / "run.nir").nodes["layer1"].observables["spikes"]
    counts = document("run", net, "--steps", 40)["results"]["counts"]["layer1"]
    assert np.bincount(spikes.idx[0][np.isfinite(spikes.time[0])], minlength=3).tolist() == counts
    (tmp_path / "circuit.toml").write_text(template("opamp"))
    text = memtwin("export", "spice", tmp_path / "circuit.toml", "--steps", 5).stdout
    assert text.startswith("* Op-amp neurons")
    assert text.endswith(".end\n")
    refused = memtwin("export", "spice", net)
    assert (refused.returncode, refused.stderr) == (
        2,
        "memtwin: netlist: lif neurons have no analog circuit to write as one\n",
    )
