import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.opamp.dynamic_memristor import DynamicMemristors
from tests.hdl.helpers import refused
from tests.hdl.opamp.reference import exp2, round_shift, sat
from tests.hdl.pipeline import stream

DELAY = 4
TOP = 2**27 - 1

# At the floor's voltage, log word 80000, the growth is 2**10 units.
COEFFICIENTS = {"exponent": 2 << 12, "v_floor_log": 20000, "growth_log": 10 << 11, "leak": 32768, "span": 65535}
DEVICE = {"u": 0, "r0_log": 30000, "voltage": 0}


def expected(d, c):
    """Section 6 of docs/opamp-arithmetic.md for a dynamic memristor."""
    e = d["voltage"] - (c["v_floor_log"] << 2)
    q = round_shift(min(abs(e), 65535) * c["exponent"], 12)
    a = (c["growth_log"] << 2) + (q if e >= 0 else -q)
    if a < 0 or e <= -65536:
        growth = 0
    elif a >= 23 << 13:
        growth = 2**23 - 1
    else:
        growth = exp2(a)
    return {
        "rm": sat((d["r0_log"] << 2) - round_shift(d["u"], 9), 18),
        "o_u": min(d["u"] - round_shift((d["u"] >> 11) * c["leak"], 9) + growth, c["span"] << 11),
    }


def run(devices, coefficients=COEFFICIENTS, delay=DELAY, place="first"):
    """Results of a single memristor in `place`, one device a clock."""
    dut = DynamicMemristors([place], delay)
    assert dut.latency == delay + DynamicMemristors.growth_latency
    results = stream(
        dut,
        [named(device, place) for device in devices],
        {f"rm_{place}": DynamicMemristors.resistance_latency, f"o_u_{place}": dut.latency},
        late={f"voltage_{place}": delay},
        stable=named(coefficients, place),
    )
    return [{"rm": result[f"rm_{place}"], "o_u": result[f"o_u_{place}"]} for result in results]


def named(words, place):
    """Names of the ports of `place`."""
    return {
        f"{name.removesuffix('_log')}_{place}{'_log' if name.endswith('_log') else ''}": word
        for name, word in words.items()
    }


