"""The backend `board`: whole experiments over the link, on virtual boards, against the integer model."""

import contextlib
import dataclasses
import json
import threading

import numpy as np
import pytest

from memtwin import api
from memtwin.designs import find_design
from memtwin.link import Link, LinkError, Snapshot, write_map
from memtwin.link import backend as board
from memtwin.nir.networks import Encoding
from memtwin.nir.nir_io import load_network
from memtwin.serve import build, serving
from memtwin.sim import backends
from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.digits import MODES
from memtwin.train.data import draw_digits
from tests.memtwin.cli.test_cli import memtwin

BAUD = 1_000_000


@contextlib.contextmanager
def served(design):
    """Virtual board of a design, and its port."""
    with serving(build(find_design(design)).program) as (server, twin):
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server.url, twin
        finally:
            server.stop()
            thread.join()


@pytest.fixture(scope="module")
def digits():
    with served("digits") as (url, _):
        yield url


def test_lesson_equals_the_model(digits):
    """Every count, and every synapse at the end, in all modes."""
    lesson = ("--set", "epochs=2", "--set", "phase=training")
    done = memtwin("compare", "digits", *lesson, "--backends", "model,board", "--port", digits, "--json")
    found = json.loads(done.stdout)
    assert found["equal"] is True
    assert found["first_difference"] is None
    assert found["words"] > 3 * 400  # synapses in each mode, and more


@pytest.mark.slow
def test_whole_lesson_equals_the_model(digits):
    found = api.compare("digits", "model", "board", port=digits)
    assert found["equal"] is True


def test_a_difference_is_found(digits):
    """A twin that is shown something else is not equal."""
    chosen = api.experiment("digits")
    job = chosen.plan(chosen.settings(assignments=("epochs=1", "phase=training")))["adaptive"]
    other = chosen.plan(chosen.settings(assignments=("epochs=1", "phase=training"), seed=1))["adaptive"]
    with Link(digits) as link:
        there = board.run(other, link)
    found = compare(job, backends.run(job, "model"), there)
    assert found["equal"] is False
    assert found["first_difference"] is not None


def test_trained_on_one_backend_used_on_another(digits, tmp_path):
    """Train on the gateware, infer on the board, and the other way round: the results are those of one run."""
    short = ("epochs=2", "periods=30")
    whole = api.run("digits", assignments=short).results
    assert any(share > 0 for mode in MODES for share in whole[mode]["accuracy"].values())
    for first, second in (("rtl", "board"), ("board", "model")):
        file = tmp_path / f"{first}.npz"
        ports = {"board": digits}
        training, inference = ((*short, f"phase={phase}") for phase in ("training", "inference"))
        api.run("digits", backend=first, assignments=training, save=file, port=ports.get(first))
        after = api.run("digits", backend=second, assignments=inference, start=file, port=ports.get(second))
        assert after.results == whole


def test_state_file_of_something_else(tmp_path):
    file = tmp_path / "state.npz"
    api.run("digits", assignments=("epochs=1", "phase=training"), save=file)
    with pytest.raises(InputError, match=r"state\.npz: expected a state of run .*; it is of another experiment"):
        api.run("hybrid-neuron", start=file)
    with pytest.raises(InputError, match=r"expected a network of the structure [0-9a-f]{16}, not [0-9a-f]{16}"):
        api.run("digits", assignments=("epochs=1", "phase=inference", "tie=lowest"), start=file)
    Snapshot("digits", "0" * 16, {}).save(file)
    with pytest.raises(InputError, match="not a snapshot; memtwin connect --restore takes it"):
        api.run("digits", start=file)
    file.write_bytes(b"PK\x03\x04nonsense")
    with pytest.raises(InputError, match="expected a file of states that memtwin run --save wrote"):
        api.run("digits", start=file)
    with pytest.raises(InputError, match="cannot be read"):
        api.run("digits", start=tmp_path / "missing.npz")


@pytest.mark.parametrize(
    ("name", "backend", "said"),
    [
        ("digits", "physics", "option --save: backend physics leaves no state; expected model, rtl, netlist, board"),
        (
            "opamp-5a",
            "model",
            "option --save: run B leaves no state; what its opamp neurons remember is not within reach",
        ),
    ],
)
def test_without_a_state_nothing_is_run_or_saved(monkeypatch, tmp_path, name, backend, said):
    monkeypatch.setattr(backends, "run_all", None)
    with pytest.raises(InputError, match=said):
        api.run(name, backend=backend, save=tmp_path / "state.npz")
    assert list(tmp_path.iterdir()) == []


