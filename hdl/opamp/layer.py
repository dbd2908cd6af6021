"""One layer of op-amp neurons: crossbar, the circuits of the neurons, learning."""

import enum
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.cells import cells, table
from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.column_walk import CROSSBAR_PORTS
from memtwin.hdl.core.config import ConfigBus, MemoryMap, Registers, connect_config
from memtwin.hdl.core.crossbar import Crossbar
from memtwin.hdl.core.fixed import saturate
from memtwin.hdl.core.trace import TraceSignature, trace_word, write_trace
from memtwin.hdl.opamp.logarithm import Log2
from memtwin.hdl.opamp.neuron import OpampCircuit, OpampNeuron
from memtwin.hdl.opamp.nonlinear_rule import NonlinearRule

__all__ = ["LEARNING", "OpampLayer", "OpampLayerConfig", "OpampTraceKind"]

# Coefficients of the synapses of a layer that learns, as `NonlinearRule` names them.
LEARNING = ("g_off", "g_on", "step_up", "step_down", "bend_up", "bend_down")


class OpampTraceKind(enum.IntEnum):
    """Kind of an entry of this layer's trace, bits 0-3 of its word (docs/opamp-arithmetic.md, section 9)."""

    CONDUCTANCE = 4
    CURRENT = 8
    CIRCUIT = 9
    STATE = 10
    MEMRISTOR = 11
    PHASE = 12


@dataclass(frozen=True, kw_only=True)
class OpampLayerConfig:
    """What is fixed when the gateware of a layer is generated (docs/opamp-arithmetic.md, section 1).

    Attributes
    ----------
    rows : int
        Inputs of the crossbar, 1 to 256: the logarithm takes sums of up to 24 bits.
    neurons : int
        Neurons, one per column of the crossbar, 1 to 65536.
    lanes : int
        Columns of the crossbar that are summed at once, a power of two of at most `neurons`; no influence on results.
    first : str
        What is in the first place of the circuit, one of `FIRSTS`.
    second : str
        What is in the second place, one of `SECONDS`.
    terminal : bool
        The first voltage terminal is not ground.
    learns : bool
        The synapses can change.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or is out of range.
    """

    rows: int
    neurons: int
    lanes: int = 1
    first: str
    second: str
    terminal: bool = False
    learns: bool = False

    def __post_init__(self) -> None:
        check_integer("rows", self.rows, 1, 256)
        check_integer("neurons", self.neurons, 1, 65536)
        check_integer("lanes", self.lanes, 1, self.neurons)
        if self.lanes & (self.lanes - 1):
            raise ValueError(f"lanes must be a power of two, not {self.lanes!r}")
        if not isinstance(self.learns, bool):
            raise TypeError(f"learns must be a bool, not {self.learns!r}")
        self.circuit  # noqa: B018 - it refuses what is not a circuit

    @property
    def circuit(self) -> OpampCircuit:
        """Circuit of each neuron."""
        return OpampCircuit(first=self.first, second=self.second, terminal=self.terminal)


