"""The benchmarks, on few drawn pictures in files like MNIST's."""

import json
import struct
import sys

import numpy as np
import pytest

from memtwin.bench import brian as bench_brian
from memtwin.bench import lif as bench_lif
from memtwin.bench import main as bench
from memtwin.bench import sweep as bench_sweep
from memtwin.bench.float import FloatNetwork, train_float
from memtwin.bench.sweep import POINTS, REFERENCES, Point
from memtwin.boards.build import SEEDS, TooSlow
from memtwin.boards.registry import board
from memtwin.nir.nir_io import read_nir, write_nir
from memtwin.sim.backends import Job, run
from memtwin.sim.errors import InputError
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec
from memtwin.train.data import draw_digits
from memtwin.train.train import Settings, settings_of, train


def idx(array):
    """An IDX file of unsigned bytes."""
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def mnist(tmp_path, monkeypatch):
    """Drawn digits where MNIST is looked for."""
    for part, seed in (("train", 1), ("t10k", 2)):
        digits = draw_digits(200, seed=seed)
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(digits.images.reshape(-1, 28, 28)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(digits.labels))
    monkeypatch.setenv("MEMTWIN_DATA", str(tmp_path))


def call(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["bench", *map(str, arguments)])
    bench.main()


# Accuracy against bits, steps and encoding.


@pytest.mark.parametrize("hidden", [0, 20])
def test_float_networks_learn_drawn_digits(hidden):
    network = train_float(draw_digits(1000, seed=1), Settings(hidden=hidden, epochs=8, batch=32))
    others = draw_digits(300, seed=2)
    assert (network.answers(others.images) == others.labels).mean() > 0.9


def test_gradients_of_the_float_network_are_the_slopes_of_its_loss():
    digits = draw_digits(50, seed=3)
    network = FloatNetwork(784, 12, np.random.default_rng(0))
    # In double precision the steps can be so short that no unit is switched on or off by one.
    network.layers = [(weight.astype(float), bias.astype(float)) for weight, bias in network.layers]
    _, gradients = network.gradients(digits.images, digits.labels)
    rng = np.random.default_rng(1)
    for parameter, gradient in zip(network.parameters, gradients, strict=True):
        direction = rng.standard_normal(parameter.shape)
        kept, losses = parameter.copy(), []
        for side in (1, -1):
            parameter[:] = kept + side * 1e-6 * direction
            losses.append(network.gradients(digits.images, digits.labels)[0])
        parameter[:] = kept
        assert (losses[0] - losses[1]) / 2e-6 == pytest.approx((gradient * direction).sum(), rel=1e-4)


def test_every_network_of_the_sweep_has_a_reference_and_a_float_network():
    for net, settings in REFERENCES.items():
        own = [point for point in POINTS if point.net == net]
        assert settings in [point.settings for point in own if point.sweep == "bits"]
        assert [point.at for point in own if point.sweep == "float"] == [0]
        assert {point.at for point in own if point.sweep == "bits"} == set(range(2, 9))
        assert {point.settings.mode for point in own if point.sweep == "steps"} == {"rate", "latency"}
        assert all(point.settings.steps == point.at for point in own if point.sweep == "steps")


def sweep_of_few():
    reference = REFERENCES["784x10"]
    points = [
        Point(net="784x10", sweep="float", at=0, settings=reference),
        Point(net="784x10", sweep="bits", at=6, settings=reference),
        Point(net="784x10", sweep="steps", at=20, settings=reference),
        Point(net="784x10", sweep="bits", at=2, settings=Settings(decay=1.0, weight_bits=2)),
    ]
    said = []
    return bench_sweep.sweep(draw_digits(700, seed=1), points=points, held_out=200, say=said.append), said


def test_sweep_trains_equal_settings_once_and_tells_what_differences_mean():
    found, said = sweep_of_few()
    assert len(said) == 3
    flat, six, twenty, two = found["points"]
    assert found["held_out"] == 200
    assert all(0.3 < point["accuracy"] <= 1 for point in found["points"])
    assert (six["difference"], six["difference_error"]) == (0, 0)
    assert {name: six[name] for name in ("accuracy", "encoding")} == {
        name: twenty[name] for name in ("accuracy", "encoding")
    }
    assert two["difference"] == pytest.approx(two["accuracy"] - six["accuracy"])
    right = flat["accuracy"]
    assert flat["standard_error"] == pytest.approx(np.sqrt(right * (1 - right) / 199))


