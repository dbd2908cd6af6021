import random
import re
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from cobs import cobs
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.link.frame_decoder import FrameDecoder
from memtwin.hdl.verilog import convert
from memtwin.sim.engines import verilator
from tests.hdl.helpers import simulate
from tests.hdl.link.frame_reference import Reference, encode, unstuff

VERDICTS = ("malformed", "oversized", "crc_error", "overrun")
BYTES = st.binary(min_size=2, max_size=250)
# Bytes in which zeros and long runs are likely.
LUMPY = st.lists(st.sampled_from([b"\0", b"\0\0\0", b"\x01", b"\xff" * 30, bytes(range(60))]), max_size=7).map(b"".join)


@given(st.one_of(LUMPY, st.binary(max_size=300)))
def test_the_reference_is_the_library(chunk):
    assert unstuff(cobs.encode(chunk)) == (chunk, True)
    chunk = bytes(byte for byte in chunk if byte)
    out, adds_up = unstuff(chunk)
    if adds_up:
        assert out == cobs.decode(chunk)
    else:
        with pytest.raises(cobs.DecodeError):
            cobs.decode(chunk)


class Feeder:
    """Gives bytes to a decoder and counts its strobes."""

    def __init__(self, ctx, dut):
        self.ctx, self.dut = ctx, dut
        self.counts = Counter()
        self.clocks = 0

    async def tick(self):
        await self.ctx.tick()
        self.clocks += 1
        self.counts.update(name for name in VERDICTS if self.ctx.get(getattr(self.dut, name)))

    async def feed(self, chunk, pause=0):
        for byte in chunk:
            while not self.ctx.get(self.dut.i.ready):
                await self.tick()
            self.ctx.set(self.dut.i.payload, byte)
            self.ctx.set(self.dut.i.valid, 1)
            await self.tick()
            self.ctx.set(self.dut.i.valid, 0)
            for _ in range(pause):
                await self.tick()

    async def strobe(self, name):
        self.ctx.set(getattr(self.dut, name), 1)
        await self.tick()
        self.ctx.set(getattr(self.dut, name), 0)

    async def body(self):
        """Read and release the body that waits; None if none does."""
        if not self.ctx.get(self.dut.frame_valid):
            return None
        out = []
        for address in range(self.ctx.get(self.dut.length)):
            self.ctx.set(self.dut.address, address)
            await self.tick()
            out.append(self.ctx.get(self.dut.data))
        await self.strobe("release")
        return bytes(out)


def run(script):
    """Run `script` on a decoder and return what it returned, and the verdicts."""
    dut = FrameDecoder()
    results = []

    async def bench(ctx):
        feeder = Feeder(ctx, dut)
        results.append(await script(feeder))
        await feeder.tick()
        results.append(dict(feeder.counts))

    simulate(dut, bench)
    return tuple(results)


@settings(deadline=None, max_examples=25)
@given(st.one_of(BYTES, LUMPY.map(lambda body: (b"ab" + body)[:250])), st.integers(0, 40))
def test_takes_any_body(body, pause):
    async def script(feeder):
        await feeder.feed(encode(body) + b"\0", pause)
        return await feeder.body()

    assert run(script) == (body, {})


@pytest.mark.parametrize(
    "frame",
    [bytes(250), b"\1" * 250, bytes(2), b"\1\0" * 125, b"\0\1" * 125, next(  # 254 bytes without a zero byte
        body for body in (bytes([k % 255 + 1]) * 250 for k in range(255)) if b"\0" not in cobs.decode(encode(body))
    )],
)  # fmt: skip
def test_takes_the_smallest_and_the_largest_body(frame):
    async def script(feeder):
        await feeder.feed(encode(frame) + b"\0")
        return await feeder.body()

    assert run(script) == (frame, {})


def test_takes_the_end_that_some_encoders_give_the_longest_run():
    body = next(bytes([k]) * 250 for k in range(1, 256) if b"\0" not in cobs.decode(encode(bytes([k]) * 250)))
    assert encode(body)[0] == 255

    async def script(feeder):
        await feeder.feed(encode(body) + b"\1\0")
        return await feeder.body()

    assert run(script) == (body, {})


