"""Growth of the filament as a function of the voltage at node 1: an interpolated table and the device's own gain."""

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.cells import table
from memtwin.hdl.core.config import ConfigBus, MemoryMap
from memtwin.hdl.core.delay_line import stages
from memtwin.hdl.core.fixed import GAIN, GROWTH, VOLT, round_shift, saturate

__all__ = ["GrowthTable"]


class GrowthTable(wiring.Component):
    """Growth per substep: a table over the voltage with linear interpolation, times the gain of the device.

    With ``i = voltage >> 9`` and ``f = voltage & 511``::

        g      = saturate(growth_base[i] + round_shift(growth_slope[i] * f, 9))
        growth = saturate(round_shift(g * gain, 15))

    Latency: `latency` clocks from `valid` to `o_valid`. Throughput: one voltage per clock. One SB_MAC16 for the gain;
    the product with the slope is made by a borrowed multiplier (see `TsDevice`). Two block RAMs.

    Parameters
    ----------
    memory_map : MemoryMap
        Map in which the tables claim ``growth_base`` and ``growth_slope``, 128 words each.
    prefix : str
        Prefix of the names, such as ``"layer1."``.

    Members
    -------
    config : In(ConfigBus())
        Writes of the tables, while no voltage is in flight.
    valid : In(1)
        A voltage is presented.
    voltage : In(16)
        Voltage at node 1, UQ(2, 14) V.
    gain : In(16)
        Gain of the device whose voltage was presented `gain_delay` clocks ago, UQ(1, 15).
    o_valid : Out(1)
        The result is valid.
    growth : Out(16)
        Growth of the filament in one substep, UQ(-2, 18).
    m_a, m_b : Out(16)
        Factors for the borrowed multiplier; zero when no voltage is at this stage.
    m_product : In(32)
        Product of the factors of two clocks earlier.

    Source: docs/arithmetic.md, section 5.
    """

    latency = 6
    gain_delay = 4

    def __init__(self, memory_map: MemoryMap, prefix: str) -> None:
        self._base = memory_map.claim(prefix + "growth_base", 128)
        self._slope = memory_map.claim(prefix + "growth_slope", 128)
        super().__init__(
            {
                "config": In(ConfigBus()),
                "valid": In(1),
                "voltage": In(VOLT),
                "gain": In(GAIN),
                "o_valid": Out(1),
                "growth": Out(GROWTH),
                "m_a": Out(16),
                "m_b": Out(16),
                "m_product": In(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the tables and the pipeline."""
        m = Module()
        read_base = table(m, "base", self._base, self.config, GROWTH)
        read_slope = table(m, "slope", self._slope, self.config, GROWTH)

        valid = Signal(self.latency)
        index = stages(m, "index", 2, self.voltage[9:])
        fraction = Signal(9)
        # Words need no reset, `valid` has one; and only registers without one fit into the SB_MAC16.
        m.d.sync += [valid.eq(Cat(self.valid, valid)), fraction.eq(self.voltage[:9])]

        # The base is read two clocks after the slope, when the product is due: that delays 7 bits instead of 16.
        m.d.comb += [read_slope.addr.eq(index[0]), read_base.addr.eq(index[2])]
        with m.If(valid[0]):
            m.d.comb += [self.m_a.eq(read_slope.data), self.m_b.eq(fraction)]

        # round_shift(product, 9) adds the half bit: it is the carry out of the lowest bit pair.
        g = Signal(GROWTH, reset_less=True)
        m.d.sync += g.eq(saturate((Cat(1, read_base.data) + Cat(self.m_product[8], self.m_product[9:]))[1:], 16))
        product = Signal(32, reset_less=True)
        m.d.sync += [
            product.eq(g * self.gain),
            self.growth.eq(saturate(round_shift(product, 15), 16)),
        ]
        m.d.comb += self.o_valid.eq(valid[-1])
        return m
