"""A run that is cut in two, and goes on from its state, is the same run: every word, on every backend with words."""

import dataclasses
from functools import cache

import numpy as np
import pytest

from memtwin.sim import backends
from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec
from tests.sim.opamp import jobs as opamp_jobs
from tests.sim.stdp import jobs as stdp_jobs


def digits(mode="adaptive"):
    """Return a lesson of the digits network, shortened: it learns, adapts and inhibits."""
    chosen = EXPERIMENTS["digits"]
    job = chosen.plan(chosen.settings(seed=3, trials=2))[mode]
    return dataclasses.replace(job, shown=job.shown.take(slice(0, 24)), record=True)


def pictures(steps=6, presentations=5):
    """Return a small network of LIF neurons behind an encoder that draws at random."""
    rng = np.random.default_rng(1)
    layer = LifLayerSpec(weight=rng.normal(size=(3, 8)), tau=5e-3, r=2.0, v_threshold=0.5)
    shown = Images.from_values(rng.integers(0, 200, (presentations, 8)), steps=steps, mode="rate", trials=2)
    return Job(spec=LifSpec(layers=(layer,), dt=1e-3), shown=shown, seed=5, record=True)


def cut(job, at):
    """Return the job up to presentation `at`, and from there on."""
    return [dataclasses.replace(job, shown=job.shown.take(part)) for part in (slice(0, at), slice(at, None))]


JOBS = {"hybrid": (digits, (1, 11, 20)), "lif": (pictures, (1, 3))}
PAIRS = [("model", "model"), ("model", "rtl"), ("rtl", "model")]


@cache
def recorded(family, backend="model"):
    """Return the whole run."""
    return backends.run(JOBS[family][0](), backend)


def equal_states(state, other):
    assert state.keys() == other.keys()
    for name, words in other.items():
        np.testing.assert_array_equal(state[name], words, err_msg=name)


@pytest.mark.parametrize("family", JOBS)
def test_gateware_leaves_the_state_of_the_model(family):
    equal_states(recorded(family, "rtl").state, recorded(family).state)


@pytest.mark.parametrize(("early", "late"), PAIRS)
@pytest.mark.parametrize("family", JOBS)
def test_goes_on_word_by_word(family, early, late):
    make, places = JOBS[family]
    job = make()
    whole = recorded(family)
    for at in places:
        first, second = cut(job, at)
        before = backends.run(first, early)
        after = backends.run(dataclasses.replace(second, start=before.state), late)
        for entire, *parts in zip(whole.layers, before.layers, after.layers, strict=True):
            for trial in range(job.shown.trials):
                words = np.concatenate([part.words[trial] for part in parts])
                np.testing.assert_array_equal(words, entire.words[trial])
            for name in ("spikes", "fires"):
                counts = [getattr(part, name) for part in parts]
                np.testing.assert_array_equal(np.concatenate(counts, axis=1), getattr(entire, name))
            np.testing.assert_array_equal(parts[1].conductance, entire.conductance)
        np.testing.assert_array_equal(np.concatenate([before.duration, after.duration], axis=1), whole.duration)
        equal_states(after.state, whole.state)


@pytest.mark.parametrize("family", JOBS)
def test_every_window_matters(family):
    """A state in which one word is wrong leads to another run: nothing in it is idle."""
    job = JOBS[family][0]()
    first, second = cut(job, 3)
    state = backends.run(first, "model").state
    right = backends.run(dataclasses.replace(second, start=state), "model")
    for name in state:
        if name.startswith("layer2."):  # not taught yet at this point; a layer like the first
            continue
        # The lowest bit of a threshold or a synapse need not show, nor L1, which the first pass sets.
        large = {"theta": 1 << 13, "adapt": 1 << 13, "conductance": 1 << 12, "latches": 2}
        bit = large.get(name.partition(".")[2], 1)
        wrong = {**state, name: state[name] ^ bit}
        other = backends.run(dataclasses.replace(second, start=wrong), "model")
        same = [
            np.array_equal(a, b)
            for one, two in zip(right.layers, other.layers, strict=True)
            for a, b in zip(one.words, two.words, strict=True)
        ]
        assert not all(same), name


def test_state_of_another_network():
    job = digits()
    first, second = cut(job, 2)
    state = backends.run(first, "model").state
    with pytest.raises(InputError, match=r"state: expected layer1\.theta, which is missing; it is of another network"):
        backends.run(
            dataclasses.replace(second, start={k: v for k, v in state.items() if k != "layer1.theta"}), "model"
        )
    with pytest.raises(InputError, match=r"state layer1\.theta: expected 10 words in 2 trials, not the shape \(2, 9\)"):
        backends.run(
            dataclasses.replace(second, start={**state, "layer1.theta": state["layer1.theta"][:, :9]}), "model"
        )


def test_program_take():
    rng = np.random.default_rng(0)
    program = Program.build(rng.integers(0, 2, (2, 5, 3)), gates=np.ones(2), learn=(1,), periods=np.arange(5))
    assert program.take(slice(2, 4)).periods.tolist() == [[2, 3], [2, 3]]
    joined = program.take(slice(0, 2)).then(program.take(slice(2, None)))
    for name, values in vars(program).items():
        np.testing.assert_array_equal(getattr(joined, name), values)


def test_only_where_there_are_words_of_a_state():
    job = dataclasses.replace(digits(), start={})
    for backend in ("physics", "ngspice"):
        with pytest.raises(
            InputError, match=f"start: backend {backend} has no words of a state; expected model, rtl, netlist"
        ):
            backends.run(job, backend)
    for other in (opamp_jobs.network(), stdp_jobs.one_pair(3)):
        for backend in ("model", "rtl"):
            with pytest.raises(InputError, match="start: networks of this kind cannot go on from a state"):
                backends.run(dataclasses.replace(other, start={}), backend)
