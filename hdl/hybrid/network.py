"""A network of layers of hybrid neurons under one CLK."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from memtwin.hdl.core.config import MemoryMap, connect_config
from memtwin.hdl.hybrid.layer import HybridLayer
from memtwin.hdl.hybrid.presenter import Presentation, Presenter
from memtwin.hdl.hybrid.structure import HybridLayerConfig
from memtwin.hdl.port.network_port import NetworkPort, layers_in_a_row

__all__ = ["HybridNetwork", "ProbeSignature"]

PROBES = ("g1", "v_l", "l1", "l2", "t1", "t3", "node2", "gate")


class ProbeSignature(wiring.Signature):
    """What a scope would be clipped to in one layer, one bit per neuron.

    Members
    -------
    g1, v_l, l1, l2, t1, t3, node2, gate : Out(neurons)
        See `HybridLayer`.
    """

    def __init__(self, neurons: int) -> None:
        super().__init__({name: Out(neurons) for name in PROBES})


class HybridNetwork(NetworkPort):
    """Layers of hybrid neurons, each driven by the spikes of the one before, under one CLK.

    Latency and throughput: a half-period takes as long as in the slowest `HybridLayer`, and 1 or 2 clocks more (see
    `Presenter`). The 30 x 10 x 10 network with 4 lanes takes about 255 clocks for a high half-period with 16 active
    rows, and 20 for a quiet one.

    Parameters
    ----------
    layers : sequence of HybridLayerConfig
        Layer 1 first. The rows of a later layer are the neurons of the one before; all have the same `substeps`.
    words : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``, ``"layer2."``, ...

    The attributes, and the members that are not listed here, are those of `NetworkPort`.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients, while `idle`. They act from the next presentation on that has `init`. Reads and writes
        of the state, while `idle`; what is written goes into the next presentation, which has no `init`.
    presentations : In(stream.Signature(Presentation(...)))
        What to show.
    clk_level : Out(1)
        The paper's CLK.
    begins : Out(1)
        Strobe: a half-period begins.
    spikes_strobe : Out(1)
        Once in each high half-period, when `g1` of every layer is valid.
    layer1, layer2, ... : Out(ProbeSignature(neurons))
        Probes.

    Raises
    ------
    TypeError, ValueError
        If the layers do not fit together, or `words` holds names or lengths that the design does not.

    Source: zhang2021, Fig. 5; docs/arithmetic.md.
    """

    kind = "hybrid"

    layers: list[HybridLayerConfig]
    presentation: Presentation
    has_fires = True  # the spike comes in the high half-period after that of the fire

    def __init__(self, layers: Sequence[HybridLayerConfig], words: Mapping[str, Sequence[int]] | None = None) -> None:
        layers = layers_in_a_row(layers, HybridLayerConfig)
        substeps = layers[0].substeps
        for number, layer in enumerate(layers, 1):
            if layer.substeps != substeps:
                raise ValueError(f"substeps of layer {number} must be {substeps}, not {layer.substeps!r}")
        memory_map = MemoryMap(words)
        self._layers = [HybridLayer(layer, memory_map, f"layer{number}.") for number, layer in enumerate(layers, 1)]
        memory_map.writes(words or {})  # refuses names that the design does not have
        self._presenter = Presenter(layers[0].rows, layers[-1].neurons, len(layers), substeps)
        super().__init__(layers, memory_map, self._presenter.layout, ProbeSignature)

    def pulses(self, number: int) -> Value:
        """Return `g1` of layer `number`, counted from 1."""
        return getattr(self, f"layer{number}").g1

    def fires(self, number: int) -> Value:
        """Return L1 of layer `number`, counted from 1."""
        return getattr(self, f"layer{number}").l1

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
            self.begins.eq(presenter.start),
            self.spikes_strobe.eq(presenter.high),
        ]
        connect_config(m, self.config, [layer.config for layer in self._layers])
        events = presenter.pulses
        for index, layer in enumerate(self._layers):
            m.submodules[f"layer{index + 1}"] = layer
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
