import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.boards.content import LessonPlan, Phase
from memtwin.boards.lesson import Lesson
from memtwin.hdl.hybrid.presenter import Presentation

ROWS, NEURONS, LAYERS = 6, 3, 2
PATTERNS = (0b000111, 0b111000, 0b101010)
ALL = (1 << NEURONS) - 1
FIELDS = ("pixels", "gates", "learn", "until", "fires", "periods", "rest", "init")


def plan(**changes):
    first = Phase(learn=0, order=(2, 0, 1, 0), fires=1, periods=40, rest=5)
    second = Phase(learn=1, order=(1, 2), until=1, fires=2, periods=30, rest=6, labelled=True)
    return LessonPlan(**{"patterns": PATTERNS, "phases": (first, second), "periods": 20, "rest": 3} | changes)


def play(shows, *, lesson=None, press=()):
    """Take presentations as a network does; show `i` after the training gets the spikes `shows[i]`.

    Each entry of `shows` is a list of spike words, one per high half-period. The button is pressed in the shows in
    `press`. Returns what was offered, and after each show (shown, winner, answered).
    """
    dut = Lesson(lesson or plan(), Presentation(ROWS, NEURONS, LAYERS))
    offered, answers, waits = [], [], []

    async def half_periods(ctx, spikes):
        for word in spikes:
            ctx.set(dut.spikes, word)
            ctx.set(dut.strobe, 1)
            await ctx.tick()
            ctx.set(dut.strobe, 0)
            await ctx.tick().repeat(NEURONS + 1)

    async def network(ctx):
        stream = dut.presentations
        while len(answers) < len(shows):
            clocks = 0
            while not ctx.get(stream.valid):
                await ctx.tick()
                clocks += 1
            waits.append(clocks)
            payload = ctx.get(stream.payload)
            offered.append(tuple(payload[name] for name in FIELDS))
            training = ctx.get(dut.training)
            shown = ctx.get(dut.shown)
            await half_periods(ctx, [ALL] * 4 if training else shows[len(answers)])
            if not training and len(answers) in press:
                ctx.set(dut.next, 1)
                await ctx.tick()
                ctx.set(dut.next, 0)
            await ctx.tick().repeat(NEURONS + 1)
            assert tuple(ctx.get(stream.payload)[name] for name in FIELDS) == offered[-1]
            ctx.set(stream.ready, 1)
            await ctx.tick()
            ctx.set(stream.ready, 0)
            if not training:
                await ctx.tick().repeat(NEURONS + 3)
                answers.append((shown, ctx.get(dut.winner), ctx.get(dut.answered)))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(network)
    simulator.run()
    return offered, answers, waits


def test_plays_every_phase_and_then_shows():
    offered, _, _ = play([[], []])
    assert offered == [
        (PATTERNS[2], ALL, 0b01, 0, 1, 40, 5, 1),
        (PATTERNS[0], ALL, 0b01, 0, 1, 40, 5, 0),
        (PATTERNS[1], ALL, 0b01, 0, 1, 40, 5, 0),
        (PATTERNS[0], ALL, 0b01, 0, 1, 40, 5, 0),
        (PATTERNS[1], 0b010, 0b10, 1, 2, 30, 6, 0),
        (PATTERNS[2], 0b100, 0b10, 1, 2, 30, 6, 0),
        (PATTERNS[0], ALL, 0, 0, 0, 20, 3, 0),
        (PATTERNS[0], ALL, 0, 0, 0, 20, 3, 0),
    ]


def test_latency():
    _, _, waits = play([[], []])
    assert set(waits[1:7]) == {2}  # offered in the third clock after the end of the one before
    offers = []

    dut = Lesson(plan(phases=(Phase(learn=0, order=(0,), periods=1),)), Presentation(ROWS, NEURONS, LAYERS))

    async def bench(ctx):
        ctx.set(dut.presentations.ready, 1)
        for _ in range(60):
            *_, valid, training = await ctx.tick().sample(dut.presentations.valid, dut.training)
            offers.append((valid, training))

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    shows = [clock for clock, (valid, training) in enumerate(offers) if valid and not training]
    assert shows[1] - shows[0] == NEURONS + 5


