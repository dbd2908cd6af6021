"""Neurons with STDP synapses behind a configuration bus and a stream of presentations."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.config import ConfigBus, MemoryMap
from memtwin.hdl.stdp_layer import StdpLayer, StdpLayerConfig
from memtwin.hdl.stdp_presenter import StdpPresentation, StdpPresenter
from memtwin.hdl.trace import TraceSignature

__all__ = ["StdpNetwork", "StdpProbeSignature"]


class StdpProbeSignature(wiring.Signature):
    """What a scope would be clipped to, one bit per neuron.

    Members
    -------
    on : Out(neurons)
        Output spikes; see `StdpLayer`.
    """

    def __init__(self, neurons: int) -> None:
        super().__init__({"on": Out(neurons)})


class StdpNetwork(wiring.Component):
    """A layer of LIF neurons with STDP synapses, and what plays spike trains to it.

    Throughput: see `StdpLayer` and `StdpPresenter`.

    Parameters
    ----------
    layer : StdpLayerConfig
        Structure.
    image : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``.

    Attributes
    ----------
    layers : list of StdpLayerConfig
        The only layer.
    memory_map : MemoryMap
        Addresses of the coefficients.
    presentation : StdpPresentation
        Layout of a presentation.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients and conductances, while `idle`.
    presentations : In(stream.Signature(StdpPresentation(...)))
        What to show; each is taken when it is over.
    tick : In(1)
        The time of one step has passed (see `Pace`); high for full speed.
    clk_level : Out(1)
        Something is being shown.
    idle : Out(1)
        No presentation is there.
    done : Out(1)
        Strobe: a presentation is over.
    half : Out(1)
        Strobe: the first step of a presentation begins.
    spikes_strobe : Out(1)
        Once in each step, when `on` is valid.
    layer1 : Out(StdpProbeSignature(neurons))
        Probe.
    trace1 : Out(TraceSignature())
        Trace.

    Raises
    ------
    TypeError, ValueError
        If `layer` is no StdpLayerConfig, or `image` holds names or lengths that the design does not.

    Source: yang2020, Fig. 16; docs/stdp.md.
    """

    config: wiring.PureInterface
    presentations: wiring.PureInterface
    tick: Signal
    clk_level: Signal
    idle: Signal
    done: Signal
    half: Signal
    spikes_strobe: Signal
    layer1: wiring.PureInterface
    trace1: wiring.PureInterface

    def __init__(self, layer: StdpLayerConfig, image: Mapping[str, Sequence[int]] | None = None) -> None:
        self.memory_map = MemoryMap(image)
        self._layer = StdpLayer(layer, self.memory_map, "layer1.")
        self.layers = [layer]
        self.memory_map.writes(image or {})  # refuses names that the design does not have
        self._presenter = StdpPresenter(layer.rows, layer.neurons)
        self.presentation: StdpPresentation = self._presenter.layout
        super().__init__(
            {
                "config": In(ConfigBus()),
                "presentations": In(stream.Signature(self.presentation)),
                "tick": In(1),
                "clk_level": Out(1),
                "idle": Out(1),
                "done": Out(1),
                "half": Out(1),
                "spikes_strobe": Out(1),
                "layer1": Out(StdpProbeSignature(layer.neurons)),
                "trace1": Out(TraceSignature()),
            }
        )

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
            self.half.eq(presenter.begins),
            self.spikes_strobe.eq(presenter.step_done),
        ]
        return m