FLOOR = 80000
FAST = {"exponent": 65535}  # 16 octaves of growth per octave of voltage
CASES = {
    # device, coefficients, new state
    "no_voltage_no_growth": ({}, {}, 0),
    "grows_at_the_floor": ({"voltage": FLOOR}, {}, 2**10),
    "an_octave_more_voltage": ({"voltage": FLOOR + 8192}, {}, 2**12),
    "an_octave_less_voltage": ({"voltage": FLOOR - 8192}, {}, 2**8),
    "growth_of_one_unit": ({"voltage": FLOOR - 5 * 8192}, {}, 1),
    "less_than_one_unit": ({"voltage": FLOOR - 5 * 8192 - 1}, {}, 0),
    "most_that_is_computed": ({"voltage": FLOOR + 13 * 4096 - 1}, {}, exp2((23 << 13) - 2)),
    "growth_saturates": ({"voltage": FLOOR + 13 * 4096}, {}, 2**23 - 1),
    "growth_saturates_far_away": ({"voltage": 2**18 - 1}, FAST, 2**23 - 1),
    "excess_saturates": ({"voltage": 2**18 - 1}, {"exponent": 1 << 12, "v_floor_log": 0}, exp2((10 << 13) + 65535)),
    "excess_just_within": ({"voltage": 65535}, {"exponent": 1 << 12, "v_floor_log": 0}, exp2((10 << 13) + 65535)),
    "just_above_the_lowest_voltage": ({"voltage": FLOOR - 65535}, {"exponent": 0}, 2**10),
    "the_lowest_voltage": ({"voltage": FLOOR - 65536}, {"exponent": 0}, 0),
    "leaks": ({"u": 2**26}, {}, 2**26 - 2**21),
    "leaks_by_the_high_bits": ({"u": (1 << 11) - 1}, {"leak": 65535}, (1 << 11) - 1),
    "leak_rounds_up_at_half": ({"u": 1 << 11}, {"leak": 256}, (1 << 11) - 1),
    "leak_rounds_down_below_half": ({"u": 1 << 11}, {"leak": 255}, 1 << 11),
    "leaks_and_grows": ({"u": 2**26, "voltage": FLOOR}, {}, 2**26 - 2**21 + 2**10),
    "comes_near_its_floor": ({"u": 1000, "voltage": FLOOR}, {"span": 1}, 2024),
    "stops_at_its_floor": ({"u": 1025, "voltage": FLOOR}, {"span": 1}, 2048),
    "falls_to_its_floor": ({"u": TOP, "voltage": FLOOR}, {"span": 1}, 2048),
    "does_not_carry_out": ({"u": TOP, "voltage": 2**18 - 1}, {"leak": 0, **FAST}, 65535 << 11),
    "grows_at_no_exponent": ({"voltage": FLOOR + 60000}, {"exponent": 0}, 2**10),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    device, coefficients, u = CASES[name]
    (result,) = run([DEVICE | device], COEFFICIENTS | coefficients)
    assert result["o_u"] == u


@pytest.mark.parametrize(
    ("u", "r0_log", "rm"),
    [
        (0, 30000, 120000),
        (1 << 9, 30000, 119999),
        (255, 30000, 120000),
        (256, 30000, 119999),
        (1 << 22, 30000, 120000 - 8192),
        (TOP, 30000, 0),
        (TOP, 65535, 0),
        (0, 65535, 262140),
    ],
)
def test_resistance(u, r0_log, rm):
    (result,) = run([DEVICE | {"u": u, "r0_log": r0_log}])
    assert result["rm"] == rm


words = st.integers(0, 65535)
coefficients = st.fixed_dictionaries(
    {
        "exponent": st.one_of(st.integers(0, 5 << 12), words),
        "v_floor_log": words,
        "growth_log": words,
        "leak": words,
        "span": words,
    }
)
devices = st.fixed_dictionaries(
    {
        "u": st.integers(0, TOP),
        "r0_log": words,
        # Near the floor's voltage, or anywhere.
        "voltage": st.one_of(st.integers(-70000, 70000).map(lambda e: ("near", e)), st.integers(0, 2**18 - 1)),
    }
)


def settle(device, c):
    """Device with a voltage in place of a distance from that of the floor."""
    v = device["voltage"]
    return device | {"voltage": sat((c["v_floor_log"] << 2) + v[1], 18) if isinstance(v, tuple) else v}


@settings(deadline=None, max_examples=50)
@given(c=coefficients, drawn=st.lists(devices, min_size=1, max_size=12), delay=st.sampled_from([0, 1, 4, 12]))
def test_matches_the_specification_at_one_device_per_clock(c, drawn, delay):
    items = [settle(item, c) for item in drawn]
    assert run(items, c, delay, "second") == [expected(item, c) for item in items]


@settings(deadline=None, max_examples=40)
@given(
    c=st.tuples(coefficients, coefficients),
    drawn=st.lists(st.tuples(st.integers(2, 4), devices, devices), min_size=1, max_size=6),
    delay=st.sampled_from([0, 3, 4, 11]),
)
def test_two_memristors_take_turns(c, drawn, delay):
    """Each neuron is presented for 2 to 4 clocks; both results are there from the second on."""
    dut = DynamicMemristors(["first", "second"], delay)
    places = ("first", "second")
    items, wanted, taken = [], [], []
    for clocks, *pair in drawn:
        pair = [settle(device, of) for device, of in zip(pair, c, strict=True)]
        item = named(pair[0], "first") | named(pair[1], "second")
        want = {}
        for place, device, of in zip(places, pair, c, strict=True):
            want |= {f"{name}_{place}": word for name, word in expected(device, of).items()}
        taken += range(len(items) + 1, len(items) + clocks)
        items += [item] * clocks
        wanted += [want] * clocks
    results = stream(
        dut,
        items,
        {f"{name}_{place}": dut.latency if name == "o_u" else dut.resistance_latency
         for name in ("rm", "o_u") for place in places},
        late={"voltage_first": delay, "voltage_second": delay},
        stable=named(c[0], "first") | named(c[1], "second"),
    )  # fmt: skip
    assert [results[clock] for clock in taken] == [wanted[clock] for clock in taken]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["first"], -1), "voltage_delay must be at least 0, not -1"),
        ((["second", "first"], 4), r"places must be 'first', 'second' or both, not \['second', 'first'\]"),
        (([], 4), r"places must be 'first', 'second' or both, not \[\]"),
    ],
)
def test_refuses(arguments, message):
    refused(message, DynamicMemristors, *arguments)
