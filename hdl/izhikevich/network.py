"""Izhikevich neurons behind a configuration bus and a stream of presentations."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Module
from amaranth.lib import wiring

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.izhikevich.layer import IzhikevichLayer, IzhikevichLayerConfig
from memtwin.hdl.izhikevich.presenter import IzhikevichPresentation, IzhikevichPresenter
from memtwin.hdl.port.network_port import NetworkPort

__all__ = ["IzhikevichNetwork"]


class IzhikevichNetwork(NetworkPort):
    """A layer of Izhikevich neurons, and what plays spike trains to it.

    Throughput: see `IzhikevichLayer` and `IzhikevichPresenter`.

    Parameters
    ----------
    layer : IzhikevichLayerConfig
        Structure.
    image : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``.

    The attributes, and the members that are not listed here, are those of `NetworkPort`.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients and currents, while `idle`.
    presentations : In(stream.Signature(IzhikevichPresentation(...)))
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
        If `layer` is no IzhikevichLayerConfig, or `image` holds names or lengths that the design does not.

    Source: docs/izhikevich.md.
    """

    kind = "izhikevich"

    layers: list[IzhikevichLayerConfig]
    presentation: IzhikevichPresentation
    layer1: wiring.PureInterface
    trace1: wiring.PureInterface

    def __init__(self, layer: IzhikevichLayerConfig, image: Mapping[str, Sequence[int]] | None = None) -> None:
        memory_map = MemoryMap(image)
        self._layer = IzhikevichLayer(layer, memory_map, "layer1.")
        memory_map.writes(image or {})  # refuses names that the design does not have
        self._presenter = IzhikevichPresenter(layer.rows)
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
            layer.inputs.eq(presenter.inputs),
            self.layer1.on.eq(layer.on),
            self.clk_level.eq(~presenter.idle),
            self.idle.eq(presenter.idle),
            self.done.eq(presenter.done),
            self.begins.eq(presenter.begins),
            self.spikes_strobe.eq(presenter.step_done),
        ]
        return m
