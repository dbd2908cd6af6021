"""Quantiser: from cards and a sample of devices to the integers of docs/arithmetic.md, section 1.

The only place where a physical quantity is rounded. It also says what rounding changed, parameter by parameter.
"""

import math

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.errors import InputError
from memtwin.sim.hybrid.spec import MOST_SUBSTEPS, LayerSample, LayerSpec, NetworkSpec
from memtwin.sim.quantised import Quantiser
from memtwin.sim.units import format_si

__all__ = ["NOISE_SD", "quantize"]

GROWTH_ENTRIES = 128
VOLTS_PER_ENTRY = 4.0 / GROWTH_ENTRIES
_GROWTH = 2.0**18  # a growth is UQ(-2, 18)
_MOST_GROWTH = 65535
NOISE_SD = math.sqrt(4 * (256**2 - 1) / 12)  # the sum of four uniform bytes


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
        q.put_decay(name, f"{tau_name} ({name})", interval, device[tau_name], bits)
    for name, unit in (("theta_off", ""), ("x_max", ""), ("v_hold", "V")):
        q.tell(name, unit, device[name], q.put(name, device[name], 2.0**14) * 2.0**-14)
    _growth(spec, layer, devices, q)

    # Device: spread.
    for name, values, bits in (("theta_mean", devices.theta, 14), ("gain", devices.gain, 15)):
        q.tell(name, "", values, q.put(name, values, 2.0**bits) * 2.0**-bits)
    scale = 2.0**14 / NOISE_SD * 256
    q.tell("theta_sd", "", devices.theta_sd, q.put("theta_sd", devices.theta_sd, scale) / scale)

    # Adaptive threshold: decayed every 2**interval half-periods, often enough to be smooth, seldom enough to be exact.
    interval = min(15, max(0, round(math.log2(neuron["tau_adapt"] / 64 / half))))
    q.put("adapt_interval", interval, 1)
    q.tell("adapt_step", "", neuron["adapt_step"], q.put("adapt_step", neuron["adapt_step"], 2.0**14) * 2.0**-14)
    q.put_decay("adapt_leak", "tau_adapt", half * 2**interval, neuron["tau_adapt"], 16)

    # Synapses and node 1.
    g_lsb = _power_of_two_lsb(max(synapse["g_max"], neuron["g_load"], float(devices.conductance.max())))
    for name, value in (("g_min", synapse["g_min"]), ("g_max", synapse["g_max"]), ("g_load", neuron["g_load"])):
        q.tell(name, "S", value, q.put(name, value, 1 / g_lsb) * g_lsb)
    # The words run over rows, then columns: (trials, neurons, rows) -> (trials, rows * neurons).
    flat = np.swapaxes(devices.conductance, 1, 2).reshape(trials, -1)
    q.tell("conductance", "S", flat, q.put("conductance", flat, 1 / g_lsb) * g_lsb)
    if devices.v_in.max() >= 4.0:
        raise InputError(
            f"input amplitude: expected less than 4V, which the word v_in holds, not {devices.v_in.max():g}V"
        )
    q.tell("v_in", "V", devices.v_in, q.put("v_in", devices.v_in, 2.0**14) * 2.0**-14)
    for name, step in (
        ("potentiation", 1.0 if layer.one_cycle else synapse["potentiation"]),
        ("depression", synapse["depression"]),
    ):
        per = spec.substeps if name == "depression" and layer.scaled else 1
        q.tell(name, "", step, q.put(name, step / per, 2.0**15) * per * 2.0**-15)

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
    return LayerCoefficients(structure=structure, words=q.words, weight_unit=g_lsb, report=q.report)


