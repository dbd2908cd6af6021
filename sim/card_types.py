"""Types of cards: what fields a card of each type has. The kinds of neurons bring them, each in its ``cards.py``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["CardType", "FieldRule"]


@dataclass(frozen=True)
class FieldRule:
    """What a type of card says of one field: unit, meaning, and its range where that of its unit is too wide."""

    unit: str
    meaning: str
    zero: bool = False  # zero is allowed
    most: float | None = None
    least: float | None = None


@dataclass(frozen=True)
class CardType:
    """The fields of a type of card, in the words of its source. A card has all of them and no other.

    Attributes
    ----------
    fields : mapping of str to FieldRule
        Rules by name.
    ordered : sequence of (str, str)
        Pairs of fields, the first of which must be smaller than the second.
    check : callable, optional
        Raises an `InputError` if the values of a card do not go together.
    """

    fields: Mapping[str, FieldRule]
    ordered: Sequence[tuple[str, str]] = ()
    check: Callable[[Any], None] | None = None
