"""One layer of the integer model of op-amp neurons: docs/opamp-arithmetic.md, sections 3 to 6 and 8.

Vectorised over trials and neurons. Sections in comments are those of the page.
"""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.model_parts import Saturations, round_shift
from memtwin.sim.opamp.log_arithmetic import LOG_TOP, add, exp2, log2, par
from memtwin.sim.opamp.model_log import Log

__all__ = ["Layer", "Memristor"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

_CURRENT_TIMES_RESISTANCE = 16 << 13  # the units: 2**-44 A * 2**8 Ohm is 2**-16 of 2**-20 V
_GROWTH_TOP = 2**23 - 1


class Memristor:
    """Dynamic memristors of one place of the circuit, in every neuron and trial.

    Attributes
    ----------
    u : int64 array (trials, neurons)
        Octaves below the initial resistance.
    """

    def __init__(self, words: dict[str, Ints], place: str) -> None:
        self.name = f"r_{place}"
        self.r0 = words[f"r0_{place}_log"] << 2
        self.exponent = words[f"exponent_{place}"][:, None]
        self.v_floor = words[f"v_floor_{place}_log"][:, None] << 2
        self.growth = words[f"growth_{place}_log"][:, None] << 2
        self.leak = words[f"leak_{place}"][:, None]
        self.top = words[f"span_{place}"][:, None] << 11
        self.u = np.zeros_like(self.r0)

    def resistance(self) -> Ints:
        """Logarithm of the resistance, not yet saturated (section 6)."""
        return self.r0 - round_shift(self.u, 9)

    def substep(self, voltage: Ints) -> Bools:
        """Grow and recover for one substep at `voltage`; returns where the growth went beyond its word."""
        e = voltage - self.v_floor
        distance = np.abs(e)
        q = round_shift(np.minimum(distance, 65535) * self.exponent, 12)
        a = self.growth + np.where(e < 0, -q, q)
        nothing = (a < 0) | (e <= -65536)
        beyond = a >= 23 << 13
        growth = exp2(np.minimum(np.maximum(a, 0), (23 << 13) - 1))
        growth = np.where(nothing, 0, np.where(beyond, _GROWTH_TOP, growth))
        u = self.u - round_shift((self.u >> 11) * self.leak, 9) + growth
        self.u = np.minimum(u, self.top)
        return beyond | (e > 65535)


class Layer:
    """State of one layer in every trial, and what a substep does to it.

    Parameters
    ----------
    coefficients : LayerCoefficients
        Integers of the layer.
    saturated : Saturations
        Counts saturations of trials that are not over.
    record : bool
        Keep trace words in `log`.

    Attributes
    ----------
    on : bool array (trials, neurons)
        Output pulses, from set to reset.
    conductance : int64 array (trials, neurons, rows)
    gate : bool array (trials, neurons)
        Columns that are connected; set from outside, before `begin`.
    learn, live : bool array (trials,)
        The layer may learn; the trial is not over. Set from outside. The state of a trial that is over moves on, but
        nothing of it is counted or kept.
    """

    def __init__(self, coefficients: LayerCoefficients, saturated: Saturations, record: bool = False) -> None:
        words, structure = coefficients.words, coefficients.structure
        self.saturated = saturated
        self.neurons, self.rows = structure["neurons"], structure["rows"]
        self.second, self.learns = structure["second"], structure["learns"]
        self.trials = trials = words["r1_log"].size
        self.words = words

        def log_word(name: str) -> Ints:  # one value per trial is a column, so that it broadcasts over neurons
            return words[name].reshape(trials, -1) << 2

        self.r1, self.r_off, self.v_sat = (log_word(name) for name in ("r1_log", "r_off_log", "v_sat_log"))
        self.v_th, self.v_hold = log_word("v_th_log"), log_word("v_hold_log")
        self.current_log = log_word("current_log")
        self.v1 = words["v1"][:, None] << 6 if structure["terminal"] else None
        self.r2 = log_word("r2_log") if structure["first"] == "resistor" else None
        self.swing, self.rise, self.fall = (words[name][:, None] for name in ("swing", "rise", "fall"))
        self.rise_per_fall, self.fall_per_rise = words["rise_per_fall"][:, None], words["fall_per_rise"][:, None]
        self.first_memristor = Memristor(words, "first") if structure["first"] == "dynamic" else None
        self.second_memristor = Memristor(words, "second") if self.second != "switch" else None
        self.memristors = [part for part in (self.first_memristor, self.second_memristor) if part is not None]

        # Power-up (section 3).
        shape = (trials, self.neurons)
        self.s, self.current = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        self.on = np.zeros(shape, dtype=bool)
        self.seen = np.zeros((trials, self.rows), dtype=bool)
        self.events, self.gates = np.zeros((trials, self.rows), dtype=bool), np.ones(shape, dtype=bool)
        self.fresh = np.ones(trials, dtype=bool)  # no currents evaluated since power-up
        self.stale = np.zeros(trials, dtype=bool)  # a synapse was written since the last evaluation
        table = words["conductance"].reshape(trials, self.rows, self.neurons)
        # A column is what learning walks; a copy also where there is only one row.
        self.conductance = np.array(np.swapaxes(table, 1, 2), order="C")

        self.gate = np.ones(shape, dtype=bool)
        self.learn, self.live = np.zeros(trials, dtype=bool), np.ones(trials, dtype=bool)
        self.log = Log(trials, self.neurons, len(self.memristors)) if record else None

    # One substep (section 4).

    def substep(self, number: int, events: Bools, changed: bool, first: Bools | None = None) -> bool:
        """Take one substep.

        Parameters
        ----------
        number : int
            Substeps since power-up.
        events : bool array (trials, rows)
            Active rows.
        changed : bool
            Inputs, gates or live trials may differ from those of the last substep.
        first : bool array (trials,), optional
            Where it is the first substep of a presentation; then `changed` must be set.

        Returns
        -------
        bool
            Whether a neuron set or reset. `sets` says which ones set.
        """
        if changed and self.learns:
            if first is not None:
                self.seen &= ~first[:, None]
            self.seen |= events
        if changed or self.stale.any():
            self._evaluate(number, events)
        moved = self._neurons()
        if self.learns and moved:
            self._learn(number)
        return moved

    def _count(self, outside: Bools, name: str) -> None:
        if outside.any():
            self.saturated.count(outside & self.live[:, None], np.arange(self.trials), name)

    def _sat(self, value: Ints, name: str) -> Ints:
        """Clamp a log word, and count where it was out of range."""
        clamped = np.minimum(np.maximum(value, 0), LOG_TOP)
        self._count(clamped != value, name)
        return clamped

    # Currents (section 5).

    def _evaluate(self, number: int, events: Bools) -> None:
        """Evaluate the currents of the trials in which something has changed."""
        differs = (events != self.events).any(axis=1) | (self.gate != self.gates).any(axis=1) | self.stale
        which = np.flatnonzero(np.where(self.fresh, events.any(axis=1), differs) & self.live)
        self.stale[:] = False
        if not which.size:
            return
        # Sums of 16-bit words are exact in float64, which is faster than int64 here.
        rows = events[which].astype(np.float64)
        total = np.matmul(self.conductance[which].astype(np.float64), rows[:, :, None])[:, :, 0].astype(np.int64)
        word = log2(total) + self.current_log[which]
        flows = (total > 0) & self.gate[which]
        self.saturated.count((word > LOG_TOP) & flows, which, "current")
        self.current[which] = np.where(flows, np.minimum(word, LOG_TOP), 0)
        self.events[which], self.gates[which] = events[which], self.gate[which]
        self.fresh[which] = False
        if self.log:
            self.log.put_currents(number, which, self.current[which])

    # The circuit (section 6).

    def _neurons(self) -> bool:
        """Take every neuron through one substep; returns whether any set or reset."""
        depth = np.minimum(np.maximum(self.s, 0), self.swing)
        rt = self._sat(self.r_off - (depth << 1), "r_switch")
        first, rm = self.r2, None  # resistance in the first place, of the memristor in the second
        if self.first_memristor:
            first = self._sat(self.first_memristor.resistance(), "r_first")
        if self.second_memristor:
            rm = self._sat(self.second_memristor.resistance(), "r_second")

        # Voltages that fall to zero are nothing, and v_sat is the amplifier's: neither is a saturation of a word.
        v_out1 = self.current + first - _CURRENT_TIMES_RESISTANCE
        v_out1 = np.where(self.current == 0, 0, np.minimum(np.maximum(v_out1, 0), self.v_sat))
        if self.v1 is None:
            below, drop = None, v_out1
        else:
            d = np.where(v_out1 == 0, 0, exp2(v_out1)) - self.v1
            below, drop = d < 0, log2(np.abs(d))

        across = rt  # resistance between the terminals of the switch
        if rm is None:
            branch = rt
        elif self.second == "series":
            branch = self._sat(add(rm, rt), "branch")
        else:
            branch = across = self._sat(par(rm, rt), "branch")
        total = self._sat(add(branch, self.r1), "branch")
        relative = drop - total
        v_t = np.maximum(relative + across, 0)
        v_out2 = np.maximum(relative + self.r1, 0)

        moved = self._switch(v_t)
        if self.first_memristor:
            self._count(self.first_memristor.substep(v_out1), "growth")
        if self.second_memristor and rm is not None:
            voltage = v_t if self.second == "parallel" else np.maximum(relative + rm, 0)
            self._count(self.second_memristor.substep(voltage), "growth")
        if self.log:
            states = [part.u for part in self.memristors]
            self.log.put_pass(v_out1, v_out2, self.on, below, self.s, states)
        return moved

    def _switch(self, v_t: Ints) -> bool:
        """Let the threshold-switching memristors move; returns whether any set or reset."""
        s, on, swing = self.s, self.on, self.swing
        empty, full = ~on & (s <= 0), on & (s >= swing)
        self.sets, resets = empty & (v_t > self.v_th), full & (v_t < self.v_hold)
        moving = s + np.where(on, self.rise, -self.fall)
        new = np.where(empty, 0, np.where(full, swing, moving))
        moved = bool(self.sets.any() or resets.any())
        if moved:
            # How far s is beyond its end says how long ago it got there.
            set_s = self.rise + round_shift(-s * self.rise_per_fall, 8)
            reset_s = swing - self.fall - round_shift((s - swing) * self.fall_per_rise, 8)
            new = np.where(self.sets, set_s, np.where(resets, reset_s, new))
            self.on = (on | self.sets) & ~resets
        self.s = new
        return moved

    # Learning (section 8).

    def _learn(self, number: int) -> None:
        """Let the synapses of the neurons learn that have just set."""
        where, columns = np.nonzero(self.sets & self.gate & (self.learn & self.live)[:, None])
        if not where.size:
            return
        words = {
            name: self.words[name][where, None]
            for name in ("g_off", "g_on", "step_up", "step_down", "bend_up", "bend_down")
        }
        c = self.conductance[where, columns]
        up = words["step_up"] - round_shift((c - words["g_off"]) * words["bend_up"], 16)
        down = words["step_down"] - round_shift((words["g_on"] - c) * words["bend_down"], 16)
        seen = self.seen[where]
        for step, touched, name in ((up, seen, "step_up"), (down, ~seen, "step_down")):
            for trial, outside in zip(where, (step < 0) & touched, strict=True):
                self.saturated.count(outside[None], np.array([trial]), name)
        more = np.minimum(c + np.maximum(up, 0), words["g_on"])
        less = np.maximum(c - np.maximum(down, 0), words["g_off"])
        c = np.where(seen, more, less)
        self.conductance[where, columns] = c
        self.stale[where] = True
        if self.log:
            self.log.put_synapses(number, where, columns, c)
