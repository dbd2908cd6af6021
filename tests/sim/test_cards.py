import importlib.resources
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from memtwin.sim.cards import card_names, load_card
from memtwin.sim.errors import InputError
from memtwin.sim.kinds import card_types
from memtwin.sim.units import RANGES
from tests.refusal import refusal

TYPES = card_types()


def text_of(name):
    return (importlib.resources.files("memtwin.sim") / "cards" / f"{name}.toml").read_text(encoding="utf-8")


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "mine.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize("name", card_names())
def test_every_shipped_card_is_whole_and_says_where_its_values_come_from(name):
    card = load_card(name)
    assert card.name == name
    assert set(card.fields) == set(TYPES[card.kind].fields)
    assert card.citation
    for field in card.fields.values():
        assert len(field.source) > 10
        # Read, derived, fitted, chosen or open: nothing else.
        words = ("zhang2021", "us12387090", "yu-tio2", "izhikevich2003", "fitted", "derived", "chosen", "open")
        assert any(word in field.source for word in words)


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("ag-sio2", "g0", 195.0),
        ("ag-sio2", "v0", 0.55),
        ("ag-sio2", "tau_leak", 4e-3),
        ("ag-sio2", "tau_relax", 150e-6),
        ("hybrid-neuron", "clock", 2e3),
        ("hybrid-neuron", "g_load", 62e-6),
        ("ta-hfo2", "g_medium", 400e-6),
        ("lia", "v_ref", 50e-3),
    ],
)
def test_values_are_in_si_units(name, field, value):
    assert load_card(name)[field] == pytest.approx(value, rel=1e-12)


def test_replace_leaves_the_card_alone():
    card = load_card("ag-sio2")
    other = card.replace(v0="0.5V", theta_c2c=0.0)
    assert (other["v0"], other["theta_c2c"]) == (0.5, 0.0)
    assert card["v0"] == 0.55
    assert other.fields["v0"].source == "set by the user"


