"""Netlist of op-amp neurons for ngspice: one subcircuit for each device (us12387090, Fig. 4 to 8)."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.cards import Card
from memtwin.sim.engines.ngspice import EDGE, SIGMA, number, pwl, steps, transient, wrap
from memtwin.sim.errors import InputError
from memtwin.sim.opamp.smooth_law import LAW
from memtwin.sim.opamp.spec import CIRCUITS, LayerSample, LayerSpec

__all__ = ["OHM", "Probe", "check_synapses", "duration", "netlist", "probes"]

OHM = 1e6
"""Resistance that one volt stands for at the nodes ``r_...``."""

_MARGIN = 10 * EDGE  # the run goes on for so long, so that the last sample is inside

# In the expression of a source, ngspice puts a parameter in braces in parentheses, but not an expression of several.
_DEVICES = """\
* Dynamic memristor between a and b (us12387090, (27) and (28), Fig. 2).
*   R = r_initial * (r_floor / r_initial)**w
*   dw/dt = ((|V| / v_floor)**exponent * sigma((1 - w) / {w_s}) - w) / tau
* w, the voltage of Cw, is the share of the logarithmic range; V(r) is R in MOhm.
.subckt dynamic_memristor a b r params: r_initial=10meg r_floor=50k v_floor=1 exponent=1 tau=20m
Bw 0 w I = 1u / {{tau}} * (pow(abs(V(a,b)) / {{v_floor}}, {{exponent}}) * sigma((1 - V(w)) / {w_s}) - V(w))
Cw w 0 1u ic=0
Br r 0 V = {{r_initial}} / 1meg * exp(log({{r_floor}} / {{r_initial}}) * min(max(V(w), 0), 1))
Ba a b I = V(a,b) / {{r_initial}} * exp(log({{r_initial}} / {{r_floor}}) * min(max(V(w), 0), 1))
.ends

* Threshold-switching memristor between a and b (us12387090, (29), Fig. 3), smooth law.
*   R = r_off * (r_on / r_off)**y
*   dy/dt = h / tau_on * sigma((1 - y) / {y_s}) - (1 - h) / tau_off * sigma(y / {y_s})
*   dh/dt = (sigma({hold} * (h - 1/2) + {push} * set - {push} * reset) - h) / ({tau_h} * min(tau_on, tau_off))
*   set   above v_th, once the device is back at r_off (y = 0)
*   reset below v_hold, once it is at r_on (y = 1)
* h, the voltage of Ch, is 1 from set to reset; y, that of Cy, the share of the logarithmic range; V(r) is R in MOhm.
.subckt threshold_switch a b r h params: r_off=500k r_on=2k v_th=1 v_hold=0.9 tau_on=100u tau_off=400u
Bset   set   0 V = sigma((abs(V(a,b)) - {{v_th}}) / ({v_s} * {{v_th}})) * sigma(({y_s} - V(y)) / {y_edge})
Breset reset 0 V = sigma(({{v_hold}} - abs(V(a,b))) / ({v_s} * {{v_th}})) * sigma((V(y) - {full}) / {y_edge})
Bh 0 h I = 1n / ({tau_h} * min({{tau_on}}, {{tau_off}}))
+ * (sigma({hold} * (V(h) - 0.5) + {push} * (V(set) - V(reset))) - V(h))
Ch h 0 1n ic=0
By 0 y I = 1u / {{tau_on}} * V(h) * sigma((1 - V(y)) / {y_s})
+ - 1u / {{tau_off}} * (1 - V(h)) * sigma(V(y) / {y_s})
Cy y 0 1u ic=0
Br r 0 V = {{r_off}} / 1meg * exp(log({{r_on}} / {{r_off}}) * min(max(V(y), 0), 1))
Ba a b I = V(a,b) / {{r_off}} * exp(log({{r_off}} / {{r_on}}) * min(max(V(y), 0), 1))
.ends

