import gc

import pytest
from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import ConfigBus, MemoryMap, Registers, connect_config
from tests.hdl.helpers import fetch, load, places, simulate


def test_windows_are_aligned_and_follow_the_order_of_the_claims():
    memory_map = MemoryMap()
    windows = [memory_map.claim(name, depth) for name, depth in (("a", 1), ("b", 100), ("c", 3), ("d", 4))]
    assert [window.base for window in windows] == [0, 128, 256, 260]
    assert [window.bits for window in windows] == [0, 7, 2, 2]
    assert [window.address(0) for window in windows] == [0, 128, 256, 260]
    assert list(memory_map.windows) == ["a", "b", "c", "d"]


@settings(deadline=None)
@given(depths=st.lists(st.integers(1, 300), min_size=1, max_size=12))
def test_windows_never_overlap(depths):
    memory_map = MemoryMap()
    windows = [memory_map.claim(f"w{k}", depth) for k, depth in enumerate(depths)]
    end = 0
    for window, depth in zip(windows, depths, strict=True):
        assert window.base >= end
        assert window.base % (1 << window.bits) == 0
        assert depth <= 1 << window.bits
        end = window.base + (1 << window.bits)


@pytest.mark.parametrize("index", [-1, 3])
def test_address_outside_the_window(index):
    window = MemoryMap().claim("gain", 3)
    with pytest.raises(ValueError, match=r"index of gain must be in 0\.\.2"):
        window.address(index)


def test_claim_takes_its_words_from_the_image():
    memory_map = MemoryMap({"gain": [1, 2, 3]})
    assert memory_map.claim("gain", 3).init == [1, 2, 3]
    assert memory_map.claim("other", 2).init == [0, 0]


def test_claim_with_an_image_of_another_length():
    with pytest.raises(ValueError, match="gain must have 4 words, not 3"):
        MemoryMap({"gain": [1, 2, 3]}).claim("gain", 4)


def test_claim_of_a_taken_name():
    memory_map = MemoryMap()
    memory_map.claim("gain", 3)
    with pytest.raises(ValueError, match="gain must be claimed once"):
        memory_map.claim("gain", 3)


def test_writes_follow_the_order_of_the_map():
    memory_map = MemoryMap()
    memory_map.claim("a", 2)
    memory_map.claim("b", 1)
    memory_map.claim("c", 1)
    assert memory_map.writes({"c": [9], "a": [5, 6]}) == [(0, 5), (1, 6), (3, 9)]


@pytest.mark.parametrize(
    ("words", "message"),
    [({"b": [1]}, "words of b, which the design does not have"), ({"a": [1]}, "a must have 2 words, not 1")],
    ids=["unknown", "length"],
)
def test_writes_of_a_wrong_image(words, message):
    memory_map = MemoryMap()
    memory_map.claim("a", 2)
    with pytest.raises(ValueError, match=message):
        memory_map.writes(words)


def test_hit_and_offset_decode_the_bus():
    memory_map = MemoryMap()
    memory_map.claim("before", 1)
    window = memory_map.claim("table", 5)
    m = Module()
    bus = ConfigBus().create()
    hit = Signal()
    offset = Signal(3)
    m.d.comb += [hit.eq(window.hit(bus)), offset.eq(window.offset(bus))]

    async def testbench(ctx):
        ctx.set(bus.enable, 1)
        for index in range(5):
            ctx.set(bus.address, window.address(index))
            assert (ctx.get(hit), ctx.get(offset)) == (1, index)
        for address in (0, 7, 16, 1 << 19 | 8):
            ctx.set(bus.address, address)
            assert ctx.get(hit) == 0
        ctx.set(bus.address, window.address(0))
        ctx.set(bus.enable, 0)
        assert ctx.get(hit) == 0

    sim = Simulator(m)
    sim.add_testbench(testbench)
    sim.run()


