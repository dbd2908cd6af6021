"""LIF neurons that are shown stored pictures on a board, against the integer model."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.boards.content import BoardContent, Picture
from memtwin.boards.lif_twin import NO_ANSWER, LifTwin, PictureRom
from memtwin.designs import board_content, find_design
from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.lif.layer import LifLayerConfig
from memtwin.hdl.lif.presenter import LifPresentation
from memtwin.sim import backends
from memtwin.sim.engines import gateware
from memtwin.sim.lif.quantize import power_up_words
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec

CLOCKS = 80  # per step, more than it takes
CLOCK_HZ = CLOCKS * 1000
SAMPLE_BITS = 1
SAMPLE = CLOCKS * 2**SAMPLE_BITS  # clocks
STEPS = 9
PICTURES = (
    Picture(rows=[0, 1, 2], values=[200, 200, 90], label=0),
    Picture(rows=[3, 5], values=[255, 90], label=2),
    Picture(rows=[], values=[]),
)
WEIGHT = [[1.2, 0.8, 0.4, -1.0, -1.0, 0.3], [0.5, 0.5, 0.5, 0.5, 0.5, 0.5], [-1.0, -1.0, 0.2, 1.2, 0.4, 0.9]]
SPEC = LifSpec(layers=(LifLayerSpec(weight=WEIGHT, tau=5e-3, v_threshold=0.4, bias=0.05),), dt=1e-3)


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1 / CLOCK_HZ)
    simulator.add_testbench(bench)
    simulator.run()


def job(picture, steps=STEPS):
    """Show one picture alone."""
    images = Images(
        row=np.array([[picture.rows]], dtype=np.uint16),
        value=np.array([[picture.values]], dtype=np.uint8),
        steps=np.array([[steps]]),
    )
    return backends.Job(spec=SPEC, shown=images, record=True)


@pytest.fixture(scope="module")
def content():
    example = job(PICTURES[0])
    coefficients = example.coefficients()
    return BoardContent(
        layers=[LifLayerConfig(**layer.structure) for layer in coefficients],
        words=gateware.words_of(coefficients, 0) | power_up_words(example.sample(), example.shown, 0),
        substep_hz=1000,
        pictures=PICTURES,
        steps=STEPS,
        capacity=SPEC.capacity,
    )


@pytest.fixture
def dut(content):
    return LifTwin(content, CLOCK_HZ, SAMPLE_BITS)


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


def test_shows_a_picture_again_and_again_in_the_time_of_the_network(dut):
    recording = backends.run(job(PICTURES[0]), "model")
    spikes = np.zeros((STEPS, 3), dtype=int)
    for event in recording.layers[0].events[0]:
        spikes[round(event.time_s / SPEC.dt) - 1, event.neuron] = 1
    assert spikes.any(axis=0).sum() == 2
    seen, flashed = [], []

    async def bench(ctx):
        assert ctx.get(dut.winner) == NO_ANSWER
        for _ in range(3):
            await until(ctx, dut.scope[0], 1, 100)
            level = ctx.get(dut.scope[1])
            for _ in range(STEPS):
                await until(ctx, dut.scope[1], 1 - level, 3 * CLOCKS // 2)
                level = 1 - level
                seen.append([ctx.get(dut.scope) >> pin & 1 for pin in range(2, 6)])
                flashed.append(ctx.get(dut.spike))
            await until(ctx, dut.scope[0], 0, CLOCKS)
            assert (ctx.get(dut.winner), ctx.get(dut.training)) == (recording.answers[0, 0], 1)

    simulate(dut, bench)
    assert dut.signals == ("shown", "step", "taught", "on0", "on1", "on2")
    taught, *on = np.array(seen).T
    # Every show begins with the same seed.
    assert np.transpose(on).tolist() == 3 * spikes.tolist()
    assert taught.tolist() == on[PICTURES[0].label].tolist()
    assert flashed.index(1) == spikes.any(axis=1).tolist().index(True)


def test_step_takes_dt_in_real_time_and_less_at_full_speed(dut):
    async def steps(ctx):
        """Clocks between the ends of steps of one show."""
        await until(ctx, dut.scope[0], 0, 2 * STEPS * CLOCKS)
        await until(ctx, dut.scope[0], 1, 100)
        out, level = [], ctx.get(dut.scope[1])
        for _ in range(STEPS):
            out.append(await until(ctx, dut.scope[1], 1 - level, 2 * CLOCKS))
            level = 1 - level
        return sum(out[2:])

    async def bench(ctx):
        assert await steps(ctx) == pytest.approx((STEPS - 2) * CLOCKS, abs=CLOCKS // 2)
        await press(ctx, dut.button2)
        assert await steps(ctx) < (STEPS - 2) * CLOCKS // 2
        await press(ctx, dut.button2)
        assert await steps(ctx) == pytest.approx((STEPS - 2) * CLOCKS, abs=CLOCKS // 2)

    simulate(dut, bench)


def test_button_goes_on_and_shows_the_label(dut):
    seen = []

    async def bench(ctx):
        for number in (1, 2, 0, 1):
            ctx.set(dut.button, 1)
            label = PICTURES[number].label
            await ctx.tick().repeat(2 * SAMPLE)
            await until(ctx, dut.winner, NO_ANSWER if label is None else label, 2 * STEPS * CLOCKS)
            ctx.set(dut.button, 0)
            # Until the picture has been shown to its end, and not the next one.
            await ctx.tick().repeat(5 * STEPS * CLOCKS // 2)
            seen.append((ctx.get(dut.winner), ctx.get(dut.training)))

    simulate(dut, bench)
    expected = [int(backends.run(job(PICTURES[number]), "model").answers[0, 0]) for number in (1, 2, 0, 1)]
    assert seen == [
        (answer, PICTURES[number].label == answer) for answer, number in zip(expected, (1, 2, 0, 1), strict=True)
    ]
    assert {right for _, right in seen} == {True, False}


def test_digits_get_the_answers_of_the_model():
    steps = 6
    shipped = replace(board_content("mnist"), steps=steps)
    dut = LifTwin(shipped, 20_000, 1)
    trace = dut._network.trace1
    seen, words = [], []

    async def monitor(ctx):
        async for *_, valid, word in ctx.tick().sample(trace.valid, trace.word):
            if valid:
                words.append(word)

    async def bench(ctx):
        ctx.set(dut.button2, 1)  # full speed
        for label in range(10):
            await until(ctx, dut._network.begins, 1, 1000)
            assert ctx.get(dut._pictures.label) == label
            ctx.set(dut.button, 1)
            await ctx.tick().repeat(80)
            ctx.set(dut.button, 0)
            await until(ctx, dut._network.done, 1, 3000)
            await ctx.tick()
            seen.append((ctx.get(dut.winner), ctx.get(dut.training)))

    simulator = Simulator(dut)
    simulator.add_clock(1 / 20_000)
    simulator.add_testbench(bench)
    simulator.add_process(monitor)
    simulator.run()
    design = find_design("mnist").job
    expected = []
    for at in range(10):
        parts = {name: getattr(design.shown, name)[:, [at]] for name in ("row", "value", "steps")}
        parts["steps"] = np.full_like(parts["steps"], steps)
        alone = replace(design, shown=replace(design.shown, **parts, labels=None), record=True)
        recording = backends.run(alone, "model")
        expected.append(int(recording.answers[0, 0]))
        if at == 0:
            first = recording.layers[0].words[0].tolist()
    assert [answer for answer, _ in seen] == expected
    assert [right for _, right in seen] == [label == answer for label, answer in enumerate(expected)]
    assert words[: len(first)] == first


def unpacked(pictures, presses=()):
    """What the memory writes: for each show the label, and the encoder's rows and values; it is asked in some shows."""
    memory_map = MemoryMap()
    for name, depth in (("entry_row", 512), ("entry_value", 512), ("entries", 1)):
        memory_map.claim(f"encoder.{name}", depth)
    windows = memory_map.windows
    dut = PictureRom(pictures, 7, windows, LifPresentation())
    shows, waits = [], []

    async def bench(ctx):
        memory = {}
        for show in range(len(pictures) + 2):
            clocks = 0
            while not ctx.get(dut.presentations.valid):
                if ctx.get(dut.config.enable):
                    memory[ctx.get(dut.config.address)] = ctx.get(dut.config.data)
                await ctx.tick()
                clocks += 1
            waits.append(clocks)
            assert (ctx.get(dut.presentations.payload.steps), ctx.get(dut.presentations.payload.init)) == (7, 1)
            entries = range(memory[windows["encoder.entries"].address(0)])
            lists = [
                [memory[windows[f"encoder.{name}"].address(at)] for at in entries]
                for name in ("entry_row", "entry_value")
            ]
            shows.append((ctx.get(dut.label), *lists))
            ctx.set(dut.next, show in presses)
            await ctx.tick()
            ctx.set(dut.next, 0)
            ctx.set(dut.presentations.ready, 1)
            await ctx.tick()
            ctx.set(dut.presentations.ready, 0)

    simulate(dut, bench)
    return dut, shows, waits


