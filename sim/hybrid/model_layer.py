"""One layer of the integer model: docs/arithmetic.md, sections 3 to 9, vectorised over trials and neurons."""

from collections.abc import Mapping
from functools import reduce

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.model_parts import Inhibition, Log, Random, Saturations, round_shift

__all__ = ["Layer"]

X_TOP = 2**20 - 1
NEVER = 2**20  # a level that no filament reaches

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Layer:
    """State of one layer in every trial, and what a half-period does to it.

    Parameters
    ----------
    coefficients : LayerCoefficients
        Integers of the layer.
    saturated : Saturations
        Counts saturations. Node 1 is computed, and counted, only where inputs or conductances changed.
    record : bool
        Keep trace words in `log`.

    Attributes
    ----------
    x, theta, adapt : int64 array (trials, neurons)
    on, l1, l2 : bool array (trials, neurons)
    at_ceiling : bool array (trials, neurons)
        Devices whose filament has been at `x_max`.
    conductance : int64 array (trials, neurons, rows)
    count : int64 array (trials,)
        Half-periods since power-up.
    """

    def __init__(self, coefficients: LayerCoefficients, saturated: Saturations, record: bool = False) -> None:
        words, structure = coefficients.words, coefficients.structure
        self.coefficients = coefficients
        self.saturated = saturated
        self.neurons, self.rows = structure["neurons"], structure["rows"]
        self.substeps, self.one_cycle = structure["substeps"], structure["one_cycle"]
        self.recip_shift = structure["recip_shift"]
        self.sum_shift = (self.rows - 1).bit_length()
        self.trials = trials = words["v_in"].size
        self.words = words
        # One value per trial is a column, so that it broadcasts over neurons.
        self.scalar = {name: word[:, None] for name, word in words.items() if word.ndim == 1}
        options = self.scalar["options"]
        self.refractory, self.depression, self.skip, self.adaptive, self.scaled = (
            (options >> bit & 1).astype(bool) for bit in range(5)
        )
        self.adapt_mask = (1 << words["adapt_interval"]) - 1

        shape = (trials, self.neurons)
        self.x, self.theta, self.adapt = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        self.level = np.zeros(shape, dtype=np.int64)  # of the filament at which the device switches on
        self.on, self.l1, self.l2, self.at_ceiling = (np.zeros(shape, dtype=bool) for _ in range(4))
        self.v1, self.growth = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        self.active = np.zeros(shape, dtype=bool)
        self.reciprocal = np.zeros(shape, dtype=np.int64)
        # The words run over rows, then columns; a column is what learning walks.
        table = words["conductance"].reshape(trials, self.rows, self.neurons)
        self.conductance = np.array(np.swapaxes(table, 1, 2), order="C")  # a copy also where there is only one row
        self.events = np.zeros((trials, self.rows), dtype=bool)  # for which node 1 was evaluated
        self.stale = np.ones(trials, dtype=bool)  # node 1 must be evaluated anew
        self.random = Random(words["seed_high"] << 16 | words["seed_low"])
        self.lia = Inhibition(coefficients, self.random)
        self.count = np.zeros(trials, dtype=np.int64)
        self.log = Log(trials) if record else None
        self._power_up()

    def _power_up(self) -> None:
        """Section 3; everything else starts as zero."""
        everyone = np.arange(self.trials)
        self._divide(np.repeat(everyone, self.neurons), np.tile(np.arange(self.neurons), self.trials))
        if self.log:
            self.log.put(everyone, Log.RECIPROCAL, np.arange(self.neurons), self.reciprocal)
        self._redraw(everyone)
        self._put_thresholds(everyone)
        self.lia.evaluate(everyone, self.l1 | self.l2)

    # What lasts from one presentation to the next (docs/link.md, section 5).

    def state(self) -> dict[str, Ints]:
        """Return the words of the state by name, (trials, words)."""
        # T3, bit 2 of a latch, is off at the end of every low half-period.
        latches = self.l1 | self.l2 << 1 | self.lia.suppressed << 3 | self.lia.l_g << 4
        random = self.random.state.astype(np.int64)
        return {
            "conductance": np.swapaxes(self.conductance, 1, 2).reshape(self.trials, -1).copy(),
            "reciprocal": self.reciprocal.copy(),
            "filament": np.stack([self.x & 0xFFFF, self.x >> 16 | self.on << 4], axis=2).reshape(self.trials, -1),
            "theta": self.theta.copy(),
            "adapt": self.adapt.copy(),
            "latches": latches.astype(np.int64),
            "random": np.stack([random & 0xFFFF, random >> 16], axis=1),
            "count": self.count[:, None] & 0xFFFF,
        }

    def restore(self, state: Mapping[str, Ints]) -> None:
        """Go on from a state; what was recorded so far is forgotten."""
        self.conductance = np.swapaxes(state["conductance"].reshape(self.trials, self.rows, self.neurons), 1, 2).copy()
        self.reciprocal, self.theta, self.adapt = (state[name].copy() for name in ("reciprocal", "theta", "adapt"))
        filament = state["filament"].reshape(self.trials, self.neurons, 2)
        self.x = filament[:, :, 0] | (filament[:, :, 1] & 15) << 16
        self.on = (filament[:, :, 1] >> 4 & 1).astype(bool)
        latches = state["latches"]
        self.l1, self.l2, suppressed, l_g = ((latches >> bit & 1).astype(bool) for bit in (0, 1, 3, 4))
        self.lia.restore(self.l1 | self.l2, suppressed, l_g)
        low, high = state["random"].T
        self.random.state = (low | high << 16).astype(np.uint32)
        self.count = state["count"][:, 0].copy()
        self.stale[:] = True
        self._set_level(np.arange(self.trials))
        if self.log:
            self.log = Log(self.trials)

    # Edges and half-periods (section 4).

    def edge(self, clk: bool) -> None:
        """Enter the next half-period, CLK being `clk` from now on."""
        if not clk:
            self.l2 = self.l1.copy()

    def half_period(self, clk: bool, events: Bools, mask: Bools, learn: Bools, live: Bools) -> Bools:
        """Run a half-period, after `edge`.

        Parameters
        ----------
        clk : bool
            Level of CLK.
        events : bool array (trials, rows)
            Rows with an input pulse.
        mask : bool array (trials, neurons)
            Gates that the presentation leaves open.
        learn, live : bool array (trials,)
            The trial lets this layer learn; the trial is not yet at its end.

        Returns
        -------
        bool array (trials, neurons)
            Neurons that fired.
        """
        driven = events.any(axis=1)
        quiet = self.skip[:, 0] & ~driven & ~self.on.any(axis=1)
        busy = np.flatnonzero(live & ~quiet)
        skipped = np.flatnonzero(live & quiet)
        if self.log:
            value = clk | quiet << 1 | learn << 2 | (self.count & 0xFFFF) << 3
            self.log.put(np.flatnonzero(live), Log.HALF, 0, value[live, None])
        self._drive(np.flatnonzero(live & driven), events)

        fired = np.zeros_like(self.on)
        lifts = np.zeros_like(self.x)
        if skipped.size:
            self._skipped_pass(skipped, clk, mask)
        if busy.size:
            self._passes(busy, clk, driven, mask, fired, lifts)
        if clk:
            if learn.any():
                self._learn(np.flatnonzero(live & learn), events, driven, mask, fired, lifts)
            redraw = live & fired.any(axis=1)
        else:
            redraw = np.zeros(self.trials, dtype=bool)
        decay = live & learn & self.adaptive[:, 0] & ((self.count + 1 & self.adapt_mask) == 0)
        if redraw.any() or decay.any():
            self._thresholds(redraw, decay, fired & self.adaptive & learn[:, None])
        self.count += live
        return fired

    # Node 1 (section 5).

    def _divide(self, trials: Ints, columns: Ints) -> None:
        """Reciprocal of each (trial, column)."""
        total = self.conductance[trials, columns].sum(axis=1) + self.words["g_load"][trials]
        total_hi = round_shift(total, self.sum_shift)
        numerator = (self.words["v_in"][trials] << self.recip_shift) + (total_hi >> 1)
        # A divisor of zero gives the largest word.
        quotient = np.where(total_hi > 0, numerator // np.maximum(total_hi, 1), 1 << 16)
        self.reciprocal[trials, columns] = self.saturated.clamp(quotient, trials, "reciprocal")

    def _drive(self, trials: Ints, events: Bools) -> None:
        """Node 1 and growth of every column of `trials`, where they are not known already."""
        todo = trials[self.stale[trials] | (self.events[trials] != events[trials]).any(axis=1)]
        if todo.size:
            clamp = self.saturated.clamp
            # Sums of 16-bit words are exact in float64, which is faster than int64 here.
            rows = events[todo].astype(np.float64)
            current = np.matmul(self.conductance[todo].astype(np.float64), rows[:, :, None])[:, :, 0].astype(np.int64)
            current_hi = clamp(round_shift(current, self.sum_shift), todo, "current")
            v1 = clamp(round_shift(current_hi * self.reciprocal[todo], self.recip_shift), todo, "v1")
            i, f = v1 >> 9, v1 & 511
            base = np.take_along_axis(self.words["growth_base"][todo], i, axis=1)
            slope = np.take_along_axis(self.words["growth_slope"][todo], i, axis=1)
            g = clamp(base + round_shift(slope * f, 9), todo, "growth")
            self.growth[todo] = clamp(round_shift(g * self.words["gain"][todo], 15), todo, "growth")
            self.v1[todo] = v1
            self.active[todo] = v1 > self.scalar["v_hold"][todo]
            self.events[todo] = events[todo]
            self.stale[todo] = False
        if self.log and trials.size:
            value = self.v1[trials] | self.growth[trials] << 16 | self.active[trials].astype(np.int64) << 32
            self.log.put(trials, Log.DRIVE, np.arange(self.neurons), value)

    # Passes (section 6).

    def _skipped_pass(self, trials: Ints, clk: bool, mask: Bools) -> None:
        """Take a quiet half-period at once; no device is on, so that nothing can fire."""
        x = self.x[trials]
        x -= round_shift((x >> 4) * self.scalar["leak_half"][trials], 12)
        self.x[trials] = x
        if clk:
            self.l1[trials] = False
        if self.log:
            gate = self.lia.l_g[trials] & mask[trials]
            l1, l2 = self.l1[trials], self.l2[trials]
            flags = _pack(l1=l1, l2=l2, t1=l2 & self.refractory[trials], gate=gate)
            self.log.put(trials, Log.SUBSTEP, np.arange(self.neurons), x | flags)
        v_l = self.l1[trials] | self.l2[trials]
        changed = (v_l != self.lia.v_l[trials]).any(axis=1)
        if changed.any():
            self.lia.evaluate(trials[changed], v_l[changed])

    def _passes(self, trials: Ints, clk: bool, driven_rows: Bools, mask: Bools, fired: Bools, lifts: Ints) -> None:
        """Take `substeps` passes of the half-period; `fired` and `lifts` are filled in place.

        While no device of a trial switches and none of its gates moves, every neuron obeys
        ``x = min(x - (xh * decay + 2**15 >> 16) + rise, ceiling); on = x >= level``
        with constants that `prepare` sets. So a pass is a few array operations, and the rest of section 6 is needed
        only for the trials in which something happened. The constants cover section 6 exactly: `decay` is `leak`
        (off), `relax << 4` (on, not driven: a shift by 12 is one by 16 of the sixteenfold) or 0 (on and driven).
        """
        neurons = np.arange(self.neurons)
        x, on, l1, l2 = (state[trials] for state in (self.x, self.on, self.l1, self.l2))
        grounded = l2 & self.refractory[trials]  # T1
        t3 = np.zeros_like(on)
        active = self.active[trials] & driven_rows[trials, None] & clk
        gate = self.lia.l_g[trials] & mask[trials]
        fire = np.zeros_like(on)
        depression, growth, lift = self.depression[trials], self.growth[trials], self.words["lift_growth"][trials]
        level_on, level_off = self.level[trials], self.scalar["theta_off"][trials] << 4
        leak, relax = self.scalar["leak"][trials], self.scalar["relax"][trials] << 4
        top = self.scalar["x_max"][trials] << 4
        scaled = self.scaled.any()
        lifted, driven = np.empty_like(on), np.empty_like(on)
        decay, rise, ceiling, level = (np.empty_like(x) for _ in range(4))
        due = np.empty(trials.size, dtype=bool)  # latches or gates will move after the next pass

        def prepare(which: Ints | slice) -> None:
            is_on = on[which]
            lifted[which] = is_lifted = t3[which] & depression[which]
            driven[which] = is_driven = ~grounded[which] & (is_lifted | (gate[which] & active[which]))
            decay[which] = np.where(is_on, np.where(is_driven, 0, relax[which]), leak[which])
            rise[which] = np.where(is_driven, np.where(is_lifted, lift[which], growth[which]), 0)
            ceiling[which] = np.where(is_on & is_driven, top[which], X_TOP)
            level[which] = np.where(
                is_on, np.where(is_driven, 0, level_off[which]), np.where(is_driven, level_on[which], NEVER)
            )
            if clk:  # then L1 and T3 follow node 2
                node2 = is_on & is_driven
                due[which] = ((node2 != l1[which]) | (node2 != t3[which])).any(axis=1)
            else:
                due[which] = False

        def note_ceiling() -> None:
            self.at_ceiling[trials] |= (x == ceiling) & (ceiling != X_TOP)

        def settle(which: Ints) -> None:
            if clk:
                node2 = on[which] & driven[which]
                fire[which] |= node2 & ~l1[which]
                l1[which] = t3[which] = node2
            v_l = l1[which] | l2[which]
            changed = (v_l != self.lia.v_l[trials[which]]).any(axis=1)
            if changed.any():
                moved = which[changed]
                self.lia.evaluate(trials[moved], v_l[changed])
                gate[moved] = self.lia.l_g[trials[moved]] & mask[trials[moved]]
            prepare(which)

        prepare(slice(None))
        due |= ((l1 | l2) != self.lia.v_l[trials]).any(axis=1)  # L2 moved at the edge
        words = np.empty((trials.size, self.substeps, self.neurons), dtype=np.int64) if self.log else None
        loss, new = np.empty_like(x), np.empty_like(on)
        for substep in range(self.substeps):
            np.right_shift(x, 4, out=loss)
            loss *= decay
            loss += 1 << 15
            loss >>= 16
            x -= loss
            x += rise
            np.minimum(x, ceiling, out=x)
            np.greater_equal(x, level, out=new)
            if scaled:
                lifts[trials] += lifted
            due |= (new != on).any(axis=1)
            if due.any():
                self.saturated.count((x == X_TOP) & new & ~on, trials, "x")
                on, new = new, on
            if words is not None:
                node2 = on & driven
                flags = {"on": on, "node2": node2, "l1": node2 if clk else l1, "l2": l2}
                flags |= {"t1": grounded, "lifted": lifted, "gate": gate, "driven": driven}
                words[:, substep] = x | _pack(**flags)
            if due.any():
                note_ceiling()
                settle(np.flatnonzero(due))
        note_ceiling()
        self.x[trials], self.on[trials], self.l1[trials] = x, on, l1
        fired[trials] = fire
        if self.log and words is not None:
            self.log.put(trials, Log.SUBSTEP, np.tile(neurons, self.substeps), words.reshape(trials.size, -1))

    # Learning (section 7).

    def _learn(self, trials: Ints, events: Bools, driven: Bools, mask: Bools, fired: Bools, lifts: Ints) -> None:
        """Let the winner's synapses learn at the end of a high half-period."""
        gate = self.lia.l_g[trials] & mask[trials]
        depress = fired[trials] & gate & self.depression[trials]
        potentiate = gate & driven[trials, None]
        if not self.one_cycle:
            potentiate &= self.l2[trials]
        where, columns = np.nonzero(depress | potentiate)  # in the order of trials, then columns
        if not where.size:
            return
        who = trials[where]
        rows = events[who]
        up = potentiate[where, columns][:, None] & rows
        down = depress[where, columns][:, None] & ~rows
        scalar = self.scalar
        step = scalar["depression"][who]
        if self.scaled.any():
            scaled = self.saturated.clamp(step * lifts[who, columns][:, None], who, "depression")
            step = np.where(self.scaled[who], np.minimum(scaled, 1 << 15), step)
        c, g_min, g_max = self.conductance[who, columns], scalar["g_min"][who], scalar["g_max"][who]
        rise = round_shift((g_max - c) * scalar["potentiation"][who], 15)
        fall = round_shift((c - g_min) * step, 15)
        c = np.where(up & (c < g_max), c + rise, np.where(down & (c > g_min), c - fall, c))
        self.conductance[who, columns] = c
        self.stale[who] = True
        self._divide(who, columns)
        if self.log:
            for trial, column, synapses, touched in zip(who, columns, c, up | down, strict=True):
                which = np.flatnonzero(touched)
                self.log.put(trial[None], Log.CONDUCTANCE, column, (synapses[which] | which << 16)[None])
                self.log.put(trial[None], Log.RECIPROCAL, column, self.reciprocal[trial, column][None, None])

    # Thresholds (section 9).

    def _redraw(self, trials: Ints) -> None:
        """Draw every threshold of `trials`."""
        noise = self.random.noise(trials, self.neurons)
        theta = self.words["theta_mean"][trials] + round_shift(self.scalar["theta_sd"][trials] * noise, 8)
        self.saturated.count(theta > 65535, trials, "theta")
        self.theta[trials] = np.clip(theta, self.scalar["theta_off"][trials], 65535)
        self._set_level(trials)

    def _set_level(self, trials: Ints) -> None:
        """Keep the sum of the threshold and its adaptation, which every pass compares with."""
        total = self.theta[trials] + self.adapt[trials]
        self.level[trials] = self.saturated.clamp(total, trials, "threshold") << 4

    def _thresholds(self, redraw: Bools, decay: Bools, risen: Bools) -> None:
        """Decay and raise the adaptations, draw thresholds; `risen` are the neurons whose adaptation rises."""
        trials = np.flatnonzero(redraw | decay)
        adapt = self.adapt[trials]
        fallen = adapt - round_shift(adapt * self.scalar["adapt_leak"][trials], 16)
        adapt = np.where(decay[trials, None], fallen, adapt)
        adapt = adapt + np.where(risen[trials], self.scalar["adapt_step"][trials], 0)
        self.adapt[trials] = self.saturated.clamp(adapt, trials, "adapt")
        self._redraw(np.flatnonzero(redraw))
        self._set_level(np.flatnonzero(decay & ~redraw))
        self._put_thresholds(trials)

    def _put_thresholds(self, trials: Ints) -> None:
        if self.log:
            value = self.theta[trials] | self.adapt[trials] << 16
            self.log.put(trials, Log.THRESHOLD, np.arange(self.neurons), value)


FLAGS = ("on", "node2", "l1", "l2", "t1", "lifted", "gate", "driven")


def _pack(**flags: Bools) -> Ints:
    """Flags of a substep word, above the 20 bits of `x`."""
    return reduce(np.bitwise_or, (flag.astype(np.int64) << (20 + FLAGS.index(name)) for name, flag in flags.items()))
