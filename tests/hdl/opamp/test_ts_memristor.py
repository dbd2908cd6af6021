from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.opamp.ts_memristor import TsMemristor
from tests.hdl.helpers import refused
from tests.hdl.opamp.reference import round_shift, sat
from tests.hdl.pipeline import stream

DELAY, LATENCY = 7, 12
OUTPUTS = {"rt": TsMemristor.resistance_latency, "o_s": LATENCY, "o_on": LATENCY, "o_set": LATENCY}

# Four substeps up, ten down. Logarithms are coefficients: the log words are four times as large.
COEFFICIENTS = {
    "r_off_log": 40000,
    "v_hold_log": 30000,
    "swing": 40000,
    "rise": 10000,
    "fall": 4000,
    "rise_per_fall": 640,
    "fall_per_rise": 102,
}
DEVICE = {"s": 0, "on": 0, "v_th_log": 35000, "voltage": 0}


def expected(d, c):
    """Section 6 of docs/opamp-arithmetic.md for the switch."""
    s, on, v = d["s"], d["on"], d["voltage"]
    rt = sat((c["r_off_log"] << 2) - (min(max(s, 0), c["swing"]) << 1), 18)
    if not on and s <= 0:
        on = int(v > d["v_th_log"] << 2)
        s = c["rise"] + round_shift(-s * c["rise_per_fall"], 8) if on else 0
    elif not on:
        s -= c["fall"]
    elif s >= c["swing"]:
        on = int(v >= c["v_hold_log"] << 2)
        s = c["swing"] if on else c["swing"] - c["fall"] - round_shift((s - c["swing"]) * c["fall_per_rise"], 8)
    else:
        s += c["rise"]
    return {"rt": rt, "o_s": s, "o_on": on, "o_set": int(on and not d["on"])}


def run(devices, coefficients=COEFFICIENTS, delay=DELAY, latency=LATENCY):
    outputs = {name: clocks if name == "rt" else latency for name, clocks in OUTPUTS.items()}
    dut = TsMemristor(delay, latency)
    return stream(dut, devices, outputs, late={"voltage": delay}, stable=coefficients)


TH, HOLD = 35000 << 2, 30000 << 2
CASES = {
    # device: s, on, set, and the resistance in steps of the log word below r_off
    "rests": ({"voltage": TH}, 0, 0, 0, 0),
    "sets_above_the_threshold": ({"voltage": TH + 1}, 10000, 1, 1, 0),
    "rests_at_its_end": ({"s": -3000}, 0, 0, 0, 0),
    "sets_with_the_time_that_was_left": ({"s": -3000, "voltage": TH + 1}, 10000 + 7500, 1, 1, 0),
    "left_time_rounds_up_at_half": ({"s": -1, "voltage": TH + 1}, 10003, 1, 1, 0),
    "switches_off": ({"s": 5000, "voltage": TH + 1}, 1000, 0, 0, 10000),
    "switches_off_beyond_the_end": ({"s": 1, "voltage": TH + 1}, -3999, 0, 0, 2),
    "switches_on": ({"s": 1, "on": 1}, 10001, 1, 0, 2),
    "switches_on_from_below": ({"s": -7, "on": 1}, 9993, 1, 0, 0),
    "switches_on_beyond_the_end": ({"s": 39999, "on": 1}, 49999, 1, 0, 79998),
    "holds": ({"s": 40000, "on": 1, "voltage": HOLD}, 40000, 1, 0, 80000),
    "holds_at_its_end": ({"s": 49000, "on": 1, "voltage": HOLD}, 40000, 1, 0, 80000),
    "resets_below_the_hold_voltage": ({"s": 40000, "on": 1, "voltage": HOLD - 1}, 36000, 0, 0, 80000),
    "resets_with_the_time_that_was_left": ({"s": 45120, "on": 1}, 36000 - 2040, 0, 0, 80000),
    "a_threshold_of_its_own": ({"v_th_log": 100, "voltage": 401}, 10000, 1, 1, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    device, s, on, sets, lower = CASES[name]
    assert run([DEVICE | device]) == [{"rt": 160000 - lower, "o_s": s, "o_on": on, "o_set": sets}]


def test_resistance_saturates():
    assert run([DEVICE | {"s": 30000}], COEFFICIENTS | {"r_off_log": 14999})[0]["rt"] == 0


@pytest.mark.parametrize(("delay", "latency"), [(4, 6), (6, 8), (14, 17), (12, 30)])
def test_latency_follows_the_circuit(delay, latency):
    devices = [DEVICE | device for device, *_ in CASES.values()]
    assert run(devices, delay=delay, latency=latency) == [expected(device, COEFFICIENTS) for device in devices]


words = st.integers(0, 65535)


@st.composite
def switches(draw):
    """Coefficients and devices within what section 1 lets the words hold."""
    swing = draw(st.integers(1, 60000))
    rise = draw(st.integers(1, min(swing, 65535 - swing)))
    fall = draw(st.integers(1, swing))
    coefficients = {
        "r_off_log": draw(words),
        "v_hold_log": draw(words),
        "swing": swing,
        "rise": rise,
        "fall": fall,
        "rise_per_fall": min(round(rise / fall * 256), 65535),
        "fall_per_rise": min(round(fall / rise * 256), 65535),
    }
    device = st.fixed_dictionaries(
        {
            "s": st.one_of(st.integers(-fall, swing + rise), st.integers(-2, 2), st.integers(swing - 2, swing + 2)),
            "on": st.integers(0, 1),
            "v_th_log": words,
            "voltage": st.integers(0, 2**18 - 1),
        }
    )
    devices = draw(st.lists(device, min_size=1, max_size=12))
    # Half of the voltages lie about where the device turns.
    for item in devices:
        if draw(st.booleans()):
            turn = coefficients["v_hold_log"] if item["on"] else item["v_th_log"]
            item["voltage"] = max((turn << 2) + draw(st.integers(-1, 1)), 0)
    fits = [device for device in devices if -(2**16) <= expected(device, coefficients)["o_s"] < 2**16]
    return coefficients, fits or [DEVICE]


@settings(deadline=None, max_examples=60)
@given(switches())
def test_matches_the_specification_at_one_device_per_clock(drawn):
    coefficients, devices = drawn
    assert run(devices, coefficients) == [expected(device, coefficients) for device in devices]


def test_a_train_of_pulses_keeps_its_period():
    """Always above the threshold while off and below the hold voltage while on: it swings at its own pace."""
    device = dict(DEVICE)
    sets = []
    for substep in range(140):
        device["voltage"] = 0 if device["on"] else TH + 1
        (result,) = run([device], delay=4, latency=6)
        device |= {"s": result["o_s"], "on": result["o_on"]}
        if result["o_set"]:
            sets.append(substep)
    # Up 40000 / 10000 substeps, down 40000 / 4000.
    assert [b - a for a, b in pairwise(sets)] == [14] * 9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((3, 9), "voltage_delay must be at least 4, not 3"), ((6, 7), "latency must be at least 8, not 7")],
)
def test_refuses_a_delay_that_is_too_short(arguments, message):
    refused(message, TsMemristor, *arguments)
