"""Serial division: the one place where a reciprocal is made, off the fast path."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.fixed import saturate

__all__ = ["Divider"]


class Divider(wiring.Component):
    """Restoring divider, one quotient bit per clock: `quotient = sat(numerator // divisor, quotient_width)`.

    A divisor of zero gives the largest quotient. `done` comes `latency` = `numerator_width + 1` clocks after `start`,
    and the next `start` may come in the clock of `done`; a `start` while `busy` is ignored. One adder of
    `divisor_width + 1` bits. Source: docs/arithmetic.md, section 5.

    Parameters
    ----------
    numerator_width, divisor_width, quotient_width : int
        Widths of the words, at least one bit each, `quotient_width` at most `numerator_width`.

    Members
    -------
    start : In(1)
        Takes `numerator`.
    numerator : In(numerator_width)
        Dividend.
    divisor : In(divisor_width)
        Must hold from the clock after `start` until `done`.
    busy : Out(1)
        High from the clock after `start` to the clock before `done`.
    done : Out(1)
        Strobe: `quotient` is there.
    quotient : Out(quotient_width)
        Holds from `done` to the next `start`.
    """

    start: Signal
    numerator: Signal
    divisor: Signal
    busy: Signal
    done: Signal
    quotient: Signal

    def __init__(self, numerator_width: int, divisor_width: int, quotient_width: int = 16) -> None:
        widths = {
            "numerator_width": numerator_width,
            "divisor_width": divisor_width,
            "quotient_width": quotient_width,
        }
        for name, width in widths.items():
            if not isinstance(width, int) or width < 1:
                raise ValueError(f"{name} must be an integer of at least 1, not {width!r}")
        if quotient_width > numerator_width:
            raise ValueError(
                f"quotient_width must be at most numerator_width {numerator_width}, not {quotient_width!r}"
            )
        self.latency = numerator_width + 1
        super().__init__(
            {
                "start": In(1),
                "numerator": In(numerator_width),
                "divisor": In(divisor_width),
                "busy": Out(1),
                "done": Out(1),
                "quotient": Out(quotient_width),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the divider."""
        m = Module()
        # Numerator bits leave at the top while quotient bits enter at the bottom of the same register.
        word = Signal(len(self.numerator))
        rest = Signal(len(self.divisor))
        remaining = Signal(range(len(word) + 1))
        trial = Cat(word[-1], rest)
        difference = Signal(len(trial) + 1)
        fits = ~difference[-1]

        m.d.comb += [
            difference.eq(trial - self.divisor),
            self.busy.eq(remaining != 0),
            self.quotient.eq(saturate(word, len(self.quotient))),
        ]
        m.d.sync += self.done.eq(remaining == 1)
        with m.If(self.busy):
            m.d.sync += [
                rest.eq(Mux(fits, difference, trial)),
                word.eq(Cat(fits, word)),
                remaining.eq(remaining - 1),
            ]
        with m.Elif(self.start):
            m.d.sync += [rest.eq(0), word.eq(self.numerator), remaining.eq(len(word))]
        return m
