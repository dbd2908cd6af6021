"""Presenter of LIF networks: who works when."""

from itertools import pairwise

import pytest

from memtwin.hdl.lif.presenter import LifPresentation, LifPresenter
from tests.hdl.helpers import refused, simulate


async def follow(ctx, dut, clocks, *, done_after=3, stop_in=None):
    """Play the layers, each done some clocks after its start, and note every strobe as (clock, name)."""
    seen, due = [], {}
    for clock in range(clocks):
        for layer, at in due.items():
            if at == clock:
                ctx.set(dut.layer_done, 1 << layer)
        for name in ("seed", "step", "step_done", "done", "answered"):
            if ctx.get(getattr(dut, name)):
                seen.append((clock, name))
        start = ctx.get(dut.start)
        if start:
            layer = start.bit_length() - 1
            assert start == 1 << layer
            seen.append((clock, f"start{layer + 1}"))
            due[layer] = clock + done_after
        if stop_in is not None:
            ctx.set(dut.stop, ctx.get(dut.moment) == stop_in)
        over = ctx.get(dut.done)
        await ctx.tick()
        ctx.set(dut.layer_done, 0)
        if over:
            ctx.set(dut.i.valid, 0)
    return seen


def names(seen):
    return [name for _, name in seen]


def run(dut, *, steps, init=0, clocks=80, tick=1, **options):
    out = []

    async def bench(ctx):
        ctx.set(dut.tick, tick)
        assert ctx.get(dut.seed)  # at power-up
        await ctx.tick().repeat(2)
        assert (ctx.get(dut.idle), ctx.get(dut.shown)) == (1, 0)
        ctx.set(dut.i.payload, {"steps": steps, "init": init})
        ctx.set(dut.i.valid, 1)
        out.extend(await follow(ctx, dut, clocks, **options))

    simulate(dut, bench)
    return out


@pytest.mark.parametrize("init", [0, 1])
def test_order_of_work(init):
    seen = run(LifPresenter(2), steps=3, init=init)
    one = ["step", "start1", "start2", "step_done"]
    assert names(seen) == ["seed"] * init + one * 3 + ["done", "answered"]


def test_clocks_of_a_step():
    seen = run(LifPresenter(2), steps=3, done_after=3)
    starts = [clock for clock, name in seen if name == "step"]
    # Two layers of 3 clocks and 1 more each; beginning, encoder and pace take 1.
    assert [after - before for before, after in pairwise(starts)] == [2 * (3 + 1) + 3] * 2
    # The decoder is asked where the next step would begin.
    assert seen[-1] == (starts[0] + 3 * 11, "answered")


def test_stop_ends_an_image():
    seen = run(LifPresenter(1), steps=60000, stop_in=2)
    assert names(seen).count("step") == 2
    assert names(seen)[-2:] == ["done", "answered"]


def test_nothing_to_show():
    assert names(run(LifPresenter(1), steps=0, init=1)) == ["seed", "done"]


def test_waits_for_the_tick():
    seen = run(LifPresenter(1), steps=3, tick=0)
    assert names(seen) == ["step", "start1", "step_done"]


def test_layout():
    layout = LifPresentation()
    assert {name: layout[name].width for name in layout.members} == {"steps": 16, "init": 1}


@pytest.mark.parametrize(("layers", "error"), [(0, ValueError), ("1", TypeError), (True, TypeError)])
def test_bad_layers(layers, error):
    refused("layers must be", LifPresenter, layers, error=error)
