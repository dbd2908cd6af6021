"""Designs: what they are twins of, and what they take to a board."""

import math

import numpy as np
import pytest

from memtwin.designs import DESIGNS, Changes, board_image, find_design
from memtwin.sim.errors import InputError
from memtwin.sim.network import NetworkSpec


def test_unknown_design():
    with pytest.raises(InputError, match="design lion: unknown; expected one of ts-neuron, hybrid-neuron, lia, digits"):
        find_design("lion")


@pytest.mark.parametrize("name", DESIGNS)
def test_image_is_that_of_the_experiment(name):
    design = find_design(name)
    image = board_image(name)
    assert image.layers == design.layers
    if isinstance(design.spec, NetworkSpec):
        assert image.image["layer1.theta_off"] == [round(design.spec.device["theta_off"] * 2**14)]
        assert image.substep_hz == round(2 * design.spec.neuron["clock"] * design.spec.substeps)
    else:
        r1 = design.spec.layers[0].neuron["r1"]
        assert image.image["layer1.r1_log"] == [round(math.log2(r1 / 2**8) * 2**11)]
        assert image.substep_hz == 100_000
    for number, layer in enumerate(image.layers, 1):
        assert len(image.image[f"layer{number}.conductance"]) == layer.rows * layer.neurons


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
    assert design.image["layer1.v1"] == [2**14]
    assert board_image("opamp-7b", changes).layers == design.layers


def test_apparatus_has_two_layers_the_second_of_which_learns():
    first, second = find_design("apparatus").layers
    assert (first.rows, first.neurons, first.first, first.learns) == (16, 8, "dynamic", False)
    assert (second.rows, second.neurons, second.second, second.learns) == (8, 4, "series", True)


@pytest.mark.parametrize("name", ["opamp-5a", "opamp-7b", "apparatus"])
def test_stimulus_is_that_of_the_experiment(name):
    program = find_design(name).job.program
    plays = board_image(name).stimulus
    assert len(plays) == program.presentations
    for at, play in enumerate(plays):
        assert (play.on, play.off) == (program.on[0, at], program.off[0, at])
        for bits in ("pixels", "gates", "learn"):
            flags = getattr(program, bits)[0, at]
            assert [getattr(play, bits) >> bit & 1 for bit in range(flags.size)] == flags.tolist()
    assert board_image("digits").stimulus == ()


def test_hybrid_neuron_has_the_resistors_of_the_figure():
    image = board_image("hybrid-neuron")
    s1, s2 = image.image["layer1.conductance"]
    assert s1 / s2 == pytest.approx(4, rel=1e-3)
    assert image.pulses == 0b01
    assert image.lesson is None


def test_digits_lesson_is_the_training_of_the_experiment():
    lesson = board_image("digits").lesson
    program = find_design("digits").job.program
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
