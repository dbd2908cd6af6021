"""Op-amp neurons that play their stimulus on a board, against the integer model."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator

from memtwin.boards.content import Presentation
from memtwin.boards.opamp_twin import OpampTwin, Player
from memtwin.designs import board_content, find_design
from memtwin.hdl.opamp.presenter import OpampPresentation
from memtwin.sim import backends
from memtwin.sim.opamp.shown import Stimulus

CLOCKS = 80  # per substep, more than it takes
LATE = 3 * CLOCKS // 4  # a substep is over by then
CLOCK_HZ = CLOCKS * 100_000
SAMPLE_BITS = 3
SAMPLE = CLOCKS * 2**SAMPLE_BITS  # clocks
STIMULUS = (
    Presentation(pixels=0b1000000, gates=1, learn=0, on=70, off=5),
    Presentation(pixels=0b0000000, gates=1, learn=0, on=0, off=4),
    Presentation(pixels=0b0000001, gates=1, learn=0, on=20, off=0),
)


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1 / CLOCK_HZ)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.fixture
def dut():
    return OpampTwin(replace(board_content("opamp-7a"), stimulus=STIMULUS), CLOCK_HZ, SAMPLE_BITS)


def model():
    """Waveform of one round."""
    job = find_design("opamp-7a").job
    pixels = np.array([[shown.pixels >> row & 1 for row in range(7)] for shown in STIMULUS])
    times = {name: [getattr(shown, name) for shown in STIMULUS] for name in ("on", "off")}
    stimulus = Stimulus.build(pixels[None], gates=[1], learn=[0], **times)
    return backends.run(replace(job, shown=stimulus, record=True), "model").layers[0].waveform[0]


async def until(ctx, signal, level, clocks):
    """Wait for a level; return how many clocks it took."""
    for clock in range(clocks):
        if ctx.get(signal) == level:
            return clock
        await ctx.tick()
    raise AssertionError(f"{signal!r} does not become {level}")


async def press(ctx, button):
    ctx.set(button, 1)
    await ctx.tick().repeat(2 * SAMPLE)
    ctx.set(button, 0)
    await ctx.tick().repeat(2 * SAMPLE)


def test_plays_round_after_round_in_the_time_of_the_circuit(dut):
    wave = model()
    assert wave.signals["on"].any()
    seen, density, flashed = [], [], []

    async def bench(ctx):
        await ctx.tick().repeat(2 * SAMPLE)
        assert ctx.get(dut.scope) == ctx.get(dut.training) == 0
        ctx.set(dut.button, 1)
        await until(ctx, dut.scope[0], 1, 3 * SAMPLE)
        assert ctx.get(dut.training) == 1
        await ctx.tick().repeat(LATE)
        for _ in range(2 * wave.time_s.size):
            seen.append((ctx.get(dut.scope) & 1, ctx.get(dut.scope) >> 1 & 1, ctx.get(dut.winner)))
            flashed.append(ctx.get(dut.spike))
            count = 0
            for _ in range(CLOCKS):
                count += ctx.get(dut.scope) >> 2 & 1
                await ctx.tick()
            density.append(count / CLOCKS)

    simulate(dut, bench)
    assert dut.signals == ("clk", "on1_0", "v_out1")
    clk, on, winner = np.array(seen).T
    on_of_model = wave.signals["on"][:, 0].tolist()
    # Every substep takes its time, and every round begins with power-up.
    assert clk.tolist() == 2 * wave.clk.tolist()
    assert on.tolist() == winner.tolist() == 2 * on_of_model
    assert flashed.index(1) == on_of_model.index(1)
    voltage = wave.signals["v_out1"][2:68, 0]
    assert np.mean(density[2:68]) == pytest.approx(np.log2(voltage * 2**20).mean() / 32, abs=1e-3)
    assert density[72] == 0


def test_button_stops_at_the_end_of_a_presentation_and_starts_anew(dut):
    scope = dut.scope[0]

    async def bench(ctx):
        await press(ctx, dut.button)
        assert ctx.get(scope) == 1
        await press(ctx, dut.button)
        assert ctx.get(dut.training) == 0
        assert ctx.get(scope) == 1
        await until(ctx, scope, 0, 70 * CLOCKS)
        for _ in range(40):
            await ctx.tick().repeat(CLOCKS)
            assert ctx.get(scope) == 0
        ctx.set(dut.button, 1)
        await until(ctx, scope, 1, 3 * SAMPLE)
        # The first presentation, not the one that would have been next.
        assert await until(ctx, scope, 0, 100 * CLOCKS) == pytest.approx(70 * CLOCKS, abs=10)

    simulate(dut, bench)


def test_second_button_switches_to_full_speed_and_back(dut):
    scope = dut.scope[0]

    async def width(ctx):
        await until(ctx, scope, 0, 100 * CLOCKS)
        await until(ctx, scope, 1, 100 * CLOCKS)
        return await until(ctx, scope, 0, 100 * CLOCKS)

    async def bench(ctx):
        await press(ctx, dut.button)
        await press(ctx, dut.button2)
        widths = [await width(ctx), await width(ctx)]
        assert sorted(widths)[1] < 70 * LATE
        await press(ctx, dut.button2)
        await width(ctx)
        widths = [await width(ctx), await width(ctx)]
        assert sorted(widths) == [pytest.approx(on * CLOCKS, abs=10) for on in (20, 70)]

    simulate(dut, bench)


def test_player_offers_every_presentation_in_order():
    layout = OpampPresentation(rows=3, gates=2, layers=2)
    stimulus = [Presentation(pixels=at, gates=at % 4, learn=at % 3, on=100 * at, off=65535 - at) for at in range(5)]
    dut = Player(stimulus, layout)
    offered = dut.presentations
    names = ("pixels", "gates", "learn", "on", "off", "init")
    seen = []

    async def take(ctx):
        await until(ctx, offered.valid, 1, 3)
        first = [ctx.get(offered.payload[name]) for name in names]
        await ctx.tick().repeat(5)
        assert [ctx.get(offered.payload[name]) for name in names] == first
        ctx.set(offered.ready, 1)
        await ctx.tick()
        ctx.set(offered.ready, 0)
        return first

    async def bench(ctx):
        await ctx.tick().repeat(10)
        assert ctx.get(offered.valid) == 0
        ctx.set(dut.play, 1)
        seen.extend([await take(ctx) for _ in range(7)])
        await until(ctx, offered.valid, 1, 3)
        ctx.set(dut.play, 0)
        seen.append(await take(ctx))
        for _ in range(10):
            await ctx.tick()
            assert ctx.get(offered.valid) == 0
        ctx.set(dut.play, 1)
        seen.append(await take(ctx))

    simulate(dut, bench)
    order = [0, 1, 2, 3, 4, 0, 1, 2, 0]
    assert seen == [[at, at % 4, at % 3, 100 * at, 65535 - at, at == 0] for at in order]


@pytest.mark.parametrize(
    ("stimulus", "message"),
    [
        ([], "stimulus must have at least one presentation"),
        (
            [*STIMULUS, replace(STIMULUS[0], pixels=1 << 7)],
            "pixels of presentation 4 must have 7 bits, not 128",
        ),
        ([replace(STIMULUS[0], learn=2)], "learn of presentation 1 must have 1 bits, not 2"),
    ],
)
def test_stimulus_must_fit(stimulus, message, refused):
    refused(ValueError, message, OpampTwin, replace(board_content("opamp-7a"), stimulus=stimulus), CLOCK_HZ)


@pytest.mark.parametrize("on", [-1, 65536])
def test_length_of_a_presentation(on):
    with pytest.raises(ValueError, match=f"on must be in 0..65535, not {on}"):
        replace(STIMULUS[0], on=on)
