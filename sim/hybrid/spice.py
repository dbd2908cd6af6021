"""Netlist of hybrid neurons for ngspice: their analog part, between gates that the physics gives (zhang2021, Fig. 3).

Node 1 with its synapses, load and transistors, and the device with its filament, are solved by ngspice. The digital
part is not a circuit here: the pulses of the rows, T1, the gates of the synapses, the half-periods in which latch L1
turns T3 on, the learnt conductances and the drawn thresholds are sources that repeat a run of the physics.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.engines.ngspice import EDGE, SIGMA, number, pwl, steps, transient, wrap
from memtwin.sim.errors import InputError
from memtwin.sim.hybrid import physics
from memtwin.sim.hybrid.noise import BELL_SD, Xorshift32, bell
from memtwin.sim.hybrid.spec import LayerSample
from memtwin.sim.recording import Recording

__all__ = ["Probe", "check", "duration", "given", "netlist", "probes"]

_ON = 1.0  # S, of T1 and T3: a thousand times the best synapse
_LEAK = 1e-9  # S, from node 1 to ground, so that it has a voltage without synapses and load
_SIEMENS = 1e-6  # conductance that one volt stands for at the nodes g_...

# In the expression of a source, ngspice puts a parameter in braces in parentheses, but not an expression of several.
_DEVICES = """\
* Threshold switch between node 1 and node 2 (zhang2021, Fig. 2), smooth law; its current is not modelled.
*   driven = sigma((V - v_hold) / (v_hold / 100)), the growth is g = gain * g0 * exp(V / v0) * driven
*   off:  dx/dt = g - x / tau_leak              until driven and x > theta
*   on:   dx/dt = g - (1 - driven) x / tau_relax, up to x_max, until not driven and x < theta_off
*   h, the voltage of Ch, is 1 while it is on, and follows within 0.5 us; the filament x is the voltage of Cx.
.subckt threshold_switch node theta x h params: g0=195 v0=0.55 tau_leak=4m tau_relax=150u theta_off=0.05 x_max=4
+ v_hold=0.2 gain=1
Bdriven driven 0 V = sigma((V(node) - {v_hold}) / ({v_hold} / 100))
Bgrowth growth 0 V = {gain} * {g0} * exp(V(node) / {v0}) * V(driven)
Boff    off    0 V = V(growth) - V(x) / {tau_leak}
Bon     on     0 V = V(growth) * sigma(({x_max} - V(x)) / 0.01) - (1 - V(driven)) * V(x) / {tau_relax}
Bx 0 x I = 1u * ((1 - V(h)) * V(off) + V(h) * V(on))
Cx x 0 1u ic=0
Bset   set   0 V = sigma((V(x) - V(theta)) / 2e-4) * V(driven)
Breset reset 0 V = sigma(({theta_off} - V(x)) / 2e-4) * (1 - V(driven))
Bh 0 h I = 1n / 0.5u * (sigma(32 * (V(h) - 0.5) + 64 * (V(set) - V(reset))) - V(h))
Ch h 0 1n ic=0
.ends

* Synapse: non-volatile switch of V(g) uS between a row and node 1, in series with a transistor (V(gate): 0 or 1).
.subckt synapse row node g gate
Bg row node I = V(row,node) * V(g) * 1u * V(gate)
.ends

* Transistor as a switch: {on} S from a to b while V(gate) is 1.
.subckt transistor a b gate
Bt a b I = V(a,b) * {on} * V(gate)
.ends
"""


@dataclass(frozen=True)
class Probe:
    """One column of the traces: `signal` (``h``, ``x`` or ``v1``) of a layer's neuron, both from 0, called `vector`."""

    signal: str
    layer: int
    neuron: int
    vector: str


def check(job: Job) -> None:
    """Check that ngspice can run `job`.

    Raises
    ------
    InputError
        If it has what the netlist does not: lateral inhibition, adaptive thresholds.
    """
    for index, layer in enumerate(job.spec.layers):
        if layer.inhibition:
            raise InputError(f"layer {index + 1} has lateral inhibition: not in the netlist; use physics, model or rtl")
        if layer.adaptive:
            raise InputError(
                f"layer {index + 1} has adaptive thresholds: not in the netlist; use physics, model or rtl"
            )


