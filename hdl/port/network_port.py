"""What all networks have in common: layers in a row, a bus of coefficients, presentations in, pulses and traces out."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any, ClassVar, Protocol, TypeVar

from amaranth.hdl import Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.config import ConfigBus, MemoryMap
from memtwin.hdl.core.trace import TracePort, TraceSignature

__all__ = ["AnyLayer", "LayerShape", "NetworkPort", "OutputProbeSignature", "layers_in_a_row"]


class LayerShape(Protocol):
    """Structure of a layer, a dataclass, as far as other layers and a host see it."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def rows(self) -> int:
        """Inputs."""

    @property
    def neurons(self) -> int:
        """Neurons."""


AnyLayer = TypeVar("AnyLayer", bound=LayerShape)


def layers_in_a_row(layers: Sequence[AnyLayer], kind: type[AnyLayer]) -> list[AnyLayer]:
    """Return the layers of a network, checked: they are of one kind, and each takes the spikes of the one before.

    Raises
    ------
    TypeError
        If a layer is not of that kind.
    ValueError
        If there is no layer, or the rows of one are not the neurons of the one before.
    """
    layers = list(layers)
    if not layers:
        raise ValueError("layers must have at least one layer")
    article = "an" if kind.__name__[0] in "AEIOU" else "a"
    for number, layer in enumerate(layers, 1):
        if not isinstance(layer, kind):
            raise TypeError(f"layer {number} must be {article} {kind.__name__}, not {layer!r}")
    for number, (before, after) in enumerate(pairwise(layers), 2):
        if after.rows != before.neurons:
            raise ValueError(f"rows of layer {number} must be {before.neurons}, not {after.rows!r}")
    return layers


class OutputProbeSignature(wiring.Signature):
    """What a scope would be clipped to in one layer that shows nothing but its output, one bit per neuron.

    Members
    -------
    on : Out(neurons)
        Output pulses; see the layer.
    """

    def __init__(self, neurons: int) -> None:
        super().__init__({"on": Out(neurons)})


class NetworkPort(wiring.Component):
    """A network as `HostPort` and a board see it. The networks derive from it, and say what is shown and when.

    Parameters
    ----------
    layers : sequence of LayerShape
        Structure of the layers, layer 1 first.
    memory_map : MemoryMap
        Map in which all parts have claimed their coefficients.
    presentation : StructLayout
        Layout of a presentation.
    probe : callable
        Signature of the probe of a layer, from its number of neurons.
    more : mapping of str to Member, optional
        Members of this network alone.

    Attributes
    ----------
    layers : list
        Structure of the layers, layer 1 first.
    memory_map : MemoryMap
        Addresses of the coefficients.
    presentation : StructLayout
        Layout of a presentation.
    kind : str
        Kind of its neurons, as a map names it.
    has_fires : bool
        A neuron's pulse comes later than its fire, so that `fires` are events of their own.
    has_answer : bool
        The network decides: it has the member `answer`.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients, and reads and writes of the state, while `idle`.
    presentations : In(stream.Signature(presentation))
        What to show; each is taken when it is over.
    tick : In(1)
        The time of one substep or step has passed (see `Pace`); high for full speed.
    clk_level : Out(1)
        Level that a scope shows along with the probes: something is being shown, or the inputs are driven.
    idle : Out(1)
        Powered up, and no presentation is there.
    done : Out(1)
        Strobe: a presentation is over.
    begins : Out(1)
        Strobe: a part of a presentation begins.
    spikes_strobe : Out(1)
        Strobe: `pulses` of every layer are valid.
    answer : Out(range(neurons of the last layer))
        Only if `has_answer`: neuron that was chosen, from `done` on until a presentation begins.
    layer1, layer2, ... : Out(probe(neurons))
        Probes.
    trace1, trace2, ... : Out(TraceSignature())
        Traces.
    """

    layers: Sequence[LayerShape]
    presentation: data.StructLayout
    kind: str
    has_fires = False
    has_answer = False

    def __init__(
        self,
        layers: Sequence[LayerShape],
        memory_map: MemoryMap,
        presentation: data.StructLayout,
        probe: Callable[[int], wiring.Signature] = OutputProbeSignature,
        more: Mapping[str, wiring.Member] | None = None,
    ) -> None:
        self.layers = list(layers)
        self.memory_map = memory_map
        self.presentation = presentation
        super().__init__(
            {
                "config": In(ConfigBus()),
                "presentations": In(stream.Signature(presentation)),
                "tick": In(1),
                "clk_level": Out(1),
                "idle": Out(1),
                "done": Out(1),
                "begins": Out(1),
                "spikes_strobe": Out(1),
                **({"answer": Out(range(layers[-1].neurons))} if self.has_answer else {}),
                **(more or {}),
                **{f"layer{number}": Out(probe(layer.neurons)) for number, layer in enumerate(layers, 1)},
                **{f"trace{number}": Out(TraceSignature()) for number in range(1, len(layers) + 1)},
            }
        )

    def pulses(self, number: int) -> Value:
        """Return the output pulses of layer `number`, counted from 1, one bit per neuron."""
        return getattr(self, f"layer{number}").on

    def trace(self, number: int) -> TracePort:
        """Return the trace of layer `number`, counted from 1."""
        return getattr(self, f"trace{number}")

    def fires(self, number: int) -> Value:
        """Return a level per neuron of layer `number` that rises when it fires, while `clk_level` is high.

        Only of a network that `has_fires`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no fires")
