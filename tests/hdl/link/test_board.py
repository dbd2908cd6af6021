"""A twin behind a serial line, compiled by Verilator: many frames, and long ones."""

import os
import random
import select
import time
from collections import Counter
from contextlib import contextmanager

import pytest
from cobs import cobs

from memtwin.hdl.lif.layer import LifLayerConfig
from memtwin.hdl.lif.network import LifNetwork
from memtwin.sim.engines.virtual_board import SerialTop, binary, running
from tests.hdl.lif.reference import Reference, image_of
from tests.hdl.link.bench import (
    DIVIDER,
    DONE,
    ENDS,
    IDENTIFY,
    LINK,
    OFFSET,
    READ,
    REGISTERS,
    RUN,
    SPIKES,
    WAIT,
    WRITE,
    events_of,
    frame,
    link_port,
    request,
    unframe,
    words_of,
)
from tests.hdl.link.tiny import STATE, Tiny, spikes_of

PATIENCE = 300  # seconds: a guard against a hang, no limit


class Board:
    """The host's end of the pipes."""

    def __init__(self, board):
        self.board = board
        self.taken = b""
        self.answers = []
        self.events = []
        self.received = 0
        self.sequence = 0

    def send(self, data):
        while data:
            _, ready, _ = select.select([], [self.board.to_twin], [], PATIENCE)
            assert ready, "the twin takes no bytes"
            data = data[os.write(self.board.to_twin, data) :]
            self.listen()

    def listen(self, patience=0.0):
        """Take what has come; returns whether anything has."""
        ready, _, _ = select.select([self.board.from_twin], [], [], patience)
        if not ready:
            return False
        data = os.read(self.board.from_twin, 1 << 16)
        assert data, self.board.failure()
        self.received += len(data)
        *frames, self.taken = (self.taken + data).split(b"\0")
        for stuffed in frames:
            body = unframe(stuffed)
            if body[1] == 0xC0:
                assert body[0] == len(self.events) & 255
                self.events.append(body)
            else:
                self.answers.append(body)
        return True

    def ask(self, operation, *arguments, **fields):
        self.sequence = self.sequence + 1 & 255
        self.send(frame(request(self.sequence, operation, *arguments, **fields)))
        return self.answer(self.sequence, operation)

    def answer(self, sequence, operation):
        end = time.monotonic() + PATIENCE
        while not self.answers and time.monotonic() < end:
            self.listen(0.1)
        body = self.answers.pop(0)
        assert body[:2] == bytes([sequence, operation | 0x80])
        return body[2], body[3:]

    def read(self, address, count=1):
        status, data = self.ask(READ, address, count=count)
        assert status == DONE
        return words_of(data)

    def write(self, address, *words):
        assert self.ask(WRITE, address, words=words) == (DONE, b"")

    def happened(self):
        return [event for body in self.events for event in events_of(body)]

    def until_over(self):
        end = time.monotonic() + PATIENCE
        while not self.events or events_of(self.events[-1])[-1][0] != 3:
            assert time.monotonic() < end
            self.listen(0.1)


@contextmanager
def board_of(network, **options):
    link = link_port(network, **options)
    with running(binary(SerialTop(link, link.host.idle))) as board:
        yield Board(board)


def verdict(stuffed):
    """What a frame is: the name of a counter, ``"nothing"`` or a body."""
    if not stuffed:
        return "nothing"
    try:
        whole = cobs.decode(stuffed)
    except cobs.DecodeError:
        return "malformed" if _decoded(stuffed) <= 254 else "oversized"
    if len(whole) > 254:
        return "oversized"
    if len(whole) < 6:
        return "malformed"
    try:
        return unframe(stuffed)
    except AssertionError:
        return "crc_errors"


def _decoded(stuffed):
    """Bytes of a frame whose codes do not add up, up to its end."""
    at, length = 0, 0
    while at < len(stuffed):
        code = stuffed[at]
        rest = min(code - 1, len(stuffed) - at - 1)
        length += rest
        at += code
        if at < len(stuffed) and code != 255:
            length += 1
    return length


