"""Quantiser: from cards and a sample of devices to the integers of docs/arithmetic.md, section 1.

The only place where a physical quantity is rounded. It also says what rounding changed, parameter by parameter.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError
from memtwin.sim.network import LayerSample, LayerSpec, NetworkSpec

__all__ = ["NOISE_SD", "LayerCoefficients", "QuantisedParameter", "Quantiser", "decisive", "quantize"]

GROWTH_ENTRIES = 128
VOLTS_PER_ENTRY = 4.0 / GROWTH_ENTRIES
NOISE_SD = math.sqrt(4 * (256**2 - 1) / 12)  # the sum of four uniform bytes


@dataclass(frozen=True)
class QuantisedParameter:
    """What quantisation made of one parameter: the value asked for, the value that the integers stand for."""

    name: str
    unit: str
    asked: float
    got: float
    saturated: int = 0

    @property
    def error(self) -> float:
        """Relative error (absolute where the asked value is zero)."""
        return (self.got - self.asked) / self.asked if self.asked else self.got


@dataclass(frozen=True)
class LayerCoefficients:
    """Integers of one layer.

    Attributes
    ----------
    structure : dict
        Keyword arguments of `memtwin.hdl.layer.LayerConfig`: what is fixed when the gateware is generated.
    words : dict of str to int64 array
        Coefficients by name; the first axis is the trial, scalars are (trials,), tables (trials, entries).
    g_lsb : float
        Siemens per unit of `conductance`.
    report : list of QuantisedParameter
        What quantisation changed, for trial 0.
    """

    structure: dict
    words: dict[str, NDArray[np.int64]]
    g_lsb: float
    report: list[QuantisedParameter]

    def image(self, trial: int, prefix: str) -> dict[str, list[int]]:
        """Coefficient image of one trial, names with `prefix`, as the gateware loads it."""
        return {
            prefix + name: [int(word) for word in np.atleast_1d(words[trial])] for name, words in self.words.items()
        }


def decisive(structure: Mapping[str, Any]) -> dict[str, Any]:
    """Return the structure of a layer without its lanes, which have no influence on results."""
    return {name: value for name, value in structure.items() if name != "lanes"}


class Quantiser:
    """Rounds values of one layer into words and keeps the report, for trial 0."""

    def __init__(self, trials: int) -> None:
        self.trials = trials
        self.words: dict[str, NDArray[np.int64]] = {}
        self.report: list[QuantisedParameter] = []

    def put(self, name: str, values: float | NDArray, scale: float, bits: int = 16) -> NDArray[np.int64]:
        """Round ``values * scale`` into words of `bits` bits, saturating."""
        ideal = np.broadcast_to(np.asarray(values, dtype=float), (self.trials, *np.shape(values)[1:])) * scale
        top = 2**bits - 1
        words = np.clip(np.rint(ideal), 0, top).astype(np.int64)
        self.words[name] = words
        return words

    def tell(self, name: str, unit: str, asked: float, got: float, ideal: NDArray | None = None) -> None:
        """Add a line to the report; `ideal` are the unrounded words, to count those out of range."""
        saturated = 0 if ideal is None else int(np.count_nonzero(np.rint(ideal) > 65535))
        self.report.append(QuantisedParameter(name, unit, float(asked), float(got), saturated))


def quantize(spec: NetworkSpec, sample: list[LayerSample]) -> list[LayerCoefficients]:
    """Quantise every layer.

    Raises
    ------
    InputError
        If a value does not fit the range of its word; the message names the card and the field.
    """
    return [_layer(spec, layer, devices) for layer, devices in zip(spec.layers, sample, strict=True)]


def _decay(seconds: float, tau: float) -> float:
    return -math.expm1(-seconds / tau)


def _power_of_two_lsb(largest: float) -> float:
    """Smallest power of two that `largest` holds at most 65535 times."""
    return 2.0 ** math.ceil(math.log2(largest / 65535))


def _layer(spec: NetworkSpec, layer: LayerSpec, devices: LayerSample) -> LayerCoefficients:
    device, neuron, synapse = spec.device, spec.neuron, spec.synapse
    trials = devices.theta.shape[0]
    q = Quantiser(trials)
    substep, half = spec.substep, spec.half_period

    # Device: decays.
    leak = _decay(substep, device["tau_leak"])
    if leak >= 2.0**-4:
        raise InputError(
            f"card {device.name}, field tau_leak: expected at least {substep * 15.5:.3g}s (15.5 substeps), not "
            f"{device.fields['tau_leak']}; use more substeps"
        )
    for name, bits, tau_name, interval in (
        ("leak", 20, "tau_leak", substep),
        ("leak_half", 16, "tau_leak", half),
        ("relax", 16, "tau_relax", substep),
    ):
        word = q.put(name, _decay(interval, device[tau_name]), 2.0**bits)[0]
        got = math.inf if word == 0 else -interval / math.log1p(-word * 2.0**-bits)
        q.tell(f"{tau_name} ({name})", "s", device[tau_name], got)
    for name in ("theta_off", "x_max"):
        word = q.put(name, device[name], 2.0**14)[0]
        q.tell(name, "", device[name], word * 2.0**-14)
    word = q.put("v_hold", device["v_hold"], 2.0**14)[0]
    q.tell("v_hold", "V", device["v_hold"], word * 2.0**-14)

    # Device: growth per substep, exact for a constant voltage, leak included (design, section 5).
    volts = VOLTS_PER_ENTRY * np.arange(GROWTH_ENTRIES + 1)
    exact = substep_growth(spec, volts)
    base = np.minimum(np.rint(exact * 2.0**18), 65535)
    q.words["growth_base"] = np.broadcast_to(base[:-1].astype(np.int64), (trials, GROWTH_ENTRIES))
    q.words["growth_slope"] = np.broadcast_to(np.diff(base).astype(np.int64), (trials, GROWTH_ENTRIES))
    for volt in (0.7, 1.0, 1.4):
        got = np.interp(volt, volts, base) * 2.0**-18
        q.tell(f"growth per substep at {volt} V", "", float(substep_growth(spec, volt)), got)
    full = np.count_nonzero(exact * 2.0**18 > 65535)
    q.report.append(QuantisedParameter("growth table, highest voltage", "V", 4.0, float(volts[-1 - full]), int(full)))
    if neuron["v_dep"] <= device["v_hold"]:
        raise InputError(f"card {neuron.name}, field v_dep: expected more than v_hold ({device.fields['v_hold']})")
    lifted = substep_growth(spec, neuron["v_dep"]) * devices.gain
    words = q.put("lift_growth", lifted, 2.0**18)
    q.tell("lift_growth", "", lifted[0, 0], words[0, 0] * 2.0**-18, lifted[0] * 2.0**18)

    # Device: spread.
    words = q.put("theta_mean", devices.theta, 2.0**14)
    q.tell("theta_mean", "", devices.theta[0, 0], words[0, 0] * 2.0**-14, devices.theta[0] * 2.0**14)
    words = q.put("gain", devices.gain, 2.0**15)
    q.tell("gain", "", devices.gain[0, 0], words[0, 0] * 2.0**-15, devices.gain[0] * 2.0**15)
    scale = 2.0**14 / NOISE_SD * 256
    word = q.put("theta_sd", devices.theta_sd, scale)[0]
    q.tell("theta_sd", "", devices.theta_sd, word / scale)

    # Adaptive threshold: decayed every 2**interval half-periods, often enough to be smooth, seldom enough to be exact.
    interval = min(15, max(0, round(math.log2(neuron["tau_adapt"] / 64 / half))))
    q.put("adapt_interval", interval, 1)
    word = q.put("adapt_step", neuron["adapt_step"], 2.0**14)[0]
    q.tell("adapt_step", "", neuron["adapt_step"], word * 2.0**-14)
    word = q.put("adapt_leak", _decay(half * 2**interval, neuron["tau_adapt"]), 2.0**16)[0]
    got = math.inf if word == 0 else -half * 2**interval / math.log1p(-word * 2.0**-16)
    q.tell("tau_adapt", "s", neuron["tau_adapt"], got)

    # Synapses and node 1.
    g_lsb = _power_of_two_lsb(max(synapse["g_max"], neuron["g_load"], float(devices.conductance.max())))
    for name, value in (("g_min", synapse["g_min"]), ("g_max", synapse["g_max"]), ("g_load", neuron["g_load"])):
        word = q.put(name, value, 1 / g_lsb)[0]
        q.tell(name, "S", value, word * g_lsb)
    # The image runs over rows, then columns: (trials, neurons, rows) -> (trials, rows * neurons).
    flat = np.swapaxes(devices.conductance, 1, 2).reshape(trials, -1)
    words = q.put("conductance", flat, 1 / g_lsb)
    worst = np.argmax(np.abs(words[0] * g_lsb - flat[0]))
    q.tell("conductance (largest error)", "S", flat[0, worst], words[0, worst] * g_lsb)
    if devices.v_in.max() >= 4.0:
        raise InputError(
            f"input amplitude: expected less than 4V, which the word v_in holds, not {devices.v_in.max():g}V"
        )
    words = q.put("v_in", devices.v_in, 2.0**14)
    q.tell("v_in", "V", devices.v_in[0], words[0] * 2.0**-14)
    for name, step in (
        ("potentiation", 1.0 if layer.one_cycle else synapse["potentiation"]),
        ("depression", synapse["depression"]),
    ):
        per = spec.substeps if name == "depression" and layer.scaled else 1
        word = q.put(name, step / per, 2.0**15)[0]
        q.tell(name, "", step, word * per * 2.0**-15)

    # Options and seed.
    flags = (layer.refractory, layer.depression, layer.skip, layer.adaptive, layer.scaled)
    q.put("options", sum(flag << bit for bit, flag in enumerate(flags)), 1)
    q.words["seed_low"] = (devices.seed & 0xFFFF).astype(np.int64)
    q.words["seed_high"] = (devices.seed >> 16).astype(np.int64)

    if layer.inhibition:
        _inhibition(spec, layer, q)

    sum_shift = (layer.rows - 1).bit_length()
    structure = {
        "rows": layer.rows,
        "neurons": layer.neurons,
        "lanes": layer.lanes,
        "substeps": spec.substeps,
        "recip_shift": _recip_shift(q.words, layer, sum_shift),
        "inhibition": layer.inhibition,
        "tie": layer.tie,
        "one_cycle": layer.one_cycle,
    }
    return LayerCoefficients(structure=structure, words=q.words, g_lsb=g_lsb, report=q.report)


def substep_growth(spec: NetworkSpec, volts: float | NDArray) -> NDArray[np.float64]:
    """Growth of the filament in one substep at a constant voltage: `g(V) tau_leak (1 - exp(-substep / tau_leak))`."""
    device = spec.device
    rate = device["g0"] * np.exp(np.asarray(volts, dtype=float) / device["v0"])
    return rate * device["tau_leak"] * _decay(spec.substep, device["tau_leak"])


def _inhibition(spec: NetworkSpec, layer: LayerSpec, q: Quantiser) -> None:
    """Currents of the lateral inhibition array and the references of its comparators (zhang2021, Fig. 4)."""
    lia, n = spec.lia, layer.neurons
    conductance = np.full((n + 1, n), lia["g_inhibit"])
    np.fill_diagonal(conductance[:n], lia["g_self"])
    conductance[n] = lia["g_bias"]
    current = conductance * np.concatenate([np.full(n, lia["v_l"]), [lia["v_bias"]]])[:, None]
    reference = lia["v_ref"] * (conductance.sum(axis=0) + lia["g_load"])
    lsb = _power_of_two_lsb(max(current.max(), reference.max()))
    for name, values in (("inhibition", current.reshape(-1)), ("reference", reference)):
        words = q.put(name, np.broadcast_to(values, (q.trials, values.size)), 1 / lsb)
        q.tell(name, "A", values[0], words[0, 0] * lsb)


def _recip_shift(words: dict[str, NDArray[np.int64]], layer: LayerSpec, sum_shift: int) -> int:
    """Most fraction bits that the reciprocal of the smallest possible conductance at node 1 leaves room for."""
    synapses = words["conductance"].reshape(-1, layer.rows, layer.neurons)
    smallest = np.minimum(synapses.sum(axis=1), layer.rows * words["g_min"][0]).min() + words["g_load"][0]
    total = max(1, int(smallest) >> sum_shift)
    shift = 0
    while shift < 15 and ((int(words["v_in"].max()) << (shift + 1)) + total) // total < 65536:
        shift += 1
    return shift
