"""Kirchhoff's laws of one layer of op-amp neurons (us12387090, Fig. 5A to 7B)."""

import copy

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.opamp.spec import CIRCUITS, LayerSample, LayerSpec

__all__ = ["Circuit"]

Floats = NDArray[np.float64]


class Circuit:
    """Resistances, voltages and growth of the devices behind E op-amp neurons.

    Everything is in SI units. `w` is a sequence with one float array of shape (..., E) for each dynamic memristor, the
    one in the first place before the one in the second; `y`, `r_switch` and `current` are (..., E).

    The stage is an ideal current-controlled voltage source that saturates, ``V_OUT1 = I_in R_first`` (us12387090,
    equations (2) and (4)); R_first is a dynamic memristor or R_2. The drop ``D = V_OUT1 - V1`` lies across the second
    resistive device and R_1: the threshold-switching memristor alone, or with a dynamic memristor in series or in
    parallel (equations (3) and (5)).

    Parameters
    ----------
    layer : LayerSpec
        Cards and kind of circuit.
    sample : LayerSample
        Factors of the devices, (trials, neurons); element ``trial * neurons + neuron`` of E.
    """

    def __init__(self, layer: LayerSpec, sample: LayerSample) -> None:
        first, self.second = CIRCUITS[layer.circuit]
        self.dynamic_first = first == "dynamic"
        self.neuron, self.switch = layer.neuron, layer.switch
        cards = layer.memristors
        self.v_th = (layer.switch["v_th"] * sample.v_th).ravel()
        self.r_rest = np.stack([cards[at]["r_initial"] * getattr(sample, f"r_{at}").ravel() for at in cards])
        # R_m = r_rest (r_floor / r_initial)^w; the logarithm of that ratio, for each dynamic memristor.
        self.depth = [float(np.log(card["r_floor"] / card["r_initial"])) for card in cards.values()]
        self.swing = float(np.log(layer.switch["r_on"] / layer.switch["r_off"]))
        # Columns: one row for each dynamic memristor.
        self.v_floor, self.exponent, self.tau = (
            np.array([[card[name]] for card in cards.values()]) for name in ("v_floor", "exponent", "tau")
        )
        # The cards' scalars that every evaluation needs.
        self.r_off = layer.switch["r_off"]
        self.r1, self.r2, self.v1, self.v_sat = (layer.neuron[name] for name in ("r1", "r2", "v1", "v_sat"))

    def part(self, index: NDArray[np.intp]) -> "Circuit":
        """Take the elements `index` out of E."""
        out = copy.copy(self)
        out.v_th, out.r_rest = self.v_th[index], self.r_rest[:, index]
        return out

    @property
    def devices(self) -> int:
        """Number of dynamic memristors of a neuron, 1 or 2."""
        return len(self.depth)

    def r_switch(self, y: Floats) -> Floats:
        """Resistance of the threshold-switching memristor."""
        return self.r_off * np.exp(self.swing * y)

    def r_dynamic(self, w: Floats, number: int) -> Floats:
        """Resistance of dynamic memristor `number` (0, 1) of the neuron, whose state is `w` (..., E)."""
        return self.r_rest[number] * np.exp(self.depth[number] * w)

    def v_out1(self, w: Floats, current: Floats) -> Floats:
        """Output of the amplifier."""
        return np.minimum(current * (self.r_dynamic(w[0], 0) if self.dynamic_first else self.r2), self.v_sat)

    def v_out2(self, w: Floats, r_switch: Floats, current: Floats) -> Floats:
        """Voltage at the node between the second resistive device and R_1."""
        if self.second == "switch":
            r_second = r_switch
        else:
            r_second = self.r_dynamic(w[-1], -1)
            r_second = r_second + r_switch if self.second == "series" else r_second * r_switch / (r_second + r_switch)
        return self.v1 + (self.v_out1(w, current) - self.v1) * (self.r1 / (r_second + self.r1))

    def v_switch(self, w: Floats, r_switch: Floats, current: Floats) -> Floats:
        """Voltage V_t across the threshold-switching memristor, without its sign."""
        drop = np.abs(self.v_out1(w, current) - self.v1)
        if self.second == "switch":
            return drop * (r_switch / (r_switch + self.r1))
        return drop * self._shares(self.r_dynamic(w[-1], -1), r_switch)[1]

    def _shares(self, r_dynamic: Floats, r_switch: Floats) -> tuple[Floats, Floats]:
        """Parts of D across the second dynamic memristor and across the threshold-switching memristor."""
        if self.second == "series":
            total = r_dynamic + r_switch + self.r1
            return r_dynamic / total, r_switch / total
        parallel = r_dynamic * r_switch / (r_dynamic + r_switch)
        share = parallel / (parallel + self.r1)
        return share, share

    def growth(self, w: Floats, r_switch: Floats, current: Floats) -> Floats:
        """Growth ``(|V| / v_floor)^n`` of every dynamic memristor, (devices, E); only for `w` of that shape."""
        v_out1 = self.v_out1(w, current)
        volts = np.empty((self.devices, v_out1.size))
        if self.dynamic_first:
            volts[0] = v_out1
        if self.second != "switch":
            volts[-1] = np.abs(v_out1 - self.v1) * self._shares(self.r_dynamic(w[-1], -1), r_switch)[0]
        return (volts / self.v_floor) ** self.exponent
