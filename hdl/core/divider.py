"""Serial division: the one place where a reciprocal is made, off the fast path."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Divider"]


class Divider(wiring.Component):
    """Restoring divider, one quotient bit per clock, rounded to the nearest with halves up.

    `quotient = sat(((numerator << fraction) + (divisor >> 1)) // divisor, width)`: the long division goes one bit
    beyond the last one, and that bit rounds. A divisor of zero gives the largest quotient.

    `done` comes `latency` = `width + fraction + 2` clocks after `start`, and the next `start` may come in the clock of
    `done`; a `start` while `busy` is ignored. One adder of `divisor_width + 1` bits. Source: docs/arithmetic.md,
    section 5.

    Parameters
    ----------
    width : int
        Width of numerator and quotient, at least one bit.
    fraction : int
        Fraction bits of the quotient.
    divisor_width : int
        Width of the divisor, at least one bit.

    Members
    -------
    start : In(1)
        Takes `numerator`.
    numerator : In(width)
        Dividend.
    divisor : In(divisor_width)
        Must hold from the clock after `start` until `done`.
    busy : Out(1)
        High from the clock after `start` to the clock before `done`.
    done : Out(1)
        Strobe: `quotient` is there.
    quotient : Out(width)
        Holds from `done` to the next `start`.
    """

    def __init__(self, width: int, fraction: int, divisor_width: int) -> None:
        for name, value, least in (
            ("width", width, 1),
            ("fraction", fraction, 0),
            ("divisor_width", divisor_width, 1),
        ):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, not {value!r}")
        self.fraction = fraction
        self.latency = width + fraction + 2
        super().__init__(
            {
                "start": In(1),
                "numerator": In(width),
                "divisor": In(divisor_width),
                "busy": Out(1),
                "done": Out(1),
                "quotient": Out(width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the divider."""
        m = Module()
        # Numerator bits leave at the top while quotient bits enter at the bottom of the same register; when they have
        # all left, what follows them are leading bits of a quotient that is too long.
        word = Signal(len(self.numerator))
        overflow = Signal()
        half = Signal()
        # The rest is kept inverted, because a subtractor of two registers takes a second cell per bit to invert one:
        # `trial - divisor` is the complement of `~trial + divisor`, which has no carry where the divisor fits.
        rest = Signal(len(self.divisor), reset_less=True)
        remaining = Signal(range(self.latency))
        fraction_bits = Signal()
        trial = Cat(~(word[-1] & ~fraction_bits), rest)
        difference = Signal(len(trial) + 1)
        fits = ~difference[-1]
        rounded = word + half

        m.d.comb += [
            difference.eq(trial + self.divisor),
            self.busy.eq(remaining != 0),
            self.quotient.eq(Mux(overflow | rounded[-1], -1, rounded)),
        ]
        m.d.sync += self.done.eq(remaining == 1)
        with m.If(self.busy):
            m.d.sync += [rest.eq(Mux(fits, difference, trial)), remaining.eq(remaining - 1), half.eq(fits)]
            with m.If(remaining == self.fraction + 2):
                m.d.sync += fraction_bits.eq(1)
            with m.If(remaining != 1):
                m.d.sync += [word.eq(Cat(fits, word)), overflow.eq(overflow | (word[-1] & fraction_bits))]
        with m.Elif(self.start):
            m.d.sync += [
                word.eq(self.numerator),
                overflow.eq(0),
                half.eq(0),
                rest.eq(-1),
                fraction_bits.eq(0),
                remaining.eq(self.latency - 1),
            ]
        return m
