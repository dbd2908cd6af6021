"""A network of layers of op-amp neurons, which work one after the other in every substep."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.config import ConfigBus, MemoryMap
from memtwin.hdl.opamp_layer import OpampLayer, OpampLayerConfig
from memtwin.hdl.opamp_presenter import OpampPresentation, OpampPresenter
from memtwin.hdl.trace import TraceSignature

__all__ = ["OpampNetwork", "OpampProbeSignature"]


class OpampProbeSignature(wiring.Signature):
    """What a scope would be clipped to in one layer, one bit per neuron.

    Members
    -------
    on : Out(neurons)
        Output pulses; see `OpampLayer`.
    """

    def __init__(self, neurons: int) -> None:
        super().__init__({"on": Out(neurons)})


class OpampNetwork(wiring.Component):
    """Layers of op-amp neurons, each driven by the output pulses of the one before.

    Throughput: a substep takes the sum of the latencies of its layers (see `OpampLayer`), 1 clock more per layer, and
    2 clocks.

    Parameters
    ----------
    layers : sequence of OpampLayerConfig
        Layer 1 first. The rows of a later layer are the neurons of the one before.
    image : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``, ``"layer2."``, ...

    Attributes
    ----------
    memory_map : MemoryMap
        Addresses of the coefficients.
    presentation : OpampPresentation
        Layout of a presentation.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients, while `idle`. They act from the next presentation on that has `init`.
    presentations : In(stream.Signature(OpampPresentation(...)))
        What to show; each is taken when it is over.
    tick : In(1)
        The time of one substep has passed (see `Pace`); high for full speed.
    clk_level : Out(1)
        The inputs are driven.
    idle : Out(1)
        Powered up, and no presentation is there.
    done : Out(1)
        Strobe: a presentation is over.
    half : Out(1)
        Strobe: the driven part of a presentation begins, or the part without input.
    spikes_strobe : Out(1)
        Once in each substep, when `on` of every layer is valid.
    layer1, layer2, ... : Out(OpampProbeSignature(neurons))
        Probes.
    trace1, trace2, ... : Out(TraceSignature())
        Traces.

    Raises
    ------
    TypeError, ValueError
        If the layers do not fit together, or `image` holds names or lengths that the design does not.

    Source: us12387090, Fig. 8; docs/opamp-arithmetic.md.
    """

    config: wiring.PureInterface
    presentations: wiring.PureInterface
    tick: Signal
    clk_level: Signal
    idle: Signal
    done: Signal
    half: Signal
    spikes_strobe: Signal

    def __init__(self, layers: Sequence[OpampLayerConfig], image: Mapping[str, Sequence[int]] | None = None) -> None:
        layers = list(layers)
        if not layers:
            raise ValueError("layers must have at least one layer")
        for number, layer in enumerate(layers, 1):
            if not isinstance(layer, OpampLayerConfig):
                raise TypeError(f"layer {number} must be an OpampLayerConfig, not {layer!r}")
        for number, (before, after) in enumerate(pairwise(layers), 2):
            if after.rows != before.neurons:
                raise ValueError(f"rows of layer {number} must be {before.neurons}, not {after.rows!r}")
        self.layers = layers
        self.memory_map = MemoryMap(image)
        self._layers = [OpampLayer(layer, self.memory_map, f"layer{number}.") for number, layer in enumerate(layers, 1)]
        self.memory_map.writes(image or {})  # refuses names that the design does not have
        self._presenter = OpampPresenter(layers[0].rows, layers[-1].neurons, len(layers))
        self.presentation: OpampPresentation = self._presenter.layout
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
                **{f"layer{number}": Out(OpampProbeSignature(layer.neurons)) for number, layer in enumerate(layers, 1)},
                **{f"trace{number}": Out(TraceSignature()) for number in range(1, len(layers) + 1)},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Join the layers."""
        m = Module()
        m.submodules.presenter = presenter = self._presenter
        wiring.connect(m, wiring.flipped(self.presentations), presenter.i)
        m.d.comb += [
            presenter.tick.eq(self.tick),
            presenter.busy.eq(Cat(layer.busy for layer in self._layers).any()),
            self.clk_level.eq(presenter.driven),
            self.idle.eq(presenter.idle),
            self.done.eq(presenter.done),
            self.half.eq(presenter.phase & presenter.start[0]),
            self.spikes_strobe.eq(presenter.substep),
        ]
        events = presenter.events
        for index, layer in enumerate(self._layers):
            m.submodules[f"layer{index + 1}"] = layer
            wiring.connect(m, wiring.flipped(self.config), layer.config)
            is_last = index == len(self._layers) - 1
            m.d.comb += [
                layer.init.eq(presenter.init),
                layer.start.eq(presenter.start[index]),
                layer.phase.eq(presenter.phase),
                layer.driven.eq(presenter.driven),
                layer.first.eq(presenter.first),
                layer.events.eq(events),
                layer.mask.eq(presenter.gates if is_last else -1),
                layer.learn.eq(presenter.learn[index]),
                getattr(self, f"layer{index + 1}").on.eq(layer.on),
            ]
            wiring.connect(m, layer.trace, wiring.flipped(getattr(self, f"trace{index + 1}")))
            events = layer.on
        return m
