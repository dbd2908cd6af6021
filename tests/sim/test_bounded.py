"""What checks keep of the errors that they are given, and how they are told."""

import math

import numpy as np

from memtwin.sim.bounded import Check, Findings, judged, root_mean


def used(*ratios):
    check = Check()
    for ratio in ratios:
        check._use("membrane", np.array(ratio))
    return check


def test_the_largest_part_of_a_bound_is_kept():
    assert used([0.25, 0.5], [0.125], []).ratios == {"membrane": 0.5}


def test_what_is_no_number_keeps_no_bound():
    for ratios in (([math.nan], [0.5]), ([0.5], [0.1, math.nan])):
        check = used(*ratios)
        outside, bounds = judged([("model", check)])
        assert outside == ["model, membrane: nan times what is allowed"]
        assert math.isnan(bounds["membrane"])
        findings = Findings()
        findings.add(0, [used([0.1]), check, used([0.2])])
        assert findings.outside([]) == ["membrane: nan times its bound"]


def test_faults_and_bounds_are_told_by_backend():
    physics, model = used([1.5]), used([0.75])
    model.faults.append("trial 0: no samples")
    outside, bounds = judged([("physics", physics), ("model", model)])
    assert outside == ["physics, membrane: 1.5 times what is allowed", "model, trial 0: no samples"]
    assert bounds == {"membrane": 0.75}


def test_root_of_the_mean_of_all():
    assert root_mean([np.array([9.0]), np.array([16.0, 0.0])]) == np.sqrt(25 / 3)
    assert root_mean([]) == 0
