import pytest
from amaranth.hdl import Module, Signal, signed
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.delay_line import DelayLine, delayed
from tests.hdl.helpers import refused, simulate
from tests.hdl.pipeline import stream


@settings(deadline=None, max_examples=40)
@given(width=st.integers(1, 40), clocks=st.integers(1, 35), data=st.data())
def test_a_word_comes_out_later(width, clocks, data):
    words = data.draw(st.lists(st.integers(0, (1 << width) - 1), min_size=1, max_size=80))
    results = stream(DelayLine(width, clocks), [{"i": word} for word in words], {"o": clocks})
    assert [result["o"] for result in results] == words


def test_it_begins_with_zeros():
    dut = DelayLine(18, 9)
    seen = []

    async def bench(ctx):
        ctx.set(dut.i, 0x2AAAA)
        for _ in range(12):
            seen.append(ctx.get(dut.o))
            await ctx.tick()

    simulate(dut, bench)
    assert seen == [0] * 9 + [0x2AAAA] * 3


@pytest.mark.parametrize(
    ("width", "clocks", "kept"),
    [(16, 5, 0), (16, 6, 16), (18, 20, 16), (27, 9, 27), (27, 8, 16), (4, 200, 4), (16, 1, 0), (100, 1, 0)],
)
def test_block_ram_is_for_what_saves_registers(width, clocks, kept):
    dut = DelayLine(width, clocks)
    assert dut.kept == kept
    simulate(dut)


def test_several_words_keep_their_shapes():
    m = Module()
    a, b, c = Signal(signed(5)), Signal(3), Signal(signed(17))
    out = delayed(m, "words", 7, a, b, c)
    assert [word.shape() for word in out] == [signed(5), b.shape(), signed(17)]
    taken = [Signal.like(word, name=f"taken_{k}") for k, word in enumerate((a, b, c))]
    m.d.comb += [signal.eq(word) for signal, word in zip(taken, out, strict=True)]

    async def bench(ctx):
        for signal, value in ((a, -3), (b, 5), (c, -60000)):
            ctx.set(signal, value)
        await ctx.tick().repeat(7)
        assert [ctx.get(signal) for signal in taken] == [-3, 5, -60000]

    simulate(m, bench)


def test_no_delay_is_the_word_itself():
    m = Module()
    word = Signal(3)
    assert delayed(m, "word", 0, word) == [word]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [((0, 4), "width must be at least 1, not 0"), ((8, 0), "clocks must be at least 1, not 0")],
)
def test_refuses(arguments, message):
    refused(message, DelayLine, *arguments)
