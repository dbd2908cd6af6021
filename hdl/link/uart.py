"""A UART with 8 data bits, no parity and one stop bit, whose bit time can be changed while it runs."""

from amaranth.hdl import Cat, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["UartReceiver", "UartTransmitter"]

DIVIDER_BITS = 16


def _down(left: Signal, counting: Value, load: Value) -> Value:
    """Next value of a counter: one less while `counting`, else `load`.

    The number that is added is `counting` itself, -1 or 0, so that the iCE40 takes one cell for each bit: an adder's
    cell has one input left, for `load`.
    """
    return Mux(counting, left + counting.replicate(len(left)), load)


class UartReceiver(wiring.Component):
    """Receiver of bytes, least significant bit first.

    A bit is sampled in its middle, ``divider // 2`` clocks after the first clock in which its start bit is seen and
    every `divider` clocks from there. A start bit that is gone in its middle is ignored. After a byte without a stop
    bit the receiver waits until the line is high.

    Latency: `o` is valid ``9 * divider + divider // 2 + 3`` clocks after the start bit begins at `rx`, two clocks of
    them in the synchroniser. Throughput: one byte per 9.5 bit times, so that a sender may be up to 5 % faster.

    Parameters
    ----------
    divider_bits : int
        Width of `divider`.

    Members
    -------
    rx : In(1)
        The line, of any clock; synchronised here.
    divider : In(divider_bits)
        Clocks of a bit, at least 4. Must hold while a byte comes in.
    busy : Out(1)
        A byte comes in, or what may become one.
    o : Out(stream.Signature(8, always_ready=True))
        Bytes, each for one clock; the payload holds for at least two clocks more.
    framing_error : Out(1)
        Strobe in the place of a byte: there was no stop bit.

    Source: docs/link.md, section 1.
    """

    def __init__(self, divider_bits: int = DIVIDER_BITS) -> None:
        super().__init__(
            {
                "rx": In(1, init=1),
                "divider": In(divider_bits, init=4),
                "o": Out(stream.Signature(8, always_ready=True)),
                "framing_error": Out(1),
                "busy": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the counter of half bits and the shift register."""
        m = Module()
        rx = Signal(init=1)
        m.submodules.synchroniser = FFSynchronizer(self.rx, rx, init=1)

        # Half bits are counted, from `divider // 2` down to 1; the half before a middle is one clock longer, down to 0,
        # where `divider` is odd. All but the first half of a start bit, which begins with its edge, come in pairs.
        half = self.divider[1:]
        left = Signal(len(half))
        is_first = Signal()
        is_end = Signal()
        counting = Signal()
        middle = Signal()
        m.d.comb += [
            is_end.eq((left[1:] == 0) & (left[0] != (is_first & self.divider[0]))),
            middle.eq(is_end & ~is_first),
        ]
        m.d.sync += left.eq(_down(left, counting, half))
        with m.If(is_end):
            m.d.sync += is_first.eq(~is_first)

        # A one goes ahead of the data bits; when it has come to the other end, the next bit is the stop bit.
        word = Signal(9)
        m.d.comb += self.o.payload.eq(word[1:])
        m.d.sync += [self.o.valid.eq(0), self.framing_error.eq(0)]
        with m.FSM(name="receiver") as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("idle"))
            with m.State("idle"):
                m.d.sync += is_first.eq(0)
                with m.If(~rx):
                    m.next = "start"
            with m.State("start"):
                m.d.comb += counting.eq(~is_end)
                m.d.sync += word.eq(1 << 8)
                with m.If(middle & rx):
                    m.next = "idle"
                with m.Elif(middle):
                    m.next = "bits"
            with m.State("bits"):
                m.d.comb += counting.eq(~is_end)
                with m.If(middle & ~word[0]):
                    m.d.sync += word.eq(Cat(word[1:], rx))
                with m.Elif(middle):
                    m.d.sync += [self.o.valid.eq(rx), self.framing_error.eq(~rx)]
                    m.next = "break"
            with m.State("break"), m.If(rx):
                m.next = "idle"
        return m


class UartTransmitter(wiring.Component):
    """Transmitter of bytes, least significant bit first.

    Latency: the start bit begins in the clock after a byte is taken. Throughput: one byte per ``10 * divider`` clocks,
    without a gap between bytes if the next one is there in the last clock of a stop bit.

    Parameters
    ----------
    divider_bits : int
        Width of `divider`.

    Members
    -------
    i : In(stream.Signature(8))
        Bytes.
    divider : In(divider_bits)
        Clocks of a bit, at least 4. Must hold while a byte goes out.
    tx : Out(1, init=1)
        The line.
    idle : Out(1)
        No byte goes out, and none is offered.

    Source: docs/link.md, section 1.
    """

    def __init__(self, divider_bits: int = DIVIDER_BITS) -> None:
        self._divider_bits = divider_bits
        super().__init__(
            {
                "i": In(stream.Signature(8)),
                "divider": In(divider_bits, init=4),
                "tx": Out(1, init=1),
                "idle": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the counter and the shift register."""
        m = Module()
        left = Signal(self._divider_bits, init=1)  # clocks of this bit; stays at 1 between bytes
        is_end = left == 1
        counting = ~is_end
        # What is still to be sent. The last one is the stop bit, so the register is empty while that goes out.
        word = Signal(9)

        m.d.comb += [
            self.i.ready.eq(is_end & (word == 0)),
            self.idle.eq(self.i.ready & ~self.i.valid),
        ]
        with m.If(~self.idle):
            m.d.sync += left.eq(_down(left, counting, self.divider))
        with m.If(self.i.ready & self.i.valid):
            m.d.sync += [word.eq(Cat(self.i.payload, 1)), self.tx.eq(0)]
        with m.Elif(is_end):  # between bytes this keeps the line high
            m.d.sync += [word.eq(word[1:]), self.tx.eq(word[0] | self.i.ready)]
        return m
