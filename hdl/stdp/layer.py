"""One layer of LIF neurons whose synapses learn by the timing of spikes."""

import enum
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.cells import cells, table
from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.config import ConfigBus, MemoryMap, Registers
from memtwin.hdl.core.fixed import CONDUCTANCE, round_shift, saturate
from memtwin.hdl.core.trace import TraceSignature, trace_word, write_trace
from memtwin.hdl.stdp.decay import STATE_BITS, StdpDecay
from memtwin.hdl.stdp.update import StdpUpdate

__all__ = ["StdpLayer", "StdpLayerConfig", "StdpTraceKind"]

_TOP = (1 << STATE_BITS) - 1
_SCALARS = ("g_off", "g_on", "threshold", "gain", "leak", "leak_row", "leak_neuron", "up", "down")


class StdpTraceKind(enum.IntEnum):
    """Kind of an entry of this layer's trace, bits 0-3 of its word (docs/stdp.md, section 4)."""

    ROW = 1
    NEURON = 2
    CONDUCTANCE = 4


@dataclass(frozen=True, kw_only=True)
class StdpLayerConfig:
    """What is fixed when the gateware is generated (docs/stdp.md, section 1).

    Attributes
    ----------
    rows : int
        Inputs, 1 to 256.
    neurons : int
        Neurons, 1 to 64.
    gain_shift : int
        Fraction bits of the coefficient `gain`, 0 to 24.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or is out of range.
    """

    rows: int
    neurons: int
    gain_shift: int

    def __post_init__(self) -> None:
        check_integer("rows", self.rows, 1, 256)
        check_integer("neurons", self.neurons, 1, 64)
        check_integer("gain_shift", self.gain_shift, 0, 24)


