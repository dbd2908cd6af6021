"""The kinds of neuron: a line each."""

import importlib
from functools import cache
from typing import Any

from memtwin.sim.card_types import CardType
from memtwin.sim.kind import Kind, module_of

__all__ = ["KINDS", "card_types", "kind", "kind_of"]

KINDS = (
    "hybrid",
    "opamp",
    "lif",
    "stdp",
    "izhikevich",
)
"""Names: ``memtwin.sim.NAME.kind`` holds the kind, and is imported when it is first asked for."""


@cache
def kind(name: str) -> Kind:
    """Return the kind of that name, one of `KINDS`."""
    if name not in KINDS:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}, not {name!r}")
    found: Kind = importlib.import_module(f"memtwin.sim.{name}.kind").KIND
    return found


def kind_of(spec: Any) -> Kind:
    """Return the kind of a network."""
    return kind(spec.kind)


@cache
def card_types() -> dict[str, CardType]:
    """Types of cards that the kinds bring, by name; a kind without a module ``cards`` takes those of others."""
    found: dict[str, CardType] = {}
    for name in KINDS:
        if (cards := module_of(f"memtwin.sim.{name}", "cards")) is not None:
            found |= cards.CARD_TYPES
    return found