def test_latency_and_throughput():
    async def script(feeder):
        ctx, dut = feeder.ctx, feeder.dut
        chunk = encode(b"four")
        await feeder.feed(chunk)
        assert feeder.clocks == 1 + 9 * (len(chunk) - 2) + 1
        await feeder.feed(b"\0")
        assert (ctx.get(dut.frame_valid), ctx.get(dut.length)) == (1, 4)
        assert feeder.clocks == 1 + 9 * (len(chunk) - 1) + 1
        ctx.set(dut.address, 2)
        await feeder.tick()
        assert ctx.get(dut.data) == ord("u")
        await feeder.strobe("release")
        assert ctx.get(dut.frame_valid) == 0
        await feeder.feed(b"\2\3\0")
        return ctx.get(dut.malformed)

    assert run(script) == (1, {"malformed": 1})


@pytest.mark.parametrize(
    ("chunk", "verdict"),
    [
        (b"\1", "malformed"),
        (b"\5", "malformed"),
        (encode(b"\x01"), "malformed"),  # five bytes
        (encode(b"abc")[:-1], "malformed"),
        (encode(b"abc") + b"\1\1\2", "malformed"),
        (b"\xff" + b"\1" * 253, "malformed"),
        (cobs.encode(b"abcdef"), "crc_error"),
        (cobs.encode(bytes(254)), "crc_error"),
        (encode(b"abc") + b"\1", "crc_error"),  # a zero byte more
        (cobs.encode(b"\1" * 255), "oversized"),
        (encode(b"\1" * 251), "oversized"),
        (encode(bytes(1000)), "oversized"),
        (b"\xff" * 300, "oversized"),
    ],
)
def test_a_bad_frame_is_counted_once_and_a_good_one_follows(chunk, verdict):
    async def script(feeder):
        await feeder.feed(chunk + b"\0\0\0" + encode(b"good") + b"\0")
        return await feeder.body()

    assert run(script) == (b"good", {verdict: 1})


def test_zero_bytes_are_no_frames():
    async def script(feeder):
        await feeder.feed(bytes(10))
        return feeder.ctx.get(feeder.dut.frame_valid)

    assert run(script) == (0, {})


@pytest.mark.parametrize("at", range(9))
def test_a_framing_error_drops_its_frame_without_a_verdict(at):
    chunk = encode(b"abc")

    async def script(feeder):
        await feeder.feed(chunk[:at])
        await feeder.strobe("framing_error")
        await feeder.feed(chunk[at:] + b"\0")
        assert feeder.ctx.get(feeder.dut.frame_valid) == 0
        await feeder.feed(encode(b"good") + b"\0")
        return await feeder.body()

    assert run(script) == (b"good", {})


def test_holds_two_frames_and_counts_the_third():
    async def script(feeder):
        for body in (b"first", b"second", b"third", b"fourth"):
            await feeder.feed(encode(body) + b"\0")
        assert feeder.counts == {"overrun": 2}
        bodies = [await feeder.body(), await feeder.body(), await feeder.body()]
        await feeder.feed(encode(b"fifth") + b"\0")
        return [*bodies, await feeder.body()]

    assert run(script) == ([b"first", b"second", None, b"fifth"], {"overrun": 2})


def test_a_frame_that_began_while_two_waited_is_lost_even_if_one_is_released_meanwhile():
    async def script(feeder):
        chunk = encode(b"third") + b"\0"
        await feeder.feed(encode(b"first") + b"\0" + encode(b"no. 2") + b"\0" + chunk[:3])
        bodies = [await feeder.body()]
        await feeder.feed(chunk[3:] + encode(b"fourth") + b"\0")
        return [*bodies, await feeder.body(), await feeder.body()]

    assert run(script) == ([b"first", b"no. 2", b"fourth"], {"overrun": 1})


@pytest.mark.parametrize("clock", range(-3, 4))
def test_a_release_about_the_end_of_the_next_frame(clock):
    """The frame that waits is released in any clock around that in which the second one is found right."""

    async def script(feeder):
        ctx, dut = feeder.ctx, feeder.dut
        await feeder.feed(encode(b"first") + b"\0" + encode(b"second"))
        while not ctx.get(dut.i.ready):
            await feeder.tick()
        ctx.set(dut.i.payload, 0)
        for now in range(-4, 5):
            ctx.set(dut.i.valid, now == 0)
            ctx.set(dut.release, now == clock)
            await feeder.tick()
        return await feeder.body(), await feeder.body()

    assert run(script) == ((b"second", None), {})


def test_a_release_of_nothing_is_ignored():
    async def script(feeder):
        await feeder.strobe("release")
        await feeder.feed(encode(b"first") + b"\0")
        return await feeder.body()

    assert run(script) == (b"first", {})


# Many frames, right and wrong, in compiled gateware.


