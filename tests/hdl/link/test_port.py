"""The link's port: requests and answers, presentations."""

import gc
import random
import warnings
import zlib

import pytest
from amaranth.hdl import UnusedElaboratable

from memtwin.hdl.link.port import LinkPort
from memtwin.hdl.port.host import HostPort
from tests.hdl.link.bench import (
    ADDRESS,
    BUSY,
    DIVIDER,
    DONE,
    ENDS,
    IDENTIFY,
    LENGTH,
    LINK,
    OFFSET,
    READ,
    REGISTERS,
    RESET,
    RUN,
    SPIKES,
    UNKNOWN,
    WAIT,
    WRITE,
    frame,
    link_port,
    request,
    run,
)
from tests.hdl.link.tiny import END, STATE, Tiny


def test_a_host_learns_what_is_there():
    async def script(line):
        status, data = await line.ask(IDENTIFY, sequence=0)
        assert status == DONE
        assert data == b"\x02" + bytes(range(8)) + b"themap.." + (12_000_000).to_bytes(4, "little")

    run(link_port(Tiny()), script)


def test_words_that_are_written_are_read_again():
    words = [random.Random(1).randrange(1 << 16) for _ in range(16)]

    async def script(line):
        await line.write(STATE, *words)
        assert await line.read(STATE, 16) == words
        await line.write(STATE + 3, 7, 8)
        assert await line.read(STATE + 2, 4) == [words[2], 7, 8, words[5]]

    run(link_port(Tiny()), script)


def test_the_longest_burst():
    async def script(line):
        words = [0] * 12 + [0] * 4 + list(range(100, 116))
        await line.write(0, *words)
        assert await line.read(STATE, 16) == words[16:]
        # 120 words do not fit this map, 121 no frame of requests.
        assert await line.ask(WRITE, 0, words=[1] * 120) == (ADDRESS, b"")
        assert await line.ask(WRITE, 0, words=[1] * 121) == (LENGTH, b"")
        assert await line.read(STATE, 16) == words[16:]

    run(link_port(Tiny()), script)


@pytest.mark.parametrize("region", [0, REGISTERS, LINK])
def test_a_burst_beyond_the_end_writes_nothing(region):
    link = link_port(Tiny())
    end = region + {0: END, REGISTERS: 4, LINK: 16}[region]

    async def script(line):
        assert await line.ask(WRITE, end, words=[1]) == (ADDRESS, b"")
        assert await line.ask(WRITE, end - 1, words=[1, 1]) == (ADDRESS, b"")
        assert await line.ask(READ, end, count=1) == (ADDRESS, b"")
        assert await line.ask(READ, end - 1, count=2) == (ADDRESS, b"")
        assert await line.ask(READ, region, count=120) == (ADDRESS, b"")
        assert (await line.ask(WRITE, end - 1, words=[1]))[0] == DONE
        assert (await line.counters())["refused"] == 5

    assert link.host.registers["go"].start == REGISTERS + 4
    run(link, script)


@pytest.mark.parametrize("address", [0, STATE - 1, END, 1 << 10, 1 << 21, 0x400000, REGISTERS, REGISTERS + 4, 0xFFFFFF])
def test_what_cannot_be_read(address):
    async def script(line):
        assert await line.ask(READ, address, count=1) == (ADDRESS, b"")
        assert await line.ask(READ, address, count=2) == (ADDRESS, b"")

    run(link_port(Tiny()), script)


@pytest.mark.parametrize("address", [END, 1 << 10, 1 << 21, 0x3FFFFF, 0x400000, REGISTERS + 4, LINK + 16, 0xFFFFFF])
def test_what_cannot_be_written(address):
    async def script(line):
        assert await line.ask(WRITE, address, words=[1]) == (ADDRESS, b"")
        assert await line.ask(WRITE, address, words=[1, 1]) == (ADDRESS, b"")
        assert (await line.read(OFFSET["state"])) == [3]

    run(link_port(Tiny()), script)


def test_requests_of_a_wrong_length():
    async def script(line):
        await line.write(STATE, 1, 2)
        for body in (
            request(1, IDENTIFY) + b"\1",
            request(2, READ, STATE, count=0),
            request(3, READ, STATE, count=121),
            request(4, READ, STATE),
            request(5, READ, STATE, count=1) + b"\1",
            request(6, READ),
            request(7, WRITE),
            request(8, WRITE, STATE),
            request(9, WRITE, STATE) + b"\7",
            request(10, WRITE, STATE, words=[5]) + b"\7",
            request(11, RUN) + b"\7",
            request(12, RESET) + b"\7",
        ):
            await line.send(frame(body))
            assert await line.answer(body[0], body[1]) == (LENGTH, b"")
        assert await line.read(STATE, 2) == [1, 2]
        assert (await line.counters())["refused"] == 12

    run(link_port(Tiny()), script)


