"""One layer of hybrid neurons in continuous time, vectorised over trials and neurons."""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.hybrid.noise import BELL_SD, Xorshift32, bell
from memtwin.sim.hybrid.physics_lia import InhibitionArray
from memtwin.sim.hybrid.physics_record import Recorder
from memtwin.sim.hybrid.physics_ts import ThresholdSwitch
from memtwin.sim.hybrid.spec import LayerSample, LayerSpec, NetworkSpec
from memtwin.sim.solver_steps import Steps

__all__ = ["PhysicsLayer"]

_EVENTS = 64  # of one neuron in a half-period: a device switches on, ruptures, and may be driven again
_SIMULTANEOUS = 1e-9  # events closer than this part of a half-period happen at once: rounding, no more


class PhysicsLayer:
    """Crossbar, neurons and lateral inhibition array of one layer (zhang2021, Fig. 3a, 4a, 5c).

    Voltages change only at events, so that everything between two events is a closed form. Latches, gates, transistors
    and comparators follow an event at once; only T3, which hangs on a buffer, starts each half-period off.

    Parameters
    ----------
    spec : NetworkSpec
        Cards and options.
    layer : LayerSpec
        This layer.
    sample : LayerSample
        Its devices in every trial.
    recorder : Recorder or None
        Takes waveforms and events.

    Attributes
    ----------
    x, on, theta, adapt : array (trials, neurons)
        Filament, state, threshold and rise of the threshold of each device.
    l1, l2 : bool array (trials, neurons)
        Latches.
    at_ceiling : bool array (trials, neurons)
        Devices whose filament has been at its ceiling.
    conductance : float array (trials, neurons, rows)
        Synapses, S.
    """

    def __init__(self, spec: NetworkSpec, layer: LayerSpec, sample: LayerSample, recorder: Recorder | None) -> None:
        self.spec, self.layer, self.sample, self.recorder = spec, layer, sample, recorder
        self.device = ThresholdSwitch.from_card(spec.device)
        self.half = spec.half_period
        self.lia = InhibitionArray(spec.lia, layer.neurons) if layer.inhibition else None
        shape = sample.theta.shape
        self.conductance = sample.conductance.copy()
        self.random = Xorshift32(sample.seed)
        self.x, self.adapt = np.zeros(shape), np.zeros(shape)
        self.on, self.l1, self.l2, self.at_ceiling = (np.zeros(shape, dtype=bool) for _ in range(4))
        self._v_l, self._suppressed = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
        self._lift_rate = self.device.rate(spec.neuron["v_dep"]) * sample.gain
        self.theta = sample.theta.copy()
        self._draw_theta(np.ones(shape[0], dtype=bool))
        self._open = self._inhibit()  # the gates without anybody's fire

    @property
    def v_l(self) -> NDArray[np.bool_]:
        """Lateral inhibition outputs G3 (trials, neurons)."""
        return self.l1 | self.l2

    def half_period(
        self, clk: bool, rows: NDArray[np.bool_], mask: NDArray[np.bool_], learn: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Run one half-period.

        Parameters
        ----------
        clk : bool
            Level of CLK.
        rows : bool array (trials, rows)
            Rows with a pulse; only looked at while CLK is high.
        mask : bool array (trials, neurons)
            Gates that the presentation leaves open.
        learn : bool array (trials,)
            Trials in which the layer learns.

        Returns
        -------
        fired : bool array (trials, neurons)
            Neurons whose latch L1 rose.
        """
        recorder, device = self.recorder, self.device
        if not clk:
            falls = self.l2 & ~self.l1
            rises = self.l1 & ~self.l2
            self.l2 = self.l1.copy()
            if recorder:
                recorder.mark("l2_fall", falls)
                recorder.mark("l2_rise", rises)
        elif recorder:
            recorder.mark("spike", self.l2)
        t1 = self.l2 & self.layer.refractory
        volts = self._divider(rows) if clk else np.zeros_like(self.x)
        driven_rate = device.rate(volts) * self.sample.gain
        adaptive = self.layer.adaptive
        adapt_rate = np.where(learn, 1 / self.spec.neuron["tau_adapt"], 0.0)[:, None]

        trials = self.x.shape[0]
        elapsed, finished = np.zeros(trials), np.zeros(trials, dtype=bool)
        lifted, fired = np.zeros_like(self.on), np.zeros_like(self.on)
        lifted_for = np.zeros_like(self.x)
        steps = Steps("physics", _EVENTS * self.x.shape[1], "half-period", f"change the card {self.spec.device.name}")
        while True:
            steps.take()
            gate = self._settle(clk, t1, driven_rate, mask, lifted, fired, elapsed)
            rate = np.where(lifted, self._lift_rate, np.where(gate & ~t1, driven_rate, 0.0))
            if finished.all():
                break
            if adaptive:
                adapt = self.adapt * np.exp(-adapt_rate * elapsed[:, None])
                wait = device.time_to_switch(self.x, self.on, rate, self.theta, adapt, adapt_rate)
            else:
                wait = device.time_to_switch(self.x, self.on, rate, self.theta)
            step = np.minimum(wait.min(axis=1), self.half - elapsed)
            is_last = step >= self.half - elapsed
            end = np.where(is_last, self.half, elapsed + step)
            if recorder:
                since = np.maximum(recorder.samples[:, None] - elapsed, 0.0)[:, :, None]
                filament = device.after(since, self.x, self.on, rate)
                recorder.sample(elapsed, end, self._signals(clk, t1, lifted, gate, volts, rate), filament)
            switching = (wait <= step[:, None] + _SIMULTANEOUS * self.half) & ~finished[:, None]
            self.x = device.after(step[:, None], self.x, self.on, rate)
            self.at_ceiling |= self.on & (rate > 0) & (self.x >= device.x_max)
            lifted_for += lifted * step[:, None]
            finished, elapsed = is_last, end
            if recorder:
                recorder.mark("on", switching & ~self.on, elapsed)
                recorder.mark("off", switching & self.on, elapsed)
            self.on = self.on ^ switching

        if adaptive:
            self.adapt = self.adapt * np.exp(-adapt_rate * self.half)
        if clk:
            self._learn(rows, gate, fired, learn, lifted_for)
            if adaptive:
                self.adapt += self.spec.neuron["adapt_step"] * (fired & learn[:, None])
            self._draw_theta(fired.any(axis=1))
        return fired

    def _divider(self, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Voltage of node 1 in its resting state (trials, neurons): ``v_in sum(g active) / (sum(g) + g_load)``."""
        active = np.einsum("tnr,tr->tn", self.conductance, rows.astype(float))
        return self.sample.v_in[:, None] * active / (self.conductance.sum(axis=2) + self.spec.neuron["g_load"])

    def _settle(
        self,
        clk: bool,
        t1: NDArray,
        driven_rate: NDArray,
        mask: NDArray,
        lifted: NDArray,
        fired: NDArray,
        elapsed: NDArray,
    ) -> NDArray[np.bool_]:
        """Let latches, T3 and the LIA follow the devices until nothing changes; return the gates.

        `lifted` and `fired` are updated in place. L1 rises at most once per instant: without T3 (which keeps node 2
        high) two neurons that close each other's gates would otherwise chase each other without end.
        """
        risen = np.zeros_like(self.l1)
        powered = driven_rate > 0
        while True:
            gate = self._open & mask
            if clk:
                node2 = self.on & ~t1 & (lifted | (powered & gate))
                rising = node2 & ~self.l1 & ~risen
                if self.recorder and rising.any():
                    self.recorder.mark("fire", rising, elapsed)
                risen |= rising
                fired |= rising
                self.l1 = (self.l1 & node2) | rising
                if self.layer.depression:
                    lifted[:] = self.l1
            if np.array_equal(self.v_l, self._v_l):
                return gate
            self._open = self._inhibit()

    def _inhibit(self) -> NDArray[np.bool_]:
        """Evaluate the LIA after a change of V_L: the gates (trials, neurons) that it leaves open."""
        v_l = self.v_l
        new = v_l & ~self._v_l
        self._v_l = v_l
        if self.lia is None:
            return np.ones_like(v_l)
        self._suppressed &= v_l
        tied = new.sum(axis=1) > 1
        if self.layer.tie != "inhibit" and tied.any():
            neurons = self.layer.neurons
            first = np.zeros(v_l.shape[0], dtype=np.int64)
            if self.layer.tie == "random":
                number = self.random.take(tied).astype(np.int64)
                first = ((number >> 16) * neurons) >> 16
            order = (np.arange(neurons) - first[:, None]) % neurons
            winner = np.argmin(np.where(new, order, neurons), axis=1)
            self._suppressed |= new & tied[:, None] & (np.arange(neurons) != winner[:, None])
        return self.lia.gates(v_l & ~self._suppressed)

    def _learn(
        self, rows: NDArray[np.bool_], gate: NDArray, fired: NDArray, learn: NDArray, lifted_for: NDArray
    ) -> None:
        """Soft-bounded Hebbian step (zhang2021, Supp. Fig. 4): active rows up, rows at ground down."""
        layer, synapse = self.layer, self.spec.synapse
        if not learn.any():
            return
        pulses = rows.any(axis=1)[:, None]
        potentiate = gate & pulses & learn[:, None] & (True if layer.one_cycle else self.l2)
        depress = fired & gate & layer.depression & learn[:, None]
        touched = potentiate | depress
        if not touched.any():
            return
        up = potentiate[:, :, None] & rows[:, None, :]
        down = depress[:, :, None] & ~rows[:, None, :]
        step = np.full(fired.shape, synapse["depression"])
        if layer.scaled:
            step = np.minimum(step * lifted_for / self.half, 1.0)
        c = self.conductance
        gain = 1.0 if layer.one_cycle else synapse["potentiation"]
        c = c + up * np.maximum(synapse["g_max"] - c, 0.0) * gain
        self.conductance = c - down * np.maximum(c - synapse["g_min"], 0.0) * step[:, :, None]
        if self.recorder:
            self.recorder.learned(touched, self.conductance)

    def _draw_theta(self, trials: NDArray[np.bool_]) -> None:
        """Redraw the threshold of every neuron in the marked trials, in order."""
        if not trials.any():
            return
        for neuron in range(self.layer.neurons):
            noise = bell(self.random.take(trials)) / BELL_SD
            theta = np.maximum(self.sample.theta[:, neuron] + self.sample.theta_sd * noise, self.device.theta_off)
            self.theta[:, neuron] = np.where(trials, theta, self.theta[:, neuron])

    def _signals(
        self, clk: bool, t1: NDArray, lifted: NDArray, gate: NDArray, volts: NDArray, rate: NDArray
    ) -> dict[str, NDArray]:
        """Signals of the waveform, constant until the next event."""
        connected = gate & ~t1
        return {
            "v1": np.where(lifted, self.spec.neuron["v_dep"], np.where(connected, volts, 0.0)),
            "on": self.on,
            "node2": self.on & (rate > 0),
            "l1": self.l1,
            "l2": self.l2,
            "g1": self.l2 & clk,
            "v_l": self.v_l,
            "t1": t1,
            "t3": lifted,
            "gate": gate,
        }
