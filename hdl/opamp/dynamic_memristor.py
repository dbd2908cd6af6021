"""Dynamic memristors: one substep of resistances that grow smaller with the voltage and recover by themselves."""

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.delay_line import delayed, stages
from memtwin.hdl.core.fixed import UQ
from memtwin.hdl.opamp.logarithm import COEFFICIENT_LOG, LOG, Exp2, clip_to_log, log_word

__all__ = ["EXPONENT", "STATE", "DynamicMemristors"]

STATE = UQ(5, 22)  # octaves below the initial resistance
EXPONENT = UQ(4, 12)  # of the growth law


class DynamicMemristors(wiring.Component):
    """Datapath of one substep of the dynamic memristors of a neuron, one neuron after the next.

    The resistance is ``rm = saturate(r0 - round_shift(u, 9))``. With ``e = voltage - v_floor``::

        q = round_shift(min(abs(e), 65535) * exponent, 12)
        a = growth + q if e >= 0 else growth - q
        g = 0 if a < 0 or e <= -65536 else 2**23 - 1 if a >= 23 << 13 else EXP2(a)
        u = min(u - round_shift((u >> 11) * leak, 9) + g, span << 11)

    where ``r0``, ``v_floor`` and ``growth`` are the log words of the coefficients.

    Two memristors take turns, clock by clock, in everything but the resistances, because a second growth law would
    be as large as the rest of a neuron.

    Latency: `resistance_latency` clocks from `u` to `rm`, `latency` to `o_u`, which is `growth_latency` after the
    voltage. Throughput: one neuron per clock. With two memristors a neuron must be presented for two clocks or more;
    then `o_u` of both are valid from the second clock on, until the last. Two SB_MAC16.

    Parameters
    ----------
    places : sequence of str
        One or two names, ``"first"`` and ``"second"``.
    voltage_delay : int
        Clocks from `u` to the voltage of the same device, at least 0.

    Members
    -------
    u_<place> : In(27)
        State, UQ(5, 22) octaves.
    r0_<place>_log : In(16)
        Initial resistance, presented with `u`.
    voltage_<place> : In(18)
        Voltage across the device whose `u` was presented `voltage_delay` clocks ago, log word.
    exponent_<place> : In(16)
        Exponent of the growth law, UQ(4, 12).
    v_floor_<place>_log, growth_<place>_log : In(16)
        Voltage that holds the device at its floor, and growth at that voltage.
    leak_<place> : In(16)
        Part of `u` that recovers in one substep, UQ(-4, 20).
    span_<place> : In(16)
        Largest `u`, UQ(5, 11). All coefficients but ``r0_<place>_log`` are stable.
    rm_<place> : Out(18)
        Resistance, log word.
    o_u_<place> : Out(27)
        New state.

    Source: us12387090, Figs. 5 to 7; docs/opamp-arithmetic.md, section 6.
    """

    resistance_latency = 2
    growth_latency = 9

    def __init__(self, places: Sequence[str], voltage_delay: int) -> None:
        if tuple(places) not in (("first",), ("second",), ("first", "second")):
            raise ValueError(f"places must be 'first', 'second' or both, not {places!r}")
        check_integer("voltage_delay", voltage_delay, 0)
        self.places = tuple(places)
        self.latency = voltage_delay + self.growth_latency
        super().__init__(
            {
                pattern.format(place): member
                for place in places
                for pattern, member in {
                    "u_{}": In(STATE),
                    "r0_{}_log": In(COEFFICIENT_LOG),
                    "voltage_{}": In(LOG),
                    "exponent_{}": In(EXPONENT),
                    "v_floor_{}_log": In(COEFFICIENT_LOG),
                    "growth_{}_log": In(COEFFICIENT_LOG),
                    "leak_{}": In(16),
                    "span_{}": In(16),
                    "rm_{}": Out(LOG),
                    "o_u_{}": Out(STATE),
                }.items()
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build resistances, leak and growth."""
        m = Module()
        voltage_at = self.latency - self.growth_latency
        turn = Signal()  # whose turn it is where `u` is presented
        m.d.sync += turn.eq(~turn)

        def of_turn(pattern: str, clock: int) -> Value:
            """Input of the memristor whose turn it is, `clock` clocks after its `u` was presented."""
            words = [getattr(self, pattern.format(place)) for place in self.places]
            return Mux(turn ^ clock % 2, words[1], words[0]) if len(words) == 2 else words[0]

        # Resistances. The half bit of the rounding is the borrow of the subtraction, here and below.
        for place in self.places:
            r0 = log_word(getattr(self, f"r0_{place}_log"))
            resistance = Signal(signed(19), name=f"resistance_{place}", reset_less=True)
            m.d.sync += resistance.eq((Cat(Const(0, 1), r0) - getattr(self, f"u_{place}")[8:]) >> 1)
            clip_to_log(m, getattr(self, f"rm_{place}"), resistance)

        # Leak. Only registers without a reset fit into the SB_MAC16.
        leak_a = Signal(16, reset_less=True)
        leak_b = Signal(16, reset_less=True)
        leaked = Signal(32, reset_less=True)
        u = of_turn("u_{}", 0)
        u_1 = Signal(STATE, reset_less=True)
        u_2 = Signal(STATE, reset_less=True)
        left = Signal(STATE, reset_less=True)
        m.d.sync += [
            leak_a.eq(u[11:]),
            leak_b.eq(of_turn("leak_{}", 0)),
            leaked.eq(leak_a * leak_b),
            u_1.eq(u),
            u_2.eq(u_1),
            left.eq((Cat(Const(0, 1), u_2) - leaked[8:]) >> 1),
        ]
        # Until the sum, two clocks before the end.
        (rest,) = delayed(m, "rest", self.latency - 2 - 3, left)

        # Growth: excess of the voltage, times the exponent, beyond the growth at the floor.
        voltage = of_turn("voltage_{}", voltage_at)
        floor = log_word(of_turn("v_floor_{}_log", voltage_at))
        above = voltage - floor
        is_below = stages(m, "is_below", 2, above[-1])
        distance = Mux(is_below[0], (floor - voltage)[:18], above[:18])
        beyond = distance[16:].any()
        tiny = stages(m, "tiny", 2, is_below[0] & beyond)
        power_a = Signal(16, reset_less=True)
        power_b = Signal(16, reset_less=True)
        power = Signal(32, reset_less=True)
        m.d.sync += [
            power_a.eq(distance[:16] | beyond.replicate(16)),
            power_b.eq(of_turn("exponent_{}", voltage_at)),
            power.eq(power_a * power_b),
        ]
        # Sum or difference: the complement with a carry, which is that of the rounding, complemented as well.
        sign = is_below[2]
        half, whole = power[11], power[12:]
        carry = Cat(half ^ sign, whole ^ sign.replicate(20), sign).as_signed()
        at_floor = log_word(of_turn("growth_{}_log", voltage_at + 2))
        exponent = Signal(signed(22))
        none = Signal()
        m.d.sync += [
            exponent.eq((Cat(Const(1, 1), at_floor, Const(0, 1)).as_signed() + carry) >> 1),
            none.eq(tiny[2]),
        ]

        m.submodules.exp2 = exp2 = Exp2(23)
        growth = Signal(23)
        m.d.comb += [
            exp2.i.eq(exponent),
            exp2.zero.eq(none | exponent[-1]),
            exp2.full.eq(exponent >= 23 << 13),
            growth.eq(exp2.o),
        ]

        # Sum and its bound. The sum may carry out. At the bound itself both are the same, so that the low bits need not
        # be compared.
        total = Signal(28, reset_less=True)
        m.d.sync += total.eq(rest + growth)
        span = of_turn("span_{}", self.latency - 1)
        limited = total[11:] >= span
        for number, place in enumerate(self.places):
            o_u = getattr(self, f"o_u_{place}")
            mine = (turn ^ (self.latency - 1) % 2 ^ number ^ 1) if len(self.places) == 2 else Const(1)
            with m.If(mine):
                m.d.sync += o_u.eq(Mux(limited, Cat(Const(0, 11), span), total))
        return m