class OpampLayer(wiring.Component):
    """One layer, substep by substep: the currents where they change, the circuits of all neurons, learning.

    A substep (docs/opamp-arithmetic.md, section 4) is a sequence. If the inputs, the gates or a synapse have changed,
    the crossbar's sums become logarithms of currents, ``current = LOG2(sum) + current_log``. Every neuron goes through
    one pipelined `OpampNeuron`, once for each word of its trace, which takes one word per clock: 2 clocks a neuron, 3
    with two dynamic memristors. Then each column whose neuron set learns.

    Latency, from `start` to the first clock in which `busy` is low, with ``n`` neurons of ``w`` words:

    - a substep takes ``w * n + OpampNeuron.latency + 3`` clocks;
    - currents add the latency of `Crossbar` to its last sum, and ``Log2.latency + 1``;
    - where neurons set in a layer that learns, each whose gate is open adds ``rows + 7`` clocks, and each other one 1.

    Power-up takes ``n + 1`` clocks.

    Parameters
    ----------
    config : OpampLayerConfig
        Structure.
    memory_map : MemoryMap
        Map in which the layer claims its coefficients.
    prefix : str
        Prefix of the coefficients' names, such as ``"layer1."``.

    Attributes
    ----------
    words : int
        Words of the trace, and clocks, that a neuron takes.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients, while not busy; they act from the next power-up on.
    init : In(1)
        Strobe: power-up (section 3). Not while `busy`.
    start : In(1)
        Strobe: a substep begins. Not while `busy`.
    phase : In(1)
        With `start`: the driven part of a presentation begins, or the part without input.
    driven : In(1)
        With `phase`: it is the driven part.
    first : In(1)
        With `start`: it is the first substep of a presentation.
    events : In(rows)
        Active inputs, held from `start` on while `busy`.
    mask : In(neurons)
        Neurons whose gate is open, held likewise.
    learn : In(1)
        The layer may learn, held likewise.
    busy : Out(1)
        High from the clock after `init` or `start` on.
    on : Out(neurons)
        Output pulses: high from set to reset.
    set : Out(1)
        Strobe: a neuron sets.
    trace : Out(TraceSignature())
        Section 9, one clock behind the state.

    Source: us12387090, Figs. 4 to 8; docs/opamp-arithmetic.md, sections 3 to 6, 8 and 9.
    """

    def __init__(self, config: OpampLayerConfig, memory_map: MemoryMap, prefix: str) -> None:
        if not isinstance(config, OpampLayerConfig):
            raise TypeError(f"config must be an OpampLayerConfig, not {config!r}")
        self.structure = config
        rows, neurons, circuit = config.rows, config.neurons, config.circuit
        self.words = 3 if len(circuit.memristors) == 2 else 2
        names = (*circuit.scalars, "current_log", *(LEARNING if config.learns else ()))
        self._registers = Registers(memory_map, prefix, names)
        self._windows = {name: memory_map.claim(prefix + name, neurons) for name in circuit.per_neuron}
        self._crossbar = Crossbar(rows, neurons, config.lanes, memory_map, prefix + "conductance")
        super().__init__(
            {
                "config": In(ConfigBus()),
                "init": In(1),
                "start": In(1),
                "phase": In(1),
                "driven": In(1),
                "first": In(1),
                "events": In(rows),
                "mask": In(neurons),
                "learn": In(1),
                "busy": Out(1),
                "on": Out(neurons),
                "set": Out(1),
                "trace": Out(TraceSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the layer."""
        m = Module()
        structure, circuit = self.structure, self.structure.circuit
        rows, neurons = structure.rows, structure.neurons
        last = neurons - 1

        m.submodules.registers = registers = self._registers
        m.submodules.crossbar = crossbar = self._crossbar
        m.submodules.log2 = log2 = Log2(len(crossbar.o_sum))
        m.submodules.neuron = neuron = OpampNeuron(circuit)
        connect_config(m, self.config, [registers.config, crossbar.config])

        index = Signal(range(neurons))  # neuron that enters the pipeline, or column that learns
        out_index = Signal(range(neurons))  # column whose current comes, neuron that leaves the pipeline or is cleared
        advance = Signal()
        out_advance = Signal()
        for counter, step in ((index, advance), (out_index, out_advance)):
            with m.If(step):
                m.d.sync += counter.eq(Mux(counter == last, 0, counter + 1))
        is_open = self.mask.bit_select(out_index, 1)

        # State. Power-up writes zeros.
        clearing = Signal()
        devices = [f"u_{place}" for place in circuit.memristors] + ["s", "on"]
        layout = data.StructLayout({name: getattr(neuron, name).shape() for name in devices})
        states = cells(m, "state", layout, neurons, block=True)
        currents = cells(m, "currents", 18, neurons, block=True)
        state_read, state_write = states.read_port(), states.write_port()
        current_read, current_write = currents.read_port(), currents.write_port()
        state, flowing = state_read.data, current_read.data
        m.d.comb += [state_read.addr.eq(index), current_read.addr.eq(index)]

        # Currents: the logarithm of a sum; the product with its unit is a sum of logarithms.
        summed = Signal()
        total = Signal(19)
        nonzero = Signal(log2.latency + 1)
        current = Mux(nonzero[-1] & is_open, saturate(total, 18), 0)
        m.d.comb += [
            crossbar.events.eq(self.events),
            log2.i_valid.eq(crossbar.o_valid),
            log2.i.eq(crossbar.o_sum),
        ]
        m.d.sync += [
            summed.eq(log2.o_valid),
            total.eq(log2.o + (registers["current_log"] << 2)),
            nonzero.eq(Cat(crossbar.o_sum.any(), nonzero)),
        ]

        # Neurons, through the pipeline and back into their memories.
        issue = Signal()
        commit = Signal()
        word = Signal(range(self.words))
        out_word = Signal(range(self.words))
        for counter, step in ((word, issue), (out_word, commit)):
            with m.If(step):
                m.d.sync += counter.eq(Mux(counter == self.words - 1, 0, counter + 1))
        first_word = commit & (out_word == 0)
        # By its last word all of a neuron's results are valid: two dynamic memristors take turns.
        leaves = commit & (out_word == self.words - 1)
        m.d.sync += neuron.valid.eq(issue)
        m.d.comb += [
            commit.eq(neuron.o_valid),
            neuron.current.eq(flowing),
            current_write.addr.eq(out_index),
            current_write.data.eq(Mux(clearing, 0, current)),
            current_write.en.eq(clearing | summed),
            state_write.addr.eq(out_index),
            state_write.en.eq(clearing | leaves),
            *(state_write.data[name].eq(Mux(clearing, 0, getattr(neuron, f"o_{name}"))) for name in devices),
            *(getattr(neuron, name).eq(state[name]) for name in devices),
            *(getattr(neuron, name).eq(registers[name]) for name in circuit.scalars),
        ]
        for name, window in self._windows.items():
            read = table(m, name, window, self.config, block=True)
            m.d.comb += [read.addr.eq(index), getattr(neuron, name).eq(read.data)]
        learning = Signal(neurons)  # columns that learn; the next one is lowest
        m.d.comb += self.set.eq(first_word & neuron.o_set)
        with m.If(first_word):
            m.d.sync += [
                self.on.bit_select(out_index, 1).eq(neuron.o_on),
                learning.eq(Cat(learning[1:], neuron.o_set & is_open)),
            ]

        # What the currents were evaluated with. The comparison is a clock late, which the sequence allows for.
        fresh = Signal(init=1)  # power-up: never evaluated
        stale = Signal()  # a synapse has changed
        changed = Signal()
        last_events = Signal(rows)
        last_mask = Signal(neurons, init=-1)
        differs = (self.events != last_events) | (self.mask != last_mask)
        m.d.sync += changed.eq(Mux(fresh, self.events.any(), differs))
        with m.If(crossbar.start):
            m.d.sync += [last_events.eq(self.events), last_mask.eq(self.mask), fresh.eq(0), stale.eq(0)]

        rule = self._rule(m, index) if structure.learns else None

        # The sequence.
        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                with m.If(self.init):
                    m.d.sync += [fresh.eq(1), stale.eq(0), self.on.eq(0)]
                    m.next = "CLEAR"
                with m.Elif(self.start):
                    m.next = "CHECK"
            with m.State("CLEAR"):
                m.d.comb += clearing.eq(1)
                with m.If(out_index == last):
                    m.next = "IDLE"
            with m.State("CHECK"):
                m.next = "PASS"
                with m.If(changed | stale):
                    m.d.comb += crossbar.start.eq(1)
                    m.next = "CURRENTS"
            with m.State("CURRENTS"), m.If(summed & (out_index == last)):
                m.next = "PASS"
            with m.State("PASS"):
                m.d.comb += issue.eq(1)
                with m.If(word == self.words - 1):
                    m.d.comb += advance.eq(1)
                    with m.If(index == last):
                        m.next = "DRAIN"
            with m.State("DRAIN"), m.If(leaves & (out_index == last)):
                m.next = "IDLE"
                if rule is not None:
                    with m.If(self.learn & learning.any()):
                        m.next = "COLUMN"
            if rule is not None:
                with m.State("COLUMN"):
                    m.d.comb += [rule.start.eq(learning[0]), advance.eq(~learning[0])]
                    with m.If(learning[0]):
                        m.d.sync += stale.eq(1)
                        m.next = "WALK"
                    with m.Elif(index == last):
                        m.next = "IDLE"
                with m.State("WALK"), m.If(rule.done):
                    m.d.comb += advance.eq(1)
                    m.next = "COLUMN"
                    with m.If(index == last):
                        m.next = "IDLE"
        with m.If(advance & ~issue):
            m.d.sync += learning.eq(learning[1:])
        m.d.comb += out_advance.eq(clearing | summed | leaves)

        # The trace.
        dynamic = [getattr(neuron, f"o_u_{place}") for place in circuit.memristors]
        first_u = dynamic[0] if dynamic else Const(0, 27)
        words = [
            trace_word(
                OpampTraceKind.CIRCUIT, out_index, neuron.o_v_out1, neuron.o_v_out2, neuron.o_on, neuron.o_below
            ),
            trace_word(OpampTraceKind.STATE, out_index, first_u, neuron.o_s),
        ]
        if len(dynamic) == 2:
            words.append(trace_word(OpampTraceKind.MEMRISTOR, out_index, dynamic[1]))
        entries: list[tuple[Value, Value]] = [
            (self.start & self.phase, trace_word(OpampTraceKind.PHASE, 0, self.driven, self.learn)),
            (summed, trace_word(OpampTraceKind.CURRENT, out_index, current)),
            *((commit & (out_word == number), word) for number, word in enumerate(words)),
        ]
        if rule is not None:
            written = trace_word(OpampTraceKind.CONDUCTANCE, rule.w_column, rule.w_data, rule.w_row)
            entries.append((rule.w_enable, written))
        write_trace(m, self.trace, entries)
        return m

    def _rule(self, m: Module, column: Signal) -> NonlinearRule:
        """Learning of one column: which rows were seen, and what the rule shares with the crossbar."""
        crossbar = self._crossbar
        m.submodules.rule = rule = NonlinearRule(self.structure.rows, self.structure.neurons)
        seen = Signal(self.structure.rows)
        with m.If(self.init):
            m.d.sync += seen.eq(0)
        with m.Elif(self.start):
            m.d.sync += seen.eq(Mux(self.first, 0, seen) | self.events)
        m.d.comb += [
            rule.column.eq(column),
            rule.events.eq(seen),
            *(getattr(rule, name).eq(self._registers[name]) for name in LEARNING),
            rule.r_data.eq(crossbar.r_data),
            *(getattr(crossbar, name).eq(getattr(rule, name)) for name in CROSSBAR_PORTS),
        ]
        return rule