def junk(dice):
    """Bytes up to a zero byte: noise, a damaged frame, a part of one, two run together."""
    good = frame(bytes([dice.randrange(256), dice.randrange(6, 16)]) + dice.randbytes(dice.choice((0, 4, 9, 40, 240))))
    kind = dice.randrange(5)
    if kind == 0:
        return bytes(dice.randrange(1, 256) for _ in range(dice.choice((1, 5, 30, 300)))) + b"\0"
    if kind == 1:
        at = dice.randrange(len(good) - 1)
        return good[:at] + bytes([good[at] ^ 1 << dice.randrange(8)]) + good[at + 1 :]
    if kind == 2:
        return good[: dice.randrange(len(good))] + b"\0"
    if kind == 3:
        return good[: dice.randrange(len(good))] + good
    return good[dice.randrange(len(good)) :]


def test_a_thousand_frames_of_junk_do_nothing_and_are_counted():
    dice = random.Random(7)
    words = [dice.randrange(1 << 16) for _ in range(16)]
    expected = Counter()
    with board_of(Tiny()) as board:
        board.send(b"\0")
        board.write(STATE, *words)
        for _ in range(1000):
            data = junk(dice)
            bodies = []
            for stuffed in data.split(b"\0")[:-1]:
                found = verdict(stuffed)
                if isinstance(found, str):
                    expected[found] += 1
                else:
                    bodies.append(found)
            # A frame that is none the worse asks for what is not known.
            board.send(data)
            for body in bodies:
                status, _ = board.answer(body[0], 0)
                expected["refused"] += status != DONE
        assert board.read(STATE, 16) == words
        names = ("framing_errors", "malformed", "oversized", "crc_errors", "overruns", "refused", "dropped")
        counted = dict(zip(names, board.read(OFFSET["framing_errors"], 7), strict=True))
    del expected["nothing"]
    assert {name: count for name, count in counted.items() if count} == expected
    assert min(counted[name] for name in ("malformed", "oversized", "crc_errors")) > 20


def test_spikes_take_most_of_the_line_and_none_is_lost():
    words = [0xFF, 0x7F, 0x3F, 0x1F] * 4
    with board_of(Tiny()) as board:
        board.write(STATE, *words)
        board.write(OFFSET["options"], SPIKES | ENDS | WAIT)
        board.write(REGISTERS, 3000, 1)
        board.ask(RUN)
        before = board.board.counts
        board.until_over()
        after = board.board.counts
        events = board.happened()
        assert events == spikes_of(words, 3000)
        assert board.read(OFFSET["dropped"]) == [0]
    useful = 4 * len(events)
    line = (after.clocks - before.clocks) / (10 * DIVIDER)
    assert useful > 70_000
    assert useful / line > 0.9


def test_a_lif_network_waits_for_the_line():
    structure = LifLayerConfig(rows=6, neurons=5, lanes=5)
    words = image_of([structure], 6)
    reference = Reference([structure], words)
    network = LifNetwork([structure], 6)
    with board_of(network) as board:
        for address, word in network.memory_map.writes(words):
            board.write(address, word)
        board.write(OFFSET["options"], SPIKES | ENDS | WAIT)
        board.write(REGISTERS, 2000, 1)
        assert board.ask(RUN) == (DONE, b"")
        board.until_over()
        reference.present(2000, init=1)
        now, spikes = 0, [0] * 2000
        for kind, _, _, delta, index, _ in board.happened():
            now += delta
            if kind == 0:
                spikes[now - 1] |= 1 << index
        assert spikes == [bits for (bits,) in reference.spikes]
        assert sum(spikes) > 0
        assert board.happened()[-1][4] == reference.answers[-1][0]
        assert board.read(OFFSET["dropped"]) == [0]


def test_long_numbers_carry():
    with board_of(Tiny()) as board:
        (before, *_) = board.read(OFFSET["clocks"], 3)
        board.write(OFFSET["options"], ENDS)
        board.write(REGISTERS, 300, 500)
        board.ask(RUN)
        board.until_over()
        low, middle, high = board.read(OFFSET["clocks"], 3)
        assert low | middle << 16 | high << 32 == before + 300 * 503 + 2


@pytest.mark.slow
def test_counters_stay_at_their_largest():
    with board_of(Tiny()) as board:
        for _ in range(65540 // 4):
            board.send(b"\1\0" * 4)
        assert board.read(OFFSET["malformed"]) == [65535]
        assert board.ask(IDENTIFY)[0] == DONE
        assert board.read(LINK) == [DIVIDER]
