"""One layer of LIF neurons: event crossbar, neurons, their state."""

import enum
from dataclasses import dataclass
from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.cells import cells, table
from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.config import ConfigBus, MemoryMap, Registers, connect_config
from memtwin.hdl.core.delay_line import stages
from memtwin.hdl.core.fixed import ssat
from memtwin.hdl.core.trace import TraceSignature, trace_word, write_trace
from memtwin.hdl.lif.crossbar import LifCrossbar
from memtwin.hdl.lif.events import MOST_EVENTS
from memtwin.hdl.lif.fixed import CURRENT, HOLD, MEMBRANE, row_shape
from memtwin.hdl.lif.neuron import LifNeuron

__all__ = ["LifLayer", "LifLayerConfig", "LifTraceKind"]

MOST = 1024  # rows of a layer, and neurons, which are rows of the next one

# Coefficients of each neuron, of 16 bits in memory: clocks after `LifNeuron.valid` in which they are taken.
PER_NEURON = {
    "leak": LifNeuron.state_delay,
    "gain": 0,
    "bias": LifNeuron.bias_delay,
    "threshold": LifNeuron.threshold_delay,
}


class LifTraceKind(enum.IntEnum):
    """Kind of an entry of this layer's trace, bits 0-3 of its word (docs/lif-arithmetic.md, section 5)."""

    MEMBRANE = 13
    ANSWER = 14
    EVENTS = 15


@dataclass(frozen=True, kw_only=True)
class LifLayerConfig:
    """What is fixed when the gateware of a layer is generated (docs/lif-arithmetic.md, section 6).

    Attributes
    ----------
    rows : int
        Inputs, 1 to 1024.
    neurons : int
        Neurons, one per column of the crossbar, 1 to 1024.
    lanes : int
        Columns of the crossbar that an event reaches in one clock, 1 to `neurons`; no influence on results.
    weight_bits : int
        Width of a signed weight, 2 to 16.
    events : int, optional
        Most events of a step, where a row can have several; without it one of each row.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or is out of range.
    """

    rows: int
    neurons: int
    lanes: int = 1
    weight_bits: int = 6
    events: int | None = None

    def __post_init__(self) -> None:
        check_integer("rows", self.rows, 1, MOST)
        check_integer("neurons", self.neurons, 1, MOST)
        check_integer("lanes", self.lanes, 1, self.neurons)
        check_integer("weight_bits", self.weight_bits, 2, 16)
        if self.events is not None:
            check_integer("events", self.events, 1, MOST_EVENTS)


