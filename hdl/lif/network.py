"""A network of layers of LIF neurons: behind an encoder, with a decoder at its end, or driven by events alone."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import Out

from memtwin.hdl.core.config import MemoryMap, connect_config
from memtwin.hdl.core.trace import TracePort, trace_word
from memtwin.hdl.lif.decoder import LifDecoder
from memtwin.hdl.lif.encoder import LifEncoder
from memtwin.hdl.lif.events import LifEvents
from memtwin.hdl.lif.layer import LifLayer, LifLayerConfig, LifTraceKind
from memtwin.hdl.lif.presenter import LifPresentation, LifPresenter
from memtwin.hdl.lif.queue import SpikeQueue
from memtwin.hdl.port.network_port import NetworkPort, layers_in_a_row

__all__ = ["LifNetwork"]


class LifNetwork(NetworkPort):
    """Layers of LIF neurons, each driven by the spikes of the one before, and the first by an image or by events.

    Throughput: with `e` events of the encoder a step of one layer whose lanes are its neurons takes ``e + neurons +
    20`` clocks at full speed, or more where pairs of entries without an event keep the encoder (see `LifEncoder`); an
    image takes 4 more than its steps. With several slices an event takes as many clocks, and a step 2 more. A later
    layer adds its neurons and 13 clocks, 15 with several slices; it takes its events while the layer before works.

    Parameters
    ----------
    layers : sequence of LifLayerConfig
        Layer 1 first. The rows of a later layer are the neurons of the one before.
    capacity : int
        Entries of an image that the encoder can hold, an even number, 2 to 1024; without an encoder events, 1 to 4096.
    words : mapping of str to sequence of int, optional
        Coefficients after reset; names start with ``"layer1."``, ``"layer2."``, ..., ``"encoder."``, or are
        ``"decoder"``; without an encoder they start with ``"events."``.
    encoder : bool
        Images are shown through an encoder, and a decoder answers. Else events are (`LifEvents`), and nothing answers.

    The attributes, and the members that are not listed here, are those of `NetworkPort`.

    Members
    -------
    config : In(ConfigBus())
        Writes of coefficients and of the image, while `idle`; reads and writes of the state likewise.
    presentations : In(stream.Signature(LifPresentation()))
        For how long to show the image.
    clk_level : Out(1)
        An image is being shown.
    begins : Out(1)
        Strobe: the first step of a presentation begins.
    spikes_strobe : Out(1)
        Once in each step, when `on` of every layer is valid.
    answer : Out(range(neurons of the last layer))
        Neuron that the decoder chose; from `done` to the next step. Only with an encoder.
    answer_spikes : Out(16)
        Its spikes. Likewise.

    Raises
    ------
    TypeError, ValueError
        If the layers do not fit together, `capacity` is out of range, `words` holds names or lengths that the design
        does not, or the coefficients are more than the configuration bus can address.

    Source: docs/lif-arithmetic.md.
    """

    kind = "lif"
    answer_spikes: Signal

    layers: list[LifLayerConfig]
    presentation: LifPresentation

    def __init__(
        self,
        layers: Sequence[LifLayerConfig],
        capacity: int,
        words: Mapping[str, Sequence[int]] | None = None,
        *,
        encoder: bool = True,
    ) -> None:
        layers = layers_in_a_row(layers, LifLayerConfig)
        memory_map = MemoryMap(words)
        self._source: LifEncoder | LifEvents
        if encoder:
            self._source = LifEncoder(layers[0].rows, capacity, memory_map, "encoder.")
        else:
            self._source = LifEvents(layers[0].rows, capacity, memory_map, "events.")
        self._layers = [LifLayer(layer, memory_map, f"layer{number}.") for number, layer in enumerate(layers, 1)]
        # Where the next layer takes longer over an event than this one over a neuron.
        self._queues = {
            index: SpikeQueue(before.structure.neurons)
            for index, (before, after) in enumerate(pairwise(self._layers))
            if after.slices > 1
        }
        self._decoder = LifDecoder(layers[-1].neurons, memory_map) if encoder else None
        memory_map.writes(words or {})  # refuses names that the design does not have
        self.has_answer = encoder
        self._presenter = LifPresenter(len(layers), encoder=encoder)
        more = {"answer_spikes": Out(16)} if encoder else {}
        super().__init__(layers, memory_map, self._presenter.layout, more=more)
        end, room = memory_map.end, 1 << len(self.config.address)
        if end > room:
            raise ValueError(f"coefficients must fit {room} addresses, not need {end}")

    def elaborate(self, platform: object) -> Module:
        """Join encoder or events, layers and decoder."""
        m = Module()
        m.submodules.presenter = presenter = self._presenter
        source = self._source
        wiring.connect(m, wiring.flipped(self.presentations), presenter.i)
        decoders = [] if self._decoder is None else [self._decoder]
        connect_config(m, self.config, [part.config for part in (source, *decoders, *self._layers)])
        m.d.comb += [
            presenter.tick.eq(self.tick),
            presenter.layer_done.eq(Cat(layer.done for layer in self._layers)),
            source.start.eq(presenter.step),
            source.moment.eq(presenter.moment),
            self.clk_level.eq(presenter.shown),
            self.idle.eq(presenter.idle),
            self.done.eq(presenter.done),
            self.begins.eq(presenter.step & (presenter.first if self.has_answer else presenter.moment == 1)),
            self.spikes_strobe.eq(presenter.step_done),
        ]
        if isinstance(source, LifEncoder) and self._decoder is not None:
            m.submodules.encoder = source
            self._decode(m, presenter, source, self._decoder)
        else:
            m.submodules.events = source
            m.d.comb += presenter.busy.eq(source.busy)

        events = source.o
        for index, layer in enumerate(self._layers):
            m.submodules[f"layer{index + 1}"] = layer
            trace = self.trace(index + 1)
            m.d.comb += [
                layer.start.eq(presenter.start[index]),
                layer.first.eq(presenter.first),
                layer.events.valid.eq(events.valid),
                layer.events.payload.eq(events.payload),
                self.pulses(index + 1).eq(layer.on),
                trace.valid.eq(layer.trace.valid),
                trace.word.eq(layer.trace.word),
            ]
            if not events.signature.always_ready:
                m.d.comb += events.ready.eq(layer.events.ready)
            events = layer.spikes
            if index in self._queues:
                m.submodules[f"spikes{index + 1}"] = queue = self._queues[index]
                wiring.connect(m, layer.spikes, queue.i)
                events = queue.o

        _write_trace(m, self.trace(1), presenter.start[0], trace_word(LifTraceKind.EVENTS, 0, source.count))
        if self._decoder is not None:
            answer = Cat(self.answer, Const(0, 16))[:16]
            word = trace_word(LifTraceKind.ANSWER, 0, answer, self.answer_spikes)
            _write_trace(m, self.trace(len(self._layers)), presenter.answered, word)
        return m

    def _decode(self, m: Module, presenter: LifPresenter, encoder: LifEncoder, decoder: LifDecoder) -> None:
        """Let the generator of the encoder be seeded, and the decoder answer."""
        m.submodules.decoder = decoder
        last = self._layers[-1]
        m.d.comb += [
            presenter.busy.eq(encoder.busy | decoder.busy),
            presenter.stop.eq(decoder.stop),
            encoder.seed.eq(presenter.seed),
            decoder.start.eq(presenter.step),
            decoder.first.eq(presenter.first),
            *(getattr(decoder, name).eq(getattr(last, name)) for name in ("valid", "spike", "v", "u")),
            self.answer.eq(decoder.answer),
            self.answer_spikes.eq(decoder.spikes),
        ]


def _write_trace(m: Module, trace: TracePort, strobe: Value, word: Value) -> None:
    """Write a word of its own into the trace of a layer, which writes nothing when a step or an answer is ready."""
    with m.If(strobe):
        m.d.comb += [trace.valid.eq(1), trace.word.eq(word)]