def test_sweep_command_writes_numbers_and_a_small_figure(monkeypatch, mnist, tmp_path, capsys):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(bench_sweep, "rights", lambda training, others, point: rng.random(len(others)).round())
    own = bench_sweep.sweep
    monkeypatch.setattr(bench_sweep, "sweep", lambda digits, say: own(digits, held_out=50, say=say))
    call(monkeypatch, "--sweep", "-o", tmp_path / "out")
    figure = (tmp_path / "out/mnist-accuracy.png").read_bytes()
    assert figure.startswith(b"\x89PNG")
    assert len(figure) < 150_000
    points = json.loads((tmp_path / "out/mnist-accuracy.json").read_text())["points"]
    assert len(points) == len(POINTS)
    assert "784x128x10" in capsys.readouterr().out


# LIF networks: accuracy, gateware against model, speed.


def test_gateware_is_compared_with_the_model_and_clocked(mnist):
    found = bench_lif.gateware("mnist-784x10", images=50, compared=5)
    assert found["equal"]
    assert found["words"] == 5 * (20 * 11 + 1)
    assert found["clocks_per_image"] * found["sops_per_clock"] == pytest.approx(found["sops_per_image"])
    assert 5 < found["sops_per_clock"] < 10


def test_a_network_with_a_hidden_layer_is_trained_once(mnist, tmp_path, monkeypatch):
    monkeypatch.setattr(bench_lif, "settings_of", lambda net: settings_of(net, epochs=1))
    nets = bench_lif.networks(tmp_path / "out")
    kept = read_nir(tmp_path / "out/mnist-784x128x10.nir")
    assert [layer.neurons for layer in kept.spec.layers] == [128, 10]

    def refuse(*arguments):
        raise AssertionError("trained again")

    with monkeypatch.context() as context:
        context.setattr(bench_lif, "train", refuse)
        assert bench_lif.networks(tmp_path / "out") == nets
        assert bench_lif.networks(tmp_path, tmp_path / "my.nir")["784x128x10"] == str(tmp_path / "my.nir")
        (tmp_path / "out/mnist-784x128x10.nir").write_bytes(b"damaged")
        with pytest.raises(AssertionError, match="trained again"):
            bench_lif.networks(tmp_path / "out")


def test_cells_are_counted_on_both_families():
    report = "\n".join(["       3   SB_LUT4", "        8   SB_MAC16", "       66   SB_DFF", "      4   SB_DFFESR"])
    report += "\n     2891   SB_LUT4\n"
    used = {"ICESTORM_LC": [3000, 5280], "ICESTORM_RAM": [24, 30], "ICESTORM_DSP": [8, 8], "SB_IO": [17, 39]}
    assert bench_lif.count(used, report) == {"LC": 3000, "LUT": 2891, "FF": 70, "RAM": 24, "DSP": 8}
    used = {"TRELLIS_COMB": [4660, 83640], "TRELLIS_FF": [2163, 83640], "DP16KD": [4, 208]}
    assert bench_lif.count(used, report) == {"LUT": 4660, "FF": 2163, "RAM": 4, "DSP": 0}


def test_every_seed_is_placed_and_counts_also_where_it_misses_the_clock(monkeypatch, tmp_path):
    asked = []

    def build_top(top, board, design, out, *, seeds):
        asked.append((board.name, design, seeds))
        if seeds == (2,):
            raise TooSlow("reaches 29 MHz", 29e6, {"ICESTORM_LC": [2100, 5280]})
        (out / f"{design}-{board.name}.synthesis.log").write_text("     1200   SB_LUT4\n")
        return {"fmax_hz": 35e6, "utilisation": {"ICESTORM_LC": [2100, 5280]}}

    wanted = []
    monkeypatch.setattr(bench_lif, "build_top", build_top)
    monkeypatch.setattr(bench_lif, "BoardTop", lambda board, twin: None)
    monkeypatch.setattr(bench_lif.designs, "board_content", lambda design, changes: wanted.append(changes.assignments))
    monkeypatch.setitem(bench_lif.TWINS, "mnist", lambda content, clock_hz: None)
    found = bench_lif.area("my.nir", board("icebreaker"), tmp_path)
    assert asked == [("icebreaker", "mnist", (seed,)) for seed in SEEDS]
    assert wanted == [("net=my.nir",)]
    assert (found["fmax_hz"], found["clock_hz"]) == ([35e6, 29e6, 35e6], 30e6)
    assert found["cells"] == {"LC": 2100, "LUT": 1200, "FF": 0, "RAM": 0, "DSP": 0}


def test_speed_is_that_of_the_median_placement():
    measured = {"clocks_per_image": 2500.0, "sops_per_clock": 7.5}
    found = bench_lif.speed(measured, {"fmax_hz": [50e6, 40e6, 30e6]})
    assert found == pytest.approx({"fmax_hz": 40e6, "images_per_s": 16e3, "us_per_image": 62.5, "sops_per_s": 3e8})


