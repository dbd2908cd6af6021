"""Formats that users' files have: some good files of each, what reads them, and mutants that know the structure."""

import gzip
import io
import itertools
import json
import random
import re
import struct
import zipfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from memtwin import api
from memtwin.link.events import EventDecoder
from memtwin.link.frames import LARGEST_BODY, FrameReader, encode
from memtwin.link.maps import digest_of, read_map
from memtwin.link.snapshot import Snapshot
from memtwin.nir.nir_io import graph_of, load_network, network_names, read_nir
from memtwin.sim.cards import load_card
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.patterns import load_patterns
from memtwin.sim.state import join
from memtwin.states import load_states, structure_digest
from memtwin.train.data import read_idx
from tests.fake_twin import a_map
from tests.fuzz import own
from tests.fuzz.mutators import NUMBERS, VALUES, change, damaged, insert_token

__all__ = ["FORMATS", "Format"]

_DATA = Path(__file__).parents[2] / "sim"
Build = Callable[[random.Random, Sequence[bytes]], bytes]


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes
    ----------
    name : str
        File name, with the ending that readers expect.
    seeds : sequence of bytes
        Good files.
    read : callable
        Reads a file as the product does; returns, or raises an InputError.
    build : callable
        A mutant that is still of the format, as far as the format goes.
    is_text : bool
        Tokens of texts are put into it.
    """

    name: str
    seeds: Sequence[bytes]
    read: Callable[[Path], object]
    build: Build
    is_text: bool = False

    def mutant(self, rng: random.Random) -> bytes:
        """Draw a mutant: bytes changed, or structure, or both."""
        kind = rng.random()
        if kind < 0.5:
            return damaged(rng, self.seeds, more=(insert_token,) if self.is_text else ())
        built = self.build(rng, self.seeds)
        return damaged(rng, [built or b"\0"]) if kind < 0.6 else built


def _files(pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(_DATA.glob(pattern))]


# Cards.

_UNITS = ("s", "V", "S", "Ohm", "Hz", "/s", "", "us", "mV", "kOhm", "x")


def _card(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Change values of a card, and leave out, double or move lines."""
    lines = rng.choice(seeds).decode().split("\n")
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(lines))
        what = rng.random()
        if what < 0.7:
            values = [number for number, line in enumerate(lines) if line.startswith("value")]
            at = rng.choice(values or [at])
            number = re.search(r"[-+.\deE]+", lines[at])
            old = float(number[0]) if number and rng.random() < 0.5 and number[0][:1].isdigit() else 1.0
            value = rng.choice((*NUMBERS, old * 10.0 ** rng.randint(-12, 12)))
            text = str(value) if isinstance(value, float) or abs(value) < 10**40 else "1" + "0" * 400
            unit = re.sub(r'.*[\d.] *|"', "", lines[at]) if rng.random() < 0.8 else rng.choice(_UNITS)
            lines[at] = f'value = "{text}{unit}"'
        elif what < 0.8:
            del lines[at]
            lines = lines or [""]
        elif what < 0.9:
            lines.insert(rng.randrange(len(lines)), lines[at])
        else:
            lines[at] = rng.choice(("a.b = [", "[[x]]", "x = {y = 1, y = 2}", '"\\u001b" = 1', "a = 1" + "0" * 5000))
    return "\n".join(lines).encode()


# Networks.


_ENCODING = {"mode": "rate", "decoder": "rate", "steps": 20, "values": [1] * 256}