def test_button_steps_round_after_the_presentation():
    offered, answers, _ = play([[]] * 6, press=(0, 1, 3))
    assert [shown for shown, _, _ in answers] == [0, 1, 2, 2, 0, 0]
    assert [words[0] for words in offered[6:]] == [PATTERNS[shown] for shown, _, _ in answers]


def test_winner_has_the_most_spikes():
    _, answers, _ = play([[0b001, 0b100, 0b100], [0b010, 0b011, 0b010], [0b010]])
    assert [winner for _, winner, _ in answers] == [2, 1, 1]
    assert all(answered for *_, answered in answers)


def test_a_tie_is_no_answer():
    _, answers, _ = play([[0b110, 0b111, 0b001], [0b111, 0b100], [0b110, 0b110, 0b001]])
    assert answers == [(0, 0, 0), (0, 2, 1), (0, 1, 0)]


@pytest.mark.parametrize("silence", [[], [0, 0]], ids=["no half-period", "no spike"])
def test_silence_is_no_answer(silence):
    _, answers, _ = play([[0b100], silence, [0b010]])
    assert [answer[1:] for answer in answers] == [(2, 1), (0, 0), (1, 1)]


@settings(deadline=None, max_examples=25)
@given(shows=st.lists(st.lists(st.integers(0, ALL), max_size=12), min_size=1, max_size=4))
def test_winner_is_the_first_largest_count(shows):
    _, answers, _ = play(shows)
    for spikes, (_, winner, answered) in zip(shows, answers, strict=True):
        counts = [sum(word >> neuron & 1 for word in spikes) for neuron in range(NEURONS)]
        assert (winner, bool(answered)) == (counts.index(max(counts)), counts.count(max(counts)) == 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"patterns": (1, 1 << ROWS, 1)}, "pattern 1 must have 6 bits, not 64"),
        ({"phases": (Phase(learn=2, order=(0,), periods=1),)}, "learn and until of phase 1 must be less than 2"),
        ({"phases": (Phase(learn=0, order=(0,), until=2, periods=1),)}, "learn and until of phase 1"),
        (
            {"patterns": (1,) * 4, "phases": (Phase(learn=1, order=(3,), periods=1, labelled=True),)},
            "order of phase 1 must be less than 3, because it is labelled",
        ),
    ],
)
def test_refuses_a_plan_that_does_not_fit(refused, changes, message):
    refused(ValueError, message, Lesson, plan(**changes), Presentation(ROWS, NEURONS, LAYERS))


@pytest.mark.parametrize(
    ("error", "message", "make"),
    [
        (ValueError, "periods must be in 1..65535, not 0", lambda: Phase(learn=0, order=(0,), periods=0)),
        (TypeError, "rest must be an integer, not 1.5", lambda: Phase(learn=0, order=(0,), periods=1, rest=1.5)),
        (ValueError, "order must have at least one pattern", lambda: Phase(learn=0, order=(), periods=1)),
        (ValueError, "periods must be in 1..65535, not 0", lambda: plan(periods=0)),
        (ValueError, "rest must be in 0..65535, not -1", lambda: plan(rest=-1)),
        (ValueError, "rest must be in 0..65535, not 65536", lambda: Phase(learn=0, order=(0,), periods=1, rest=65536)),
        (ValueError, "patterns must have at least one pattern", lambda: plan(patterns=())),
        (ValueError, "phases must have at least one phase", lambda: plan(phases=())),
        (ValueError, r"order of phase 1 must have patterns in 0\.\.0 only", lambda: plan(patterns=(1,))),
    ],
)
def test_refuses_a_bad_plan(error, message, make):
    with pytest.raises(error, match=message):
        make()
