"""Cards: every physical constant with its unit and its source.

A card is a TOML file. `name`, `kind`, `title` and `citation` describe it; every other entry is a table with a `value`
(an SI string) and a `source` (where the value is read, or how it is derived)::

    name = "ag-sio2"
    kind = "threshold switch"
    title = "Au/Ag/SiO2:Ag/Au threshold switch"
    citation = "Zhang et al., Science Bulletin 2021, doi 10.1016/j.scib.2021.04.014"

    [tau_leak]
    value = "4ms"
    source = "derived: ..."

Scalars are nominal values. Spreads, as fractions of the mean, are fields that end in ``_c2c`` (cycle to cycle) or
``_d2d`` (device to device).
"""

import dataclasses
import importlib.resources
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from memtwin.sim.card_types import FieldRule
from memtwin.sim.errors import InputError, Mistakes
from memtwin.sim.files import read_text
from memtwin.sim.kinds import card_types
from memtwin.sim.parsers import parse_toml
from memtwin.sim.units import check_range, format_si, parse_si

__all__ = ["Card", "Field", "card_names", "load_card"]

_LARGEST = 2**17  # bytes in a card file
_LONGEST_NAME = 100  # characters; it becomes a name in NIR files


@dataclass(frozen=True)
class Field:
    """One value of a card, in SI units, with its source."""

    value: float
    unit: str
    source: str

    def __str__(self) -> str:
        return format_si(self.value, self.unit)


@dataclass(frozen=True)
class Card:
    """A device or circuit, read from a card file; ``card["tau_leak"]`` is a float in SI units."""

    name: str
    kind: str
    title: str
    citation: str
    fields: Mapping[str, Field]

    def __getitem__(self, name: str) -> float:
        if name not in self.fields:
            raise InputError(f"card {self.name} has no field {name}; it has {', '.join(self.fields)}")
        return self.fields[name].value

    def __str__(self) -> str:
        return self.name

    def replace(self, **values: str | float) -> "Card":
        """Return a card with some values replaced: SI strings, or floats in SI units.

        Raises
        ------
        InputError
            If the card has no such field, or a value has the wrong unit or range; the message has all of them.
        """
        fields = dict(self.fields)
        mistakes = Mistakes(f"card {self.name}")
        for name, value in values.items():
            with mistakes.collected():
                if name not in fields:
                    raise InputError(f"card {self.name} has no field {name}; it has {', '.join(self.fields)}")
                rule = card_types()[self.kind].fields[name]
                number = _value(value, rule, f"card {self.name}, field {name}")
                fields[name] = Field(number, rule.unit, "set by the user")
        mistakes.refuse()
        card = dataclasses.replace(self, fields=fields)
        _check_together(card)
        return card


def _value(value: str | float, rule: FieldRule, where: str) -> float:
    """Return a value in SI units, checked."""
    number = parse_si(value, rule.unit, where) if isinstance(value, str) else value
    check_range(number, rule.unit, where, zero=rule.zero, least=rule.least, most=rule.most)
    return number


def _check_together(card: Card) -> None:
    own = card_types()[card.kind]
    for low, high in own.ordered:
        if not card[low] < card[high]:
            expected = f"less than {high} ({card.fields[high]})"
            raise InputError(f"card {card.name}, field {low}: expected {expected}, not {card.fields[low]}")
    if own.check is not None:
        own.check(card)


def card_names() -> list[str]:
    """Names of the cards that are shipped."""
    folder = importlib.resources.files("memtwin.sim") / "cards"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_card(name: str | Path | Card) -> Card:
    """Load a shipped card by name, or a card file by path; a `Card` is returned as it is.

    Raises
    ------
    InputError
        If there is no such card, or it is not a whole and valid card of its kind; the message has all that is wrong.
    """
    if isinstance(name, Card):
        return name
    path = Path(name)
    if str(name) in card_names():
        where = f"card {name}"
        text = (importlib.resources.files("memtwin.sim") / "cards" / f"{name}.toml").read_text(encoding="utf-8")
    elif path.suffix == ".toml" or os.path.exists(path):
        where = f"card file {path}"
        text = read_text(path, where, _LARGEST)
    else:
        raise InputError(
            f"card {name}: unknown; expected one of {', '.join(card_names())}, or the path of a .toml file"
        )
    return _parse(parse_toml(text, where), where)


def _parse(data: dict, where: str) -> Card:
    mistakes = Mistakes(where)
    heads: dict[str, str] = {}
    for head in ("name", "kind", "title", "citation"):
        with mistakes.collected():
            heads[head] = _head(head, data.pop(head, None), where)
    own = card_types().get(heads.get("kind", ""))
    rules = {} if own is None else own.fields
    for name in data if rules else ():
        with mistakes.collected():
            if name not in rules:
                raise InputError(f"{where}: unknown field {name}; a {heads['kind']} card has {', '.join(rules)}")
    fields = {}
    for name, rule in rules.items():
        with mistakes.collected():
            fields[name] = _field(name, rule, data.get(name), where)
    mistakes.refuse()
    card = Card(fields=fields, **heads)
    _check_together(card)
    return card


def _head(head: str, value: object, where: str) -> str:
    """Return a line at the top of a card, checked."""
    if not isinstance(value, str) or not value:
        raise InputError(f'{where}: expected {head} = "..." at the top')
    if head == "name" and (not value.isprintable() or "/" in value or len(value) > _LONGEST_NAME):
        raise InputError(
            f"{where}: expected a name of at most {_LONGEST_NAME} printable characters, without /, not {value!r}"
        )
    if head == "kind" and value not in card_types():
        raise InputError(f"{where}: kind must be one of {', '.join(card_types())}, not {value!r}")
    return value


def _field(name: str, rule: FieldRule, entry: object, where: str) -> Field:
    """Return a field of a card from its table, checked."""
    if entry is None:
        raise InputError(f"{where}: field {name} is missing ({rule.meaning}); add [{name}] with value and source")
    if not isinstance(entry, dict) or set(entry) != {"value", "source"}:
        raise InputError(f"{where}: field {name} must be a table with value and source, both strings")
    if not all(isinstance(part, str) and part for part in entry.values()):
        raise InputError(f"{where}: field {name} must have a value and a source, both strings, not empty")
    return Field(_value(entry["value"], rule, f"{where}, field {name}"), rule.unit, entry["source"])
