"""Networks from and to NIR files, the exchange format of spiking networks (https://neuroir.org).

A network is a chain of layers of neurons (LIF, IF, LI). Between two of them there may be any synapses (Linear, Affine,
Scale), one after the other and in branches that meet again: what they do together is one matrix and one bias. Flatten
changes nothing, since images are shown row by row; nested graphs are taken apart. What NIR has no word for goes into
`metadata`, and other programs read plain LIF neurons. Entry ``memtwin`` is a JSON text: of the graph with `dt`,
`weight_bits`, `capacity`, `encoding` and `notes`, of neurons with `reset`, `refractory` and `headroom`. Entry
``card_NAME`` of neurons is the card file of a device.
"""

import importlib.resources
import itertools
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from memtwin.nir.hdf5 import LARGEST_NUMBERS, read_group
from memtwin.nir.networks import Encoding, StoredNetwork
from memtwin.sim.errors import InputError
from memtwin.sim.files import read_bytes, whole
from memtwin.sim.lif.spec import HEADROOM, RESETS, LifLayerSpec, LifSpec
from memtwin.sim.parsers import parse_json

__all__ = ["graph_of", "load_network", "network_names", "read_nir", "write_nir"]

DEFAULT_DT = 1e-4  # s; NIR does not say the step, and this is what snnTorch takes it to be for neurons that leak
UNIT_DT = 1.0  # s; neurons that do not leak have no time but steps, in which a spike adds its weight, as in Sinabs

_KEY = "memtwin"  # of our entry in the metadata of a graph or a node
_CARD = "card_"  # begins the names of cards there
_NEURONS = ("LIF", "IF", "LI")
_SYNAPSES = ("Affine", "Linear", "Scale")
_WIRES = ("Input", "Output", "Flatten")
_SUPPORTED = (*_WIRES, *_SYNAPSES, *_NEURONS, "NIRGraph")
_MOST = 1024  # signals between two nodes; more than a layer can have
_LARGEST = 2**26  # bytes of a file
_NUMBERS = "biuf"  # kinds of the types of arrays; complex weights have no meaning
_SILENT = 1.01  # threshold of neurons that only integrate, over the largest membrane that their inputs can make

Floats = NDArray[np.float64]
Edges = list[tuple[str, str]]


def read_nir(
    source: Path | nir.NIRGraph,
    *,
    dt: float | None = None,
    weight_bits: int | None = None,
    reset: str | None = None,
    euler: bool = False,
    headroom: int | None = None,
) -> StoredNetwork:
    """Read a network from a NIR file, or from a graph in memory.

    Parameters
    ----------
    source : Path or nir.NIRGraph
        A chain of layers; see the head of this module.
    dt : float, optional
        Step, s; without it that of the file, or `UNIT_DT` if no neuron leaks, or `DEFAULT_DT` if all do.
    weight_bits : int, optional
        Bits of a weight; without it those of the file, or those of `LifSpec`.
    reset : str, optional
        One of `RESETS` for all neurons; without it what the file says of each, or ``"value"``, which is NIR's. Files of
        networks that were trained with another one do not say so.
    euler : bool
        Take the neurons to forget ``dt / tau`` of their membrane in a step, as programs do that integrate by Euler's
        method, snnTorch and Norse among them, instead of the exact ``1 - exp(-dt / tau)``.
    headroom : int, optional
        Of all neurons (`LifLayerSpec`); without it what the file says, or 8.

    Returns
    -------
    StoredNetwork
        An LI, which can only be last, becomes a LIF whose threshold no input reaches: the answer is then the neuron
        with the largest membrane.

    Raises
    ------
    InputError
        If the file or a node is damaged or not supported; the message names the file and the node.
    """
    where = str(source) if not isinstance(source, nir.NIRGraph) else "NIR graph"
    tree = source.to_dict() if isinstance(source, nir.NIRGraph) else _load(Path(source))
    if not isinstance(tree, dict) or _text(tree.get("type")) != "NIRGraph":
        raise InputError(f"{where}: expected a NIR graph at the top, not {_text(tree.get('type')) or 'nothing'}")
    own = _own(tree, where)
    notes = own.get("notes", {})
    stages = _stages(_graph(tree, where))
    if dt is not None:
        dt_source = "option"
    elif "dt" in own:
        dt, dt_source = _number(own, "dt", where, DEFAULT_DT), "file"
    else:
        dt, dt_source = _unsaid_step(stages, where)
    layers = tuple(_layer(stage, dt, reset, euler, headroom) for stage in stages)
    if weight_bits is None:
        weight_bits = int(_number(own, "weight_bits", where, LifSpec.weight_bits))
    try:
        spec = LifSpec(layers=layers, dt=dt, weight_bits=weight_bits, capacity=int(_number(own, "capacity", where, 0)))
        encoding = _encoding(own, where)
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix(f'{where}: ')}") from None
    return StoredNetwork(
        spec=spec,
        names=tuple(stage.neurons.name for stage in stages),
        encoding=encoding,
        cards={name: text for stage in stages for name, text in _cards(stage.neurons)},
        notes=notes if isinstance(notes, dict) else {},
        source=where,
        dt_source=dt_source,
        integrates=stages[-1].neurons.kind == "LI",
    )


