"""The layers of a NIR graph: what lies between two layers of neurons is one matrix and one bias."""

from dataclasses import dataclass, replace

import numpy as np

from memtwin.nir.graph import MOST, NEURONS, SYNAPSES, Floats, Graph, Node
from memtwin.nir.hdf5 import LARGEST_NUMBERS
from memtwin.sim.errors import InputError

__all__ = ["Stage", "stages_of"]


@dataclass(eq=False)
class Stage:
    """Synapses, as one matrix and one bias, and the neurons behind them."""

    neurons: Node
    weight: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class _Signal:
    """What leaves a node, as a linear function of the spikes of the `source`: neurons, or (None) the input.

    Without `weight` it is the spikes themselves, `size` of them if that is known. `last` are the synapses, or the node
    where branches meet, that the signal has passed since then.
    """

    source: Node | None
    size: int | None
    weight: Floats | None = None
    bias: Floats | None = None
    last: Node | None = None

    def matrix(self, node: Node, size: int) -> Floats:
        """Return the weights of `size` signals, which reach `node`."""
        return _identity(node, size) if self.weight is None else self.weight

    def offset(self, size: int) -> Floats:
        """Return the bias of `size` signals."""
        return np.zeros(size) if self.bias is None else self.bias

    @property
    def origin(self) -> str:
        """Name of the source in messages."""
        return "the input" if self.source is None else self.source.name


def stages_of(graph: Graph) -> list[Stage]:
    """Group a graph into layers, and check that the sizes of what follows each other are equal."""
    out: list[Stage] = []
    signals: dict[str, _Signal] = {}
    held = 0
    for node in graph.order():
        with np.errstate(over="ignore", invalid="ignore"):
            signal = _meet(node, [signals[name] for name in graph.before[node.name]])
            if node.kind in SYNAPSES:
                signal = _behind(node, signal)
        for values in (signal.weight, signal.bias):
            if values is not None and not np.isfinite(values).all():
                raise InputError(f"{node}: the weights up to here multiply to what is no finite number")
        if node.kind in NEURONS:
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


def _stage(node: Node, signal: _Signal, before: list[Stage]) -> Stage:
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
    return Stage(node, signal.matrix(node, size), signal.offset(size))


def _fed_by(stages: list[Stage], source: Node | None) -> str:
    """Name the neurons that already get from `source`."""
    names = [None, *(stage.neurons for stage in stages)]
    return stages[names.index(source)].neurons.name


def _meet(node: Node, signals: list[_Signal]) -> _Signal:
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


def _behind(node: Node, signal: _Signal) -> _Signal:
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


def _identity(node: Node, size: int) -> Floats:
    if size > MOST:
        raise InputError(f"{node}: expected at most {MOST} signals, not {size}")
    return np.eye(size)
