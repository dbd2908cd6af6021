"""Presentations to op-amp neurons: what is shown, for how many substeps, and which layer works when."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.pace import COUNT_BITS, Pace

__all__ = ["OpampPresentation", "OpampPresenter"]


class OpampPresentation(data.StructLayout):
    """One presentation (docs/opamp-arithmetic.md, section 7).

    Parameters
    ----------
    rows : int
        Inputs of layer 1.
    gates : int
        Neurons of the last layer.
    layers : int
        Number of layers.

    Members
    -------
    pixels : rows
        Inputs that are active in driven substeps.
    gates : gates
        Neurons of the last layer whose gate is open.
    learn : layers
        Layers that learn; bit 0 is layer 1.
    on : 16
        Driven substeps.
    off : 16
        Substeps without input after them.
    init : 1
        Power-up comes first.
    """

    def __init__(self, rows: int, gates: int, layers: int) -> None:
        for name, value in {"rows": rows, "gates": gates, "layers": layers}.items():
            check_integer(name, value, 1)
        super().__init__(
            {"pixels": rows, "gates": gates, "learn": layers, "on": COUNT_BITS, "off": COUNT_BITS, "init": 1}
        )


class OpampPresenter(wiring.Component):
    """Plays presentations: power-up, driven substeps, substeps without input; the layers take turns in each.

    A presentation is taken (`i.ready`) when it is over, so that its words are stored once, in front of this part. In a
    substep each layer starts when the one before has finished. After reset the layers are powered up once.

    Latency: without power-up the first substep starts 3 clocks after `i.valid`. Overhead on the time that the layers
    take: 1 clock per layer and substep, 1 per substep, 1 before the part without input, 3 per presentation.

    Parameters
    ----------
    rows, gates, layers : int
        As in `OpampPresentation`.

    Members
    -------
    i : In(stream.Signature(OpampPresentation(...)))
        Presentations.
    tick : In(1)
        The time of one substep has passed; high for full speed. Up to 3 that came early are remembered (see `Pace`).
    busy : In(1)
        A layer has not finished.
    init : Out(1)
        Strobe to all layers: power-up.
    start : Out(layers)
        Strobes, one per layer: a substep begins.
    phase : Out(1)
        This substep begins a part of the presentation, the driven one or the one without input.
    driven : Out(1)
        The inputs are there; low while nothing is shown.
    first : Out(1)
        It is the first substep of the presentation.
    events : Out(rows)
        Active inputs of layer 1.
    gates : Out(gates)
        Mask of the last layer.
    learn : Out(layers)
        Layers that learn.
    idle : Out(1)
        Powered up, and no presentation is there.
    done : Out(1)
        Strobe: a presentation is over (it is taken in this clock).
    substep : Out(1)
        Strobe: every layer has finished a substep.

    Source: docs/opamp-arithmetic.md, sections 4 and 7.
    """

    def __init__(self, rows: int, gates: int, layers: int) -> None:
        self.layout = OpampPresentation(rows, gates, layers)
        self._pace = Pace(1)  # in units of a substep
        super().__init__(
            {
                "i": In(stream.Signature(self.layout)),
                "tick": In(1),
                "busy": In(1),
                "init": Out(1),
                "start": Out(layers),
                "phase": Out(1),
                "driven": Out(1),
                "first": Out(1),
                "events": Out(rows),
                "gates": Out(gates),
                "learn": Out(layers),
                "idle": Out(1),
                "done": Out(1),
                "substep": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the sequence."""
        m = Module()
        m.submodules.pacer = pace = self._pace
        shown = self.i.payload
        left = Signal(COUNT_BITS)  # substeps of this part
        resting = Signal()  # the part without input has come
        turn = Signal.like(self.start, init=1)  # whose turn it is, one bit per layer

        m.d.comb += [
            pace.tick.eq(self.tick),
            self.events.eq(Mux(self.driven, shown.pixels, 0)),
            self.gates.eq(shown.gates),
            self.learn.eq(shown.learn),
            self.done.eq(self.i.ready),
        ]
        with m.FSM() as fsm:
            m.d.comb += self.idle.eq(fsm.ongoing("IDLE") & ~self.i.valid)
            with m.State("RESET"):
                m.d.comb += self.init.eq(1)
                m.next = "SETTLE"
            with m.State("SETTLE"), m.If(~self.busy):
                m.next = "IDLE"
            with m.State("IDLE"):
                m.d.comb += pace.clear.eq(1)
                m.d.sync += [resting.eq(0), left.eq(shown.on), self.phase.eq(1), self.first.eq(1)]
                with m.If(self.i.valid):
                    m.next = "POWER"
                    with m.If(shown.init):
                        m.next = "INIT"
            with m.State("INIT"):
                m.d.comb += [self.init.eq(1), pace.clear.eq(1)]
                m.next = "POWER"
            with m.State("POWER"):
                # Without power-up the layers have been settled all the time.
                m.d.comb += pace.clear.eq(1)
                with m.If(~self.busy):
                    m.next = "SUBSTEP"
            with m.State("SUBSTEP"):
                with m.If(left != 0):
                    m.d.sync += [left.eq(left - 1), self.driven.eq(~resting)]
                    m.next = "START"
                with m.Elif(~resting & (shown.off != 0)):
                    m.d.sync += [left.eq(shown.off), resting.eq(1), self.phase.eq(1)]
                with m.Else():
                    m.d.comb += self.i.ready.eq(1)
                    m.d.sync += self.driven.eq(0)
                    m.next = "IDLE"
            with m.State("START"):
                m.d.comb += self.start.eq(turn)
                m.next = "WAIT"
            with m.State("WAIT"), m.If(~self.busy):
                with m.If(~turn[-1]):
                    m.d.sync += turn.eq(turn << 1)
                    m.next = "START"
                with m.Else():
                    m.d.comb += self.substep.eq(1)
                    m.d.sync += [turn.eq(1), self.phase.eq(0), self.first.eq(0)]
                    m.next = "PACE"
            with m.State("PACE"), m.If(pace.full):
                m.d.comb += pace.take.eq(1)
                m.next = "SUBSTEP"
        return m