def load_network(name: str | Path, **options: Any) -> StoredNetwork:
    """Read a network that is shipped by its name, or any from its file; `options` are those of `read_nir`.

    Raises
    ------
    InputError
        As `read_nir`, and if there is no such network.
    """
    if str(name) in network_names():
        with importlib.resources.as_file(_shipped() / f"{name}.nir") as path:
            return replace(read_nir(path, **options), source=str(name))
    path = Path(name)
    if not os.path.exists(path):
        raise InputError(f"network {name}: expected a NIR file, or one of {', '.join(network_names())}")
    return read_nir(path, **options)


def network_names() -> list[str]:
    """Names of the networks that are shipped."""
    return sorted(entry.name.removesuffix(".nir") for entry in _shipped().iterdir() if entry.name.endswith(".nir"))


def _shipped() -> Traversable:
    return importlib.resources.files("memtwin.sim") / "data"


def write_nir(network: StoredNetwork, path: Path) -> None:
    """Write a network to a NIR file, whole or not at all.

    Raises
    ------
    InputError
        If it cannot be said in NIR, or the file cannot be written.
    """
    graph = graph_of(network)
    with whole(path) as partial:
        nir.write(partial, graph)


def graph_of(network: StoredNetwork) -> nir.NIRGraph:
    """Say a network in NIR: Input, then Linear or Affine and LIF or IF for each layer, Output.

    Raises
    ------
    InputError
        If a layer has neurons with and without leak.
    """
    spec = network.spec
    nodes: dict[str, nir.NIRNode] = {"input": nir.Input(np.array([spec.layers[0].rows]))}
    for name, layer in zip(network.names, spec.layers, strict=True):
        nodes[f"{name}_synapses"] = _synapses(layer)
        nodes[name] = _neurons(layer, network, name)
    nodes["output"] = nir.Output(np.array([spec.layers[-1].neurons]))
    own: dict[str, Any] = {"dt": spec.dt, "weight_bits": spec.weight_bits, "capacity": spec.capacity}
    if (shown := network.encoding) is not None:
        own["encoding"] = {"mode": shown.mode, "decoder": shown.decoder, "steps": shown.steps}
        own["encoding"]["values"] = shown.values.tolist()
    if network.notes:
        own["notes"] = dict(network.notes)
    order = list(nodes)
    return nir.NIRGraph(nodes, list(itertools.pairwise(order)), metadata={_KEY: json.dumps(own)})


def _synapses(layer: LifLayerSpec) -> nir.NIRNode:
    bias = layer.per_neuron("bias")
    if bias.any():
        return nir.Affine(_short(layer.weight), _short(bias))
    return nir.Linear(_short(layer.weight))


def _neurons(layer: LifLayerSpec, network: StoredNetwork, name: str) -> nir.NIRNode:
    values = {field: _short(layer.per_neuron(field)) for field in ("tau", "r", "v_leak", "v_threshold", "v_reset")}
    own = {"reset": layer.reset, "refractory": layer.refractory, "headroom": layer.headroom}
    metadata = {_KEY: json.dumps(own)}
    metadata |= {_CARD + card: text for card, text in network.cards.items()}
    leaky = np.isfinite(values["tau"])
    if leaky.all():
        return nir.LIF(**values, metadata=metadata)
    if leaky.any():
        raise InputError(f"{network.source}, node {name}: NIR has no layer of neurons with and without leak")
    del values["tau"]
    # IF counts from 0.
    rest = values.pop("v_leak")
    values |= {field: values[field] - rest for field in ("v_threshold", "v_reset")}
    return nir.IF(**values, metadata=metadata)