class LifLayer(wiring.Component):
    """One layer, step by step: events into sums of weights, then every neuron once, in order.

    Throughput: an event takes ``ceil(neurons / lanes)`` clocks. From `start` to `done` a step takes ``neurons +
    LifNeuron.latency + 2`` clocks, with several slices of lanes 2 more; 1 more if an event was taken in the clock of
    `start`, and so on (see `LifCrossbar`).

    Parameters
    ----------
    config : LifLayerConfig
        Structure.
    memory_map : MemoryMap
        Map in which the layer claims its coefficients.
    prefix : str
        Prefix of the coefficients' names, such as ``"layer1."``.

    Attributes
    ----------
    slices : int
        Clocks of an event.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients, while no step is going on.
    events : In(stream.Signature(unsigned(max(1, ceil_log2(rows)))))
        Rows with an event, in any order.
    start : In(1)
        Strobe: the events of this step are in the stream, or were.
    first : In(1)
        The first step of an image: the neurons start from rest. Held from `start` to `done`.
    done : Out(1)
        Strobe: the last neuron leaves; the next step may begin.
    valid : Out(1)
        A neuron leaves; its spike, membrane after the step, and before a reset, are on the ports below.
    spike, v, u : Out(1), Out(signed(20)), Out(signed(20))
        See `valid`.
    spikes : Out(stream.Signature(unsigned(max(1, ceil_log2(neurons))), always_ready=True))
        Neurons that spike, in ascending order: the rows of the next layer.
    on : Out(neurons)
        Spikes of the last step, from the clock after `done` to the first neuron of the next step.
    trace : Out(TraceSignature())
        Section 5, one clock behind.

    Source: docs/lif-arithmetic.md, sections 2 and 5.
    """

    def __init__(self, config: LifLayerConfig, memory_map: MemoryMap, prefix: str) -> None:
        if not isinstance(config, LifLayerConfig):
            raise TypeError(f"config must be a LifLayerConfig, not {config!r}")
        self.structure = config
        rows, neurons = config.rows, config.neurons
        self._crossbar = LifCrossbar(
            rows, neurons, config.lanes, config.weight_bits, memory_map, prefix + "weight", config.events
        )
        self.slices = self._crossbar.slices
        # A second row of the bias is for the step after a spike.
        self._windows = {
            name: memory_map.claim_matrix(prefix + name, 2, neurons)
            if name == "bias"
            else memory_map.claim(prefix + name, neurons)
            for name in PER_NEURON
        }
        self._registers = Registers(memory_map, prefix, ("gain_shift", "v_reset", "refractory", "options"))
        super().__init__(
            {
                "config": In(ConfigBus()),
                "events": In(stream.Signature(row_shape(rows))),
                "start": In(1),
                "first": In(1),
                "done": Out(1),
                "valid": Out(1),
                "spike": Out(1),
                "v": Out(MEMBRANE),
                "u": Out(MEMBRANE),
                "spikes": Out(stream.Signature(row_shape(neurons), always_ready=True)),
                "on": Out(neurons),
                "trace": Out(TraceSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the layer."""
        m = Module()
        neurons = self.structure.neurons
        m.submodules.registers = registers = self._registers
        m.submodules.crossbar = crossbar = self._crossbar
        m.submodules.neuron = neuron = LifNeuron()
        connect_config(m, self.config, [registers.config, crossbar.config])
        wiring.connect(m, wiring.flipped(self.events), crossbar.i)
        m.d.comb += crossbar.start.eq(self.start)

        # Number of the neuron whose sum leaves the crossbar, and of those that left it before.
        numbers = [Signal(ceil_log2(neurons), name=f"number_{clock}") for clock in range(LifNeuron.latency + 2)]
        m.d.sync += [after.eq(before) for before, after in pairwise(numbers)]
        with m.If(crossbar.o_valid):
            m.d.sync += numbers[0].eq(Mux(numbers[0] == neurons - 1, 0, numbers[0] + 1))
        m.d.sync += [neuron.valid.eq(crossbar.o_valid), neuron.acc.eq(ssat(crossbar.o_sum, CURRENT.width))]

        # The sum is in a register before it reaches the neuron, for as long as a memory takes.
        layout = data.StructLayout({"v": MEMBRANE, "hold": HOLD, "fired": 1})
        states = cells(m, "state", layout, neurons, block=True)
        read, write = states.read_port(), states.write_port()
        state = read.data
        m.d.comb += [
            read.addr.eq(numbers[LifNeuron.state_delay]),
            write.addr.eq(numbers[-1]),
            write.data.v.eq(neuron.o_v),
            write.data.hold.eq(neuron.o_hold),
            write.data.fired.eq(neuron.o_spike),
            write.en.eq(neuron.o_valid),
        ]
        # Of the two rows of the bias the address says which, one clock before it is taken.
        clocks = LifNeuron.bias_delay - LifNeuron.state_delay - 1
        fired = stages(m, "fired", clocks, ~self.first & state.fired)

        for name, delay in PER_NEURON.items():
            read = table(m, name, self._windows[name], self.config, block=True)
            m.d.comb += [
                read.addr.eq(Cat(numbers[delay], fired[-1]) if name == "bias" else numbers[delay]),
                getattr(neuron, name).eq(read.data),
            ]
        number = numbers[-1]
        m.d.comb += [
            neuron.v.eq(Mux(self.first, 0, state.v)),
            neuron.hold.eq(Mux(self.first, 0, state.hold)),
            neuron.gain_shift.eq(registers["gain_shift"]),
            neuron.v_reset.eq(registers["v_reset"]),
            neuron.refractory.eq(registers["refractory"]),
            neuron.subtract.eq(registers["options"][0]),
            self.valid.eq(neuron.o_valid),
            self.spike.eq(neuron.o_spike),
            self.v.eq(neuron.o_v),
            self.u.eq(neuron.o_u),
            self.spikes.valid.eq(neuron.o_valid & neuron.o_spike),
            self.spikes.payload.eq(number),
            self.done.eq(neuron.o_valid & (number == neurons - 1)),
        ]
        word = trace_word(LifTraceKind.MEMBRANE, number, neuron.o_v, neuron.o_spike, neuron.o_hold)
        write_trace(m, self.trace, [(neuron.o_valid, word)])
        with m.If(neuron.o_valid):
            m.d.sync += self.on.eq(Cat(self.on, neuron.o_spike)[1:])
        return m
