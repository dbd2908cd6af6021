"""Trains of spikes from files, and from the table ``[input]`` of a network file."""

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from memtwin.sim.errors import InputError
from memtwin.sim.extras import extra_for
from memtwin.sim.files import read_arrays, read_bytes, read_text
from memtwin.sim.own.sources import Events, Patterns, Periodic, Poisson, Source, Trains
from memtwin.sim.own.train import Size, Train
from memtwin.sim.parsers import parsing

__all__ = ["TRAINS", "load_spikes", "source_of"]

TRAINS: Mapping[str, type[Source]] = {"poisson": Poisson, "regular": Periodic, "patterns": Patterns}
"""Kinds of trains that a network file can ask for."""

_LARGEST = 2**28  # bytes of a file of events
_BY_STEP = {"step,address": True, "time_s,address": False}


def load_spikes(path: str | os.PathLike[str], *, duration: float | str | None = None) -> Source:
    """Read spikes from a file.

    Parameters
    ----------
    path : path
        CSV with the header ``step,address`` or ``time_s,address``; NPZ with `spikes` (T, inputs) or (trials, T,
        inputs), or with `addresses` and `times` (s) or `steps`; or NIR data of one node, ``.nir``.
    duration : float or str, optional
        How long events are shown, s; without it up to the last one.

    Raises
    ------
    InputError
        If the file cannot be read, or holds something else.
    """
    path = Path(path)
    where, suffix = f"file {path}", path.suffix.lower()
    if suffix == ".csv":
        return _OfFile(_csv(read_text(path, where, _LARGEST), where, duration), where)
    if suffix == ".npz":
        return _OfFile(_npz(path, where, duration), where)
    if suffix == ".nir":
        return _OfFile(_nir(path, where, duration), where)
    raise InputError(f"{where}: expected spikes as .csv, .npz or .nir, not {suffix or 'a file without suffix'}")


@dataclass(frozen=True, eq=False)
class _OfFile(Source):
    """What a file holds; where it does not fit a network, the message names the file."""

    shown: Source
    where: str

    def train(self, size: Size) -> Train:
        """Make the train."""
        try:
            return self.shown.train(size)
        except InputError as error:
            raise InputError(f"{self.where}, {error}") from None


def _csv(text: str, where: str, duration: float | str | None) -> Events:
    header, _, rest = text.partition("\n")
    header = "".join(header.split()).lower()
    if header not in _BY_STEP:
        raise InputError(f"{where}: expected the first line step,address or time_s,address, not {header[:60]!r}")
    lines = [line for line in rest.splitlines() if line.strip()]
    with parsing(where, f"two numbers, {header}, in each line"):
        table = np.loadtxt(lines, delimiter=",", ndmin=2) if lines else np.zeros((0, 2))
        if table.shape[1] != 2:
            raise ValueError(f"{table.shape[1]} columns")
    return Events(table[:, 0], table[:, 1], duration, by_step=_BY_STEP[header])


def _npz(path: Path, where: str, duration: float | str | None) -> Source:
    arrays = read_arrays(path, "an NPZ file of spikes")
    if "spikes" in arrays:
        if duration is not None:
            raise InputError(f"{where}: has an array of every step, whose duration is its own; expected no other")
        return Trains(arrays["spikes"])
    times = [name for name in ("times", "steps") if name in arrays]
    if len(times) != 1 or "addresses" not in arrays:
        raise InputError(
            f"{where}: expected the array spikes, or addresses and times (s) or steps, not {', '.join(arrays)}"
        )
    at, rows = arrays[times[0]], arrays["addresses"]
    if any(array.dtype.kind not in "iuf" for array in (at, rows)):
        raise InputError(f"{where}: expected numbers in {times[0]} and addresses")
    return Events(at, rows, duration, by_step=times[0] == "steps")


def _nir(path: Path, where: str, duration: float | str | None) -> Source:
    """Spikes of the only node of NIR data; of several samples the first."""
    with extra_for(where):
        from memtwin.nir.hdf5 import read_group

    expected = "NIR data with the spikes of one node"
    nodes = read_group(read_bytes(path, where, _LARGEST), where, "nodes", expected)
    with parsing(where, expected):
        (node,) = nodes.values()
        spikes = node["observables"]["spikes"]
        if "data" in spikes:
            return Trains(spikes["data"][0].astype(np.int64))
        time, rows = spikes["time"][0], spikes["idx"][0]
        there = np.isfinite(time) & (time >= 0)
        return Events(time[there], rows[there], duration)


def source_of(table: Mapping[str, Any], folder: Path, where: str) -> Source:
    """Make the train that the table ``[input]`` of a file asks for; paths are relative to `folder`.

    Raises
    ------
    InputError
        If it asks for something else.
    """
    values = dict(table)
    if "file" in values:
        path = values.pop("file")
        if not isinstance(path, str) or values.keys() - {"duration"}:
            raise InputError(f"{where}, input: expected file, and perhaps duration, not {', '.join(table)}")
        return load_spikes(folder / path, **values)
    name = values.pop("train", None)
    if not isinstance(name, str) or name not in TRAINS:
        raise InputError(f"{where}, input: expected train, one of {', '.join(TRAINS)}, or file; not {name!r}")
    known: dict[str, bool] = {
        entry.name: entry.default is dataclasses.MISSING
        for entry in dataclasses.fields(TRAINS[name])  # type: ignore[arg-type]
    }
    for own in values.keys() - known.keys():
        raise InputError(f"{where}, input: unknown option {own}; expected {', '.join(known)}")
    for own, is_needed in known.items():
        if is_needed and own not in values:
            raise InputError(f"{where}, input: option {own} is missing")
    try:
        return TRAINS[name](**values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{where}, input: {error}") from None
