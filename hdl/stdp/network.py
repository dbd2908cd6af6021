"""Neurons with STDP synapses behind a configuration bus and a stream of presentations."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Module
from amaranth.lib import wiring

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.port.network_port import NetworkPort
from memtwin.hdl.stdp.layer import StdpLayer, StdpLayerConfig
from memtwin.hdl.stdp.presenter import StdpPresentation, StdpPresenter

__all__ = ["StdpNetwork"]


class StdpNetwork(NetworkPort):
    """A layer of LIF neurons with STDP synapses, and what plays spike trains to it.

    Throughput: see `StdpLayer` and `StdpPresenter`.

    Parameters
    ----------
    layer : StdpLayerConfig
        Structure.
    image : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``.

    The attributes, and the members that are not listed here, are those of `NetworkPort`.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients and conductances, while `idle`.
    presentations : In(stream.Signature(StdpPresentation(...)))
        What to show.
    clk_level : Out(1)
        Something is being shown.
    begins : Out(1)
        Strobe: the first step of a presentation begins.
    spikes_strobe : Out(1)
        Once in each step, when `on` is valid.

    Raises
    ------
    TypeError, ValueError
        If `layer` is no StdpLayerConfig, or `image` holds names or lengths that the design does not.

    Source: yang2020, Fig. 16; docs/stdp.md.
    """

    kind = "stdp"

    layers: list[StdpLayerConfig]
    presentation: StdpPresentation
    layer1: wiring.PureInterface
    trace1: wiring.PureInterface

    def __init__(self, layer: StdpLayerConfig, image: Mapping[str, Sequence[int]] | None = None) -> None:
        memory_map = MemoryMap(image)
        self._layer = StdpLayer(layer, memory_map, "layer1.")
        memory_map.writes(image or {})  # refuses names that the design does not have
        self._presenter = StdpPresenter(layer.rows, layer.neurons)
        super().__init__([layer], memory_map, self._presenter.layout)

    def elaborate(self, platform: object) -> Module:
        """Join presenter and layer."""
        m = Module()
        m.submodules.presenter = presenter = self._presenter
        m.submodules.layer1 = layer = self._layer
        wiring.connect(m, wiring.flipped(self.presentations), presenter.i)
        wiring.connect(m, wiring.flipped(self.config), layer.config)
        wiring.connect(m, layer.trace, wiring.flipped(self.trace1))
        m.d.comb += [
            presenter.tick.eq(self.tick),
            presenter.busy.eq(layer.busy),
            layer.start.eq(presenter.start),
            layer.first.eq(presenter.first),
            layer.learn.eq(presenter.learn),
            layer.inputs.eq(presenter.inputs),
            layer.forced.eq(presenter.forced),
            self.layer1.on.eq(layer.on),
            self.clk_level.eq(~presenter.idle),
            self.idle.eq(presenter.idle),
            self.done.eq(presenter.done),
            self.begins.eq(presenter.begins),
            self.spikes_strobe.eq(presenter.step_done),
        ]
        return m
