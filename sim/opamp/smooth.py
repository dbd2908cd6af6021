"""The smooth switching law: the sharp law of the op-amp neurons without corners, so that ngspice can solve it too."""

import math
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.optimize import OptimizeResult
from scipy.special import expit

from memtwin.sim.cards import Card
from memtwin.sim.errors import InputError
from memtwin.sim.opamp.physics_array import Inputs, learnt
from memtwin.sim.opamp.physics_circuit import Circuit
from memtwin.sim.opamp.physics_course import Outcome, Samples
from memtwin.sim.opamp.smooth_law import LAW
from memtwin.sim.opamp.spec import LayerSample, LayerSpec
from memtwin.sim.recording import Event
from memtwin.sim.solver_steps import Steps

__all__ = ["run_layer"]

# Tolerances of the integration: relative, and absolute for the states, which are all 0 to 1.
_RELATIVE, _ABSOLUTE = 1e-6, 1e-9

# Evaluations of the slopes in a substep, over the whole run.
_EVALUATIONS = 1000

Floats = NDArray[np.float64]


def run_layer(
    layer: LayerSpec,
    sample: LayerSample,
    inputs: list[Inputs],
    synapse: Card,
    grid: tuple[int, float],
    sampled: bool,
    progress: Callable[[float], None],
) -> Outcome:
    """Take a layer through `grid` = (number of substeps, substep in s) by the smooth law, neuron by neuron.

    The rows of the next layer follow the events, at which `h` crosses 1/2.

    Raises
    ------
    InputError
        If `tau_on` and `tau_off` are too different for the law, or the devices are too fast for the substep or for
        floating point.
    """
    _check(layer.switch)
    trials, neurons = sample.v_th.shape
    circuit = Circuit(layer, sample)
    conductance = sample.conductance.copy()
    samples = Samples.empty(circuit.devices, grid[0], trials * neurons) if sampled else None
    events: list[list[Event]] = [[] for _ in range(trials)]
    learning: list[list[tuple[float, int, Floats]]] = [[] for _ in range(trials)]
    for element in range(trials * neurons):
        trial, neuron = divmod(element, neurons)
        one = _Neuron(layer, circuit.part(np.array([element])), conductance[trial, neuron], synapse)
        one.run(inputs[trial], neuron, grid[1], samples, element)
        events[trial] += one.events
        learning[trial] += one.learning
        conductance[trial, neuron] = one.conductance
        progress((element + 1) / (trials * neurons))
    for own in events:
        own.sort(key=lambda event: (event.time_s, event.neuron))
    for steps in learning:
        steps.sort(key=lambda step: step[:2])
    return Outcome(events, learning, conductance, samples)


def _check(switch: Card) -> None:
    """Refuse a card whose switch the smooth law would not move to its ends."""
    most = LAW.hold / 2
    slower, faster = sorted(("tau_on", "tau_off"), key=lambda name: -switch[name])
    if switch[slower] > most * switch[faster]:
        raise InputError(
            f"card {switch.name}, field {slower}: expected at most {most:g} times {faster} ({switch.fields[faster]}) "
            f"for the smooth law, not {switch.fields[slower]}; change one of them"
        )


class _Crossing:
    """An event for SciPy: `h` goes through 1/2 upwards (direction 1) or downwards (-1), and perhaps ends there."""

    def __init__(self, direction: int, terminal: bool) -> None:
        self.direction, self.terminal = direction, terminal

    def __call__(self, _: float, state: Floats) -> float:
        return state[-1] - 0.5


