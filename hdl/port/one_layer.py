"""Networks of one layer that is shown stretches of spike trains."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring

from memtwin.hdl.core.config import ConfigPort, MemoryMap
from memtwin.hdl.core.stretches import Stretch, StretchPresenter
from memtwin.hdl.core.trace import TracePort
from memtwin.hdl.port.network_port import LayerShape, NetworkPort

__all__ = ["OneLayerNetwork"]


class StretchLayer(Protocol):
    """What a layer that is shown stretches must have."""

    config: ConfigPort
    start: Signal
    first: Signal
    busy: Signal
    on: Signal
    trace: TracePort

    @property
    def structure(self) -> LayerShape:
        """What is fixed in it."""

    def elaborate(self, platform: object) -> Module:
        """Build it."""


class OneLayerNetwork(NetworkPort):
    """One layer, and what plays spike trains to it. The networks of some kinds derive from it.

    Throughput: see the layer and `StretchPresenter`.

    Parameters
    ----------
    layer : StretchLayer
        The layer, with an input for each of `spikes` and `held`.
    memory_map : MemoryMap
        Map in which it has claimed its coefficients.
    words : mapping of str to sequence of int, optional
        Coefficients after reset.
    spikes, held : mapping of str to int
        What is shown to it, see `Stretch`.

    The attributes, and the members that are not listed here, are those of `NetworkPort`.

    Members
    -------
    presentations : In(stream.Signature(Stretch(...)))
        What to show.
    clk_level : Out(1)
        Something is being shown.
    begins : Out(1)
        Strobe: the first step of a presentation begins.
    spikes_strobe : Out(1)
        Once in each step, when `on` is valid.

    Raises
    ------
    ValueError
        If `words` holds names or lengths that the design does not.
    """

    presentation: Stretch

    def __init__(
        self,
        layer: StretchLayer,
        memory_map: MemoryMap,
        words: Mapping[str, Sequence[int]] | None,
        *,
        spikes: Mapping[str, int],
        held: Mapping[str, int],
    ) -> None:
        memory_map.writes(words or {})  # refuses names that the design does not have
        self._layer = layer
        self._presenter = StretchPresenter(spikes, held)
        super().__init__([layer.structure], memory_map, self._presenter.layout)

    def elaborate(self, platform: object) -> Module:
        """Join presenter and layer."""
        m = Module()
        m.submodules.presenter = presenter = self._presenter
        m.submodules.layer1 = layer = self._layer
        wiring.connect(m, wiring.flipped(self.presentations), presenter.i)
        wiring.connect(m, wiring.flipped(self.config), layer.config)
        wiring.connect(m, layer.trace, wiring.flipped(self.trace(1)))
        shown = (*self.presentation.held, *self.presentation.spikes)
        m.d.comb += [
            presenter.tick.eq(self.tick),
            presenter.busy.eq(layer.busy),
            layer.start.eq(presenter.start),
            layer.first.eq(presenter.first),
            *(getattr(layer, name).eq(getattr(presenter, name)) for name in shown),
            self.pulses(1).eq(layer.on),
            self.clk_level.eq(~presenter.idle),
            self.idle.eq(presenter.idle),
            self.done.eq(presenter.done),
            self.begins.eq(presenter.begins),
            self.spikes_strobe.eq(presenter.step_done),
        ]
        return m