* Amplifier with the first resistive device in its feedback, whose resistance in MOhm is V(r) (us12387090, (2) and (4)).
*   V_OUT1 = I_in * R, at most v_sat; the input is held at ground.
.subckt opamp_stage in r out1 params: v_sat=5
Vin in 0 0
Bout out1 0 V = min(I(Vin) * 1meg * V(r), {{v_sat}})
.ends
"""

# What makes each neuron: the lines of the devices in both places.
_FIRST = {
    "resistor": ["Vfirst r_first 0 {r2/1meg}"],
    "dynamic": [
        "Xfirst out1 0 r_first dynamic_memristor params: r_initial={r_initial_first} r_floor={r_floor_first}",
        "+ v_floor={v_floor_first} exponent={exponent_first} tau={tau_first}",
    ],
}
_SECOND = [
    "r_second dynamic_memristor params: r_initial={r_initial_second} r_floor={r_floor_second}",
    "+ v_floor={v_floor_second} exponent={exponent_second} tau={tau_second}",
]
_SWITCH = [
    "r_switch h threshold_switch params: r_off={r_off} r_on={r_on}",
    "+ v_th={v_th} v_hold={v_hold} tau_on={tau_on} tau_off={tau_off}",
]
_MEMRISTOR = ("r_initial", "r_floor", "v_floor", "exponent", "tau")
_THRESHOLD = ("r_off", "r_on", "v_th", "v_hold", "tau_on", "tau_off")


@dataclass(frozen=True)
class Probe:
    """One column of the traces: what it is, of which layer and neuron (both from 0), and its value in SI units.

    `signal` is a signal of the waveform, or ``h``; `vector` what ngspice calls it, `scale` what one volt stands for.
    """

    signal: str
    layer: int
    neuron: int
    vector: str
    scale: float = 1.0


def probes(job: Job) -> list[Probe]:
    """List the traces of `job` in the order of the netlist's columns; without `record` only `h` of every switch."""
    out = []
    for index, layer in enumerate(job.spec.layers):
        for neuron in range(layer.neurons):
            at = f"{index + 1}_{neuron + 1}"
            out.append(Probe("h", index, neuron, f"v(h_{at})"))
            if not job.record:
                continue
            out.append(Probe("i_in", index, neuron, f"i(vin_{at})"))
            out += [Probe(f"v_{name}", index, neuron, f"v({name}_{at})") for name in ("out1", "out2")]
            out += [
                Probe(f"r_{place}", index, neuron, f"v(r_{place}_{at})", OHM) for place in (*layer.memristors, "switch")
            ]
    return out


def duration(job: Job, trial: int) -> float:
    """Time to which the netlist of `trial` runs, s: a little beyond the end of the stimulus."""
    return float(job.shown.starts(trial)[-1] * job.spec.substep + _MARGIN)


def check_synapses(job: Job, trial: int) -> None:
    """Refuse a job in whose trial a synapse would have to learn.

    Raises
    ------
    InputError
        Then.
    """
    for index, layer in enumerate(job.spec.layers):
        if layer.learns and job.shown.learn[trial, :, index].any():
            raise InputError(f"layer {index + 1} learns: ngspice has no synapse that learns; use physics or model")


def netlist(job: Job, trial: int = 0) -> str:
    """Write the netlist of one trial of `job`.

    ``ngspice -b FILE`` runs it from power-up to the end of the stimulus and writes its traces (`probes`) to `TRACES` in
    the current directory. The text depends on nothing but the job.

    Parameters
    ----------
    job : Job
        An `OpampSpec` and a `Stimulus`; the smooth law applies, whether ``spec.smooth`` or not.
    trial : int
        Trial, from 0.

    Raises
    ------
    InputError
        If the trial does not exist, or a synapse would have to learn.
    """
    spec, stimulus = job.spec, job.shown
    if not 0 <= trial < stimulus.trials:
        raise InputError(f"trial: expected 0 to {stimulus.trials - 1}, not {trial}")
    check_synapses(job, trial)
    devices = _DEVICES.format(
        **{name: number(value) for name, value in vars(LAW).items()},
        y_edge=number(LAW.y_s / 4),
        full=number(1 - LAW.y_s),
    )
    lines = [
        "* Op-amp neurons with dynamic and threshold-switching memristors, from memtwin.",
        "* Source: us12387090. Run it with: ngspice -b FILE",
        f"* Trial {trial}. Names end in the layer and, of a neuron or row, its number.",
        "",
        "* 1 / (1 + exp(-z)): a threshold without a corner.",
        SIGMA,
        "",
        *devices.splitlines(),
    ]
    for index, (layer, sample) in enumerate(zip(spec.layers, job.sample(), strict=True)):
        lines += ["", *_neuron(index + 1, layer)]
        lines += ["", *_array(index + 1, layer, sample.conductance[trial])]
        lines += ["", *_inputs(job, trial, index)]
        lines += ["", *_instances(job, trial, index, sample)]
    vectors = [probe.vector for probe in probes(job)]
    # The stimulus changes at substeps, and every switching is longer than a few of them.
    lines += ["", *transient(vectors, stop=duration(job, trial), step=spec.substep)]
    return "\n".join(lines) + "\n"


