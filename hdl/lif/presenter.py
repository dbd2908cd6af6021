"""Presentations to LIF neurons: an image, or events, are shown for some steps, in which the layers take turns."""

from amaranth.hdl import Module, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.pace import COUNT_BITS, Pace

__all__ = ["LifPresentation", "LifPresenter"]


class LifPresentation(data.StructLayout):
    """One presentation of the image that the encoder holds, or of events (docs/lif-arithmetic.md, sections 6 and 7).

    Members
    -------
    steps : 16
        Steps, at least 1.
    init : 1
        The generator of the encoder is seeded first. Without an encoder: the neurons start from rest; else they go on
        from where the presentation before left them.
    """

    def __init__(self) -> None:
        super().__init__({"steps": COUNT_BITS, "init": 1})


class LifPresenter(wiring.Component):
    """Plays presentations: in every step the encoder, then the layers one after the other; then the answer.

    A presentation is taken (`i.ready`) when it is over. A presentation of 0 steps is over at once, without an answer.

    Overhead on the time that encoder and layers take: 2 clocks per step and 1 per layer and step, 4 per presentation.

    Parameters
    ----------
    layers : int
        Number of layers.
    encoder : bool
        Every presentation is an image, for which the neurons start from rest; else they do with `init` only.

    Members
    -------
    i : In(stream.Signature(LifPresentation()))
        Presentations.
    tick : In(1)
        The time of one step has passed; high for full speed. Up to 3 that came early are remembered (see `Pace`).
    busy : In(1)
        The encoder has events, or the decoder compares.
    layer_done : In(layers)
        Strobes of the layers.
    stop : In(1)
        From the clock after the last layer's strobe on: the image is over with this step.
    seed : Out(1)
        Strobe to the encoder: seed the generator. It comes once after reset.
    step : Out(1)
        Strobe to encoder and decoder: a step begins.
    moment : Out(16)
        Number of the step, counted from 1.
    first : Out(1)
        It is the first step, and the neurons start from rest.
    start : Out(layers)
        Strobes to the layers.
    shown : Out(1)
        An image is being shown.
    idle : Out(1)
        No presentation is there.
    step_done : Out(1)
        Strobe: every layer has finished a step.
    done : Out(1)
        Strobe: a presentation is over (it is taken in this clock).
    answered : Out(1)
        With `done`: the decoder has the answer.

    Source: docs/lif-arithmetic.md, sections 2, 4 and 6.
    """

    def __init__(self, layers: int, *, encoder: bool = True) -> None:
        check_integer("layers", layers, 1)
        self._encoder = encoder
        self.layout = LifPresentation()
        self._pace = Pace(1)  # in units of a step
        super().__init__(
            {
                "i": In(stream.Signature(self.layout)),
                "tick": In(1),
                "busy": In(1),
                "layer_done": In(layers),
                "stop": In(1),
                "seed": Out(1),
                "step": Out(1),
                "moment": Out(COUNT_BITS, init=1),
                "first": Out(1),
                "start": Out(layers),
                "shown": Out(1),
                "idle": Out(1),
                "step_done": Out(1),
                "done": Out(1),
                "answered": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the sequence."""
        m = Module()
        m.submodules.pacer = pace = self._pace
        turn = Signal.like(self.start, init=1)  # whose turn it is, one bit per layer
        last_done = Signal()
        m.d.comb += [
            pace.tick.eq(self.tick),
            last_done.eq((self.layer_done & turn)[-1]),
            self.done.eq(self.i.ready),
        ]
        m.d.sync += self.step_done.eq(last_done)
        with m.FSM() as fsm:
            m.d.comb += [
                self.idle.eq(fsm.ongoing("IDLE") & ~self.i.valid),
                self.shown.eq(~fsm.ongoing("IDLE") & ~fsm.ongoing("RESET")),
            ]
            with m.State("RESET"):
                m.d.comb += self.seed.eq(1)
                m.next = "IDLE"
            with m.State("IDLE"):
                m.d.comb += [pace.clear.eq(1), self.seed.eq(self.i.valid & self.i.payload.init)]
                m.d.sync += [self.moment.eq(1), self.first.eq(1 if self._encoder else self.i.payload.init)]
                with m.If(self.i.valid):
                    m.next = "STEP"
                    with m.If(self.i.payload.steps == 0):
                        m.next = "NOTHING"
            with m.State("STEP"):
                m.d.comb += self.step.eq(1)
                m.next = "ENCODE"
            with m.State("ENCODE"), m.If(~self.busy):
                m.next = "START"
            with m.State("START"):
                m.d.comb += self.start.eq(turn)
                m.next = "LAYER"
            with m.State("LAYER"), m.If((self.layer_done & turn).any()):
                with m.If(last_done):
                    m.d.sync += turn.eq(1)
                    m.next = "PACE"
                with m.Else():
                    m.d.sync += turn.eq(turn << 1)
                    m.next = "START"
            with m.State("PACE"), m.If(pace.full):
                m.d.comb += pace.take.eq(1)
                with m.If(self.stop | (self.moment == self.i.payload.steps)):
                    m.next = "ANSWER"
                with m.Else():
                    m.d.sync += [self.moment.eq(self.moment + 1), self.first.eq(0)]
                    m.next = "STEP"
            with m.State("ANSWER"), m.If(~self.busy):
                m.d.comb += [self.i.ready.eq(1), self.answered.eq(1)]
                m.next = "IDLE"
            with m.State("NOTHING"):
                m.d.comb += self.i.ready.eq(1)
                m.next = "IDLE"
        return m
