import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin.sim.errors import InputError
from memtwin.sim.units import format_si, parse_si


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