def _growth(spec: NetworkSpec, layer: LayerSpec, devices: LayerSample, q: Quantiser) -> None:
    """Growth per substep, exact for a constant voltage, leak included (docs/design.md).

    Entries of the table that node 1 cannot reach may be clipped. What counts are the others, and the highest voltage
    that it reaches: all inputs active, all synapses at their largest.
    """
    device, neuron = spec.device, spec.neuron
    volts = VOLTS_PER_ENTRY * np.arange(GROWTH_ENTRIES + 1)
    ideal = np.rint(substep_growth(device, spec.substep, volts) * _GROWTH)
    base = np.minimum(ideal[:-1], _MOST_GROWTH)
    slope = np.minimum(ideal[1:] - base, _MOST_GROWTH)  # to the entry as it is, so that the last chord is a good one
    for name, table in (("growth_base", base), ("growth_slope", slope)):
        q.words[name] = np.broadcast_to(table.astype(np.int64), (q.trials, GROWTH_ENTRIES))

    conductance = layer.rows * np.maximum(spec.synapse["g_max"], devices.conductance.max(axis=(1, 2)))
    highest = devices.v_in * conductance / (conductance + neuron["g_load"])
    # Trials with the same devices are looked at once.
    cases = np.unique(np.column_stack([highest, devices.gain.max(axis=1)]), axis=0)
    reached, gain = np.minimum(volts, cases[:, :1]), cases[:, 1:]
    asked = substep_growth(device, spec.substep, reached) * gain
    q.outside["growth"] = asked * _GROWTH > _MOST_GROWTH
    entry = np.minimum(reached // VOLTS_PER_ENTRY, GROWTH_ENTRIES - 1).astype(np.int64)
    chord = base[entry] + slope[entry] * (reached / VOLTS_PER_ENTRY - entry)
    got = np.minimum(np.minimum(chord, _MOST_GROWTH) * gain, _MOST_GROWTH) / _GROWTH
    advice = _finer(spec, float(cases[:, 0].max()), float(gain.max()))
    q.tell("growth per substep", "", asked, got, of="growth", advice=advice)

    if neuron["v_dep"] <= device["v_hold"]:
        raise InputError(f"card {neuron.name}, field v_dep: expected more than v_hold ({device.fields['v_hold']})")
    lifted = substep_growth(device, spec.substep, neuron["v_dep"]) * devices.gain
    words = q.put("lift_growth", lifted, _GROWTH)
    if layer.depression:  # else nothing lifts node 1
        advice = _finer(spec, neuron["v_dep"], float(gain.max()))
        q.tell("growth per substep at v_dep", "", lifted, words / _GROWTH, of="lift_growth", advice=advice)


def _finer(spec: NetworkSpec, volts: float, gain: float) -> str:
    """Advise how many substeps keep the growth at a voltage within its word."""
    half = format_si(spec.half_period, "s")
    for substeps in (2**power for power in range(MOST_SUBSTEPS.bit_length())):
        growth = float(substep_growth(spec.device, spec.half_period / substeps, volts)) * gain
        if growth * _GROWTH <= _MOST_GROWTH:
            return (
                f"expected at least {substeps} substeps (option substeps) in the half-period of {half}, not "
                f"{spec.substeps}, or a smaller g0 or larger v0 of the card {spec.device.name}"
            )
    return (
        f"expected a smaller g0 or larger v0 of the card {spec.device.name}; even {MOST_SUBSTEPS} substeps in the "
        f"half-period of {half} are too few"
    )


def substep_growth(device: Card, substep: float, volts: float | NDArray) -> NDArray[np.float64]:
    """Growth of the filament in one substep at a constant voltage: `g(V) tau_leak (1 - exp(-substep / tau_leak))`."""
    with np.errstate(over="ignore"):  # infinite: beyond any word
        rate = device["g0"] * np.exp(np.asarray(volts, dtype=float) / device["v0"])
    return rate * device["tau_leak"] * _decay(substep, device["tau_leak"])


def _inhibition(spec: NetworkSpec, layer: LayerSpec, q: Quantiser) -> None:
    """Currents of the lateral inhibition array and the references of its comparators (zhang2021, Fig. 4)."""
    lia, n = spec.lia, layer.neurons
    conductance = np.full((n + 1, n), lia["g_inhibit"])
    np.fill_diagonal(conductance[:n], lia["g_self"])
    conductance[n] = lia["g_bias"]
    current = conductance * np.concatenate([np.full(n, lia["v_l"]), [lia["v_bias"]]])[:, None]
    reference = lia["v_ref"] * (conductance.sum(axis=0) + lia["g_load"])
    lsb = _power_of_two_lsb(max(current.max(), reference.max()))
    if reference.min() * 2 <= lsb:
        raise InputError(
            f"card {lia.name}, field v_ref: expected more than half a step of the comparators, "
            f"{format_si(lsb / 2 / (reference / lia['v_ref']).min(), 'V')}, not {lia.fields['v_ref']}"
        )
    for name, values in (("inhibition", current.reshape(-1)), ("reference", reference)):
        q.tell(name, "A", values[None], q.put(name, values[None], 1 / lsb) * lsb)


def _recip_shift(words: dict[str, NDArray[np.int64]], layer: LayerSpec, sum_shift: int) -> int:
    """Most fraction bits that the reciprocal of the smallest possible conductance at node 1 leaves room for."""
    synapses = words["conductance"].reshape(-1, layer.rows, layer.neurons)
    smallest = np.minimum(synapses.sum(axis=1), layer.rows * words["g_min"][0]).min() + words["g_load"][0]
    total = max(1, int(smallest) >> sum_shift)
    shift = 0
    while shift < 15 and ((int(words["v_in"].max()) << (shift + 1)) + total) // total < 65536:
        shift += 1
    return shift
