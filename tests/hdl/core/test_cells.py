"""Words in memory, and tables among them that the configuration bus writes."""

from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.cells import cells, table
from memtwin.hdl.core.config import ConfigBus, MemoryMap
from tests.hdl.helpers import load, simulate, unused

ROWS, COLUMNS = 3, 5
IMAGE = {"row": list(range(10, 16)), "matrix": list(range(100, 115))}


class Tables(wiring.Component):
    """A table and a matrix, both read at `at`; the matrix is written by the part itself, too."""

    def __init__(self):
        self.memory_map = MemoryMap(IMAGE)
        self.memory_map.claim("other", 3)  # so that no window begins at address 0
        self._row = self.memory_map.claim("row", 6)
        self._matrix = self.memory_map.claim_matrix("matrix", ROWS, COLUMNS)
        super().__init__(
            {
                "config": In(ConfigBus()),
                "at": In(5),
                "word": In(16),
                "strobe": In(1),
                "row": Out(16),
                "matrix": Out(16),
            }
        )

    def elaborate(self, platform):
        m = Module()
        row = table(m, "row", self._row, self.config, block=True)
        matrix = table(m, "matrix", self._matrix, self.config, own=(self.at, self.word, self.strobe))
        m.d.comb += [row.addr.eq(self.at), matrix.addr.eq(self.at), self.row.eq(row.data), self.matrix.eq(matrix.data)]
        return m


async def contents(ctx, dut):
    """Words of the table, and those of the matrix as (row, column, word)."""
    out = []
    for at in range(32):
        ctx.set(dut.at, at)
        await ctx.tick()
        out.append((ctx.get(dut.row), ctx.get(dut.matrix)))
    row = [word for word, _ in out[:6]]
    return row, [out[row << 3 | column][1] for row in range(ROWS) for column in range(COLUMNS)]


def test_tables_hold_the_image_after_reset_and_what_is_written():
    dut = Tables()
    changed = {"row": list(range(40, 46)), "matrix": list(range(200, 215))}

    async def bench(ctx):
        assert await contents(ctx, dut) == (IMAGE["row"], IMAGE["matrix"])
        await load(ctx, dut.config, [(0, 7), *dut.memory_map.writes(changed)])
        assert await contents(ctx, dut) == (changed["row"], changed["matrix"])

    simulate(dut, bench)


def test_the_part_writes_its_own_table_and_the_bus_wins():
    dut = Tables()
    (address, _), *_ = dut.memory_map.writes({"matrix": IMAGE["matrix"]})

    async def bench(ctx):
        ctx.set(dut.at, 1 << 3 | 2)
        ctx.set(dut.word, 99)
        ctx.set(dut.strobe, 1)
        await ctx.tick()
        ctx.set(dut.word, 77)
        await load(ctx, dut.config, [(address + 4, 55)])  # in one clock with a write of the part
        ctx.set(dut.strobe, 0)
        expected = [*IMAGE["matrix"]]
        expected[1 * COLUMNS + 2], expected[4] = 99, 55
        assert await contents(ctx, dut) == (IMAGE["row"], expected)

    simulate(dut, bench)


def test_memories_say_what_synthesis_must_know():
    with unused():
        m = Module()
        plain, few = cells(m, "plain", 8, 4), cells(m, "few", 8, 4, block=True)
        assert dict(plain.attrs) == {"no_rw_check": 1}
        assert dict(few.attrs) == {"no_rw_check": 1, "ram_style": "block"}
        del m, plain, few
