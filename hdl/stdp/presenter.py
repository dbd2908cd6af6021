"""Presentations to the STDP engine: spikes, and the steps until the next ones."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.hybrid.presenter import COUNT_BITS, Pace

__all__ = ["StdpPresentation", "StdpPresenter"]


class StdpPresentation(data.StructLayout):
    """One presentation: spikes in its first step, then silence (docs/stdp.md, section 3).

    Parameters
    ----------
    rows, neurons : int
        Of the layer.

    Members
    -------
    inputs : rows
        Rows with a spike in the first step.
    forced : neurons
        Neurons that are made to spike in the first step.
    learn : 1
        Synapses change.
    steps : 16
        Steps, the first one included.
    init : 1
        Traces and membranes start from zero.
    """

    def __init__(self, rows: int, neurons: int) -> None:
        super().__init__({"inputs": rows, "forced": neurons, "learn": 1, "steps": COUNT_BITS, "init": 1})


class StdpPresenter(wiring.Component):
    """Plays presentations, step by step. A presentation is taken (`i.ready`) when it is over.

    Overhead on the time that the layer takes: 3 clocks per step, 2 per presentation.

    Parameters
    ----------
    rows, neurons : int
        Of the layer.

    Members
    -------
    i : In(stream.Signature(StdpPresentation(...)))
        Presentations.
    tick : In(1)
        The time of one step has passed; high for full speed. Up to 3 that came early are remembered (see `Pace`).
    busy : In(1)
        The layer has not finished.
    start : Out(1)
        Strobe to the layer: a step begins.
    first : Out(1)
        With this step traces and membranes start from zero.
    inputs, forced, learn : Out(rows), Out(neurons), Out(1)
        Of this step.
    begins : Out(1)
        Strobe: the first step of a presentation.
    idle : Out(1)
        No presentation is there.
    done : Out(1)
        Strobe: a presentation is over (it is taken in this clock).
    step_done : Out(1)
        Strobe: the layer has finished a step.

    Source: docs/stdp.md, section 3.
    """

    i: wiring.PureInterface
    tick: Signal
    busy: Signal
    start: Signal
    first: Signal
    inputs: Signal
    forced: Signal
    learn: Signal
    begins: Signal
    idle: Signal
    done: Signal
    step_done: Signal

    def __init__(self, rows: int, neurons: int) -> None:
        self.layout = StdpPresentation(rows, neurons)
        self._pace = Pace(1)  # in units of a step
        super().__init__(
            {
                "i": In(stream.Signature(self.layout)),
                "tick": In(1),
                "busy": In(1),
                "start": Out(1),
                "first": Out(1),
                "inputs": Out(rows),
                "forced": Out(neurons),
                "learn": Out(1),
                "begins": Out(1),
                "idle": Out(1),
                "done": Out(1),
                "step_done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the sequence."""
        m = Module()
        m.submodules.pacer = pace = self._pace
        shown = self.i.payload
        taken = Signal(COUNT_BITS)  # steps that are over
        begins = Signal()
        m.d.comb += [
            pace.tick.eq(self.tick),
            begins.eq(taken == 0),
            self.first.eq(begins & shown.init),
            self.inputs.eq(Mux(begins, shown.inputs, 0)),
            self.forced.eq(Mux(begins, shown.forced, 0)),
            self.learn.eq(shown.learn),
            self.begins.eq(self.start & begins),
            self.done.eq(self.i.ready),
        ]
        with m.FSM() as fsm:
            m.d.comb += self.idle.eq(fsm.ongoing("IDLE") & ~self.i.valid)
            with m.State("IDLE"):
                m.d.comb += pace.clear.eq(1)
                m.d.sync += taken.eq(0)
                with m.If(self.i.valid):
                    m.next = "STEP"
            with m.State("STEP"):
                with m.If(taken == shown.steps):
                    m.d.comb += self.i.ready.eq(1)
                    m.next = "IDLE"
                with m.Else():
                    m.d.comb += self.start.eq(1)
                    m.next = "LAYER"
            with m.State("LAYER"), m.If(~self.busy):
                m.d.comb += self.step_done.eq(1)
                m.d.sync += taken.eq(taken + 1)
                m.next = "PACE"
            with m.State("PACE"), m.If(pace.full):
                m.d.comb += pace.take.eq(1)
                m.next = "STEP"
        return m
