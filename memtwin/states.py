"""Files of states: what the networks of an experiment remember, from one run of it to the next, on any backend."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from memtwin.sim.backends import ON_WORDS, Job
from memtwin.sim.coefficients import decisive
from memtwin.sim.errors import InputError
from memtwin.sim.files import read_arrays, write_arrays
from memtwin.sim.recording import Recording

__all__ = ["check_saved", "load_states", "save_states", "structure_digest"]

_DIGEST = "digest"
_BACKENDS = (*ON_WORDS, "board")  # that have the words of a state


def check_saved(runs: Mapping[str, Job], backend: str) -> None:
    """Refuse to save states where there are none, before anything runs.

    Raises
    ------
    InputError
        If the backend or a network leaves no state.
    """
    if backend not in _BACKENDS:
        raise InputError(f"option --save: backend {backend} leaves no state; expected {', '.join(_BACKENDS)}")
    for label, job in runs.items():
        if not job.spec.keeps_state:
            raise InputError(
                f"option --save: run {label} leaves no state; what its {job.spec.kind} neurons remember is not within "
                "reach (docs/link.md, section 5)"
            )


def structure_digest(job: Job) -> str:
    """Digest of what is fixed in the gateware of a network and has an influence on results, 16 hex digits."""
    layers = [decisive(layer.structure) for layer in job.coefficients()]
    text = json.dumps({"network": job.spec.kind, "layers": layers}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).digest()[:8].hex()


def save_states(path: str | os.PathLike[str], runs: Mapping[str, Job], recordings: Mapping[str, Recording]) -> Path:
    """Write the state that every run left: an NPZ file, whole or not at all.

    Parameters
    ----------
    path : path
        File.
    runs, recordings : mapping
        By name of the run; arrays are called ``RUN/WINDOW``, (trials, words), and ``RUN/digest``.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    arrays: dict[str, np.ndarray] = {}
    for label, recording in recordings.items():
        arrays[f"{label}/{_DIGEST}"] = np.array(structure_digest(runs[label]))
        arrays |= {f"{label}/{name}": words.astype(np.uint16) for name, words in recording.state.items()}
    return write_arrays(path, arrays)


def load_states(path: str | os.PathLike[str], runs: Mapping[str, Job]) -> dict[str, Job]:
    """Let every run go on from the state of the same name in a file of `save_states`.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a run, or is of another network.
    """
    expected = "a file of states that memtwin run --save wrote"
    arrays = read_arrays(path, expected)
    if "map_digest" in arrays:
        raise InputError(f"file {path}: expected {expected}, not a snapshot; memtwin connect --restore takes it")
    out = {}
    for label, job in runs.items():
        own = {name.removeprefix(f"{label}/"): words for name, words in arrays.items() if name.startswith(f"{label}/")}
        if _DIGEST not in own:
            raise InputError(f"file {path}: expected a state of run {label}; it is of another experiment")
        digest, wanted = str(own.pop(_DIGEST)), structure_digest(job)
        if digest != wanted:
            raise InputError(
                f"file {path}, run {label}: expected a network of the structure {wanted}, not {digest}; "
                "run it with the same options"
            )
        if odd := [name for name, words in own.items() if words.dtype != np.uint16]:
            raise InputError(f"file {path}, array {label}/{odd[0]}: expected words of 16 bits")
        out[label] = replace(job, start={name: words.astype(np.int64) for name, words in own.items()})
    return out
