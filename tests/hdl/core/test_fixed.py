import pytest
from amaranth.hdl import Module, Signal, Value, signed, unsigned
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.fixed import CONDUCTANCE, GAIN, GROWTH, THETA, UQ, VOLT, X, round_shift, saturate


def evaluate(function, shape, values):
    """Value of `function` of a signal of `shape`, for each of `values`."""
    operand = Signal(shape)
    expression = Value.cast(function(operand))
    result = Signal(expression.shape())
    m = Module()
    m.d.comb += result.eq(expression)
    out = []

    async def testbench(ctx):
        for value in values:
            ctx.set(operand, value)
            out.append(ctx.get(result))

    sim = Simulator(m)
    sim.add_testbench(testbench)
    sim.run()
    return out


@pytest.mark.parametrize(("i", "f", "width"), [(2, 18, 20), (2, 14, 16), (-2, 18, 16), (1, 15, 16), (0, 16, 16)])
def test_uq_width(i, f, width):
    assert UQ(i, f) == unsigned(width)


@pytest.mark.parametrize(("i", "f"), [(0, 0), (-4, 4), (-5, 4)])
def test_uq_without_bits(i, f):
    with pytest.raises(ValueError, match="at least one bit"):
        UQ(i, f)


def test_words_of_the_contract():
    assert {name: shape.width for name, shape in {"x": X, "theta": THETA, "growth": GROWTH, "gain": GAIN}.items()} == {
        "x": 20,
        "theta": 16,
        "growth": 16,
        "gain": 16,
    }
    assert VOLT.width == CONDUCTANCE.width == 16


@pytest.mark.parametrize(
    ("value", "shift", "expected"),
    [(5, 0, 5), (5, 1, 3), (4, 1, 2), (7, 3, 1), (3, 3, 0), (255, 4, 16), (255, 8, 1), (127, 8, 0)],
)
def test_round_shift_rounds_half_up(value, shift, expected):
    assert evaluate(lambda v: round_shift(v, shift), 8, [value]) == [expected]


@pytest.mark.parametrize(("value", "expected"), [(-1, 0), (-2, -1), (-3, -1), (-128, -64), (127, 64)])
def test_round_shift_of_a_signed_value_is_a_floor(value, expected):
    assert evaluate(lambda v: round_shift(v, 1), signed(8), [value]) == [expected]


@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.integers(-(1 << 19), (1 << 19) - 1), min_size=1), shift=st.integers(1, 21))
def test_round_shift_signed(values, shift):
    expected = [(value + (1 << (shift - 1))) // (1 << shift) for value in values]
    assert evaluate(lambda v: round_shift(v, shift), signed(20), values) == expected


@settings(deadline=None, max_examples=30)
@given(values=st.lists(st.integers(0, (1 << 20) - 1), min_size=1), shift=st.integers(0, 21))
def test_round_shift_unsigned(values, shift):
    expected = [(value + (1 << shift) // 2) // (1 << shift) for value in values]
    assert evaluate(lambda v: round_shift(v, shift), 20, values) == expected


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (15, 15), (16, 15), (255, 15)])
def test_saturate_unsigned(value, expected):
    assert evaluate(lambda v: saturate(v, 4), 8, [value]) == [expected]


@pytest.mark.parametrize(("value", "expected"), [(-128, 0), (-1, 0), (0, 0), (15, 15), (16, 15), (127, 15)])
def test_saturate_signed(value, expected):
    assert evaluate(lambda v: saturate(v, 4), signed(8), [value]) == [expected]


@settings(deadline=None, max_examples=40)
@given(
    values=st.lists(st.integers(-(1 << 11), (1 << 11) - 1), min_size=1, max_size=20),
    width=st.integers(1, 11),
)
def test_saturate_never_wraps(values, width):
    top = (1 << width) - 1
    assert evaluate(lambda v: saturate(v, width), signed(12), values) == [min(max(v, 0), top) for v in values]
    positive = [abs(v) for v in values]
    assert evaluate(lambda v: saturate(v, width), 12, positive) == [min(v, top) for v in positive]


def test_saturate_signed_to_a_wider_word():
    assert evaluate(lambda v: saturate(v, 12), signed(12), [-2048, -1, 2047]) == [0, 0, 2047]
