"""The decoder of LIF networks: which neuron of the last layer answers."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.cells import cells
from memtwin.hdl.core.config import ConfigBus, MemoryMap, Registers
from memtwin.hdl.lif.fixed import MEMBRANE

__all__ = ["LifDecoder"]


class LifDecoder(wiring.Component):
    """Decoder: finds the answer among the neurons of the last layer, as they leave the layer.

    With `rate` the answer is the neuron of the most spikes, of several the one with the largest `v`; with `first
    spike` it is, in the first step with a spike, the one that spiked with the largest `u`, and without any spike the
    one with the largest `v`. Of several the lowest. One comparison does for all: spikes so far first, then `u` of a
    neuron that spikes under `first spike`, else `v`.

    Latency: the answer of the neurons so far is there 3 clocks after the last one. Throughput: one neuron per clock.

    Parameters
    ----------
    neurons : int
        Neurons of the last layer.
    memory_map : MemoryMap
        Map in which it claims the register ``decoder`` (0 rate, 1 first spike).

    Members
    -------
    config : In(ConfigBus())
        Writes.
    start : In(1)
        Strobe: a step begins.
    first : In(1)
        With `valid`: it is the first step of an image.
    valid : In(1)
        A neuron is presented; all of them in order, once per step.
    spike : In(1)
        It spiked.
    v, u : In(signed(20))
        Its membrane after the step, and before a reset.
    stop : Out(1)
        With `first spike`, a neuron has spiked in this step: the image is over with the step.
    busy : Out(1)
        A neuron is still being compared.
    answer : Out(range(neurons))
        The answer, if the image is over with this step.
    spikes : Out(16)
        Its spikes.

    Source: docs/lif-arithmetic.md, section 4.
    """

    def __init__(self, neurons: int, memory_map: MemoryMap) -> None:
        self.neurons = neurons
        self._registers = Registers(memory_map, "", ("decoder",))
        super().__init__(
            {
                "config": In(ConfigBus()),
                "start": In(1),
                "first": In(1),
                "valid": In(1),
                "spike": In(1),
                "v": In(MEMBRANE),
                "u": In(MEMBRANE),
                "stop": Out(1),
                "busy": Out(1),
                "answer": Out(range(neurons)),
                "spikes": Out(16),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the counts and the comparison."""
        m = Module()
        m.submodules.registers = registers = self._registers
        wiring.connect(m, wiring.flipped(self.config), registers.config)
        by_first = registers["decoder"][0]

        counts = cells(m, "counts", 16, self.neurons)
        read, write = counts.read_port(), counts.write_port()
        index = Signal(unsigned(ceil_log2(self.neurons)))
        index_1 = Signal.like(index)
        index_2 = Signal.like(index)
        valid = Signal(2)
        spike_1 = Signal()
        first_1 = Signal()
        level_1 = Signal(MEMBRANE)
        count_1 = Signal(16)
        best = Signal(16 + MEMBRANE.width)  # spikes above a membrane that counts from the lowest one
        candidate_2 = Signal.like(best)

        m.d.sync += [
            valid.eq(Cat(self.valid, valid)),
            spike_1.eq(self.spike),
            first_1.eq(self.first),
            level_1.eq(Mux(by_first & self.spike, self.u, self.v)),
            index_1.eq(index),
            index_2.eq(index_1),
            candidate_2.eq(Cat(level_1[:-1], ~level_1[-1], count_1)),
        ]
        m.d.comb += [
            read.addr.eq(index),
            count_1.eq(Mux(first_1, 0, read.data) + spike_1),
            write.addr.eq(index_1),
            write.data.eq(count_1),
            write.en.eq(valid[0]),
            self.busy.eq(valid.any()),
            self.spikes.eq(best[MEMBRANE.width :]),
        ]
        # The first neuron of a step replaces the answer of the step before.
        with m.If(valid[1] & ((index_2 == 0) | (candidate_2 > best))):
            m.d.sync += [best.eq(candidate_2), self.answer.eq(index_2)]
        with m.If(self.start):
            m.d.sync += [self.stop.eq(0), index.eq(0)]
        with m.Elif(self.valid):
            m.d.sync += [index.eq(index + 1), self.stop.eq(self.stop | (self.spike & by_first))]
        return m
