"""A network of layers of op-amp neurons, which work one after the other in every substep."""

from collections.abc import Mapping, Sequence

from amaranth.hdl import Cat, Module
from amaranth.lib import wiring

from memtwin.hdl.core.config import MemoryMap, connect_config
from memtwin.hdl.opamp.layer import OpampLayer, OpampLayerConfig
from memtwin.hdl.opamp.presenter import OpampPresentation, OpampPresenter
from memtwin.hdl.port.network_port import NetworkPort, layers_in_a_row

__all__ = ["OpampNetwork"]


class OpampNetwork(NetworkPort):
    """Layers of op-amp neurons, each driven by the output pulses of the one before.

    Throughput: a substep takes the sum of the latencies of its layers (see `OpampLayer`), 1 clock more per layer, and
    2 clocks.

    Parameters
    ----------
    layers : sequence of OpampLayerConfig
        Layer 1 first. The rows of a later layer are the neurons of the one before.
    words : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``, ``"layer2."``, ...

    The attributes, and the members that are not listed here, are those of `NetworkPort`.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients, while `idle`. They act from the next presentation on that has `init`.
    presentations : In(stream.Signature(OpampPresentation(...)))
        What to show.
    clk_level : Out(1)
        The inputs are driven.
    begins : Out(1)
        Strobe: the driven part of a presentation begins, or the part without input.
    spikes_strobe : Out(1)
        Once in each substep, when `on` of every layer is valid.

    Raises
    ------
    TypeError, ValueError
        If the layers do not fit together, or `words` holds names or lengths that the design does not.

    Source: us12387090, Fig. 8; docs/opamp-arithmetic.md.
    """

    kind = "opamp"

    layers: list[OpampLayerConfig]
    presentation: OpampPresentation

    def __init__(self, layers: Sequence[OpampLayerConfig], words: Mapping[str, Sequence[int]] | None = None) -> None:
        layers = layers_in_a_row(layers, OpampLayerConfig)
        memory_map = MemoryMap(words)
        self._layers = [OpampLayer(layer, memory_map, f"layer{number}.") for number, layer in enumerate(layers, 1)]
        memory_map.writes(words or {})  # refuses names that the design does not have
        self._presenter = OpampPresenter(layers[0].rows, layers[-1].neurons, len(layers))
        super().__init__(layers, memory_map, self._presenter.layout)

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
            self.begins.eq(presenter.phase & presenter.start[0]),
            self.spikes_strobe.eq(presenter.substep),
        ]
        connect_config(m, self.config, [layer.config for layer in self._layers])
        events = presenter.events
        for index, layer in enumerate(self._layers):
            m.submodules[f"layer{index + 1}"] = layer
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
