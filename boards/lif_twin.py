"""LIF neurons on a board, which are shown stored pictures."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from amaranth.hdl import Array, Const, Module, Mux, Signal, ValueLike
from amaranth.lib import data, memory, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.boards.base import SCOPE_PINS, WINNER_BITS, BoardDemo
from memtwin.boards.content import BoardContent, Picture
from memtwin.boards.shown import pictures_of
from memtwin.hdl.core.config import ConfigBus, Window
from memtwin.hdl.lif.layer import LifLayerConfig
from memtwin.hdl.lif.network import LifNetwork
from memtwin.hdl.lif.presenter import LifPresentation

__all__ = ["LifTwin", "PictureRom"]

SKIP_BITS, LENGTH_BITS, SHADE_BITS = 8, 4, 4  # of a word, which is as wide as a block RAM
ROW_BITS = 10
SAMPLE_S = 8e-3  # between two looks at the buttons: longer than contacts bounce
NO_ANSWER = (1 << WINNER_BITS) - 1
PROBED = SCOPE_PINS - 3  # neurons on the scope


class PictureRom(wiring.Component):
    """Pictures in a memory; writes one after the other into an encoder, and presents it.

    A word of the memory is a run of equal pixels, one per row: how many rows are skipped before it, how many there
    are, and their shade, which a table turns into their value. A run of length 0 is the head of a picture, its shade
    is the label; the memory ends with such a head.

    Time: 2 clocks per entry, 1 per run and 5 per picture before it is presented.

    Parameters
    ----------
    pictures : sequence of Picture
        Pictures.
    steps : int
        Steps for which one is shown.
    windows : mapping of str to Window
        Where ``encoder.entry_row``, ``encoder.entry_value`` and ``encoder.entries`` are.
    layout : LifPresentation
        Layout of a presentation.

    Attributes
    ----------
    words : list of dict
        Contents of the memory.

    Members
    -------
    next : In(1)
        Strobe: go on to the next picture when the one that is being shown is over; else it is shown again.
    label : Out(4)
        Label of the picture that is being written or shown, or `NO_ANSWER`.
    config : Out(ConfigBus())
        To the network.
    presentations : Out(stream.Signature(LifPresentation()))
        To the network; every picture begins with the seed of the generator, so that it gets the same events each time.

    Raises
    ------
    ValueError
        If there is no picture, or one cannot be stored: it has too many shades, or a gap of too many rows.
    """

    def __init__(
        self, pictures: Sequence[Picture], steps: int, windows: Mapping[str, Window], layout: LifPresentation
    ) -> None:
        if not pictures:
            raise ValueError("pictures must have at least one picture")
        self._values = sorted({value for picture in pictures for value in picture.values}) or [0]
        if len(self._values) > 1 << SHADE_BITS:
            raise ValueError(f"pictures must have at most {1 << SHADE_BITS} values, not {len(self._values)}")
        self.words: list[dict[str, int]] = []
        for picture in pictures:
            self.words += [_head(picture.label), *self._runs(picture)]
        self.words.append(_head(None))
        self._windows = windows
        self._steps = steps
        super().__init__(
            {
                "next": In(1),
                "label": Out(WINNER_BITS),
                "config": Out(ConfigBus()),
                "presentations": Out(stream.Signature(layout)),
            }
        )

    def _runs(self, picture: Picture) -> list[dict[str, int]]:
        """Cut a picture into words."""
        out = []
        longest, end = (1 << LENGTH_BITS) - 1, 0
        entries = zip(picture.rows, picture.values, strict=True)
        for (_, value), run in groupby(enumerate(entries), lambda each: (each[1][0] - each[0], each[1][1])):
            rows = [row for _, (row, _) in run]
            for start in range(0, len(rows), longest):
                piece = rows[start : start + longest]
                skip = piece[0] - end
                if skip >= 1 << SKIP_BITS:
                    raise ValueError(f"pictures must have gaps of at most {(1 << SKIP_BITS) - 1} rows, not {skip}")
                out.append({"skip": skip, "length": len(piece), "shade": self._values.index(value)})
                end = piece[-1] + 1
        return out

    def elaborate(self, platform: object) -> Module:
        """Build the memory and the sequence that reads it."""
        m = Module()
        word = data.StructLayout({"skip": SKIP_BITS, "length": LENGTH_BITS, "shade": SHADE_BITS})
        rom: memory.Memory = memory.Memory(shape=word, depth=len(self.words), init=self.words)
        m.submodules.rom = rom
        read = rom.read_port()
        at = Signal(range(len(self.words)))  # the next word
        start = Signal.like(at)  # the head of this picture
        row_window, value_window, count_window = (
            self._windows[f"encoder.{name}"] for name in ("entry_row", "entry_value", "entries")
        )
        count = Signal(range(row_window.depth + 1))  # entries so far
        row = Signal(ROW_BITS)
        left = Signal(LENGTH_BITS)
        shade = Signal(SHADE_BITS)
        is_asked = Signal()
        following = Signal.like(at)

        bus = self.config
        run = read.data
        m.d.comb += [
            read.addr.eq(at),
            following.eq(Mux(is_asked, Mux(at == len(self.words) - 1, 0, at), start)),
            self.presentations.payload.steps.eq(self._steps),
            self.presentations.payload.init.eq(1),
        ]
        # The bus is registered, because addresses take long to decode; in every clock, so that synthesis sees which of
        # its bits never change.
        enable = Signal.like(bus.enable)
        address = Signal.like(bus.address)
        entry = Signal.like(bus.data)
        m.d.sync += [bus.enable.eq(enable), bus.address.eq(address), bus.data.eq(entry)]
        # A word is read in the clock before; from "RUN" on `at` is that of the next one.
        with m.FSM():
            with m.State("LOOK"):
                m.d.sync += [at.eq(at + 1), count.eq(0), row.eq(0)]
                m.next = "HEAD"
            with m.State("HEAD"):
                m.d.sync += self.label.eq(run.shade)
                m.next = "RUN"
            with m.State("RUN"):
                m.d.sync += [row.eq(row + run.skip), left.eq(run.length), shade.eq(run.shade)]
                with m.If(run.length == 0):
                    m.next = "COUNT"
                with m.Else():
                    m.d.sync += at.eq(at + 1)
                    m.next = "ROW"
            with m.State("ROW"):
                m.d.comb += [enable.eq(1), address.eq(row_window.base | count), entry.eq(row)]
                m.next = "VALUE"
            with m.State("VALUE"):
                value = Array(Const(each, 8) for each in self._values)[shade]
                m.d.comb += [enable.eq(1), address.eq(value_window.base | count), entry.eq(value)]
                m.d.sync += [count.eq(count + 1), row.eq(row + 1), left.eq(left - 1)]
                m.next = "ROW"
                with m.If(left == 1):
                    m.next = "RUN"
            with m.State("COUNT"):
                m.d.comb += [enable.eq(1), address.eq(count_window.base), entry.eq(count)]
                m.next = "WRITTEN"
            with m.State("WRITTEN"):
                m.next = "SHOW"
            with m.State("SHOW"):
                m.d.comb += self.presentations.valid.eq(1)
                with m.If(self.presentations.ready):
                    m.d.sync += [at.eq(following), start.eq(following), is_asked.eq(0)]
                    m.next = "LOOK"
        with m.If(self.next):
            m.d.sync += is_asked.eq(1)
        return m


class LifTwin(BoardDemo):
    """A network of LIF neurons, which is shown a picture again and again in the network's own time.

    `button` goes on to the next picture; while it is down, the LEDs show the label of the picture in binary, and after
    that the answer to the last picture that was shown to its end; `NO_ANSWER` before the first one. `button2` switches
    between real time, one step of the network every `dt`, and full speed. `training` is high while the answer is
    right; `spike` flashes with every spike of the last layer.

    On the scope are whether a picture is being shown, a level that changes with every step, the spikes of the neuron of
    the last layer that should answer, and those of its first five neurons. A spike lasts as long as a step, so that two
    in a row are one wide pulse.

    Parameters, members: see `BoardDemo`; `content` must have pictures. Buttons are looked at every 8 ms by default.

    Source: yu-tio2.
    """

    NO_ANSWER = NO_ANSWER

    @staticmethod
    def shows(job: Any) -> dict[str, Any]:
        """All images, and for how many steps each."""
        return {
            "pictures": pictures_of(job.shown),
            "steps": int(job.shown.steps[0, 0]),
            "capacity": job.spec.capacity,
        }

    def __init__(self, content: BoardContent[LifLayerConfig], clock_hz: int, sample_bits: int | None = None) -> None:
        self._network = LifNetwork(content.layers, content.capacity, content.words)
        (first, *_), last = content.layers, content.layers[-1]
        if last.neurons > NO_ANSWER:
            raise ValueError(f"neurons of the last layer must be at most {NO_ANSWER}, not {last.neurons}")
        for number, picture in enumerate(content.pictures, 1):
            if picture.rows and picture.rows[-1] >= first.rows:
                raise ValueError(f"rows of picture {number} must be in 0..{first.rows - 1}, not {picture.rows[-1]}")
            if len(picture.rows) > content.capacity:
                raise ValueError(f"picture {number} must have at most {content.capacity} entries")
            if picture.label is not None and not 0 <= picture.label < last.neurons:
                raise ValueError(f"label of picture {number} must be in 0..{last.neurons - 1}, not {picture.label!r}")
        windows = self._network.memory_map.windows
        self._pictures = PictureRom(content.pictures, content.steps, windows, self._network.presentation)
        self._probed = range(min(PROBED, last.neurons))
        self.signals = ("shown", "step", "taught", *(f"on{neuron}" for neuron in self._probed))
        if sample_bits is None:
            sample_bits = max(1, ceil_log2(round(SAMPLE_S * content.substep_hz)))
        super().__init__(content, clock_hz, sample_bits)

    def elaborate(self, platform: object) -> Module:
        """Join network, memory of pictures and panel."""
        m = Module()
        m.submodules.network = network = self._network
        m.submodules.pictures = pictures = self._pictures
        tick, button, button2, spike = self._panel(m)
        wiring.connect(m, pictures.config, network.config)
        wiring.connect(m, pictures.presentations, network.presentations)
        last = getattr(network, f"layer{len(network.layers)}").on
        full_speed = Signal()
        answer = Signal(WINNER_BITS, init=NO_ANSWER)
        step = Signal()
        on = Signal.like(last)
        with m.If(button2.pressed):
            m.d.sync += full_speed.eq(~full_speed)
        with m.If(network.done):
            m.d.sync += [answer.eq(network.answer), self.training.eq(network.answer == pictures.label)]
        with m.If(network.spikes_strobe):
            m.d.sync += [step.eq(~step), on.eq(last)]
        m.d.comb += [
            network.tick.eq(tick | full_speed),
            pictures.next.eq(button.pressed),
            spike.eq(network.spikes_strobe & last.any()),
            self.winner.eq(Mux(button.down, pictures.label, answer)),
        ]
        pins: list[ValueLike] = [network.clk_level, step, (on & (1 << pictures.label)).any()]
        pins += [on[neuron] for neuron in self._probed]
        for pin, signal in enumerate(pins):
            m.d.sync += self.scope[pin].eq(signal)
        return m


def _head(label: int | None) -> dict[str, int]:
    return {"skip": 0, "length": 0, "shade": NO_ANSWER if label is None else label}