def _neuron(index: int, layer: LayerSpec) -> list[str]:
    """Write the subcircuit of the neurons of one layer."""
    first, second = CIRCUITS[layer.circuit]
    card = layer.neuron
    parameters = [f"r2={number(card['r2'])}"] if first == "resistor" else []
    ports = "in out1 out2 v1 h r_first r_second r_switch"
    equations = {
        "switch": "V_OUT2 = R_1 * V_OUT1 / (R_t + R_1), (3)",
        "series": "V_OUT2 = R_1 * V_OUT1 / (R_m + R_t + R_1), (5)",
        "parallel": "V_OUT2 = R_1 * V_OUT1 / (R_m || R_t + R_1)",
    }
    body = {
        "switch": [f"Xswitch out1 out2 {_SWITCH[0]}", _SWITCH[1], "Vsecond r_second 0 0"],
        "series": [f"Xsecond out1 mid {_SECOND[0]}", _SECOND[1], f"Xswitch mid out2 {_SWITCH[0]}", _SWITCH[1]],
        "parallel": [f"Xsecond out1 out2 {_SECOND[0]}", _SECOND[1], f"Xswitch out1 out2 {_SWITCH[0]}", _SWITCH[1]],
    }
    for place, memristor in layer.memristors.items():
        parameters += [f"{name}_{place}={number(memristor[name])}" for name in _MEMRISTOR]
    parameters += [f"{name}={number(layer.switch[name])}" for name in _THRESHOLD]
    return [
        f"* Neuron of layer {index}, circuit {layer.circuit}.",
        f"*   cards: {', '.join(_cards(layer))}.",
        f"*   first device: {first}; {equations[second]}, towards the first voltage terminal v1.",
        *wrap(f".subckt neuron_{index} {ports} params:", *parameters),
        f"Xstage in r_first out1 opamp_stage params: v_sat={number(card['v_sat'])}",
        *_FIRST[first],
        *body[second],
        f"R1 out2 v1 {number(card['r1'])}",
        ".ends",
    ]


def _cards(layer: LayerSpec) -> Iterator[str]:
    """Name the cards of a layer."""
    places: list[tuple[str, Card]] = [("circuit", layer.neuron), *layer.memristors.items(), ("switch", layer.switch)]
    for place, card in places:
        yield f"{card.name} ({place})"


def _array(index: int, layer: LayerSpec, conductance: NDArray[np.float64]) -> list[str]:
    """Write the subcircuit of a layer's synapses, `conductance` (neurons, rows) in S."""
    rows = [f"row{row + 1}" for row in range(layer.rows)]
    columns = [f"column{neuron + 1}" for neuron in range(layer.neurons)]
    lines = [
        f"* Non-volatile memristors in front of layer {index} (us12387090, Fig. 8 and 9): I_in = sum of g * V(row).",
        *wrap(f".subckt input_array_{index}", *rows, *columns),
    ]
    for neuron, row in np.argwhere(conductance > 0):
        lines.append(f"R{row + 1}_{neuron + 1} row{row + 1} column{neuron + 1} {number(1 / conductance[neuron, row])}")
    return [*lines, ".ends"]


