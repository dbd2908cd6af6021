"""Neurons with STDP synapses behind a configuration bus and a stream of presentations."""

from collections.abc import Mapping, Sequence

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.port.one_layer import OneLayerNetwork
from memtwin.hdl.stdp.layer import StdpLayer, StdpLayerConfig

__all__ = ["StdpNetwork"]


class StdpNetwork(OneLayerNetwork):
    """A layer of LIF neurons with STDP synapses, and what plays spike trains to it.

    A presentation is a `Stretch` (docs/stdp.md, section 3): `inputs`, rows with a spike; `forced`, neurons that are
    made to spike; `learn`, synapses change; with `init` traces and membranes start from zero.

    Parameters
    ----------
    layer : StdpLayerConfig
        Structure.
    words : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``.

    The attributes and members are those of `OneLayerNetwork`.

    Raises
    ------
    TypeError, ValueError
        If `layer` is no StdpLayerConfig, or `words` holds names or lengths that the design does not.

    Source: yang2020, Fig. 16; docs/stdp.md.
    """

    kind = "stdp"

    layers: list[StdpLayerConfig]

    def __init__(self, layer: StdpLayerConfig, words: Mapping[str, Sequence[int]] | None = None) -> None:
        memory_map = MemoryMap(words)
        built = StdpLayer(layer, memory_map, "layer1.")
        super().__init__(
            built, memory_map, words, spikes={"inputs": layer.rows, "forced": layer.neurons}, held={"learn": 1}
        )
