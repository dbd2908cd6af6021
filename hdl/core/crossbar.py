"""Event-driven crossbar: the currents of a conductance matrix, at a cost that follows the number of active rows."""

import itertools

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.cells import cells
from memtwin.hdl.core.config import ConfigBus, MemoryMap
from memtwin.hdl.core.fixed import CONDUCTANCE

__all__ = ["Crossbar"]

# Rows looked at together. A wider group skips idle rows faster and has a longer path.
GROUP = 8


class Crossbar(wiring.Component):
    """Crossbar of synapses: for every column, `sum = sum of conductance over the active rows`.

    Conductances are in one memory per lane; column `c` is in lane `c % lanes`, slice `c // lanes`. Slice by slice, one
    active row per clock is read and added to one accumulator per lane. Idle rows cost nothing but one clock for each
    group of 8 rows without any active row. With `scan = sum over the groups of max(1, active rows)`:

    - latency: `o_valid` of column 0 comes `scan + 4` clocks after `start`, with one lane `scan + 3`;
    - throughput: one slice of `lanes` columns per `max(scan + 1, lanes)` clocks.

    Sums come in column order, one per clock within a slice, without back-pressure. The learning port reads and writes
    single synapses, one each per clock, while the crossbar is not busy. Configuration writes win over learning writes.

    Source: zhang2021, synapse array and LIA; docs/arithmetic.md, sections 5 and 8.

    Parameters
    ----------
    rows, columns : int
        Shape of the matrix.
    lanes : int
        Columns summed at once, a power of two.
    memory_map : MemoryMap
        Map in which the conductances claim a `MatrixWindow`.
    name : str
        Name of the conductances in the coefficients, such as ``"layer1.conductance"``.
    state : bool
        The conductances are part of the state; who drives the learning port has them read.

    Members
    -------
    config : In(ConfigBus())
        Writes of conductances, while not busy.
    start : In(1)
        Starts the sums; ignored while `busy`.
    events : In(rows)
        Active rows, held from the clock after `start` while `busy`.
    busy : Out(1)
        High from the clock after `start` to the clock of the last sum.
    o_valid : Out(1)
        A sum is on the port.
    o_column : Out(range(columns))
        Its column.
    o_sum : Out(16 + ceil_log2(rows))
        Sum of the active conductances.
    r_row, r_column : In(range(rows)), In(range(columns))
        Synapse to read.
    r_enable : In(1)
        Read strobe, while not busy.
    r_data : Out(16)
        Conductance, one clock after `r_enable`.
    w_row, w_column : In(range(rows)), In(range(columns))
        Synapse to write.
    w_data : In(16)
        Conductance.
    w_enable : In(1)
        Write strobe.
    """

    def __init__(
        self, rows: int, columns: int, lanes: int, memory_map: MemoryMap, name: str, *, state: bool = False
    ) -> None:
        for label, value in {"rows": rows, "columns": columns, "lanes": lanes}.items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{label} must be an integer of at least 1, not {value!r}")
        if lanes & (lanes - 1) or lanes > 1 << ceil_log2(columns):
            raise ValueError(f"lanes must be a power of two, at most {1 << ceil_log2(columns)}, not {lanes!r}")
        self.rows = rows
        self.columns = columns
        self.lanes = lanes
        self.window = memory_map.claim_matrix(name, rows, columns, state=state)
        super().__init__(
            {
                "config": In(ConfigBus()),
                "start": In(1),
                "events": In(rows),
                "busy": Out(1),
                "o_valid": Out(1),
                "o_column": Out(range(columns)),
                "o_sum": Out(16 + ceil_log2(rows)),
                "r_row": In(range(rows)),
                "r_column": In(range(columns)),
                "r_enable": In(1),
                "r_data": Out(CONDUCTANCE),
                "w_row": In(range(rows)),
                "w_column": In(range(columns)),
                "w_data": In(CONDUCTANCE),
                "w_enable": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the crossbar."""
        m = Module()
        rows, columns, lanes = self.rows, self.columns, self.lanes
        lane_bits = ceil_log2(lanes)
        slices = -(-columns // lanes)
        built = min(lanes, columns)  # the last lanes may hold no column
        last_slice_columns = columns - (slices - 1) * lanes

        # Scan of the active rows: `work` holds what is left of the current group, `next_group` says which one is next;
        # it is 0 again in the last group.
        group = min(GROUP, 1 << ceil_log2(rows))
        groups = -(-rows // group)
        work = Signal(group)
        group_index = Signal(range(groups))
        next_group = Signal(range(groups))
        slice_index = Signal(range(slices))
        rest = Signal(group)
        lowest = Signal(group)
        row = Signal(range(rows))
        scanning = Signal()
        hand_over = Signal()
        remaining = Signal(range(built + 1))
        position = [Cat(lowest[i] for i in range(group) if i >> bit & 1).any() for bit in range(ceil_log2(group))]
        m.d.comb += [
            rest.eq(work & (work - 1)),
            lowest.eq(work & ~rest),
            row.eq(Cat(position, group_index)),
        ]
        load_group = [
            work.eq(Cat(self.events, Const(0, groups * group - rows)).word_select(next_group, group)),
            group_index.eq(next_group),
            next_group.eq(Mux(next_group == groups - 1, 0, next_group + 1)),
        ]

        with m.FSM() as fsm:
            with m.State("IDLE"), m.If(self.start & ~self.busy):
                m.d.sync += [slice_index.eq(0), self.o_column.eq(0)]
                m.next = "LOAD"
            with m.State("LOAD"):
                m.d.sync += load_group
                m.next = "SCAN"
            with m.State("SCAN"):
                m.d.comb += scanning.eq(work.any())
                m.d.sync += work.eq(rest)
                with m.If(~rest.any()):
                    with m.If(next_group == 0):
                        m.next = "HAND"
                    with m.Else():
                        m.d.sync += load_group
            # The accumulators are complete in the clock after this one. They are handed over then, unless sums of the
            # last slice are still in the way.
            with m.State("HAND"), m.If((remaining <= 2) if built > 1 else 1):
                m.d.comb += hand_over.eq(1)
                with m.If(slice_index == slices - 1):
                    m.next = "IDLE"
                with m.Else():
                    m.d.sync += [*load_group, slice_index.eq(slice_index + 1)]
                    m.next = "SCAN"

        add = Signal()
        copy = Signal()
        final = Signal()
        m.d.sync += [
            add.eq(scanning),
            copy.eq(hand_over),
            final.eq(slice_index == slices - 1),
        ]

        # Memories, one per lane.
        bus_row, bus_column = self.window.fields(self.config)
        bus_hit = self.window.hit(self.config)
        write_row = Mux(bus_hit, bus_row, self.w_row)
        write_column = Mux(bus_hit, bus_column, self.w_column)
        write_data = Mux(bus_hit, self.config.data, self.w_data)
        slice_bits = ceil_log2(slices)
        read_slice = Mux(scanning, slice_index, self.r_column[lane_bits:])
        read_row = Mux(scanning, row, self.r_row)
        read_lane = Signal(lane_bits)
        m.d.sync += read_lane.eq(self.r_column[:lane_bits])
        data = []
        accumulators = []
        for lane in range(built):
            init = self.window.contents[lane::lanes]
            synapses = cells(m, f"lane{lane}", CONDUCTANCE, len(init), init)
            write = synapses.write_port()
            read = synapses.read_port()
            m.d.comb += [
                write.addr.eq(Cat(write_column[lane_bits:][:slice_bits], write_row)),
                write.data.eq(write_data),
                write.en.eq((bus_hit | self.w_enable) & (write_column[:lane_bits] == lane)),
                read.addr.eq(Cat(read_slice[:slice_bits], read_row)),
                read.en.eq(scanning | self.r_enable),
            ]
            accumulator = Signal(unsigned(16 + ceil_log2(rows)), name=f"accumulator{lane}")
            with m.If(copy):
                m.d.sync += accumulator.eq(0)
            with m.Elif(add):
                m.d.sync += accumulator.eq(accumulator + read.data)
            data.append(read.data)
            accumulators.append(accumulator)
        m.d.comb += self.r_data.eq(Array(data)[read_lane] if built > 1 else data[0])

        if built == 1:
            # The sum leaves from its accumulator, just before that is cleared.
            m.d.comb += [
                self.o_valid.eq(copy),
                self.o_sum.eq(accumulators[0]),
                self.busy.eq(~fsm.ongoing("IDLE") | copy),
            ]
            with m.If(copy):
                m.d.sync += self.o_column.eq(self.o_column + 1)
            return m

        # Finished sums leave one per clock while the next slice accumulates.
        sums = [Signal.like(accumulator, name=f"sum{lane}") for lane, accumulator in enumerate(accumulators)]
        m.d.comb += [
            self.o_valid.eq(remaining != 0),
            self.o_sum.eq(sums[0]),
            self.busy.eq(~fsm.ongoing("IDLE") | copy | self.o_valid),
        ]
        with m.If(self.o_valid):
            m.d.sync += [
                remaining.eq(remaining - 1),
                self.o_column.eq(self.o_column + 1),
                *(left.eq(right) for left, right in itertools.pairwise(sums)),
            ]
        with m.If(copy):
            m.d.sync += remaining.eq(Mux(final, last_slice_columns, built))
            m.d.sync += [held.eq(accumulator) for held, accumulator in zip(sums, accumulators, strict=True)]
        return m