def _inputs(job: Job, trial: int, index: int) -> list[str]:
    """Write the sources of a layer's rows: the stimulus, or buffers behind the neurons of the layer before."""
    layer = job.spec.layers[index]
    v_pulse = number(layer.neuron["v_pulse"])
    if index > 0:
        lines = [f"* Rows of layer {index + 1}: buffers that drive v_pulse while the neuron before is set."]
        for row in range(layer.rows):
            node = f"{index + 1}_{row + 1}"
            lines.append(f"Brow_{node} row_{node} 0 V = {v_pulse} * sigma((V(h_{index}_{row + 1}) - 0.5) / 0.01)")
        return lines
    lines = ["* Rows of layer 1: v_pulse while the stimulus drives them."]
    for row in range(layer.rows):
        levels = layer.neuron["v_pulse"] * job.shown.pixels[trial, :, row].astype(float)
        node = f"1_{row + 1}"
        lines += pwl(f"row_{node}", f"row_{node}", *_phases(job, trial, levels))
    return lines


def _instances(job: Job, trial: int, index: int, sample: LayerSample) -> list[str]:
    """Write the array and the neurons of one layer."""
    layer = job.spec.layers[index]
    here = index + 1
    rows = [f"row_{here}_{row + 1}" for row in range(layer.rows)]
    columns = [f"column_{here}_{neuron + 1}" for neuron in range(layer.neurons)]
    lines = [
        f"* Layer {here}; the sources vin_... only measure the current into a neuron.",
        *wrap(f"Xarray_{here}", *rows, *columns, f"input_array_{here}"),
        f"Vterminal_{here} v1_{here} 0 {number(layer.neuron['v1'])}",
    ]
    last = here == len(job.spec.layers)
    for neuron, column in enumerate(columns):
        at = f"{here}_{neuron + 1}"
        gates = job.shown.gates[trial, :, neuron] if last else np.ones(1)
        if gates.all():
            lines.append(f"Vin_{at} {column} in_{at} 0")
        else:
            # The gate decides whether the current of the column goes into the neuron or to ground.
            lines += pwl(f"gate_{at}", f"gate_{at}", *_presentations(job, trial, gates.astype(float)))
            lines.append(f"Vcolumn_{at} {column} 0 0")
            lines.append(f"Bgate_{at} 0 open_{at} I = I(Vcolumn_{at}) * V(gate_{at})")
            lines.append(f"Vin_{at} open_{at} in_{at} 0")
        devices = {"v_th": layer.switch["v_th"] * sample.v_th[trial, neuron]}
        for place, memristor in layer.memristors.items():
            factor = getattr(sample, f"r_{place}")[trial, neuron]
            devices[f"r_initial_{place}"] = memristor["r_initial"] * factor
        ports = [f"in_{at}", f"out1_{at}", f"out2_{at}", f"v1_{here}", f"h_{at}"]
        ports += [f"r_{place}_{at}" for place in ("first", "second", "switch")]
        own = [f"{name}={number(value)}" for name, value in devices.items()]
        lines += wrap(f"Xneuron_{at}", *ports, f"neuron_{here} params:", *own)
    return lines


def _phases(job: Job, trial: int, levels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of a source that is at a presentation's level while it is driven, else at 0."""
    starts = job.shown.starts(trial)
    on, off = job.shown.on[trial], job.shown.off[trial]
    begins = np.stack([starts[:-1], starts[:-1] + on], axis=1).ravel()
    values = np.stack([levels, np.zeros_like(levels)], axis=1).ravel()
    there = np.stack([on, off], axis=1).ravel() > 0  # phases that take time
    # After the stimulus, too, nothing is driven.
    begins, values = np.append(begins[there], starts[-1]), np.append(values[there], 0.0)
    return steps(begins * job.spec.substep, values)


def _presentations(
    job: Job, trial: int, levels: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of a source that is at a presentation's level throughout."""
    starts = job.shown.starts(trial)
    there = np.diff(starts) > 0
    return steps(starts[:-1][there] * job.spec.substep, levels[there])