@pytest.mark.parametrize(
    ("card", "values", "message"),
    [
        ("ag-sio2", {"speed": "1V"}, "has no field speed"),
        ("ag-sio2", {"v0": "1s"}, "field v0: expected unit V"),
        ("ag-sio2", {"v0": "-1V"}, "field v0: expected more than zero"),
        ("ag-sio2", {"tau_leak": "0s"}, "field tau_leak: expected more than zero"),
        ("ag-sio2", {"theta_off": "2"}, "field theta_off: expected at most 1"),
        ("ag-sio2", {"x_max": "0.9"}, "field x_max: expected more than the threshold"),
        ("ta-hfo2", {"g_min": "2mS"}, "field g_min: expected less than g_max"),
    ],
)
def test_replace_says_what_is_wrong(card, values, message):
    with pytest.raises(InputError, match=message):
        load_card(card).replace(**values)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "threshold switch"', 'kind = "switch"', "kind must be one of threshold switch"),
        ("[g0]", "[g1]", "unknown field g1"),
        ('value = "195/s"', 'value = "195"', "field g0: expected unit /s"),
        ('value = "195/s"', "value = 195", "field g0 must have a value and a source, both strings"),
        ('value = "195/s"\n', "", "field g0 must be a table with value and source"),
        ('name = "ag-sio2"\n', "", 'expected name = "..." at the top'),
        ('"ag-sio2"', '"ag\\u0000"', r"at most 100 printable characters, without /, not 'ag\x00'"),
        ('"ag-sio2"', '"../ag"', "without /, not '../ag'"),
        ('"ag-sio2"', f'"{"a" * 101}"', "at most 100 printable characters"),
        ("[v0]", "[v0", "expected a TOML file (Expected ']'"),
    ],
)
def test_a_broken_file_is_one_clear_line_that_names_the_file(write, old, new, message):
    text = text_of("ag-sio2")
    assert old in text
    path = write(text.replace(old, new, 1))
    with pytest.raises(InputError) as error:
        load_card(path)
    assert message in str(error.value)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_all_that_is_wrong_with_a_file_is_said_at_once(write):
    text = text_of("ag-sio2")
    for old, new in (
        ("title =", "titel ="),
        ("[g0]", "[g1]"),
        ('value = "4ms"', 'value = "4V"'),
        ('value = "0.55V"', 'value = "1mV"'),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    path = write(text)
    with pytest.raises(InputError) as error:
        load_card(path)
    said = str(error.value)
    assert said.count(str(path)) == 1
    parts = said.removeprefix(f"card file {path}: ").split("; ")
    for part in (
        'expected title = "..." at the top',
        "unknown field titel",
        "unknown field g1",
        "field v0: expected at least 10mV, not 1mV",
    ):
        assert part in parts
    assert "field g0 is missing" in said
    assert "field tau_leak: expected unit s" in said


def test_all_that_is_wrong_with_new_values_is_said_at_once():
    with pytest.raises(InputError, match=r"^card lia, field g_load: .*; field v_l: .*; has no field typo; it has"):
        load_card("lia").replace(g_load="1V", v_l="-1V", typo="1V")


def test_a_missing_field_says_what_it_means(write):
    text = text_of("ag-sio2")
    start = text.index("[v_hold]")
    with pytest.raises(InputError, match=r"field v_hold is missing \(hold voltage"):
        load_card(write(text[:start] + text[text.index("[theta_c2c]") :]))


def test_a_card_file_loads_as_the_shipped_one(write):
    assert load_card(write(text_of("lia"))) == load_card("lia")


@pytest.mark.parametrize("name", ["vo2", "missing.toml"])
def test_unknown_cards_are_input_errors(name):
    with pytest.raises(InputError, match=name):
        load_card(name)


EVERY_FIELD = sorted((kind, field) for kind, own in TYPES.items() for field in own.fields)
CARD_OF = {load_card(name).kind: load_card(name) for name in card_names()}


def bounds(kind, field):
    """Least and largest value of a field, zero apart."""
    rule = TYPES[kind].fields[field]
    least, most = RANGES[rule.unit]
    return (least if rule.least is None else rule.least), (most if rule.most is None else rule.most)


def refused(card, **values):
    """Whether the card does not take the values."""
    message = refusal(card.replace, **values)
    assert message is None or (message.startswith(f"card {card.name}, field ") and "\n" not in message)
    return message is not None


@pytest.mark.parametrize(("kind", "field"), EVERY_FIELD)
def test_every_field_ends_at_its_bounds(kind, field):
    card, (least, most) = CARD_OF[kind], bounds(kind, field)
    for outside in (
        math.nextafter(least, 0 if least > 0 else -math.inf),
        math.nextafter(most, math.inf),
        *([-card[field]] if least > 0 else []),
        math.nan,
        math.inf,
        -math.inf,
    ):
        if outside != 0 and not (outside == -card[field] == 0):
            assert refused(card, **{field: outside})
    assert refused(card, **{field: 0.0}) == (least > 0 and not TYPES[kind].fields[field].zero)
    assert refused(card, **{field: f"1e400{TYPES[kind].fields[field].unit}"})


@given(st.sampled_from(EVERY_FIELD), st.floats())
def test_a_card_never_holds_a_value_out_of_its_bounds(entry, value):
    kind, field = entry
    if not refused(CARD_OF[kind], **{field: value}):
        least, most = bounds(kind, field)
        assert least <= value <= most or (value == 0 and TYPES[kind].fields[field].zero)


PAIRS = [
    ("synapse", "g_min", "g_max"),
    ("dynamic memristor", "r_floor", "r_initial"),
    ("threshold-switching memristor", "r_on", "r_off"),
    ("threshold-switching memristor", "v_hold", "v_th"),
    ("non-volatile synapse", "g_off", "g_on"),
    ("volatile and non-volatile switch", "v_hold", "v_th"),
    ("volatile and non-volatile switch", "u_rest", "v_th"),
    ("volatile and non-volatile switch", "r_on", "r_off"),
]


@pytest.mark.parametrize(("kind", "low", "high"), PAIRS)
def test_the_lower_of_two_fields_is_less_than_the_higher(kind, low, high):
    card = CARD_OF[kind]
    # What is said of a third field (g_initial) is another matter.
    with pytest.raises(InputError, match=f"field {low}: expected less than {high}"):
        card.replace(**{low: card[high]})
    with pytest.raises(InputError, match=f"field {low}: expected less than {high}"):
        card.replace(**{low: math.nextafter(card[high], math.inf)})
    if high == "v_th":
        assert card.replace(**{low: math.nextafter(card[high], 0)})[low] < card[high]


@pytest.mark.parametrize("field", ["g_off", "g_on"])
def test_a_synapse_may_begin_at_either_bound(field):
    card = CARD_OF["non-volatile synapse"]
    assert card.replace(g_initial=card[field])["g_initial"] == card[field]
    outside = math.nextafter(card[field], 0 if field == "g_off" else 1)
    with pytest.raises(InputError, match="field g_initial: expected 200nS to 2uS"):
        card.replace(g_initial=outside)


@pytest.mark.parametrize(("field", "inwards"), [("r_off", 1), ("r_on", 0)])
def test_the_conductance_of_the_window_lies_between_those_of_the_resistances(field, inwards):
    card = CARD_OF["volatile and non-volatile switch"]
    edge = 1 / card[field]
    with pytest.raises(InputError, match="field g_initial: expected a conductance between"):
        card.replace(g_initial=edge)
    assert card.replace(g_initial=np.nextafter(edge, inwards))["g_initial"] != edge


def test_the_ceiling_of_the_filament_is_above_the_threshold():
    card = CARD_OF["threshold switch"]
    with pytest.raises(InputError, match="field x_max: expected more than the threshold, 1, not 1"):
        card.replace(x_max=1.0)
    assert card.replace(x_max=math.nextafter(1.0, 2))["x_max"] > 1


def test_a_growth_that_no_voltage_can_have_is_refused_with_its_reason(write):
    path = write(text_of("ag-sio2").replace('value = "0.55V"', 'value = "1mV"'))
    with pytest.raises(InputError, match="field v0: expected at least 10mV, not 1mV"):
        load_card(path)
