"""Training: the gradients are those of the loss, the integers are what was trained, equal seeds give equal networks."""

import dataclasses
import json

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from memtwin.cli import networks as cli_networks
from memtwin.nir.nir_io import load_network, network_names, read_nir, write_nir
from memtwin.sim.backends import Job, run
from memtwin.sim.cards import load_card
from memtwin.sim.errors import InputError
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec
from memtwin.train import distort
from memtwin.train.data import Digits, draw_digits
from memtwin.train.float_network import HEADROOM, MOST_BIAS, REACH, Adam, FloatNetwork, Synapses
from memtwin.train.train import NETS, Settings, accuracy, settings_of, train


def small(digits):
    """Every other pixel: training takes a moment then."""
    images = digits.images.reshape(-1, 28, 28)[:, ::2, ::2]
    return Digits(images.reshape(-1, 196), digits.labels)


DIGITS, OTHERS = small(draw_digits(1500, seed=1)), small(draw_digits(300, seed=2))
HIDDEN = Settings(hidden=24, mode="latency", steps=8, epochs=12, rate=1e-2)
FLAT = Settings(epochs=12, steps=8, rate=4e-3)


@pytest.fixture(scope="module")
def hidden():
    return train(DIGITS, HIDDEN)


@pytest.mark.parametrize(("settings", "least"), [(FLAT, 0.9), (HIDDEN, 0.9)], ids=["flat", "hidden"])
def test_the_integers_answer_what_was_trained(settings, least):
    losses = []
    network = train(DIGITS, settings, progress=lambda done, loss: losses.append((done, loss)))
    assert [done for done, _ in losses] == pytest.approx(np.arange(1, 13) / 12)
    assert losses[-1][1] < 0.5 * losses[0][1]
    assert accuracy(network, OTHERS) > least  # on the integer model; one in ten by chance
    bits = network.spec.weight_bits
    for layer, words in zip(network.spec.layers, network.coefficients(), strict=True):
        assert words.weight_unit == 1.0  # levels are whole: nothing is rounded once more
        assert np.abs(layer.weight).max() <= 2 ** (bits - 1) - 1
        errors = {line.name: (line.error, line.saturated) for line in words.report}
        assert errors["weight"] == (0.0, 0)
        assert abs(errors["r"][0]) < 1e-3
        assert all(saturated == 0 for _, saturated in errors.values())


def test_the_integer_network_integrates_the_sums_of_the_twin(hidden):
    # The same weights in floating point, spike by spike.
    shown = hidden.encoding.show(OTHERS.images[:100])
    recording = run(Job(spec=hidden.spec, shown=shown), "model")
    assert recording.layers[1].spikes.sum() > 100
    first, last = hidden.spec.layers
    value = hidden.encoding.values[OTHERS.images[:100]]
    v = [np.zeros((100, layer.neurons)) for layer in (first, last)]
    counts = [np.zeros_like(own, dtype=int) for own in v]
    for step in range(HIDDEN.steps):
        spikes = (value == step + 1).astype(float)
        for number, layer in enumerate((first, last)):
            v[number] += 1e-3 * layer.r * (spikes @ layer.weight.T + layer.bias)
            spikes = (v[number] > layer.v_threshold).astype(float)
            v[number] -= spikes * layer.v_threshold
            counts[number] += spikes.astype(int)
    for own, layer in zip(counts, recording.layers, strict=True):
        assert (own == layer.spikes[0]).mean() > 0.995  # but for those that hang on the last bit