def test_an_operation_that_is_not_known_is_answered_as_no_other():
    # Repeated with bit 7, some would be answers to others, or events.
    operations = (0, 6, 7, 8, 0x40, 0x42, 0x7F, 0x81, 0x82, 0x85, 0xC0, 0xFF)

    async def script(line):
        for number, operation in enumerate(operations):
            await line.send(frame(request(number, operation)))
            assert await line.answer(number, 0) == (UNKNOWN, b"")
        assert not line.events
        assert (await line.counters())["refused"] == len(operations)

    run(link_port(Tiny()), script)


def test_the_longest_block_with_and_without_a_code_behind_it():
    # A body whose CRC has no zero byte either, so that all 254 bytes are one block.
    body = next(
        body
        for body in (bytes([7, READ, fill]) + bytes([fill]) * 247 for fill in range(1, 256))
        if b"\0" not in zlib.crc32(body).to_bytes(4, "little")
    )
    assert frame(body)[0] == 255
    assert len(frame(body)) == 256

    async def script(line):
        await line.send(frame(body))
        assert await line.answer(7, READ) == (LENGTH, b"")
        await line.send(frame(body)[:-1] + b"\1\0")  # as some encoders write it
        assert await line.answer(7, READ) == (LENGTH, b"")
        await line.send(frame(body)[:-1] + b"\2\1\0")
        assert (await line.counters())["oversized"] == 1

    run(link_port(Tiny()), script)


def test_events_are_counted_from_zero_after_a_reset_and_go_on_else():
    async def script(line):
        for expected in ([0, 1], [2, 3], [0, 1]):
            line.events.clear()
            await line.write(STATE, 1, *[0] * 15)
            for options in (SPIKES | ENDS, ENDS):
                await line.write(OFFSET["options"], options)
                await line.present(steps=1, gap=1)
                await line.until_idle()
                await line.ctx.tick().repeat(1500)
            assert [body[0] for body in line.events] == expected
            if expected[0]:
                await line.ask(RESET)
            else:
                await line.ask(IDENTIFY)  # another host: it goes on

    run(link_port(Tiny()), script)


def test_two_requests_in_flight():
    async def script(line):
        await line.send(frame(request(1, WRITE, STATE, words=[5])) + frame(request(2, READ, STATE, count=1)))
        assert await line.answer(1, WRITE) == (DONE, b"")
        assert await line.answer(2, READ) == (DONE, b"\5\0")
        assert (await line.counters())["overruns"] == 0

    run(link_port(Tiny()), script)


def test_the_network_must_be_idle_and_the_registers_need_not():
    async def script(line):
        await line.write(OFFSET["options"], ENDS)
        assert await line.present(steps=3, gap=2500) == DONE
        assert (await line.read(OFFSET["state"])) == [2]
        assert await line.ask(READ, STATE, count=1) == (BUSY, b"")
        assert await line.ask(WRITE, STATE, words=[1]) == (BUSY, b"")
        assert await line.ask(WRITE, REGISTERS, words=[1]) == (BUSY, b"")
        assert await line.ask(RUN) == (BUSY, b"")
        # What is wrong anyway is said first.
        assert await line.ask(READ, 0, count=1) == (ADDRESS, b"")
        await line.until_idle()
        assert (await line.read(OFFSET["state"])) == [3]
        assert (await line.read(STATE)) == [0]
        assert (await line.read(OFFSET["runs"], 2)) == [1, 0]
        await line.ctx.tick().repeat(2000)
        assert line.happened() == [(3, 0, 0, 3, 3, None)]

    run(link_port(Tiny()), script)


def test_a_run_is_carried_out_once():
    async def script(line):
        assert await line.ask(WRITE, REGISTERS, words=[2, 5]) == (DONE, b"")
        for _ in range(3):
            assert await line.ask(RUN, sequence=9) == (DONE, b"")
        await line.until_idle()
        assert await line.ask(RUN, sequence=9) == (DONE, b"")
        assert await line.read(OFFSET["runs"]) == [1]
        assert await line.ask(RUN, sequence=10) == (DONE, b"")
        assert await line.ask(RUN, sequence=9) == (DONE, b"")
        await line.until_idle()
        assert await line.read(OFFSET["runs"]) == [3]
        # A host that comes next may happen to have the same number; it identifies first.
        status, _ = await line.ask(IDENTIFY)
        assert status == DONE
        assert await line.ask(RUN, sequence=9) == (DONE, b"")
        await line.until_idle()
        assert await line.read(OFFSET["runs"]) == [4]

    run(link_port(Tiny()), script)


