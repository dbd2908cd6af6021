"""The hybrid memristor-CMOS neuron as a part for a design of one's own."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.config import ConfigBus, MemoryMap
from memtwin.hdl.core.fixed import VOLT, X
from memtwin.hdl.core.pace import Pace
from memtwin.hdl.core.trace import TraceSignature
from memtwin.hdl.hybrid.layer import HybridLayer
from memtwin.hdl.hybrid.structure import HybridLayerConfig, HybridTraceKind

__all__ = ["HybridNeuron"]


class HybridNeuron(wiring.Component):
    """One neuron with its synapses, and a CLK that runs while `run` is high.

    It is a `HybridLayer` of one neuron without lateral inhibition, half-period after half-period. Neurons that must
    share one CLK belong in a `HybridNetwork`: each of these waits for its own work only.

    Latency: CLK rises 1 clock after `run` when stopped; outputs follow the substep that changes them. Throughput: a
    substep takes 7 clocks, a half-period of 16 substeps 116 clocks and about 16 more with pulses. With `tick` as a
    strobe every 1/16 of 250 us it takes the paper's 250 us.

    Parameters
    ----------
    rows : int
        Synapses.
    words : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``, as in a `HybridNetwork` of one layer.
    substeps : int
        Device updates per half-period, a power of two.
    recip_shift : int
        See `HybridLayerConfig`.

    Attributes
    ----------
    memory_map : MemoryMap
        Addresses of the coefficients.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients, while `idle`.
    init : In(1)
        Power-up, at the next end of a clock period. Needed after coefficients were written.
    run : In(1)
        CLK runs; it stops at the end of a clock period.
    tick : In(1)
        The time of one substep has passed; high for full speed.
    pulses : In(rows)
        Inputs that pulse, one bit each; taken in the first clock in which `clk_level` is high.
    learn : In(1)
        Synapses learn in this clock period; taken with `pulses`.
    idle : Out(1)
        Powered up, and CLK has stopped.
    clk_level : Out(1)
        The paper's CLK.
    g1 : Out(1)
        Spike: high for one high half-period.
    v_l : Out(1)
        ``L1 | L2``: from the fire to the end of the spike.
    node2 : Out(1)
        Node 2 is high: the threshold switch is on and driven.
    l1, l2 : Out(1)
        Latch of the shaper.
    t1 : Out(1)
        T1 grounds node 1, in the refractory period.
    t3 : Out(1)
        T3 lifts node 1, for the depression of the synapses after a fire.
    on : Out(1)
        The threshold switch is in its low-resistance state.
    x : Out(20)
        Its filament, UQ(2, 18), 1 = nominal threshold.
    v1 : Out(16)
        Voltage that the pulses make at node 1, UQ(2, 14) V, of the last half-period with pulses.
    trace : Out(TraceSignature())
        Every state word that changes.

    Source: zhang2021, Fig. 3; docs/arithmetic.md.
    """

    def __init__(
        self,
        rows: int = 2,
        words: Mapping[str, Sequence[int]] | None = None,
        *,
        substeps: int = 16,
        recip_shift: int = 12,
    ) -> None:
        structure = HybridLayerConfig(rows=rows, neurons=1, substeps=substeps, recip_shift=recip_shift)
        self.memory_map = MemoryMap(words)
        self._layer = HybridLayer(structure, self.memory_map, "layer1.")
        self._pace = Pace(substeps)
        self.memory_map.writes(words or {})  # refuses names that the design does not have
        super().__init__(
            {
                "config": In(ConfigBus()),
                "init": In(1),
                "run": In(1),
                "tick": In(1),
                "pulses": In(rows),
                "learn": In(1),
                "idle": Out(1),
                "clk_level": Out(1),
                "g1": Out(1),
                "v_l": Out(1),
                "node2": Out(1),
                "l1": Out(1),
                "l2": Out(1),
                "t1": Out(1),
                "t3": Out(1),
                "on": Out(1),
                "x": Out(X),
                "v1": Out(VOLT),
                "trace": Out(TraceSignature()),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build CLK around the layer."""
        m = Module()
        m.submodules.layer = layer = self._layer
        m.submodules.pacer = pace = self._pace
        wiring.connect(m, wiring.flipped(self.config), layer.config)
        wiring.connect(m, layer.trace, wiring.flipped(self.trace))

        pulses = Signal.like(self.pulses)
        learn = Signal()
        m.d.comb += [
            layer.clk.eq(self.clk_level),
            layer.mask.eq(1),
            layer.learn.eq(learn),
            layer.pace.eq(pace.pace),
            pace.tick.eq(self.tick),
            *(getattr(self, name).eq(getattr(layer, name)) for name in ("g1", "v_l", "node2", "l1", "l2", "t1", "t3")),
        ]
        with m.If(self.clk_level):
            m.d.comb += layer.events.eq(pulses)

        half_over = ~layer.busy & pace.full
        with m.FSM() as fsm:
            m.d.comb += self.idle.eq(fsm.ongoing("STOP"))
            with m.State("RESET"):
                m.d.comb += layer.init.eq(1)
                m.next = "POWER"
            with m.State("POWER"), m.If(~layer.busy):
                m.next = "STOP"
            with m.State("STOP"):
                m.d.comb += pace.clear.eq(1)
                with m.If(self.init):
                    m.d.comb += layer.init.eq(1)
                    m.next = "POWER"
                with m.Elif(self.run):
                    m.d.sync += self.clk_level.eq(1)
                    m.next = "HIGH"
            with m.State("HIGH"):
                m.d.comb += layer.start.eq(1)
                m.d.sync += [pulses.eq(self.pulses), learn.eq(self.learn)]
                m.next = "HIGH WAIT"
            with m.State("HIGH WAIT"), m.If(half_over):
                m.d.comb += pace.take.eq(1)
                m.d.sync += self.clk_level.eq(0)
                m.next = "LOW"
            with m.State("LOW"):
                m.d.comb += layer.start.eq(1)
                m.next = "LOW WAIT"
            with m.State("LOW WAIT"), m.If(half_over):
                m.d.comb += pace.take.eq(1)
                m.next = "STOP"
                with m.If(self.run & ~self.init):
                    m.d.sync += self.clk_level.eq(1)
                    m.next = "HIGH"

        # The filament and the voltage leave the layer on its trace only.
        kind = layer.trace.word[:4]
        value = layer.trace.word[20:]
        with m.If(layer.trace.valid & (kind == HybridTraceKind.SUBSTEP)):
            m.d.sync += [self.x.eq(value), self.on.eq(value[len(self.x)])]
        with m.If(layer.trace.valid & (kind == HybridTraceKind.DRIVE)):
            m.d.sync += self.v1.eq(value)
        with m.If(layer.init):
            m.d.sync += [self.x.eq(0), self.on.eq(0), self.v1.eq(0)]
        return m
