"""What a user is told of runs: each thing once, with the run that it is of."""

import dataclasses
import re

import numpy as np
import pytest

from memtwin.sim import backends
from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec
from memtwin.sim.quantised import TOLERANCE
from memtwin.sim.recording import Recording
from memtwin.sim.run_warnings import warnings_of_jobs, warnings_of_recordings


def job(volts=1.6, *, trials=1, d2d=False, seed=0, **options):
    spec = NetworkSpec(
        layers=(LayerSpec(rows=2, neurons=2, v_in=volts, g_initial=400e-6),),
        device=load_card("ag-sio2").replace(gain_d2d="0.25"),
        d2d=d2d,
    )
    program = Program.build(np.ones((trials, 1, 2)), gates=[1, 1], learn=(0,), periods=1)
    return Job(spec=spec, shown=program, seed=seed, **options)


def recording(**values):
    return Recording(backend="model", layers=[], duration=np.zeros((1, 1)), time_s=np.zeros(1), **values)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_shipped_cards_fit_their_words(name):
    chosen = EXPERIMENTS[name]
    for label, run in chosen.plan(chosen.settings(trials=1)).items():
        for layer in run.coefficients():
            beyond = [line for line in layer.report if line.moved > TOLERANCE / 2 or line.saturated]
            assert beyond == [], label


def test_growth_that_cannot_be_reached_does_not_count():
    (layer,) = job(2.0).coefficients()
    assert layer.words["growth_base"].max() == 65535  # of voltages that no input makes
    growth = next(line for line in layer.report if line.name == "growth per substep")
    assert growth.saturated == 0
    assert growth.moved < 1e-3
    with pytest.raises(InputError, match=r"layer 1, growth per substep: .* at least 32 substeps .* not 16"):
        job(2.7).coefficients()


def test_every_trial_is_looked_at():
    # At 2.4 V a device clips whose gain is a quarter above the nominal one.
    gains = job(2.4, d2d=True, trials=100).sample()[0].gain.max(axis=1)
    seed = next(seed for seed in range(99) if gains[seed] < 1.15 and gains[seed + 1] > 1.3)
    job(2.4, d2d=True, seed=seed).coefficients()
    both = job(2.4, d2d=True, seed=seed, trials=2)
    with pytest.raises(InputError, match=r"layer 1, growth per substep: .*, got 0\.25, which is the end of its word"):
        both.coefficients()
    lines = warnings_of_jobs([("a", dataclasses.replace(both, allow_clipping=True))], "model")
    assert len([line for line in lines if line.startswith("quantisation clips growth per substep: asked ")]) == 1


def test_a_warning_of_many_runs_is_one_line():
    clipped = job(2.7, allow_clipping=True, warnings=("a file says nothing of its step",))
    lines = warnings_of_jobs([("a", clipped), ("b", clipped), ("b", clipped)], "rtl")
    assert [line.split(":")[0] for line in lines if "quantisation" in line] == ["quantisation clips growth per substep"]
    assert lines.count("a file says nothing of its step") == 1
    assert len(set(lines)) == len(lines)


def test_of_all_runs_the_worst_is_refused():
    # What it says to do is then enough for all of them.
    runs = [("a", job(2.7)), ("b", job(3.2)), ("c", job(2.8))]
    with pytest.raises(InputError, match=r"run b, layer 1, growth per substep: .* card ag-sio2") as refused:
        warnings_of_jobs(runs, "model")
    substeps = int(re.search(r"at least (\d+) substeps", str(refused.value))[1])
    assert substeps > 32
    for name, run in runs:
        finer = dataclasses.replace(run, spec=dataclasses.replace(run.spec, substeps=substeps))
        warnings_of_jobs([(name, finer)], "model")


def test_nothing_is_rounded_in_continuous_time():
    clipped = job(2.7, warnings=("said",))
    assert [line for line in warnings_of_jobs([("a", clipped)], "physics") if "quantisation" in line] == []
    with pytest.raises(InputError):
        warnings_of_jobs([("a", clipped)], "physics", "model")


def test_saturations_are_counted_word_by_word():
    found = {"a": recording(saturated={"v1": 3, "growth": 1}), "c": recording()}
    assert warnings_of_recordings(found.items()) == [
        "arithmetic reached the end of a word (run a); how often, by word: v1 3, growth 1"
    ]


def test_what_is_true_of_several_runs_and_backends_is_one_line():
    first, other = (recording(warnings={"x": [place]}) for place in ("layer 1", "layer 2"))
    found = [("a", first), ("a", first), ("b", recording()), ("c", first), ("c", other)]
    assert warnings_of_recordings(found) == ["x (run a, layer 1; run c, layer 1; run c, layer 2)"]


def test_what_cannot_be_quantised_is_refused_before_its_steps_are_looked_at(monkeypatch):
    def steps(_):
        raise AssertionError("asked for the steps of what has no words")

    monkeypatch.setattr(Job, "coarse_steps", steps)
    chosen = EXPERIMENTS["opamp-7a"]
    runs = chosen.plan(chosen.settings(assignments=("rm-integrating.v_floor=1nV",))).items()
    with pytest.raises(InputError, match="card rm-integrating, field v_floor: 1nV is outside"):
        warnings_of_jobs(runs, "physics", "model")


def test_growth_that_is_clipped_by_a_little_is_told_because_a_comparison_notices_it():
    chosen = EXPERIMENTS["ts-pulses"]
    run = chosen.plan(chosen.settings(assignments=("g0=1270/s",), trials=1))["trains"]
    run = dataclasses.replace(run, record=True)
    found = compare(run, backends.run(run, "physics"), backends.run(run, "model"))
    assert any(line.startswith("filament: ") for line in found["outside"])
    growth = next(line for line in run.coefficients()[0].report if line.name == "growth per substep")
    assert 0 < growth.clipped < TOLERANCE
    lines = warnings_of_jobs([("trains", run)], "physics", "model")
    assert "quantisation clips growth per substep: asked 0.2525, got 0.25 (run trains, layer 1)" in lines
