"""Many trials are run in blocks: the results are those of one block, and the memory has a bound."""

import dataclasses
import json
import re

import numpy as np
import pytest

from memtwin import api
from memtwin.sim import backends
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.experiments import blocks as module
from memtwin.sim.experiments.blocks import blocks, check_size, join, trial_bytes
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.opamp.shown import Stimulus

SHORT = {
    "digits": ["epochs=1", "periods=6", "settle=0", "limit=10"],
    "hybrid-neuron": ["periods=30", "fires=1"],
    "apparatus": ["rounds=1", "repeats=1", "substep=25us", "on=2ms", "off=1ms", "recall_rest=1ms"],
    "opamp-6a": ["c_periods=1", "d_periods=1", "b_rest=0s"],
}
REPEATED = [name for name, chosen in EXPERIMENTS.items() if chosen.repeated != "never"]


@pytest.mark.parametrize("name", [name for name in REPEATED if name not in ("opamp-5a", "opamp-7a", "opamp-7b")])
def test_results_do_not_depend_on_the_blocks(name, monkeypatch):
    asked = {
        "assignments": SHORT.get(name, []),
        "trials": 5,
        "seed": 3,
        "spread": EXPERIMENTS[name].repeated == "with spread",
    }
    at_once = api.run(name, **asked)
    monkeypatch.setattr(module, "MOST_TRIALS", 2)
    settings = EXPERIMENTS[name].settings(trials=5, seed=3, spread=asked["spread"])
    assert [(part.seed, part.trials) for part in blocks(EXPERIMENTS[name], settings)] == [(3, 2), (5, 2), (7, 1)]
    in_blocks = api.run(name, **asked)
    assert json.dumps(in_blocks.json(), sort_keys=True) == json.dumps(at_once.json(), sort_keys=True)


@pytest.mark.parametrize("name", REPEATED)
def test_a_block_stays_below_its_bound_for_any_number_of_trials(name):
    chosen = EXPERIMENTS[name]
    settings = chosen.settings(trials=3000, spread=True)
    parts = blocks(chosen, settings)
    assert sum(part.trials for part in parts) == 3000
    jobs = chosen.plan(dataclasses.replace(settings, trials=1))
    size = sum(trial_bytes(jobs[label]) * jobs[label].shown.trials for label in chosen.drawn)
    assert size * parts[0].trials <= module.BLOCK_BYTES
    million = dataclasses.replace(settings, trials=1_000_000)
    assert blocks(chosen, million)[0].trials == parts[0].trials


def test_a_joined_recording_has_the_times_clocks_and_saturations_of_both():
    chosen = EXPERIMENTS["coincidence"]
    recordings = [
        backends.run_all(chosen.plan(chosen.settings(trials=trials, seed=trials)), "model")["epochs"]
        for trials in (1, 2)
    ]
    first, later = (
        dataclasses.replace(
            own, saturated={"v": own.time_s.size, "u": 1}, clocks=own.time_s.astype(int), warnings=warnings
        )
        for own, warnings in zip(recordings, ({"x": ["layer 1"]}, {"x": ["layer 2"], "y": ["layer 1"]}), strict=True)
    )
    joined = join(first, later)
    assert joined.time_s.size == joined.clocks.size == 3
    assert joined.saturated == {"v": 3, "u": 2}
    assert joined.warnings == {"x": ["layer 1", "layer 2"], "y": ["layer 1"]}


@pytest.mark.parametrize(
    ("name", "asked", "label"),
    [
        ("ts-pulses", {"assignments": ["pulses=1000000"]}, "trains"),
        ("hybrid-neuron", {"assignments": ["fires=1000000"]}, "learning"),
        ("lia", {"assignments": ["neurons=1000"]}, "layer"),
        ("digits", {"assignments": ["rest=1000000", "epochs=1"]}, "evolution"),
    ],
)
def test_what_does_not_fit_the_memory_is_refused_before_it_runs(name, asked, label):
    with pytest.raises(InputError, match=rf"run {label}: expected at most 4 GiB of memory, not [0-9.e+]+ GiB"):
        api.run(name, **asked)


@pytest.mark.parametrize(
    ("name", "assignments", "expected"),
    [
        ("digits", ["epochs=1000000"], "option epochs: expected at most 10000, not 1000000"),
        ("digits", ["epochs=1000000", "phase=training"], "option epochs: expected at most 10000, not 1000000"),
        ("apparatus", ["repeats=1000000"], "options repeats x rounds: expected at most 25000, not 2000000"),
        ("apparatus", ["rounds=1000000"], "options repeats x rounds: expected at most 25000, not 4000000"),
    ],
)
def test_too_many_presentations_are_refused_before_they_are_planned(name, assignments, expected, monkeypatch):
    for kind in (Program, Stimulus):
        monkeypatch.setattr(kind, "build", None)
    with pytest.raises(InputError, match=expected):
        api.run(name, assignments=assignments)


@pytest.mark.parametrize("name", ["ts-pulses", "opamp-6a", "coincidence", "digits"])
def test_a_comparison_of_too_many_trials_is_refused_before_they_are_planned(name, monkeypatch):
    plan, planned = type(EXPERIMENTS[name]).plan, []
    monkeypatch.setattr(type(EXPERIMENTS[name]), "plan", lambda *asked: planned.append(asked[1]) or plan(*asked))
    pattern = r"option --trials: expected at most (\d+), not 123456, .* 4 GiB of memory, .*, with every update recorded"
    with pytest.raises(InputError, match=pattern) as refused:
        api.compare(name, "physics", "model", trials=123_456, spread=True)
    assert [settings.trials for settings in planned] == [1]
    most = int(re.search(r"at most (\d+)", str(refused.value))[1])
    settings = dataclasses.replace(planned[0], trials=most)
    if name != "coincidence":  # whose programs are larger than the others' by far
        jobs = plan(EXPERIMENTS[name], settings)
        for label in EXPERIMENTS[name].drawn:
            check_size(dataclasses.replace(jobs[label], record=True), label)


def test_states_of_many_blocks_are_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "MOST_TRIALS", 2)
    with pytest.raises(InputError, match=r"option --trials: expected at most 2 with --start or --save, .*, not 3"):
        api.run("digits", trials=3, save=tmp_path / "state.npz")
    assert not list(tmp_path.iterdir())


def test_the_estimate_grows_with_what_is_kept():
    chosen = EXPERIMENTS["hybrid-neuron"]
    (job, longer) = (
        chosen.plan(chosen.settings(assignments=(f"periods={periods}",)))["rate"] for periods in (100, 200)
    )
    assert trial_bytes(longer) > 1.9 * trial_bytes(job)
    assert trial_bytes(dataclasses.replace(job, record=False)) < trial_bytes(job) / 100
    check_size(job, "rate")
    waveform = backends.run(job, "model").layers[0].waveform[0]
    assert sum(values.nbytes for values in waveform.signals.values()) + np.asarray(
        waveform.time_s
    ).nbytes < trial_bytes(job)
