import itertools

import pytest
from amaranth.lib import memory
from amaranth.sim import Simulator

from memtwin.boards.content import BoardContent, LessonPlan, Phase
from memtwin.boards.twins import TWINS, DigitsTwin, HybridNeuronTwin, LiaTwin, TsNeuronTwin
from memtwin.designs import DESIGNS
from memtwin.hdl.hybrid.structure import HybridLayerConfig
from memtwin.sim.hybrid.quantize import quantize
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec, draw_sample

CLOCK_HZ = 1_280_000  # twenty clocks per substep of the paper: a test bench need not wait long
SAMPLE_BITS = 3
SAMPLE = 20 * 2**SAMPLE_BITS  # clocks
SUBSTEPS = 16


def content(*layers, lesson=None, substeps=SUBSTEPS, **options):
    spec = NetworkSpec(layers=layers, substeps=substeps)
    coefficients = quantize(spec, draw_sample(spec, trials=1, seed=0))
    words = {}
    for number, layer in enumerate(coefficients, 1):
        words |= layer.words_of(0, f"layer{number}.")
    structure = [HybridLayerConfig(**layer.structure) for layer in coefficients]
    return BoardContent(layers=structure, words=words, substep_hz=round(1 / spec.substep), lesson=lesson, **options)


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1 / CLOCK_HZ)
    simulator.add_testbench(bench)
    simulator.run()


async def press(ctx, button, samples=3):
    ctx.set(button, 1)
    await ctx.tick().repeat(samples * SAMPLE)
    ctx.set(button, 0)
    await ctx.tick().repeat(samples * SAMPLE)


def neuron(**options):
    layer = LayerSpec(rows=2, neurons=1, v_in=1.8, g_initial=[[1e-4, 2.5e-5]], depression=False, skip=False)
    return content(layer, **options)


def test_every_design_has_a_demonstration_or_a_link():
    assert set(TWINS) <= set(DESIGNS)
    assert all(DESIGNS[name].is_network for name in set(DESIGNS) - set(TWINS))


