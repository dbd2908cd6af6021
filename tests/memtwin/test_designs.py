"""Designs: what they are twins of, and what they take to a board."""

import numpy as np
import pytest

from memtwin.designs import DESIGNS, board_image, find_design
from memtwin.sim.errors import InputError


def test_unknown_design():
    with pytest.raises(InputError, match="design lion: unknown; expected one of ts-neuron, hybrid-neuron, lia, digits"):
        find_design("lion")


@pytest.mark.parametrize("name", DESIGNS)
def test_image_is_that_of_the_experiment(name):
    design = find_design(name)
    image = board_image(name)
    assert image.layers == design.layers
    assert image.image["layer1.theta_off"] == [round(design.spec.device["theta_off"] * 2**14)]
    assert image.substep_hz == round(2 * design.spec.neuron["clock"] * design.spec.substeps)
    for number, layer in enumerate(image.layers, 1):
        assert len(image.image[f"layer{number}.conductance"]) == layer.rows * layer.neurons


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
