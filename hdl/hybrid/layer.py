"""One layer of hybrid memristor-CMOS neurons: crossbar, threshold switches, shapers, learning and inhibition."""

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, ResetInserter, Signal, Value, unsigned
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.config import ConfigBus, MemoryMap, Registers, connect_config
from memtwin.hdl.core.crossbar import Crossbar
from memtwin.hdl.core.delay_line import delayed
from memtwin.hdl.core.fixed import GROWTH, X
from memtwin.hdl.core.trace import TraceKind, TraceSignature, trace_word, write_trace
from memtwin.hdl.hybrid.growth import GrowthTable
from memtwin.hdl.hybrid.lia import LateralInhibition
from memtwin.hdl.hybrid.node1 import Node1
from memtwin.hdl.hybrid.shaper import SpikeShaper
from memtwin.hdl.hybrid.soft_bound_rule import SoftBoundRule
from memtwin.hdl.hybrid.thresholds import Thresholds
from memtwin.hdl.hybrid.ts_device import TsDevice

__all__ = ["SCALARS", "TIES", "HybridLayer", "HybridLayerConfig"]

TIES = ("inhibit", "lowest", "random")

# Coefficients of one word, in the order of their registers on the bus.
SCALARS = (
    "leak",
    "leak_half",
    "relax",
    "theta_off",
    "x_max",
    "v_hold",
    "v_in",
    "theta_sd",
    "adapt_step",
    "adapt_leak",
    "adapt_interval",
    "g_load",
    "g_min",
    "g_max",
    "potentiation",
    "depression",
    "seed_low",
    "seed_high",
    "options",
)