class StdpLayer(wiring.Component):
    """Neurons that see the same inputs, each through STDP synapses of its own.

    A step takes the decaying traces of all rows, then the neurons one after the other: decay of the neuron's own trace
    and of its membrane; if there are inputs, the sum of their conductances and the depression of these synapses; the
    membrane; and, if the neuron spikes and learns, the potentiation of all its synapses. Without spikes no synapse is
    visited.

    Latency: from `start` to the end of `busy`, ``rows + 4`` clocks for the rows; for every neuron 14, ``rows + 8`` more
    with inputs, and ``rows + 8`` more if it spikes and learns. Four SB_MAC16.

    Parameters
    ----------
    config : StdpLayerConfig
        Structure.
    memory_map : MemoryMap
        Map in which the layer claims its coefficients.
    prefix : str
        Prefix of the coefficients' names, such as ``"layer1."``.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients and conductances, while not `busy`.
    start : In(1)
        Strobe: a step begins.
    first : In(1)
        Traces and membranes start from zero. This and the inputs below are held while `busy`.
    learn : In(1)
        Synapses change.
    inputs : In(rows)
        Rows with a spike.
    forced : In(neurons)
        Neurons that are made to spike.
    busy : Out(1)
        High from the clock after `start` to the end of the step.
    on : Out(neurons)
        Spikes of the last step.
    trace : Out(TraceSignature())
        Section 4, one clock behind.

    Source: yu-tio2, eq. (1) and (2); yang2020, Fig. 16; docs/stdp.md, section 2.
    """

    def __init__(self, config: StdpLayerConfig, memory_map: MemoryMap, prefix: str) -> None:
        if not isinstance(config, StdpLayerConfig):
            raise TypeError(f"config must be a StdpLayerConfig, not {config!r}")
        self.structure = config
        self._window = memory_map.claim_matrix(prefix + "conductance", config.rows, config.neurons)
        self._registers = Registers(memory_map, prefix, _SCALARS)
        super().__init__(
            {
                "config": In(ConfigBus()),
                "start": In(1),
                "first": In(1),
                "learn": In(1),
                "inputs": In(config.rows),
                "forced": In(config.neurons),
                "busy": Out(1),
                "on": Out(config.neurons),
                "trace": Out(TraceSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the layer."""
        m = Module()
        rows, neurons = self.structure.rows, self.structure.neurons
        m.submodules.registers = registers = self._registers
        m.submodules.decay_step = decay = StdpDecay()
        m.submodules.update = update = StdpUpdate()
        wiring.connect(m, wiring.flipped(self.config), registers.config)

        # A pass over the rows: `row` goes to the memories, `valid[k]` and `event[k]` are what comes k + 1 clocks later.
        issue = Signal()
        begin = Signal()
        row = Signal(range(rows))
        left = Signal(rows)  # inputs of this pass that have not been issued
        issued = Signal()
        valid = Signal(StdpUpdate.latency + 1)
        event = Signal(StdpUpdate.latency + 1)
        out_row = Signal(range(rows))
        leaves = Signal()  # a row leaves the pipeline of this pass
        last = Signal()
        m.d.sync += [valid.eq(Cat(issue, valid)), event.eq(Cat(left[0], event))]
        with m.If(issue):
            m.d.sync += [row.eq(row + 1), left.eq(left >> 1), issued.eq(row == rows - 1)]
        with m.If(leaves):
            m.d.sync += out_row.eq(out_row + 1)
        with m.If(begin):
            m.d.sync += [row.eq(0), out_row.eq(0), issued.eq(0), left.eq(self.inputs)]
        m.d.comb += last.eq(leaves & (out_row == rows - 1))

        # Memories.
        neuron = Signal(range(neurons))
        decays = cells(m, "decays", STATE_BITS, rows, block=True)
        x_write, x_read = decays.write_port(), decays.read_port()
        states = cells(m, "states", data.StructLayout({"v": STATE_BITS, "y": STATE_BITS}), neurons)
        s_write, s_read = states.write_port(), states.read_port()
        m.d.comb += [x_read.addr.eq(row), s_read.addr.eq(neuron), s_write.addr.eq(neuron)]

        learnt = Signal()
        column = neuron[: ceil_log2(neurons)]
        written = (Cat(column, out_row), update.o_g, learnt)
        g_read = table(m, "synapses", self._window, self.config, CONDUCTANCE, block=True, own=written)
        m.d.comb += g_read.addr.eq(Cat(column, row))

        # State of the neuron at work.
        count = Signal(3)
        y = Signal(STATE_BITS)
        v = Signal(STATE_BITS)
        sum_shift = ceil_log2(rows)
        total = Signal(CONDUCTANCE.width + sum_shift)
        m.d.comb += [
            update.g.eq(g_read.data),
            update.g_off.eq(registers["g_off"]),
            update.g_on.eq(registers["g_on"]),
            update.rate.eq(Mux(update.up, registers["up"], registers["down"])),
            update.decay.eq(Mux(update.up, x_read.data[4:], y[4:])),
        ]

        # Drive: the sum of the conductances in 16 bits, times the gain.
        shift = self.structure.gain_shift
        sum_1 = Signal(16, reset_less=True)
        gain_1 = Signal(16, reset_less=True)
        product_2 = Signal(32, reset_less=True)
        drive_3 = Signal(STATE_BITS)
        v_4 = Signal(STATE_BITS + 1)
        v_5 = Signal(STATE_BITS)
        spike = Signal()
        m.d.sync += [
            sum_1.eq(round_shift(total, sum_shift)),
            gain_1.eq(registers["gain"]),
            product_2.eq(sum_1 * gain_1),
            drive_3.eq(saturate(round_shift(product_2, shift), STATE_BITS)),
            v_4.eq(v + drive_3),
            v_5.eq(saturate(v_4, STATE_BITS)),
        ]
        above = Signal()
        m.d.sync += above.eq(v_5 > Cat(Const(0, 4), registers["threshold"]))
        m.d.comb += spike.eq(above | self.forced.bit_select(neuron, 1))

        def to_next_neuron() -> None:
            m.d.sync += neuron.eq(neuron + 1)
            m.next = "LOAD"
            with m.If(neuron == neurons - 1):
                m.next = "IDLE"

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                m.d.sync += [neuron.eq(0), count.eq(0)]
                with m.If(self.start):
                    m.d.comb += begin.eq(1)
                    m.next = "ROWS"

            with m.State("ROWS"):
                m.d.comb += [
                    issue.eq(~issued),
                    decay.i.eq(Mux(self.first, 0, x_read.data)),
                    decay.leak.eq(registers["leak_row"]),
                    leaves.eq(valid[StdpDecay.latency]),
                    x_write.en.eq(leaves),
                ]
                with m.If(last):
                    m.d.comb += begin.eq(1)
                    m.next = "LOAD"

            # The decaying trace enters in clock 1, when it is out of the memory, the membrane in clock 2.
            with m.State("LOAD"):
                m.d.comb += [
                    decay.i.eq(Mux(self.first, 0, Mux(count == 1, s_read.data.y, s_read.data.v))),
                    decay.leak.eq(Mux(count == 1, registers["leak_neuron"], registers["leak"])),
                ]
                m.d.sync += [count.eq(count + 1), total.eq(0)]
                with m.If(count == 1 + StdpDecay.latency):
                    m.d.sync += y.eq(decay.o)
                with m.If(count == 2 + StdpDecay.latency):
                    m.d.sync += [v.eq(decay.o), count.eq(0)]
                    m.next = "DRIVE"
                    with m.If(self.inputs.any()):
                        m.next = "DOWN"

            with m.State("DOWN"):
                m.d.comb += [
                    issue.eq(~issued),
                    leaves.eq(valid[StdpUpdate.latency]),
                    learnt.eq(leaves & event[StdpUpdate.latency] & self.learn),
                ]
                with m.If(valid[0] & event[0]):
                    m.d.sync += total.eq(total + g_read.data)
                with m.If(last):
                    m.d.comb += begin.eq(1)
                    m.next = "DRIVE"

            with m.State("DRIVE"):
                m.d.sync += count.eq(count + 1)
                with m.If(count == 6):
                    m.d.sync += [
                        count.eq(0),
                        v.eq(Mux(spike, 0, v_5)),
                        y.eq(Mux(spike, _TOP, y)),
                        self.on.bit_select(neuron, 1).eq(spike),
                    ]
                    m.next = "STORE"

            with m.State("STORE"):
                m.d.comb += s_write.en.eq(1)
                with m.If(self.on.bit_select(neuron, 1) & self.learn):
                    m.next = "UP"
                with m.Else():
                    to_next_neuron()

            with m.State("UP"):
                m.d.comb += [
                    update.up.eq(1),
                    issue.eq(~issued),
                    leaves.eq(valid[StdpUpdate.latency]),
                    learnt.eq(leaves),
                ]
                with m.If(last):
                    m.d.comb += begin.eq(1)
                    to_next_neuron()

            rows_leave = leaves & fsm.ongoing("ROWS")
            stores = fsm.ongoing("STORE")

        m.d.comb += [
            x_write.addr.eq(out_row),
            x_write.data.eq(Mux(event[StdpDecay.latency], _TOP, decay.o)),
            s_write.data.v.eq(v),
            s_write.data.y.eq(y),
        ]

        is_spike = self.on.bit_select(neuron, 1)
        is_forced = self.forced.bit_select(neuron, 1)
        row_16 = Cat(out_row, Const(0, 16))[:16]
        write_trace(
            m,
            self.trace,
            [
                (rows_leave, trace_word(StdpTraceKind.ROW, out_row, x_write.data, event[StdpDecay.latency])),
                (stores, trace_word(StdpTraceKind.NEURON, neuron, v, y, is_spike, is_forced)),
                (learnt, trace_word(StdpTraceKind.CONDUCTANCE, neuron, update.o_g, row_16)),
            ],
        )
        return m
