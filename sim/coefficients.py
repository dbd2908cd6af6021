"""Coefficients of a layer: the integers that model and gateware share, and nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.quantised import QuantisedParameter

__all__ = ["LayerCoefficients", "decisive", "reports_of"]


@dataclass(frozen=True)
class LayerCoefficients:
    """Integers of one layer.

    Attributes
    ----------
    structure : dict
        What is fixed when the gateware is generated: keyword arguments of its structure, such as `HybridLayerConfig`.
    words : dict of str to int64 array
        Coefficients by name; the first axis is the trial, scalars are (trials,), tables (trials, entries).
    weight_unit : float
        What one unit of the weights stands for: siemens of a conductance, else the unit that the weights come in.
    report : list of QuantisedParameter
        What quantisation changed.
    """

    structure: dict
    words: dict[str, NDArray[np.int64]]
    weight_unit: float
    report: list[QuantisedParameter]

    def words_of(self, trial: int, prefix: str) -> dict[str, list[int]]:
        """Words of one trial by name, names with `prefix`, as the gateware loads it."""
        return {
            prefix + name: [int(word) for word in np.atleast_1d(values[trial])] for name, values in self.words.items()
        }


def reports_of(layers: Sequence[LayerCoefficients], run: str = "") -> dict[str, list[QuantisedParameter]]:
    """Reports of the layers of a run, by what messages call each."""
    prefix = f"run {run}, " if run else ""
    return {f"{prefix}layer {number}": layer.report for number, layer in enumerate(layers, 1)}


def decisive(structure: Mapping[str, Any]) -> dict[str, Any]:
    """Return the structure of a layer without its lanes, which have no influence on results."""
    return {name: value for name, value in structure.items() if name != "lanes"}
