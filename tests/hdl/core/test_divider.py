import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.divider import Divider
from tests.hdl.helpers import refused, simulate


def expected(numerator, divisor, width, fraction):
    return min(((numerator << fraction) + (divisor >> 1)) // divisor, 2**width - 1)


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
        pytest.param(7, 256, 7, id="whole"),
        pytest.param(1, 3, 85, id="rounds-down"),
        pytest.param(2, 3, 171, id="rounds-up"),
        pytest.param(1, 512, 1, id="half-rounds-up"),
        pytest.param(1, 513, 0, id="just-below-half"),
        pytest.param(255, 1, 255 << 8, id="largest-without-saturation"),
        pytest.param(256, 1, 65535, id="saturated-by-one"),
        pytest.param(65535, 256, 65535, id="largest"),
        pytest.param(65535, 1, 65535, id="saturated"),
        pytest.param(65535, 131071, 128, id="widest"),
        pytest.param(5, 0, 65535, id="divisor-zero"),
        pytest.param(0, 0, 65535, id="zero-by-zero"),
    ],
)
def test_quotient(numerator, divisor, quotient):
    dut = Divider(16, 8, 17)
    assert divide(dut, [(numerator, divisor)]) == [(quotient, 26)]
    assert dut.latency == 26


def test_rounding_may_saturate():
    # 8 * 64 / 33 = 15.52 rounds up to a quotient that is one bit too long.
    assert divide(Divider(4, 6, 8), [(8, 33), (8, 34)]) == [(15, 12), (15, 12)]


@settings(deadline=None, max_examples=25)
@given(
    st.sampled_from([(16, 12, 17), (16, 0, 17), (16, 15, 16), (8, 3, 3), (5, 2, 9), (1, 0, 1)]),
    st.lists(st.tuples(st.integers(0, 2**16 - 1), st.integers(1, 2**17 - 1)), min_size=1, max_size=8),
)
def test_any_words(widths, pairs):
    width, fraction, bottom = widths
    pairs = [(n % 2**width, d % 2**bottom or 1) for n, d in pairs]
    dut = Divider(width, fraction, bottom)
    assert divide(dut, pairs) == [(expected(n, d, width, fraction), dut.latency) for n, d in pairs]


def test_start_while_busy_is_ignored():
    dut = Divider(8, 0, 8)

    async def bench(ctx):
        ctx.set(dut.numerator, 200)
        ctx.set(dut.divisor, 7)
        ctx.set(dut.start, 1)
        await ctx.tick()
        ctx.set(dut.numerator, 3)
        await ctx.tick().repeat(8)
        ctx.set(dut.start, 0)
        await ctx.tick()
        assert ctx.get(dut.done)
        assert ctx.get(dut.quotient) == 29
        await ctx.tick().repeat(3)
        assert not ctx.get(dut.done)
        assert ctx.get(dut.quotient) == 29

    simulate(dut, bench)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 4, 4), "width must be an integer of at least 1, not 0"),
        ((8, -1, 4), "fraction must be an integer of at least 0, not -1"),
        ((8, 4, 1.5), r"divisor_width must be an integer of at least 1, not 1\.5"),
    ],
)
def test_bad_parameter(arguments, message):
    refused(message, Divider, *arguments)
