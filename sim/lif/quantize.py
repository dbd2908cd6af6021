"""Quantiser of LIF networks: from weights and parameters to the integers of docs/lif-arithmetic.md, section 1."""

import math

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError
from memtwin.sim.lif.images import DECODERS, MODES, Images
from memtwin.sim.lif.network import LayerSample, LifLayerSpec, LifSpec
from memtwin.sim.quantised import QuantisedParameter, moved
from memtwin.sim.quantize import LayerCoefficients

__all__ = ["image_words", "power_up_words", "quantize", "v_unit", "weight_unit"]

_MOST_SHIFT = 15
_MOST_GAIN = 65535.0
_ALIKE = 1e-9  # relative difference that is rounding
_SINGLE = 2.0**-23  # relative difference of numbers that single precision, in which most files are, takes as equal
_COARSE = 16  # units of the membrane in a unit of the threshold
_MOST_SUM = 2**15 - 1  # of the weights of the inputs that spike in a step, in levels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def quantize(spec: LifSpec, sample: list[LayerSample]) -> list[LayerCoefficients]:
    """Quantise every layer.

    Returns
    -------
    list of LayerCoefficients
        Signed words are in two's complement of 16 bits; `g_lsb` is the weight of one level. The report has the
        neuron (synapse) with the largest error, and how many are out of range, for each parameter; in its line ``sum``
        how many neurons there are in which the sum of the weights can be, if all inputs of one sign spike in one step.

    Raises
    ------
    InputError
        If a value cannot be represented; the message names the layer and the field.
    """
    return [
        _layer(spec, number, layer, own.weight)
        for number, (layer, own) in enumerate(zip(spec.layers, sample, strict=True), 1)
    ]


def weight_unit(layer: LifLayerSpec, bits: int, *, coarsest: float = math.inf, fine: bool = False) -> float:
    """Weight of one level: one of which all weights are whole multiples, else such that the largest one just fits.

    Parameters
    ----------
    layer : LifLayerSpec
        Layer.
    bits : int
        Of a weight.
    coarsest : float
        Largest level whose gain fits its word. Where no level that fits is as small, the finest one is returned.
    fine : bool
        Take the finest level of which all weights are multiples, for devices that spread around them; without it the
        coarsest, with which sums are smallest.
    """
    top = 2 ** (bits - 1) - 1
    largest = float(np.abs(layer.weight).max())
    if not largest:
        return min(coarsest, 1.0)
    levels = np.arange(1, top + 1)  # how many are the largest weight
    levels = levels[levels * coarsest >= largest]
    for part in np.unique(np.abs(layer.weight)) / largest:
        own = part * levels
        levels = levels[np.abs(own - np.rint(own)) <= own * _SINGLE]
        if not levels.size:
            break
    return largest / float(levels[-1 if fine else 0] if levels.size else top)


def v_unit(layer: LifLayerSpec) -> float:
    """Membrane voltage of one unit of `v`.

    19 bits are `headroom` thresholds, of several the largest, so that a threshold is a power of two and is not rounded.
    A value after a spike that is farther from rest takes as many times more as it needs, rounded to a power of two.
    """
    threshold, reset = (
        float(np.abs(layer.per_neuron(name) - layer.per_neuron("v_leak")).max()) for name in ("v_threshold", "v_reset")
    )
    farther = math.ceil(math.log2(max(reset / threshold, 1.0)) - _ALIKE)
    return threshold * layer.headroom * 2.0 ** (farther - 19)


def power_up_words(sample: list[LayerSample], images: Images, trial: int) -> dict[str, list[int]]:
    """Words of the encoder and the decoder that hold for a whole trial, by name."""
    seed = int(sample[0].seed[trial])
    return {
        "encoder.seed_low": [seed & 0xFFFF],
        "encoder.seed_high": [seed >> 16],
        "encoder.mode": [MODES.index(images.mode)],
        "decoder": [DECODERS.index(images.decoder)],
    }


def image_words(images: Images, trial: int, presentation: int) -> dict[str, list[int]]:
    """Words of the encoder that hold for one image, by name; words beyond its entries do not matter."""
    value = images.value[trial, presentation]
    entries = np.count_nonzero(value)
    return {
        "encoder.entry_row": images.row[trial, presentation, :entries].tolist(),
        "encoder.entry_value": value[:entries].tolist(),
        "encoder.entries": [entries],
    }


