"""Threshold-switching memristor: high resistance until its voltage passes a threshold, then low until it is gone."""

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.delay_line import delayed
from memtwin.hdl.opamp.logarithm import COEFFICIENT_LOG, LOG, clip_to_log, log_word

__all__ = ["COURSE", "TsMemristor"]

COURSE = signed(17)  # octaves below the high resistance, 12 fraction bits


class TsMemristor(wiring.Component):
    """Datapath of one substep of a threshold-switching memristor, one device after the next.

    Its resistance is ``rt = saturate(r_off - 2 * min(max(s, 0), swing))``. Its course `s` moves by `rise` while it is
    on and by `fall` while it is off, and turns at its ends:

    - off, ``s <= 0``: if ``voltage > v_th`` it sets, ``s = rise + round_shift(-s * rise_per_fall, 8)``, else ``s = 0``;
    - on, ``s >= swing``: if ``voltage < v_hold`` it resets,
      ``s = swing - fall - round_shift((s - swing) * fall_per_rise, 8)``, else ``s = swing``.

    ``r_off``, ``v_th`` and ``v_hold`` are the log words of the coefficients. The coefficients must keep `s` within its
    17 bits; those do of which ``swing + rise`` and `fall` are below 2**16, and the ratios those of `rise` and `fall`.

    Latency: `resistance_latency` clocks from `s` and `on` to `rt`, `latency` to the results. Throughput: one device per
    clock. One SB_MAC16.

    Parameters
    ----------
    voltage_delay : int
        Clocks from `s` to the voltage of the same device, at least 4.
    latency : int
        Clocks from `s` to the results, at least ``voltage_delay + 2``.

    Members
    -------
    s : In(signed(17))
        Course: octaves below the high resistance, 12 fraction bits.
    on : In(1)
        The device is on: from set to reset.
    v_th_log : In(16)
        Threshold voltage, presented with `s`.
    voltage : In(18)
        Voltage across the device whose `s` was presented `voltage_delay` clocks ago, log word.
    r_off_log, v_hold_log : In(16)
        High resistance, hold voltage.
    swing, rise, fall : In(16)
        Octaves between the two resistances, and per substep while on and off, UQ(4, 12).
    rise_per_fall, fall_per_rise : In(16)
        Ratios of these, UQ(8, 8). All coefficients but `v_th_log` are stable.
    rt : Out(18)
        Resistance, log word.
    o_s : Out(signed(17))
        New course.
    o_on : Out(1)
        The device is on now.
    o_set : Out(1)
        It was off.

    Source: us12387090, Figs. 3 and 4; docs/opamp-arithmetic.md, section 6.
    """

    resistance_latency = 2

    def __init__(self, voltage_delay: int, latency: int) -> None:
        check_integer("voltage_delay", voltage_delay, 4)
        check_integer("latency", latency, voltage_delay + 2)
        self.voltage_delay = voltage_delay
        self.latency = latency
        super().__init__(
            {
                "s": In(COURSE),
                "on": In(1),
                "v_th_log": In(COEFFICIENT_LOG),
                "voltage": In(LOG),
                "r_off_log": In(COEFFICIENT_LOG),
                "v_hold_log": In(COEFFICIENT_LOG),
                "swing": In(16),
                "rise": In(16),
                "fall": In(16),
                "rise_per_fall": In(16),
                "fall_per_rise": In(16),
                "rt": Out(LOG),
                "o_s": Out(COURSE),
                "o_on": Out(1),
                "o_set": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the resistance, both ways the course can go, and the choice."""
        m = Module()

        # Resistance.
        clamped = Signal(16)
        m.d.sync += clamped.eq(Mux(self.s < 0, 0, Mux(self.s < self.swing, self.s, self.swing)))
        clip_to_log(m, self.rt, log_word(self.r_off_log) - Cat(Const(0, 1), clamped))

        # How far the course is beyond the end that it moves to; negative if it is not there yet.
        beyond = Signal(signed(18))
        on_1 = Signal()
        s_1 = Signal(COURSE)
        m.d.sync += [
            beyond.eq(Mux(self.on, self.s, 0) - Mux(self.on, self.swing, self.s)),
            on_1.eq(self.on),
            s_1.eq(self.s),
        ]

        # Where the next step starts, and its direction, if the device turns at an end. The product is 0 elsewhere. Only
        # registers without a reset fit into the SB_MAC16.
        at_end = ~beyond[-1]
        start = Signal(COURSE)
        up = Signal()
        turn_a = Signal(16, reset_less=True)
        turn_b = Signal(16, reset_less=True)
        m.d.sync += [
            start.eq(Mux(at_end, Mux(on_1, self.swing, 0), s_1)),
            up.eq(on_1 ^ at_end),
            turn_a.eq(Mux(at_end, beyond[:16], 0)),
            turn_b.eq(Mux(on_1, self.fall_per_rise, self.rise_per_fall)),
        ]

        # One step; then what is left of the time after the turn, rounded by its half bit, which is the carry.
        stepped = Signal(COURSE)
        up_1 = Signal()
        turned = Signal(32, reset_less=True)
        ahead = Signal(COURSE)
        half, whole = turned[7], turned[8:25]
        m.d.sync += [
            turned.eq(turn_a * turn_b),
            stepped.eq((Cat(Const(1, 1), start) + Cat(~up, Mux(up, self.rise, ~self.fall), ~up))[1:]),
            up_1.eq(up),
            ahead.eq((Cat(Const(1, 1), stepped) + Cat(half ^ ~up_1, whole ^ (~up_1).replicate(17)))[1:]),
        ]

        # Comparison. A threshold is passed where `voltage >= v_th + 1`, so that one comparison serves both.
        (v_th,) = delayed(m, "v_th", 1, self.v_th_log)
        bound, was_on = delayed(m, "bound", self.voltage_delay - 1, Mux(on_1, self.v_hold_log, v_th), on_1)
        passed = Signal()
        m.d.sync += passed.eq((self.voltage < Cat(~was_on, Const(0, 1), bound)) == was_on)

        # Choice.
        (hit,) = delayed(m, "hit", self.latency - 1 - (self.voltage_delay + 1), passed)
        (course,) = delayed(m, "course", self.latency - 1 - 4, ahead)
        was_on, ended = delayed(m, "end", self.latency - 1 - 1, on_1, at_end)
        m.d.sync += [
            self.o_s.eq(course),
            self.o_on.eq(was_on ^ (ended & hit)),
            self.o_set.eq(ended & hit & ~was_on),
        ]
        with m.If(ended & ~hit):
            m.d.sync += self.o_s.eq(Mux(was_on, self.swing, 0))
        return m
