"""Quantiser of LIF networks: from weights and parameters to the integers of docs/lif-arithmetic.md, section 1."""

import math

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.errors import InputError
from memtwin.sim.lif.shown import DECODERS, MODES, Images
from memtwin.sim.lif.spec import LayerSample, LifLayerSpec, LifSpec
from memtwin.sim.quantised import QuantisedParameter, Quantiser, moved

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
        Signed words are in two's complement of 16 bits; `weight_unit` is that of one level. The report has the
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
    q = Quantiser(trials)
    # One row of values, the same in all trials.
    tau, r, v_leak, v_threshold, v_reset, current = (
        layer.per_neuron(name)[None] for name in ("tau", "r", "v_leak", "v_threshold", "v_reset", "bias")
    )
    # What a step forgets, and what it makes of a current: both exact for a current that is constant in the step.
    forgets = -np.expm1(-spec.dt / tau)
    drive = np.where(np.isinf(tau), spec.dt * r, forgets * r)  # V per unit of current
    driven = weight.any(axis=(0, 2)).reshape(1, -1)  # the gain of the others has no effect
    strongest = float(drive[driven].max(initial=0.0))
    coarsest = _MOST_GAIN * unit / strongest if strongest else math.inf
    level = weight_unit(layer, spec.weight_bits, coarsest=coarsest, fine=spec.synapse is not None)

    # The words run over rows, then neurons. Only spread takes a weight beyond the last level: told, but not refused,
    # because levels with room for it would move all the other weights.
    drawn = (weight if spec.synapse else weight[:1]).transpose(0, 2, 1)
    levels = q.put("weight", drawn / level, 1.0, bits=spec.weight_bits, signed=True)
    q.tell("weight", "", drawn, levels * level, is_refused=False)
    q.report.append(_sum(levels, level))

    leak = q.put("leak", forgets, 2.0**16)
    if (np.isfinite(tau) & (leak == 0)).any():
        raise InputError(
            f"layer {number}, tau: expected at most {spec.dt * 2**17:g}s (2**17 steps) or infinity, "
            f"not {tau[np.isfinite(tau)].max():g}s; use a longer dt"
        )
    with np.errstate(divide="ignore"):
        got = spec.dt / np.abs(np.log1p(-leak * 2.0**-16))
    q.tell("tau", "s", tau, got, of="leak", parts=_own(forgets, leak * 2.0**-16))
    gain = np.where(driven, drive * level / unit, 0.0)
    shift = math.floor(math.log2(_MOST_GAIN / gain.max())) if strongest else 0
    shift = min(max(shift, 0), _MOST_SHIFT)
    words = q.put("gain", gain, 2.0**shift)
    if (words[driven] == 0).any():
        raise InputError(
            f"layer {number}, r: a level of weight moves the membrane by {gain[driven].min() * unit:g}, less than the "
            "gateware can represent next to the threshold; use fewer weight_bits, a longer dt or a lower threshold"
        )
    got = np.divide(words * 2.0**-shift, gain, out=np.ones_like(gain), where=driven)
    advice = "use more weight_bits (--bits) or a larger headroom (--headroom)"
    q.tell("r", "", r, r * got, of="gain", parts=np.abs(got - 1), advice=advice)
    q.words["gain_shift"] = _constant(trials, shift)
    # The membrane is counted from v_leak. A reset by subtraction that is delayed has leaked, in the step after a spike.
    coarse, distance = _COARSE * unit, v_threshold - v_leak
    is_delayed = layer.reset == "subtract-delayed"
    asked = (drive * current - np.outer([0, 1] if is_delayed else [0], forgets * distance))[None]
    bias = q.put("bias", asked / unit, 1.0, signed=True)
    parts, advice = moved(asked, bias * unit), "use a larger headroom (--headroom)"
    q.tell("bias", "", asked / drive, bias * unit / drive, parts=parts, advice=advice)
    q.words["bias"] = np.tile(q.words["bias"], 1 if is_delayed else 2)
    got = q.put("threshold", distance / coarse, 1.0) * coarse
    if not got.all():
        raise InputError(
            f"layer {number}, v_threshold: expected at least {coarse:g} more than v_leak, a unit of the word "
            f"next to the largest of the layer, not {distance.min():g}"
        )
    q.tell("v_threshold", "", v_threshold, v_leak + got, of="threshold", parts=_own(distance, got))
    after = v_reset - v_leak
    if np.ptp(after) > _ALIKE * np.abs(after).max():
        raise InputError(f"layer {number}, v_reset: expected the same distance from v_leak in all neurons of a layer")
    got = q.put("v_reset", after[0, :1] / coarse, 1.0, signed=True) * coarse
    q.tell("v_reset", "", v_reset, v_leak + got, parts=np.abs(got - after) / distance)

    holds = max(layer.refractory, spec.dt * (layer.reset == "value-delayed"))
    steps = round(holds / spec.dt)
    q.words["refractory"] = _constant(trials, steps)
    q.tell("refractory", "s", holds, steps * spec.dt)
    q.words["options"] = _constant(trials, int("subtract" in layer.reset))
    structure = {
        "rows": layer.rows,
        "neurons": layer.neurons,
        "lanes": layer.lanes,
        "weight_bits": spec.weight_bits,
        # A row of a train may have several spikes in a step.
        **({"events": spec.capacity} if number == 1 and not spec.encoder else {}),
    }
    return LayerCoefficients(structure=structure, words=q.words, weight_unit=level, report=q.report)


def _own(asked: Floats, got: NDArray[np.floating]) -> NDArray[np.floating]:
    """How far each value moved, as a part of itself: a neuron spikes by its own parameters, whatever others have."""
    return np.divide(np.abs(got - asked), np.abs(asked), out=np.zeros_like(asked), where=asked != 0)


def _sum(levels: Ints, level: float) -> QuantisedParameter:
    """Tell in how many neurons of a trial the sum can be clamped, if all inputs of one sign spike in one step."""
    sums = np.maximum(levels.clip(min=0).sum(axis=1), -levels.clip(max=0).sum(axis=1))
    most = int(sums.max())
    clamped = int(np.count_nonzero(sums > _MOST_SUM, axis=1).max())
    return QuantisedParameter("sum", "", most * level, min(most, _MOST_SUM) * level, clamped)


def _constant(trials: int, value: int) -> Ints:
    return np.full(trials, value, dtype=np.int64)
