"""Snapshot of a twin: what its network remembers between presentations (docs/link.md, section 5), and its file."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from memtwin.link.maps import Words
from memtwin.sim.errors import InputError
from memtwin.sim.files import read_arrays, write_arrays

__all__ = ["Snapshot"]

_STATE, _COEFFICIENTS = "state/", "coefficients/"


@dataclass(frozen=True, eq=False)
class Snapshot:
    """State of a network, which continues the same run bit for bit in a twin of the same structure.

    Attributes
    ----------
    design : str
        Name of the design.
    map_digest : str
        Digest of its map, 16 hex digits.
    state : dict of str to uint16 array
        Words of every state window, by name.
    coefficients : dict of str to uint16 array
        What was loaded over the link before; a twin that holds others continues another run.
    """

    design: str
    map_digest: str
    state: Mapping[str, Words]
    coefficients: Mapping[str, Words] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an NPZ file, whole or not at all.

        Raises
        ------
        InputError
            If it cannot be written.
        """
        arrays = {f"{_STATE}{name}": words for name, words in self.state.items()}
        arrays |= {f"{_COEFFICIENTS}{name}": words for name, words in self.coefficients.items()}
        names = {"design": np.array(self.design), "map_digest": np.array(self.map_digest)}
        write_arrays(path, {**names, **arrays})

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Snapshot":
        """Read what `save` wrote.

        Raises
        ------
        InputError
            If the file cannot be read, or is no snapshot.
        """
        expected = "a snapshot that memtwin connect --snapshot wrote"
        arrays = read_arrays(path, expected)
        if not {"design", "map_digest"} <= arrays.keys():
            raise InputError(f"file {path}: expected {expected}")
        design, digest = str(arrays.pop("design")), str(arrays.pop("map_digest"))
        for name, words in arrays.items():
            if words.dtype != np.uint16 or not name.startswith((_STATE, _COEFFICIENTS)):
                raise InputError(f"file {path}, array {name}: expected words of a snapshot")
        return cls(design, digest, *(_under(arrays, prefix) for prefix in (_STATE, _COEFFICIENTS)))


def _under(arrays: Mapping[str, Words], prefix: str) -> dict[str, Words]:
    return {name.removeprefix(prefix): words for name, words in arrays.items() if name.startswith(prefix)}
