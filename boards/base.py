"""What every self-contained design shows on a board: two buttons, LEDs, and a scope header."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.boards.content import BoardContent
from memtwin.boards.panel import Button, Flash, Sampler, Ticker

__all__ = ["ANALOG_BITS", "SAMPLE_BITS", "SCOPE_PINS", "WINNER_BITS", "BoardDemo"]

SCOPE_PINS = 8
WINNER_BITS = 4
SAMPLE_BITS = 9  # buttons and flashes: every 512 substeps, 8 ms in the circuit's time of zhang2021, 5 ms in us12387090
ANALOG_BITS = 12


class BoardDemo(wiring.Component):
    """What every design has in common: two buttons, LEDs, and a scope header.

    Parameters
    ----------
    content : BoardContent
        Structure and coefficients.
    clock_hz : int
        Clock that the design runs at, which the circuit's own time is derived from.
    sample_bits : int
        Buttons are looked at every ``2**sample_bits`` substeps of the circuit's time.

    Attributes
    ----------
    signals : sequence of str
        Names of the scope signals, from pin 0 on.

    Members
    -------
    button, button2 : In(1)
        Buttons, from outside the clock domain; high while down.
    winner : Out(4)
        LEDs of the answer.
    training : Out(1)
        LED: see the design.
    spike : Out(1)
        LED: lit for an eye's blink by every spike.
    scope : Out(8)
        Signals of one neuron, registered so that no pin glitches.
    """

    signals: Sequence[str]

    @staticmethod
    def shows(job: Any) -> dict[str, Any]:
        """Return the fields of `BoardContent` that say what is shown: trial 0 of a job. By default there are none."""
        return {}

    def __init__(self, content: BoardContent, clock_hz: int, sample_bits: int = SAMPLE_BITS) -> None:
        self.content = content
        self._ticker = Ticker(clock_hz, content.substep_hz)
        self._sampler = Sampler(sample_bits)
        super().__init__(
            {
                "button": In(1),
                "button2": In(1),
                "winner": Out(WINNER_BITS),
                "training": Out(1),
                "spike": Out(1),
                "scope": Out(SCOPE_PINS),
            }
        )

    def _panel(self, m: Module) -> tuple[Signal, Button, Button, Signal]:
        """Build what every design needs: tick of the circuit's time, two buttons, strobe of the spike LED."""
        m.submodules.ticker = ticker = self._ticker
        m.submodules.sampler = sampler = self._sampler
        m.submodules.first_button = button = Button()
        m.submodules.second_button = button2 = Button()
        m.submodules.flash = flash = Flash()
        m.d.comb += [
            sampler.tick.eq(ticker.tick),
            *(part.sample.eq(sampler.sample) for part in (button, button2, flash)),
            button.raw.eq(self.button),
            button2.raw.eq(self.button2),
            self.spike.eq(flash.lit),
        ]
        return ticker.tick, button, button2, flash.strobe
