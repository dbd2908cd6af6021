"""Self-contained designs: a twin, what drives it, and what a board's button, LEDs and header show of it."""

from typing import Any

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import wiring

from memtwin.boards.base import ANALOG_BITS, SAMPLE_BITS, WINNER_BITS, BoardDemo
from memtwin.boards.content import BoardContent
from memtwin.boards.lesson import Lesson
from memtwin.boards.lif_twin import LifTwin
from memtwin.boards.opamp_twin import OpampTwin
from memtwin.boards.panel import AnalogPin
from memtwin.boards.shown import bits, lesson_of
from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.hybrid.lia import LateralInhibition
from memtwin.hdl.hybrid.network import HybridNetwork
from memtwin.hdl.hybrid.neuron import HybridNeuron
from memtwin.hdl.hybrid.structure import HybridLayerConfig
from memtwin.hdl.hybrid.ts_neuron import TsNeuron

__all__ = ["TWINS", "DigitsTwin", "HybridNeuronTwin", "LiaTwin", "TsNeuronTwin"]


class DigitsTwin(BoardDemo):
    """The digits network: trains as fast as it can, and then shows patterns in the circuit's own time.

    `button` steps to the next pattern; while it is down, the LEDs show the number of the pattern in binary, and after
    that the neuron of the last layer that answered, or `NO_ANSWER` (silence, or a tie). `button2` switches between real
    time and full speed. `training` is high until the lesson is over. The scope is clipped to that neuron of the last
    layer whose number is the pattern's.

    Parameters, members: see `BoardDemo`; `content` must have a lesson.

    Source: zhang2021, Fig. 5.
    """

    NO_ANSWER = (1 << WINNER_BITS) - 1
    signals = ("clk", "node2", "l1", "l2", "g1", "v_l", "gate", "t3")

    @staticmethod
    def shows(job: Any) -> dict[str, Any]:
        """What is taught, and shown after that; nothing if nothing is taught."""
        return {"lesson": lesson_of(job.shown) if job.shown.learn[0].any() else None}

    def __init__(self, content: BoardContent[HybridLayerConfig], clock_hz: int, sample_bits: int = SAMPLE_BITS) -> None:
        if content.lesson is None:
            raise ValueError("lesson must be given")
        self._network = HybridNetwork(content.layers, content.words)
        layout = self._network.presentation
        if max(layout.gates, len(content.lesson.patterns)) > self.NO_ANSWER:
            raise ValueError(f"a lesson must have at most {self.NO_ANSWER} patterns and answers for {WINNER_BITS} LEDs")
        self._lesson = Lesson(content.lesson, layout)
        super().__init__(content, clock_hz, sample_bits)

    def elaborate(self, platform: object) -> Module:
        """Join network, lesson and panel."""
        m = Module()
        m.submodules.network = network = self._network
        m.submodules.lesson = lesson = self._lesson
        tick, button, button2, spike = self._panel(m)
        last = getattr(network, f"layer{len(network.layers)}")
        wiring.connect(m, lesson.presentations, network.presentations)
        full_speed = Signal()
        with m.If(button2.pressed):
            m.d.sync += full_speed.eq(~full_speed)
        m.d.comb += [
            network.tick.eq(tick | full_speed | lesson.training),
            lesson.strobe.eq(network.spikes_strobe),
            lesson.spikes.eq(last.g1),
            lesson.next.eq(button.pressed),
            spike.eq(network.spikes_strobe & last.g1.any()),
            self.training.eq(lesson.training),
            self.winner.eq(Mux(button.down, lesson.shown, Mux(lesson.answered, lesson.winner, self.NO_ANSWER))),
        ]
        m.d.sync += self.scope[0].eq(network.clk_level)
        for pin, name in enumerate(self.signals[1:], 1):
            m.d.sync += self.scope[pin].eq(Array(getattr(last, name))[lesson.shown])
        return m


class HybridNeuronTwin(BoardDemo):
    """One hybrid neuron in the circuit's own time: the paper's 250 us pulses take 250 us.

    `button` switches the input pulses on and off (`training` is high while they are on); `button2` powers the neuron
    up again, with the device at rest, though not its synapses. The LEDs of the answer show G1, V_L, node 2 and T3.
    Scope pin ``x`` is the filament: its mean voltage is a quarter of the supply at the nominal threshold.

    Parameters, members: see `BoardDemo`.

    Source: zhang2021, Fig. 3.
    """

    signals = ("clk", "node2", "l1", "l2", "g1", "v_l", "t3", "x")
    lights = ("g1", "v_l", "node2", "t3")

    @staticmethod
    def shows(job: Any) -> dict[str, Any]:
        """The inputs that pulse first."""
        return {"pulses": bits(job.shown.pixels[0, 0])}

    def __init__(self, content: BoardContent[HybridLayerConfig], clock_hz: int, sample_bits: int = SAMPLE_BITS) -> None:
        (layer,) = content.layers
        self._neuron = HybridNeuron(layer.rows, content.words, substeps=layer.substeps, recip_shift=layer.recip_shift)
        super().__init__(content, clock_hz, sample_bits)

    def elaborate(self, platform: object) -> Module:
        """Join neuron and panel."""
        m = Module()
        m.submodules.neuron = neuron = self._neuron
        pulsing = _switched_pulses(self, m, neuron, neuron.g1)
        m.d.comb += [
            neuron.pulses.eq(Mux(pulsing, self.content.pulses, 0)),
            neuron.learn.eq(self.content.learn),
        ]
        return m


