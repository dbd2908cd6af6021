"""ngspice itself: the pieces of a netlist, closed forms of small circuits, and everything that can go wrong."""

import math
import os

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin.sim.engines import ngspice as spice
from memtwin.sim.errors import InputError

EDGE = spice.EDGE


def circuit(*lines, vectors=("v(a)",), stop=1e-3, step=1e-5):
    return "\n".join(["* test", *lines, *spice.transient(vectors, stop=stop, step=step)]) + "\n"


# Pieces.


def test_levels_become_corners_with_edges():
    times, values = spice.steps([0, 1e-3, 2e-3], [0, 5, 2])
    assert times.tolist() == pytest.approx([0, 1e-3, 1e-3 + EDGE, 2e-3, 2e-3 + EDGE], rel=1e-12)
    assert values.tolist() == [0, 0, 5, 5, 2]


def test_equal_levels_have_no_corner():
    times, values = spice.steps([0, 1e-3, 2e-3, 3e-3], [1, 1, 1, 0])
    assert times.tolist() == pytest.approx([0, EDGE, 3e-3, 3e-3 + EDGE], rel=1e-12)
    assert values.tolist() == [0, 1, 1, 0]


def test_an_initial_level_needs_no_edge():
    times, values = spice.steps([0, 1e-3], [7, 7], initial=7)
    assert (times.tolist(), values.tolist()) == ([0], [7])


@given(st.floats(min_value=1e-15, max_value=1e15))
def test_numbers_are_read_back(value):
    assert float(spice.number(value)) == pytest.approx(value, rel=1e-12)


@given(st.lists(st.text("abc0123456789.", min_size=1, max_size=30), min_size=1, max_size=200))
def test_long_statements_are_continued(words):
    lines = spice.wrap("Xname", *words)
    assert max(len(line) for line in lines) <= 120
    assert all(line.startswith("+ ") for line in lines[1:])
    assert " ".join(lines).replace(" + ", " ").split() == ["Xname", *words]


def test_crossings_are_between_samples():
    time = np.linspace(0, 1, 1001)
    found = spice.crossings(time, 0.5 - 0.5 * np.cos(2 * np.pi * time))
    assert [rises for _, rises in found] == [True, False]
    assert [at for at, _ in found] == pytest.approx([0.25, 0.75], abs=1e-6)


def test_a_level_that_only_touches_one_half_does_not_cross():
    assert spice.crossings(np.arange(4.0), np.array([0.0, 0.5, 0.4, 0.0])) == []


# Circuits.


def test_a_capacitor_charges_as_it_should(ngspice):
    levels = spice.pwl("in", "in", *spice.steps([0.0], [2.0]))
    text = circuit(*levels, "R1 in a 1k", "C1 a 0 200n ic=0", vectors=("v(a)", "i(vin)"))
    time, traces = spice.run(text, stop=1e-3)
    assert time[-1] == pytest.approx(1e-3)
    exact = 2 * -np.expm1(-time / 200e-6)
    later = time > 2 * EDGE  # half an edge late, no more
    assert traces[later, 0] == pytest.approx(exact[later], abs=5e-4)
    assert traces[later, 1] == pytest.approx(-(2 - exact[later]) / 1e3, abs=5e-7)


def test_sigma_does_not_overflow(ngspice):
    points = [-1e6, -3.0, 0.0, 3.0, 1e6]
    lines = [f"B{n} a{n} 0 V = sigma({z})" for n, z in enumerate(points)]
    vectors = [f"v(a{n})" for n in range(len(points))]
    text = circuit(spice.SIGMA, *lines, vectors=vectors)
    values = spice.run(text, stop=1e-3)[1][-1]
    assert values.tolist() == pytest.approx([0, 1 / (1 + math.exp(3)), 0.5, 1 / (1 + math.exp(-3)), 1], abs=1e-12)


def test_nothing_is_left_behind(ngspice, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    spice.run(circuit("V1 a 0 1", "R1 a 0 1"), stop=1e-3)
    assert os.listdir(tmp_path) == []


# Mistakes.


def test_without_ngspice_the_message_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"^ngspice: not installed; .*sudo apt install ngspice$"):
        spice.run("", stop=1.0)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["B1 a 0 I = foo(V(a))", "R1 a 0 1k"], "ngspice failed: .*no such function 'foo'"),
        (["V1 b 0 1", "R1 b 0 1k"], "ngspice failed: .*no such vector a"),
        # A charge that explodes after a while.
        (["B1 0 a I = 1e3*V(a)*V(a)+1", "C1 a 0 1u ic=0"], r"ngspice failed at .* s of 0\.001 s: .*Timestep too small"),
    ],
    ids=["function", "vector", "time step"],
)
def test_a_failure_shows_what_ngspice_said(ngspice, lines, message):
    with pytest.raises(InputError, match=message) as caught:
        spice.run(circuit(*lines), stop=1e-3)
    assert "\n" not in str(caught.value)


def test_a_run_that_takes_too_long_is_stopped(ngspice):
    text = circuit("V1 a 0 SIN(0 1 1k)", "R1 a 0 1", stop=1000.0, step=1e-6)
    with pytest.raises(InputError, match=r"not finished after 0\.2 s"):
        spice.run(text, stop=1000.0, timeout=0.2)
