"""Any card that loads runs, or is refused in one line, in bounded work: loader, quantiser, model and physics.

Work is counted, not timed: steps of the solvers are bounded by `memtwin.sim.solver_steps`, and everything else has
as many steps as updates are asked for.
"""

import dataclasses
import math
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from memtwin.sim import backends
from memtwin.sim.cards import Card, Field, card_names, load_card
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.kinds import card_types
from memtwin.sim.solver_steps import Steps
from memtwin.sim.units import RANGES
from tests.refusal import refusal

TYPES = card_types()

# Short runs of which every kind of card decides something.
SHORT = {
    "hybrid-neuron": ["periods=12", "fires=1"],
    "ts-pulses": ["pulses=3"],
    "lia": ["neurons=3"],
    "opamp-5a": ["b_on=0.3ms", "c_periods=1", "c_on=0.3ms", "c_off=0.1ms", "d_periods=1", "d_first_on=0.3ms"],
    "opamp-7b": ["b_on=0.3ms", "c_periods=1", "c_on=0.3ms", "c_off=0.1ms", "d_periods=1", "d_first_on=0.3ms"],
    "apparatus": ["rounds=1", "repeats=1", "on=0.2ms", "off=0.1ms", "recall_rest=0.1ms"],
    "lif": ["time=5ms"],
    "stdp-window": ["longest=20ms"],
    "coincidence": ["epoch=20ms"],
    "izhikevich": ["before=2ms", "time=10ms"],
}
FIELDS = sorted(
    (name, role, field)
    for name in SHORT
    for role, default in EXPERIMENTS[name].cards.items()
    for field in load_card(default).fields
)


def try_experiment(name, role, values, backend):
    """Run one experiment with some fields of one card changed; what it says if it refuses, else None.

    The values are put in place of those that were read, so that the loader has its say on them too.
    """
    chosen = EXPERIMENTS[name]

    def run():
        asked = chosen.settings(assignments=tuple(SHORT[name]), trials=1)
        asked.cards[role] = asked.cards[role].replace(**values)
        runs = {
            label: job
            for label, job in chosen.plan(asked).items()
            if label
            in (
                "fire",
                "learning",
                "chain",
                "trains",
                "layer",
                "B",
                "D",
                "stream",
                "neurons",
                "pairs",
                "epochs",
                "step",
            )
        }
        recordings = backends.run_all(runs, backend)
        for recording in recordings.values():
            for layer in recording.layers:
                assert np.isfinite(layer.conductance).all()
                for trial in layer.events:
                    assert all(math.isfinite(event.time_s) for event in trial)

    return refusal(run)


def magnitudes(unit):
    """Floats over the whole range, dense near what a device has, and what is no number."""
    least, most = RANGES[unit]
    inside = st.floats(math.log10(least), math.log10(most)).map(lambda power: 10.0**power)
    return st.one_of(inside, inside, inside, st.floats(), st.sampled_from([0.0, least, most, -1.0, math.nan, math.inf]))


@st.composite
def changes(draw):
    """One or two fields of a card of an experiment, anywhere in the range of floats, and a backend."""
    name = draw(st.sampled_from(sorted(SHORT)))
    role = draw(st.sampled_from(sorted(EXPERIMENTS[name].cards)))
    card = load_card(EXPERIMENTS[name].cards[role])
    fields = draw(st.lists(st.sampled_from(sorted(card.fields)), min_size=1, max_size=2, unique=True))
    values = {
        field: card[field] * 10 ** draw(st.floats(-3, 3))
        if draw(st.booleans())
        else draw(magnitudes(card.fields[field].unit))
        for field in fields
    }
    return name, role, values, draw(st.sampled_from(["physics", "model"]))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(changes())
@example(("ts-pulses", "threshold switch", {"v0": 1e-3}, "physics"))
@example(("ts-pulses", "threshold switch", {"v0": 1e-2}, "physics"))
@example(("ts-pulses", "threshold switch", {"g0": 1e5}, "model"))
@example(("hybrid-neuron", "threshold switch", {"tau_leak": 1e9}, "model"))
def test_any_value_of_a_card_runs_or_is_refused_in_one_line(change):
    message = try_experiment(*change)
    assert message is None or (message and "\n" not in message)


@pytest.mark.slow
@settings(max_examples=600, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes())
def test_many_values_of_cards_run_or_are_refused_in_one_line(change):
    message = try_experiment(*change)
    assert message is None or (message and "\n" not in message)


def test_every_kind_of_card_is_tried():
    tried = {load_card(default).kind for name in SHORT for default in EXPERIMENTS[name].cards.values()}
    assert tried == set(TYPES)
    assert {load_card(name).kind for name in card_names()} == set(TYPES)


def past_the_loader(card: Card, **values: float) -> Card:
    """Return a card with values that no loader would let through."""
    fields = {
        name: Field(values.get(name, field.value), field.unit, field.source) for name, field in card.fields.items()
    }
    return dataclasses.replace(card, fields=fields)


@pytest.mark.parametrize(
    ("name", "role", "values", "what"),
    [
        ("ts-pulses", "threshold switch", {"v0": 1e-3}, "half-period"),
        ("ts-pulses", "threshold switch", {"g0": math.inf}, "half-period"),
        ("opamp-6a", "threshold-switching memristor", {"tau_on": 1e-12, "tau_off": 1e-12}, "substep"),
    ],
)
def test_solvers_of_continuous_time_come_to_an_end_whatever_the_devices_do(name, role, values, what):
    chosen = EXPERIMENTS[name]
    asked = chosen.settings(assignments=("b_on=2ms", "b_rest=0s") if name == "opamp-6a" else ())
    asked.cards[role] = past_the_loader(asked.cards[role], **values)
    job = next(iter(chosen.plan(asked).values()))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        with pytest.raises(InputError, match=rf"physics: expected at most \d+ steps in a {what}"):
            backends.run(job, "physics")


def test_steps_of_one_interval_may_be_taken_in_another():
    steps = Steps("solver", 3, "interval", "wait")
    steps.allow(2)
    for _ in range(9):
        steps.take()
    with pytest.raises(InputError, match=r"solver: expected at most 3 steps in a interval, .*; wait"):
        steps.take()
