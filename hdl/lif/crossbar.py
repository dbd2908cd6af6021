"""Event crossbar of LIF layers: each event adds one row of weights to the sums of all columns."""

from itertools import pairwise

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.cells import cells
from memtwin.hdl.core.config import ConfigBus, MemoryMap
from memtwin.hdl.lif.fixed import row_shape

__all__ = ["LifCrossbar"]


class LifCrossbar(wiring.Component):
    """Crossbar of signed weights: for every column, `sum = sum of weight over the events`.

    Events come as row numbers, in any order, each as often as it counts. A row is cut into `slices =
    ceil(columns / lanes)` slices of `lanes` columns; column `c` is lane `c % lanes` of slice `c // lanes`. A slice is
    one word of the memory, `lanes * weight_bits` wide, and is added in one clock. Sums are exact. With one slice they
    are in registers, else in a memory of `slices` words.

    Throughput: one slice per clock, an event in `slices` clocks, without a gap as long as events wait.

    Latency: an event is in the sums 3 clocks after its last slice was taken. The sums leave in column order, one per
    clock without a gap; the first comes 2 clocks after `start` with one slice, 4 with several, or, if an event was
    taken later than in the clock before `start`, 3 clocks after it, and 5 with several. They are zero after that.

    Memory: the slices of a row are padded to a power of two.

    Parameters
    ----------
    rows, columns : int
        Shape of the matrix.
    lanes : int
        Columns of a slice, 1 to `columns`.
    weight_bits : int
        Width of a weight.
    memory_map : MemoryMap
        Map in which the weights claim a `MatrixWindow`.
    name : str
        Name of the weights in the coefficients, such as ``"layer1.weight"``.
    events : int, optional
        Most events of a step; one of each row if left out.

    Attributes
    ----------
    slices : int
        Clocks of an event.
    sum_bits : int
        Width of a sum, `weight_bits + ceil_log2(events)`; it cannot overflow.

    Members
    -------
    config : In(ConfigBus())
        Writes of weights, two's complement, the upper bits are dropped. They act 2 clocks later.
    i : In(stream.Signature(unsigned(max(1, ceil_log2(rows)))))
        Events; none between `start` and the last sum but those that are late in the stream.
    start : In(1)
        Strobe: every event of this step is in the stream, or was.
    adding : Out(1)
        A slice of an event is being added.
    o_valid : Out(1)
        A sum is on the port.
    o_sum : Out(signed(sum_bits))
        Sum of a column.

    Source: docs/lif-arithmetic.md, sections 2 and 6.
    """

    def __init__(
        self,
        rows: int,
        columns: int,
        lanes: int,
        weight_bits: int,
        memory_map: MemoryMap,
        name: str,
        events: int | None = None,
    ) -> None:
        events = rows if events is None else events
        values = {"rows": rows, "columns": columns, "lanes": lanes, "weight_bits": weight_bits, "events": events}
        for label, value in values.items():
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise ValueError(f"{label} must be an integer of at least 1, not {value!r}")
        if lanes > columns:
            raise ValueError(f"lanes must be at most {columns}, not {lanes!r}")
        self.rows = rows
        self.columns = columns
        self.lanes = lanes
        self.weight_bits = weight_bits
        self.slices = -(-columns // lanes)
        self.sum_bits = weight_bits + ceil_log2(events)
        self.window = memory_map.claim_matrix(name, rows, columns)
        super().__init__(
            {
                "config": In(ConfigBus()),
                "i": In(stream.Signature(row_shape(rows))),
                "start": In(1),
                "adding": Out(1),
                "o_valid": Out(1),
                "o_sum": Out(signed(self.sum_bits)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the memory, and the sums in registers or in a memory."""
        m = Module()
        column_slice = Signal(range(self.slices))  # slice of the event that is read now
        weights = self._weights(m, column_slice)

        # An event goes through three clocks: its address, its weights, the sum.
        read = Signal()
        m.d.sync += [read.eq(self.i.valid), self.adding.eq(read)]
        m.d.comb += self.i.ready.eq(column_slice == self.slices - 1)
        with m.If(self.i.valid):
            m.d.sync += column_slice.eq(Mux(self.i.ready, 0, column_slice + 1))

        # What is being added is in the sums when the first of them is looked at.
        drained = ~(self.i.valid | read)
        left = Signal(range(self.columns + 1), init=self.columns)
        last = left == 1
        with m.If(self.o_valid):
            m.d.sync += left.eq(Mux(last, self.columns, left - 1))
        if self.slices == 1:
            self._sums_in_registers(m, weights, drained, last)
        else:
            self._sums_in_memory(m, weights, column_slice, drained, last)
        return m

    def _weights(self, m: Module, column_slice: Signal) -> list[Value]:
        """Memory of the weights: those of the slice that was addressed two clocks ago."""
        lanes, bits = self.lanes, self.weight_bits
        slice_bits = ceil_log2(self.slices)
        mask = (1 << bits) - 1
        init = [0] * (self.rows << slice_bits)
        for index, weight in enumerate(self.window.init):
            row, column = divmod(index, self.columns)
            init[(row << slice_bits) + column // lanes] |= (weight & mask) << bits * (column % lanes)
        memory = cells(m, "weights", lanes * bits, len(init), init)
        read = memory.read_port()
        m.d.comb += read.addr.eq(Cat(column_slice, self.i.payload))

        # A write is taken apart one clock before, because lanes need not be a power of two.
        write = memory.write_port(granularity=bits)
        bus_row, bus_column = self.window.fields(self.config)
        bus_slice = Signal(range(self.slices))
        bus_lane = Signal(range(lanes))
        if lanes & (lanes - 1) == 0:
            m.d.comb += [bus_slice.eq(bus_column >> ceil_log2(lanes)), bus_lane.eq(bus_column)]
        else:
            m.d.comb += bus_lane.eq(bus_column)
            for number in range(1, self.slices):
                with m.If(bus_column >= number * lanes):
                    m.d.comb += [bus_slice.eq(number), bus_lane.eq(bus_column - number * lanes)]
        hit = self.window.hit(self.config)
        m.d.sync += [
            write.addr.eq(Cat(bus_slice, bus_row)),
            write.data.eq(self.config.data[:bits].replicate(lanes)),
            write.en.eq(Mux(hit, 1 << bus_lane, 0)),
        ]
        # A register behind a block RAM, whose own output is slow.
        word = Signal(lanes * bits)
        m.d.sync += word.eq(read.data)
        return [word.word_select(lane, bits).as_signed() for lane in range(lanes)]

    def _sums_in_registers(self, m: Module, weights: list[Value], drained: Value, last: Value) -> None:
        """Accumulators, which are shifted out; zeros follow."""
        sums = [Signal(signed(self.sum_bits), name=f"sum{lane}") for lane in range(self.lanes)]
        m.d.comb += self.o_sum.eq(sums[0])
        with m.If(self.o_valid):
            m.d.sync += [sums[-1].eq(0), *(left.eq(right) for left, right in pairwise(sums))]
        with m.Elif(self.adding):
            m.d.sync += [total.eq(total + weight) for total, weight in zip(sums, weights, strict=True)]
        with m.FSM():
            with m.State("EVENTS"), m.If(self.start):
                m.next = "DRAIN"
            with m.State("DRAIN"), m.If(drained):
                m.next = "SUMS"
            with m.State("SUMS"):
                m.d.comb += self.o_valid.eq(1)
                with m.If(last):
                    m.next = "EVENTS"

    def _sums_in_memory(
        self, m: Module, weights: list[Value], column_slice: Signal, drained: Value, last: Value
    ) -> None:
        """One word of sums per slice; a word that leaves goes through a shift register, and is zeroed."""
        lanes = self.lanes
        sums = cells(m, "sums", lanes * self.sum_bits, self.slices)
        port, write = sums.read_port(), sums.write_port()
        slice_1 = Signal.like(column_slice)
        slice_2 = Signal.like(column_slice)
        m.d.sync += [slice_1.eq(column_slice), slice_2.eq(slice_1)]

        next_slice = Signal(range(self.slices + 1))  # the next to be read for the way out
        loaded = Signal.like(column_slice)  # the one that was read
        fetch = Signal()
        load = Signal()
        leaving = Signal()
        added = [
            (port.data.word_select(lane, self.sum_bits).as_signed() + weight)[: self.sum_bits]
            for lane, weight in enumerate(weights)
        ]
        # The same slice comes again after two clocks at the earliest, when its sum is written.
        m.d.comb += [
            port.addr.eq(Mux(leaving, next_slice, slice_1)),
            port.en.eq(~leaving | fetch),
            write.addr.eq(Mux(load, loaded, slice_2)),
            write.data.eq(Mux(load, 0, Cat(added))),
            write.en.eq(self.adding | load),
        ]
        with m.If(fetch):
            m.d.sync += [next_slice.eq(next_slice + 1), loaded.eq(next_slice)]

        held = [Signal(signed(self.sum_bits), name=f"held{lane}") for lane in range(lanes)]
        lane = Signal(range(lanes))
        m.d.comb += self.o_sum.eq(held[0])
        with m.If(load):
            m.d.sync += [word.eq(port.data.word_select(at, self.sum_bits)) for at, word in enumerate(held)]
            m.d.sync += lane.eq(0)
        with m.Elif(self.o_valid):
            m.d.sync += [lane.eq(lane + 1), *(left.eq(right) for left, right in pairwise(held))]

        with m.FSM():
            with m.State("EVENTS"), m.If(self.start):
                m.d.sync += next_slice.eq(0)
                m.next = "DRAIN"
            with m.State("DRAIN"), m.If(drained):
                m.next = "FETCH"
            with m.State("FETCH"):
                m.d.comb += [leaving.eq(1), fetch.eq(1)]
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.comb += [leaving.eq(1), fetch.eq(1), load.eq(1)]
                m.next = "SUMS"
            with m.State("SUMS"):
                m.d.comb += [leaving.eq(1), self.o_valid.eq(1)]
                with m.If(last):
                    m.next = "EVENTS"
                with m.Elif(lane == lanes - 1):
                    m.d.comb += [fetch.eq(1), load.eq(1)]