def _layer(spec: LifSpec, number: int, layer: LifLayerSpec, weight: Floats) -> LayerCoefficients:
    """Quantise one layer, whose synapses in every trial have the weights `weight` (trials, neurons, rows)."""
    trials = len(weight)
    unit = v_unit(layer)
    q = _Rounding(trials)
    tau, r, v_leak = (layer.per_neuron(name) for name in ("tau", "r", "v_leak"))
    # What a step forgets, and what it makes of a current: both exact for a current that is constant in the step.
    forgets = -np.expm1(-spec.dt / tau)
    drive = np.where(np.isinf(tau), spec.dt * r, forgets * r)  # V per unit of current
    driven = weight.any(axis=(0, 2))  # the gain of the others has no effect
    strongest = float(drive[driven].max(initial=0.0))
    coarsest = _MOST_GAIN * unit / strongest if strongest else math.inf
    level = weight_unit(layer, spec.weight_bits, coarsest=coarsest, fine=spec.synapse is not None)

    drawn = weight if spec.synapse else weight[:1]
    weights = [  # trial 0 last: what is reported is of it
        q.words_of("weight", own.T, level, bits=spec.weight_bits, signed=True) for own in drawn[::-1]
    ][::-1]
    q.words["weight"] = np.broadcast_to([own.reshape(-1) & 0xFFFF for own in weights], (trials, weights[0].size))
    q.tell("weight", "", drawn[0].T, weights[0] * level, q.outside["weight"])
    sums = np.maximum(weights[0].clip(min=0).sum(axis=0), -weights[0].clip(max=0).sum(axis=0))
    most = sums.max(keepdims=True)
    q.tell("sum", "", most * level, most.clip(max=_MOST_SUM) * level, int(np.count_nonzero(sums > _MOST_SUM)))

    leak = q.words_of("leak", forgets, 2.0**-16)
    if (np.isfinite(tau) & (leak == 0)).any():
        raise InputError(
            f"layer {number}, tau: expected at most {spec.dt * 2**17:g}s (2**17 steps) or infinity, "
            f"not {tau[np.isfinite(tau)].max():g}s; use a longer dt"
        )
    got = np.where(leak == 0, np.inf, -spec.dt / np.log1p(-np.maximum(leak, 1) * 2.0**-16))
    q.tell("tau", "s", tau, got, q.outside["leak"])
    gain = np.where(driven, drive * level / unit, 0.0)
    shift = math.floor(math.log2(_MOST_GAIN / gain.max())) if strongest else 0
    shift = min(max(shift, 0), _MOST_SHIFT)
    words = q.words_of("gain", gain, 2.0**-shift)
    if (words[driven] == 0).any():
        raise InputError(
            f"layer {number}, r: a level of weight moves the membrane by {gain[driven].min() * unit:g}, less than the "
            "gateware can represent next to the threshold; use fewer weight_bits, a longer dt or a lower threshold"
        )
    got = np.divide(words * 2.0**-shift, gain, out=np.ones_like(gain), where=driven)
    q.tell("r", "", r, r * got, q.outside["gain"])
    q.words["gain_shift"] = _constant(trials, shift)
    # The membrane is counted from v_leak. A reset by subtraction that is delayed has leaked, in the step after a spike.
    distance = layer.per_neuron("v_threshold") - v_leak
    is_delayed = layer.reset == "subtract-delayed"
    asked = drive * layer.per_neuron("bias") - np.outer([0, 1] if is_delayed else [0], forgets * distance)
    bias = q.words_of("bias", asked, unit, signed=True)
    q.tell("bias", "", asked / drive, bias * unit / drive, q.outside["bias"])
    q.words["bias"] = np.tile(q.words["bias"], 1 if is_delayed else 2)
    threshold = q.words_of("threshold", distance, _COARSE * unit)
    q.tell("v_threshold", "", layer.per_neuron("v_threshold"), v_leak + threshold * _COARSE * unit, 0)
    distance = layer.per_neuron("v_reset") - v_leak
    if np.ptp(distance) > _ALIKE * np.abs(distance).max():
        raise InputError(f"layer {number}, v_reset: expected the same distance from v_leak in all neurons of a layer")
    reset = q.words_of("v_reset", distance[:1], _COARSE * unit, signed=True)
    q.words["v_reset"] = q.words["v_reset"][:, 0]
    q.tell("v_reset", "", layer.per_neuron("v_reset"), v_leak + reset * _COARSE * unit, 0)

    holds = max(layer.refractory, spec.dt * (layer.reset == "value-delayed"))
    steps = round(holds / spec.dt)
    q.words["refractory"] = _constant(trials, steps)
    q.tell("refractory", "s", np.array([holds]), np.array([steps * spec.dt]), 0)
    q.words["options"] = _constant(trials, int("subtract" in layer.reset))
    structure = {
        "rows": layer.rows,
        "neurons": layer.neurons,
        "lanes": layer.lanes,
        "weight_bits": spec.weight_bits,
    }
    return LayerCoefficients(structure=structure, words=q.words, g_lsb=level, report=q.report)


def _constant(trials: int, value: int) -> Ints:
    return np.full(trials, value, dtype=np.int64)


class _Rounding:
    """Rounds values into words, the same in every trial, and keeps the report."""

    def __init__(self, trials: int) -> None:
        self._trials = trials
        self.words: dict[str, Ints] = {}
        self.outside: dict[str, int] = {}
        self.report: list[QuantisedParameter] = []

    def words_of(self, name: str, values: Floats, unit: float, *, bits: int = 16, signed: bool = False) -> Ints:
        """Round ``values / unit`` into words of `bits` bits, saturating; returns them as numbers."""
        ideal = np.rint(values / unit)
        bottom, top = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        self.outside[name] = int(np.count_nonzero((ideal < bottom) | (ideal > top)))
        numbers = ideal.clip(bottom, top).astype(np.int64)
        self.words[name] = np.broadcast_to(numbers.reshape(-1) & 0xFFFF, (self._trials, numbers.size))
        return numbers

    def tell(
        self, name: str, unit: str, asked: NDArray[np.floating], got: NDArray[np.floating], saturated: int
    ) -> None:
        """Add a line to the report: of all values the one with the largest error."""
        asked, got = np.broadcast_arrays(asked, got)
        parts = moved(asked[None], got[None])[0]
        worst = np.unravel_index(np.argmax(parts), parts.shape)
        part = float(parts[worst]) if name != "sum" else 0.0  # a sum that can be clamped, not one that is
        refused = part if saturated and name != "weight" else 0.0  # only spread takes a weight beyond its word
        self.report.append(
            QuantisedParameter(name, unit, float(asked[worst]), float(got[worst]), saturated, part, refused)
        )