def test_options_of_the_link_reach_it(digits, tmp_path):
    with pytest.raises(LinkError, match="expected a baud rate of more than 0, not 0"):
        api.run("digits", backend="board", port=digits, baud=0)
    map_file = tmp_path / "digits.map.json"
    lesson = {"assignments": ("epochs=1", "phase=training"), "port": digits, "map_file": map_file}
    with pytest.raises(InputError, match=r"digits\.map\.json: cannot be read"):
        api.compare("digits", "model", "board", **lesson)
    with Link(digits) as link:
        write_map(link.map.document, map_file)
    assert api.compare("digits", "model", "board", **lesson)["equal"] is True


def test_options_of_the_link_are_for_the_board():
    for option, value in {"port": "/dev/ttyUSB1", "baud": 9600, "map": "digits.map.json"}.items():
        with pytest.raises(InputError, match=f"option --{option}: expected with the backend board, not model and rtl"):
            api.compare("digits", "model", "rtl", **{"map_file" if option == "map" else option: value})
    with pytest.raises(InputError, match=r"backend bored: unknown; expected physics, .* rtl, netlist, ngspice, board"):
        api.run("digits", backend="bored")


def test_twin_of_another_design(digits):
    done = memtwin("run", "lia", "--backend", "board", "--port", digits)
    assert done.returncode == 2
    assert "backend board: the twin is digits" in done.stderr
    assert "flash the design of this experiment" in done.stderr
    # The fraction bits of node 1 follow the range of the conductances.
    done = memtwin("run", "digits", "--backend", "board", "--port", digits, "--set", "g_min=20uS")
    assert done.returncode == 2
    assert "the twin is digits, layer 1 has recip_shift 11, expected 10; flash the design" in done.stderr
    done = memtwin("run", "digits", "--backend", "board")
    assert "backend board: expected a port" in done.stderr


def test_traces_over_the_line():
    """A twin that streams its trace leaves every word of the model: op-amp neurons have nothing else to count."""
    chosen = api.experiment("opamp-5a")
    job = chosen.plan(chosen.settings())["B"]
    stimulus = job.shown
    parts = {name: values[:, :2] for name, values in vars(stimulus).items() if isinstance(values, np.ndarray)}
    parts |= {name: np.minimum(parts[name], 60) for name in ("on", "off")}
    job = dataclasses.replace(job, shown=dataclasses.replace(stimulus, **parts), record=True)
    with served("opamp-5a") as (url, _), Link(url) as link:
        there = board.run(job, link)
    here = backends.run(job, "model")
    found = compare(job, here, there)
    assert found["equal"] is True
    assert found["words"] == here.layers[0].words[0].size > 100
    assert there.layers[0].events == here.layers[0].events
    found = compare(job, backends.run(job, "physics"), there)
    assert found["within"], found["outside"]


def test_images_at_the_speed_of_the_wire():
    """MNIST's network: every answer is the model's, and an image takes less than 10 ms of the wire at 1 Mbaud."""
    network = load_network("mnist-784x10")
    assert isinstance(network.encoding, Encoding)
    pictures = draw_digits(21, seed=7)
    shown = network.encoding.show(pictures.images, pictures.labels, trials=1, steps=None)
    chosen = api.experiment("mnist")
    job = backends.Job(spec=chosen.spec_of(network, chosen.settings()), shown=shown, seed=3)
    first = dataclasses.replace(job, shown=shown.take(slice(0, 1)))
    with served("mnist") as (url, twin), Link(url) as link:
        counts = [twin.counts]
        for part in (first, job):
            there = board.run(part, link)
            counts.append(twin.counts)
    here = backends.run(job, "model")
    assert len(set(here.answers[0].tolist())) > 5
    np.testing.assert_array_equal(there.answers, here.answers)
    np.testing.assert_array_equal(there.layers[0].spikes, here.layers[0].spikes)
    for name in ("received", "sent"):
        once, all_of_them = np.diff([getattr(count, name) for count in counts])
        seconds = (all_of_them - once) / (shown.presentations - 1) * 10 / BAUD
        assert seconds < 10e-3, name


def test_synapses_with_stdp_are_served_and_compared():
    with served("stdp-window") as (url, _):
        found = api.compare("stdp-window", "model", "board", trials=1, port=url)
        against = api.compare("stdp-window", "physics", "board", trials=1, port=url)
    assert found["equal"] is True
    assert found["compared"]["words"] > 500
    assert against["within"] is True


def test_izhikevich_neurons_are_served_and_compared():
    chosen = {"step": "0.5ms", "before": "2ms", "time": "20ms"}
    with served("izhikevich") as (url, _):
        found = api.compare("izhikevich", "model", "board", port=url, options=chosen)
        against = api.compare("izhikevich", "physics", "board", port=url, options=chosen)
    assert found["equal"] is True
    assert found["words"] == 44 * 5
    assert against["within"] is True
    assert against["errors"]["bounds"]["recovery"] > 0.3
