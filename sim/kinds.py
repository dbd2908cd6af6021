"""The kinds of neuron: a line each."""

import importlib
from functools import cache
from typing import Any

from memtwin.sim.kind import Kind

__all__ = ["KINDS", "kind", "kind_of"]

KINDS = (
    "hybrid",
    "opamp",
    "lif",
    "stdp",
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