def test_a_run_that_was_refused_is_carried_out_when_it_comes_again():
    async def script(line):
        await line.write(REGISTERS, 3, 3000)
        assert await line.ask(RUN, sequence=1) == (DONE, b"")
        assert await line.ask(RUN, sequence=2) == (BUSY, b"")
        # That of the run that goes on is answered again.
        assert await line.ask(RUN, sequence=1) == (DONE, b"")
        assert not line.ctx.get(line.link.host.idle)
        await line.until_idle()
        assert await line.ask(RUN, sequence=2) == (DONE, b"")
        await line.until_idle()
        assert await line.read(OFFSET["runs"]) == [2]

    run(link_port(Tiny()), script)


def test_the_clocks_of_a_presentation():
    async def script(line):
        before = await line.read(OFFSET["clocks"], 3)
        assert before[1:] == [0, 0]
        assert before[0] < 10
        for times in (1, 2):
            await line.present(steps=3, gap=1200)
            await line.until_idle()
            clocks = await line.read(OFFSET["clocks"], 3)
            # A clock at both ends of each presentation.
            assert clocks == [before[0] + times * (3 * 1203 + 2), 0, 0]

    run(link_port(Tiny()), script)


def test_reset_ends_a_presentation_and_clears_the_registers():
    async def script(line):
        await line.write(STATE, 0xFF, 0xFF)
        await line.write(OFFSET["options"], SPIKES | ENDS | WAIT)
        await line.ask(0)
        await line.present(steps=0xFFFF, gap=400)
        await line.ctx.tick().repeat(3000)
        assert await line.ask(RESET) == (DONE, b"")
        assert await line.read(LINK, 16) == [DIVIDER, 0, 0, 3, 0, 0, *(await line.read(OFFSET["clocks"])), *[0] * 9]
        assert await line.read(STATE, 2) == [0xFF, 0xFF]
        # Registers of the presentation are cleared: this one has no steps.
        line.events.clear()
        await line.write(OFFSET["options"], ENDS)
        assert await line.ask(RUN) == (DONE, b"")
        await line.ctx.tick().repeat(1500)
        assert line.happened() == [(3, 0, 0, 0, 0, None)]

    run(link_port(Tiny()), script)


IDLE, POWERED = 1, 2  # of the word `state`


def test_a_network_is_not_powered_from_a_reset_to_the_end_of_its_power_up():
    async def script(line):
        async def state():
            return (await line.read(LINK + 3, 1))[0]

        assert await state() == IDLE | POWERED
        assert await line.ask(RESET) == (DONE, b"")
        assert await state() == 0
        await line.ctx.tick().repeat(3000)
        assert await state() == IDLE | POWERED

    run(link_port(Tiny(power_up=3000)), script)


def test_what_is_read_only_is_refused():
    async def script(line):
        before = await line.read(LINK, 16)
        for first, number in ((3, 1), (3, 6), (4, 1), (5, 1), (6, 1), (8, 1), (0, 16), (2, 2), (8, 2)):
            assert await line.ask(WRITE, LINK + first, words=[0x1111] * number) == (ADDRESS, b"")
        after = await line.read(LINK, 16)
        assert after[:6] == before[:6]
        assert after[14] == 9
        await line.write(LINK + 9, *[1] * 7)
        await line.write(OFFSET["options"], 0xFFF0, 0xFFFF)
        assert await line.read(OFFSET["options"], 2) == [0, 0]

    run(link_port(Tiny()), script)


def test_bad_parameters():
    host = HostPort(Tiny())
    good = {"clock_hz": 1000, "divider": 4, "map_digest": bytes(8), "design_digest": bytes(8)}
    for change, error, message in (
        ({"divider": 3}, ValueError, r"divider must be in 4\.\.8191, not 3"),
        ({"divider": 4.5}, TypeError, r"divider must be an integer, not 4\.5"),
        ({"divider": 8192}, ValueError, r"divider must be in 4\.\.8191, not 8192"),
        ({"divider_bits": 16}, ValueError, r"divider_bits must be in 3\.\.15, not 16"),
        ({"clock_hz": 0}, ValueError, r"clock_hz must be in 1\.\.4294967295, not 0"),
        ({"map_digest": "12345678"}, TypeError, "map_digest must be bytes, not '12345678'"),
        ({"design_digest": b"1"}, ValueError, "design_digest must be 8 bytes, not b'1'"),
        ({"depth": 100}, ValueError, "depth must be at least 128, not 100"),
        ({"depth": 200}, ValueError, "depth must be a power of two, not 200"),
        ({"traces": 1}, TypeError, "traces must be a bool, not 1"),
    ):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UnusedElaboratable)
            with pytest.raises(error, match=message):
                LinkPort(host, **(good | change))
            gc.collect()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        with pytest.raises(TypeError, match="host must be a HostPort, not 7"):
            LinkPort(7, **good)
        del host
        gc.collect()