class _Neuron:
    """One neuron in one trial; its state is `w` of each dynamic memristor, `y` and `h`."""

    def __init__(self, layer: LayerSpec, circuit: Circuit, conductance: Floats, synapse: Card) -> None:
        self.layer, self.circuit, self.conductance, self.synapse = layer, circuit, conductance.copy(), synapse
        self.state = np.zeros(circuit.devices + 2)
        self.current = np.zeros(1)
        self.events: list[Event] = []
        self.learning: list[tuple[float, int, Floats]] = []
        self.v_th, self.v_hold = float(circuit.v_th[0]), layer.switch["v_hold"]
        self.tau_on, self.tau_off = layer.switch["tau_on"], layer.switch["tau_off"]
        self.tau_h = LAW.tau_h * min(self.tau_on, self.tau_off)
        self.steps = Steps("smooth law", _EVALUATIONS, "substep", f"change the card {layer.switch.name}")

    def slopes(self, _: float, state: Floats) -> Floats:
        """Time derivative of the state, 1/s."""
        self.steps.take()
        law, circuit = LAW, self.circuit
        y, h = float(state[-2]), float(state[-1])
        w = state[:-2, None]
        bounded = np.clip(w, 0.0, 1.0)
        r_switch = circuit.r_switch(np.array([min(max(y, 0.0), 1.0)]))
        growth = circuit.growth(bounded, r_switch, self.current)
        v_t = float(circuit.v_switch(bounded, r_switch, self.current)[0])
        v_s = law.v_s * self.v_th

        full, empty = expit((y - 1 + law.y_s) / (law.y_s / 4)), expit((law.y_s - y) / (law.y_s / 4))
        push = expit((v_t - self.v_th) / v_s) * empty - expit((self.v_hold - v_t) / v_s) * full
        out = np.empty_like(state)
        out[:-2] = ((growth * expit((1 - w) / law.w_s) - w) / circuit.tau)[:, 0]
        out[-2] = h / self.tau_on * expit((1 - y) / law.y_s) - (1 - h) / self.tau_off * expit(y / law.y_s)
        out[-1] = (expit(law.hold * (h - 0.5) + law.push * push) - h) / self.tau_h
        return out

    def run(self, inputs: Inputs, neuron: int, substep: float, samples: Samples | None, element: int) -> None:
        """Go through all inputs; fill the column `element` of `samples`."""
        for place, (start, end) in enumerate(zip(inputs.times[:-1], inputs.times[1:], strict=True)):
            learns = self.layer.learns and inputs.learn[place] and inputs.gates[place, neuron]
            self.steps.allow(round((end - start) / substep))
            while start < end:
                volts = self.layer.neuron["v_pulse"] * inputs.gates[place, neuron]
                self.current[0] = volts * (self.conductance @ inputs.rows[place])
                solution = self._solve(start, end, neuron, learns)
                if samples is not None:
                    # Substeps that start here; a time may have been rounded.
                    first, last = (math.ceil(time / substep - 1e-9) for time in (start, float(solution.t[-1])))
                    states = solution.sol(np.append(substep * np.arange(first, last), solution.t[-1]))[:, :-1]
                    samples.w[:, first:last, element], samples.y[first:last, element] = states[:-2], states[-2]
                    samples.on[first:last, element] = states[-1] > 0.5
                    samples.current[first:last, element] = self.current[0]
                start = float(solution.t[-1])
                if start < end:
                    self._learn(start, neuron, inputs.seen[place])

    def _solve(self, start: float, end: float, neuron: int, learns: bool) -> OptimizeResult:
        """Integrate with constant inputs from `start` to `end`, or to the first "on" if the neuron learns at it."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of LSODA, why it gives up
                solution = solve_ivp(
                    self.slopes,
                    (start, end),
                    self.state,
                    method="LSODA",
                    events=(_Crossing(1, learns), _Crossing(-1, False)),
                    dense_output=True,
                    rtol=_RELATIVE,
                    atol=_ABSOLUTE,
                )
        except ValueError:  # steps so short that the time stays the same
            raise self._too_fast(neuron, start) from None
        if not solution.success:
            raise self._too_fast(neuron, start)
        self.state = solution.y[:, -1].copy()
        turns = [
            (float(time), kind) for kind, times in zip(("on", "off"), solution.t_events, strict=True) for time in times
        ]
        self.events += [Event(time, neuron, kind) for time, kind in sorted(turns)]
        return solution

    def _too_fast(self, neuron: int, start: float) -> InputError:
        cards = ", ".join(dict.fromkeys(card.name for card in (self.layer.switch, *self.layer.memristors.values())))
        return InputError(
            f"smooth law: expected devices that floating point can follow, which those of neuron {neuron} are too fast "
            f"for from {start:.6g} s on; change the cards {cards}"
        )

    def _learn(self, time: float, neuron: int, seen: NDArray[np.bool_]) -> None:
        """Learn at an "on", the event at which the integration stopped."""
        self.conductance = learnt(self.conductance, seen, self.synapse)
        self.learning.append((time, neuron, self.conductance))
        # Beyond 1/2, so that it goes on from there and does not rise through it again.
        self.state[-1] = max(self.state[-1], 0.5 + 1e-9)
