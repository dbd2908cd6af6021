"""The link's port and its line: baud rates, errors and frames too many."""

import pytest

from tests.hdl.link.bench import (
    DIVIDER,
    IDENTIFY,
    LINK,
    OFFSET,
    READ,
    RESET,
    frame,
    link_port,
    request,
    run,
    words_of,
)
from tests.hdl.link.tiny import STATE, Tiny


def test_another_divider():
    async def script(line):
        link = line.link
        await line.write(OFFSET["divider"], 7)  # the answer still comes with the old one
        await line.ctx.tick().repeat(5)
        assert line.ctx.get(link.divider) == 7
        line.divider = 7
        assert await line.read(LINK, 2) == [7, 0]
        await line.ctx.tick().repeat(5000)
        assert await line.read(LINK, 2) == [7, 0]
        await line.ask(RESET)
        assert await line.read(LINK) == [7]
        await line.write(OFFSET["divider"], 2)
        await line.ctx.tick().repeat(8)
        assert line.ctx.get(link.divider) == 4
        line.divider = 4
        assert await line.read(LINK) == [4]

    run(link_port(Tiny(), trial_bits=2), script)


@pytest.mark.parametrize("divider", [32, 0x8000])
def test_a_divider_that_is_too_large_is_the_largest(divider):
    async def script(line):
        await line.write(OFFSET["divider"], divider)
        await line.ctx.tick().repeat(8)
        assert line.ctx.get(line.link.divider) == 31
        line.divider = 31
        assert await line.read(LINK) == [31]

    run(link_port(Tiny(), divider_bits=5), script)


def test_a_divider_that_nobody_speaks_goes_away():
    async def script(line):
        ctx, link = line.ctx, line.link
        await line.write(OFFSET["divider"], 90)
        await ctx.tick().repeat(2 * 2048 - 400)
        assert ctx.get(link.divider) == 90
        assert ctx.get(link.on_trial) == 1
        await line.send(b"\x55\x55\0")  # no frame
        await ctx.tick().repeat(2 * 2048)
        assert ctx.get(link.divider) == DIVIDER
        await line.send(b"\0")
        assert await line.read(LINK) == [DIVIDER]

    run(link_port(Tiny(), trial_bits=2), script)


@pytest.mark.parametrize("noise", [b"\xff", frame(request(1, IDENTIFY))], ids=["bit", "frame"])
def test_a_divider_of_a_host_that_is_gone_goes_away_when_the_next_one_speaks(noise):
    async def script(line):
        ctx, link = line.ctx, line.link
        await line.write(OFFSET["divider"], 15)
        line.divider = 15
        assert await line.read(LINK) == [15]
        await ctx.tick().repeat(9000)  # nobody says anything, which proves nothing
        assert ctx.get(link.divider) == 15
        assert ctx.get(link.on_trial) == 0
        line.divider = DIVIDER  # of the next host, which knows that of the build
        await line.send(noise)
        assert ctx.get(link.on_trial) == 1
        await ctx.tick().repeat(2048 << 2)
        assert ctx.get(link.divider) == DIVIDER
        await line.send(b"\0")
        assert await line.read(LINK) == [DIVIDER]

    run(link_port(Tiny(), trial_bits=2), script)


def test_a_divider_that_is_spoken_stays():
    async def script(line):
        ctx, link = line.ctx, line.link
        await line.write(OFFSET["divider"], 5)
        line.divider = 5
        for _ in range(5):  # more than a trial, of frames that are shorter
            assert await line.read(LINK) == [5]
        assert ctx.get(link.divider) == 5

    run(link_port(Tiny(), trial_bits=1), script)


def test_errors_on_the_line_are_counted():
    async def script(line):
        good = frame(request(1, IDENTIFY))
        wrong = bytearray(good)
        wrong[3] ^= 1
        await line.send(b"\0\0" + b"\7\1\0" + bytes(wrong) + b"\x05\1\1\1\1\0")
        await line.send(bytes([2] + [1, 2] * 150)[:300] + b"\0")
        await line.send(good[:4])
        await line.send(b"\7", stop=0)
        await line.ctx.tick().repeat(20)
        await line.send(good)  # the rest of the frame with the framing error
        assert await line.counters() == {
            "framing_errors": 1,
            "malformed": 2,
            "oversized": 1,
            "crc_errors": 1,
            "overruns": 0,
            "refused": 0,
            "dropped": 0,
        }
        await line.write(OFFSET["malformed"], 77)
        counters = await line.counters()
        assert (counters["malformed"], counters["oversized"]) == (0, 1)
        await line.write(OFFSET["framing_errors"], *[1] * 7)
        assert set((await line.counters()).values()) == {0}

    run(link_port(Tiny()), script)


def test_a_frame_too_many_is_an_overrun():
    async def script(line):
        await line.write(STATE, *range(16))
        # Six answers are longer than the requests: two wait to leave, and then the requests do.
        for sequence in range(8):
            await line.send(frame(request(sequence, READ, STATE, count=16)))
        await line.ctx.tick().repeat(8 * 45 * 40)
        answered = [body[0] for body in line.answers]
        assert len(answered) < 8
        assert answered == sorted(answered)
        assert all(words_of(body[3:]) == list(range(16)) for body in line.answers)
        line.answers.clear()
        assert (await line.counters())["overruns"] == 8 - len(answered)

    run(link_port(Tiny()), script)
