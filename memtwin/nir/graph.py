"""The graph of a NIR file: nodes with checked fields, edges, order of the signal; graphs in it are taken apart."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.nir.metadata import text_of
from memtwin.sim.errors import InputError

__all__ = ["MOST", "NEURONS", "SYNAPSES", "Floats", "Graph", "Node", "read_graph"]

NEURONS = ("LIF", "IF", "LI")
SYNAPSES = ("Affine", "Linear", "Scale")
MOST = 1024  # signals between two nodes; more than a layer can have

_WIRES = ("Input", "Output", "Flatten")
_SUPPORTED = (*_WIRES, *SYNAPSES, *NEURONS, "NIRGraph")
_NUMBERS = "biuf"  # kinds of the types of arrays; complex weights have no meaning

Floats = NDArray[np.float64]
Edges = list[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Node:
    """One node of a graph; `str` is how messages begin."""

    where: str
    name: str
    kind: str
    fields: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.where}, node {self.name}"

    def array(self, name: str) -> Floats:
        """Return a field as finite numbers."""
        if self.fields.get(name) is None:
            raise InputError(f"{self}: expected a field {name}, as every {self.kind} has one")
        try:
            found = np.asarray(self.fields[name])
        except ValueError:
            raise InputError(f"{self}, {name}: expected numbers, in rows of equal length") from None
        if found.dtype.kind not in _NUMBERS:
            raise InputError(f"{self}, {name}: expected numbers, not {found.dtype}")
        values = found.astype(np.float64)
        if not np.isfinite(values).all():
            raise InputError(f"{self}, {name}: expected finite numbers, not {values[~np.isfinite(values)].flat[0]}")
        return values

    def matrix(self) -> Floats:
        """Return the weights, (neurons, rows)."""
        weight = self.array("weight")
        if weight.ndim != 2 or 0 in weight.shape:
            raise InputError(f"{self}, weight: expected a matrix of (outputs, inputs), not the shape {weight.shape}")
        if max(weight.shape) > MOST:
            raise InputError(
                f"{self}, weight: expected at most {MOST} outputs and inputs, not the shape {weight.shape}"
            )
        return weight

    def each(self, name: str, count: int) -> Floats:
        """Return a field with one value for each of `count` neurons; one for all is repeated."""
        values = self.array(name)
        if values.size not in (1, count):
            raise InputError(f"{self}, {name}: expected 1 or {count} values, not {values.size}")
        return np.broadcast_to(values.reshape(-1), (count,)).copy()

    @property
    def size(self) -> int | None:
        """How many signals pass an Input or Output, None if it does not say."""
        if self.fields.get("shape") is None:
            return None
        sizes = self.array("shape").ravel().tolist()
        if not all(size >= 1 and size.is_integer() for size in sizes):
            raise InputError(f"{self}, shape: expected whole numbers of at least 1, not {sizes}")
        return math.prod(map(int, sizes))


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes of a graph and of those in it, with what they get from; the signal enters at `first`, leaves at `last`."""

    nodes: dict[str, Node]
    before: Mapping[str, list[str]]
    first: str
    last: str

    def order(self) -> list[Node]:
        """Return the nodes in the order of the signal."""
        left = {name: len(sources) for name, sources in self.before.items()}
        after: dict[str, list[str]] = {name: [] for name in self.nodes}
        for name, sources in self.before.items():
            for source in sources:
                after[source].append(name)
        for name, node in self.nodes.items():
            if not left[name] and name != self.first:
                raise InputError(f"{node}: nothing is sent to it; the signal begins at {self.first}")
        for name, node in self.nodes.items():
            if not after[name] and name != self.last:
                raise InputError(f"{node}: sends to nothing; the signal ends at {self.last}")
        out = [name for name, count in left.items() if count == 0]
        for name in out:  # grows
            for target in after[name]:
                left[target] -= 1
                if left[target] == 0:
                    out.append(target)
        if len(out) < len(self.nodes):
            loop = self._loop({name for name in self.nodes if left[name]})
            raise InputError(
                f"{self.nodes[loop[0]]}: part of a loop ({' to '.join([*loop, loop[0]])}); the engine has no recurrence"
            )
        return [self.nodes[name] for name in out]

    def _loop(self, among: set[str]) -> list[str]:
        """Find a loop among nodes each of which gets from another; it begins with its first node in the file."""
        way = [next(name for name in self.nodes if name in among)]
        while way.count(way[-1]) < 2:
            way.append(next(source for source in self.before[way[-1]] if source in among))
        loop = way[way.index(way[-1]) + 1 :][::-1]
        start = loop.index(min(loop, key=list(self.nodes).index))
        return loop[start:] + loop[:start]


def read_graph(tree: Mapping[str, Any], where: str) -> Graph:
    """Take the graphs in a graph apart."""
    nodes: dict[str, Node] = {}
    edges: set[tuple[str, str]] = set()
    first, last = _collect(tree, where, "", nodes, edges)
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for source, target in sorted(edges):
        before[target].append(source)
    return Graph(nodes, before, first, last)


def _collect(
    tree: Mapping[str, Any], where: str, prefix: str, nodes: dict[str, Node], edges: set[tuple[str, str]]
) -> tuple[str, str]:
    """Collect nodes and edges of a graph; returns the names of those where the signal enters and leaves it."""
    here = f"{where}, node {prefix.removesuffix('.')}" if prefix else where
    members = tree.get("nodes")
    if not isinstance(members, dict) or not members:
        raise InputError(f"{here}: expected a graph with nodes")
    ends: dict[str, tuple[str, str]] = {}  # where the signal enters and leaves each member
    for name, fields in members.items():
        node = Node(where, prefix + str(name), text_of(fields.get("type")) if isinstance(fields, dict) else "", fields)
        if not node.kind:
            raise InputError(f"{node}: expected a node with a type")
        if node.kind not in _SUPPORTED:
            raise InputError(f"{node}: {node.kind} is not supported; expected one of {', '.join(_SUPPORTED)}")
        if node.kind == "NIRGraph":
            ends[name] = _collect(fields, where, f"{node.name}.", nodes, edges)
        else:
            nodes[node.name] = node
            ends[name] = (node.name, node.name)
    links = _edges(tree, here)
    for source, target in links:
        for name in (source, target):
            if name not in ends:
                raise InputError(f"{here}: edge from {source} to {target}, but there is no node {name}")
        edges.add((ends[source][1], ends[target][0]))
    return _end(members, links, ends, here, 1), _end(members, links, ends, here, 0)


def _end(members: Mapping[str, Any], links: Edges, ends: Mapping[str, tuple[str, str]], here: str, side: int) -> str:
    """Find where the signal enters (`side` 1: no edge leads there) or leaves (0) a graph."""
    kind = "Input" if side else "Output"
    taken = {edge[side] for edge in links}
    found = [name for name in members if text_of(members[name].get("type")) == kind] or [
        name for name in members if name not in taken
    ]
    if len(found) != 1:
        listed = f" ({', '.join(found)})" if found else ""
        raise InputError(f"{here}: expected one {kind}, not {len(found)}{listed}; the engine has one of each")
    return ends[found[0]][1 - side]


def _edges(tree: Mapping[str, Any], here: str) -> Edges:
    """Read the edges of a graph."""
    edges = tree.get("edges")
    if edges is None:
        raise InputError(f"{here}: expected a list of edges")
    try:
        return [(text_of(source), text_of(target)) for source, target in edges]
    except (TypeError, ValueError):
        raise InputError(f"{here}: expected edges that are pairs of node names") from None