# The model beside Brian2.


def latency_job():
    """Three images of two rows: events are where their values say."""
    shown = Images.from_values([[1, 3], [0, 2], [0, 0]], steps=4, mode="latency")
    layer = LifLayerSpec(weight=np.array([[2.0, 1.0], [1.0, 1.0], [0.5, -1.0]]), tau=np.inf, r=1e3, reset="subtract")
    return Job(spec=LifSpec(layers=(layer,), dt=1e-3), shown=shown)


def test_events_are_those_of_the_encoder():
    assert bench_brian.encoded(latency_job()).tolist() == [[0, 0, 0], [1, 1, 1], [0, 2, 1]]


@pytest.mark.parametrize("off", [0, 1])
def test_brian2_counts_the_spikes_of_the_model(mnist, monkeypatch, off):
    job = bench_lif.job_of("mnist-784x10", 20)
    counts = run(job, "model").layers[0].spikes[0]
    monkeypatch.setattr(bench_brian, "available", lambda: True)
    monkeypatch.setattr(
        bench_brian, "simulate", lambda asked: (counts + off * (np.arange(len(counts)) == 3)[:, None], 2.0)
    )
    if off:
        with pytest.raises(RuntimeError, match=r"Brian2 counts other spikes than the model: 95\.00 % are equal"):
            bench.lif_model("mnist-784x10", images=20)
    else:
        assert bench.lif_model("mnist-784x10", images=20)["brian2"] == {"seconds": 2.0, "equal_counts": 1.0}


@pytest.mark.parametrize("error", [ImportError, AttributeError, None])
def test_brian2_is_there_if_it_can_be_imported(monkeypatch, error):
    def import_module(name):
        assert name == "brian2"
        if error:
            raise error

    monkeypatch.setattr(bench_brian.importlib, "import_module", import_module)
    assert bench_brian.available() == (error is None)


def test_brian2_is_asked_for_one_layer_without_leak():
    job = latency_job()
    leaky = LifLayerSpec(weight=job.spec.layers[0].weight, tau=1e-2, reset="subtract")
    with pytest.raises(InputError, match="Brian2: expected one layer of neurons without leak"):
        bench_brian.simulate(Job(spec=LifSpec(layers=(leaky,), dt=1e-3), shown=job.shown))


def test_without_brian2_there_is_no_number_of_it(mnist, monkeypatch, capsys):
    monkeypatch.setattr(bench_brian, "available", lambda: False)
    found = bench.lif_model("mnist-784x10", images=20)
    assert found["synaptic_operations"] > 0
    assert "brian2" not in found
    assert "it cannot be imported" in capsys.readouterr().out


# All of it.


@pytest.fixture
def only_lif(monkeypatch):
    for name in ("gateware", "opamp", "model"):
        monkeypatch.setattr(bench, name, dict)
    lif, lif_model = bench.lif, bench.lif_model
    monkeypatch.setattr(bench, "lif", lambda *given, **named: lif(*given, **named, images=30, compared=3))
    monkeypatch.setattr(bench, "lif_model", lambda net: lif_model(net, images=30))


def test_quick_benchmarks_write_their_numbers(monkeypatch, mnist, only_lif, tmp_path, capsys):
    small = train(draw_digits(300, seed=1), settings_of("784x6x10", epochs=2))
    write_nir(small, tmp_path / "small.nir")
    call(monkeypatch, "--quick", "--net", tmp_path / "small.nir", "--json", tmp_path / "found.json")
    found = json.loads((tmp_path / "found.json").read_text())
    assert set(found) == {"gateware", "opamp", "model", "lif", "lif_model"}
    for own in found["lif"].values():
        assert own["equal"]
        assert own["images"] == 30
    shown = capsys.readouterr().out
    assert "LIF networks on MNIST" in shown
    assert "Spiker+" in shown
    assert not list(tmp_path.glob("*.part"))


def test_without_mnist_the_rest_is_still_measured(monkeypatch, only_lif, tmp_path, capsys):
    monkeypatch.setenv("MEMTWIN_DATA", str(tmp_path / "nowhere"))
    call(monkeypatch, "--quick", "--json", tmp_path / "found.json")
    assert set(json.loads((tmp_path / "found.json").read_text())) == {"gateware", "opamp", "model"}
    assert "LIF networks left out" in capsys.readouterr().err


def test_a_mistake_is_one_line_and_status_2(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MEMTWIN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(SystemExit) as error:
        call(monkeypatch, "--sweep")
    assert error.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "expected train-images-idx3-ubyte" in line