def test_equal_seeds_give_equal_networks(tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        settings = dataclasses.replace(HIDDEN, epochs=1, seed=seed, bend=0.5, shift=1, spread=0.1)
        write_nir(train(DIGITS.take(slice(300)), settings), tmp_path / name)
    content = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert content["a"] == content["b"]
    assert not np.array_equal(*(read_nir(tmp_path / name).spec.layers[0].weight for name in "ac"))


def test_training_with_the_spread_of_devices_makes_the_network_bear_it():
    def with_spread(network, rng):
        layers = [
            dataclasses.replace(layer, weight=layer.weight * rng.normal(1, 0.6, layer.weight.shape))
            for layer in network.spec.layers
        ]
        spec = dataclasses.replace(network.spec, layers=tuple(layers), weight_bits=12)
        return accuracy(dataclasses.replace(network, spec=spec), OTHERS)

    found = []
    for spread in (0.0, 0.6):
        network = train(DIGITS, dataclasses.replace(HIDDEN, epochs=20, spread=spread))
        rng = np.random.default_rng(7)
        found.append(np.mean([with_spread(network, rng) for _ in range(6)]))
    assert found[1] > found[0] + 0.02


def test_without_hidden_neurons_the_gradients_are_the_slopes_of_the_loss():
    # In latency mode nothing is random; with steps that are far finer than the weights, rounding is no matter.
    settings = Settings(mode="latency", smooth=0.1)
    network = FloatNetwork(settings, 196, settings.encoding.values, np.random.default_rng(0))
    layer = network.layers[0] = Synapses(196, 10, 0.01, 16, np.random.default_rng(0))
    layer.log_step[:] = np.log(1e-5)
    loss, gradients = network.gradients(OTHERS.images[:50], OTHERS.labels[:50])
    rng = np.random.default_rng(1)
    for parameter, gradient in ((layer.real, gradients[0]), (layer.bias, gradients[2])):
        direction = rng.standard_normal(parameter.shape).astype(np.float32)
        kept = parameter.copy()
        losses = []
        for side in (1, -1):
            parameter[:] = kept + np.float32(side * 3e-3) * direction
            losses.append(network.gradients(OTHERS.images[:50], OTHERS.labels[:50])[0])
        parameter[:] = kept
        assert (losses[0] - losses[1]) / 6e-3 == pytest.approx((gradient * direction).sum(), rel=0.03)
    assert loss > 0


def test_the_surrogate_is_the_chain_rule_with_the_fast_sigmoid():
    # One hidden neuron, written out: u' = keep (u - s) + drive, ds/du = 1 / (1 + slope |u - 1|)**2.
    settings = Settings(hidden=1, mode="latency", steps=3, levels=1, leak=0.25, slope=2.0)
    network = FloatNetwork(settings, 196, settings.encoding.values, np.random.default_rng(0))
    drive = np.array([1.5, 0.0, 0.0])
    counts, slopes = network._hidden(
        [np.full((1, 1), 1.5, np.float32)], np.ones((1, 1), np.float32), np.zeros(1, np.float32)
    )
    gradient = [float(part[0, 0]) for part in network._back(np.ones((1, 1), np.float32), slopes)]
    u, s, v = [], [], 0.0
    for step in range(3):
        u.append(0.75 * v + drive[step])
        s.append(float(u[-1] > 1))
        v = u[-1] - s[-1]
    h = [1 / (1 + 2 * abs(value - 1)) ** 2 for value in u]
    du = [1.0, 0.75 * (1 - h[0]), 0.75**2 * (1 - h[0]) * (1 - h[1])]  # by the first drive
    assert counts[0, 0] == sum(s) == 1
    assert gradient[0] == pytest.approx(sum(own * slope for own, slope in zip(du, h, strict=True)))
    assert gradient[2] == pytest.approx(h[2])


def test_hidden_neurons_are_clamped_where_the_words_of_the_engine_end():
    network = FloatNetwork(HIDDEN, 196, HIDDEN.encoding.values, np.random.default_rng(0))
    network.layers[0].bias[:] = 50.0
    network.clamp()
    assert (network.layers[0].bias == MOST_BIAS).all()
    drive = np.array([[6e4, -6e4, 0.5]], np.float32)
    still = np.zeros(3, np.float32)
    counts, slopes = network._hidden([np.ones((1, 1), np.float32)], drive, still)
    # From the end of the range a neuron spikes in each of the 8 steps, as it does on the integer model.
    layer = LifLayerSpec(weight=drive.T, tau=np.inf, r=1e3, reset="subtract", headroom=HEADROOM)
    shown = Images.from_values([[1]], steps=HIDDEN.steps, mode="latency")
    spec = LifSpec(layers=(layer,), dt=1e-3, weight_bits=16)
    assert counts[0].tolist() == [8, 0, 0]
    assert HIDDEN.steps <= REACH
    assert slopes[0][1].tolist() == [[False, False, True]]
    assert run(Job(spec=spec, shown=shown), "model").layers[0].spikes[0, 0].tolist() == [8, 0, 0]


def test_weights_are_rounded_to_levels_that_fit():
    layer = Synapses(50, 4, 0.3, 4, np.random.default_rng(0))
    layer.real[0] = 100.0
    weight = layer.quantise()
    assert np.abs(layer.level).max() == 7
    assert weight == pytest.approx(layer.level * np.exp(layer.log_step))
    ones = np.ones_like(weight)
    real, log_step, _ = layer.gradients(ones, np.zeros(4, np.float32))
    assert not real[0].any()  # clipped: no gradient
    assert (real[np.abs(layer.scaled) <= 7] == 1).all()
    expected = (layer.level - np.where(np.abs(layer.scaled) <= 7, layer.scaled, 0)).sum(axis=0)
    assert log_step == pytest.approx(expected * np.exp(layer.log_step) / np.sqrt(50 * 7), rel=1e-5)


def test_adam_walks_against_the_gradient_at_its_rate():
    part = np.array([3.0, -3.0], np.float32)
    adam = Adam([part])
    adam.step([np.array([0.2, -5.0], np.float32)], rate=0.1, decay=0.0)
    assert part == pytest.approx([2.9, -2.9])


def test_distortions_move_pictures_and_keep_their_ink():
    rng = np.random.default_rng(0)
    dot = np.zeros((200, 784), np.uint8)
    dot[:, 14 * 28 + 14] = 200
    place = distort.shift(dot, 2, rng).argmax(axis=1)
    assert set(place // 28) == set(place % 28) == {12, 13, 14, 15, 16}
    images = draw_digits(200, seed=3).images
    assert np.array_equal(distort.bend(images, 0.0, rng), images)
    deviation = distort._fields(28)[3]
    assert deviation[:2].tolist() == pytest.approx([0.1, 0.1])  # of the coordinates, and of the bumps in pixels
    assert set(deviation[2:].tolist()) == {np.float32(0.8)}
    bent = distort.bend(images, 0.7, rng)
    assert (bent != images).any(axis=1).all()
    ink = bent.sum(axis=1) / images.sum(axis=1)
    assert 0.5 < ink.min() < ink.max() < 2.0
    assert np.abs(ink.mean() - 1) < 0.05
    with pytest.raises(InputError, match="expected square ones, not of 10 pixels"):
        distort.bend(images[:, :10], 1.0, rng)


def test_names_of_nets():
    assert set(NETS) == {"784x10", "784x128x10"}
    assert settings_of("784x128x10").hidden == 128
    assert settings_of("784x40x10", epochs=3) == dataclasses.replace(NETS["784x128x10"], hidden=40, epochs=3)
    for name in ("784x10x10x10", "100x10", "784x0x10", "", "784x2000x10"):
        with pytest.raises(InputError, match=r"net: expected|hidden: expected"):
            settings_of(name)


@pytest.mark.parametrize(
    ("name", "value"), [("epochs", 0), ("weight_bits", 9), ("mode", "phase"), ("rate", 0.0), ("spread", -1.0)]
)
def test_settings_out_of_range_are_refused(name, value):
    with pytest.raises(InputError, match=f"training, {name}: expected"):
        Settings(**{name: value})


@pytest.mark.parametrize(("name", "most"), [("steps", 65535), ("hidden", 1024), ("levels", 255), ("weight_bits", 8)])
def test_settings_may_be_what_the_gateware_holds_and_no_more(name, most):
    assert getattr(Settings(**{name: most}), name) == most
    with pytest.raises(InputError, match=f"training, {name}: expected"):
        Settings(**{name: most + 1})


def test_nothing_to_train_with():
    with pytest.raises(InputError, match="expected pictures with a label from 0 to 9 each"):
        train(Digits(np.zeros((0, 784), np.uint8), np.zeros(0, np.uint8)), FLAT)


@pytest.mark.parametrize("name", network_names())
def test_shipped_networks_answer_drawn_digits_better_than_chance(name):
    network = load_network(name)
    assert network.encoding is not None
    assert network.notes["accuracy"] > 0.92
    assert all(line["saturated"] == 0 for line in network.json()["quantisation"])
    assert accuracy(network, draw_digits(300, seed=2)) > 0.3  # they never saw any


# The commands.


@pytest.fixture(scope="module")
def memtwin():
    app, export_app = typer.Typer(), typer.Typer()
    app.add_typer(export_app, name="export")
    cli_networks.register(app, export_app)

    def call(*arguments):
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


@pytest.fixture(scope="module")
def net(hidden, tmp_path_factory):
    path = tmp_path_factory.mktemp("net") / "net.nir"
    write_nir(hidden, path)
    return path


def test_import_shows_layers_and_report(memtwin, net):
    done = memtwin("import", net, "--json")
    found = json.loads(done.stdout)
    assert [(layer["rows"], layer["neurons"]) for layer in found["layers"]] == [(196, 24), (24, 10)]
    assert {"weight", "r", "v_threshold"} <= {line["name"] for line in found["quantisation"]}
    assert found["encoding"] == {"mode": "latency", "decoder": "rate", "steps": 8}
    coarse = json.loads(memtwin("import", net, "--json", "--bits", 3).stdout)
    error = {
        bits: next(line for line in document["quantisation"] if line["name"] == "weight")["error"]
        for bits, document in ((6, found), (3, coarse))
    }
    assert error[6] == 0
    assert error[3] != 0
    assert "196" in memtwin("import", net).stdout


def test_exported_words_are_those_of_the_quantiser(memtwin, net, hidden, tmp_path):
    for form in ("nir", "mem", "hex", "npz"):
        done = memtwin("export", form, net, "-o", tmp_path / f"out.{form}")
        assert done.exit_code == 0, done.output
    weight = np.concatenate([own.words["weight"][0] for own in hidden.coefficients()]).tolist()

    memory, address = {}, 0
    for line in (tmp_path / "out.mem").read_text().splitlines():
        if line.startswith("@"):
            address = int(line[1:], 16)
        elif not line.startswith("//"):
            memory[address] = int(line, 16)
            address += 1
    assert [memory[place] for place in range(len(weight))] == weight

    data, upper = {}, 0
    for line in (tmp_path / "out.hex").read_text().splitlines():
        record = bytes.fromhex(line[1:])
        assert sum(record) % 256 == 0
        size, place, kind = record[0], int.from_bytes(record[1:3], "big"), record[3]
        if kind == 4:
            upper = int.from_bytes(record[4:6], "big") << 16
        elif kind == 0:
            data |= {upper + place + n: byte for n, byte in enumerate(record[4 : 4 + size])}
    assert line == ":00000001FF"
    assert [data[2 * n] | data[2 * n + 1] << 8 for n in range(len(weight))] == weight

    with np.load(tmp_path / "out.npz") as arrays:
        assert np.array_equal(arrays["layer1.weight"], hidden.spec.layers[0].weight.T)
        assert arrays["layer2.threshold"].tolist() == hidden.coefficients()[1].words["threshold"][0].tolist()
    assert read_nir(tmp_path / "out.nir").notes == hidden.notes
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".hex", ".mem", ".nir", ".npz"]


def test_export_puts_a_card_beside_the_neurons(memtwin, net, tmp_path):
    memtwin("export", "nir", net, "--card", "nv-synapse", "-o", tmp_path / "out.nir")
    cards = read_nir(tmp_path / "out.nir").cards
    (tmp_path / "card.toml").write_text(cards["nv-synapse"], encoding="utf-8")
    assert load_card(tmp_path / "card.toml") == load_card("nv-synapse")


MISTAKES = {
    "no file": (["import", "no.nir"], "network no.nir: expected a NIR file, or one of"),
    "bits": (["import", "NET", "--bits", "1"], "option --bits: expected 2 to 16, not 1"),
    "unit": (["import", "NET", "--dt", "1V"], "option --dt: expected unit s"),
    "step": (["import", "NET", "--dt", "0s"], "option --dt: expected more than zero"),
    "reset": (
        ["export", "mem", "NET", "-o", "x.mem", "--reset", "soft"],
        "option --reset: expected one of value, subtract,",
    ),
    "net": (["train", "mnist", "--net", "7x7"], "net: expected 784x10 or 784x128x10"),
    "setting": (["train", "mnist", "--set", "speed=3"], "option --set: expected NAME=VALUE with one of hidden"),
    "value": (["train", "mnist", "--set", "steps=3.5"], "option --set steps: expected a whole number"),
    "data": (["train", "mnist", "--data", "nowhere"], "nowhere: expected train-images-idx3-ubyte or"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(memtwin, net, name):
    arguments, message = MISTAKES[name]
    done = memtwin(*(net if word == "NET" else word for word in arguments))
    assert isinstance(done.exception, InputError)  # which memtwin.cli.main turns into a line and status 2
    assert str(done.exception).startswith(message)
    assert "\n" not in str(done.exception)


def test_train_writes_a_network_that_answers(memtwin, tmp_path):
    def idx(array):
        return bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()

    others = draw_digits(200, seed=2)
    for part, digits in (("train", draw_digits(1000, seed=1)), ("t10k", others)):
        (tmp_path / f"{part}-images-idx3-ubyte").write_bytes(idx(digits.images.reshape(-1, 28, 28)))
        (tmp_path / f"{part}-labels-idx1-ubyte").write_bytes(idx(digits.labels))
    out = tmp_path / "out.nir"
    options = [
        "--epochs",
        4,
        "--set",
        "rate=1e-2",
        "--set",
        "mode=latency",
        "--card",
        "nv-synapse",
        "-o",
        out,
        "--json",
    ]
    done = memtwin("train", "mnist", "--net", "784x10", "--data", tmp_path, *options)
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["images"] == 200
    network = read_nir(out)
    assert found["accuracy"] == network.notes["accuracy"] == accuracy(network, others) > 0.9
    assert found["accuracy_float"] == accuracy(network, others, backend="physics")
    assert network.notes["training"]["epochs"] == 4
    assert list(network.cards) == ["nv-synapse"]
