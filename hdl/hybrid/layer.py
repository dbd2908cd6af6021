"""One layer of hybrid memristor-CMOS neurons: crossbar, threshold switches, shapers, learning and inhibition."""

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.config import ConfigBus, MemoryMap, Registers, connect_config
from memtwin.hdl.core.crossbar import Crossbar
from memtwin.hdl.core.delay_line import stages
from memtwin.hdl.core.trace import TraceSignature, trace_word, write_trace
from memtwin.hdl.hybrid.growth import GrowthTable
from memtwin.hdl.hybrid.lia import LateralInhibition
from memtwin.hdl.hybrid.neuron_pass import DEVICE, NeuronPass
from memtwin.hdl.hybrid.node1 import Node1
from memtwin.hdl.hybrid.scaled_step import ScaledStep
from memtwin.hdl.hybrid.sequencer import Sequencer
from memtwin.hdl.hybrid.shapers import Shapers
from memtwin.hdl.hybrid.soft_bound_rule import SoftBoundRule
from memtwin.hdl.hybrid.structure import OPTIONS, SCALARS, HybridLayerConfig, HybridTraceKind
from memtwin.hdl.hybrid.thresholds import Thresholds

__all__ = ["HybridLayer"]

# What the shapers show, and what the sequence is told of the passes.
_LEVELS = ("g1", "v_l", "l1", "l2", "t1", "t3", "node2")
_PASSES = ("formed", "ended", "waiting", "completed")


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

    def __init__(self, config: HybridLayerConfig, memory_map: MemoryMap, prefix: str) -> None:
        if not isinstance(config, HybridLayerConfig):
            raise TypeError(f"config must be a HybridLayerConfig, not {config!r}")
        self.structure = config
        rows, neurons = config.rows, config.neurons
        self._registers = Registers(memory_map, prefix, SCALARS)
        self._growth = GrowthTable(memory_map, prefix)
        lift = memory_map.claim(prefix + "lift_growth", neurons)
        self._thresholds = Thresholds(neurons, memory_map, prefix)
        self._crossbar = Crossbar(rows, neurons, config.lanes, memory_map, prefix + "conductance", state=True)
        self._node1 = Node1(rows, neurons, config.recip_shift, memory_map, prefix)
        self._rule = SoftBoundRule(rows, neurons)
        self._lia = LateralInhibition(neurons, config.tie, memory_map, prefix) if config.inhibition else None
        self._filament = filament = memory_map.claim(prefix + "filament", 2 * neurons, state=True)
        self._latches = memory_map.claim(prefix + "latches", neurons, state=True)
        self._count = memory_map.claim(prefix + "count", 1, state=True)
        self._pass = NeuronPass(neurons, config.pace_bits, lift, filament)
        self._shapers = Shapers(neurons)
        self._sequencer = Sequencer(neurons, config.substeps)
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
                **{name: Out(neurons) for name in (*_LEVELS, "gate")},
                "fire": Out(1),
                "trace": Out(TraceSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Join the parts."""
        m = Module()
        m.submodules.registers = registers = self._registers
        m.submodules.sequencer = sequencer = self._sequencer
        m.submodules.shapers = self._shapers
        m.submodules.crossbar = crossbar = self._crossbar
        m.submodules.node1 = node1 = self._node1
        m.submodules.growth_table = growth = self._growth
        m.submodules.neuron_pass = neuron_pass = self._pass
        m.submodules.rule = self._rule
        m.submodules.thresholds = thresholds = self._thresholds
        buses = [part.config for part in (registers, growth, thresholds, crossbar, node1, neuron_pass)]
        if self._lia is not None:
            m.submodules.lia = self._lia
            buses.append(self._lia.config)
        m.d.comb += [
            sequencer.init.eq(self.init),
            sequencer.start.eq(self.start),
            sequencer.driven.eq(self.events.any()),
            sequencer.pace.eq(self.pace),
            sequencer.may_skip.eq(self._options.skip),
            self.busy.eq(sequencer.busy),
        ]
        self._shape(m)
        inhibited = self._inhibit(m)
        active = self._drive(m)
        self._update(m, active)
        self._learn(m)
        self._change_thresholds(m)
        words = self._show_state(m, inhibited)
        connect_config(m, self.config, buses, *words)
        self._trace(m, active)
        return m

    @property
    def _options(self) -> data.View:
        return data.View(OPTIONS, self._registers["options"][: OPTIONS.size])

    def _shape(self, m: Module) -> None:
        """Latches, T1 and T3 of every neuron; L1 of one that fires is set in the clock of its last stage."""
        shapers, sequencer, leaving = self._shapers, self._sequencer, self._pass
        m.d.comb += [
            shapers.clk.eq(self.clk),
            shapers.edge.eq(sequencer.edge),
            shapers.clear.eq(sequencer.clear),
            shapers.refractory.eq(self._options.refractory),
            shapers.depression.eq(self._options.depression),
            shapers.commit.eq(leaving.commit),
            shapers.index.eq(leaving.o_index),
            shapers.i_node2.eq(leaving.o_node2),
            shapers.restore.eq(self._restored),
            shapers.latches.eq(self.config.data[:2]),
            *(
                getattr(self, name).eq(getattr(shapers, name))
                for name in ("g1", "v_l", "l1", "l2", "t1", "t3", "node2")
            ),
        ]
        before = (shapers.l1 | shapers.fired).bit_select(leaving.o_index, 1)
        m.d.comb += self.fire.eq(leaving.commit & self.clk & leaving.o_node2 & ~before)

    @property
    def _restored(self) -> Value:
        """Neuron whose latches are written over the bus."""
        hit = self._latches.hit(self.config)
        return Mux(hit, 1 << self._latches.offset(self.config), 0)[: self.structure.neurons]

    def _inhibit(self, m: Module) -> Value:
        """Gates of the neurons; returns, of neuron `index`, whether it is suppressed, and its own gate."""
        sequencer, lia = self._sequencer, self._lia
        if lia is None:
            m.d.comb += self.gate.eq(self.mask)
            return Const(0b10, 2)
        ended = self._pass.ended  # L1 of the last neuron of a pass has settled
        l1, l2, _, *others = self.config.data[:5]
        m.d.comb += [
            lia.clear.eq(sequencer.clear),
            lia.restore.eq(self._restored),
            lia.latches.eq(Cat(l1 | l2, *others)),
            lia.evaluate.eq(ended | sequencer.refresh),
            lia.refresh.eq(sequencer.refresh),
            lia.v_l.eq(self.v_l),
            lia.random.eq(self._thresholds.random),
            self._thresholds.step.eq(lia.take_random),
            sequencer.inhibited.eq(lia.changed),
            sequencer.settling.eq(lia.busy),
            self.gate.eq(lia.l_g & self.mask),
        ]
        return Cat(word.bit_select(sequencer.index, 1) for word in (lia.suppressed, lia.l_g))

    def _drive(self, m: Module) -> Signal:
        """Node 1 of every neuron, from the sums of the crossbar to the growth; returns where it is above `v_hold`."""
        registers, sequencer = self._registers, self._sequencer
        crossbar, node1, growth = self._crossbar, self._node1, self._growth
        m.d.comb += [
            crossbar.start.eq(sequencer.sums),
            crossbar.events.eq(self.events),
            node1.v_in.eq(registers["v_in"]),
            node1.i_valid.eq(crossbar.o_valid),
            node1.i_column.eq(crossbar.o_column),
            node1.i_current.eq(crossbar.o_sum),
            growth.valid.eq(node1.o_valid),
            growth.voltage.eq(node1.o_v1),
            growth.gain.eq(node1.o_gain),
            sequencer.drive_done.eq(growth.o_valid),
        ]
        active = Signal(self.structure.neurons)  # never set while CLK is low
        with m.If(node1.o_valid):
            m.d.sync += active.bit_select(node1.o_column, 1).eq(node1.o_v1 > registers["v_hold"])
        with m.If(sequencer.edge):
            m.d.sync += active.eq(0)
        return active

    def _update(self, m: Module, active: Signal) -> None:
        """Passes over the devices, with one multiplier for parts that never work at the same time."""
        sequencer, neuron_pass, growth, thresholds = self._sequencer, self._pass, self._growth, self._thresholds
        m.d.comb += [
            neuron_pass.begin.eq(sequencer.edge),
            neuron_pass.clearing.eq(sequencer.clearing),
            neuron_pass.store.eq(sequencer.advance),
            neuron_pass.index.eq(sequencer.index),
            neuron_pass.issue.eq(sequencer.issue),
            neuron_pass.drop.eq(sequencer.restart),
            neuron_pass.skipped.eq(sequencer.skipped),
            neuron_pass.scaled.eq(self._options.scaled),
            *(getattr(neuron_pass, name).eq(getattr(self, name)) for name in ("t1", "t3", "gate")),
            neuron_pass.active.eq(active),
            *(getattr(neuron_pass, name).eq(self._registers[name]) for name in DEVICE),
            neuron_pass.g_valid.eq(growth.o_valid),
            neuron_pass.g_index.eq(sequencer.index),
            neuron_pass.growth.eq(growth.growth),
            thresholds.read.eq(neuron_pass.t_read),
            neuron_pass.theta.eq(thresholds.theta),
            neuron_pass.adapt.eq(thresholds.adapt),
            # An idle part asks for zero.
            neuron_pass.m_a.eq(growth.m_a | thresholds.m_a),
            neuron_pass.m_b.eq(growth.m_b | thresholds.m_b),
            growth.m_product.eq(neuron_pass.m_product),
            thresholds.m_product.eq(neuron_pass.m_product),
            *(getattr(sequencer, name).eq(getattr(neuron_pass, name)) for name in _PASSES),
        ]

    def _learn(self, m: Module) -> None:
        """Which columns learn, and one after the other: its step, its walk, its reciprocal."""
        registers, sequencer = self._registers, self._sequencer
        rule, crossbar, node1 = self._rule, self._crossbar, self._node1
        m.submodules.scaled_step = step = ScaledStep(self.structure.pace_bits)
        neurons, index = self.structure.neurons, sequencer.index
        depress = self._shapers.fired & self.gate & self._options.depression.replicate(neurons)
        enabled = self.gate if self.structure.one_cycle else self.gate & self.l2
        potentiate = enabled & sequencer.potentiates.replicate(neurons)
        m.d.comb += [
            sequencer.learns.eq(self.clk & self.learn & (depress | potentiate).any()),
            sequencer.column_learns.eq(sequencer.clearing | rule.potentiate | rule.depress),
            step.start.eq(sequencer.step),
            step.scaled.eq(self._options.scaled),
            step.unit.eq(registers["depression"]),
            step.substeps.eq(self._pass.lifted),
            sequencer.step_done.eq(step.done),
            rule.start.eq(sequencer.walk),
            rule.column.eq(index),
            rule.potentiate.eq(potentiate.bit_select(index, 1) & ~sequencer.clearing),
            rule.depress.eq(depress.bit_select(index, 1) & ~sequencer.clearing),
            rule.events.eq(self.events),
            rule.step_potentiation.eq(registers["potentiation"]),
            rule.step_depression.eq(step.step),
            *(getattr(rule, name).eq(registers[name]) for name in ("g_min", "g_max", "g_load")),
            rule.r_data.eq(crossbar.r_data),
            # The bus has the learning port between half-periods.
            crossbar.r_row.eq(Mux(sequencer.reading, crossbar.window.fields(self.config)[0], rule.r_row)),
            crossbar.r_enable.eq(sequencer.reading | rule.r_enable),
            *(
                getattr(crossbar, name).eq(getattr(rule, name))
                for name in ("r_column", "w_row", "w_column", "w_data", "w_enable")
            ),
            sequencer.walk_done.eq(rule.done),
            node1.w_column.eq(index),
            node1.w_total.eq(rule.total),
            node1.w_start.eq(sequencer.divide),
            sequencer.column_done.eq(node1.w_done),
        ]

    def _change_thresholds(self, m: Module) -> None:
        """What changes the thresholds: power-up, a fire, and every so many half-periods the decay."""
        registers, sequencer, thresholds = self._registers, self._sequencer, self._thresholds
        fired = self._shapers.fired
        # The low `adapt_interval` bits of the count decide; it already includes this half-period here.
        due = Signal()
        below = Cat(registers["adapt_interval"][:4] > bit for bit in range(15))
        adapts = self._options.adaptive & self.learn
        m.d.sync += due.eq(adapts & ~(sequencer.count & below).any())
        m.d.comb += [
            sequencer.due.eq(due),
            sequencer.redraws.eq(thresholds.redraw | thresholds.decay),
            sequencer.thresholds_busy.eq(thresholds.busy),
            thresholds.start.eq(sequencer.thresholds_start),
            thresholds.seed.eq(Cat(registers["seed_low"], registers["seed_high"])),
            thresholds.load.eq(sequencer.clear),
            thresholds.clear.eq(sequencer.powering),
            thresholds.redraw.eq(sequencer.powering | fired.any()),
            thresholds.decay.eq(due & ~sequencer.powering),
            thresholds.rise.eq(fired & adapts.replicate(self.structure.neurons)),
            *(
                getattr(thresholds, name).eq(registers[name])
                for name in ("theta_sd", "adapt_step", "adapt_leak", "theta_off")
            ),
        ]

    def _show_state(self, m: Module, inhibited: Value) -> list[Value]:
        """The state on the bus: whatever has a word for each neuron shows that of `index`, where a read puts it."""
        sequencer, window = self._sequencer, self._crossbar.window
        two_words = self._filament.here(self.config)
        m.d.comb += [
            sequencer.read.eq(self.config.read),
            sequencer.read_index.eq(self.config.address >> two_words),
            sequencer.restore.eq(self._count.hit(self.config)),
            sequencer.word.eq(self.config.data),
        ]
        latches = Cat((word.bit_select(sequencer.index, 1) for word in (self.l1, self.l2)), Const(0, 1), inhibited)
        return [
            window.shown(self.config, self._crossbar.r_data),
            self._latches.shown(self.config, latches),
            self._count.shown(self.config, sequencer.count),
        ]

    def _trace(self, m: Module, active: Signal) -> None:
        """Write down every state word that changes (docs/arithmetic.md, section 11)."""
        sequencer, leaving, growth = self._sequencer, self._pass, self._growth
        rule, node1, thresholds = self._rule, self._node1, self._thresholds
        index, o_index, flags = sequencer.index, leaving.o_index, leaving.o_flags
        v1 = stages(m, "v1", growth.latency, node1.o_v1)[-1]
        l1 = Mux(self.clk, leaving.o_node2, self.l1.bit_select(o_index, 1))
        device = (leaving.o_x, leaving.o_on, leaving.o_node2, l1, self.l2.bit_select(o_index, 1))
        entries: list[tuple[Value, tuple[Any, ...]]] = [
            (sequencer.half, (HybridTraceKind.HALF, 0, self.clk, sequencer.quiet, self.learn, sequencer.count)),
            (growth.o_valid, (HybridTraceKind.DRIVE, index, v1, growth.growth, active.bit_select(index, 1))),
            (
                leaving.commit,
                (HybridTraceKind.SUBSTEP, o_index, *device, flags.t1, flags.lifted, flags.gate, flags.driven),
            ),
            (rule.w_enable, (HybridTraceKind.CONDUCTANCE, rule.w_column, rule.w_data, rule.w_row)),
            (node1.w_done, (HybridTraceKind.RECIPROCAL, index, node1.w_reciprocal)),
            (
                thresholds.o_valid,
                (HybridTraceKind.THRESHOLD, thresholds.o_neuron, thresholds.o_theta, thresholds.o_adapt),
            ),
        ]
        write_trace(m, self.trace, [(strobe, trace_word(*fields)) for strobe, fields in entries])
