"""One layer of Izhikevich neurons: weights, coefficients, states, and one datapath for all neurons."""

import enum
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Signal
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.cells import cells, table
from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.config import ConfigBus, MemoryMap, Registers
from memtwin.hdl.core.trace import TraceSignature, trace_word
from memtwin.hdl.izhikevich.fixed import MEMBRANE, RECOVERY, TOTAL
from memtwin.hdl.izhikevich.neuron import IzhikevichField, IzhikevichNeuron

__all__ = ["IzhikevichLayer", "IzhikevichLayerConfig", "IzhikevichTraceKind"]


class IzhikevichTraceKind(enum.IntEnum):
    """Kind of an entry of this layer's trace, bits 0-3 of its word (docs/izhikevich.md, section 4)."""

    NEURON = 1


@dataclass(frozen=True, kw_only=True)
class IzhikevichLayerConfig:
    """What is fixed when the gateware is generated (docs/izhikevich.md, section 1).

    Attributes
    ----------
    rows : int
        Inputs, 1 to 256.
    neurons : int
        Neurons, 1 to 1024.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or is out of range.
    """

    rows: int
    neurons: int

    def __post_init__(self) -> None:
        check_integer("rows", self.rows, 1, 256)
        check_integer("neurons", self.neurons, 1, 1024)


class IzhikevichLayer(wiring.Component):
    """Neurons that see the same inputs, each through weights of its own; they take a step one after the other.

    Latency: from `start` to the end of `busy`, for every neuron 12 clocks, and ``rows + 1`` more with inputs.

    Parameters
    ----------
    config : IzhikevichLayerConfig
        Structure.
    memory_map : MemoryMap
        Map in which the layer claims its coefficients.
    prefix : str
        Prefix of the coefficients' names, such as ``"layer1."``.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients and currents, while not `busy`.
    start : In(1)
        Strobe: a step begins.
    first : In(1)
        The states start from the coefficients. This and `inputs` are held while `busy`.
    inputs : In(rows)
        Rows with a spike.
    busy : Out(1)
        High from the clock after `start` to the end of the step.
    on : Out(neurons)
        Spikes of the last step.
    trace : Out(TraceSignature())
        Section 4, one clock behind.

    Source: docs/izhikevich.md, section 2.
    """

    def __init__(self, config: IzhikevichLayerConfig, memory_map: MemoryMap, prefix: str) -> None:
        if not isinstance(config, IzhikevichLayerConfig):
            raise TypeError(f"config must be an IzhikevichLayerConfig, not {config!r}")
        self.structure = config
        self._weights = memory_map.claim_matrix(prefix + "weight", config.rows, config.neurons)
        self._fields = {
            field: memory_map.claim(prefix + field.name.lower(), config.neurons) for field in IzhikevichField
        }
        self._registers = Registers(memory_map, prefix, ("step",))
        super().__init__(
            {
                "config": In(ConfigBus()),
                "start": In(1),
                "first": In(1),
                "inputs": In(config.rows),
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
        m.submodules.datapath = datapath = IzhikevichNeuron()
        wiring.connect(m, wiring.flipped(self.config), registers.config)

        neuron = Signal(range(neurons))
        total = Signal(TOTAL)
        m.d.comb += [
            datapath.first.eq(self.first),
            datapath.step.eq(registers["step"]),
            datapath.total.eq(total),
        ]
        self._coefficients(m, datapath, neuron)
        weight = table(m, "weights", self._weights, self.config, block=True)
        row = Signal(range(rows + 1))
        m.d.comb += weight.addr.eq(Cat(neuron[: ceil_log2(neurons)], row))

        states = cells(m, "states", data.StructLayout({"v": MEMBRANE, "u": RECOVERY}), neurons, block=True)
        write, read = states.write_port(), states.read_port()
        m.d.comb += [
            read.addr.eq(neuron),
            datapath.v.eq(read.data.v),
            datapath.u.eq(read.data.u),
            write.addr.eq(neuron),
            write.data.v.eq(datapath.o_v),
            write.data.u.eq(datapath.o_u),
            write.en.eq(datapath.o_valid),
        ]

        left = Signal(rows)  # inputs whose weights have not been added
        begins = Signal()  # a neuron begins, with the sum of its weights
        with m.FSM() as fsm:
            m.d.comb += [self.busy.eq(~fsm.ongoing("IDLE")), datapath.start.eq(begins)]
            with m.State("IDLE"):
                m.d.sync += [neuron.eq(0), total.eq(0), row.eq(0), left.eq(self.inputs)]
                with m.If(self.start):
                    m.next = "BEGIN"
                    with m.If(self.inputs.any()):
                        m.next = "SUM"
            with m.State("SUM"):  # the weight of a row is out of the memory in the clock after its number went in
                m.d.sync += row.eq(row + 1)
                with m.If(row != 0):
                    m.d.sync += left.eq(left >> 1)
                    with m.If(left[0]):
                        m.d.sync += total.eq(total + weight.data.as_signed())
                with m.If(row == rows):
                    m.next = "BEGIN"
            with m.State("BEGIN"):
                m.d.comb += begins.eq(1)
                m.next = "NEURON"
            with m.State("NEURON"), m.If(datapath.o_valid):
                m.d.sync += [
                    self.on.bit_select(neuron, 1).eq(datapath.o_spike),
                    neuron.eq(neuron + 1),
                    total.eq(0),
                    row.eq(0),
                    left.eq(self.inputs),
                ]
                m.next = "BEGIN"
                with m.If(self.inputs.any()):
                    m.next = "SUM"
                with m.If(neuron == neurons - 1):
                    m.next = "IDLE"

        entry = trace_word(IzhikevichTraceKind.NEURON, neuron, datapath.o_v, datapath.o_u, datapath.o_spike)
        m.d.sync += [self.trace.valid.eq(datapath.o_valid), self.trace.word.eq(entry)]
        return m

    def _coefficients(self, m: Module, datapath: IzhikevichNeuron, neuron: Signal) -> None:
        """Memory of the coefficients of all neurons, from which a step takes one a clock."""
        fields = ceil_log2(len(IzhikevichField))
        init = [0] * (self.structure.neurons << fields)
        for field, window in self._fields.items():
            init[field :: 1 << fields] = window.init
        coefficients = cells(m, "coefficients", 16, len(init), init, block=True)
        write, read = coefficients.write_port(), coefficients.read_port()
        m.d.comb += [
            read.addr.eq(Cat(datapath.field, neuron)),
            datapath.word.eq(read.data),
            write.data.eq(self.config.data),
        ]
        for field, window in self._fields.items():
            with m.If(window.hit(self.config)):
                m.d.comb += [write.addr.eq(Cat(Const(field, fields), window.offset(self.config))), write.en.eq(1)]
