"""Whether substeps are fine enough for a hybrid neuron: what is told when a job is loaded, before anything runs.

A clocked backend sees an event at the end of a substep, and adds whole growth words. Both are small against what they
measure only if the filament takes some substeps from rest to its threshold, and from there to its rupture, and not so
many that the rounding of the words counts (docs/hybrid-neuron.md). Two circuits follow themselves within a substep,
however short it is: what they do is a matter of the clock.
"""

import math

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.hybrid.law import ENTRY_VOLTS, FILAMENT
from memtwin.sim.hybrid.physics_lia import InhibitionArray
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import MOST_SUBSTEPS, LayerSample, LayerSpec, NetworkSpec

__all__ = ["FEWEST", "ROUNDING", "coarse_steps"]

FEWEST = 4
"""Substeps that an integration and a relaxation must take: the growth words hold a quarter of the threshold."""
ROUNDING = 0.02
"""Largest part of the growth that rounding, or the chords of the growth table, may be."""

Floats = NDArray[np.float64]


def coarse_steps(spec: NetworkSpec, samples: list[LayerSample], program: Program) -> list[str]:
    """Say for which layers a substep is too long or too short; one line each, none if all is well."""
    out = []
    device = spec.device
    relaxation = device["tau_relax"] * math.log(1 / device["theta_off"]) / spec.substep
    if relaxation < FEWEST:
        out.append(
            f"card {device.name}, field tau_relax: a filament relaxes from its threshold in {relaxation:.2g} substeps, "
            f"fewer than {FEWEST}; {_advice(spec, FEWEST / relaxation, 'a larger tau_relax')}"
        )
    step = ENTRY_VOLTS / device["v0"]
    chord = step**2 / 8 * math.exp(step)
    if chord > ROUNDING:
        out.append(
            f"card {device.name}, field v0: with {device.fields['v0']} growth between the entries of its table is "
            f"{chord:.0%} too large; expected at least 80mV"
        )
    for number, (layer, sample) in enumerate(zip(spec.layers, samples, strict=True)):
        out += [f"layer {number + 1}: {line}" for line in _chasing(spec, layer)]
        volts = _highest_volts(spec, layer, sample, program, number)
        growth = _growth(spec, volts, sample)
        fastest = float(growth.max(initial=0.0))
        if layer.depression:
            fastest = max(fastest, float(_growth(spec, np.array(spec.neuron["v_dep"]), sample).max()))
        where = f"card {device.name}, fields g0 and v0: in layer {number + 1} a filament"
        if fastest * FEWEST > 1:
            out.append(
                f"{where} reaches its threshold in {1 / fastest:.2g} substeps, fewer than {FEWEST}; "
                f"{_advice(spec, FEWEST * fastest, 'a smaller g0')}"
            )
        slowest = float(growth.min(initial=np.inf))
        if 2 * FILAMENT > ROUNDING * slowest > 0:
            out.append(
                f"{where} grows by {slowest / FILAMENT:.2g} units of its word in a substep, and rounding "
                f"may change that by {2 * FILAMENT / slowest:.0%}; expected fewer substeps, or a larger g0"
            )
    return out


def _chasing(spec: NetworkSpec, layer: LayerSpec) -> list[str]:
    """Say which gates chase their own effect, a turn in each substep on a clocked backend, at once in the physics."""
    out = []
    if layer.depression and not layer.refractory:
        out.append(
            "with T3 and without T1 there is a fire at every rising edge of CLK while a device is on, which T3 follows "
            "at once in the physics, a substep later on a clocked backend; expected refractory, or no depression"
        )
    if layer.inhibition and not layer.depression:
        alone = InhibitionArray(spec.lia, layer.neurons).gates(np.eye(layer.neurons, dtype=bool)).diagonal()
        who = "neurons that fire together" if alone.all() else "a neuron that fires"
        if not alone.all() or (layer.tie == "inhibit" and layer.neurons > 1):
            out.append(
                f"inhibition closes the gates of {who}, and without T3 they open again, in every substep on a clocked "
                "backend, once in the physics; expected depression, or a tie that one neuron wins"
            )
    return out


def _advice(spec: NetworkSpec, factor: float, otherwise: str) -> str:
    """What to do where a substep is so many times too long."""
    times = 2 ** math.ceil(math.log2(factor))
    if times * spec.substeps > MOST_SUBSTEPS:
        return f"expected {otherwise}; even {MOST_SUBSTEPS} substeps are too few"
    return f"expected {times} times as many substeps (option substeps), or {otherwise}"


def _growth(spec: NetworkSpec, volts: Floats, sample: LayerSample) -> Floats:
    """Growth in a substep as a part of the mean threshold; zero where the device is not driven."""
    device = spec.device
    with np.errstate(over="ignore"):
        growth = device["g0"] * np.exp(volts / device["v0"]) * spec.substep * sample.gain / sample.theta
    return np.where(volts > device["v_hold"], growth, 0.0)


def _highest_volts(spec: NetworkSpec, layer: LayerSpec, sample: LayerSample, program: Program, number: int) -> Floats:
    """Highest voltage of node 1 (trials, neurons): of what is shown to layer 1, of all rows for a later one."""
    conductance = sample.conductance
    learns = np.asarray(program.learn[:, :, number].any(axis=1))[:, None, None]
    highest = np.where(learns, np.maximum(conductance, spec.synapse["g_max"]), conductance)
    lowest = np.where(learns, np.minimum(conductance, spec.synapse["g_min"]), conductance)
    rows = program.pixels if number == 0 else np.ones((program.trials, 1, layer.rows))
    active = np.einsum("tpr,tnr->tpn", rows, highest)
    quiet = np.einsum("tpr,tnr->tpn", 1.0 - rows, lowest)
    share = active / (active + quiet + spec.neuron["g_load"])
    return sample.v_in[:, None] * share.max(axis=1)
