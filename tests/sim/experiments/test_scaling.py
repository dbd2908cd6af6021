"""Time has no scale of its own: all times of an experiment times a factor, and the results are that factor longer.

No time may be fixed in an experiment, a quantiser or a solver. The factor is a power of two, so that every quotient of
two times is the same number, bit for bit, and so is what is made of it.
"""

import numpy as np
import pytest

from memtwin.sim.experiments import EXPERIMENTS
from tests.perform import perform

FACTOR = 4
OPAMP = ["substep=25us", "b_on=2ms", "b_rest=1ms", "c_periods=2", "d_periods=1", "d_first_on=6ms"]
SHORT = {
    "digits": ["epochs=1", "phase=training", "settle=20", "limit=10"],
    "hybrid-neuron": ["periods=40", "fires=4"],
    "lia": ["neurons=3"],
    "apparatus": ["rounds=1", "repeats=1", "substep=25us", "on=2ms", "off=1ms", "recall_rest=1ms"],
    "dynamic-memristor": ["substep=25us", "period=4ms", "width=0.5ms", "recovery=20ms"],
    "lif": ["time=20ms"],
    **dict.fromkeys(["opamp-5a", "opamp-6a", "opamp-7a", "opamp-7b"], OPAMP),
}
# The equations of the neuron of Izhikevich are in milliseconds.
OF_A_SCALE = {"izhikevich"}
POWER = {"s": 1, "Hz": -1, "/s": -1}


def scaled(experiment, assignments):
    """Assignments that multiply every time, and divide every rate, of an experiment: its options and its cards."""
    before = experiment.settings(assignments=tuple(assignments))
    given = {assignment.partition("=")[0] for assignment in assignments}
    out = [a for a in assignments if experiment.all_options[a.partition("=")[0]].unit not in POWER]
    for name, option in experiment.all_options.items():
        if option.unit in POWER:
            out.append(f"{name}={before.options[name] * FACTOR ** POWER[option.unit]!r}{option.unit}")
    cards = {card.name: card for card in before.cards.values()}
    for card in cards.values():
        for name, field in card.fields.items():
            if field.unit in POWER:
                out.append(f"{card.name}.{name}={field.value * FACTOR ** POWER[field.unit]!r}{field.unit}")
    assert given <= {a.partition("=")[0] for a in out}
    return out


def leaves(results, power=0):
    """Every number of the results in order, with the power of time that it has."""
    if isinstance(results, dict):
        for name, value in results.items():
            own = 1 if name.endswith("_s") else -1 if name.endswith("_hz") or name == "rates" else power
            yield from leaves(value, own)
    elif isinstance(results, list):
        for value in results:
            yield from leaves(value, power)
    else:
        yield results, power


@pytest.mark.parametrize("backend", ["physics", "model"])
@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name not in OF_A_SCALE])
def test_results_scale_with_all_times(name, backend):
    experiment, short = EXPERIMENTS[name], SHORT.get(name, [])
    spread = {"spread": True, "trials": 2} if experiment.repeated == "with spread" else {}
    short = tuple(short)
    *_, before = perform(experiment, backend, assignments=short, **spread)
    *_, after = perform(experiment, backend, assignments=tuple(scaled(experiment, short)), **spread)
    expected, got = list(leaves(before)), list(leaves(after))
    assert len(expected) == len(got) > 3
    for (value, power), (found, _) in zip(expected, got, strict=True):
        if isinstance(value, float):
            assert found == pytest.approx(value * float(FACTOR) ** power, rel=1e-9, abs=0 if power else 1e-12)
        else:
            assert found == value


def test_pulses_a_hundred_times_as_long_take_a_hundred_times_as_long():
    slow = ("clock=20Hz", "tau_leak=400ms", "tau_relax=15ms", "g0=1.95/s", "tau_adapt=100s")
    ts = EXPERIMENTS["ts-pulses"]
    before, after = perform(ts, "physics")[3], perform(ts, "physics", assignments=slow)[3]
    for key in ("integration_time_s", "relaxation_time_s"):
        times = np.array(list(before[key].values()))
        assert list(after[key].values()) == pytest.approx(100 * times, rel=1e-9)
    assert after["pulses_by_amplitude"] == before["pulses_by_amplitude"]
