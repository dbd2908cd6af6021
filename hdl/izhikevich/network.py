"""Izhikevich neurons behind a configuration bus and a stream of presentations."""

from collections.abc import Mapping, Sequence

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.izhikevich.layer import IzhikevichLayer, IzhikevichLayerConfig
from memtwin.hdl.port.one_layer import OneLayerNetwork

__all__ = ["IzhikevichNetwork"]


class IzhikevichNetwork(OneLayerNetwork):
    """A layer of Izhikevich neurons, and what plays spike trains to it.

    A presentation is a `Stretch` (docs/izhikevich.md, section 3): `inputs`, rows with a spike; with `init` the states
    start from the coefficients.

    Parameters
    ----------
    layer : IzhikevichLayerConfig
        Structure.
    words : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``.

    The attributes and members are those of `OneLayerNetwork`.

    Raises
    ------
    TypeError, ValueError
        If `layer` is no IzhikevichLayerConfig, or `words` holds names or lengths that the design does not.

    Source: docs/izhikevich.md.
    """

    kind = "izhikevich"

    layers: list[IzhikevichLayerConfig]

    def __init__(self, layer: IzhikevichLayerConfig, words: Mapping[str, Sequence[int]] | None = None) -> None:
        memory_map = MemoryMap(words)
        built = IzhikevichLayer(layer, memory_map, "layer1.")
        super().__init__(built, memory_map, words, spikes={"inputs": layer.rows}, held={})
