"""Quantiser of the STDP synapses: from the card to the integers of docs/stdp.md, section "Words"."""

import math

import numpy as np

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.errors import InputError
from memtwin.sim.quantised import Quantiser, moved
from memtwin.sim.stdp.spec import LayerSample, StdpSpec
from memtwin.sim.units import format_si

__all__ = ["VOLT", "quantize"]

VOLT = 2.0**-18  # unit of the membrane

_LEAK_BITS = 19
_LEAK = 2.0**_LEAK_BITS  # UQ(-3, 19)
_STEP = 2.0**15  # UQ(1, 15)
_MOST_SHIFT = 24


def quantize(spec: StdpSpec, sample: list[LayerSample]) -> list[LayerCoefficients]:
    """Quantise the layer; a list of one.

    Raises
    ------
    InputError
        If a value does not fit the range of its word; the message names the card and the field.
    """
    device, (devices,) = spec.device, sample
    q = Quantiser(devices.conductance.shape[0])

    # The smallest conductance is a whole number of units, of as small ones as the largest leaves room for.
    smallest = math.floor(spec.g_off / spec.g_on * 65535)
    g_lsb = spec.g_off / smallest if smallest else spec.g_on / 65535
    flat = devices.conductance.transpose(0, 2, 1).reshape(q.trials, -1)
    q.tell("conductance", "S", flat, q.put("conductance", flat, 1 / g_lsb) * g_lsb)
    for name, field in (("g_off", "r_off"), ("g_on", "r_on")):
        conductance = q.put(name, getattr(spec, name), 1 / g_lsb) * g_lsb
        with np.errstate(divide="ignore"):
            q.tell(f"{device.name}.{field}", "Ohm", device[field], 1 / conductance, of=name)

    rest, distance = device["u_rest"], np.array([device["v_th"] - device["u_rest"]])
    got = q.put("threshold", distance, 1 / (16 * VOLT)) * 16 * VOLT
    q.tell(f"{device.name}.v_th", "V", rest + distance, rest + got, of="threshold", parts=moved(distance, got))
    for name, field in (("leak", "tau"), ("leak_row", "tau1"), ("leak_neuron", "tau2")):
        _leak(q, spec, name, field)

    sum_shift = math.ceil(math.log2(spec.rows))
    gain = spec.kick / (spec.g_on / g_lsb) * 2**sum_shift / VOLT  # units of the membrane per unit of the shifted sum
    gain_shift = _MOST_SHIFT if gain == 0 else min(math.floor(math.log2(65535 / gain)), _MOST_SHIFT)
    if gain_shift < 0:
        most = format_si(65535 * VOLT * (spec.g_on / g_lsb) / 2**sum_shift, "V")
        raise InputError(f"kick: expected at most {most} with {spec.rows} rows, not {format_si(spec.kick, 'V')}")
    got = q.put("gain", gain, 2.0**gain_shift) / 2.0**gain_shift * VOLT * (spec.g_on / g_lsb) / 2**sum_shift
    q.tell("kick", "V", spec.kick, got, of="gain")

    g = device["g_initial"]
    for name, field, rate, room in (
        ("up", "w_plus", spec.rate_up, spec.g_on - g),
        ("down", "w_minus", spec.rate_down, g - spec.g_off),
    ):
        part = rate * device[field] / 100 * g / room
        if part * _STEP > 65535:
            raise InputError(
                f"card {device.name}, field {field}: expected at most {200 * room / g / max(rate, 1e-9):.4g} per cent, "
                f"not {device.fields[field]}: one pair would go twice the way to the bound"
            )
        got = q.put(name, part, _STEP) / _STEP
        if rate > 0:
            q.tell(f"{device.name}.{field}", "", device[field], got * 100 * room / g / rate, of=name)
    structure = {"rows": spec.rows, "neurons": spec.neurons, "gain_shift": gain_shift}
    return [LayerCoefficients(structure=structure, words=q.words, weight_unit=g_lsb, report=q.report)]


def _leak(q: Quantiser, spec: StdpSpec, name: str, field: str) -> None:
    """Round ``1 - exp(-step / tau)``; below 1/8, so that the word keeps its precision."""
    device = spec.device
    leak = -math.expm1(-spec.step / device[field])
    if leak * _LEAK > 65535:
        least = format_si(-spec.step / math.log1p(-65535 / _LEAK), "s")
        raise InputError(
            f"card {device.name}, field {field}: expected at least {least}, not {device.fields[field]}; "
            "use a shorter step"
        )
    (word,) = q.put_decay(name, f"{device.name}.{field}", spec.step, device[field], _LEAK_BITS)
    if word < 64:
        most = format_si(-spec.step / math.log1p(-64 / _LEAK), "s")
        raise InputError(
            f"card {device.name}, field {field}: expected at most {most}, not {device.fields[field]}; use a longer step"
        )
