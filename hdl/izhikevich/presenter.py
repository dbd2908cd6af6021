"""Presentations to Izhikevich neurons: spikes, and the steps until the next ones."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.hybrid.presenter import COUNT_BITS, Pace

__all__ = ["IzhikevichPresentation", "IzhikevichPresenter"]


class IzhikevichPresentation(data.StructLayout):
    """One presentation: spikes in its first step, then silence (docs/izhikevich.md, section 3).

    Parameters
    ----------
    rows : int
        Of the layer.

    Members
    -------
    inputs : rows
        Rows with a spike in the first step.
    steps : 16
        Steps, the first one included.
    init : 1
        States start from the coefficients.
    """

    def __init__(self, rows: int) -> None:
        super().__init__({"inputs": rows, "steps": COUNT_BITS, "init": 1})


class IzhikevichPresenter(wiring.Component):
    """Plays presentations, step by step. A presentation is taken (`i.ready`) when it is over.

    Overhead on the time that the layer takes: 3 clocks per step, 2 per presentation.

    Parameters
    ----------
    rows : int
        Of the layer.

    Members
    -------
    i : In(stream.Signature(IzhikevichPresentation(...)))
        Presentations.
    tick : In(1)
        The time of one step has passed; high for full speed. Up to 3 that came early are remembered (see `Pace`).
    busy : In(1)
        The layer has not finished.
    start : Out(1)
        Strobe to the layer: a step begins.
    first : Out(1)
        With this step the states start from the coefficients.
    inputs : Out(rows)
        To the layer; held for the whole step.
    begins : Out(1)
        Strobe: the first step of a presentation begins.
    idle : Out(1)
        No presentation is there.
    done : Out(1)
        Strobe: a presentation is over.
    step_done : Out(1)
        Strobe: a step is over, the layer has its spikes.
    """

    i: wiring.PureInterface
    tick: Signal
    busy: Signal
    start: Signal
    first: Signal
    inputs: Signal
    begins: Signal
    idle: Signal
    done: Signal
    step_done: Signal

    def __init__(self, rows: int) -> None:
        self.layout = IzhikevichPresentation(rows)
        self._pace = Pace(1)  # in units of a step
        super().__init__(
            {
                "i": In(stream.Signature(self.layout)),
                "tick": In(1),
                "busy": In(1),
                "start": Out(1),
                "first": Out(1),
                "inputs": Out(rows),
                "begins": Out(1),
                "idle": Out(1),
                "done": Out(1),
                "step_done": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the sequence."""
        m = Module()
        m.submodules.pace = pace = self._pace
        shown = self.i.payload
        taken = Signal(COUNT_BITS)  # steps that are over
        is_first = taken == 0
        m.d.comb += [
            pace.tick.eq(self.tick),
            self.first.eq(is_first & shown.init),
            self.inputs.eq(Mux(is_first, shown.inputs, 0)),
            self.begins.eq(self.start & is_first),
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
                m.d.comb += self.i.ready.eq(taken == shown.steps)
                m.d.comb += self.start.eq(~self.i.ready)
                m.next = "LAYER"
                with m.If(self.i.ready):
                    m.next = "IDLE"
            with m.State("LAYER"), m.If(~self.busy):
                m.d.comb += self.step_done.eq(1)
                m.d.sync += taken.eq(taken + 1)
                m.next = "PACE"
            with m.State("PACE"), m.If(pace.full):
                m.d.comb += pace.take.eq(1)
                m.next = "STEP"
        return m
