"""A NIR file as a network of one's own: driven by spikes, without the encoder that a file may ask for."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from memtwin.nir.networks import UNSAID
from memtwin.nir.nir_io import read_nir
from memtwin.own.network import Network
from memtwin.sim.cards import load_card
from memtwin.sim.errors import InputError
from memtwin.sim.lif.layer import Layer
from memtwin.sim.lif.spec import HEADROOMS, RESETS
from memtwin.sim.own.options import Choice, Flag, Quantity, Rule, Whole
from memtwin.sim.units import format_si

__all__ = ["network_of_nir"]

WEIGHTS = ("file", "quantised")

_READING: dict[str, Rule] = {
    "dt": Quantity(unit="s", meaning="one step"),
    "weight_bits": Whole(least=2, most=16, meaning="bits of a weight"),
    "reset": Choice(choices=RESETS, meaning="of all neurons"),
    "euler": Flag(meaning="neurons forget dt / tau in a step, as in snnTorch and Norse"),
    "headroom": Whole(least=HEADROOMS[0], most=HEADROOMS[-1], meaning="thresholds until a membrane is clamped"),
}
_RUNNING: dict[str, Rule] = {
    "capacity": Whole(most=4096, meaning="events that the gateware holds"),
    "weights": Choice(choices=WEIGHTS, meaning="as in the file, or as the integers have them, also on physics"),
}


def network_of_nir(
    path: Path, *, settings: Sequence[str] = (), cards: Sequence[str] = (), bits: int | None = None
) -> Network:
    """Read a network from a NIR file; settings are those of `memtwin.nir.nir_io.read_nir`, and `capacity`.

    A card is that of the devices whose spread the weights have.

    Raises
    ------
    InputError
        If the file is damaged or not supported, or a setting is not possible.
    """
    given = _settings(settings)
    if bits is not None:
        given["weight_bits"] = _READING["weight_bits"].read("option --bits", bits)
    stored = read_nir(path, **{name: value for name, value in given.items() if name in _READING})
    options: dict[str, Any] = {"dt": stored.spec.dt, "weight_bits": stored.spec.weight_bits}
    if "capacity" in given:
        options["capacity"] = given["capacity"]
    for name in cards:
        card = load_card(name)
        if card.kind != "volatile and non-volatile switch":
            raise InputError(
                f"option --card: expected a volatile and non-volatile switch; {card.name} is of kind {card.kind}"
            )
        options["device"] = card
    layers = [Layer.of(layer) for layer in stored.spec.layers]
    network = Network(layers, name=path.stem, **options)
    weights = given.get("weights", WEIGHTS[0])
    if weights == "quantised":
        network = Network(_quantised(network), name=path.stem, **options)
    network.names, network.weights = stored.names, weights
    if stored.dt_source in UNSAID:
        step = format_si(stored.spec.dt, "s")
        network.notes = [f"file {path}: does not say its step; taken to be {step}, {UNSAID[stored.dt_source]} (dt)"]
    return network


def _quantised(network: Network) -> list[Layer]:
    """Return the layers with the weights that the integers stand for; integers are made of them without loss."""
    job = network.job(np.zeros((1, network.inputs)), allow_clipping=True)
    out = []
    for layer, own in zip(network.spec.layers, job.coefficients(), strict=True):
        levels = ((own.words["weight"][0] ^ 0x8000) - 0x8000).reshape(layer.rows, layer.neurons)
        out.append(Layer.of(replace(layer, weight=levels.T * own.weight_unit)))
    return out


def _settings(settings: Sequence[str]) -> dict[str, Any]:
    """Read ``NAME=VALUE``."""
    known, out = {**_READING, **_RUNNING}, {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not text or name not in known:
            raise InputError(f"option --set: expected NAME=VALUE with one of {', '.join(known)}, not {setting!r}")
        out[name] = known[name].read(f"option --set {name}", known[name].parse(text))
    return out
