"""Drawn digits that the designs of LIF networks show."""

from dataclasses import replace

import numpy as np
import pytest

from memtwin.designs import Changes, find_design
from memtwin.nir.nir_io import load_network, write_nir
from memtwin.sim import backends
from memtwin.sim.engines import gateware
from memtwin.sim.errors import InputError
from memtwin.sim.kinds import kind_of
from memtwin.train.data import draw_digits
from memtwin.train.drawn_digits import held_entries


@pytest.mark.parametrize(("rows", "entries"), [(1, 2), (30, 30), (31, 32), (784, 512)])
def test_held_entries(rows, entries):
    assert held_entries(rows) == entries


def test_pictures_are_drawn_digits_in_three_shades():
    job = find_design("mnist").job
    images = job.shown
    values = np.zeros((10, 784), dtype=int)
    for at in range(10):
        np.put(values[at], images.row[0, at], images.value[0, at])
    assert set(np.unique(values)) == {0, 128, 255}
    drawn = draw_digits(400, seed=1)
    for digit in range(10):
        of_digit = drawn.images[drawn.labels == digit].astype(int)
        # One of them; a shade is at most a quarter off.
        assert np.abs(of_digit - values[digit]).max(axis=1).min() <= 64


def test_structure_and_coefficients_need_no_simulation(monkeypatch):
    runs = []
    whole = backends.run
    monkeypatch.setattr(backends, "run", lambda *arguments: runs.append(1) or whole(*arguments))
    design = find_design("mnist", Changes())  # nothing of it is worked out yet
    (layer,) = design.layers
    assert (layer.rows, layer.neurons) == (784, 10)
    words = design.words
    assert not runs
    # What is shown has no influence on them.
    own, coefficients = kind_of(design.job.spec).gateware(), design.job.coefficients()
    assert runs
    assert words == gateware.words_of(coefficients, 0) | own.words(design.job, coefficients, 0)


def test_the_network_is_right_in_every_picture_alone():
    job = find_design("mnist").job
    for digit in range(10):
        parts = {name: getattr(job.shown, name)[:, [digit]] for name in ("row", "value", "steps", "labels")}
        alone = replace(job, shown=replace(job.shown, **parts))
        assert backends.run(alone, "model").answers[0, 0] == digit


def test_of_a_digit_that_is_never_right_the_first_is_shown(tmp_path):
    shipped = load_network("mnist-784x10")
    (layer,) = shipped.spec.layers
    # Whatever is shown, no neuron is driven more than another, and the lowest is the answer.
    same = replace(shipped.spec, layers=(replace(layer, weight=-np.ones_like(layer.weight)),))
    write_nir(replace(shipped, spec=same), tmp_path / "same.nir")
    job = find_design("mnist", Changes(assignments=(f"net={tmp_path / 'same.nir'}",))).job
    drawn = draw_digits(400, seed=1)
    shades = np.rint(drawn.images / 255 * 2) * 127.5
    for digit in range(10):
        first = shades[np.flatnonzero(drawn.labels == digit)[0]]
        entries = np.count_nonzero(first)
        assert job.shown.entries[0, digit] == entries
        assert job.shown.row[0, digit, :entries].tolist() == np.flatnonzero(first).tolist()


def test_a_network_that_says_no_encoding_is_refused(tmp_path):
    write_nir(replace(load_network("mnist-784x10"), encoding=None), tmp_path / "bare.nir")
    with pytest.raises(InputError, match=r"bare\.nir: does not say how images are shown; say it with the options"):
        find_design("mnist", Changes(assignments=(f"net={tmp_path / 'bare.nir'}",))).layers  # noqa: B018


def test_a_network_that_says_no_encoding_is_shown_images_as_a_user_says(tmp_path):
    shipped = load_network("mnist-784x10")
    write_nir(replace(shipped, encoding=None), tmp_path / "bare.nir")
    asked = ("encoding=rate", "steps=20")
    own = find_design("mnist", Changes(assignments=(f"net={tmp_path / 'bare.nir'}", *asked))).bare_job.shown
    same = find_design("mnist").bare_job.shown
    assert all(np.array_equal(getattr(own, name), getattr(same, name)) for name in ("row", "value", "steps"))
    assert (own.mode, own.decoder) == ("rate", shipped.encoding.decoder)
    other = find_design("mnist", Changes(assignments=("encoding=latency", "decoder=first spike", "steps=7"))).bare_job
    assert (other.shown.mode, other.shown.decoder) == ("latency", "first spike")
    assert (other.shown.steps == 7).all()
    assert 1 <= other.shown.value[other.shown.value > 0].min() <= other.shown.value.max() <= 4