@cache
def _trees() -> list[dict[str, Any]]:
    """Networks as nested dictionaries, as a NIR file has them."""
    graphs = [graph_of(load_network(name)).to_dict() for name in network_names()]
    weight, ones = np.arange(12.0).reshape(3, 4), np.ones(3)
    lif = {"type": "LIF", "tau": ones * 1e-2, "r": ones, "v_leak": ones * 0, "v_threshold": ones}
    own = {"memtwin": json.dumps({"dt": 1e-3, "weight_bits": 6, "encoding": _ENCODING})}
    nodes = {
        "in": {"type": "Input", "shape": np.array([4])},
        "fc": {"type": "Affine", "weight": weight, "bias": ones},
        "scale": {"type": "Scale", "scale": ones},
        "one": lif | {"metadata": {"memtwin": '{"reset": "subtract", "refractory": 0.002}'}},
        "if": {"type": "IF", "r": ones, "v_threshold": ones, "v_reset": ones * 0},
        "out": {"type": "Output", "shape": np.array([3])},
    }
    names = list(nodes)
    edges = [[a.encode(), b.encode()] for a, b in itertools.pairwise(names)]
    inner = {"type": "NIRGraph", "nodes": nodes, "edges": edges}
    outer = {"a": {"type": "Input", "shape": np.array([4])}, "inner": inner, "li": lif | {"type": "LI"}}
    return [
        *graphs,
        {"type": "NIRGraph", "nodes": nodes, "edges": edges, "metadata": own},
        {"type": "NIRGraph", "nodes": outer, "edges": [[b"a", b"inner"], [b"inner", b"li"]], "metadata": own},
    ]


_ARRAYS = (
    *NUMBERS, np.zeros(0), np.zeros((0, 3)), np.ones((3, 4)) * 1e300, np.full((2, 2), np.nan), np.eye(3) * 1j,
    np.ones((4, 4, 4), "f2"), np.zeros((3, 4), bool), np.array([-2, -2]), np.array([b"x", b"y"]), np.zeros((3, 1025)),
    "text", "", b"LIF", "Scale", "IF", "LI", "NIRGraph", "Conv2d", "[" * 2000, '{"dt": 1e400}', '{"memtwin": NaN}',
    {}, {"type": "LIF"}, {"type": "Flatten"}, {"memtwin": '{"dt": 1' + "0" * 400 + "}"}, [[b"in", b"fc"]],
)  # fmt: skip


