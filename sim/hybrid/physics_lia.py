"""Lateral inhibition array: voltages of a passive array of conductances, and comparators (docs/lia.md)."""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card

__all__ = ["InhibitionArray"]


class InhibitionArray:
    """`n` x (`n` + 1) RS array with a bias row, and one comparator per column (zhang2021, Fig. 4).

    A column is the passive sum of its rows: ``V_j = sum_i G_ij V_i / (sum_i G_ij + g_load)``, where ``V_i`` is `v_l` on
    the rows of neurons that fire, `v_bias` on the bias row, and 0 on the others. The reference is on the + input of
    the comparator: ``L_G = V_j < v_ref``.

    Parameters
    ----------
    card : Card
        Inhibition array card.
    neurons : int
        Columns, and rows beside the bias row.
    """

    def __init__(self, card: Card, neurons: int) -> None:
        self.v_ref = card["v_ref"]
        conductance = np.full((neurons, neurons), card["g_inhibit"])
        np.fill_diagonal(conductance, card["g_self"])
        total = conductance.sum(axis=0) + card["g_bias"] + card["g_load"]
        self._volts = card["v_l"] * conductance / total
        self._bias = card["v_bias"] * card["g_bias"] / total

    def voltages(self, seen: NDArray) -> NDArray[np.float64]:
        """Column voltages, V, for the rows `seen` high; (..., neurons) to (..., neurons)."""
        return seen.astype(float) @ self._volts + self._bias

    def gates(self, seen: NDArray) -> NDArray[np.bool_]:
        """Outputs of the comparators: whether the gate of each neuron's synapses is open."""
        return self.voltages(seen) < self.v_ref