def _short(values: Floats) -> NDArray[np.floating]:
    """Return an array in single precision if that loses nothing, as for whole numbers."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    return single if np.array_equal(single, values) else np.array(values)


def _load(path: Path) -> dict[str, Any]:
    """Read a file into nested dictionaries."""
    return read_group(read_bytes(path, str(path), _LARGEST), str(path), "node", "a NIR file")


@dataclass(frozen=True, eq=False)
class _Node:
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
        if max(weight.shape) > _MOST:
            raise InputError(
                f"{self}, weight: expected at most {_MOST} outputs and inputs, not the shape {weight.shape}"
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


@dataclass(eq=False)
class _Stage:
    """Synapses, as one matrix and one bias, and the neurons behind them."""

    neurons: _Node
    weight: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class _Signal:
    """What leaves a node, as a linear function of the spikes of the `source`: neurons, or (None) the input.

    Without `weight` it is the spikes themselves, `size` of them if that is known. `last` are the synapses, or the node
    where branches meet, that the signal has passed since then.
    """

    source: _Node | None
    size: int | None
    weight: Floats | None = None
    bias: Floats | None = None
    last: _Node | None = None

    def matrix(self, node: _Node, size: int) -> Floats:
        """Return the weights of `size` signals, which reach `node`."""
        return _identity(node, size) if self.weight is None else self.weight

    def offset(self, size: int) -> Floats:
        """Return the bias of `size` signals."""
        return np.zeros(size) if self.bias is None else self.bias

    @property
    def origin(self) -> str:
        """Name of the source in messages."""
        return "the input" if self.source is None else self.source.name


@dataclass(frozen=True, eq=False)
class _Graph:
    """Nodes of a graph and of those in it, with what they get from; the signal enters at `first`, leaves at `last`."""

    nodes: dict[str, _Node]
    before: Mapping[str, list[str]]
    first: str
    last: str

    def order(self) -> list[_Node]:
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


def _graph(tree: Mapping[str, Any], where: str) -> _Graph:
    """Take the graphs in a graph apart."""
    nodes: dict[str, _Node] = {}
    edges: set[tuple[str, str]] = set()
    first, last = _collect(tree, where, "", nodes, edges)
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for source, target in sorted(edges):
        before[target].append(source)
    return _Graph(nodes, before, first, last)


def _collect(
    tree: Mapping[str, Any], where: str, prefix: str, nodes: dict[str, _Node], edges: set[tuple[str, str]]
) -> tuple[str, str]:
    """Collect nodes and edges of a graph; returns the names of those where the signal enters and leaves it."""
    here = f"{where}, node {prefix.removesuffix('.')}" if prefix else where
    members = tree.get("nodes")
    if not isinstance(members, dict) or not members:
        raise InputError(f"{here}: expected a graph with nodes")
    ends: dict[str, tuple[str, str]] = {}  # where the signal enters and leaves each member
    for name, fields in members.items():
        node = _Node(where, prefix + str(name), _text(fields.get("type")) if isinstance(fields, dict) else "", fields)
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
    found = [name for name in members if _text(members[name].get("type")) == kind] or [
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
        return [(_text(source), _text(target)) for source, target in edges]
    except (TypeError, ValueError):
        raise InputError(f"{here}: expected edges that are pairs of node names") from None


def _stages(graph: _Graph) -> list[_Stage]:
    """Group a graph into layers, and check that the sizes of what follows each other are equal."""
    out: list[_Stage] = []
    signals: dict[str, _Signal] = {}
    held = 0
    for node in graph.order():
        with np.errstate(over="ignore", invalid="ignore"):
            signal = _meet(node, [signals[name] for name in graph.before[node.name]])
            if node.kind in _SYNAPSES:
                signal = _behind(node, signal)
        for values in (signal.weight, signal.bias):
            if values is not None and not np.isfinite(values).all():
                raise InputError(f"{node}: the weights up to here multiply to what is no finite number")
        if node.kind in _NEURONS:
            out.append(_stage(node, signal, out))
            held += out[-1].weight.size
            signal = _Signal(node, len(out[-1].weight))
        elif node.kind in ("Input", "Output"):
            if node.size is not None and signal.size is not None and node.size != signal.size:
                raise InputError(f"{node}, shape: expected {signal.size} signals, not {node.size}")
            signal = replace(signal, size=signal.size or node.size)
        held += 0 if signal.weight is None else signal.weight.size
        if held > LARGEST_NUMBERS:
            raise InputError(f"{node}: expected at most {LARGEST_NUMBERS} weights, those behind every node counted")
        signals[node.name] = signal
    end, last = graph.nodes[graph.last], signals[graph.last]
    if not out:
        raise InputError(f"{end}: expected neurons (LIF, IF or LI) before the end of the network")
    if last.last is not None:
        raise InputError(f"{last.last}: expected neurons (LIF, IF or LI) behind it, before the end of the network")
    return out


def _stage(node: _Node, signal: _Signal, before: list[_Stage]) -> _Stage:
    """Make a layer of neurons and the synapses before them; the layers so far must end with what feeds it."""
    end = before[-1].neurons if before else None
    if signal.source is not end:
        assert end is not None
        raise InputError(
            f"{node}: gets from {signal.origin}, as {_fed_by(before, signal.source)} does; expected neurons behind "
            f"{end.name}: the engine's layers of neurons form one chain"
        )
    if end is not None and end.kind == "LI":
        raise InputError(f"{end}: LI sends no spikes, so it can only be the last layer; use LIF or IF")
    size = signal.size or node.array("r").size
    return _Stage(node, signal.matrix(node, size), signal.offset(size))


def _fed_by(stages: list[_Stage], source: _Node | None) -> str:
    """Name the neurons that already get from `source`."""
    names = [None, *(stage.neurons for stage in stages)]
    return stages[names.index(source)].neurons.name


def _meet(node: _Node, signals: list[_Signal]) -> _Signal:
    """Add up the signals that reach a node."""
    if len(signals) < 2:
        return signals[0] if signals else _Signal(None, None)
    first, *others = signals
    for other in others:
        if other.source is not first.source:
            raise InputError(
                f"{node}: gets from {first.origin} and from {other.origin}; expected branches of one layer of neurons: "
                "in the engine no signal passes by a layer"
            )
    sizes = sorted({signal.size for signal in signals if signal.size is not None})
    if len(sizes) > 1:
        raise InputError(f"{node}: gets branches of {' and '.join(map(str, sizes))} signals; expected equal numbers")
    if not sizes:
        raise InputError(f"{node}: gets branches of unknown size; give the Input a shape")
    (size,) = sizes
    weight, bias = np.zeros((size, first.matrix(node, size).shape[1])), np.zeros(size)
    for signal in signals:  # one by one: there may be thousands of branches
        weight += signal.matrix(node, size)
        bias += signal.offset(size)
    return _Signal(first.source, size, weight, bias, node)


def _behind(node: _Node, signal: _Signal) -> _Signal:
    """Put synapses behind a signal."""
    if node.kind == "Scale":
        size = signal.size or node.array("scale").size
        scale = node.each("scale", size)
        weight, bias = scale[:, None] * signal.matrix(node, size), scale * signal.offset(size)
        return _Signal(signal.source, size, weight, bias, node)
    own = node.matrix()
    if signal.size is not None and own.shape[1] != signal.size:
        raise InputError(f"{node}, weight: expected {signal.size} columns, one for each input, not {own.shape[1]}")
    bias = own @ signal.offset(own.shape[1])
    if node.kind == "Affine":
        bias = bias + node.each("bias", len(own))
    weight = own if signal.weight is None else own @ signal.weight
    return _Signal(signal.source, len(own), weight, bias, node)


def _identity(node: _Node, size: int) -> Floats:
    if size > _MOST:
        raise InputError(f"{node}: expected at most {_MOST} signals, not {size}")
    return np.eye(size)


def _unsaid_step(stages: list[_Stage], where: str) -> tuple[float, str]:
    """Return the step of a file that does not say it, and `StoredNetwork.dt_source`."""
    leaks = {stage.neurons.kind != "IF": stage.neurons.name for stage in stages}
    if len(leaks) > 1:
        raise InputError(
            f"{where}: expected a step (--dt); the file does not say it, and has neurons with leak ({leaks[True]}), "
            f"for which {DEFAULT_DT:g}s is usual, and without ({leaks[False]}), for which {UNIT_DT:g}s is"
        )
    return (DEFAULT_DT, "default") if True in leaks else (UNIT_DT, "unit")


def _layer(stage: _Stage, dt: float, reset: str | None, euler: bool, headroom: int | None) -> LifLayerSpec:
    """Build the layer of synapses and neurons."""
    node = stage.neurons
    own = _own(node.fields, str(node))
    count = len(stage.weight)
    names = {"LIF": ("tau", "r", "v_leak", "v_threshold"), "IF": ("r", "v_threshold"), "LI": ("tau", "r", "v_leak")}
    values: dict[str, Any] = {name: node.each(name, count) for name in names[node.kind]}
    if node.kind == "IF":
        values["tau"] = math.inf
    elif euler:
        if not (values["tau"] > dt).all():
            raise InputError(
                f"{node}, tau: expected more than dt, {dt:g}s, with Euler's method, not {values['tau'].min():g}s"
            )
        values["tau"] = -dt / np.log1p(-dt / values["tau"])
    if node.kind == "LI":
        reach = np.abs(values["r"]) * (np.abs(stage.weight).sum(axis=1) + np.abs(stage.bias))
        values["v_threshold"] = values["v_leak"] + (_SILENT * reach.max() or 1.0)
        values["v_reset"] = values["v_leak"]
    elif node.fields.get("v_reset") is not None:
        values["v_reset"] = node.each("v_reset", count)
    stated = _text(own.get("reset", RESETS[0]))
    try:
        return LifLayerSpec(
            weight=stage.weight,
            bias=stage.bias,
            refractory=_number(own, "refractory", str(node), 0.0),
            headroom=headroom if headroom is not None else int(_number(own, "headroom", str(node), HEADROOM)),
            reset=reset if reset is not None else stated,
            **values,
        )
    except InputError as error:
        raise InputError(f"{node}, {error}") from None


def _encoding(own: Mapping[str, Any], where: str) -> Encoding | None:
    """Read how images are shown."""
    entry = own.get("encoding")
    if not isinstance(entry, dict):
        return None
    return Encoding(
        mode=_text(entry.get("mode")),
        decoder=_text(entry.get("decoder")),
        steps=int(_number(entry, "steps", where, 0)),
        values=_bytes(entry.get("values"), where),
    )


def _own(fields: Mapping[str, Any], where: str) -> Mapping[str, Any]:
    """Our entry in the metadata of a graph or a node, empty if there is none."""
    metadata = fields.get("metadata")
    if not isinstance(metadata, dict) or _KEY not in metadata:
        return {}
    own = parse_json(_text(metadata[_KEY]), f"{where}, metadata {_KEY}", "a JSON object")
    if not isinstance(own, dict):
        raise InputError(f"{where}, metadata {_KEY}: expected a JSON object")
    return own


def _cards(node: _Node) -> Iterator[tuple[str, str]]:
    """Yield name and text of the cards in the metadata of a node."""
    metadata = node.fields.get("metadata")
    for name, text in metadata.items() if isinstance(metadata, dict) else ():
        if name.startswith(_CARD):
            yield name.removeprefix(_CARD), _text(text)


def _number(own: Mapping[str, Any], name: str, where: str, default: float) -> float:
    """Read a number of our metadata."""
    try:
        number = float(own.get(name, default))
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{where}, metadata {_KEY}/{name}: expected a number") from None
    if not math.isfinite(number):
        raise InputError(f"{where}, metadata {_KEY}/{name}: expected a finite number, not {number}")
    return number


def _text(value: Any) -> str:
    """Return a text of a file, which may come as bytes."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def _bytes(values: Any, where: str) -> NDArray[np.uint8]:
    """Return a list of our metadata as bytes."""
    if not isinstance(values, list) or not all(isinstance(value, int) and 0 <= value < 256 for value in values):
        raise InputError(f"{where}, metadata {_KEY}/values: expected whole numbers from 0 to 255")
    return np.array(values, dtype=np.uint8)
