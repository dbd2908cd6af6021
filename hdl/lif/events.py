"""Events from a host, in the place of the encoder of LIF networks: a list in memory, played step by step."""

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.cells import table
from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.config import ConfigBus, MemoryMap, Registers
from memtwin.hdl.lif.fixed import row_shape

__all__ = ["MOST_EVENTS", "LifEvents"]

MOST_EVENTS = 4096
STEP_BITS = 16


class LifEvents(wiring.Component):
    """Plays the events of a presentation: pairs of a step and a row, in ascending order of steps.

    A row may be there several times in a step. Of a train that is longer than the list, or than a presentation, a host
    shows one piece after the other.

    Latency: the first event of a step comes 2 clocks after `start`. Throughput: one event per clock. A step of `e`
    events takes ``e + 3`` clocks from `start` to the first clock in which `busy` is low.

    Parameters
    ----------
    rows : int
        Rows of the first layer, 1 to 1024.
    capacity : int
        Events that can be held, 1 to 4096.
    memory_map : MemoryMap
        Map in which it claims ``step`` and ``row`` (`capacity` words each), and ``number``: how many are valid.
    prefix : str
        Prefix of these names, such as ``"events."``.

    Members
    -------
    config : In(ConfigBus())
        Writes, while not busy. A `row` is less than `rows`; a step is counted from 1.
    start : In(1)
        Strobe: a step begins. Not while `busy`.
    moment : In(16)
        Number of the step in its presentation, counted from 1; held from `start` on while `busy`.
    busy : Out(1)
        High from the clock after `start` on, until the last event of the step has been taken.
    o : Out(stream.Signature(unsigned(max(1, ceil_log2(rows)))))
        Events: row numbers, in the order of the list.
    count : Out(16)
        Number of events of this step; settled when `busy` is low.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range.

    Source: docs/lif-arithmetic.md, section 7.
    """

    def __init__(self, rows: int, capacity: int, memory_map: MemoryMap, prefix: str) -> None:
        check_integer("rows", rows, 1, 1024)
        check_integer("capacity", capacity, 1, MOST_EVENTS)
        self.rows = rows
        self.capacity = capacity
        self._windows = {name: memory_map.claim(prefix + name, capacity) for name in ("step", "row")}
        self._registers = Registers(memory_map, prefix, ("number",))
        super().__init__(
            {
                "config": In(ConfigBus()),
                "start": In(1),
                "moment": In(STEP_BITS),
                "busy": Out(1),
                "o": Out(stream.Signature(row_shape(rows))),
                "count": Out(16),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the list and the walk through it."""
        m = Module()
        m.submodules.registers = registers = self._registers
        wiring.connect(m, wiring.flipped(self.config), registers.config)

        place = Signal(range(self.capacity + 1))  # of the next event
        taken = Signal()
        fields = {}
        for name, width in (("step", STEP_BITS), ("row", len(self.o.payload))):
            window = self._windows[name]
            read = table(m, name, window, self.config, width)
            m.d.comb += read.addr.eq(Mux(taken, place + 1, place))
            fields[name] = read.data

        walking, fetched = Signal(), Signal()
        is_due = (place != registers["number"]) & (fields["step"] == self.moment)
        m.d.comb += [
            self.busy.eq(walking),
            self.o.valid.eq(walking & fetched & is_due),
            self.o.payload.eq(fields["row"]),
            taken.eq(self.o.valid & self.o.ready),
        ]
        with m.If(self.start):
            m.d.sync += [walking.eq(1), fetched.eq(0), self.count.eq(0)]
            with m.If(self.moment == 1):
                m.d.sync += place.eq(0)
        with m.Else():
            m.d.sync += [
                fetched.eq(walking),
                walking.eq(walking & (~fetched | is_due)),
                place.eq(Mux(taken, place + 1, place)),
            ]
            with m.If(taken):  # an enable: `taken` comes late, and has no time for a carry
                m.d.sync += self.count.eq(self.count + 1)
        return m
