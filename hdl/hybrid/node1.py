"""Node 1: the voltage divider of a neuron's synapses and its load, without a division in the fast path."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.cells import table
from memtwin.hdl.core.config import ConfigBus, MemoryMap
from memtwin.hdl.core.delay_line import stages
from memtwin.hdl.core.divider import Divider
from memtwin.hdl.core.fixed import GAIN, VOLT, round_shift, saturate

__all__ = ["Node1"]


class Node1(wiring.Component):
    """Voltage of node 1 from the current of the active synapses, and the reciprocal that this takes.

    Fast path, with `sum_shift = ceil_log2(rows)`:
    `current_hi = sat(round_shift(current, sum_shift), 16)`,
    `v1 = sat(round_shift(current_hi * reciprocal, recip_shift), 16)`;
    latency 4 clocks (`latency`), one column per clock. The gain of the column follows its voltage after `gain_delay`
    clocks, when `GrowthTable` takes it.

    Update of one reciprocal, after its column was learnt:
    `total_hi = round_shift(total, sum_shift)`,
    `reciprocal = sat(((v_in << recip_shift) + (total_hi >> 1)) // total_hi, 16)`;
    `w_done` comes `update_latency` clocks after `w_start`. A column without any conductance gets the largest word.

    One SB_MAC16.

    Source: zhang2021, node 1 of the neuron circuit; docs/arithmetic.md, section 5.

    Parameters
    ----------
    rows : int
        Synapses per column.
    neurons : int
        Columns.
    recip_shift : int
        Fraction bits dropped after the product, 0 to 31.
    memory_map : MemoryMap
        Map in which `gain` (UQ(1, 15)) and the state `reciprocal` claim windows, one word per neuron each.
    prefix : str
        Prefix of the names, such as ``"layer1."``.

    Members
    -------
    config : In(ConfigBus())
        Writes of `gain`; reads and writes of `reciprocal`, while no current is on its way and not `w_busy`.
    v_in : In(16)
        Amplitude of the input pulses, UQ(2, 14) V.
    i_valid : In(1)
        A current is on the port.
    i_column : In(range(neurons))
        Its column.
    i_current : In(16 + ceil_log2(rows))
        Sum of the active conductances.
    o_valid : Out(1)
        A voltage is on the port.
    o_column : Out(range(neurons))
        Its column.
    o_v1 : Out(16)
        Voltage of node 1, UQ(2, 14) V.
    o_gain : Out(16)
        Gain of the column that was on the port `gain_delay` clocks ago, UQ(1, 15).
    w_start : In(1)
        Takes `w_column` and `w_total`; ignored while `w_busy`.
    w_column : In(range(neurons))
        Column to update.
    w_total : In(17 + ceil_log2(rows))
        Sum of its conductances, load included.
    w_busy : Out(1)
        High from the clock after `w_start` to the clock of `w_done`.
    w_done : Out(1)
        Strobe: the reciprocal is being written. A current may come in the next clock.
    w_reciprocal : Out(16)
        The new reciprocal, from `w_done` to the next update.
    """

    latency = 4
    gain_delay = 4

    def __init__(self, rows: int, neurons: int, recip_shift: int, memory_map: MemoryMap, prefix: str) -> None:
        for label, value in {"rows": rows, "neurons": neurons}.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{label} must be an integer of at least 1, not {value!r}")
        if not isinstance(recip_shift, int) or not 0 <= recip_shift <= 31:
            raise ValueError(f"recip_shift must be an integer in 0..31, not {recip_shift!r}")
        self.neurons = neurons
        self.sum_shift = ceil_log2(rows)
        self.recip_shift = recip_shift
        self.gain = memory_map.claim(prefix + "gain", neurons)
        self.reciprocal = memory_map.claim(prefix + "reciprocal", neurons, state=True)
        # The load counts as one more row; rounding may carry into the next power of two.
        total_hi_top = ((rows + 1) * 0xFFFF + (1 << self.sum_shift >> 1)) >> self.sum_shift
        self._divider = Divider(16, recip_shift, total_hi_top.bit_length())
        self.update_latency = self._divider.latency + 1
        super().__init__(
            {
                "config": In(ConfigBus()),
                "v_in": In(VOLT),
                "i_valid": In(1),
                "i_column": In(range(neurons)),
                "i_current": In(16 + self.sum_shift),
                "o_valid": Out(1),
                "o_column": Out(range(neurons)),
                "o_v1": Out(VOLT),
                "o_gain": Out(GAIN),
                "w_start": In(1),
                "w_column": In(range(neurons)),
                "w_total": In(17 + self.sum_shift),
                "w_busy": Out(1),
                "w_done": Out(1),
                "w_reciprocal": Out(16),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build node 1."""
        m = Module()
        m.submodules.divider = divider = self._divider
        update_column = Signal.like(self.w_column)
        learnt = (update_column, divider.quotient, divider.done)
        reciprocal_read = table(m, "reciprocal", self.reciprocal, self.config, own=learnt)
        gain_read = table(m, "gain", self.gain, self.config, GAIN)

        # Fast path: (1) read and round, (2) operands, (3) product, (4) round.
        valid = stages(m, "valid", self.latency, self.i_valid)
        column = stages(m, "column", self.latency + self.gain_delay - 1, self.i_column)
        current_hi = Signal(16)
        # No reset, so that the multiplier block takes the registers in.
        a = Signal(16, reset_less=True)
        b = Signal(16, reset_less=True)
        product = Signal(32, reset_less=True)
        m.d.comb += [
            # What was read for the bus stays until the next current.
            reciprocal_read.addr.eq(Mux(self.config.read, self.reciprocal.offset(self.config), self.i_column)),
            reciprocal_read.en.eq(self.config.read | self.i_valid),
            self.config.q.eq(self.reciprocal.shown(self.config, reciprocal_read.data)),
            self.o_valid.eq(valid[-1]),
            self.o_column.eq(column[self.latency]),
            # Read late: to delay a column takes fewer registers than to delay its gain.
            gain_read.addr.eq(column[-1]),
            self.o_gain.eq(gain_read.data),
        ]
        m.d.sync += [
            current_hi.eq(saturate(round_shift(self.i_current, self.sum_shift), 16)),
            a.eq(current_hi),
            b.eq(reciprocal_read.data),
            product.eq(a * b),
            self.o_v1.eq(saturate(round_shift(product, self.recip_shift), 16)),
        ]

        # Update.
        total_hi = Signal.like(divider.divisor)
        divide = Signal()
        m.d.sync += divide.eq(self.w_start & ~self.w_busy)
        with m.If(self.w_start & ~self.w_busy):
            m.d.sync += [
                total_hi.eq(round_shift(self.w_total, self.sum_shift)),
                update_column.eq(self.w_column),
            ]
        m.d.comb += [
            divider.start.eq(divide),
            divider.numerator.eq(self.v_in),
            divider.divisor.eq(total_hi),
            self.w_busy.eq(divide | divider.busy | divider.done),
            self.w_done.eq(divider.done),
            self.w_reciprocal.eq(divider.quotient),
        ]
        return m
