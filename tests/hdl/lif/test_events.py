"""Events of a host: every step plays those of its number, several of a row too, under any back-pressure."""

import random

import pytest

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.lif.events import LifEvents
from tests.hdl.helpers import refused, simulate
from tests.hdl.lif.test_encoder import step

LIST = [(1, 5), (1, 5), (1, 0), (3, 2), (4, 7), (4, 6)]


def events_of(entries, capacity, rows=8):
    spare = capacity - len(entries)
    steps, numbers = zip(*entries, strict=True) if entries else ((), ())
    # What is not valid must not be played.
    words = {"step": [*steps, *[5] * spare], "row": [*numbers, *[1] * spare], "number": [len(entries)]}
    return LifEvents(rows, capacity, MemoryMap({f"events.{name}": values for name, values in words.items()}), "events.")


@pytest.mark.parametrize("busy", [0.0, 0.6])
@pytest.mark.parametrize("capacity", [6, 7, 16])
def test_each_step_plays_its_events_and_a_presentation_plays_them_again(busy, capacity):
    dut = events_of(LIST, capacity)
    draw = random.Random(4)

    async def bench(ctx):
        for moment in (1, 2, 3, 4, 5, 6, 1, 2):
            expected = [row for own, row in LIST if own == moment]
            events, clocks, first = await step(ctx, dut, moment, lambda: draw.random() >= busy)
            assert events == expected
            assert ctx.get(dut.count) == len(expected)
            if not busy:
                assert clocks == len(expected) + 3
                assert first == (2 if expected else None)

    simulate(dut, bench)


def test_an_empty_list_has_no_events():
    dut = events_of([], 1)

    async def bench(ctx):
        for moment in (1, 2, 5):
            assert (await step(ctx, dut, moment))[0] == []

    simulate(dut, bench)


@pytest.mark.parametrize(
    ("rows", "capacity", "what"), [(0, 4, "rows"), (1025, 4, "rows"), (4, 0, "capacity"), (4, 4097, "capacity")]
)
def test_a_parameter_out_of_range_is_refused(rows, capacity, what):
    refused(what, LifEvents, rows, capacity, MemoryMap(), "events.")
