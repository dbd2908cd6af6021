import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin.sim.errors import InputError
from memtwin.sim.units import RANGES, check_range, format_si, parse_si
from tests.refusal import refusal


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("250us", "s", 250e-6),
        ("250 µs", "s", 250e-6),
        ("1.8V", "V", 1.8),
        ("-.5V", "V", -0.5),
        ("10kOhm", "Ohm", 10e3),
        ("1e-3S", "S", 1e-3),
        ("2kHz", "Hz", 2e3),
        ("195/s", "/s", 195.0),
        ("0.05", "", 0.05),
        ("3ms", "s", 3e-3),
        ("1MOhm", "Ohm", 1e6),
    ],
)
def test_parses_prefix_and_unit(text, unit, value):
    assert parse_si(text, unit, "here") == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("250", "s"), ("250uV", "s"), ("fast", "s"), ("", "s"), ("1.8", "V"), ("2k/s", "/s"), ("5%", ""), ("1xs", "s")],
)
def test_wrong_quantity_is_one_clear_line(text, unit):
    with pytest.raises(InputError) as error:
        parse_si(text, unit, "card x, field y")
    message = str(error.value)
    assert message.startswith("card x, field y: expected ")
    assert repr(text) in message
    assert "\n" not in message


@given(st.floats(1e-14, 9e13, allow_subnormal=False), st.sampled_from(["s", "V", "S", "Hz", "Ohm"]))
def test_formatting_can_be_parsed_back(value, unit):
    assert parse_si(format_si(value, unit, digits=12), unit, "here") == pytest.approx(value, rel=1e-10)


@pytest.mark.parametrize(
    ("value", "unit", "text"), [(250e-6, "s", "250us"), (62e-6, "S", "62uS"), (2e3, "Hz", "2kHz"), (0.05, "", "0.05")]
)
def test_formats_with_prefix(value, unit, text):
    assert format_si(value, unit) == text


PREFIXES = {"f": -15, "p": -12, "n": -9, "u": -6, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12}


@pytest.mark.parametrize("unit", ["s", "V", "S", "Ohm", "Hz", "A"])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_prefix_is_a_power_of_ten(prefix, unit):
    assert parse_si(f"3{prefix}{unit}", unit, "here") == pytest.approx(3 * 10.0 ** PREFIXES[prefix], rel=1e-15)


@pytest.mark.parametrize(
    "text", ["3K", "3d", "3mm", "3 m s", "3m/s", "3s s", "3e5e5s", "0x3s", "1_0s", "nan", "inf", "infs"]
)
def test_what_looks_like_a_quantity_is_none(text):
    with pytest.raises(InputError, match="here: expected "):
        parse_si(text, "s", "here")


@pytest.mark.parametrize("text", ["1e400s", "-1e400s", "1e300Ts", "9" * 400 + "s"])
def test_a_quantity_beyond_the_range_of_floats_is_refused(text):
    with pytest.raises(InputError, match="here: expected a finite quantity"):
        parse_si(text, "s", "here")


@given(st.text(max_size=30), st.sampled_from(sorted(RANGES)))
def test_any_text_is_a_finite_quantity_or_an_input_error(text, unit):
    message = refusal(parse_si, text, unit, "here")
    if message is None:
        assert math.isfinite(parse_si(text, unit, "here"))
    else:
        assert message.startswith("here: expected ")


@given(st.floats(), st.sampled_from(sorted(RANGES)), st.booleans())
def test_the_range_of_a_unit_holds_for_every_float(value, unit, zero):
    least, most = RANGES[unit]
    message = refusal(check_range, value, unit, "here", zero=zero)
    assert (message is None) == (least <= value <= most or (zero and value == 0))
    assert message is None or message.startswith("here: expected ")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (math.nextafter(2.0, 3), "expected at most 2V, not 2.0000000000000004V"),
        (math.nextafter(1.0, 0), "expected at least 1V, not 0.9999999999999999V"),
        (2.5, "expected at most 2V, not 2.5V"),
        (math.nan, "expected more than zero, not nan"),
        (-1.0, "expected more than zero, not -1V"),
    ],
)
def test_a_bound_belongs_to_the_range_and_what_is_refused_does_not_look_like_it(value, message):
    for allowed in (1.0, 2.0):
        check_range(allowed, "V", "here", least=1.0, most=2.0)
    with pytest.raises(InputError, match=message):
        check_range(value, "V", "here", least=1.0, most=2.0)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.0, "V", "1V"),
        (1e-3, "V", "1mV"),
        (0.999e-3, "V", "999uV"),
        (999.9, "Hz", "999.9Hz"),
        (1000.0, "Hz", "1kHz"),
        (-2e-6, "A", "-2uA"),
        (0.0, "V", "0V"),
        (5e12, "Ohm", "5TOhm"),
        (1e-16, "S", "1e-16S"),
        (195.0, "/s", "195/s"),
    ],
)
def test_a_prefix_begins_at_its_power_of_ten(value, unit, text):
    assert format_si(value, unit) == text
