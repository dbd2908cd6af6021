import gc

import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.config import ConfigBus, MemoryMap, Registers


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
    with pytest.raises(ValueError, match="image of gain must have 4 words, not 3"):
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
    ("image", "message"),
    [({"b": [1]}, "image has b, which the design does not"), ({"a": [1]}, "image of a must have 2 words, not 1")],
    ids=["unknown", "length"],
)
def test_writes_of_a_wrong_image(image, message):
    memory_map = MemoryMap()
    memory_map.claim("a", 2)
    with pytest.raises(ValueError, match=message):
        memory_map.writes(image)


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
