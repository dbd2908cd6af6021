"""Gateware and model are the same on random structures of every kind (docs/structures.md)."""

import copy
import dataclasses

import numpy as np
import pytest

from memtwin.sim import backends
from tests.structures import soak
from tests.structures.check import KINDS, Verdict, check, differs, job_of

FEW = range(1000, 1002)  # not those that `make soak` begins with
MORE = range(1002, 1012)


@pytest.mark.parametrize("seed", [*FEW, *(pytest.param(seed, marks=pytest.mark.slow) for seed in MORE)])
@pytest.mark.parametrize("kind", KINDS)
def test_gateware_is_the_model(kind, seed):
    verdict = check(job_of(kind, seed))
    assert verdict.difference == ""
    assert verdict.words > 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_is_a_job(kind):
    one, other = (backends.run(job_of(kind, 7), "model") for _ in range(2))
    assert differs(job_of(kind, 7), one, other) == ""
    structures = {repr([layer.structure for layer in job_of(kind, seed).coefficients()]) for seed in range(20)}
    assert len(structures) > 10


@pytest.mark.parametrize("kind", KINDS)
def test_jobs_are_alive(kind):
    """More than half of them fire in their last layer, so that a difference anywhere shows."""
    fired = [backends.run(job_of(kind, seed), "model").layers[-1].spikes.any() for seed in range(20)]
    assert np.mean(fired) > 0.5


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_leaves_its_coefficients_alone(kind, monkeypatch):
    """Also where an array of one row or one neuron is the same both ways round, and learns."""
    for seed in range(30):
        job = job_of(kind, seed)
        coefficients = job.coefficients()
        before = copy.deepcopy([layer.words for layer in coefficients])
        with monkeypatch.context() as patch:
            patch.setattr(type(job), "coefficients", lambda _, own=coefficients: own)
            backends.run(job, "model")
        for words, layer in zip(before, coefficients, strict=True):
            for name, values in words.items():
                assert np.array_equal(values, layer.words[name]), (seed, name)


DOCTORED = {
    "a word": lambda run: run.layers[0].words[0].__setitem__(-1, run.layers[0].words[0][-1] ^ np.uint64(1 << 20)),
    "no words": lambda run: run.layers[-1].words.clear(),
    "a spike": lambda run: run.layers[-1].spikes.__iadd__(1),
    "time": lambda run: run.time_s.__iadd__(1e-3),
}


@pytest.mark.parametrize("what", DOCTORED)
@pytest.mark.parametrize("kind", KINDS)
def test_what_differs_is_found(kind, what):
    job = job_of(kind, 0)
    model, other = (backends.run(job, "model") for _ in range(2))
    DOCTORED[what](other)
    assert differs(job, model, other) != ""


def test_a_state_that_differs_is_found():
    job = next(job for job in (job_of("lif", seed) for seed in range(20)) if job.spec.keeps_state)
    model = backends.run(job, "model")
    assert model.state
    for name in model.state:
        wrong = {**model.state, name: model.state[name] + 1}
        assert differs(job, model, dataclasses.replace(model, state=wrong)) != ""
    assert differs(job, model, dataclasses.replace(model, state={})) != ""


def test_failures_are_named_by_their_seed(monkeypatch, capsys):
    def verdict(job):
        if job.seed == 3:
            raise ValueError("it cannot be made")
        return Verdict("of words" if job.seed == 2 else "", 10, True)

    monkeypatch.setattr(soak, "check", verdict)
    assert soak.soak("stdp", range(1, 5)) == 2
    first, second, last = capsys.readouterr().out.splitlines()
    assert first == "stdp: of words; again with: make soak KIND=stdp SEED=2 N=1"
    assert second == "stdp: ValueError: it cannot be made; again with: make soak KIND=stdp SEED=3 N=1"
    assert last.startswith("stdp: 2 of 4 equal, in 3 of them a neuron fired; 30 words; ")
