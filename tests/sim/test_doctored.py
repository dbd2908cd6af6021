"""Good recordings of every kind, doctored: nothing that is done to one side goes unnoticed (docs/compare.md)."""

import copy
import dataclasses
import functools

import pytest

from memtwin.sim.backends import run
from memtwin.sim.compare import compare
from tests.sim import doctored
from tests.sim.lif.test_physics import digits_job
from tests.sim.opamp.jobs import network
from tests.sim.stdp.jobs import random_job
from tests.sim.test_compare import job as hybrid_job

JOBS = {
    "hybrid": hybrid_job(),
    "opamp": network(v_floor="1.8V", on=300),
    "lif": digits_job(12, hidden=8),
    "stdp": random_job(2, 8, trials=2, epochs=6),
}
OWN = {
    "lif": {"answers": doctored.off_by_one("answers", layer=False)},
    "stdp": {"history": lambda recording: recording.history.__imul__(1.05)},
}


@functools.cache
def recorded(kind, backend, record=True):
    return run(dataclasses.replace(JOBS[kind], record=record), backend)


@pytest.mark.parametrize("record", [True, False])
@pytest.mark.parametrize("kind", JOBS)
def test_exact_pairs_notice(kind, record):
    job = dataclasses.replace(JOBS[kind], record=record)
    good = recorded(kind, "model", record)
    assert compare(job, good, copy.deepcopy(good))["equal"]
    ways = doctored.COUNTS | OWN.get(kind, {}) | doctored.not_finite(good) | doctored.of_state(good)
    if record:
        ways |= doctored.TRACES | doctored.WORDS
    unnoticed = []
    for what, doctor in ways.items():
        bad = copy.deepcopy(good)
        doctor(bad)
        for pair in ((good, bad), (bad, good)):
            found = compare(job, *pair)
            assert found["equal"] is (found["first_difference"] is None)
            if found["equal"]:
                unnoticed.append(what)
    assert unnoticed == []


@pytest.mark.parametrize("side", ["physics", "model"])
@pytest.mark.parametrize("kind", JOBS)
def test_pairs_with_the_physics_notice(kind, side):
    job = JOBS[kind]
    physics, model = (recorded(kind, backend) for backend in ("physics", "model"))
    found = compare(job, physics, model)
    assert found["within"], found["outside"]
    good = {"physics": physics, "model": model}
    ways = doctored.COUNTS | doctored.TRACES | OWN.get(kind, {}) | doctored.not_finite(good[side])
    unnoticed = []
    for what, doctor in ways.items():
        bad = copy.deepcopy(good[side])
        doctor(bad)
        found = compare(job, *(good | {side: bad}).values())
        assert found["within"] is (found["outside"] == [])
        if found["within"]:
            unnoticed.append(what)
    assert unnoticed == []


@pytest.mark.parametrize("what", ["no words", "no state"])
def test_what_is_missing_on_both_sides_is_not_equal(what):
    doctor = (doctored.WORDS | doctored.of_state(recorded("hybrid", "model")))[what]
    both = [copy.deepcopy(recorded("hybrid", "model")) for _ in range(2)]
    for recording in both:
        doctor(recording)
    first = compare(JOBS["hybrid"], *both)["first_difference"]
    assert (first["kind"], first["a"], first["b"]) == (what.removeprefix("no "), None, None)
