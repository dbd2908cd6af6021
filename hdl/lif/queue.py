"""Spikes that wait between two layers of LIF neurons."""

from amaranth.hdl import Module
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.lif.fixed import row_shape

__all__ = ["SpikeQueue"]


class SpikeQueue(wiring.Component):
    """A queue from a layer that makes one spike per clock to one that takes several clocks over an event.

    It is never full. A step writes each neuron at most once, and the queue is empty when it begins, because the layer
    behind has finished its step before the layer in front begins the next one. So it holds at most `neurons` spikes,
    and has room for as many without its output register, which takes a spike only a clock after its write.

    Latency: 2 clocks. Throughput: one spike per clock in, one per clock out.

    Parameters
    ----------
    neurons : int
        Neurons of the layer in front.

    Members
    -------
    i : In(stream.Signature(unsigned(max(1, ceil_log2(neurons))), always_ready=True))
        Spikes, at most `neurons` from one time that the queue is empty to the next.
    o : Out(stream.Signature(unsigned(max(1, ceil_log2(neurons)))))
        The same in the same order.
    refused : Out(1)
        A spike came while the queue was full, and is lost. Never, if what is said above of `i` holds; for checks.
    """

    def __init__(self, neurons: int) -> None:
        check_integer("neurons", neurons, 1)
        self._neurons = neurons
        shape = row_shape(neurons)
        super().__init__(
            {
                "i": In(stream.Signature(shape, always_ready=True)),
                "o": Out(stream.Signature(shape)),
                "refused": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the queue."""
        m = Module()
        # One place of its depth is the output register.
        m.submodules.fifo = queue = fifo.SyncFIFOBuffered(width=len(self.i.payload), depth=self._neurons + 1)
        m.d.comb += [
            queue.w_data.eq(self.i.payload),
            queue.w_en.eq(self.i.valid),
            self.refused.eq(self.i.valid & ~queue.w_rdy),
        ]
        wiring.connect(m, queue.r_stream, wiring.flipped(self.o))
        return m
