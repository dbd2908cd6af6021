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
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import nir
import numpy as np
from numpy.typing import NDArray

from memtwin.nir.chain import Stage, stages_of
from memtwin.nir.graph import Floats, read_graph
from memtwin.nir.hdf5 import read_group
from memtwin.nir.metadata import CARD, KEY, cards_of, own_bytes, own_entry, own_number, text_of
from memtwin.nir.networks import Encoding, StoredNetwork
from memtwin.sim.errors import InputError
from memtwin.sim.files import read_bytes, whole
from memtwin.sim.lif.spec import HEADROOM, RESETS, LifLayerSpec, LifSpec

__all__ = ["graph_of", "load_network", "network_names", "read_nir", "write_nir"]

DEFAULT_DT = 1e-4  # s; NIR does not say the step, and this is what snnTorch takes it to be for neurons that leak
UNIT_DT = 1.0  # s; neurons that do not leak have no time but steps, in which a spike adds its weight, as in Sinabs

_LARGEST = 2**26  # bytes of a file
_SILENT = 1.01  # threshold of neurons that only integrate, over the largest membrane that their inputs can make


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
    if not isinstance(tree, dict) or text_of(tree.get("type")) != "NIRGraph":
        raise InputError(f"{where}: expected a NIR graph at the top, not {text_of(tree.get('type')) or 'nothing'}")
    own = own_entry(tree, where)
    notes = own.get("notes", {})
    stages = stages_of(read_graph(tree, where))
    if dt is not None:
        dt_source = "option"
    elif "dt" in own:
        dt, dt_source = own_number(own, "dt", where, DEFAULT_DT), "file"
    else:
        dt, dt_source = _unsaid_step(stages, where)
    layers = tuple(_layer(stage, dt, reset, euler, headroom) for stage in stages)
    if weight_bits is None:
        weight_bits = int(own_number(own, "weight_bits", where, LifSpec.weight_bits))
    try:
        capacity = int(own_number(own, "capacity", where, 0))
        spec = LifSpec(layers=layers, dt=dt, weight_bits=weight_bits, capacity=capacity)
        encoding = _encoding(own, where)
    except InputError as error:
        raise InputError(f"{where}: {str(error).removeprefix(f'{where}: ')}") from None
    return StoredNetwork(
        spec=spec,
        names=tuple(stage.neurons.name for stage in stages),
        encoding=encoding,
        cards={name: text for stage in stages for name, text in cards_of(stage.neurons.fields)},
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
    return nir.NIRGraph(nodes, list(itertools.pairwise(order)), metadata={KEY: json.dumps(own)})


def _synapses(layer: LifLayerSpec) -> nir.NIRNode:
    bias = layer.per_neuron("bias")
    if bias.any():
        return nir.Affine(_short(layer.weight), _short(bias))
    return nir.Linear(_short(layer.weight))


def _neurons(layer: LifLayerSpec, network: StoredNetwork, name: str) -> nir.NIRNode:
    values = {field: _short(layer.per_neuron(field)) for field in ("tau", "r", "v_leak", "v_threshold", "v_reset")}
    own = {"reset": layer.reset, "refractory": layer.refractory, "headroom": layer.headroom}
    metadata = {KEY: json.dumps(own)}
    metadata |= {CARD + card: text for card, text in network.cards.items()}
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


def _unsaid_step(stages: list[Stage], where: str) -> tuple[float, str]:
    """Return the step of a file that does not say it, and `StoredNetwork.dt_source`."""
    leaks = {stage.neurons.kind != "IF": stage.neurons.name for stage in stages}
    if len(leaks) > 1:
        raise InputError(
            f"{where}: expected a step (--dt); the file does not say it, and has neurons with leak ({leaks[True]}), "
            f"for which {DEFAULT_DT:g}s is usual, and without ({leaks[False]}), for which {UNIT_DT:g}s is"
        )
    return (DEFAULT_DT, "default") if True in leaks else (UNIT_DT, "unit")


def _layer(stage: Stage, dt: float, reset: str | None, euler: bool, headroom: int | None) -> LifLayerSpec:
    """Build the layer of synapses and neurons."""
    node = stage.neurons
    own = own_entry(node.fields, str(node))
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
    stated = text_of(own.get("reset", RESETS[0]))
    try:
        return LifLayerSpec(
            weight=stage.weight,
            bias=stage.bias,
            refractory=own_number(own, "refractory", str(node), 0.0),
            headroom=headroom if headroom is not None else int(own_number(own, "headroom", str(node), HEADROOM)),
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
        mode=text_of(entry.get("mode")),
        decoder=text_of(entry.get("decoder")),
        steps=int(own_number(entry, "steps", where, 0)),
        values=own_bytes(entry.get("values"), where),
    )