def given(job: Job) -> Recording:
    """Run the physics, whose gates the netlist takes over."""
    check(job)
    return physics.run(dataclasses.replace(job, record=True))


def probes(job: Job) -> list[Probe]:
    """List the traces in the order of the netlist's columns."""
    return [
        Probe(signal, index, neuron, f"v({name}_{index + 1}_{neuron + 1})")
        for index, layer in enumerate(job.spec.layers)
        for neuron in range(layer.neurons)
        for signal, name in (("h", "h"), ("x", "x"), ("v1", "node"))
    ]


def duration(gates: Recording, trial: int) -> float:
    """Time to which the netlist of `trial` runs, s: a little beyond the end of the run of the physics."""
    return float(gates.time_s[trial]) + 10 * EDGE


def netlist(job: Job, trial: int = 0, gates: Recording | None = None) -> str:
    """Write the netlist of one trial of `job`.

    ``ngspice -b FILE`` runs it from power-up to the end of the program and writes its traces (`probes`) to `TRACES` in
    the current directory. The text depends on nothing but the job.

    Parameters
    ----------
    job : Job
        A `NetworkSpec` without lateral inhibition and adaptive thresholds, and a `Program`.
    trial : int
        Trial, from 0.
    gates : Recording, optional
        From `given`, where there are several trials; else the physics is run here.

    Raises
    ------
    InputError
        If the trial does not exist, or ngspice cannot run the job (`check`).
    """
    check(job)
    if not 0 <= trial < job.shown.trials:
        raise InputError(f"trial: expected 0 to {job.shown.trials - 1}, not {trial}")
    gates = given(job) if gates is None else gates
    lines = [
        "* Hybrid memristor-CMOS neurons: the analog part, between gates from the physics; from memtwin.",
        "* Source: zhang2021, Fig. 2 and 3. Run it with: ngspice -b FILE",
        f"* Trial {trial}. Names end in the layer and, of a neuron or row, its number.",
        "",
        "* 1 / (1 + exp(-z)): a threshold without a corner.",
        SIGMA,
        "",
        *_DEVICES.replace("{on}", number(_ON)).splitlines(),
    ]
    for index, (layer, sample) in enumerate(zip(job.spec.layers, job.sample(), strict=True)):
        lines += ["", *_rows(job, trial, index, sample, gates)]
        for neuron in range(layer.neurons):
            lines += ["", *_neuron(job, trial, index, neuron, sample, gates)]
    vectors = [probe.vector for probe in probes(job)]
    lines += ["", *transient(vectors, stop=duration(gates, trial), step=job.spec.substep)]
    return "\n".join(lines) + "\n"


def _rows(job: Job, trial: int, index: int, sample: LayerSample, gates: Recording) -> list[str]:
    """Write the sources of a layer's rows: the program's pulses, or the spikes of the layer before."""
    layer, v_in = job.spec.layers[index], sample.v_in[trial]
    pulses = _pulses(job, trial, gates) if index == 0 else _halves(job, gates, index - 1, trial, "g1")
    lines = [f"* Rows of layer {index + 1}: pulses of {number(v_in)} V while CLK is high."]
    for row in range(layer.rows):
        node = f"row_{index + 1}_{row + 1}"
        lines += pwl(node, node, *_levels(job, v_in * pulses[:, row]))
    return lines