def whole(picture):
    return (NO_ANSWER if picture.label is None else picture.label, list(picture.rows), list(picture.values))


@st.composite
def packed_pictures(draw):
    shades = draw(st.lists(st.integers(1, 255), min_size=1, max_size=16, unique=True))
    out = []
    for _ in range(draw(st.integers(1, 4))):
        # Stretches of rows, a few of them long, so that runs are cut.
        rows = sorted(
            {
                start + at
                for start in draw(st.lists(st.integers(0, 250), max_size=6))
                for at in range(draw(st.integers(1, 40)))
            }
        )
        values = draw(st.lists(st.sampled_from(shades), min_size=len(rows), max_size=len(rows)))
        out.append(Picture(rows=rows, values=values, label=draw(st.sampled_from([None, 0, 7]))))
    return out


@given(packed_pictures())
@settings(deadline=None, max_examples=15)
def test_picture_rom_writes_every_picture_whole(pictures):
    dut, shows, waits = unpacked(pictures, presses=range(len(pictures) + 2))
    around = [pictures[at % len(pictures)] for at in range(len(pictures) + 2)]
    assert shows == [whole(picture) for picture in around]
    runs = np.diff([at for at, word in enumerate(dut.words) if word["length"] == 0]) - 1
    times = [5 + 2 * len(picture.rows) + runs[at % len(pictures)] for at, picture in enumerate(around)]
    assert waits == times


