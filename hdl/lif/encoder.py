"""The encoder of LIF networks: an image in memory becomes events, step by step."""

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.cells import cells
from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.config import ConfigBus, MemoryMap, Registers, connect_config
from memtwin.hdl.core.random import Xorshift32
from memtwin.hdl.lif.fixed import row_shape

__all__ = ["LifEncoder"]

VALUE_BITS = 8
STEP_BITS = 16
# Pairs that wait for the crossbar: enough to keep it busy over pairs without an event. While there is no more room the
# walk over the entries stands still; it never is without room for good, because the crossbar takes every event.
WAITING = 8


class LifEncoder(wiring.Component):
    """Encoder of an image: the pixels that are not zero, as a list of entries, become events in every step.

    In mode `rate` an entry spikes with probability ``value / 256``, which is decided by a byte of a random number; in
    mode `latency` it spikes in step ``value - 1``. Two entries are looked at per clock, and one event leaves per
    clock; pairs with an event wait in a small queue in between.

    Latency: the first event comes 5 clocks after `start` at the earliest. Throughput: one event per clock as long as
    events wait. A step of `p` pairs and `e` events takes max(p + 4, e + 5) clocks at least, from `start` to the first
    clock in which `busy` is low, and more where a queue of 8 pairs does not even out how events are spread.

    Parameters
    ----------
    rows : int
        Rows of the first layer, 1 to 1024.
    capacity : int
        Entries that can be held, an even number, 2 to 1024.
    memory_map : MemoryMap
        Map in which the encoder claims ``entry_row``, ``entry_value``, ``entries``, ``seed_low``, ``seed_high`` and
        ``mode`` (0 rate, 1 latency), and the state ``random``, two words.
    prefix : str
        Prefix of these names, such as ``"encoder."``.

    Members
    -------
    config : In(ConfigBus())
        Writes, and reads of the state, while not busy. An `entry_row` is less than `rows`; `entries` beyond `capacity`
        are not looked at.
    seed : In(1)
        Strobe: the generator takes its seed.
    start : In(1)
        Strobe: a step begins. Not while `busy`.
    moment : In(16)
        Number of the step, counted from 1; held while `busy`.
    busy : Out(1)
        High from the clock after `start` on, until the last event has been taken.
    o : Out(stream.Signature(unsigned(max(1, ceil_log2(rows)))))
        Events: row numbers, in ascending order.
    count : Out(16)
        Number of events of this step; settled when `busy` is low.

    Raises
    ------
    TypeError, ValueError
        If a parameter is out of range.

    Source: docs/lif-arithmetic.md, section 3.
    """

    def __init__(self, rows: int, capacity: int, memory_map: MemoryMap, prefix: str) -> None:
        check_integer("rows", rows, 1, 1024)
        check_integer("capacity", capacity, 2, 1024)
        if capacity % 2:
            raise ValueError(f"capacity must be even, not {capacity!r}")
        self.rows = rows
        self.capacity = capacity
        self._windows = {name: memory_map.claim(prefix + name, capacity) for name in ("entry_row", "entry_value")}
        self._registers = Registers(memory_map, prefix, ("entries", "seed_low", "seed_high", "mode"))
        self._random = memory_map.claim(prefix + "random", 2, state=True)
        super().__init__(
            {
                "config": In(ConfigBus()),
                "seed": In(1),
                "start": In(1),
                "moment": In(STEP_BITS),
                "busy": Out(1),
                "o": Out(stream.Signature(row_shape(rows))),
                "count": Out(16),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the walk through the list: address, comparison, queue."""
        m = Module()
        m.submodules.registers = registers = self._registers
        m.submodules.generator = generator = Xorshift32()
        offset = self._random.offset(self.config)
        random = self._random.shown(self.config, generator.state.word_select(offset, 16))
        connect_config(m, self.config, [registers.config], random)
        m.d.comb += [
            generator.restore.eq(Mux(self._random.hit(self.config), 1 << offset, 0)),
            generator.word.eq(self.config.data),
        ]

        # A walk of four clocks: the address of a pair, its entries from the memories, the same in registers to be
        # compared, because block RAM is slow, and its events. All stop while the queue is full.
        pairs = self.capacity // 2
        pair = Signal(range(pairs))
        walking = Signal()
        fetched = Signal()
        compared = Signal()
        found = Signal()
        is_lone = Signal()  # the pair that was fetched is the last one and has no second entry
        advance = Signal()
        is_latency = registers["mode"][0]

        shapes = {"entry_row": row_shape(self.rows), "entry_value": unsigned(VALUE_BITS)}
        entries: dict[str, list] = {}
        for name, window in self._windows.items():
            entries[name] = []
            for half in range(2):
                init = [word & (1 << shapes[name].width) - 1 for word in window.init[half::2]]
                memory = cells(m, f"{name}_{half}", shapes[name], pairs, init)
                offset = window.offset(self.config)
                write, read = memory.write_port(), memory.read_port()
                m.d.comb += [
                    write.addr.eq(offset[1:]),
                    write.data.eq(self.config.data),
                    write.en.eq(window.hit(self.config) & (offset[0] == half)),
                    read.addr.eq(pair),
                    read.en.eq(advance),
                ]
                entries[name].append(read.data)

        m.d.comb += [
            generator.load.eq(self.seed),
            generator.seed.eq(Cat(registers["seed_low"], registers["seed_high"])),
            generator.step.eq(walking & advance & ~is_latency),
        ]
        number = Cat(0, pair)  # of the pair's first entry
        is_last = (number + 2 >= registers["entries"]) | (pair == pairs - 1)
        with m.If(self.start):
            m.d.sync += [pair.eq(0), walking.eq(registers["entries"] != 0), self.count.eq(0)]
        with m.Elif(advance):
            m.d.sync += [
                fetched.eq(walking),
                is_lone.eq(number + 1 == registers["entries"]),
                compared.eq(fetched),
                found.eq(compared),
            ]
            with m.If(walking):
                m.d.sync += [pair.eq(pair + 1), walking.eq(~is_last)]

        layout = data.StructLayout({"rows": data.ArrayLayout(row_shape(self.rows), 2), "hits": 2})
        m.submodules.queue = queue = fifo.SyncFIFO(width=layout.size, depth=WAITING)
        back = Signal(layout)
        for half in range(2):
            chance = Signal(VALUE_BITS, name=f"chance_{half}")
            value = Signal(VALUE_BITS, name=f"value_{half}")
            is_entry = Signal(name=f"is_entry_{half}")
            row = Signal.like(back.rows[half], name=f"row_{half}")
            with m.If(advance):
                m.d.sync += [
                    chance.eq(generator.state.word_select(2 * half, VALUE_BITS)),
                    value.eq(entries["entry_value"][half]),
                    is_entry.eq(fetched & ~is_lone if half else fetched),
                    row.eq(entries["entry_row"][half]),
                    back.rows[half].eq(row),
                    back.hits[half].eq(is_entry & Mux(is_latency, value == self.moment, chance < value)),
                ]
        with m.If(advance & found):
            m.d.sync += self.count.eq(self.count + (back.hits[0] + back.hits[1]))
        m.d.comb += [
            queue.w_data.eq(back),
            queue.w_en.eq(back.hits.any()),
            advance.eq(queue.w_rdy),
        ]

        # The way out: both events of a pair, one after the other.
        front = data.View(layout, queue.r_data)
        is_second = Signal()
        both = front.hits.all() & ~is_second
        m.d.comb += [
            self.o.valid.eq(queue.r_rdy),
            self.o.payload.eq(Mux(front.hits[0] & ~is_second, front.rows[0], front.rows[1])),
            queue.r_en.eq(self.o.ready & ~both),
            self.busy.eq(walking | fetched | compared | found | queue.r_rdy),
        ]
        with m.If(self.o.valid & self.o.ready):
            m.d.sync += is_second.eq(both)
        return m
