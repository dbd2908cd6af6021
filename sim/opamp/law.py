"""The law of the devices of op-amp neurons, stepped along the decisions of a clocked recording.

A clocked backend decides at the start of a substep, takes the growth of a memristor there for the whole substep, and
rounds. Given its decisions and its input currents, `follow` steps the equations of the physics in floating point in the
same way, so that only rounding is left between the two, which is known from the formats of the words
(docs/opamp-arithmetic.md, section 1); and once more without the error of the step, which says what that is.
docs/opamp-neurons.md has the derivation.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.opamp.physics_circuit import Circuit
from memtwin.sim.opamp.spec import LayerSpec
from memtwin.sim.recording import Waveform

__all__ = ["LOG", "STEP_LIMIT", "Followed", "clocked_growth", "follow", "resistance_error", "voltage_rounding"]

STEP_LIMIT = 0.02
"""Largest error of a resistance, rms, that steps of constant growth may make; beyond it a shorter substep is needed."""

LOG = np.log(2) * 2.0**-13  # one unit of a log word, as a part of the quantity
OCTAVE_U, OCTAVE_S = 2.0**-22, 2.0**-12  # units of the states
COEFFICIENT = 2.0  # units of a log word by which a coefficient may be off
FUNCTION = 1.6  # likewise LOG2, EXP2, add, par
SMALL = 1e-6  # step of a derivative
MOST_GROWTH = 2.0  # octaves per substep that the word of the growth holds
FINER, FINEST = 2, 16  # Runge-Kutta steps in a substep of the reference, and where it may be far too long

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Followed:
    """What the law gives at the start of every substep; arrays are (devices, S, neurons) and (S, neurons).

    Attributes
    ----------
    w, y : float array
        States of the memristors and of the switch, with the steps of a clocked backend; `y` is beyond its end where
        the switch got there within the substep before.
    waits : bool array
        Where the switch was at its end a substep before, too, and did not turn.
    w_bound, y_bound : float array
        How far the recorded states may be from them.
    exact : float array
        States of the memristors without the error of the steps.
    """

    w: Floats
    y: Floats
    waits: NDArray[np.bool_]
    w_bound: Floats
    y_bound: Floats
    exact: Floats


def voltage_rounding(layer: LayerSpec, drop: Floats) -> tuple[float, Floats]:
    """How far V_OUT1, and a voltage of the second branch, may be off for given currents and states: log units.

    `drop` is ``|V_OUT1 - V1|``, V. Where V1 is not ground the difference is taken of numbers, not of logarithms, which
    makes the error larger the smaller it is.
    """
    out1 = COEFFICIENT + 1.0
    if layer.neuron["v1"] > 0:
        absolute = (out1 + FUNCTION) * LOG * (drop + layer.neuron["v1"]) + 2.0**-15
        across = absolute / np.maximum(drop, 1e-12) / LOG + FUNCTION
    else:
        across = np.full(np.shape(drop), out1)
    # A resistance, and the sum of three, each with its coefficient.
    return out1, across + 2 * (COEFFICIENT + 0.5) + 2 * FUNCTION


def follow(layer: LayerSpec, circuit: Circuit, wave: Waveform, substep: float) -> Followed:
    """Follow the law along `wave`, whose neurons are the elements of `circuit`."""
    cards = list(layer.memristors.values())
    octaves = -np.array(circuit.depth)[:, None] / np.log(2)  # span
    leak = -np.expm1(-substep / circuit.tau)
    rise, fall = substep / layer.switch["tau_on"], substep / layer.switch["tau_off"]
    swing = -circuit.swing / np.log(2)
    at_end = _at_end(wave, swing)
    on, current = wave.signals["on"].astype(bool), wave.signals["i_in"]
    size, neurons = on.shape
    shape = (len(cards), size, neurons)
    w, exact, w_bound = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    y, y_bound = np.zeros((size, neurons)), np.zeros((size, neurons))
    waits = np.zeros((size + 1, neurons), dtype=bool)  # before the first substep all wait
    waits[0] = True

    z, reference, off_by = (np.zeros((len(cards), neurons)) for _ in range(3))
    state, state_off, was_on = np.zeros(neurons), np.zeros(neurons), np.zeros(neurons, dtype=bool)
    unit = OCTAVE_S / swing
    variants = circuit.part(np.tile(np.arange(neurons), len(cards) + 2))
    for number in range(size):
        w[:, number], exact[:, number], w_bound[:, number] = z, reference, off_by
        y[number] = state
        y_bound[number] = state_off + unit
        i, is_on = current[number], on[number]
        grown = _variants(variants, z, state, y_bound[number], i, leak, octaves)
        off_by = _off_by(layer, circuit, (z, off_by), grown, i, leak, octaves)
        z = np.minimum(z - leak * z + grown[:, 0], 1.0)

        turned = is_on != was_on
        ratio = np.where(is_on, rise / fall, fall / rise)
        beyond = np.where(is_on, -state, state - 1)  # and how far back on its way, from the moment when it turned
        start = np.where(turned, np.where(is_on, beyond * ratio, 1 - beyond * ratio), state).clip(0, 1)
        end = start + np.where(is_on, rise, -fall)
        stays = ~turned & at_end[number]
        end, start = np.where(stays, is_on, end), np.where(stays, is_on, start)
        turned_off = state_off * ratio + np.abs(beyond) * 2.0**-9 + unit
        state_off = np.where(stays, 0.0, np.where(turned, turned_off, state_off) + 0.5 * unit)
        waits[number + 1] = stays
        reference = _exact(circuit, reference, start, end, i, substep)
        state, was_on = end, is_on
    return Followed(w, y, waits[:-1], w_bound, y_bound, exact)


def _at_end(wave: Waveform, swing: float) -> NDArray[np.bool_]:
    """Where the switch is recorded at an end of its range: which substep it gets there in, is a decision."""
    resistance = wave.signals["r_switch"]
    depth = np.log2(resistance[:1] / resistance) / OCTAVE_S
    return np.asarray((depth < 0.5) | (depth > np.rint(swing / OCTAVE_S) - 0.5))


def _variants(
    variants: Circuit, w: Floats, y: Floats, y_off: Floats, current: Floats, leak: Floats, octaves: Floats
) -> Floats:
    """What the states grow in a substep, as they are, and with each error at work: (devices, variants, neurons).

    The variants are none, a small step of each state, and the switch further by `y_off`. The word of the growth ends
    at `MOST_GROWTH`.
    """
    devices, neurons = w.shape
    states = np.repeat(w[:, None], devices + 2, axis=1)
    for device in range(devices):
        states[device, 1 + device] += SMALL
    switch = np.repeat(y.clip(0, 1)[None], devices + 2, axis=0)
    switch[-1] = (y + y_off).clip(0, 1)
    r_switch = variants.r_switch(switch.ravel())
    growth = variants.growth(states.reshape(devices, -1), r_switch, np.tile(current, devices + 2))
    grown = np.minimum(leak * growth, MOST_GROWTH / octaves)
    return grown.reshape(devices, devices + 2, neurons)


def _off_by(
    layer: LayerSpec,
    circuit: Circuit,
    states: tuple[Floats, Floats],
    grown: Floats,
    current: Floats,
    leak: Floats,
    octaves: Floats,
) -> Floats:
    """Bound of the states after a substep: what becomes of errors before it, and the rounding in it."""
    w, off_by = states
    base = grown[:, 0]
    passed_on = np.abs(grown[:, -1] - base)
    for device in range(len(w)):
        slope = (grown[:, 1 + device] - base) / SMALL
        slope[device] += 1 - leak[device]
        passed_on += np.abs(slope) * off_by[device]

    v_out1 = circuit.v_out1(w, current)
    first, second = voltage_rounding(layer, np.abs(v_out1 - circuit.v1))
    units = np.stack([np.full(v_out1.shape, first) if place == "first" else second for place in layer.memristors])
    distance = np.abs(np.log2(np.maximum(base / leak, 1e-300))) / circuit.exponent  # octaves from v_floor
    # The exponent takes all errors of the logarithms with it, and is itself rounded to 2**-13.
    units = circuit.exponent * (units + COEFFICIENT) + COEFFICIENT + 0.5 + FUNCTION + distance
    rounding = base * np.expm1(units * LOG)
    # Growth below one unit is nothing, and the value of EXP2 is cut off; so are eleven bits of the state.
    rounding += (2.5 + 2047 * leak) * OCTAVE_U / octaves + w * 2.0**-21
    out = passed_on + rounding
    beyond = w - leak * w + base - 1
    # At the ceiling only its own rounding is left: half a unit of `span`.
    return np.where(beyond + out >= 0, np.minimum(out, np.maximum(out - beyond.clip(0), 2.0**-12 / octaves)), out)


def clocked_growth(circuit: Circuit, w: Floats, r_switch: Floats, current: Floats, substep: float) -> Floats:
    """Growth of each state (devices, neurons) in a substep, as a clocked backend takes it at the start of that."""
    depth = -np.array(circuit.depth)[:, None]
    leak = -np.expm1(-substep / circuit.tau)
    return np.minimum(leak * circuit.growth(w, r_switch, current), MOST_GROWTH * np.log(2) / depth)


def _exact(
    circuit: Circuit, w: Floats, start: Floats, end: Floats, current: Floats, substep: float, finer: int = FINER
) -> Floats:
    """States a substep later, while the switch goes from `start` to `end`: the classical Runge-Kutta method."""
    step = substep / finer

    def rate(w: Floats, part: float) -> Floats:
        w = w.clip(0, 1)  # where a step is far too long, a stage may be anywhere
        y = (start + (end - start) * part).clip(0, 1)
        return (circuit.growth(w, circuit.r_switch(y), current) - w) / circuit.tau

    for number in range(finer):
        at, half = number / finer, (number + 0.5) / finer
        one = rate(w, at)
        two = rate(w + 0.5 * step * one, half)
        three = rate(w + 0.5 * step * two, half)
        four = rate(w + step * three, (number + 1) / finer)
        w = np.clip(w + step / 6 * (one + 2 * (two + three) + four), 0.0, 1.0)
    return w


def resistance_error(circuit: Circuit, w: Floats, y: Floats, current: Floats, substep: float) -> Floats:
    """By how much constant growth in each substep gets the logarithm of each resistance wrong, (devices, neurons).

    The largest error on the way, while the switch goes through `y` (substeps + 1,).
    """
    depth = -np.array(circuit.depth)[:, None]
    leak = -np.expm1(-substep / circuit.tau)
    stepped = exact = w
    worst = np.zeros_like(w)
    for start, end in itertools.pairwise(y):
        grown = clocked_growth(circuit, stepped, circuit.r_switch(np.full_like(current, start)), current, substep)
        stepped = np.minimum(stepped + grown - leak * stepped, 1.0)
        exact = _exact(
            circuit, exact, np.full_like(current, start), np.full_like(current, end), current, substep, FINEST
        )
        worst = np.maximum(worst, np.abs(stepped - exact) * depth)
    return worst