def test_picture_rom_stays_at_a_picture_until_it_is_asked():
    _, shows, _ = unpacked(PICTURES, presses=(1, 3))
    assert shows == [whole(PICTURES[at]) for at in (0, 0, 1, 1, 2)]


def test_picture_rom_packs_runs():
    dut, _, _ = unpacked(PICTURES)
    runs = [(word["skip"], word["length"], word["shade"]) for word in dut.words]
    head = [(0, 0, 0), (0, 0, 2), (0, 0, NO_ANSWER), (0, 0, NO_ANSWER)]
    assert runs == [head[0], (0, 2, 1), (0, 1, 0), head[1], (3, 1, 2), (1, 1, 0), head[2], head[3]]


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        ([], "pictures must have at least one picture"),
        (
            [Picture(rows=range(6), values=[1] * 6), Picture(rows=[6], values=[1])],
            "rows of picture 2 must be in 0..5, not 6",
        ),
        ([Picture(rows=[0], values=[1], label=3)], "label of picture 1 must be in 0..2, not 3"),
        ([Picture(rows=[at % 6], values=[at + 1]) for at in range(17)], "pictures must have at most 16 values, not 17"),
    ],
)
def test_pictures_must_fit(content, pictures, message, refused):
    refused(ValueError, message, LifTwin, replace(content, pictures=pictures), CLOCK_HZ)


def test_pictures_must_fit_the_encoder(content, refused):
    small = replace(content, capacity=2)
    refused(ValueError, "picture 1 must have at most 2 entries", LifTwin, small, CLOCK_HZ)


def test_gap_must_fit_a_word(refused):
    picture = Picture(rows=[10, 300], values=[1, 1])
    refused(
        ValueError,
        "pictures must have gaps of at most 255 rows, not 289",
        PictureRom,
        [picture],
        7,
        {},
        LifPresentation(),
    )


@pytest.mark.parametrize(
    ("rows", "values", "message"),
    [
        ([1, 2], [3], "values must be as many as rows, 2, not 1"),
        ([1, 1], [3, 3], "rows must be ascending"),
        ([-1], [3], "rows must be ascending"),
        ([1], [0], r"values must be in 1\.\.255"),
    ],
)
def test_picture_must_be_one(rows, values, message):
    with pytest.raises(ValueError, match=message):
        Picture(rows=rows, values=values)


@pytest.mark.parametrize(("rate", "bits"), [(1000, 3), (10_000, 7), (10, 1)])
def test_buttons_are_looked_at_every_eight_milliseconds(content, rate, bits):
    dut = LifTwin(replace(content, substep_hz=rate), 30_000_000)
    Simulator(dut)  # so that no part is unused
    assert dut._sampler.bits == bits
