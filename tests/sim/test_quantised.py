"""The rule for what quantisation changed: what is told, what is refused, and that it is of all trials."""

import math

import numpy as np
import pytest

from memtwin.sim.errors import InputError
from memtwin.sim.quantised import Quantiser, quantisation_warnings, refuse_clipped


def line(asked, scale=100.0, *, trials=1, **options):
    q = Quantiser(trials)
    got = q.put("p", asked, scale, **options) / scale
    q.tell("p", "V", asked, got)
    return q.report[0]


def warnings(*lines):
    return quantisation_warnings({f"layer {number}": [own] for number, own in enumerate(lines, 1)})


def test_a_scalar_that_moves_by_more_than_two_per_cent_is_told():
    assert warnings(line(0.2549)) == []  # 25 and not 25.49: 1.9 %
    assert warnings(line(0.2051)) == ["quantisation moves p: asked 205.1mV, got 210mV (layer 1)"]


def test_an_entry_of_an_array_is_told_by_the_largest_of_its_trial():
    assert warnings(line([[1.0, 0.004]])) == []  # an entry lost, but 0.4 % of the largest
    assert warnings(line([[0.2, 0.0045]])) != []  # 2.25 % of the largest
    # The second trial has no large entry.
    assert warnings(line([[1.0, 0.004], [0.004, 0.004]], trials=2)) != []


def test_every_trial_counts():
    values = np.full((5, 3), 1.0)
    values[4, 2] = 700.0
    own = line(values, trials=5)
    assert own.saturated == 1
    assert (own.asked, own.got) == (700.0, 655.35)
    with pytest.raises(InputError, match=r"layer 1, p: asked 700V, got 655.4V, which is the end of its word"):
        refuse_clipped({"layer 1": [own]})


def test_what_is_clipped_is_refused_beyond_the_tolerance_alone():
    refuse_clipped({"layer 1": [line(660.0)]})  # 0.7 %
    refuse_clipped({"layer 1": [line(0.2051)]})  # rounded, not clipped
    with pytest.raises(InputError):
        refuse_clipped({"layer 1": [line(670.0)]})
    with pytest.raises(InputError):
        refuse_clipped({"layer 1": [line(-1.0)]})
    with pytest.raises(InputError):
        refuse_clipped({"layer 1": [line(-340.0, signed=True)], "layer 2": [line(1.0)]})


def test_what_is_clipped_is_told_however_little():
    assert warnings(line(660.0)) == ["quantisation clips p: asked 660V, got 655.4V (layer 1)"]
    assert warnings(line(655.36)) == []


def test_full_scale_is_not_out_of_range():
    own = line(655.36)
    assert own.saturated == 0
    assert own.got == 655.35


def test_a_clipped_value_does_not_hide_a_rounded_one():
    q = Quantiser(1)
    q.tell("a", "", 700.0, q.put("a", 700.0, 100.0) / 100)
    q.tell("b", "", 0.0151, q.put("b", 0.0151, 100.0) / 100)
    q.tell("c", "", 0.0349, q.put("c", 0.0349, 100.0) / 100)
    assert quantisation_warnings({"layer 1": q.report}) == [
        "quantisation clips a: asked 700, got 655.4 (layer 1)",
        "quantisation moves b: asked 0.0151, got 0.02 (layer 1); also c",
    ]


def test_a_value_that_becomes_nothing_is_told():
    assert warnings(line(0.001)) == ["quantisation moves p: asked 1mV, got 0V (layer 1)"]


@pytest.mark.parametrize(("tau", "told"), [(1.0, False), (1e-9, False), (math.inf, False), (1e4, True), (0.1, False)])
def test_a_decay_moves_by_what_it_forgets(tau, told):
    q = Quantiser(1)
    q.put_decay("leak", "tau", 1e-3, tau, 16)
    assert q.report[0].got > 0
    found = quantisation_warnings({"layer 1": q.report})
    assert found == (["quantisation moves tau: asked 10ks, got infinite (layer 1)"] if told else [])


def test_words_are_two_complement_and_the_same_in_all_trials():
    q = Quantiser(3)
    assert q.put("w", [[-1.0, 2.0]], 1.0, bits=8, signed=True).tolist() == [[-1, 2]]
    assert q.words["w"].tolist() == [[65535, 2]] * 3
    assert q.put("s", 1.5, 2.0).tolist() == [3]
    assert q.words["s"].tolist() == [3, 3, 3]


def test_a_line_of_a_report_has_no_number_that_json_has_not():
    q = Quantiser(1)
    q.put_decay("leak", "tau", 1e-3, math.inf, 16)
    assert q.report[0].json() == {"name": "tau", "unit": "s", "asked": None, "got": None, "error": 0.0, "saturated": 0}
    assert q.report[0].got == math.inf
