"""The law of the device, followed along the decisions of a clocked recording, and how far its words may be from it.

A clocked backend sees an event at the end of a substep, and T3 and the inhibition act one substep later. These delays
are decisions. Given them, and given the voltage of node 1, its filament obeys the same equations as that of the
physics, but for what rounding does. So the filament that the equations give for *these* decisions is a reference in
which no delay is left, and the distance to it is bounded by rounding alone, which is known from the formats of the
words (docs/arithmetic.md, section 1) and from nothing that a backend computes. docs/hybrid-neuron.md has the
derivation.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.hybrid.physics_ts import ThresholdSwitch
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec
from memtwin.sim.recording import Waveform

__all__ = ["Followed", "conductance_bound", "follow", "growth_error", "node1_bound", "threshold_bound"]

FILAMENT = 2.0**-18  # units of the words
VOLT = THRESHOLD = 2.0**-14
ENTRY_VOLTS = 2.0**-5  # between two entries of the growth table

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Followed:
    """What the law gives for the decisions of one recording; arrays are (S, neurons), one row per sample.

    Attributes
    ----------
    before, x : float array
        Filament at the start and at the end of the stretch that a sample ends.
    bound : float array
        How far the recorded filament may be from `x`.
    rate : float array
        Growth rate in the stretch, 1/s; 0 where the device is not driven.
    on : bool array
        State of the device in the stretch.
    """

    before: Floats
    x: Floats
    bound: Floats
    rate: Floats
    on: NDArray[np.bool_]


def growth_error(device: Card, growth: Floats) -> Floats:
    """How far growth per substep that comes out of the table may be from `growth`.

    A chord of ``exp(V / v0)`` over one entry lies above it by at most an eighth of the squared step; the two entries,
    the interpolation and the product with the gain are rounded, and so is the gain.
    """
    step = ENTRY_VOLTS / device["v0"]
    return growth * (step**2 / 8 * np.exp(step) + 2.0**-16) + 1.5 * FILAMENT


def follow(spec: NetworkSpec, gain: Floats, wave: Waveform) -> Followed:
    """Follow the law along the decisions in `wave`; `gain` (neurons,) are the gains of the devices in the trial."""
    device = ThresholdSwitch.from_card(spec.device)
    step = np.diff(wave.time_s, prepend=0.0)[:, None]
    is_pulse = (wave.clk == 1)[:, None]
    rate = np.where(is_pulse, device.rate(wave.signals["v1"]), 0.0) * gain
    driven = rate > 0
    states = wave.signals["on"].astype(bool)
    on = np.vstack([np.zeros((1, states.shape[1]), dtype=bool), states[:-1]])

    leak, relax = -np.expm1(-step / device.tau_leak), -np.expm1(-step / device.tau_relax)
    growth = rate * device.tau_leak * leak  # in the table
    lost = np.where(on, np.where(driven, 0.0, relax), leak)
    kept = 1 - lost
    gained = np.where(on, rate * step, growth)
    # Products are rounded, and the filament loses its four lowest bits before; the coefficient is rounded, too. That
    # of a stretch longer than a substep, and that of relaxation, has 16 fraction bits, that of the leak 20.
    rounding = np.where(on & driven, 0.0, (0.5 + 15 * lost) * FILAMENT)
    coarse = on | (step > 1.5 * spec.substep)
    coefficient = np.where(on & driven, 0.0, np.where(coarse, 2.0**-17, 2.0**-21))
    table = np.where(driven, growth_error(spec.device, growth), 0.0)
    table += np.where(on & driven, rate * step - growth, 0.0)  # the table has the leak in it
    # The hold voltage is rounded: so close to it the device may be driven or not.
    is_near = is_pulse & (np.abs(wave.signals["v1"] - device.v_hold) <= VOLT / 2)
    table += np.where(is_near, device.rate(np.nextafter(device.v_hold, np.inf)) * gain * step, 0.0)
    coefficient = coefficient + np.where(is_near & on, relax, 0.0)
    ceiling = np.where(on & driven, device.x_max, np.inf)

    shape = states.shape
    before, x, bound = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    filament, off_by = np.zeros(shape[1]), np.zeros(shape[1])
    for number in range(shape[0]):
        before[number] = filament
        off_by = off_by * kept[number] + rounding[number] + coefficient[number] * (filament + off_by) + table[number]
        filament = filament * kept[number] + gained[number]
        stopped = filament > ceiling[number]
        filament = np.where(stopped, device.x_max, filament)
        off_by = np.where(stopped, np.maximum(off_by, THRESHOLD), off_by)
        x[number], bound[number] = filament, off_by
    return Followed(before, x, bound, rate, on)


def threshold_bound(spec: NetworkSpec, layer: LayerSpec, fires: int) -> float:
    """How far a threshold may be from that of the physics, after so many fires of the neuron.

    The mean is rounded; a drawn one is a product with a rounded spread, 510 / 256 times half a unit, and rounded again.
    An adaptation moves once in up to ``tau_adapt / 45`` (the interval is a power of two near ``tau_adapt / 64``), in
    between it stays.
    """
    bound = THRESHOLD * (0.5 + (1.5 if spec.c2c else 0.0))
    if layer.adaptive:
        interval = max(spec.neuron["tau_adapt"] / 45, spec.half_period)
        late = -np.expm1(-interval / spec.neuron["tau_adapt"])
        bound += fires * (spec.neuron["adapt_step"] * late + 2 * THRESHOLD)
    return float(bound)


def conductance_bound(spec: NetworkSpec, layer: LayerSpec, g_lsb: float, steps: NDArray | int) -> Floats:
    """How far a conductance may be from that of the physics after so many learning steps, S.

    A step of the soft-bounded rule takes a part of the distance to a bound, which shrinks the error by that part, and
    adds the rounding of the product, of the part and of the bound. With option `scaled` the part itself is less by the
    substep or two by which T3 is late.
    """
    synapse = spec.synapse
    largest, width = synapse["g_max"], synapse["g_max"] - synapse["g_min"]
    part = min(synapse["potentiation"], synapse["depression"])
    each = g_lsb + max(width, largest) * 2.0**-16
    if layer.scaled:
        each += width * (2.0**-16 * spec.substeps + 3 * synapse["depression"] / spec.substeps)
    return g_lsb / 2 + np.minimum(np.asarray(steps, dtype=float), 1 / part) * each


def node1_bound(
    layer: LayerSpec, coefficients: LayerCoefficients, v_in: float, total: Floats, off_by: Floats, volts: Floats
) -> Floats:
    """How far `volts` (S, neurons) at node 1 may be from those of the physics, V.

    `total` (neurons,) is the least conductance at node 1 of each neuron and `off_by` (neurons,) by how much each of its
    synapses may be wrong, S. Currents and totals are rounded to ``2**sum_shift`` units, then the reciprocal and `v1`.
    """
    sum_shift, recip_shift = (layer.rows - 1).bit_length(), coefficients.structure["recip_shift"]
    lsb = coefficients.weight_unit
    wrong = layer.rows * off_by + (2**sum_shift + 1) / 2 * lsb
    share = volts / v_in if v_in else np.zeros_like(volts)
    reciprocal = 2.0**recip_shift / (total / lsb / 2**sum_shift)  # of one unit of the input
    return (v_in + volts) * wrong / total + VOLT / 2 * (share * (1 / reciprocal + 1) + 1)