class TsNeuronTwin(BoardDemo):
    """The bare threshold switch under voltage pulses, in the circuit's own time.

    `button` switches the pulses on and off (`training` is high while they are on); `button2` puts the device at rest.
    The first LED of the answer shows that the device conducts, the second that it is on. Scope pin ``x`` is the
    filament: its mean voltage is a quarter of the supply at the nominal threshold.

    Parameters, members: see `BoardDemo`.

    Source: zhang2021, Fig. 2.
    """

    signals = ("clk", "spike", "on", "pulse", "", "", "", "x")
    lights = ("spike", "on")

    def __init__(self, content: BoardContent[HybridLayerConfig], clock_hz: int, sample_bits: int = SAMPLE_BITS) -> None:
        (layer,) = content.layers
        self._neuron = TsNeuron(content.words, substeps=layer.substeps, recip_shift=layer.recip_shift)
        super().__init__(content, clock_hz, sample_bits)

    def elaborate(self, platform: object) -> Module:
        """Join device and panel."""
        m = Module()
        m.submodules.neuron = neuron = self._neuron
        m.d.comb += neuron.pulse.eq(_switched_pulses(self, m, neuron, neuron.spike))
        return m


def _switched_pulses(
    twin: HybridNeuronTwin | TsNeuronTwin, m: Module, neuron: HybridNeuron | TsNeuron, fires: Signal
) -> Signal:
    """Run one neuron in its own time, with its signals on the scope; return whether there is a pulse in this period."""
    tick, button, button2, spike = twin._panel(m)
    m.submodules.analog = analog = AnalogPin(ANALOG_BITS)
    on = Signal()
    pulsing = Signal()
    rest = Signal()
    with m.If(button.pressed):
        m.d.sync += on.eq(~on)
    # A pulse is whole or not at all.
    with m.If(~neuron.clk_level):
        m.d.sync += pulsing.eq(on)
    # Power-up waits for the end of a clock period, which is shorter than a press of a button.
    m.d.comb += [
        rest.eq(button2.down),
        neuron.init.eq(rest),
        neuron.run.eq(~rest),
        neuron.tick.eq(tick),
        analog.value.eq(neuron.x[-ANALOG_BITS:]),
        spike.eq(fires),
        twin.training.eq(on),
    ]
    sources = {"clk": neuron.clk_level, "x": analog.pin, "pulse": pulsing & neuron.clk_level, "": 0}
    for pin, name in enumerate(twin.signals):
        m.d.sync += twin.scope[pin].eq(sources[name] if name in sources else getattr(neuron, name))
    for bit, name in enumerate(twin.lights):
        m.d.sync += twin.winner[bit].eq(getattr(neuron, name))
    return pulsing


class LiaTwin(BoardDemo):
    """The lateral inhibition array by hand: the buttons are V_L of the first two neurons.

    The LEDs of the answer are L_G of the first four: all are lit while nobody fires, and only the winner's while one
    does. `training` is not used; `spike` flashes when a button goes down. The scope shows V_L and L_G.

    Parameters, members: see `BoardDemo`.

    Source: zhang2021, Fig. 4.
    """

    signals = ("v_l0", "v_l1", "l_g0", "l_g1", "l_g2", "l_g3", "", "")

    def __init__(self, content: BoardContent[HybridLayerConfig], clock_hz: int, sample_bits: int = SAMPLE_BITS) -> None:
        (layer,) = content.layers
        if layer.neurons < WINNER_BITS:
            raise ValueError(f"layers must have at least {WINNER_BITS} neurons, not {layer.neurons}")
        self._lia = LateralInhibition(layer.neurons, layer.tie, MemoryMap(content.words), "layer1.")
        super().__init__(content, clock_hz, sample_bits)

    def elaborate(self, platform: object) -> Module:
        """Join array and panel."""
        m = Module()
        m.submodules.lia = lia = self._lia
        _tick, button, button2, spike = self._panel(m)
        powered = Signal()
        m.d.sync += powered.eq(1)
        v_l = (button.down, button2.down)
        gates = lia.l_g[:WINNER_BITS]
        for neuron, level in enumerate(v_l):
            m.d.comb += lia.v_l[neuron].eq(level)
        m.d.comb += [
            lia.clear.eq(~powered),
            lia.evaluate.eq(1),
            spike.eq(button.pressed | button2.pressed),
            self.winner.eq(gates),
        ]
        # The first evaluation must be asked for, since V_L does not change at power-up.
        asked = Signal()
        m.d.comb += lia.refresh.eq(powered & ~asked)
        m.d.sync += asked.eq(powered)
        for pin, signal in enumerate((*v_l, *gates)):
            m.d.sync += self.scope[pin].eq(signal)
        return m


TWINS: dict[str, type[BoardDemo]] = {
    "digits": DigitsTwin,
    "hybrid-neuron": HybridNeuronTwin,
    "ts-neuron": TsNeuronTwin,
    "lia": LiaTwin,
    "opamp-5a": OpampTwin,
    "opamp-6a": OpampTwin,
    "opamp-7a": OpampTwin,
    "opamp-7b": OpampTwin,
    "apparatus": OpampTwin,
    "lif": LifTwin,
    "mnist": LifTwin,
}
