import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.opamp.logarithm import Exp2, Interpolation, Log2, LogSum
from tests.hdl.helpers import refused, simulate
from tests.hdl.opamp.reference import add, exp2, log2, par
from tests.hdl.pipeline import stream

LOG_MAX = (1 << 18) - 1


def around(*values):
    return [value + more for value in values for more in (-1, 0, 1)]


def logarithms(values, width=24):
    items = [{"i": value, "i_valid": 1} for value in values]
    results = stream(Log2(width), items, {"o": Log2.latency, "o_valid": Log2.latency})
    assert all(result["o_valid"] for result in results)
    return [result["o"] for result in results]


def test_log2_of_a_power_of_two_is_its_exponent():
    assert logarithms([1 << p for p in range(24)]) == [p << 13 for p in range(24)]


def test_log2_of_zero_is_zero():
    assert logarithms([0, 1, 0, 5]) == [0, 0, 0, log2(5)]


def test_log2_is_that_of_the_real_number():
    # 3 is 1.58496 octaves above 1; the table is exact to 1.5 units.
    assert logarithms([3, 3 << 20]) == pytest.approx([1.5849625 * 2**13, 21.5849625 * 2**13], abs=1.5)


def test_log2_at_every_point_of_the_table_and_at_random():
    generator = random.Random(1)
    values = [value for k in range(64) for value in around((64 + k) << 17)]
    values += [generator.getrandbits(generator.randrange(1, 25)) for _ in range(1500)]
    values = [min(value, 2**24 - 1) for value in values] + list(range(520))
    assert logarithms(values) == [log2(value) for value in values]


@pytest.mark.parametrize("width", [1, 2, 7, 15, 16, 17, 19, 24])
def test_log2_of_any_width(width):
    values = [value for value in {0, 1, 2, 3, *around(1 << width - 1), (1 << width) - 1, 0x5A5A5A >> 24 - width}]
    values = [value for value in values if 0 <= value < 1 << width]
    assert logarithms(values, width) == [log2(value) for value in values]


def test_log2_tells_when_its_result_is_valid():
    dut = Log2(8)
    seen = []

    async def bench(ctx):
        for valid in (1, 0, 1, 1, 0, 0, 0, 0):
            ctx.set(dut.i_valid, valid)
            await ctx.tick()
            seen.append(ctx.get(dut.o_valid))

    simulate(dut, bench)
    assert seen == [0, 0, 0, 1, 0, 1, 1, 0]


def powers(width, items):
    items = [{"i": 0, "zero": 0, "full": 0} | item for item in items]
    return [result["o"] for result in stream(Exp2(width), items, {"o": Exp2.latency})]


@pytest.mark.parametrize("width", [16, 20, 23, 24])
def test_exp2_at_the_points_of_the_table_and_at_random(width):
    generator = random.Random(width)
    top = width << 13
    values = (
        [n << 13 for n in range(width)]
        + [top - 1]
        + [k << 7 for k in range(1, 64)]
        + [(k << 7) - 1 for k in range(1, 64)]
    )
    values += [generator.randrange(top) for _ in range(1000)]
    assert powers(width, [{"i": value} for value in values]) == [exp2(value) for value in values]


def test_exp2_of_whole_logarithms_are_the_powers_of_two():
    assert powers(24, [{"i": n << 13} for n in range(24)]) == [1 << n for n in range(24)]


def test_exp2_can_be_overruled():
    items = [{"i": 5 << 13}, {"i": 5 << 13, "full": 1}, {"i": LOG_MAX, "zero": 1}, {"i": LOG_MAX, "full": 1, "zero": 1}]
    assert powers(23, items) == [32, 2**23 - 1, 0, 0]


def sums(parallel, pairs):
    items = [{"a": a, "b": b} for a, b in pairs]
    return [result["o"] for result in stream(LogSum(parallel=parallel), items, {"o": LogSum.latency})]


CASES = {
    "equal_in_series": (False, 5 << 13, 5 << 13, 6 << 13),
    "equal_in_parallel": (True, 5 << 13, 5 << 13, 4 << 13),
    "three_to_one_in_series": (False, 5 << 13, (5 << 13) + round(2**13 * 1.5849625), 7 << 13),
    "one_to_three_in_series": (False, (5 << 13) + round(2**13 * 1.5849625), 5 << 13, 7 << 13),
    "far_apart_in_series": (False, 16 << 13, 0, 16 << 13),
    "far_apart_in_parallel": (True, 16 << 13, 0, 0),
    "farthest": (False, 0, LOG_MAX, LOG_MAX),
    "farthest_in_parallel": (True, LOG_MAX, 0, 0),
    "series_saturates": (False, LOG_MAX, LOG_MAX, LOG_MAX),
    "parallel_saturates": (True, 100, 100, 0),
    "parallel_reaches_zero": (True, 8192, 8192, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_sum_case(name):
    parallel, a, b, result = CASES[name]
    assert sums(parallel, [(a, b)]) == [pytest.approx(result, abs=2 if "three" in name else 0)]


@pytest.mark.parametrize(("parallel", "formula"), [(False, add), (True, par)])
def test_sum_at_the_points_of_the_table_and_at_random(parallel, formula):
    generator = random.Random(parallel)
    pairs = [(100000, 100000 + d) for k in range(257) for d in around(k << 9)]
    pairs += [(b, a) for a, b in pairs if a != b][::3]
    for _ in range(600):
        a = generator.randrange(LOG_MAX + 1)
        pairs.append((a, generator.randrange(LOG_MAX + 1)))
        pairs.append((a, min(max(a + generator.randrange(-40000, 40000), 0), LOG_MAX)))
    pairs = [(a, min(b, LOG_MAX)) for a, b in pairs]
    assert sums(parallel, pairs) == [formula(a, b) for a, b in pairs]


@settings(deadline=None, max_examples=25)
@given(
    points=st.lists(st.integers(0, 60000), min_size=9, max_size=9, unique=True),
    down=st.booleans(),
    fraction=st.integers(1, 9),
    data=st.data(),
)
def test_interpolation_follows_any_monotonic_table(points, down, fraction, data):
    table = sorted(points, reverse=down)
    arguments = data.draw(st.lists(st.integers(0, (8 << fraction) - 1), min_size=1, max_size=12))
    results = stream(Interpolation(table, fraction), [{"i": i} for i in arguments], {"base": 1, "step": 2})
    for i, result in zip(arguments, results, strict=True):
        k, lo = i >> fraction, i & (1 << fraction) - 1
        step = abs(table[k + 1] - table[k]) * lo >> fraction - 1
        assert result == {"base": table[k], "step": step}


@pytest.mark.parametrize("width", [0, 25])
def test_log2_refuses_a_width(width):
    refused(rf"width must be in 1\.\.24, not {width}", Log2, width)


@pytest.mark.parametrize("width", [15, 25])
def test_exp2_refuses_a_width(width):
    refused(rf"width must be in 16\.\.24, not {width}", Exp2, width)


def test_interpolation_refuses_a_table_without_an_end():
    refused("table must have one point more than a power of two, not 4", Interpolation, [0, 1, 2, 3], 7)
