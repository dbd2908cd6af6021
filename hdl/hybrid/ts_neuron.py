"""The bare threshold switch under voltage pulses, without the circuit around it."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.config import ConfigBus, MemoryMap
from memtwin.hdl.core.fixed import X
from memtwin.hdl.core.trace import TraceSignature
from memtwin.hdl.hybrid.neuron import HybridNeuron

__all__ = ["TsNeuron"]


class TsNeuron(wiring.Component):
    """One threshold switch that is driven by pulses of `v_in` directly, as when the device alone is measured.

    It is a `HybridNeuron` with one synapse and no load at node 1, so that node 1 is at `v_in` during a pulse, and with
    T1 and T3 not connected: options 0, nothing but leak and relaxation between the pulses, and every
    substep is taken (no half-period is skipped), because a device that is measured is monitored. Options that are
    written over the bus later apply as in `HybridNeuron`.

    Latency and throughput: see `HybridNeuron`.

    Parameters
    ----------
    words : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``. Those of `options` and `g_load` are not used.
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
    pulse : In(1)
        A pulse in this clock period; taken in the first clock in which `clk_level` is high.
    idle : Out(1)
        Powered up, and CLK has stopped.
    clk_level : Out(1)
        The paper's CLK.
    on : Out(1)
        The device is in its low-resistance state.
    spike : Out(1)
        It conducts: on and driven, node 2 of the circuit.
    x : Out(20)
        Its filament, UQ(2, 18), 1 = nominal threshold.
    trace : Out(TraceSignature())
        Every state word that changes.

    Source: zhang2021, Fig. 2; docs/arithmetic.md, section 6.
    """

    def __init__(
        self, words: Mapping[str, Sequence[int]] | None = None, *, substeps: int = 16, recip_shift: int = 12
    ) -> None:
        bare = dict(words or {}) | {"layer1.options": [0], "layer1.g_load": [0]}
        self._neuron = HybridNeuron(1, bare, substeps=substeps, recip_shift=recip_shift)
        super().__init__(
            {
                "config": In(ConfigBus()),
                "init": In(1),
                "run": In(1),
                "tick": In(1),
                "pulse": In(1),
                "idle": Out(1),
                "clk_level": Out(1),
                "on": Out(1),
                "spike": Out(1),
                "x": Out(X),
                "trace": Out(TraceSignature()),
            }
        )

    @property
    def memory_map(self) -> MemoryMap:
        """Addresses of the coefficients."""
        return self._neuron.memory_map

    def elaborate(self, platform: object) -> Module:
        """Join the pulse to the synapse."""
        m = Module()
        m.submodules.neuron = neuron = self._neuron
        wiring.connect(m, wiring.flipped(self.config), neuron.config)
        wiring.connect(m, neuron.trace, wiring.flipped(self.trace))
        m.d.comb += [
            neuron.pulses.eq(self.pulse),
            self.spike.eq(neuron.node2),
            *(getattr(neuron, name).eq(getattr(self, name)) for name in ("init", "run", "tick")),
            *(getattr(self, name).eq(getattr(neuron, name)) for name in ("idle", "clk_level", "on", "x")),
        ]
        return m