@pytest.fixture(scope="module")
def harness():
    # Verilator writes two underscores in a row as something else.
    design = re.sub(r"\bi__", "i_", convert(FrameDecoder(), "top"))
    return verilator.compiled(design, Path(__file__).with_name("frame_harness.cpp").read_text(encoding="utf-8"))


def some_bytes(number, generator):
    """Bytes of which, in some cases, many are zero or none is."""
    kind = generator.randrange(4)
    if kind == 0:
        return bytes(generator.choices((0, 0, 1, 255), k=number))
    if kind == 1:
        return bytes(generator.randrange(1, 256) for _ in range(number))
    return generator.randbytes(number)


def some_frame(generator):
    """Bytes without their last zero byte: a right frame, or one of the ways in which it can be wrong."""
    size = generator.choice((generator.randrange(2, 12), generator.randrange(2, 12), generator.randrange(2, 251)))
    chunk = bytearray(encode(some_bytes(size, generator)))
    kind = generator.randrange(12)
    if kind == 0:  # cut short
        del chunk[generator.randrange(len(chunk)) :]
    elif kind == 1:  # its beginning lost
        del chunk[: generator.randrange(len(chunk))]
    elif kind == 2:  # some bits flipped; this may put zero bytes in
        for _ in range(generator.randrange(1, 4)):
            chunk[generator.randrange(len(chunk))] ^= 1 << generator.randrange(8)
    elif kind == 3:  # a byte lost
        del chunk[generator.randrange(len(chunk))]
    elif kind == 4:  # a byte put in
        chunk.insert(generator.randrange(len(chunk) + 1), generator.randrange(256))
    elif kind == 5 and generator.random() < 0.3:  # too long
        chunk = encode(some_bytes(generator.randrange(251, 400), generator))
    elif kind == 6:  # anything
        chunk = some_bytes(generator.randrange(12), generator)
    elif kind == 7:  # two frames mixed
        other = encode(some_bytes(size, generator))
        chunk = bytes(byte for pair in zip(chunk, other, strict=False) for byte in pair)
    return bytes(chunk)


GIVE, ERROR, READ = 1 << 8, 1 << 9, 1 << 10


def stimulus(frames, seed):
    """Words for the harness, what it must report, and how often each verdict comes."""
    generator = random.Random(seed)
    reference = Reference()
    words, report, counts = [], bytearray(), Counter()

    def give(chunk):
        pauses = generator.choice((0, 0, 0, generator.randrange(31))) << 11
        broken = generator.randrange(len(chunk) + 1) if generator.random() < 0.05 else None
        for number, byte in enumerate([*chunk, 0]):
            if number == broken:
                words.append(ERROR | pauses)
                reference.framing_error()
            words.append(GIVE | byte | pauses)
            verdict = reference.byte(byte)
            if byte == 0:
                counts[verdict] += 1
                report.extend([name == verdict for name in VERDICTS])
                report.append(len(reference.waiting) > 0)
        return verdict

    def take():
        words.append(READ | generator.randrange(4) << 11)
        body = reference.waiting.popleft()
        report.extend([1, len(body)])
        report.extend(body)

    for _ in range(frames):
        give(some_frame(generator))
        while reference.waiting and generator.random() < 0.6:
            take()
        if generator.random() < 0.1:  # whatever came before, a good frame is taken
            while reference.waiting:
                take()
            words.append(GIVE)
            reference.byte(0)
            report.extend(bytes(5))
            words.extend(GIVE | byte for byte in encode(b"good") + b"\0")
            for byte in encode(b"good"):
                reference.byte(byte)
            assert reference.byte(0) == "right"
            report.extend(bytes([0, 0, 0, 0, 1]))
            take()
    return np.array(words, dtype="<u2"), bytes(report), counts


@pytest.mark.parametrize("frames", [3_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_random_frames_are_judged_as_by_the_reference(harness, frames, tmp_path):
    words, report, counts = stimulus(frames, seed=frames)
    words.tofile(tmp_path / "in.bin")
    subprocess.run([harness, tmp_path / "in.bin", tmp_path / "out.bin"], check=True, timeout=300)
    got = (tmp_path / "out.bin").read_bytes()
    wrong = next((at for at, pair in enumerate(zip(got, report, strict=False)) if len(set(pair)) > 1), None)
    assert (wrong, len(got)) == (None, len(report))
    assert min(counts[verdict] for verdict in (None, "right", *VERDICTS)) > frames // 100
