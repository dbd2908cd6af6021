"""The sharp law of the op-amp neurons in continuous time: between two events smooth, every event at its own time."""

import copy
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize.elementwise import find_root

from memtwin.sim.cards import Card
from memtwin.sim.opamp.physics_array import Inputs, learnt
from memtwin.sim.opamp.physics_circuit import Circuit
from memtwin.sim.opamp.physics_course import Outcome, Samples
from memtwin.sim.opamp.spec import LayerSample, LayerSpec
from memtwin.sim.recording import Event
from memtwin.sim.solver_steps import Steps

__all__ = ["STEEPEST", "Neurons", "run_layer"]

# How far a Runge-Kutta step may go: this part of the shortest time constant of a memristor under its present voltage.
STEEPEST = 0.25

# A switch that gets to its end when an input changes finds the new input; so close, in s, is rounding.
RACE = 1e-12

# Steps that the neurons may take in a substep, over the whole run: one, and one more for each event of any of them.
_STEPS = 100

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]


class Neurons:
    """All neurons of one layer in all trials, E = trials * neurons of them side by side.

    A dynamic memristor follows ``dw/dt = ((|V| / v_floor)^n - w) / tau`` and stays at ``w = 1`` while that would lead
    beyond. The threshold-switching memristor is set (`on`) or not. Not set, its `y` falls at ``1 / tau_off`` to 0 and
    waits there until ``|V_t| > v_th`` sets it; set, `y` rises at ``1 / tau_on`` to 1 and waits there until
    ``|V_t| < v_hold`` resets it. So `y` is linear between events, and only `w` is integrated: with the classical
    Runge-Kutta method, in steps that end at each event of the neuron (`y` at its end, a threshold crossed, `w` at 1)
    and at each change of its input, whatever the others do.

    Parameters
    ----------
    layer : LayerSpec
        Cards and kind of circuit.
    sample : LayerSample
        Its devices in every trial.
    inputs : list of Inputs
        What each trial shows to the layer.
    synapse : Card
        Non-volatile synapse, if the layer learns.
    steepest : float
        The longest step, as a part of the shortest time constant at work.

    Attributes
    ----------
    w : float array (dynamic memristors, E)
    y, current, time : float array (E,)
        Switch, input current (A), and how far the neuron is (s).
    on : bool array (E,)
    conductance : float array (trials, neurons, rows)
    events : list (one per trial) of list of Event
    learning : list (one per trial) of list of (time_s, neuron, float array (rows,))
    """

    def __init__(
        self, layer: LayerSpec, sample: LayerSample, inputs: list[Inputs], synapse: Card, steepest: float = STEEPEST
    ) -> None:
        self.layer, self.inputs, self.synapse = layer, inputs, synapse
        self.circuit = Circuit(layer, sample)
        self.conductance = sample.conductance.copy()
        self.trials, self.neurons = sample.v_th.shape
        size = self.trials * self.neurons
        switch = layer.switch
        self.rise, self.fall, self.v_hold = 1 / switch["tau_on"], -1 / switch["tau_off"], switch["v_hold"]

        self.w = np.zeros((self.circuit.devices, size))
        self.y, self.current, self.time = np.zeros(size), np.zeros(size), np.zeros(size)
        self.on = np.zeros(size, dtype=bool)
        # y moves at `slope` until `arrival`; then it waits for V_t to go beyond `level`, upwards (sign 1) or downwards.
        self.slope, self.arrival = np.zeros(size), np.full(size, np.inf)
        self.waiting = np.ones(size, dtype=bool)
        self.sign, self.level = np.ones(size), self.circuit.v_th.copy()
        self.r_switch = self.circuit.r_switch(self.y)

        # Time constant of w near its state: tau / (1 + |n ln(r_floor / r_initial)| growth).
        self.steepness = -self.circuit.exponent * np.array(self.circuit.depth)[:, None]
        self.reach = steepest * self.circuit.tau

        self.events: list[list[Event]] = [[] for _ in range(self.trials)]
        self.learning: list[list[tuple[float, int, Floats]]] = [[] for _ in range(self.trials)]
        self.place = np.full(self.trials, -1)  # which input is in force
        self.next_change = np.zeros(self.trials)
        cards = ", ".join(dict.fromkeys(card.name for card in (switch, *layer.memristors.values())))
        self.steps = Steps("physics", _STEPS, "substep", f"change the cards {cards}, or use a shorter substep")

    # Inputs.

    def run_to(self, until: float) -> None:
        """Take every neuron to the time `until`, in s, with what happens then."""
        while True:
            soonest = self.next_change.min()
            if soonest > until:
                self._advance(until)
                return
            if self.trials == 1:
                self._advance(soonest)
            else:
                self._advance(np.repeat(np.minimum(self.next_change, until), self.neurons))
            self._change_inputs(np.flatnonzero(self.next_change <= until))

    def _change_inputs(self, trials: Ints) -> None:
        """Give each of `trials` its next input, and let the neurons follow at once."""
        self.place[trials] += 1
        for trial in trials:
            inputs, place = self.inputs[trial], self.place[trial]
            self.next_change[trial] = inputs.times[place + 1] if place + 1 < inputs.times.size else np.inf
            volts = self.layer.neuron["v_pulse"] * inputs.gates[place]
            own = slice(trial * self.neurons, (trial + 1) * self.neurons)
            self.current[own] = volts * (self.conductance[trial] @ inputs.rows[place])
        excess = self.sign * (self.circuit.v_switch(self.w, self.r_switch, self.current) - self.level)
        changed = np.isin(np.arange(self.on.size) // self.neurons, trials)
        self._turn(np.flatnonzero(self.waiting & changed & (excess > 0)))

    # The switch.

    def _turn(self, neurons: Ints) -> None:
        """Set, or reset, the switch of `neurons`, each at its own time; those that set may learn."""
        for element in neurons:
            trial, neuron = divmod(int(element), self.neurons)
            time = float(self.time[element])
            on = not self.on[element]
            self.on[element] = on
            self.slope[element] = self.rise if on else self.fall
            self.arrival[element] = time + 1 / abs(self.slope[element])
            self.waiting[element] = False
            self.sign[element] = -1.0 if on else 1.0
            self.level[element] = self.v_hold if on else self.circuit.v_th[element]
            self.events[trial].append(Event(time, neuron, "on" if on else "off"))
            if on and self.layer.learns:
                self._learn(trial, neuron, time)

    def _learn(self, trial: int, neuron: int, time: float) -> None:
        inputs, place = self.inputs[trial], self.place[trial]
        if not (inputs.learn[place] and inputs.gates[place, neuron]):
            return
        new = learnt(self.conductance[trial, neuron], inputs.seen[place], self.synapse)
        self.conductance[trial, neuron] = new
        self.learning[trial].append((time, neuron, new))
        self.current[trial * self.neurons + neuron] = self.layer.neuron["v_pulse"] * (new @ inputs.rows[place])

    # Time.

    def _advance(self, until: float | Floats) -> None:
        """Take every neuron to `until`, s; the inputs do not change before."""
        behind = self.time < until
        while behind.any():
            self.steps.take()
            if behind.all():
                self._step(slice(None), until)
            else:
                index = np.flatnonzero(behind)
                self._step(index, until[index] if isinstance(until, np.ndarray) else until)
            behind = self.time < until

    def _step(self, index: slice | Ints, until: float | Floats) -> None:
        """Take one step of the neurons `index`: to `until`, or to the neuron's next event before."""
        stretch = _Stretch(self, index)
        start, arrival = self.time[index], self.arrival[index]
        due = arrival <= until - RACE
        end = np.where(due, np.maximum(arrival, start), until)
        step = end - start
        reach = (self.reach / (1.0 + self.steepness * stretch.growth)).min(axis=0)
        if (short := reach < step).any():
            step = np.where(short, reach, step)
            end = np.where(short, start + step, end)

        w, y, r_switch = stretch.after(step)
        excess = stretch.excess(w, r_switch)
        crossed = stretch.waiting & (excess > 0)
        arrived = due & ~short
        turning = arrived & (excess > 0)
        if crossed.any() or w.max() > 1.0:
            early = np.flatnonzero(crossed | (w > 1.0).any(axis=0))
            part = stretch.part(early)
            step = part.first_event(step[early])
            w[:, early], y[early], r_switch[early] = part.after(step)
            end[early] = start[early] + step
            arrived[early] = False
            # What happens there is what is nearest to its level; where w gets to 1, the rounding of the root goes.
            excess, room = part.beyond(w[:, early], r_switch[early])
            turning[early] = excess >= room.max(axis=0)
            w[:, early] = np.where((room == room.max(axis=0)) & ~turning[early], 1.0, np.minimum(w[:, early], 1.0))

        self.w[:, index], self.y[index], self.r_switch[index], self.time[index] = w, y, r_switch, end
        if arrived.any() or turning.any():
            everyone = np.arange(self.on.size)[index]
            self._arrive(everyone[arrived])
            self._turn(everyone[turning])

    def _arrive(self, neurons: Ints) -> None:
        """Let the switches of `neurons` wait at their end."""
        self.y[neurons] = self.on[neurons]
        self.r_switch[neurons] = self.circuit.r_switch(self.y[neurons])
        self.slope[neurons], self.arrival[neurons], self.waiting[neurons] = 0.0, np.inf, True


class _Stretch:
    """Some neurons from where they are now, until something happens to them."""

    def __init__(self, neurons: Neurons, index: slice | Ints) -> None:
        self.circuit = neurons.circuit if isinstance(index, slice) else neurons.circuit.part(index)
        self.w, self.y, self.current = neurons.w[:, index], neurons.y[index], neurons.current[index]
        self.slope, self.r_switch = neurons.slope[index], neurons.r_switch[index]
        self.waiting, self.sign, self.level = neurons.waiting[index], neurons.sign[index], neurons.level[index]
        self.moving = self.slope.any()
        self.full = self.w >= 1.0
        self.limited = self.full.any()
        self.growth = self.circuit.growth(self.w, self.r_switch, self.current)
        self.rate = (self.growth - self.w) / self.circuit.tau
        if self.limited:
            # At its end w cannot be steep, because it does not move.
            self.growth = np.where(self.full, np.minimum(self.growth, 1.0), self.growth)
            self.rate = np.where(self.full, np.minimum(self.rate, 0.0), self.rate)

    def part(self, index: Ints) -> "_Stretch":
        """Take the neurons `index` out of these."""
        out = copy.copy(self)
        out.circuit = self.circuit.part(index)
        for name in ("w", "full", "rate"):
            setattr(out, name, getattr(self, name)[:, index])
        for name in ("y", "current", "slope", "r_switch", "waiting", "sign", "level"):
            setattr(out, name, getattr(self, name)[index])
        return out

    def after(self, step: Floats) -> tuple[Floats, Floats, Floats]:
        """States `w`, `y` and resistance of the switch `step` seconds later; `w` is not stopped at 1."""
        y, middle, end = self.y + self.slope * step, self.r_switch, self.r_switch
        if self.moving:
            middle, end = self.circuit.r_switch(self.y + self.slope * (0.5 * step)), self.circuit.r_switch(y)
        half, first = 0.5 * step, self.rate
        second = self._rate(self.w + half * first, middle)
        third = self._rate(self.w + half * second, middle)
        fourth = self._rate(self.w + step * third, end)
        w = self.w + (step / 6.0) * (first + 2.0 * (second + third) + fourth)
        return w, y, end

    def excess(self, w: Floats, r_switch: Floats) -> Floats:
        """By how much V_t is beyond the threshold that would turn the switch, V."""
        return self.sign * (self.circuit.v_switch(w, r_switch, self.current) - self.level)

    def beyond(self, w: Floats, r_switch: Floats) -> tuple[Floats, Floats]:
        """By how much V_t is beyond its threshold, and each `w` beyond 1; minus infinity for what cannot happen."""
        excess = np.where(self.waiting, self.excess(w, r_switch), -np.inf)
        return excess, np.where(self.full, -np.inf, w - 1.0)

    def first_event(self, step: Floats) -> Floats:
        """Time to the first crossing of a threshold or of ``w = 1``, of neurons that have one within `step`, s."""
        nothing = np.zeros_like(step)

        def furthest(time: Floats, number: Ints) -> Floats:
            part = self.part(number)
            w, _, r_switch = part.after(time)
            excess, room = part.beyond(w, r_switch)
            return np.maximum(excess, room.max(axis=0))

        everyone = np.arange(step.size)
        at_once = furthest(nothing, everyone) >= 0  # by rounding
        found = find_root(furthest, (nothing, step), args=(everyone,))
        return np.where(at_once, 0.0, np.where(found.success, found.x, step))

    def _rate(self, w: Floats, r_switch: Floats) -> Floats:
        rate = (self.circuit.growth(w, r_switch, self.current) - w) / self.circuit.tau
        return np.where(self.full, np.minimum(rate, 0.0), rate) if self.limited else rate


def run_layer(
    layer: LayerSpec,
    sample: LayerSample,
    inputs: list[Inputs],
    synapse: Card,
    grid: tuple[int, float],
    sampled: bool,
    progress: Callable[[float], None],
    fine: int = 1,
) -> Outcome:
    """Take a layer through `grid` = (number of substeps, substep in s) by the sharp law.

    With `fine`, every step is so many times shorter; it is there to show that steps are short enough.
    """
    substeps, substep = grid
    neurons = Neurons(layer, sample, inputs, synapse, STEEPEST / fine)
    samples = Samples.empty(neurons.circuit.devices, substeps, neurons.on.size) if sampled else None
    for number in range(substeps):
        neurons.steps.allow()
        neurons.run_to(number * substep)
        if samples is not None:
            samples.w[:, number], samples.y[number] = neurons.w, neurons.y
            samples.current[number], samples.on[number] = neurons.current, neurons.on
        for part in range(1, fine):
            neurons.run_to((number + part / fine) * substep)
        if number % 256 == 0:
            progress(number / substeps)
    # What happens at the very end belongs to nobody: it is after the last substep.
    neurons.run_to(np.nextafter(substeps * substep, 0.0))
    ends = [inputs.times[-1] for inputs in inputs]
    events = [[event for event in own if event.time_s < end] for own, end in zip(neurons.events, ends, strict=True)]
    return Outcome(events, neurons.learning, neurons.conductance, samples)