def _neuron(job: Job, trial: int, index: int, neuron: int, sample: LayerSample, gates: Recording) -> list[str]:
    """Write one neuron: its gates, synapses, load, transistors and device."""
    spec, layer, at = job.spec, job.spec.layers[index], f"{index + 1}_{neuron + 1}"
    node = f"node_{at}"
    lines = [
        f"* Neuron {neuron + 1} of layer {index + 1}; cards {spec.neuron.name}, {spec.device.name}: what drives it."
    ]
    for name in ("t1", "t3", "gate"):
        halves = _halves(job, gates, index, trial, name)[:, neuron]
        # The latch that turns T3 on follows the device: the physics says in which half-period, the device when.
        source = f"half_{at}" if name == "t3" else f"{name}_{at}"
        lines += pwl(source, source, *_levels(job, halves, initial=halves[0]))
    starts, thetas = _thresholds(job, trial, index, sample, gates)
    lines += pwl(f"theta_{at}", f"theta_{at}", *steps(starts, thetas[:, neuron], initial=thetas[0, neuron]))
    lines.append(f"* Node 1: synapses (card {spec.synapse.name}), load, T1 to ground and T3 to v_dep.")
    learnt = [(time, after) for time, which, after in gates.layers[index].learning[trial] if which == neuron]
    times = np.array([0.0, *(time for time, _ in learnt)])
    values = np.array([sample.conductance[trial, neuron], *(after for _, after in learnt)]) / _SIEMENS
    for row in range(layer.rows):
        g = f"g_{at}_{row + 1}"
        lines += pwl(g, g, *steps(times, values[:, row], initial=values[0, row]))
        lines.append(f"Xsynapse_{at}_{row + 1} row_{index + 1}_{row + 1} {node} {g} gate_{at} synapse")
    lines += [
        f"Rload_{at} {node} 0 {number(1 / (spec.neuron['g_load'] + _LEAK))}",
        f"Xt1_{at} {node} 0 t1_{at} transistor",
        f"Vdep_{at} dep_{at} 0 {number(spec.neuron['v_dep'])}",
        f"Bt3_{at} t3_{at} 0 V = V(half_{at}) * sigma((V(h_{at}) - 0.5) / 0.02)",
        f"Xt3_{at} {node} dep_{at} t3_{at} transistor",
    ]
    names = ("g0", "v0", "tau_leak", "tau_relax", "theta_off", "x_max", "v_hold")
    parameters = [f"{name}={number(spec.device[name])}" for name in names]
    gain = f"gain={number(sample.gain[trial, neuron])}"
    ports = f"{node} theta_{at} x_{at} h_{at}"
    return lines + wrap(f"Xdevice_{at} {ports} threshold_switch params:", *parameters, gain)


def _halves(job: Job, gates: Recording, index: int, trial: int, name: str) -> NDArray[np.float64]:
    """Signal of every half-period (halves, neurons): 1 if it is high anywhere in it."""
    signal = gates.layers[index].waveform[trial].signals[name]
    return signal.reshape(-1, job.spec.substeps, signal.shape[1]).any(axis=1).astype(float)


def _pulses(job: Job, trial: int, gates: Recording) -> NDArray[np.float64]:
    """Rows of layer 1 with a pulse in every half-period, (halves, rows)."""
    program = job.shown
    periods = np.stack([gates.duration[trial], program.rest[trial]], axis=1).ravel()
    pixels = np.stack([program.pixels[trial], np.zeros_like(program.pixels[trial])], axis=1)
    shown = np.repeat(pixels.reshape(periods.size, -1), periods, axis=0)
    return np.stack([shown, np.zeros_like(shown)], axis=1).reshape(-1, shown.shape[1]).astype(float)


def _levels(
    job: Job, halves: NDArray[np.float64], initial: float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of a source with one level for each half-period, and 0 after the last."""
    return steps(job.spec.half_period * np.arange(halves.size + 1), np.append(halves, 0.0), initial=initial)


def _thresholds(
    job: Job, trial: int, index: int, sample: LayerSample, gates: Recording
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times from which thresholds hold (draws,), s, and the thresholds (draws, neurons).

    As docs/threshold-switch.md says: drawn at power-up, and at the end of every pulse in which the layer fired.
    """
    half = job.spec.half_period
    fires = [event.time_s for event in gates.layers[index].events[trial] if event.kind == "fire"]
    ends = sorted({int(np.floor(time / (2 * half) + 1e-9)) for time in fires})
    random, one = Xorshift32(sample.seed[trial : trial + 1]), np.ones(1, dtype=bool)
    thetas = []
    for _ in range(1 + len(ends)):
        noise = np.array([bell(random.take(one))[0] for _ in range(sample.theta.shape[1])]) / BELL_SD
        thetas.append(np.maximum(sample.theta[trial] + sample.theta_sd * noise, job.spec.device["theta_off"]))
    return np.array([0.0, *((2 * period + 1) * half for period in ends)]), np.array(thetas)