def test_windows_of_the_state_and_the_end_of_the_map():
    memory_map = MemoryMap()
    assert memory_map.end == 0
    windows = [memory_map.claim("leak", 1), memory_map.claim("theta", 3, state=True)]
    windows += [memory_map.claim_matrix("gain", 2, 3), memory_map.claim_matrix("g", 3, 3, state=True)]
    assert [window.state for window in windows] == [False, True, False, True]
    # A window is as large as its power of two.
    assert (windows[-1].address(8), memory_map.end) == (26, 32)


class Shelf(wiring.Component):
    """Two words that can be read, and nothing else."""

    def __init__(self, memory_map, name, words):
        self.window = memory_map.claim(name, 2, state=True)
        self.words = words
        super().__init__({"config": In(ConfigBus())})

    def elaborate(self, platform):
        m = Module()
        word = Mux(self.window.offset(self.config), *reversed(self.words))
        m.d.comb += self.config.q.eq(self.window.shown(self.config, word))
        return m


class Shelves(wiring.Component):
    """Parts with words to read, one without, and a word of its own."""

    def __init__(self, memory_map):
        self.parts = [Shelf(memory_map, "a", [0x1234, 0xFFFF]), Shelf(memory_map, "b", [0x4321, 0x00FF])]
        self.registers = Registers(memory_map, "", ["leak"])
        self.own = memory_map.claim("own", 1, state=True)
        super().__init__({"config": In(ConfigBus()), "leak": Out(16)})

    def elaborate(self, platform):
        m = Module()
        m.submodules += self.parts
        m.submodules.registers = self.registers
        configs = [part.config for part in (*self.parts, self.registers)]
        connect_config(m, self.config, configs, self.own.shown(self.config, 0xABCD))
        m.d.comb += self.leak.eq(self.registers["leak"])
        return m


def test_every_word_is_at_its_address_alone_and_writes_go_to_all_parts():
    memory_map = MemoryMap()
    memory_map.claim("before", 3)
    dut = Shelves(memory_map)
    (leak,) = places(memory_map.windows["leak"])

    async def testbench(ctx):
        expected = {}
        for name, words in {"a": [0x1234, 0xFFFF], "b": [0x4321, 0x00FF], "own": [0xABCD]}.items():
            expected |= zip(places(memory_map.windows[name]), words, strict=True)
        addresses = range(2 * memory_map.end)
        assert await fetch(ctx, dut.config, addresses) == [expected.get(address, 0) for address in addresses]
        await load(ctx, dut.config, [(leak, 77)])
        assert ctx.get(dut.leak) == 77

    simulate(dut, testbench)


def test_registers_start_from_the_image_and_follow_a_write_after_one_clock():
    memory_map = MemoryMap({"layer1.leak": [77], "layer1.relax": [88]})
    memory_map.claim("table", 10)
    dut = Registers(memory_map, "layer1.", ["leak", "relax", "v_in"])

    async def testbench(ctx):
        assert [ctx.get(port) for port in (dut.leak, dut.relax, dut.v_in)] == [77, 88, 0]
        for address, data in memory_map.writes({"layer1.relax": [0xABCD]}):
            ctx.set(dut.config.address, address)
            ctx.set(dut.config.data, data)
            ctx.set(dut.config.enable, 1)
            assert ctx.get(dut.relax) == 88
            await ctx.tick()
        assert [ctx.get(port) for port in (dut.leak, dut.relax, dut.v_in)] == [77, 0xABCD, 0]
        ctx.set(dut.config.enable, 0)
        ctx.set(dut.config.data, 1)
        await ctx.tick()
        assert ctx.get(dut.relax) == 0xABCD

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_registers_of_the_same_name():
    memory_map = MemoryMap()
    with pytest.raises(ValueError, match="must be claimed once"):
        Registers(memory_map, "layer1.", ["leak", "leak"])
    gc.collect()  # what the constructor left half-made, while its warning is ignored
