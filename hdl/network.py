"""A network of layers of hybrid neurons under one CLK."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from amaranth.hdl import Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.config import ConfigBus, MemoryMap
from memtwin.hdl.layer import Layer, LayerConfig
from memtwin.hdl.presenter import Presentation, Presenter
from memtwin.hdl.trace import TraceSignature

__all__ = ["Network", "ProbeSignature"]

PROBES = ("g1", "v_l", "l1", "l2", "t1", "t3", "node2", "gate")


class ProbeSignature(wiring.Signature):
    """What a scope would be clipped to in one layer, one bit per neuron.

    Members
    -------
    g1, v_l, l1, l2, t1, t3, node2, gate : Out(neurons)
        See `Layer`.
    """

    def __init__(self, neurons: int) -> None:
        super().__init__({name: Out(neurons) for name in PROBES})


class Network(wiring.Component):
    """Layers of hybrid neurons, each driven by the spikes of the one before, under one CLK.

    Latency and throughput: a half-period takes as long as in the slowest `Layer`, and 1 or 2 clocks more (see
    `Presenter`). The 30 x 10 x 10 network with 4 lanes takes about 255 clocks for a high half-period with 16 active
    rows, and 20 for a quiet one.

    Parameters
    ----------
    layers : sequence of LayerConfig
        Layer 1 first. The rows of a later layer are the neurons of the one before; all have the same `substeps`.
    image : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``, ``"layer2."``, ...

    Attributes
    ----------
    memory_map : MemoryMap
        Addresses of the coefficients.
    presentation : Presentation
        Layout of a presentation.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients, while `idle`. They act from the next presentation on that has `init`.
    presentations : In(stream.Signature(Presentation(...)))
        What to show; each is taken when it is over.
    tick : In(1)
        The time of one substep has passed (see `Pace`); high for full speed.
    clk_level : Out(1)
        The paper's CLK.
    idle : Out(1)
        Powered up, and no presentation is there.
    done : Out(1)
        Strobe: a presentation is over.
    half : Out(1)
        Strobe: a half-period begins.
    spikes_strobe : Out(1)
        Once in each high half-period, when `g1` of every layer is valid.
    layer1, layer2, ... : Out(ProbeSignature(neurons))
        Probes.
    trace1, trace2, ... : Out(TraceSignature())
        Traces.

    Raises
    ------
    TypeError, ValueError
        If the layers do not fit together, or `image` holds names or lengths that the design does not.

    Source: zhang2021, Fig. 5; docs/arithmetic.md.
    """

    config: wiring.PureInterface
    presentations: wiring.PureInterface
    tick: Signal
    clk_level: Signal
    idle: Signal
    done: Signal
    half: Signal
    spikes_strobe: Signal

    def __init__(self, layers: Sequence[LayerConfig], image: Mapping[str, Sequence[int]] | None = None) -> None:
        layers = list(layers)
        if not layers:
            raise ValueError("layers must have at least one layer")
        for number, layer in enumerate(layers, 1):
            if not isinstance(layer, LayerConfig):
                raise TypeError(f"layer {number} must be a LayerConfig, not {layer!r}")
            if layer.substeps != layers[0].substeps:
                raise ValueError(f"substeps of layer {number} must be {layers[0].substeps}, not {layer.substeps!r}")
        for number, (before, after) in enumerate(pairwise(layers), 2):
            if after.rows != before.neurons:
                raise ValueError(f"rows of layer {number} must be {before.neurons}, not {after.rows!r}")
        self.layers = layers
        self.memory_map = MemoryMap(image)
        self._layers = [Layer(layer, self.memory_map, f"layer{number}.") for number, layer in enumerate(layers, 1)]
        self.memory_map.writes(image or {})  # refuses names that the design does not have
        shape = (layers[0].rows, layers[-1].neurons, len(layers))
        self.presentation = Presentation(*shape)
        self._presenter = Presenter(*shape, layers[0].substeps)
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
                **{f"layer{number}": Out(ProbeSignature(layer.neurons)) for number, layer in enumerate(layers, 1)},
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
            self.clk_level.eq(presenter.clk),
            self.idle.eq(presenter.idle),
            self.done.eq(presenter.done),
            self.half.eq(presenter.start),
            self.spikes_strobe.eq(presenter.high),
        ]
        events = presenter.pulses
        for index, layer in enumerate(self._layers):
            m.submodules[f"layer{index + 1}"] = layer
            wiring.connect(m, wiring.flipped(self.config), layer.config)
            is_last = index == len(self._layers) - 1
            m.d.comb += [
                layer.init.eq(presenter.init),
                layer.start.eq(presenter.start),
                layer.clk.eq(presenter.clk),
                layer.events.eq(events),
                layer.mask.eq(presenter.gates if is_last else -1),
                layer.learn.eq(presenter.learn[index]),
                layer.pace.eq(presenter.pace),
                presenter.busy[index].eq(layer.busy),
                presenter.fire[index].eq(layer.fire),
                presenter.v_l[index].eq(layer.v_l.any()),
            ]
            probe = getattr(self, f"layer{index + 1}")
            m.d.comb += [getattr(probe, name).eq(getattr(layer, name)) for name in PROBES]
            wiring.connect(m, layer.trace, wiring.flipped(getattr(self, f"trace{index + 1}")))
            # The spikes of this half-period: L2, and with it G1, does not change at a rising edge, so that the next
            # layer may take them in the clock in which the half-period starts.
            events = layer.g1
        return m