def test_hybrid_neuron_in_real_time():
    dut = HybridNeuronTwin(neuron(), CLOCK_HZ, SAMPLE_BITS)
    pin = {name: index for index, name in enumerate(dut.signals)}
    half = CLOCK_HZ // 4000
    seen = {name: [] for name in dut.signals}
    lit = []

    async def bench(ctx):
        await press(ctx, dut.button)
        assert ctx.get(dut.training) == 1
        for _ in range(30 * half):
            *_, scope, spike = await ctx.tick().sample(dut.scope, dut.spike)
            for name in seen:
                seen[name].append(scope >> pin[name] & 1)
            lit.append(spike)
        await press(ctx, dut.button)
        assert ctx.get(dut.training) == 0

    simulate(dut, bench)
    # The paper's 250 us pulses take 250 us, to the clock or two that a half-period takes to begin.
    assert all(width == pytest.approx(half, abs=2) for width in _widths(seen["clk"], 0) | _widths(seen["clk"], 1))
    rises = _rises(seen["clk"])
    assert rises[-1] - rises[0] == pytest.approx(2 * half * (len(rises) - 1), abs=2)
    # Fig. 3b: five integrating pulses and one refractory one, six periods a cycle.
    rises = _rises(seen["g1"])
    assert len(rises) == 2
    assert rises[1] - rises[0] == pytest.approx(6 * 2 * half, abs=2)
    (width,) = _widths(seen["g1"], 1)
    assert width == pytest.approx(half, abs=2)
    (width,) = _widths(seen["l2"], 1)
    assert width == pytest.approx(2 * half, abs=2)
    assert _rises(lit)[0] == pytest.approx(rises[0], abs=2)
    # The filament's pin is denser when the device is on than at rest.
    x = seen["x"]
    fire = _rises(seen["node2"])[0]
    assert sum(x[fire : fire + half // 2]) > sum(x[:half])


def _rises(wave):
    return [clock for clock in range(1, len(wave)) if wave[clock] > wave[clock - 1]]


def _widths(wave, level):
    """Widths of the whole pulses of that level."""
    edges = [clock for clock in range(1, len(wave)) if wave[clock] != wave[clock - 1]]
    return {after - before for before, after in itertools.pairwise(edges) if wave[before] == level}


def test_hybrid_neuron_is_still_without_pulses_and_after_power_up():
    dut = HybridNeuronTwin(neuron(), CLOCK_HZ, SAMPLE_BITS)
    half = CLOCK_HZ // 4000
    x_pin = dut.signals.index("x")

    async def density(ctx):
        total = 0
        for _ in range(half):
            *_, scope = await ctx.tick().sample(dut.scope)
            total += scope >> x_pin & 1
        return total

    async def bench(ctx):
        await ctx.tick().repeat(10 * half)
        assert await density(ctx) == 0
        await press(ctx, dut.button)
        await ctx.tick().repeat(6 * half)
        assert await density(ctx) > 0
        await press(ctx, dut.button)
        ctx.set(dut.button2, 1)
        await ctx.tick().repeat(4 * half)
        assert await density(ctx) == 0

    simulate(dut, bench)


def test_ts_neuron_fires_at_the_fourth_pulse():
    layer = LayerSpec(rows=1, neurons=1, v_in=1.1, g_initial=4e-4, refractory=False, depression=False, skip=False)
    dut = TsNeuronTwin(content(layer), CLOCK_HZ, SAMPLE_BITS)
    pin = {name: index for index, name in enumerate(dut.signals) if name}
    seen = {name: [] for name in pin}

    async def bench(ctx):
        ctx.set(dut.button, 1)
        for _ in range(13 * CLOCK_HZ // 4000):
            *_, scope = await ctx.tick().sample(dut.scope)
            for name in seen:
                seen[name].append(scope >> pin[name] & 1)

    simulate(dut, bench)
    first = _rises(seen["spike"])[0]
    # Fig. 2e: four pulses of 1.1 V.
    assert sum(clock < first for clock in _rises(seen["pulse"])) == 4
    assert seen["pulse"][first] == 1
    assert seen["on"][first + 2] == 1
    assert _widths(seen["spike"], 1)
    # It conducts only while it is driven, and is on for longer.
    assert seen["on"].count(1) > seen["spike"].count(1)


def test_lia_truth_table():
    layer = LayerSpec(rows=2, neurons=4, v_in=1.6, g_initial=4e-4, inhibition=True)
    dut = LiaTwin(content(layer), CLOCK_HZ, SAMPLE_BITS)
    table = {}

    async def bench(ctx):
        for first, second in [(0, 0), (1, 0), (0, 0), (0, 1), (0, 0), (1, 1), (0, 0)]:
            ctx.set(dut.button, first)
            ctx.set(dut.button2, second)
            await ctx.tick().repeat(3 * SAMPLE)
            table[first, second] = ctx.get(dut.winner)
            assert ctx.get(dut.scope) & 0b11 == first | second << 1
            assert ctx.get(dut.scope) >> 2 & 0b1111 == table[first, second]

    simulate(dut, bench)
    # Nobody: all open. A winner: its own only. Two at once inhibit each other.
    assert table == {(0, 0): 0b1111, (1, 0): 0b0001, (0, 1): 0b0010, (1, 1): 0b0000}


PATTERNS = (0b000011, 0b001100, 0b110000)


def digits(epochs=4):
    first = LayerSpec(rows=6, neurons=3, v_in=1.6, g_initial=G_FIRST, inhibition=True, lanes=1)
    second = LayerSpec(rows=3, neurons=3, v_in=1.6, g_initial=4e-5, one_cycle=True, lanes=1)
    plan = LessonPlan(
        patterns=PATTERNS,
        phases=(
            Phase(learn=0, order=(0, 1, 2) * epochs, fires=1, periods=60, rest=4),
            Phase(learn=1, order=(0, 1, 2), fires=2, periods=60, rest=4, labelled=True),
        ),
        periods=24,
        rest=2,
    )
    return content(first, second, lesson=plan, substeps=4)


# Each neuron of layer 1 prefers one pattern a little, so that a few presentations do.
G_FIRST = [[3e-4 + 2e-4 * (PATTERNS[neuron] >> row & 1) for row in range(6)] for neuron in range(3)]


@pytest.mark.slow
def test_digits_lesson_teaches_the_network():
    dut = DigitsTwin(digits(), CLOCK_HZ, SAMPLE_BITS)
    answers = []

    async def bench(ctx):
        assert ctx.get(dut.training) == 1
        ctx.set(dut.button2, 1)  # full speed also for the show
        clocks = 0
        while ctx.get(dut.training):
            await ctx.tick().repeat(100)
            clocks += 100
            assert clocks < 400_000
        for shown in range(4):
            if shown:
                ctx.set(dut.button, 1)
                await ctx.tick().repeat(3 * SAMPLE)
                while ctx.get(dut.winner) != shown % 3:  # while the button is down: what is shown
                    await ctx.tick().repeat(100)
                    clocks += 100
                    assert clocks < 400_000
                ctx.set(dut.button, 0)
            # One presentation, whose half-periods take less than 100 clocks.
            await ctx.tick().repeat(26 * 2 * 100)
            answers.append(ctx.get(dut.winner))

    simulate(dut, bench)
    assert answers == [0, 1, 2, 0]


@pytest.mark.slow
def test_nothing_depends_on_a_read_in_the_clock_of_a_write(monkeypatch):
    # Memories carry `no_rw_check`, which leaves open what such a read returns: the old word, as in a simulation
    # without this patch, the new one, or, on a chip, neither.
    def play():
        dut = DigitsTwin(digits(epochs=1), CLOCK_HZ, SAMPLE_BITS)
        traces = (dut._network.trace1, dut._network.trace2)
        seen = []

        async def bench(ctx):
            for _ in range(20_000):
                ports = [dut.winner, dut.training, *(port for trace in traces for port in (trace.valid, trace.word))]
                sampled = await ctx.tick().sample(*ports)
                winner, training, valid1, word1, valid2, word2 = sampled[2:]
                seen.append((training, winner, valid1 and word1, valid2 and word2))

        simulate(dut, bench)
        return seen

    before = play()
    monkeypatch.setattr(memory.ReadPort, "transparent_for", property(lambda port: port.memory.write_ports))
    assert play() == before
    assert before[-1][0] == 0  # it has come to the show
    assert len(set(before)) > 1_000


@pytest.mark.parametrize(("patterns", "neurons"), [(16, 10), (10, 16), (16, 16)])
def test_a_lesson_is_for_as_many_patterns_and_answers_as_the_lights_show(refused, patterns, neurons):
    """Four LEDs count to 15, which means that there was no answer."""
    assert DigitsTwin.NO_ANSWER == 15
    layer = HybridLayerConfig(rows=6, neurons=neurons, substeps=16, recip_shift=12)
    lesson = LessonPlan(
        patterns=range(1, patterns + 1), phases=(Phase(learn=0, order=(0,), periods=1),), periods=1, rest=0
    )
    content = BoardContent(layers=(layer,), words={}, substep_hz=1000, lesson=lesson)
    refused(ValueError, "a lesson must have at most 15 patterns and answers for 4 LEDs", DigitsTwin, content, CLOCK_HZ)


def test_digits_needs_a_lesson(refused):
    refused(ValueError, "lesson must be given", DigitsTwin, neuron(), CLOCK_HZ)
