"""Op-amp neurons on a board, which play their stimulus."""

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Module, Mux, Signal, ValueLike
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.boards.base import ANALOG_BITS, SAMPLE_BITS, WINNER_BITS, BoardDemo
from memtwin.boards.content import BoardContent, Presentation
from memtwin.boards.panel import AnalogPin
from memtwin.boards.shown import presentations_of
from memtwin.hdl.core.trace import INDEX_BITS, KIND_BITS
from memtwin.hdl.opamp.layer import OpampLayerConfig, OpampTraceKind
from memtwin.hdl.opamp.network import OpampNetwork
from memtwin.hdl.opamp.presenter import OpampPresentation

__all__ = ["OpampTwin", "Player"]

PROBED = 3  # neurons of a layer on the scope
LOG_BITS = 18


class Player(wiring.Component):
    """Plays a stimulus in a loop, from its start, with power-up at the start of every loop.

    A presentation that has begun is played to its end.

    Latency: a presentation is offered 2 clocks after the one before was taken.

    Parameters
    ----------
    stimulus : sequence of Presentation
        Presentations, in order.
    layout : OpampPresentation
        Layout of a presentation.

    Members
    -------
    play : In(1)
        Play it; when this falls, the stimulus goes back to its start.
    presentations : Out(stream.Signature(OpampPresentation(...)))
        To the network.

    Raises
    ------
    ValueError
        If there is nothing to play, or a presentation does not fit the network.
    """

    def __init__(self, stimulus: Sequence[Presentation], layout: OpampPresentation) -> None:
        if not stimulus:
            raise ValueError("stimulus must have at least one presentation")
        for number, shown in enumerate(stimulus, 1):
            for name, value in vars(shown).items():
                if not 0 <= value < 1 << layout[name].width:
                    raise ValueError(
                        f"{name} of presentation {number} must have {layout[name].width} bits, not {value!r}"
                    )
        self._init = [{**vars(shown), "init": number == 0} for number, shown in enumerate(stimulus)]
        self.layout = layout
        super().__init__({"play": In(1), "presentations": Out(stream.Signature(layout))})

    def elaborate(self, platform: object) -> Module:
        """Build the memory and its address."""
        m = Module()
        rom: memory.Memory = memory.Memory(shape=self.layout, depth=len(self._init), init=self._init)
        m.submodules.rom = rom
        read = rom.read_port()
        at = Signal(range(len(self._init)))
        m.d.comb += [read.addr.eq(at), self.presentations.payload.eq(read.data)]
        with m.FSM():
            with m.State("READ"):
                with m.If(self.play):
                    m.next = "OFFER"
                with m.Else():
                    m.d.sync += at.eq(0)
            with m.State("OFFER"):
                m.d.comb += self.presentations.valid.eq(1)
                with m.If(self.presentations.ready):
                    m.d.sync += at.eq(Mux(at == len(self._init) - 1, 0, at + 1))
                    m.next = "READ"
        return m


class OpampTwin(BoardDemo):
    """A network of op-amp neurons, which plays a stimulus again and again in the circuit's own time.

    `button` starts the stimulus, and stops it at the end of a presentation (`training` is high in between); every
    round begins with power-up. `button2` switches between real time and full speed. The LEDs of the answer show the
    output pulses of the first four neurons of the last layer, each of which flashes `spike`.

    On the scope are whether the input is driven, the output pulses of up to three neurons of layer 1 and, if there
    are several layers, of the last one, and ``v_out1`` of the first neuron of layer 1, as a logarithm: the top 12 bits
    of the log word in the trace (docs/opamp-arithmetic.md, section 1). The mean voltage of that pin is 1/32 of the
    supply for each octave above 2**-20 V: 1 V is 0.625 of the supply, 4 V is 0.6875.

    Parameters, members: see `BoardDemo`; `content` must have a stimulus.

    Source: us12387090, Fig. 4 to 8.
    """

    @staticmethod
    def shows(job: Any) -> dict[str, Any]:
        """All presentations."""
        return {"stimulus": presentations_of(job.shown)}

    def __init__(self, content: BoardContent[OpampLayerConfig], clock_hz: int, sample_bits: int = SAMPLE_BITS) -> None:
        self._network = OpampNetwork(content.layers, content.words)
        self._player = Player(content.stimulus, self._network.presentation)
        ends = [1] if len(content.layers) == 1 else [1, len(content.layers)]
        probed = [range(min(PROBED, content.layers[number - 1].neurons)) for number in ends]
        self._probes = [(number, neuron) for number, neurons in zip(ends, probed, strict=True) for neuron in neurons]
        self.signals = ("clk", *(f"on{number}_{neuron}" for number, neuron in self._probes), "v_out1")
        super().__init__(content, clock_hz, sample_bits)

    def elaborate(self, platform: object) -> Module:
        """Join network, player and panel."""
        m = Module()
        m.submodules.network = network = self._network
        m.submodules.player = player = self._player
        m.submodules.analog = analog = AnalogPin(ANALOG_BITS)
        tick, button, button2, spike = self._panel(m)
        wiring.connect(m, player.presentations, network.presentations)
        full_speed = Signal()
        with m.If(button.pressed):
            m.d.sync += player.play.eq(~player.play)
        with m.If(button2.pressed):
            m.d.sync += full_speed.eq(~full_speed)
        last = getattr(network, f"layer{len(network.layers)}").on
        before = Signal.like(last)
        m.d.sync += before.eq(last)
        m.d.comb += [
            network.tick.eq(tick | full_speed),
            spike.eq((last & ~before).any()),
            self.training.eq(player.play),
            self.winner.eq(last[:WINNER_BITS]),
        ]

        entry = network.trace(1)
        kind, index = entry.word[:KIND_BITS], entry.word[KIND_BITS:][:INDEX_BITS]
        v_out1 = entry.word[KIND_BITS + INDEX_BITS :][:LOG_BITS]
        with m.If(entry.valid & (kind == OpampTraceKind.CIRCUIT) & (index == 0)):
            m.d.sync += analog.value.eq(v_out1[-ANALOG_BITS:])
        pins: list[ValueLike] = [network.clk_level]
        pins += [getattr(network, f"layer{number}").on[neuron] for number, neuron in self._probes]
        for pin, signal in enumerate([*pins, analog.pin]):
            m.d.sync += self.scope[pin].eq(signal)
        return m
