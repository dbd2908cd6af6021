import importlib.resources

import pytest

from memtwin.sim.cards import KINDS, card_names, load_card
from memtwin.sim.errors import InputError


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
    assert set(card.fields) == set(KINDS[card.kind])
    assert card.citation
    for field in card.fields.values():
        assert len(field.source) > 10
        # Read, derived, fitted, chosen or open: nothing else.
        words = ("zhang2021", "us12387090", "yu-tio2", "fitted", "derived", "chosen", "open")
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
        ("[v0]", "[v0", "not a TOML file"),
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
