import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.divider import Divider
from tests.hdl.helpers import refused, simulate


def divide(dut, pairs):
    """Divide each pair in turn; returns (quotient, clocks from start to done) of each."""
    results = []

    async def bench(ctx):
        for numerator, divisor in pairs:
            ctx.set(dut.numerator, numerator)
            ctx.set(dut.divisor, divisor)
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            ctx.set(dut.numerator, 0)
            clocks = 1
            while not ctx.get(dut.done):
                assert ctx.get(dut.busy)
                await ctx.tick()
                clocks += 1
            assert not ctx.get(dut.busy)
            results.append((ctx.get(dut.quotient), clocks))

    simulate(dut, bench)
    return results


@pytest.mark.parametrize(
    ("numerator", "divisor", "quotient"),
    [
        pytest.param(0, 1, 0, id="zero"),
        pytest.param(7, 2, 3, id="floor"),
        pytest.param(65535, 1, 65535, id="largest"),
        pytest.param(65536, 1, 65535, id="saturated-by-one"),
        pytest.param(2**33 - 1, 1, 65535, id="saturated"),
        pytest.param(2**33 - 1, 2**17 - 1, 65535, id="widest"),
        pytest.param(131071 * 1234 - 1, 131071, 1233, id="just-below"),
        pytest.param(5, 0, 65535, id="divisor-zero"),
    ],
)
def test_quotient(numerator, divisor, quotient):
    dut = Divider(33, 17)
    assert divide(dut, [(numerator, divisor)]) == [(quotient, 34)]
    assert dut.latency == 34


@settings(deadline=None, max_examples=10)
@given(
    st.sampled_from([(33, 17, 16), (8, 3, 8), (5, 9, 2), (1, 1, 1)]),
    st.lists(st.tuples(st.integers(0, 2**33 - 1), st.integers(1, 2**17 - 1)), min_size=1, max_size=8),
)
def test_any_words(widths, pairs):
    top, bottom, out = widths
    pairs = [(n % 2**top, d % 2**bottom or 1) for n, d in pairs]
    expected = [(min(n // d, 2**out - 1), top + 1) for n, d in pairs]
    assert divide(Divider(top, bottom, out), pairs) == expected


def test_start_while_busy_is_ignored():
    dut = Divider(8, 8, 8)

    async def bench(ctx):
        ctx.set(dut.numerator, 200)
        ctx.set(dut.divisor, 7)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.numerator, 3)
        await ctx.tick().repeat(7)
        ctx.set(dut.start, 0)
        await ctx.tick()
        assert ctx.get(dut.done)
        assert ctx.get(dut.quotient) == 28
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.done)
        assert ctx.get(dut.quotient) == 28

    simulate(dut, bench)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4), "numerator_width must be an integer of at least 1, not 0"),
        ((8, 1.5), "divisor_width must be an integer of at least 1, not 1.5"),
        ((8, 4), "quotient_width must be at most numerator_width 8, not 16"),
    ],
)
def test_bad_parameter(arguments, message):
    refused(message, Divider, *arguments)
