"""Presentations and the pace, in front of layers that only take their time."""

from itertools import pairwise

import pytest

from memtwin.hdl.core.pace import Pace
from memtwin.hdl.hybrid.presenter import Presentation, Presenter
from tests.hdl.helpers import refused, simulate

ROWS, GATES, LAYERS, SUBSTEPS = 3, 2, 2, 4
POWER_UP, FAST, SLOW = 9, 5, 7


class Stage:
    """A presenter with two layers of which each half-period takes a fixed number of clocks, and a log of both."""

    def __init__(self, *, tick=None, fires=(), v_l=()):
        self.presenter = Presenter(ROWS, GATES, LAYERS, SUBSTEPS)
        self.tick = tick  # clocks between ticks, None for full speed
        self.fires = dict(fires)  # (layer, half-period) -> number of fires
        self.v_l = set(v_l)  # (layer, half-period) after which V_L is high
        self.halves = []  # (clock, clk, pulses, gates, learn)
        self.inits = []
        self.done = []

    def run(self, *presentations, clocks=3000):
        presenter = self.presenter

        async def host(ctx):
            await ctx.tick().until(presenter.idle)
            for fields in presentations:
                blank = {"pixels": 0, "gates": 0, "learn": 0, "until": 0, "fires": 0, "periods": 0, "rest": 0}
                ctx.set(presenter.i.payload, blank | {"init": 0} | fields)
                ctx.set(presenter.i.valid, 1)
                await ctx.tick().until(presenter.i.ready)
                ctx.set(presenter.i.valid, 0)
            await ctx.tick().until(presenter.idle)

        async def layers(ctx):
            busy, firing, clock = [0, 0], [0, 0], 0
            ctx.set(presenter.tick, 1)
            while clock < clocks:
                if self.tick is not None:
                    ctx.set(presenter.tick, clock % self.tick == 0)
                if ctx.get(presenter.init):
                    self.inits.append(clock)
                    busy = [POWER_UP, POWER_UP]
                if ctx.get(presenter.start):
                    assert not any(busy)
                    half = len(self.halves)
                    names = ("clk", "pulses", "gates", "learn")
                    self.halves.append((clock, *(ctx.get(getattr(presenter, name)) for name in names)))
                    busy = [FAST, SLOW]
                    firing = [self.fires.get((layer, half), 0) for layer in range(LAYERS)]
                    ctx.set(presenter.v_l, sum(((layer, half) in self.v_l) << layer for layer in range(LAYERS)))
                if ctx.get(presenter.done):
                    self.done.append(clock)
                    assert ctx.get(presenter.i.valid)
                await ctx.tick()
                clock += 1
                ctx.set(presenter.busy, (busy[0] > 0) | (busy[1] > 0) << 1)
                ctx.set(presenter.fire, (firing[0] > 0) | (firing[1] > 0) << 1)
                busy = [max(0, left - 1) for left in busy]
                firing = [max(0, left - 1) for left in firing]

        simulate(presenter, host, layers)
        return self

    @property
    def levels(self):
        return [clk for _, clk, *_ in self.halves]

    @property
    def pulses(self):
        return [pulses for _, _, pulses, *_ in self.halves]


def test_layers_are_powered_up_once_after_reset_and_on_request():
    stage = Stage().run({"periods": 1}, {"init": 1, "periods": 1})
    assert len(stage.inits) == 2
    assert stage.inits[0] == 0
    clocks = [clock for clock, *_ in stage.halves]
    assert clocks[1] < stage.inits[1] < clocks[2] - POWER_UP


def test_periods_alternate_and_only_the_high_half_periods_pulse():
    stage = Stage().run({"pixels": 5, "gates": 2, "learn": 1, "periods": 3, "rest": 2})
    assert stage.levels == [1, 0] * 5
    assert stage.pulses == [5, 0] * 3 + [0, 0] * 2
    assert {half[3:] for half in stage.halves} == {(2, 1)}  # also while it rests
    assert len(stage.done) == 1


