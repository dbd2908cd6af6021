"""Human time: debounced buttons, flashes that an eye can see, and the ticks of the circuit's own time."""

from math import gcd

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = ["AnalogPin", "Button", "Flash", "Sampler", "SelfPress", "Ticker"]


class Ticker(wiring.Component):
    """One-clock ticks of a given rate, exact on average.

    Two ticks are `clock_hz / rate_hz` clocks apart, rounded up or down so that no time is lost.

    Parameters
    ----------
    clock_hz, rate_hz : int
        Frequency of the clock, and of the ticks.

    Members
    -------
    tick : Out(1)
        Strobe.
    """

    def __init__(self, clock_hz: int, rate_hz: int) -> None:
        for name, value in {"clock_hz": clock_hz, "rate_hz": rate_hz}.items():
            if isinstance(value, bool) or not isinstance(value, int):
                raise TypeError(f"{name} must be an integer, not {value!r}")
        if not 1 <= rate_hz <= clock_hz // 2:
            raise ValueError(f"rate_hz must be in 1..{clock_hz // 2} (half of clock_hz), not {rate_hz!r}")
        common = gcd(clock_hz, rate_hz)
        self.step = rate_hz // common
        self.whole = clock_hz // common
        super().__init__({"tick": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Build the accumulator."""
        m = Module()
        phase = Signal(range(self.whole))
        rising = Signal()
        m.d.comb += rising.eq(phase >= self.whole - self.step)
        m.d.sync += self.tick.eq(rising)
        with m.If(rising):
            m.d.sync += phase.eq(phase - (self.whole - self.step))
        with m.Else():
            m.d.sync += phase.eq(phase + self.step)
        return m


class Sampler(wiring.Component):
    """Divides ticks by a power of two, for what happens at the pace of a hand.

    Parameters
    ----------
    bits : int
        One tick in ``2**bits`` is passed on, the last.

    Members
    -------
    tick : In(1)
        Fast ticks.
    sample : Out(1)
        Slow ticks, one clock after the fast one.
    """

    def __init__(self, bits: int) -> None:
        if isinstance(bits, bool) or not isinstance(bits, int) or bits < 1:
            raise ValueError(f"bits must be an integer of at least 1, not {bits!r}")
        self.bits = bits
        super().__init__({"tick": In(1), "sample": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Build the counter."""
        m = Module()
        count = Signal(self.bits)
        m.d.sync += Cat(count, self.sample).eq(count + self.tick)
        return m


class Button(wiring.Component):
    """A button, synchronised and debounced: its level is looked at only every few milliseconds.

    Latency: up to two `sample` ticks.

    Members
    -------
    raw : In(1)
        Level of the pin, from outside the clock domain.
    sample : In(1)
        Tick, longer apart than contacts bounce.
    down : Out(1)
        The button is down.
    pressed : Out(1)
        Strobe: it has gone down.
    """

    def __init__(self) -> None:
        super().__init__({"raw": In(1), "sample": In(1), "down": Out(1), "pressed": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Build the sampler."""
        m = Module()
        level = Signal()
        m.submodules.synchroniser = FFSynchronizer(self.raw, level)
        with m.If(self.sample):
            m.d.sync += self.down.eq(level)
        m.d.sync += self.pressed.eq(self.sample & level & ~self.down)
        return m


class SelfPress(wiring.Component):
    """Stands in for a button that a board lacks: every 4 to 8 seconds it is down for half a second to a second.

    Parameters
    ----------
    clock_hz : int
        Frequency of the clock.

    Members
    -------
    raw : Out(1)
        As from the pin of a button. It is up after reset.
    """

    def __init__(self, clock_hz: int) -> None:
        if isinstance(clock_hz, bool) or not isinstance(clock_hz, int) or clock_hz < 1:
            raise ValueError(f"clock_hz must be an integer of at least 1, not {clock_hz!r}")
        self.bits = ceil_log2(4 * clock_hz)
        super().__init__({"raw": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Build the counter."""
        m = Module()
        count = Signal(self.bits)
        m.d.sync += [count.eq(count + 1), self.raw.eq(count[-3:].all())]
        return m


class Flash(wiring.Component):
    """Makes strobes visible: lit from a strobe on for at least one whole `sample` interval.

    Members
    -------
    strobe : In(1)
        What to show.
    sample : In(1)
        Tick, a few milliseconds apart.
    lit : Out(1)
        To the LED.
    """

    def __init__(self) -> None:
        super().__init__({"strobe": In(1), "sample": In(1), "lit": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Build the two flags."""
        m = Module()
        recent = Signal()
        with m.If(self.sample):
            m.d.sync += [recent.eq(0), self.lit.eq(recent)]
        with m.If(self.strobe):
            m.d.sync += [recent.eq(1), self.lit.eq(1)]
        return m


class AnalogPin(wiring.Component):
    """A word as the duty of a pin: first-order sigma-delta, to be smoothed with a resistor and a capacitor.

    The mean of `pin` is ``value / 2**width``; with 1 kOhm and 10 nF a scope shows it with 10 us of delay.

    Parameters
    ----------
    width : int
        Bits of the value.

    Members
    -------
    value : In(width)
        Word.
    pin : Out(1)
        To the pin.
    """

    def __init__(self, width: int) -> None:
        if isinstance(width, bool) or not isinstance(width, int) or width < 1:
            raise ValueError(f"width must be an integer of at least 1, not {width!r}")
        self.width = width
        super().__init__({"value": In(width), "pin": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Build the accumulator."""
        m = Module()
        error = Signal(self.width)
        m.d.sync += Cat(error, self.pin).eq(error + self.value)
        return m