def _nir(rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Change a network and write it as another program might."""
    tree = rng.choice(_trees())
    for _ in range(rng.choice((1, 1, 2, 4))):
        tree = change(rng, tree, _ARRAYS)
    data = _nir_of(rng, tree)
    return _relinked(rng, data) if rng.random() < 0.3 else data


_SIGNATURES = re.compile(rb"TREE|SNOD|HEAP|GCOL|OHDR|OCHK|FRHP|FHDB|FHIB|BTHD|BTIN|BTLF|FAHD|FADB|EAHD|EAIB")


def _relinked(rng: random.Random, data: bytes) -> bytes:
    """Let addresses in an HDF5 file lead to another of its structures, so that there are loops in it."""
    out, starts = bytearray(data), [match.start() for match in _SIGNATURES.finditer(data)]
    for _ in range(rng.choice((1, 1, 2, 4)) if starts else 0):
        old, new = (rng.choice(starts).to_bytes(8, "little") for _ in range(2))
        places = [match.start() for match in re.finditer(re.escape(old), data)]
        for at in places[:: rng.choice((1, 2, 5))]:
            out[at : at + 8] = new
        if rng.random() < 0.5:
            out[rng.choice(starts) + 5] = rng.choice((0, 1, 2, 200))  # level of a tree, or flags
    return bytes(out)


def _networks() -> list[bytes]:
    return [*_files("data/*.nir"), *(_nir_of(random.Random(2), tree) for tree in _trees()[1:])]


def _nir_of(rng: random.Random, tree: Any) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w", libver=rng.choice((None, "latest"))) as file:
        _write(rng, file, "node", tree)
    return out.getvalue()


_PACKED = ({}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True}, {"compression": "lzf"})


def _write(rng: random.Random, group: h5py.Group, name: str, value: Any) -> None:
    if not name or "\0" in name or "/" in name or name in group:
        return
    if isinstance(value, dict):
        inner = group.create_group(name)
        for key, item in value.items():
            _write(rng, inner, str(key), item)
        return
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        value = float(value) if value < 10**300 else 1.0
    value = value.replace("\0", "") if isinstance(value, str) else value
    packed = rng.choices(_PACKED, (50, 50, 50, 1))[0]
    odd = rng.random()
    if odd < 0.001:
        group[name] = rng.choice((h5py.SoftLink("/node"), h5py.ExternalLink("other", "/node"), h5py.Empty("f4")))
    elif odd < 0.002:
        group[name] = group
    else:
        with suppress(TypeError, ValueError):  # what HDF5 cannot hold is left out
            is_array = isinstance(value, list | np.ndarray) and np.size(value) > 0 and np.ndim(value) > 0
            group.create_dataset(name, data=value, **(packed if is_array else {}))


# Arrays: states and snapshots.


@cache
def _lif_run() -> Any:
    """A small experiment that leaves a state: its runs, and their state at the end."""
    chosen = api.experiment("lif")
    runs = chosen.plan(chosen.settings())
    recordings = api.backends.run_all(runs, "model", None)
    return runs, {label: recording.state for label, recording in recordings.items()}


@cache
def _state_files() -> list[bytes]:
    runs, states = _lif_run()
    state = {f"{label}/{name}": words.astype("u2") for label, own in states.items() for name, words in own.items()}
    digests = {f"{label}/digest": np.array(structure_digest(run)) for label, run in runs.items()}
    heads = {"design": np.array("digits"), "map_digest": np.array("ab" * 8)}
    snapshot = heads | {"state/layer1.theta": np.arange(50, dtype="u2"), "coefficients/a": np.zeros(4, "u2")}
    return [_npz_of(state | digests), _npz_of(snapshot)]


_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


def _npz_of(arrays: dict[str, Any], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as file:
        for name, values in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, np.asarray(values))
            file.writestr(f"{name}.npy", content.getvalue())
    return out.getvalue()


def _read_states(path: Path) -> None:
    try:
        Snapshot.load(path)
    except InputError:  # a file of states has another reader
        runs, states = _lif_run()
        for label, run in load_states(path, runs).items():
            assert run.start is not None
            join([run.start], states[label])


_WORDS = (
    np.uint16(3), np.zeros((1, 3), ">u2"), np.zeros((0, 7), "u2"), np.zeros((2, 2), "f4"), np.zeros(3, "c8"),
    np.array("x"), np.array(["a", "b"]), np.array(b"bytes"), np.zeros(2, "i4,f4"), np.array(True), np.zeros((1,) * 32),
    np.array("\x1b[31m"), np.array("\ud800"), np.array("0" * 5000), np.datetime64("2020"),
)  # fmt: skip


def _npz(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Change arrays, or fields of the directory of the zip file, which hold its sizes, methods and flags."""
    with np.load(io.BytesIO(rng.choice(seeds))) as file:
        arrays = {name: file[name] for name in file.files}
    for _ in range(rng.choice((0, 1, 2))):
        changed = change(rng, arrays, _WORDS)
        arrays = {key: value for key, value in changed.items() if key} if isinstance(changed, dict) else {}
    data = bytearray(_npz_of(arrays, rng.choices(_METHODS, (30, 30, 1, 1))[0]))
    entries = [match.start() for match in re.finditer(b"PK\1\2", data)]
    for _ in range(rng.choice((0, 1, 2)) if entries else 0):
        at, size = rng.choice(((6, 2), (8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (30, 2), (42, 4)))
        value = rng.choice((0, 1, 8, 12, 14, 93, 99, 0xFFFF, 2**32 - 1, 2**32 - 2, 2**31, rng.randrange(2**16)))
        start = rng.choice(entries) + at
        data[start : start + size] = (value % 256**size).to_bytes(size, "little")
    return bytes(data)


# Pictures.


def _idx_file(*shape: int) -> bytes:
    return bytes([0, 0, 8, len(shape)]) + struct.pack(f">{len(shape)}I", *shape) + bytes(int(np.prod(shape)))


def _idx(rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Let a header say something else than follows, packed or not."""
    sizes = [rng.choice((0, 1, 2, 7, 28, 255, 2**16, 2**31, 2**32 - 1)) for _ in range(rng.choice((1, 2, 3, 3, 3, 4)))]
    head = bytes([0, 0, rng.choice((8, 8, 8, 9, 13, 14)), rng.choice((len(sizes), 3, 255))])
    data = head + struct.pack(f">{len(sizes)}I", *sizes) + bytes(rng.choice((0, 1, 49, 784, 5488, 2**16)))
    return gzip.compress(data, 1, mtime=0) * rng.choice((1, 1, 2)) if rng.random() < 0.5 else data


# Maps.


def _map(rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Change a map, mostly with the digest that it then has."""
    document = a_map(state=rng.random() < 0.5)
    for _ in range(rng.choice((1, 1, 2, 4))):
        document = change(rng, document, VALUES)
    if isinstance(document, dict) and rng.random() < 0.8:
        document["map_digest"] = digest_of(document)
    return json.dumps(document).encode()


def _read_map(path: Path) -> None:
    link_map = read_map(path)
    for place in link_map.state + link_map.presentation:
        place.addresses()
        link_map.writes({place.name: np.zeros(place.words, np.uint16)})


# Patterns.


def _patterns(rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Draw patterns, more or less of one size."""
    width, height, count = rng.choice((1, 3, 8, 300)), rng.choice((1, 3, 8)), rng.choice((1, 2, 3, 32, 33))
    marks, lines = rng.choice(("#.", "#. ", "#.\t\u2028x")), []
    for _ in range(count):
        lines += ["".join(rng.choices(marks, k=width)) for _ in range(height - (rng.random() < 0.02))] + [""]
    return rng.choice(("\n", "\r\n", "\r")).join(lines).encode()


# Frames.


def _stream(rng: random.Random, _: Sequence[bytes]) -> bytes:
    """Join frames of all lengths, with what a line may put between and into them."""
    parts = []
    for _ in range(rng.randrange(1, 6)):
        body = rng.randbytes(rng.choice((2, 3, 5, LARGEST_BODY - 1, LARGEST_BODY)))
        event = bytes([rng.choice((0, 1, 2, 3, 0x13, 0x80, 7)), 1, 0, 0])
        frame = encode(rng.choice((body, bytes(len(body)), bytes(2) + event * rng.randrange(1, 20))))
        parts += [frame, rng.choice((b"", b"\0", b"\xff" * 300, rng.randbytes(5)))]
    return b"".join(parts)


def _read_frames(path: Path) -> None:
    """Feed the bytes in pieces, and take the bodies, which are whole and no longer than they may be, for events."""
    data, reader, kept = path.read_bytes(), FrameReader(), random.Random(len(path.read_bytes()))
    bodies = []
    while data:
        size = kept.randrange(1, 400)
        bodies += reader.feed(data[:size])
        data = data[size:]
    decoder = EventDecoder()
    for body in bodies:
        assert 2 <= len(body) <= LARGEST_BODY
        assert list(FrameReader().feed(encode(body))) == [body]
        decoder.lost(body[0])
        list(decoder.decode(body[2:]))


def _read_network(path: Path) -> None:
    read_nir(path).json()


_FRAMES = [encode(bytes([3, 1])) + encode(bytes(250)), encode(b"\x83" * 92) + b"\0" + encode(bytes(6))]
_PICTURES = [_idx_file(7, 28, 28), gzip.compress(_idx_file(2, 28, 28), mtime=0), _idx_file(1, 1, 1)]

FORMATS = {
    "card": Format("x.toml", _files("cards/*.toml"), load_card, _card, is_text=True),
    "nir": Format("x.nir", _networks(), _read_network, _nir),
    "npz": Format("x.npz", _state_files(), _read_states, _npz),
    "idx": Format("x", _PICTURES, lambda path: read_idx(path, 3), _idx),
    "map": Format("x.json", [json.dumps(a_map(), indent=1).encode()], _read_map, _map, is_text=True),
    "patterns": Format("x.txt", _files("data/*.txt"), load_patterns, _patterns, is_text=True),
    "network": Format("x.toml", own.TEMPLATES, own.read_network, own.network, is_text=True),
    "spikes": Format("x.csv", own.SPIKES, own.read_spikes, own.spikes, is_text=True),
    "frames": Format("x", _FRAMES, _read_frames, _stream),
}
