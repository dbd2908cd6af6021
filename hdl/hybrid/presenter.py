"""Presentations: what is shown to a network, for how long, and the CLK that drives every layer in lock-step."""

from amaranth.hdl import Array, Module, Mux, Signal
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.pace import COUNT_BITS, Pace

__all__ = ["Presentation", "Presenter"]


class Presentation(data.StructLayout):
    """One presentation (docs/arithmetic.md, section 10).

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
        Inputs that pulse.
    gates : gates
        Neurons of the last layer whose shared gate may open.
    learn : layers
        Layers that learn; bit 0 is layer 1.
    until : ceil_log2(layers), at least 1
        Layer whose fires are counted; 0 is layer 1.
    fires : 16
        Fires that end the presentation, or 0 for exactly `periods`.
    periods : 16
        Most clock periods with pulses.
    rest : 16
        Clock periods without pulses after them.
    init : 1
        Power-up comes first.
    """

    def __init__(self, rows: int, gates: int, layers: int) -> None:
        for name, value in {"rows": rows, "gates": gates, "layers": layers}.items():
            check_integer(name, value, 1)
        self.rows = rows
        self.gates = gates
        self.layers = layers
        super().__init__(
            {
                "pixels": rows,
                "gates": gates,
                "learn": layers,
                "until": max(1, ceil_log2(layers)),
                "fires": COUNT_BITS,
                "periods": COUNT_BITS,
                "rest": COUNT_BITS,
                "init": 1,
            }
        )


class Presenter(wiring.Component):
    """Plays presentations: power-up, clock periods with the pixels as pulses, rest.

    A presentation is taken (`i.ready`) when it is over, so that its words are stored once, in front of this part. All
    layers start each half-period together, and the next one comes when the slowest has finished. After reset the
    layers are powered up once.

    Latency: without power-up the first half-period starts 3 clocks after `i.valid`. Overhead on the time that the
    slowest layer takes: 1 clock per half-period, 1 per clock period, 1 before a rest, 3 per presentation.

    Parameters
    ----------
    rows, gates, layers : int
        As in `Presentation`.
    substeps : int
        Substeps per half-period, for the pace.

    Members
    -------
    i : In(stream.Signature(Presentation(...)))
        Presentations.
    tick : In(1)
        See `Pace`; high for full speed.
    busy : In(layers)
        Layers that have not finished.
    fire : In(layers)
        Strobes: a neuron of the layer fires.
    v_l : In(layers)
        Some neuron of the layer has V_L high.
    init : Out(1)
        Strobe to the layers: power-up.
    start : Out(1)
        Strobe to the layers: a half-period begins.
    clk : Out(1)
        The paper's CLK.
    pulses : Out(rows)
        Inputs of layer 1 that pulse in this half-period.
    gates : Out(gates)
        Mask of the last layer.
    learn : Out(layers)
        Layers that learn.
    pace : Out(range(substeps + 1))
        See `Pace`.
    idle : Out(1)
        Powered up, and no presentation is there.
    done : Out(1)
        Strobe: a presentation is over (it is taken in this clock).
    high : Out(1)
        Strobe: the clock after the start of a high half-period; the spikes of every layer are valid.

    Source: zhang2021, Fig. 5; docs/arithmetic.md, sections 4 and 10.
    """

    def __init__(self, rows: int, gates: int, layers: int, substeps: int) -> None:
        self.layout = Presentation(rows, gates, layers)
        self._pace = Pace(substeps)
        super().__init__(
            {
                "i": In(stream.Signature(self.layout)),
                "tick": In(1),
                "busy": In(layers),
                "fire": In(layers),
                "v_l": In(layers),
                "init": Out(1),
                "start": Out(1),
                "clk": Out(1),
                "pulses": Out(rows),
                "gates": Out(gates),
                "learn": Out(layers),
                "pace": Out(self._pace.pace.shape()),
                "idle": Out(1),
                "done": Out(1),
                "high": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the sequence."""
        m = Module()
        m.submodules.pacer = pace = self._pace
        shown = self.i.payload
        resting = Signal()
        periods_left = Signal(COUNT_BITS)
        fires_left = Signal(COUNT_BITS)
        settled = ~self.busy.any()
        half_over = settled & pace.full

        counted = Array(self.fire)[shown.until]
        pending = Array(self.v_l)[shown.until]
        # A clock late, which keeps all V_L out of the path through the sequence; they settle well before the end of the
        # period.
        enough = Signal()
        m.d.sync += enough.eq((shown.fires != 0) & (fires_left == 0) & ~pending)
        with m.If(counted & (fires_left != 0)):
            m.d.sync += fires_left.eq(fires_left - 1)

        m.d.comb += [
            pace.tick.eq(self.tick),
            self.pace.eq(pace.pace),
            self.pulses.eq(Mux(self.clk & ~resting, shown.pixels, 0)),
            self.gates.eq(shown.gates),
            self.learn.eq(shown.learn),
            self.done.eq(self.i.ready),
        ]
        m.d.sync += self.high.eq(self.start & self.clk)

        with m.FSM() as fsm:
            m.d.comb += self.idle.eq(fsm.ongoing("IDLE") & ~self.i.valid)
            with m.State("RESET"):
                m.d.comb += self.init.eq(1)
                m.next = "SETTLE"
            with m.State("SETTLE"), m.If(settled):
                m.next = "IDLE"
            with m.State("IDLE"):
                m.d.comb += pace.clear.eq(1)
                m.d.sync += [
                    resting.eq(0),
                    periods_left.eq(shown.periods),
                    fires_left.eq(shown.fires),
                ]
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
                with m.If(settled):
                    m.next = "PERIOD"
            with m.State("PERIOD"):
                with m.If((periods_left != 0) & (resting | ~enough)):
                    m.d.sync += [periods_left.eq(periods_left - 1), self.clk.eq(1)]
                    m.next = "HIGH"
                with m.Elif(~resting & (shown.rest != 0)):
                    m.d.sync += [periods_left.eq(shown.rest), resting.eq(1)]
                with m.Else():
                    m.d.comb += self.i.ready.eq(1)
                    m.next = "IDLE"
            with m.State("HIGH"):
                m.d.comb += self.start.eq(1)
                m.next = "HIGH WAIT"
            with m.State("HIGH WAIT"), m.If(half_over):
                m.d.comb += pace.take.eq(1)
                m.d.sync += self.clk.eq(0)
                m.next = "LOW"
            with m.State("LOW"):
                m.d.comb += self.start.eq(1)
                m.next = "LOW WAIT"
            with m.State("LOW WAIT"), m.If(half_over):
                m.d.comb += pace.take.eq(1)
                m.next = "PERIOD"
        return m
