"""Stretches of a spike train: the spikes of one step, and the silence until the next ones."""

from collections.abc import Mapping

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.pace import COUNT_BITS, Pace

__all__ = ["Stretch", "StretchPresenter"]


class Stretch(data.StructLayout):
    """One presentation: spikes in its first step, then silence.

    Parameters
    ----------
    spikes : mapping of str to int
        Widths of the words whose bits are spikes.
    held : mapping of str to int
        Widths of the words that hold for all of its steps.

    Members
    -------
    one for each of `spikes`, then of `held`
        As above.
    steps : 16
        Steps, the first one included.
    init : 1
        The states start anew.
    """

    def __init__(self, spikes: Mapping[str, int], held: Mapping[str, int]) -> None:
        self.spikes, self.held = tuple(spikes), tuple(held)
        super().__init__({**spikes, **held, "steps": COUNT_BITS, "init": 1})


class StretchPresenter(wiring.Component):
    """Plays stretches to a layer, step by step. One is taken (`i.ready`) when it is over.

    Overhead on the time that the layer takes: 3 clocks per step, 2 per stretch.

    Parameters
    ----------
    spikes, held : mapping of str to int
        As in `Stretch`.

    Members
    -------
    i : In(stream.Signature(Stretch(...)))
        Stretches.
    tick : In(1)
        The time of one step has passed; high for full speed. Up to 3 that came early are remembered (see `Pace`).
    busy : In(1)
        The layer has not finished.
    start : Out(1)
        Strobe to the layer: a step begins.
    first : Out(1)
        With this step the states start anew.
    one for each of `spikes` and `held` : Out(width)
        Of this step, and held for all of it.
    begins : Out(1)
        Strobe: the first step of a stretch begins.
    idle : Out(1)
        No stretch is there.
    done : Out(1)
        Strobe: a stretch is over (it is taken in this clock).
    step_done : Out(1)
        Strobe: the layer has finished a step.
    """

    def __init__(self, spikes: Mapping[str, int], held: Mapping[str, int]) -> None:
        self.layout = Stretch(spikes, held)
        self._pace = Pace(1)  # in units of a step
        super().__init__(
            {
                "i": In(stream.Signature(self.layout)),
                "tick": In(1),
                "busy": In(1),
                "start": Out(1),
                "first": Out(1),
                **{name: Out(width) for name, width in {**spikes, **held}.items()},
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
            *(getattr(self, name).eq(Mux(begins, shown[name], 0)) for name in self.layout.spikes),
            *(getattr(self, name).eq(shown[name]) for name in self.layout.held),
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
