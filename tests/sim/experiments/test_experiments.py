"""What holds for every experiment: its trials and spreads, and what it says of options that it has no use for."""

import numpy as np
import pytest

from memtwin.sim.backends import run_all
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.kinds import card_types
from tests.perform import perform
from tests.refusal import refusal

TYPES = card_types()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_trials_and_spread_are_used_or_refused(name):
    experiment = EXPERIMENTS[name]
    assert experiment.settings(trials=1).trials == 1
    if experiment.repeated == "never":
        for asked in ({"trials": 2}, {"spread": True}, {"spread": True, "trials": 2}):
            with pytest.raises(InputError, match=f"option --(trials|spread): {name} is on nominal devices"):
                experiment.settings(**asked)
        return
    if experiment.repeated == "with spread":
        with pytest.raises(InputError, match=f"option --trials: without --spread every trial of {name} is the same"):
            experiment.settings(trials=2)
    runs = experiment.plan(experiment.settings(trials=2, spread=True))
    counts = {label: experiment.plan(experiment.settings(trials=5, spread=True))[label].shown.trials for label in runs}
    # Twice the trials of one, or more where a trial is several presentations.
    grown = {label for label in runs if counts[label] * 2 == runs[label].shown.trials * 5}
    assert grown == set(experiment.drawn)


@pytest.mark.parametrize(
    ("name", "assignments", "key"),
    [
        ("hybrid-neuron", ("theta_d2d=0.25", "theta_c2c=0", "gain_d2d=0"), "rate_hz"),
        ("hybrid-neuron", ("theta_d2d=0", "theta_c2c=0", "gain_d2d=0.25"), "rate_hz"),
        ("hybrid-neuron", ("theta_d2d=0", "theta_c2c=0.15", "gain_d2d=0"), "rate_hz"),
        ("ts-pulses", ("theta_d2d=0.25", "theta_c2c=0", "gain_d2d=0"), "integration_time_s"),
        ("ts-pulses", ("theta_d2d=0", "theta_c2c=0", "gain_d2d=0.25"), "integration_time_s"),
    ],
)
@pytest.mark.parametrize("backend", ["physics", "model"])
def test_every_spread_of_the_device_reaches_single_devices(name, assignments, key, backend):
    experiment = EXPERIMENTS[name]
    short = ("periods=60", "fires=1") if name == "hybrid-neuron" else ()
    *_, results = perform(experiment, backend, assignments=(*assignments, *short), spread=True, trials=6)
    values = np.array(list(results["spread"]["per_trial"][key].values()), dtype=float)  # (amplitudes, trials)
    assert values.shape[1] == results["spread"]["n"] == 6
    assert np.nanstd(values, axis=1).max() > 0.02 * np.nanmean(values)
    *_, none = perform(
        experiment,
        backend,
        assignments=("theta_d2d=0", "theta_c2c=0", "gain_d2d=0", *short),
        spread=True,
        trials=3,
    )
    nominal = np.array(list(none["spread"]["per_trial"][key].values()), dtype=float)
    assert np.array_equal(nominal, np.repeat(nominal[:, :1], 3, axis=1), equal_nan=True)


def test_a_trial_is_one_device_at_all_amplitudes_and_stands_alone():
    experiment = EXPERIMENTS["hybrid-neuron"]
    short = ("periods=60", "fires=1", "theta_c2c=0", "theta_d2d=0.25")
    *_, many = perform(experiment, "model", assignments=short, spread=True, trials=4, seed=5)
    *_, alone = perform(experiment, "model", assignments=short, spread=True, trials=1, seed=7)
    rates = many["spread"]["per_trial"]["rate_hz"]
    assert {volts: values[2] for volts, values in rates.items()} == {
        volts: value for volts, (value,) in alone["spread"]["per_trial"]["rate_hz"].items()
    }
    # The devices stand in one order, whatever the amplitude (ranks of rates may tie).
    order = np.argsort(np.mean(list(rates.values()), axis=0))
    for values in rates.values():
        assert (np.diff(np.array(values)[order]) >= 0).all()


def test_fixed_resistors_have_no_spread():
    experiment = EXPERIMENTS["hybrid-neuron"]
    runs = experiment.plan(experiment.settings(spread=True, trials=2, assignments=("g_d2d=0.25",)))
    conductance = runs["rate-spread"].sample()[0].conductance
    assert np.array_equal(conductance, np.broadcast_to(conductance[0], conductance.shape))


SHORT = {
    "hybrid-neuron": ["periods=30", "fires=3"],
    "lia": ["neurons=3"],
    "lif": ["time=20ms"],
    "dynamic-memristor": ["substep=25us", "period=4ms", "width=0.5ms", "recovery=20ms"],
    **{
        name: ["substep=25us", "b_on=2ms", "b_rest=1ms", "c_periods=2", "d_periods=1", "d_first_on=6ms"]
        for name in ("opamp-5a", "opamp-6a", "opamp-7a", "opamp-7b")
    },
}


def numbers(results):
    """Every number of the results, in order, without the conditions that they were got under."""
    if isinstance(results, dict):
        return [number for name, value in results.items() if name != "conditions" for number in numbers(value)]
    if isinstance(results, list):
        return [number for value in results for number in numbers(value)]
    return [results]


@pytest.mark.parametrize(
    "name", [name for name, chosen in EXPERIMENTS.items() if chosen.idle_fields(chosen.settings())]
)
def test_nothing_depends_on_fields_that_are_said_to_be_idle(name):
    chosen = EXPERIMENTS[name]
    asked = {"spread": True, "trials": 2} if chosen.repeated == "with spread" else {}
    settings, *_, before = perform(chosen, "physics", assignments=tuple(SHORT.get(name, ())), **asked)
    for role, fields in chosen.idle_fields(settings).items():
        card, changed = settings.cards[role], []
        assert set(fields) <= set(TYPES[card.kind].fields)
        for field in fields:
            # As far as the other fields let it.
            for value in (card[field] * 2, card[field] / 2, card[field] * 1.1, 0.01):
                if refusal(card.replace, **{field: value}) is None:
                    card = card.replace(**{field: value})
                    changed.append(field)
                    break
        assert set(changed) == set(fields)
        settings.cards[role] = card
    runs = chosen.plan(settings)
    after = chosen.analyse(settings, runs, run_all(runs, "physics"))
    for expected, got in zip(numbers(before), numbers(after), strict=True):
        assert got == pytest.approx(expected, rel=1e-9) if isinstance(expected, float) else got == expected
