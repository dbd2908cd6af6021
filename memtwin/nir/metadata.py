"""What NIR has no word for: our entry in the metadata of a graph or a node, a JSON text, and the cards of devices."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError
from memtwin.sim.parsers import parse_json

__all__ = ["CARD", "KEY", "cards_of", "own_bytes", "own_entry", "own_number", "text_of"]

KEY = "memtwin"  # of our entry
CARD = "card_"  # begins the names of cards


def own_entry(fields: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Our entry in the metadata of a graph or a node, empty if there is none."""
    metadata = fields.get("metadata")
    if not isinstance(metadata, dict) or KEY not in metadata:
        return {}
    own = parse_json(text_of(metadata[KEY]), f"{where}, metadata {KEY}", "a JSON object")
    if not isinstance(own, dict):
        raise InputError(f"{where}, metadata {KEY}: expected a JSON object")
    return own


def cards_of(fields: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield name and text of the cards in the metadata of a node."""
    metadata = fields.get("metadata")
    for name, text in metadata.items() if isinstance(metadata, dict) else ():
        if name.startswith(CARD):
            yield name.removeprefix(CARD), text_of(text)


def own_number(own: Mapping[str, Any], name: str, where: str, default: float) -> float:
    """Read a number of our metadata."""
    try:
        number = float(own.get(name, default))
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{where}, metadata {KEY}/{name}: expected a number") from None
    if not math.isfinite(number):
        raise InputError(f"{where}, metadata {KEY}/{name}: expected a finite number, not {number}")
    return number


def own_bytes(values: Any, where: str) -> NDArray[np.uint8]:
    """Return a list of our metadata as bytes."""
    if not isinstance(values, list) or not all(isinstance(value, int) and 0 <= value < 256 for value in values):
        raise InputError(f"{where}, metadata {KEY}/values: expected whole numbers from 0 to 255")
    return np.array(values, dtype=np.uint8)


def text_of(value: Any) -> str:
    """Return a text of a file, which may come as bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""
