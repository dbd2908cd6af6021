"""Designs: what they are twins of, and what they take to a board."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from memtwin.boards.twins import TWINS
from memtwin.designs import Changes, board_content, find_design, verilog
from memtwin.nir.nir_io import load_network, write_nir
from memtwin.sim.errors import InputError
from memtwin.sim.hybrid.spec import NetworkSpec
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec


def test_unknown_design():
    with pytest.raises(InputError, match="design lion: unknown; expected one of ts-neuron, hybrid-neuron, lia, digits"):
        find_design("lion")


@pytest.mark.parametrize("name", TWINS)
def test_image_is_that_of_the_experiment(name):
    design = find_design(name)
    words = board_content(name)
    assert words.layers == design.layers
    weights = "conductance"
    if isinstance(design.spec, LifSpec):
        assert words.words["layer1.leak"] == design.coefficients[0].words["leak"][0].tolist()
        assert words.words["decoder"] == [0]
        assert words.substep_hz == round(1 / design.spec.dt)
        weights = "weight"
    elif isinstance(design.spec, NetworkSpec):
        assert words.words["layer1.theta_off"] == [round(design.spec.device["theta_off"] * 2**14)]
        assert words.substep_hz == round(2 * design.spec.neuron["clock"] * design.spec.substeps)
    else:
        r1 = design.spec.layers[0].neuron["r1"]
        assert words.words["layer1.r1_log"] == [round(math.log2(r1 / 2**8) * 2**11)]
        assert words.substep_hz == 100_000
    for number, layer in enumerate(words.layers, 1):
        assert len(words.words[f"layer{number}.{weights}"]) == layer.rows * layer.neurons


@pytest.mark.parametrize(
    ("name", "places"),
    [
        ("opamp-5a", ("dynamic", "switch")),
        ("opamp-6a", ("resistor", "series")),
        ("opamp-7a", ("resistor", "parallel")),
        ("opamp-7b", ("dynamic", "parallel")),
    ],
)
def test_opamp_designs_are_the_circuits_of_the_figures(name, places):
    (layer,) = find_design(name).layers
    assert (layer.first, layer.second) == places
    assert (layer.rows, layer.neurons, layer.terminal, layer.learns) == (7, 1, False, False)


def test_series_circuit_and_terminal_of_opamp_7b():
    changes = Changes(assignments=("second=series", "v1=1V"))
    design = find_design("opamp-7b", changes)
    (layer,) = design.layers
    assert (layer.first, layer.second, layer.terminal) == ("dynamic", "series", True)
    assert design.words["layer1.v1"] == [2**14]
    assert board_content("opamp-7b", changes).layers == design.layers


def test_apparatus_has_two_layers_the_second_of_which_learns():
    first, second = find_design("apparatus").layers
    assert (first.rows, first.neurons, first.first, first.learns) == (16, 8, "dynamic", False)
    assert (second.rows, second.neurons, second.second, second.learns) == (8, 4, "series", True)


@pytest.mark.parametrize("name", ["opamp-5a", "opamp-7b", "apparatus"])
def test_stimulus_is_that_of_the_experiment(name):
    program = find_design(name).job.shown
    plays = board_content(name).stimulus
    assert len(plays) == program.presentations
    for at, play in enumerate(plays):
        assert (play.on, play.off) == (program.on[0, at], program.off[0, at])
        for bits in ("pixels", "gates", "learn"):
            flags = getattr(program, bits)[0, at]
            assert [getattr(play, bits) >> bit & 1 for bit in range(flags.size)] == flags.tolist()
    assert board_content("digits").stimulus == ()


def test_hybrid_neuron_has_the_resistors_of_the_figure():
    words = board_content("hybrid-neuron")
    s1, s2 = words.words["layer1.conductance"]
    assert s1 / s2 == pytest.approx(4, rel=1e-3)
    assert words.pulses == 0b01
    assert words.lesson is None


def test_digits_lesson_is_the_training_of_the_experiment():
    lesson = board_content("digits").lesson
    program = find_design("digits").job.shown
    taught = program.learn[0].any(axis=1)
    assert len(set(lesson.patterns)) == 10
    shown = [(number, phase) for phase in lesson.phases for number in phase.order]
    assert len(shown) == np.count_nonzero(taught)
    for at, (number, phase) in zip(np.flatnonzero(taught), shown, strict=True):
        assert [lesson.patterns[number] >> row & 1 for row in range(30)] == program.pixels[0, at].tolist()
        gates = np.arange(10) == number if phase.labelled else np.ones(10)
        assert np.array_equal(program.gates[0, at], gates)
        assert np.array_equal(program.learn[0, at], np.arange(2) == phase.learn)
        for name in ("until", "fires", "periods", "rest"):
            assert getattr(phase, name) == getattr(program, name)[0, at]


def test_pictures_are_the_images_of_the_design():
    design, words = find_design("mnist"), board_content("mnist")
    images = design.job.shown
    assert words.steps == images.steps[0, 0] == 20
    assert words.capacity == design.spec.capacity == 512
    assert [picture.label for picture in words.pictures] == list(range(10))
    for at, picture in enumerate(words.pictures):
        entries = len(picture.rows)
        assert entries == images.entries[0, at]
        assert list(picture.rows) == images.row[0, at, :entries].tolist()
        assert list(picture.values) == images.value[0, at, :entries].tolist()


def test_a_constant_current_is_a_picture_without_entries():
    words = board_content("lif")
    assert [(list(picture.rows), picture.label) for picture in words.pictures] == [([], None)]
    assert (words.steps, words.substep_hz) == (600, 10_000)
    assert board_content("lif", Changes(assignments=("time=20ms",))).steps == 200


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    """Files of a network of two layers, and of one that is too small for pictures."""
    folder = tmp_path_factory.mktemp("nets")
    shipped = load_network("mnist-784x10")
    rng = np.random.default_rng(1)
    for name, shape in (("two", (784, 20, 10)), ("small", (9, 10))):
        layers = tuple(
            LifLayerSpec(weight=rng.normal(size=(neurons, rows)), tau=20e-3) for rows, neurons in pairwise(shape)
        )
        names = tuple(f"layer{number}" for number in range(1, len(shape)))
        network = replace(shipped, spec=LifSpec(layers=layers, dt=1e-3), names=names, notes={})
        write_nir(network, folder / f"{name}.nir")
    return folder


def test_network_of_a_file(nets):
    changes = Changes(assignments=(f"net={nets / 'two.nir'}", "steps=7"))
    first, second = find_design("mnist", changes).layers
    assert (first.rows, first.neurons, first.lanes) == (784, 20, 20)
    assert (second.rows, second.neurons, second.lanes) == (20, 10, 10)
    assert board_content("mnist", changes).steps == 7
    text = verilog("mnist", changes)
    assert "\n//   experiment mnist: net two.nir, steps 7, seed 0\n" in text
    assert str(nets) not in text


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("net={nets}/small.nir", "small.nir: expected 784 inputs and 10 outputs, not 9 and 10"),
        ("net=none", "network none: expected a NIR file, or one of mnist-784x10"),
        ("data=mnist", "option --set: unknown name data; expected one of net, steps"),
    ],
)
def test_network_that_does_not_fit(assignment, message, nets):
    with pytest.raises(InputError, match=message):
        board_content("mnist", Changes(assignments=(assignment.format(nets=nets),)))


def test_spread_is_in_the_weights_and_names_the_card():
    exact, spread = find_design("mnist"), find_design("mnist", Changes(spread=True))
    assert exact.words["layer1.weight"] != spread.words["layer1.weight"]
    assert "card ag-tio2" in verilog("mnist", spread.changes)
    assert "card" not in verilog("mnist").partition("`timescale")[0]


def test_a_design_that_clips_is_refused_or_says_so():
    steep = Changes(assignments=("g0=9000/s",))
    with pytest.raises(InputError, match=r"layer 1, growth per substep: .* at least 128 substeps"):
        verilog("ts-neuron", steep)
    clipped = find_design("ts-neuron", replace(steep, allow_clipping=True))
    assert max(clipped.words["layer1.growth_base"]) == 65535
    assert any(line.startswith("quantisation clips growth per substep") for line in clipped.warnings)
    assert find_design("ts-neuron").warnings == []