@dataclass(frozen=True, kw_only=True)
class HybridLayerConfig:
    """What is fixed when the gateware of a layer is generated (docs/arithmetic.md, section 1).

    Attributes
    ----------
    rows : int
        Inputs of the crossbar, 1 to 65536.
    neurons : int
        Neurons, one per column of the crossbar, 1 to 65536.
    lanes : int
        Columns of the crossbar that are summed at once, a power of two of at most `neurons`; no influence on results.
    substeps : int
        Device updates per half-period, a power of two from 1 to 1024.
    recip_shift : int
        Fraction bits of the reciprocal of a column's conductance, 0 to 15.
    inhibition : bool
        The layer has a lateral inhibition array.
    tie : str
        What the array does with several neurons that fire in one substep, one of `TIES`: the array's own answer
        (all inhibit each other), the lowest index wins, or one picked at random wins.
    one_cycle : bool
        An input pulse alone potentiates the synapses of an open gate (layer 2 of the digits network); else the
        neuron's own spike must coincide.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or is out of range.
    """

    rows: int
    neurons: int
    lanes: int = 1
    substeps: int = 16
    recip_shift: int = 12
    inhibition: bool = False
    tie: str = "inhibit"
    one_cycle: bool = False

    def __post_init__(self) -> None:
        check_integer("rows", self.rows, 1, 65536)
        check_integer("neurons", self.neurons, 1, 65536)
        check_integer("lanes", self.lanes, 1, self.neurons)
        check_integer("substeps", self.substeps, 1, 1024)
        check_integer("recip_shift", self.recip_shift, 0, 15)
        for name in ("lanes", "substeps"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name} must be a power of two, not {value!r}")
        for name in ("inhibition", "one_cycle"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be a bool, not {getattr(self, name)!r}")
        if self.tie not in TIES:
            raise ValueError(f"tie must be one of {', '.join(TIES)}, not {self.tie!r}")

    @property
    def pace_bits(self) -> int:
        """Width of a number of substeps, 0 to `substeps`."""
        return ceil_log2(self.substeps) + 1


class HybridLayer(wiring.Component):
    """One layer, half-period by half-period: node 1, substeps of every neuron, inhibition, learning, thresholds.

    A half-period (docs/arithmetic.md, section 4) is a sequence: the edge of CLK at the shapers; with events, the
    crossbar's sums, node 1 and the growth of every neuron; passes over all neurons through one pipelined
    `TsDevice`, one neuron per clock, and after each pass the LIA; learning, column by column; the thresholds.

    The next pass starts before the last neuron of a pass has come out of the pipeline. When the LIA then finds that
    a fire has changed the gates, what is in the pipeline behind that neuron is dropped and started again; nothing of
    it has been stored by then.

    Latency, from `start` to the first clock in which `busy` is low, with ``n`` neurons:

    - a quiet half-period that is skipped takes ``n + 8`` clocks;
    - another one takes ``substeps * (n + 1) + 9``, with less than 5 neurons ``substeps * (n + 6) + 4``;
    - events add the latency of `Crossbar`, `Node1` and `GrowthTable`;
    - a fire adds a pass over the thresholds, ``4 * n + 5`` clocks, and an evaluation by the LIA;
    - where a column learns, each that does adds ``rows + recip_shift + 27`` clocks, and each other one 1.

    With 30 rows, of which 16 are active, and 10 neurons a half-period takes 284 clocks with 2 lanes and 250 with 4; a
    quiet one takes 18.

    Parameters
    ----------
    config : HybridLayerConfig
        Structure.
    memory_map : MemoryMap
        Map in which the layer claims its coefficients.
    prefix : str
        Prefix of the coefficients' names, such as ``"layer1."``.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients; reads and writes of the state, while not busy (docs/link.md, section 5).
    init : In(1)
        Strobe: power-up (section 3). Needed after `v_in`, `g_load`, the seed or conductances were written.
    start : In(1)
        Strobe: a half-period begins; `clk` has its level. Not while `busy`.
    clk : In(1)
        Level of the paper's CLK, held for the half-period.
    events : In(rows)
        Inputs that pulse, zero while `clk` is low; held for the half-period.
    mask : In(neurons)
        Neurons whose shared synapse gate may open; held for the half-period.
    learn : In(1)
        The layer may learn; held for the half-period.
    pace : In(range(substeps + 1))
        Number of substeps of this half-period whose time is over; `substeps` for full speed.
    busy : Out(1)
        High from the clock after `init` or `start` on.
    g1, v_l, l1, l2, t1, t3 : Out(neurons)
        Spikes, outputs to the LIA, latches, T1 and T3 (as in `SpikeShaper`).
    node2 : Out(neurons)
        Node 2 of each neuron after its last substep.
    gate : Out(neurons)
        Shared gates of the synapses, ``l_g & mask``.
    fire : Out(1)
        Strobe: a neuron fires for the first time in this half-period; at most one per clock.
    trace : Out(TraceSignature())
        Section 11, one clock behind the state.

    Source: zhang2021, Figs. 3 to 5; docs/arithmetic.md.
    """

    config: wiring.PureInterface
    init: Signal
    start: Signal
    clk: Signal
    events: Signal
    mask: Signal
    learn: Signal
    pace: Signal
    busy: Signal
    g1: Signal
    v_l: Signal
    l1: Signal
    l2: Signal
    t1: Signal
    t3: Signal
    node2: Signal
    gate: Signal
    fire: Signal
    trace: wiring.PureInterface

    def __init__(self, config: HybridLayerConfig, memory_map: MemoryMap, prefix: str) -> None:
        if not isinstance(config, HybridLayerConfig):
            raise TypeError(f"config must be a HybridLayerConfig, not {config!r}")
        self.structure = config
        rows, neurons = config.rows, config.neurons
        self._registers = Registers(memory_map, prefix, SCALARS)
        self._growth = GrowthTable(memory_map, prefix)
        self._lift_window = memory_map.claim(prefix + "lift_growth", neurons)
        self._thresholds = Thresholds(neurons, memory_map, prefix)
        self._crossbar = Crossbar(rows, neurons, config.lanes, memory_map, prefix + "conductance", state=True)
        self._node1 = Node1(rows, neurons, config.recip_shift, memory_map, prefix)
        self._rule = SoftBoundRule(rows, neurons)
        self._lia = LateralInhibition(neurons, config.tie, memory_map, prefix) if config.inhibition else None
        self._filament = memory_map.claim(prefix + "filament", 2 * neurons, state=True)
        self._latches = memory_map.claim(prefix + "latches", neurons, state=True)
        self._count = memory_map.claim(prefix + "count", 1, state=True)
        super().__init__(
            {
                "config": In(ConfigBus()),
                "init": In(1),
                "start": In(1),
                "clk": In(1),
                "events": In(rows),
                "mask": In(neurons),
                "learn": In(1),
                "pace": In(config.pace_bits),
                "busy": Out(1),
                "g1": Out(neurons),
                "v_l": Out(neurons),
                "l1": Out(neurons),
                "l2": Out(neurons),
                "t1": Out(neurons),
                "t3": Out(neurons),
                "node2": Out(neurons),
                "gate": Out(neurons),
                "fire": Out(1),
                "trace": Out(TraceSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the layer."""
        m = Module()
        neurons, substeps = self.structure.neurons, self.structure.substeps
        last = neurons - 1

        m.submodules.registers = registers = self._registers
        m.submodules.growth = growth = self._growth
        m.submodules.thresholds = thresholds = self._thresholds
        m.submodules.crossbar = crossbar = self._crossbar
        m.submodules.node1 = node1 = self._node1
        m.submodules.rule = rule = self._rule
        # While power-up walks the columns the device is held in reset, so that zeros come out of it for every neuron.
        clearing = Signal()
        device = TsDevice()
        m.submodules.ts_device = ResetInserter(clearing)(device)
        parts = [registers, growth, thresholds, crossbar, node1]
        if self._lia is not None:
            m.submodules.lia = self._lia
            parts.append(self._lia)
        option = {
            name: registers.options[bit]
            for bit, name in enumerate(("refractory", "depression", "skip", "adaptive", "scaled"))
        }

        # No word that is read in the clock of its write is used; without the attribute Yosys adds logic for that case.
        attrs = {"no_rw_check": 1}

        # State of a neuron. `lifted` counts the passes of this half-period in which T3 lifted node 1; it is nothing
        # between half-periods. Each half of a word is one of the filament on the bus, and is written alone from there.
        lifted_bits = self.structure.pace_bits
        state = data.StructLayout({"x": X, "on": 1, "lifted": lifted_bits})
        m.submodules.state = state_memory = memory.Memory(shape=unsigned(32), depth=neurons, init=[], attrs=attrs)
        state_write = state_memory.write_port(granularity=16)
        state_read = state_memory.read_port()
        before = data.View(state, state_read.data[: state.size])
        after = Signal(state)

        # Growth per substep: bank 0 for node 1 as the inputs drive it, bank 1 for node 1 lifted by T3.
        bank = 1 << ceil_log2(neurons)
        drive_init = [0] * bank + self._lift_window.init
        m.submodules.drive = drive_memory = memory.Memory(shape=GROWTH, depth=2 * bank, init=drive_init, attrs=attrs)
        drive_write = drive_memory.write_port()
        drive_read = drive_memory.read_port()

        index = Signal(range(neurons))  # neuron that enters the pipeline, or column that learns
        out_index = Signal(range(neurons))  # neuron that leaves the pipeline
        advance = Signal()
        with m.If(advance):
            m.d.sync += index.eq(Mux(index == last, 0, index + 1))

        count = Signal(16)  # half-periods since power-up
        driven = Signal()  # there are events
        skipped = Signal()
        formed = Signal()  # a device was on in the last pass
        powering = Signal()
        active = Signal(neurons)  # node 1 above the hold voltage; never set while CLK is low
        fired = Signal(neurons)

        # The state on the bus: whatever has a word for each neuron shows that of `index`, where a read puts it.
        looking = Signal()  # the bus has the learning port of the crossbar
        filament_hit = self._filament.hit(self.config)
        filament_part = self.config.address[0]
        latches_hit = self._latches.hit(self.config)
        count_hit = self._count.hit(self.config)

        # The shapers.
        edge = Signal()
        clear = Signal()
        commit = Signal()
        restored = Mux(latches_hit, 1 << self._latches.offset(self.config), 0)[:neurons]
        for neuron in range(neurons):
            m.submodules[f"shaper{neuron}"] = shaper = SpikeShaper()
            m.d.comb += [
                shaper.clk.eq(self.clk),
                shaper.edge.eq(edge),
                shaper.clear.eq(clear),
                shaper.commit.eq(commit & (out_index == neuron)),
                shaper.restore.eq(restored[neuron]),
                shaper.latches.eq(self.config.data[:2]),
                shaper.node2.eq(device.o_node2),
                shaper.refractory.eq(option["refractory"]),
                shaper.depression.eq(option["depression"]),
                self.g1[neuron].eq(shaper.g1),
                self.v_l[neuron].eq(shaper.g3),
                self.l1[neuron].eq(shaper.l1),
                self.l2[neuron].eq(shaper.l2),
                self.t1[neuron].eq(shaper.t1),
                self.t3[neuron].eq(shaper.t3),
                fired[neuron].eq(shaper.fired),
            ]
            with m.If(shaper.commit):
                m.d.sync += self.node2[neuron].eq(shaper.node2)
            with m.If(clear):
                m.d.sync += self.node2[neuron].eq(0)

        # Lateral inhibition. `changed` is high when the gates must be evaluated again.
        ended = Signal()  # clock after the last neuron of a pass: its L1 has settled
        refresh = Signal()
        changed = Signal()
        settling = Signal()
        inhibited = Signal(2, init=0b10)  # of neuron `index`: suppressed, and its gate
        if self._lia is None:
            m.d.comb += self.gate.eq(self.mask)
        else:
            lia = self._lia
            l1, l2, _, *others = self.config.data[:5]
            m.d.comb += [
                lia.clear.eq(clear),
                lia.restore.eq(restored),
                lia.latches.eq(Cat(l1 | l2, *others)),
                inhibited.eq(Cat(word.bit_select(index, 1) for word in (lia.suppressed, lia.l_g))),
                lia.evaluate.eq(ended | refresh),
                lia.refresh.eq(refresh),
                lia.v_l.eq(self.v_l),
                lia.random.eq(thresholds.random),
                thresholds.step.eq(lia.take_random),
                changed.eq(lia.changed),
                settling.eq(lia.busy),
                self.gate.eq(lia.l_g & self.mask),
            ]

        # Node 1: sums of the crossbar, voltage, growth, into bank 0.
        m.d.comb += [
            crossbar.events.eq(self.events),
            node1.v_in.eq(registers.v_in),
            node1.i_valid.eq(crossbar.o_valid),
            node1.i_column.eq(crossbar.o_column),
            node1.i_current.eq(crossbar.o_sum),
            growth.valid.eq(node1.o_valid),
            growth.voltage.eq(node1.o_v1),
            growth.gain.eq(node1.o_gain),
        ]
        above_hold = node1.o_v1 > registers.v_hold
        with m.If(node1.o_valid):
            m.d.sync += active.bit_select(node1.o_column, 1).eq(above_hold)
        lift_hit = self._lift_window.hit(self.config)
        m.d.comb += [
            drive_write.en.eq(lift_hit | growth.o_valid),
            drive_write.addr.eq(
                Mux(lift_hit, bank + self._lift_window.offset(self.config)[: ceil_log2(neurons)], index)
            ),
            drive_write.data.eq(Mux(lift_hit, self.config.data, growth.growth)),
        ]

        # One multiplier serves parts that never work at the same time; an idle part asks for zero.
        m.d.comb += [
            device.m_a.eq(growth.m_a | thresholds.m_a),
            device.m_b.eq(growth.m_b | thresholds.m_b),
            growth.m_product.eq(device.m_product),
            thresholds.m_product.eq(device.m_product),
        ]

        # A pass, stage 0: addresses and flags of a neuron. T1 and T3 exclude each other except where node 1 stays at
        # ground, so T1 wins.
        issue = Signal()
        lifted = self.t3.bit_select(index, 1)
        drives = ~self.t1 & (self.t3 | (self.gate & active))
        flags = data.StructLayout({"lifted": 1, "driven": 1, "gate": 1, "t1": 1})
        entering = Signal(flags)
        m.d.comb += [
            state_read.addr.eq(index),
            state_read.en.eq(1),
            drive_read.addr.eq(Cat(index, lifted)),
            drive_read.en.eq(1),
            thresholds.read.eq(*delayed(m, "index", device.theta_delay, index)),
        ]
        m.d.sync += [
            entering.lifted.eq(lifted),
            entering.driven.eq(drives.bit_select(index, 1)),
            entering.gate.eq(self.gate.bit_select(index, 1)),
            entering.t1.eq(self.t1.bit_select(index, 1)),
        ]
        # Stage 1: the threshold switch.
        in_flight = Signal(device.latency + 1)
        m.d.sync += in_flight.eq(Cat(issue, in_flight))
        m.d.comb += [
            device.valid.eq(in_flight[0]),
            device.x.eq(before.x),
            device.on.eq(before.on),
            device.growth.eq(drive_read.data),
            device.driven.eq(entering.driven),
            device.skipped.eq(skipped),
            device.theta.eq(thresholds.theta),
            device.adapt.eq(thresholds.adapt),
            *(
                getattr(device, name).eq(getattr(registers, name))
                for name in ("leak", "leak_half", "relax", "theta_off", "x_max")
            ),
            commit.eq(in_flight[-1]),
        ]
        leaving, lifted_before = delayed(m, "flags", device.latency, entering, before.lifted)
        # Last stage: store.
        completed = Signal(lifted_bits)  # passes
        store = commit | (clearing & advance)
        node2 = device.o_node2
        with m.If(option["scaled"]):
            m.d.comb += after.lifted.eq(Mux(completed == 0, 0, lifted_before) + leaving.lifted)
        on = Mux(filament_hit, self.config.data[4], device.o_on)
        stored = Mux(filament_hit, self._filament.offset(self.config)[1:], out_index)
        m.d.comb += [
            after.x.eq(device.o_x),
            after.on.eq(device.o_on),
            state_write.en.eq(Mux(filament_hit, Cat(~filament_part, filament_part), store.replicate(2))),
            state_write.addr.eq(stored),
            state_write.data.eq(Mux(filament_hit, self.config.data.replicate(2), after)),
            self.fire.eq(commit & self.clk & node2 & ~(self.l1 | fired).bit_select(out_index, 1)),
        ]
        m.d.sync += ended.eq(commit & (out_index == last))
        with m.If(store):
            m.d.sync += out_index.eq(Mux(out_index == last, 0, out_index + 1))
        with m.If(state_write.en[1]):
            # Neurons are stored in ascending order, over the bus too.
            m.d.sync += formed.eq(on | (formed & (stored != 0)))
        with m.If(ended):
            m.d.sync += completed.eq(completed + 1)

        # Learning and thresholds.
        scaled_step = Signal(16)
        lifted_left = Signal(lifted_bits)
        depress = fired & self.gate & option["depression"].replicate(neurons)
        enabled = self.gate if self.structure.one_cycle else self.gate & self.l2
        potentiate = enabled & driven.replicate(neurons)
        divide = Signal()
        m.d.comb += [
            rule.column.eq(index),
            rule.potentiate.eq(potentiate.bit_select(index, 1) & ~clearing),
            rule.depress.eq(depress.bit_select(index, 1) & ~clearing),
            rule.events.eq(self.events),
            rule.step_potentiation.eq(registers.potentiation),
            rule.step_depression.eq(scaled_step),
            *(getattr(rule, name).eq(getattr(registers, name)) for name in ("g_min", "g_max", "g_load")),
            rule.r_data.eq(crossbar.r_data),
            crossbar.r_row.eq(Mux(looking, crossbar.window.fields(self.config)[0], rule.r_row)),
            crossbar.r_enable.eq(looking | rule.r_enable),
            *(
                getattr(crossbar, name).eq(getattr(rule, name))
                for name in ("r_column", "w_row", "w_column", "w_data", "w_enable")
            ),
            node1.w_column.eq(index),
            node1.w_total.eq(rule.total),
            node1.w_start.eq(divide),
        ]
        # The low `adapt_interval` bits of the count decide; `count` already includes this half-period here.
        due = Signal()
        below = Cat(registers.adapt_interval[:4] > bit for bit in range(15))
        adapts = option["adaptive"] & self.learn
        m.d.sync += due.eq(adapts & ~(count & below).any())
        m.d.comb += [
            thresholds.seed.eq(Cat(registers.seed_low, registers.seed_high)),
            thresholds.load.eq(clear),
            thresholds.clear.eq(powering),
            thresholds.redraw.eq(powering | fired.any()),
            thresholds.decay.eq(due & ~powering),
            thresholds.rise.eq(fired & adapts.replicate(neurons)),
            *(
                getattr(thresholds, name).eq(getattr(registers, name))
                for name in ("theta_sd", "adapt_step", "adapt_leak", "theta_off")
            ),
        ]

        # The sequence.
        over = Signal()  # every pass of this half-period is completed
        last_pass = skipped | (completed == substeps - 1)
        # A pass whose neurons have all entered has not ended yet. The next one may begin if no neuron enters again
        # before it has been stored, and if there is a next one.
        waiting = Signal()
        m.d.sync += waiting.eq((issue & (index == last)) | (waiting & ~ended))
        may_begin = ~waiting | ~last_pass if neurons > device.latency else ~waiting
        half_trace = Signal()
        # A clock late, which keeps the comparison out of the path through the sequence; the sum has long settled
        # when the next pass is due.
        paced = Signal()
        m.d.sync += paced.eq(completed + waiting <= self.pace)

        def after_pass() -> None:
            with m.If(ended):
                m.d.sync += over.eq(last_pass)
                with m.If(changed):
                    # Drop what has entered since, and begin that pass again under the new gates.
                    m.d.sync += [in_flight.eq(0), index.eq(0), waiting.eq(0)]
                    m.next = "INHIBIT"
                with m.Elif(last_pass):
                    m.next = "LEARN"
                    with m.If(skipped & ~due):
                        m.next = "IDLE"

        with m.FSM() as fsm:
            m.d.comb += self.busy.eq(~fsm.ongoing("IDLE"))
            with m.State("IDLE"):
                with m.If(self.init | self.start):
                    m.d.sync += [index.eq(0), looking.eq(0)]
                with m.Elif(self.config.read):
                    of_filament = self._filament.here(self.config)
                    m.d.sync += [index.eq(self.config.address >> of_filament), looking.eq(1)]
                with m.If(count_hit):
                    m.d.sync += count.eq(self.config.data)
                with m.If(self.init):
                    m.d.comb += clear.eq(1)
                    m.d.sync += [powering.eq(1), clearing.eq(1), count.eq(0)]
                    m.next = "COLUMN"
                with m.Elif(self.start):
                    m.d.comb += edge.eq(1)
                    m.d.sync += [active.eq(0), completed.eq(0), over.eq(0)]
                    m.next = "HALF"
            with m.State("HALF"):
                any_event = self.events.any()
                quiet = ~any_event & ~formed & option["skip"]
                m.d.comb += [half_trace.eq(1), crossbar.start.eq(any_event)]
                m.d.sync += [count.eq(count + 1), driven.eq(any_event), skipped.eq(quiet)]
                m.next = "PASS"
                with m.If(any_event):
                    m.next = "DRIVE"
            with m.State("DRIVE"), m.If(growth.o_valid):
                m.d.comb += advance.eq(1)
                with m.If(index == last):
                    m.next = "PASS"
            with m.State("PASS"):
                with m.If((index != 0) | (may_begin & paced)):
                    m.d.comb += [issue.eq(1), advance.eq(1)]
                    with m.If(index == last):
                        m.next = "GAP"
                after_pass()
            with m.State("GAP"):
                # Keeps the first neuron of a pass from being stored in the clock in which the LIA asks for its end.
                m.next = "PASS"
                after_pass()
            with m.State("INHIBIT"), m.If(~settling):
                m.next = "PASS"
                with m.If(over):
                    m.next = "LEARN"
            with m.State("LEARN"):
                m.next = "THRESHOLD"
                with m.If(self.clk & self.learn & (depress | potentiate).any()):
                    m.next = "COLUMN"
            with m.State("COLUMN"):
                with m.If(clearing | rule.potentiate | rule.depress):
                    m.next = "STEP"
                with m.Else():
                    m.d.comb += advance.eq(1)
                    with m.If(index == last):
                        m.next = "THRESHOLD"
            with m.State("STEP"):
                m.d.sync += [
                    scaled_step.eq(Mux(option["scaled"], 0, registers.depression)),
                    lifted_left.eq(before.lifted),
                ]
                m.next = "SCALE"
            with m.State("SCALE"):
                # A product by repeated addition: it is short, and the multipliers are taken.
                with m.If(option["scaled"] & (lifted_left != 0)):
                    larger = scaled_step + registers.depression
                    m.d.sync += [
                        lifted_left.eq(lifted_left - 1),
                        scaled_step.eq(Mux(larger[15:] != 0, 1 << 15, larger)),
                    ]
                with m.Else():
                    m.d.comb += rule.start.eq(1)
                    m.next = "WALK"
            with m.State("WALK"), m.If(rule.done):
                m.d.comb += divide.eq(1)
                m.next = "DIVIDE"
            with m.State("DIVIDE"), m.If(node1.w_done):
                m.d.comb += advance.eq(1)
                m.next = "COLUMN"
                with m.If(index == last):
                    m.d.sync += clearing.eq(0)
                    m.next = "THRESHOLD"
            with m.State("THRESHOLD"):
                m.next = "IDLE"
                with m.If(thresholds.redraw | thresholds.decay):
                    m.d.comb += thresholds.start.eq(1)
                    m.next = "THRESHOLDS"
            with m.State("THRESHOLDS"), m.If(~thresholds.busy):
                m.d.comb += refresh.eq(powering)
                m.next = "SETTLE"
            with m.State("SETTLE"), m.If(~settling):
                m.d.sync += powering.eq(0)
                m.next = "IDLE"

        # The state on the bus.
        latches = Cat((word.bit_select(index, 1) for word in (self.l1, self.l2)), Const(0, 1), inhibited)
        filament = Mux(filament_part, Cat(before.x[16:], before.on), before.x[:16])
        connect_config(
            m,
            self.config,
            [part.config for part in parts],
            crossbar.window.shown(self.config, crossbar.r_data),
            self._filament.shown(self.config, filament),
            self._latches.shown(self.config, latches),
            self._count.shown(self.config, count),
        )

        # The trace.
        (v1_traced,) = delayed(m, "v1", growth.latency, node1.o_v1)
        l1_traced = Mux(self.clk, node2, self.l1.bit_select(out_index, 1))
        entries: list[tuple[Value, Value]] = [
            (half_trace, trace_word(TraceKind.HALF, 0, self.clk, quiet, self.learn, count)),
            (
                growth.o_valid,
                trace_word(TraceKind.DRIVE, index, v1_traced, growth.growth, active.bit_select(index, 1)),
            ),
            (
                commit,
                trace_word(
                    TraceKind.SUBSTEP,
                    out_index,
                    device.o_x,
                    device.o_on,
                    node2,
                    l1_traced,
                    self.l2.bit_select(out_index, 1),
                    leaving.t1,
                    leaving.lifted,
                    leaving.gate,
                    leaving.driven,
                ),
            ),
            (
                rule.t_valid,
                trace_word(TraceKind.CONDUCTANCE, rule.t_column, rule.t_conductance, rule.t_row),
            ),
            (node1.w_done, trace_word(TraceKind.RECIPROCAL, index, node1.w_reciprocal)),
            (
                thresholds.o_valid,
                trace_word(TraceKind.THRESHOLD, thresholds.o_neuron, thresholds.o_theta, thresholds.o_adapt),
            ),
        ]
        write_trace(m, self.trace, entries)
        return m