def test_a_half_period_ends_with_the_slowest_layer_and_a_clock_of_overhead():
    stage = Stage().run({"periods": 4})
    starts = [clock for clock, *_ in stage.halves]
    gaps = [after - before for before, after in pairwise(starts)]
    # A layer that is busy for SLOW clocks is ready SLOW + 1 clocks after the start.
    ready = SLOW + 1
    assert gaps == [ready + 1, ready + 2] * 3 + [ready + 1]


@pytest.mark.parametrize(("periods", "rest"), [(0, 0), (0, 2), (2, 0)])
def test_nothing_of_nothing(periods, rest):
    stage = Stage().run({"pixels": 7, "periods": periods, "rest": rest})
    assert len(stage.halves) == 2 * (periods + rest)
    assert len(stage.done) == 1


def test_fires_of_the_chosen_layer_end_a_presentation_at_the_end_of_the_period():
    fires = {(0, 0): 9, (1, 2): 1, (1, 4): 2}  # layer 1 fires in half-period 0, layer 2 in 2 and twice in 4
    stage = Stage(fires=fires).run({"until": 1, "fires": 3, "periods": 9, "rest": 1})
    assert len(stage.halves) == 2 * (3 + 1)


def test_a_presentation_goes_on_while_v_l_of_that_layer_is_high():
    stage = Stage(fires={(0, 0): 1}, v_l={(0, 1), (0, 3), (1, 5), (1, 7)}).run({"fires": 1, "periods": 9})
    assert len(stage.halves) == 2 * 3


def test_periods_are_the_most_also_when_there_are_too_few_fires():
    stage = Stage(fires={(0, 0): 1}).run({"fires": 2, "periods": 4})
    assert len(stage.halves) == 2 * 4


def test_fires_are_counted_from_the_start_of_each_presentation():
    stage = Stage(fires={(0, 0): 5, (0, 4): 1, (0, 6): 1})
    stage.run({"fires": 1, "periods": 9, "rest": 1}, {"fires": 2, "periods": 9})
    assert len(stage.halves) == 2 * (1 + 1) + 2 * 2


def test_a_tick_is_the_time_of_a_substep():
    stage = Stage(tick=10).run({"periods": 6})
    starts = [clock for clock, *_ in stage.halves]
    # The first half-period begins between two ticks; from then on each takes the time of its substeps.
    assert starts[-1] - starts[1] == 10 * SUBSTEPS * (len(starts) - 2)
    gaps = [after - before for before, after in pairwise(starts)]
    assert max(gaps[1:]) - min(gaps[1:]) <= 10


@pytest.mark.parametrize("substeps", [1, 4, 16])
def test_pace_counts_ticks_and_keeps_what_is_too_many(substeps):
    dut = Pace(substeps)

    async def bench(ctx):
        ctx.set(dut.tick, 1)
        for ticks in range(6 * substeps):
            most = 4 * substeps - 1
            assert ctx.get(dut.pace) == min(ticks, substeps)
            assert ctx.get(dut.full) == (min(ticks, most) >= substeps)
            await ctx.tick()
        ctx.set(dut.tick, 0)
        ctx.set(dut.take, 1)
        for left in (2, 1, 0):
            await ctx.tick()
            assert ctx.get(dut.full) == (left > 0)
        ctx.set(dut.take, 0)
        assert ctx.get(dut.pace) == substeps - 1
        ctx.set(dut.clear, 1)
        await ctx.tick()
        assert ctx.get(dut.pace) == 0

    simulate(dut, bench)


def test_layout_of_a_presentation():
    layout = Presentation(30, 10, 2)
    assert layout.size == 30 + 10 + 2 + 1 + 3 * 16 + 1
    assert layout["until"].width == 1
    assert Presentation(4, 2, 1)["until"].width == 1
    assert Presentation(4, 2, 5)["until"].width == 3


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: Presentation(0, 1, 1), ValueError, "rows must be at least 1, not 0"),
        (lambda: Presentation(1, 1, "2"), TypeError, "layers must be an integer, not '2'"),
    ],
)
def test_bad_parameters_are_refused(build, error, message):
    with pytest.raises(error, match=message):
        build()


def test_a_pace_of_no_power_of_two_is_refused():
    refused("substeps must be a power of two, not 6", Pace, 6)
