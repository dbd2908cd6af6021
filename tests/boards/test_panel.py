import itertools

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.boards.panel import AnalogPin, Button, Flash, Sampler, SelfPress, Ticker


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@settings(deadline=None, max_examples=25)
@given(clock_hz=st.integers(2, 200), data=st.data())
def test_ticker_loses_no_time(clock_hz, data):
    rate_hz = data.draw(st.integers(1, clock_hz // 2))
    dut = Ticker(clock_hz, rate_hz)
    times = []

    async def bench(ctx):
        for clock in range(3 * clock_hz):
            (_, _, tick) = await ctx.tick().sample(dut.tick)
            if tick:
                times.append(clock)

    simulate(dut, bench)
    assert len(times) == pytest.approx(3 * rate_hz, abs=1)
    gaps = {after - before for before, after in itertools.pairwise(times)}
    assert gaps <= {clock_hz // rate_hz, -(-clock_hz // rate_hz)}


@pytest.mark.parametrize(("clock_hz", "rate_hz"), [(24_000_000, 64_000), (50_000_000, 64_000), (50_000_000, 100)])
def test_ticker_of_a_board_is_exact(clock_hz, rate_hz):
    dut = Ticker(clock_hz, rate_hz)
    assert dut.step / dut.whole == rate_hz / clock_hz
    simulate(dut, _nothing)


async def _nothing(ctx):
    await ctx.tick()


@pytest.mark.parametrize(("clock_hz", "rate_hz"), [(10, 0), (10, 6)])
def test_ticker_refuses_rates(refused, clock_hz, rate_hz):
    refused(ValueError, r"rate_hz must be in 1..5 \(half of clock_hz\)", Ticker, clock_hz, rate_hz)


def test_ticker_refuses_fractions(refused):
    refused(TypeError, "clock_hz must be an integer, not 1.5", Ticker, 1.5, 1)


def test_sampler_passes_one_tick_in_eight():
    dut = Sampler(3)
    samples = []

    async def bench(ctx):
        for clock in range(100):
            ctx.set(dut.tick, clock % 3 == 0)
            *_, sample = await ctx.tick().sample(dut.sample)
            if sample:
                samples.append(clock)

    simulate(dut, bench)
    assert samples == [7 * 3 + 1, 15 * 3 + 1, 23 * 3 + 1, 31 * 3 + 1]


def test_least_intervals_are_taken():
    assert Sampler(1).bits == 1
    assert SelfPress(1).bits == 2  # four clocks are as long as it takes


@pytest.mark.parametrize("part", [Sampler(3), Button(), Flash(), SelfPress(100), Ticker(100, 10)])
def test_ports_are_single_wires(part):
    widths = {name: getattr(part, name).shape().width for name in part.signature.members}
    assert widths
    assert set(widths.values()) == {1}


def test_sampler_refuses_no_bits(refused):
    refused(ValueError, "bits must be an integer of at least 1, not 0", Sampler, 0)


def test_button_is_debounced():
    dut = Button()
    # Bounces for less than a sample interval of 20 clocks, when pressed and when released.
    raw = [0] * 30 + [1, 0, 1, 0] * 3 + [1] * 80 + [0, 1] * 6 + [0] * 80
    pressed, down = [], []

    async def bench(ctx):
        for clock, level in enumerate(raw):
            ctx.set(dut.raw, level)
            ctx.set(dut.sample, clock % 20 == 0)
            *_, now_pressed, now_down = await ctx.tick().sample(dut.pressed, dut.down)
            pressed.append(now_pressed)
            down.append(now_down)

    simulate(dut, bench)
    assert sum(pressed) == 1
    assert sum(after != before for before, after in itertools.pairwise(down)) == 2
    assert pressed.index(1) == down.index(1)
    assert 30 < down.index(1) <= 30 + 12 + 2 + 20


def test_self_press():
    clock_hz = 100
    dut = SelfPress(clock_hz)
    raw = []

    async def bench(ctx):
        for _ in range(20 * clock_hz):
            (_, _, now) = await ctx.tick().sample(dut.raw)
            raw.append(now)

    simulate(dut, bench)
    runs = [(level, len([*group])) for level, group in itertools.groupby(raw)]
    assert [level for level, _ in runs[:4]] == [0, 1, 0, 1]
    (_, up), (_, down) = runs[2:4]
    assert clock_hz / 2 <= down <= clock_hz
    assert 4 * clock_hz <= up + down <= 8 * clock_hz


def test_self_press_refuses_no_clock(refused):
    refused(ValueError, "clock_hz must be an integer of at least 1, not 0", SelfPress, 0)


def test_flash_lasts_for_a_whole_interval():
    dut = Flash()
    lit = []

    async def bench(ctx):
        for clock in range(100):
            ctx.set(dut.sample, clock % 20 == 0)
            ctx.set(dut.strobe, clock == 33)
            *_, now = await ctx.tick().sample(dut.lit)
            lit.append(now)

    simulate(dut, bench)
    assert [clock for clock, now in enumerate(lit) if now] == list(range(34, 61))


@settings(deadline=None, max_examples=20)
@given(value=st.integers(0, 255))
def test_analog_pin_has_the_mean_of_its_word(value):
    dut = AnalogPin(8)
    high = 0

    async def bench(ctx):
        nonlocal high
        ctx.set(dut.value, value)
        for _ in range(1024):
            await ctx.tick()
            high += ctx.get(dut.pin)

    simulate(dut, bench)
    assert high == 4 * value
