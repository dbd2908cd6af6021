"""A host at the other end of a twin's serial line, in Amaranth's simulator: frames and bytes in plain Python."""

import zlib

from amaranth.sim import Simulator
from cobs import cobs

from memtwin.hdl.link.port import LinkPort
from memtwin.hdl.port.host import HostPort

IDENTIFY, READ, WRITE, RUN, RESET = range(1, 6)
DONE, UNKNOWN, LENGTH, ADDRESS, BUSY = range(5)
DIVIDER = 4
REGISTERS, LINK = 0x800000, 0xC00000
NAMES = (
    *("divider", "options", "trace_kinds", "state", "runs", "runs_1", "clocks", "clocks_1", "clocks_2"),
    *("framing_errors", "malformed", "oversized", "crc_errors", "overruns", "refused", "dropped"),
)
OFFSET = {name: LINK + index for index, name in enumerate(NAMES)}
SPIKES, FIRES, ENDS, WAIT = 1, 2, 4, 8


def frame(body):
    return cobs.encode(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"


def unframe(stuffed):
    """Body of a frame without its zero byte."""
    whole = cobs.decode(stuffed)
    body = whole[:-4]
    assert zlib.crc32(body).to_bytes(4, "little") == whole[-4:]
    return body


def words_of(data):
    assert len(data) % 2 == 0
    return [int.from_bytes(data[at : at + 2], "little") for at in range(0, len(data), 2)]


def request(sequence, operation, address=None, *, count=None, words=()):
    body = bytes([sequence, operation])
    if address is not None:
        body += address.to_bytes(3, "little")
    if count is not None:
        body += bytes([count])
    return body + b"".join(word.to_bytes(2, "little") for word in words)


def events_of(body):
    """Events of a frame, as (kind, layer, trace, delta, index, value)."""
    assert body[1] == 0xC0
    assert len(body) <= 250
    rest, out = body[2:], []
    while rest:
        trace = rest[0] >> 7
        size = 10 if trace else 4
        value = int.from_bytes(rest[4:size], "little") if trace else None
        assert len(rest) >= size
        out.append((rest[0] & 15, rest[0] >> 4 & 7, trace, rest[1], int.from_bytes(rest[2:4], "little"), value))
        rest = rest[size:]
    return out


class Line:
    """Both ends of the wire."""

    def __init__(self, ctx, link):
        self.ctx = ctx
        self.link = link
        self.divider = DIVIDER  # of the host
        self.answers = []  # bodies of answers
        self.events = []  # bodies of event frames
        self.junk = []  # frames that are none
        self.received = 0  # bytes
        self.sequence = 200

    async def send(self, data, *, stop=1):
        """Bytes, back to back."""
        ctx, link = self.ctx, self.link
        for byte in data:
            for bit in (0, *(byte >> place & 1 for place in range(8)), stop):
                ctx.set(link.rx, bit)
                await ctx.tick().repeat(self.divider)
        ctx.set(link.rx, 1)

    async def ask(self, operation, *arguments, sequence=None, most=20000, **fields):
        """Send a request and wait for its answer; returns status and data."""
        if sequence is None:
            self.sequence = sequence = self.sequence + 1 & 255
        await self.send(frame(request(sequence, operation, *arguments, **fields)))
        return await self.answer(sequence, operation, most=most)

    async def answer(self, sequence, operation, *, most=20000):
        for _ in range(most):
            if self.answers:
                body = self.answers.pop(0)
                assert body[:2] == bytes([sequence, operation | 0x80])
                assert len(body) > 2
                if body[2]:
                    assert len(body) == 3
                return body[2], body[3:]
            await self.ctx.tick()
        raise AssertionError("no answer")

    async def read(self, address, count=1):
        status, data = await self.ask(READ, address, count=count)
        assert status == DONE
        words = words_of(data)
        assert len(words) == count
        return words

    async def write(self, address, *words):
        assert await self.ask(WRITE, address, words=words) == (DONE, b"")

    async def counters(self):
        values = await self.read(OFFSET["framing_errors"], 7)
        return dict(zip(NAMES[9:], values, strict=True))

    async def load(self, writes):
        """Write (address, word) pairs in bursts."""
        writes = list(writes)
        while writes:
            address = writes[0][0]
            length = 1
            while length < min(120, len(writes)) and writes[length][0] == address + length:
                length += 1
            await self.write(address, *(word for _, word in writes[:length]))
            writes = writes[length:]

    async def present(self, **fields):
        """Write registers and run; returns the status."""
        for name, value in fields.items():
            addresses = self.link.host.registers[name]
            await self.write(addresses.start, *(value >> 16 * place & 0xFFFF for place in range(len(addresses))))
        return (await self.ask(RUN))[0]

    async def until_idle(self, most=100_000):
        for _ in range(most):
            if self.ctx.get(self.link.host.idle):
                return
            await self.ctx.tick()
        raise AssertionError("never idle")

    def happened(self):
        """Events of all frames so far, whose sequence has no gap."""
        assert [body[0] for body in self.events] == [number & 255 for number in range(len(self.events))]
        return [event for body in self.events for event in events_of(body)]


def link_port(network, *, paced=False, divider=DIVIDER, **options):
    host = HostPort(network, paced=paced)
    settings = {"clock_hz": 12_000_000, "map_digest": b"themap..", "design_digest": bytes(range(8))} | options
    return LinkPort(host, divider=divider, **settings)


def run(link, script, *watchers):
    """Run `script(line)` on a twin whose bytes are listened to."""

    async def bench(ctx):
        line.ctx = ctx
        if link.host.paced:
            ctx.set(link.tick, 1)
        await line.until_idle()
        await script(line)

    async def listener(ctx):
        taken = b""
        while True:
            await ctx.negedge(link.tx)
            divider = ctx.get(link.divider)
            await ctx.tick().repeat(divider // 2)
            assert ctx.get(link.tx) == 0
            byte = 0
            for place in range(8):
                await ctx.tick().repeat(divider)
                byte |= ctx.get(link.tx) << place
            await ctx.tick().repeat(divider)
            assert ctx.get(link.tx) == 1
            line.received += 1
            if byte:
                taken += bytes([byte])
                continue
            body = unframe(taken)
            (line.events if body[1] == 0xC0 else line.answers).append(body)
            taken = b""

    async def overflow(ctx):
        queue = link._events._queue
        async for _, _, push, level in ctx.tick().sample(queue.push, queue.level):
            assert not (push and level == queue.depth)

    line = Line(None, link)
    simulator = Simulator(link)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.add_testbench(listener, background=True)
    simulator.add_testbench(overflow, background=True)
    for watcher in watchers:
        simulator.add_testbench(watcher, background=True)
    simulator.run()
    return line
