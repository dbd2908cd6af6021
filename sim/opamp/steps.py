"""Whether substeps are fine enough for op-amp neurons: what is told when a job is loaded, before anything runs.

A clocked backend takes the growth of a dynamic memristor at the start of a substep for the whole of it. That is wrong
where growth is fast against the substep: when an input begins on a device at rest, or when the switch puts the whole
voltage on it (docs/opamp-neurons.md). What is shown to the first layer is known beforehand; what a later one gets is
known only when it runs, and `compare` measures it.
"""

import math

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.opamp.law import resistance_error
from memtwin.sim.opamp.physics_circuit import Circuit
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import LayerSample, LayerSpec, OpampSpec
from memtwin.sim.units import format_si

__all__ = ["ONSET", "TURN", "coarse_steps"]

ONSET, TURN = 0.05, 0.02
"""Largest error of a resistance in the first substep of an input, which mends itself, and while a switch turns."""
STAGES = 24  # of a presentation, ever longer: nothing changes fast for long

Floats = NDArray[np.float64]


def coarse_steps(spec: OpampSpec, samples: list[LayerSample], stimulus: Stimulus) -> list[str]:
    """Say for which memristors of the first layer a substep is too long; one line each, none if all is well."""
    layer = spec.layers[0]
    onset, turn = _errors(spec, layer, samples[0], stimulus)
    substep = format_si(spec.substep, "s")
    out = []
    for number, (place, card) in enumerate(layer.memristors.items()):
        for error, limit, when in ((onset, ONSET, "when an input begins"), (turn, TURN, "when its switch turns")):
            if error[number] > limit:
                out.append(
                    f"layer 1, card {card.name} ({place} place): {when}, substeps of {substep} get its resistance "
                    f"wrong by {error[number]:.0%}, more than {limit:.0%}; use a shorter --set substep"
                )
    return out


def _errors(spec: OpampSpec, layer: LayerSpec, sample: LayerSample, stimulus: Stimulus) -> tuple[Floats, Floats]:
    """Largest errors of the logarithm of each resistance (devices,): at the onset of an input, and in a turn."""
    circuit = Circuit(layer, sample)
    trials, neurons = sample.v_th.shape
    w = np.zeros((circuit.devices, trials * neurons))
    onset, turn = np.zeros(circuit.devices), np.zeros(circuit.devices)
    rise = spec.substep / layer.switch["tau_on"]
    turning = np.minimum(np.arange(math.ceil(1 / rise) + 2) * rise, 1.0)
    for number in range(stimulus.presentations):
        rows = stimulus.pixels[:, number].astype(float)
        gates = stimulus.gates[:, number] if len(spec.layers) == 1 else 1.0
        current = (layer.neuron["v_pulse"] * np.einsum("tnr,tr->tn", sample.conductance, rows) * gates).ravel()
        onset = np.maximum(onset, resistance_error(circuit, w, np.zeros(2), current, spec.substep).max(axis=1))
        # Stages that double, the first far shorter than a substep.
        length = np.repeat(stimulus.on[:, number] * spec.substep, neurons)
        stages = np.diff(length * 2.0 ** np.arange(-STAGES, 1)[:, None], axis=0, prepend=0.0)
        fired = np.zeros(trials * neurons, dtype=bool)
        for stage in stages:
            fires = circuit.v_switch(w, circuit.r_switch(np.zeros_like(current)), current) > circuit.v_th
            if (fires & ~fired).any():
                error = resistance_error(circuit, w, turning, current, spec.substep)
                turn = np.maximum(turn, np.where(fires & ~fired, error, 0.0).max(axis=1))
            fired |= fires
            # While there are pulses, as much as the one or the other state of the switch gives at least.
            off, on = (_after(circuit, w, current, stage, y) for y in (0.0, 1.0))
            w = np.where(fired, np.minimum(off, on), off)
        w = w * np.exp(-np.repeat(stimulus.off[:, number] * spec.substep, neurons) / circuit.tau)
    return onset, turn


def _after(circuit: Circuit, w: Floats, current: Floats, seconds: Floats, y: float) -> Floats:
    """States some time later with the switch at `y`: one exponential step, which no time constant makes unstable."""
    r_switch = circuit.r_switch(np.full_like(current, y))
    growth = circuit.growth(w, r_switch, current)
    rate = (growth - w) / circuit.tau
    small = 1e-6
    slope = np.stack(
        [
            (circuit.growth(w + small * (np.arange(len(w)) == device)[:, None], r_switch, current) - growth)[device]
            / small
            for device in range(len(w))
        ]
    )
    slope = np.minimum((slope - 1) / circuit.tau, -1e-9)
    return np.clip(w + rate * np.expm1(slope * seconds) / slope, 0.0, 1.0)
