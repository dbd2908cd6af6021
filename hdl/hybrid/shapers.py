"""The spike shapers of a layer."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.hybrid.shaper import SpikeShaper

__all__ = ["Shapers"]

_LEVELS = ("g1", "v_l", "l1", "l2", "t1", "t3", "fired")


class Shapers(wiring.Component):
    """One `SpikeShaper` a neuron, all under one CLK; they take node 2 one after the other.

    Latency: as `SpikeShaper`. Throughput: one neuron per clock.

    Parameters
    ----------
    neurons : int
        Neurons, at least 1.

    Members
    -------
    clk, edge, clear, refractory, depression : In(1)
        As in `SpikeShaper`, for all.
    commit : In(1)
        Strobe: `i_node2` is node 2 of neuron `index` after a substep.
    index : In(range(neurons))
        See `commit`.
    i_node2 : In(1)
        See `commit`.
    restore : In(neurons)
        Neurons that take `latches`.
    latches : In(2)
        L1 and L2.
    g1, v_l, l1, l2, t1, t3, fired : Out(neurons)
        As in `SpikeShaper`; `v_l` is its ``g3``, the output to the lateral inhibition array.
    node2 : Out(neurons)
        Node 2 after the last `commit`; zero after `clear`.

    Source: zhang2021, Fig. 3; docs/arithmetic.md, section 6.
    """

    def __init__(self, neurons: int) -> None:
        check_integer("neurons", neurons, 1)
        super().__init__(
            {
                **{name: In(1) for name in ("clk", "edge", "clear", "refractory", "depression", "commit", "i_node2")},
                "index": In(range(neurons)),
                "restore": In(neurons),
                "latches": In(2),
                **{name: Out(neurons) for name in (*_LEVELS, "node2")},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build a shaper for each neuron."""
        m = Module()
        for neuron in range(len(self.node2)):
            m.submodules[f"shaper{neuron}"] = shaper = SpikeShaper()
            m.d.comb += [
                *(
                    getattr(shaper, name).eq(getattr(self, name))
                    for name in ("clk", "edge", "clear", "latches", "refractory", "depression")
                ),
                shaper.node2.eq(self.i_node2),
                shaper.commit.eq(self.commit & (self.index == neuron)),
                shaper.restore.eq(self.restore[neuron]),
                *(getattr(self, name)[neuron].eq(getattr(shaper, "g3" if name == "v_l" else name)) for name in _LEVELS),
            ]
            with m.If(shaper.commit):
                m.d.sync += self.node2[neuron].eq(self.i_node2)
            with m.If(self.clear):
                m.d.sync += self.node2[neuron].eq(0)
        return m
