"""Random numbers: xorshift32 and a bell curve."""

from amaranth.hdl import Module, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Xorshift32"]


class Xorshift32(wiring.Component):
    """Generator of 32-bit random numbers, and the noise that is read from each.

    A step is ``s ^= s << 13; s ^= s >> 17; s ^= s << 5``, of period ``2**32 - 1`` for every seed but 0 (which
    stays 0). `noise` is the sum of the four bytes of the state minus 510: -510 .. 510, sd 147.80, close to normal.

    Latency: `state` follows `load`, `restore` and `step` after one clock, `noise` one clock after `state`.
    Throughput: one number per clock.

    Members
    -------
    load : In(1)
        Take `seed`; wins over the others.
    seed : In(32)
        State after `load`.
    restore : In(2)
        Take `word` as the low half (bit 0) or the high half (bit 1) of the state; not with `step`.
    word : In(16)
        Half of a state.
    step : In(1)
        Take the next random number.
    state : Out(32)
        The random number.
    noise : Out(signed(11))
        Noise of the state one clock ago (a register).

    Source: G. Marsaglia, "Xorshift RNGs", J. Stat. Softw. 8 (14), 2003; docs/arithmetic.md, section 2.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "load": In(1),
                "seed": In(32),
                "restore": In(2),
                "word": In(16),
                "step": In(1),
                "state": Out(32, init=1),
                "noise": Out(signed(11), init=-509),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the generator."""
        m = Module()
        s13 = Signal(32)
        s17 = Signal(32)
        s5 = Signal(32)
        m.d.comb += [
            s13.eq(self.state ^ (self.state << 13)),
            s17.eq(s13 ^ (s13 >> 17)),
            s5.eq(s17 ^ (s17 << 5)),
        ]
        with m.If(self.load):
            m.d.sync += self.state.eq(self.seed)
        with m.Elif(self.step):
            m.d.sync += self.state.eq(s5)
        for half in range(2):
            with m.If(self.restore[half] & ~self.load):
                m.d.sync += self.state.word_select(half, 16).eq(self.word)

        # 510 minus two bytes is the sum of their complements.
        low = self.state[0:8] + self.state[8:16]
        high = ~self.state[16:24] + ~self.state[24:32]
        m.d.sync += self.noise.eq(low - high)
        return m
