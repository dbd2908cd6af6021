"""Network files: TOML to read and to start from, and NIR."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import MISSING
from pathlib import Path
from typing import Any

from memtwin.own.inputs import source_of
from memtwin.own.network import Network
from memtwin.sim.cards import load_card
from memtwin.sim.errors import InputError
from memtwin.sim.files import read_text
from memtwin.sim.kinds import KINDS, kind
from memtwin.sim.own.layer import OwnLayer
from memtwin.sim.own.options import Array, CardName, Flag, Options, Rule, rules
from memtwin.sim.parsers import parse_toml

__all__ = ["SUFFIXES", "layer_of", "load_network", "template"]

SUFFIXES = (".toml", ".nir")
_LARGEST = 2**24  # bytes of a TOML file
_TABLES = ("kind", "name", "network", "layer", "input")
_COLUMN = 34  # where a comment begins


def layer_of(name: str) -> type[OwnLayer]:
    """Return the layers of a kind.

    Raises
    ------
    InputError
        If there is no such kind.
    """
    module = kind(name).module("layer") if name in KINDS else None
    if module is None:
        raise InputError(f"kind: expected one of {', '.join(KINDS)}, not {name!r}")
    layer: type[OwnLayer] = module.Layer
    return layer


def load_network(
    path: str | os.PathLike[str], *, settings: Sequence[str] = (), cards: Sequence[str] = (), bits: int | None = None
) -> Network:
    """Read a network from a TOML or NIR file.

    Parameters
    ----------
    path : path
        File; ``.toml`` as `template` writes it, or ``.nir``.
    settings : sequence of str
        ``"NAME=VALUE"`` for an option of the network, ``"layer1.NAME=VALUE"`` for one of a layer.
    cards : sequence of str
        Names or files of cards; each replaces the cards of its kind.
    bits : int, optional
        Bits of a weight, of networks that have such.

    Raises
    ------
    InputError
        If the file, or a setting, does not make a network; the message names it.
    """
    path = Path(path)
    if path.suffix.lower() == ".nir":
        from memtwin.own.nir_file import network_of_nir

        return network_of_nir(path, settings=settings, cards=cards, bits=bits)
    if path.suffix.lower() != ".toml":
        raise InputError(f"network file {path}: expected {' or '.join(SUFFIXES)}")
    where = f"file {path}"
    data = parse_toml(read_text(path, where, _LARGEST), where)
    for name in data:
        if name not in _TABLES:
            raise InputError(f"{where}: unknown entry {name}; expected {', '.join(_TABLES)}")
    if not isinstance(data.get("kind"), str):
        raise InputError(f'{where}: expected kind = "...", one of {", ".join(KINDS)}')
    try:
        layer = layer_of(data["kind"])
    except InputError as error:
        raise InputError(f"{where}, {error}") from None
    tables = data.get("layer", [])
    tables = tables if isinstance(tables, list) else [tables]
    if not tables or not all(isinstance(table, dict) for table in tables):
        raise InputError(f"{where}: expected a table [[layer]] for each layer")
    network = data.get("network", {})
    if not isinstance(network, dict) or not isinstance(data.get("input", {}), dict):
        raise InputError(f"{where}: expected [network] and [input] to be tables")
    own = [_Table(layer.circuit, network, "", path.parent)]
    own += [_Table(layer, table, f"layer{number}.", path.parent) for number, table in enumerate(tables, 1)]
    if bits is not None:
        settings = [*settings, f"weight_bits={bits}"]
    _set(own, settings, cards)
    layers = [table.cls.given(f"{where}, layer {number}", table.values) for number, table in enumerate(own[1:], 1)]
    try:
        made = Network(layers, name=data.get("name", path.stem), **own[0].values)  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{where}, {error}") from None
    made.input = source_of(data["input"], path.parent, where) if "input" in data else None
    return made


class _Table:
    """Values of the options of one table, by name; paths in it are relative to the folder of the file."""

    def __init__(self, cls: type[Options], values: Mapping[str, Any], prefix: str, folder: Path) -> None:
        self.cls, self.prefix = cls, prefix
        self.rules: dict[str, Rule] = {name: rule for name, rule, _ in rules(cls)}
        self.values = {name: self._placed(name, value, folder) for name, value in values.items()}

    def _placed(self, name: str, value: Any, folder: Path) -> Any:
        is_path = isinstance(value, str) and isinstance(self.rules.get(name), Array | CardName)
        if is_path and Path(value).suffix in (".toml", ".csv", ".npy", ".npz"):
            return str(folder / value)
        return value


def _set(tables: Sequence[_Table], settings: Sequence[str], cards: Sequence[str]) -> None:
    """Put what a user sets, and cards of his, in the place of what the file has."""
    for setting in settings:
        name, equals, text = setting.partition("=")
        places = [
            table for table in tables if name.startswith(table.prefix) and name[len(table.prefix) :] in table.rules
        ]
        if not equals or not text or not places:
            known = [*tables[0].rules, *(f"{tables[1].prefix}{own}" for own in tables[1].rules)]
            raise InputError(f"option --set: expected NAME=VALUE with one of {', '.join(known)}, not {setting!r}")
        own = name[len(places[-1].prefix) :]
        places[-1].values[own] = places[-1].rules[own].parse(text)
    for name in cards:
        card, used = load_card(name), False
        for table in tables:
            for own, rule in table.rules.items():
                if isinstance(rule, CardName) and rule.kind == card.kind:
                    table.values[own], used = card, True
        if not used:
            raise InputError(f"option --card: expected a card that the network has; {card.name} is of kind {card.kind}")


def template(kind_name: str) -> str:
    """Write a file to start from: every option with its default and its meaning; it runs as it is.

    Raises
    ------
    InputError
        If there is no such kind.
    """
    layer = layer_of(kind_name)
    example = layer.circuit.example
    lines = [
        f"# A network of {kind_name} neurons, for memtwin run FILE, compare FILE --backends model,rtl, verilog FILE.",
        "# An option that is commented out is left out: what then holds is said behind it.",
        f'kind = "{kind_name}"',
        "",
        "[network]",
        *_lines(layer.circuit, example["network"]),
        "",
        "# One such table for each layer; the inputs of a later one are the neurons of the one before.",
        "[[layer]]",
        *_lines(layer, example["layer"]),
        "",
        '# What is shown if no --input is given: poisson, regular or patterns; or file = "spikes.csv".',
        "[input]",
        *(f"{name} = {_toml(value)}" for name, value in example["input"].items()),
    ]
    return "\n".join(lines) + "\n"


def _lines(options: type[Options], given: Mapping[str, Any]) -> list[str]:
    """One line for each option: its value, its meaning."""
    out = []
    for name, rule, default in rules(options):
        value = given.get(name, default)
        assert value is not MISSING, f"the example of {options.__name__} must have {name}"
        entry = f"# {name} = {_blank(rule)}" if value is None else f"{name} = {rule.text(value)}"
        expected = "" if isinstance(rule, CardName | Flag) else f"; {rule.expected}"
        out.append(f"{entry:{_COLUMN}}  # {rule.meaning}{expected}")
    return out


def _blank(rule: Rule) -> str:
    return '""' if isinstance(rule, CardName) else '"..."'


def _toml(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else str(value).replace("True", "true").replace("False", "false")
