"""The command engine of the link: carries out what frames ask for."""

import enum
from collections.abc import Sequence

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.link.frame_encoder import BODY_BYTE
from memtwin.hdl.link.word_address import WordAddress

__all__ = ["MOST_WORDS", "LinkEngine", "Operation", "Status"]

MOST_WORDS = 120
ANSWER = 0x80


class Operation(enum.IntEnum):
    """What a host can ask for."""

    IDENTIFY = 1
    READ = 2
    WRITE = 3
    RUN = 4
    RESET = 5


class Status(enum.IntEnum):
    """How it went."""

    DONE = 0
    UNKNOWN = 1
    LENGTH = 2
    ADDRESS = 3
    BUSY = 4


class LinkEngine(wiring.Component):
    """Reads a request, looks whether it can be carried out, answers, carries it out.

    Nothing of a request is kept but its address: its bytes are read again when they are needed. A burst is looked
    through, one word per clock, before the first word is written or read.

    Latency: the first byte of an answer is offered ``words + 16`` clocks after `frame_valid`, if no frame of events is
    open. Throughput: a word that is written takes 4 clocks, one that is read ``read_latency + 2`` and as long as `o`
    waits.

    Parameters
    ----------
    identity_words : int
        Words of the identity, which are behind the registers of the link; of the last one, the lower byte.
    end : int
        First address behind the configuration bus's windows.
    readable : sequence of range
        Addresses of the network that can be read; each range is aligned, of a power of two.
    go : int
        Address of the host port's ``go``, behind the registers of a presentation.
    read_latency : int
        Clocks from `read` to `q`, at least 2.

    Members
    -------
    frame_valid, length, byte : In(1), In(8), In(8)
        A request waits, its length, and the byte of the `place` of one clock ago.
    place : Out(8)
        Byte of the request.
    release : Out(1)
        Strobe: the request has been carried out.
    o : Out(stream.Signature(BODY_BYTE))
        Bodies of answers.
    speaks : Out(1)
        No frame of events may begin.
    silence : In(1)
        No frame of events is open.
    sent : In(1)
        All answers have left.
    address : Out(24)
        Address of a word.
    link_address : Out(5)
        Register of the link, or, from 16 on, word of the identity.
    data : Out(16)
        Word to write.
    write, read : Out(1)
        Strobes to the host port.
    q : In(16)
        Word of the host port.
    access : Out(1)
        The registers of the link are used.
    ready : In(1)
        They can be.
    link_write : Out(1)
        Strobe to them.
    link_q : In(16)
        Word of theirs.
    idle : In(1)
        The network is idle.
    reset : Out(1)
        Strobe: the twin goes back to where it was after power-up.
    answer_pending : In(1)
        A new divider waits.
    settle : Out(1)
        Strobe: it takes effect.
    frame_taken : Out(1)
        Strobe: a valid frame is taken in.
    refused : Out(1)
        Strobe: it was answered with another status than 0.

    Source: docs/link.md, sections 3 and 4.
    """

    def __init__(self, *, identity_words: int, end: int, readable: Sequence[range], go: int, read_latency: int) -> None:
        check_integer("read_latency", read_latency, 2)
        self._identity_words = identity_words
        self._target = WordAddress(end, readable, go)
        self._read_latency = read_latency
        super().__init__(
            {
                "frame_valid": In(1),
                "length": In(8),
                "byte": In(8),
                "place": Out(8),
                "release": Out(1),
                "o": Out(stream.Signature(BODY_BYTE)),
                "speaks": Out(1),
                "silence": In(1),
                "sent": In(1),
                "address": Out(24),
                "link_address": Out(5),
                "data": Out(16),
                "write": Out(1),
                "read": Out(1),
                "q": In(16),
                "access": Out(1),
                "ready": In(1),
                "link_write": Out(1),
                "link_q": In(16),
                "idle": In(1),
                "reset": Out(1),
                "answer_pending": In(1),
                "settle": Out(1),
                "frame_taken": Out(1),
                "refused": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the sequence."""
        m = Module()
        operation = Signal(3)
        is_unknown = Signal()
        is_write = operation == Operation.WRITE
        is_identity = operation == Operation.IDENTIFY
        is_burst = is_write | (operation == Operation.READ)
        status = Signal(Status)
        # Words that are left; of a write, half the bytes of the request, which are 2 more.
        left = Signal(8)
        is_last = left == Mux(is_write, 3, 1)

        # A byte of the request is there when its place has stood for a clock.
        is_there = Signal()
        advance = Signal()
        m.d.sync += [is_there.eq(~advance), self.reset.eq(0)]
        with m.If(advance):
            m.d.sync += self.place.eq(self.place + 1)

        m.submodules.word_address = target = self._target
        count = target.count
        is_link = target.is_link
        with m.If(count):
            m.d.sync += left.eq(left - 1)
        m.d.comb += [
            target.place.eq(self.place),
            target.byte.eq(self.byte),
            target.is_write.eq(is_write),
            self.address.eq(target.address),
            self.link_address.eq(Cat(target.address[:4], is_identity)),
        ]

        last_run = Signal(8)
        has_run = Signal()
        is_repeated = Signal()
        is_run = operation == Operation.RUN

        word = Signal(16)
        is_high = Signal()
        waits = Signal(range(self._read_latency))
        passed = Signal()  # the request has been looked through
        body = self.o.payload
        is_good = status == Status.DONE
        m.d.comb += [self.data.eq(word), body.data.eq(word[:8])]

        with m.If(self.reset):
            m.d.sync += has_run.eq(0)
        with m.FSM(name="engine") as fsm:
            with m.State("idle"):
                m.d.comb += target.clear.eq(1)
                m.d.sync += [is_there.eq(0), status.eq(Status.DONE), passed.eq(0), is_high.eq(0)]
                with m.If(self.frame_valid):
                    m.d.comb += self.frame_taken.eq(1)
                    m.next = "header"
            with m.State("header"), m.If(is_there):
                m.d.comb += advance.eq(1)
                with m.Switch(self.place[:3]):
                    with m.Case(0):
                        m.d.sync += is_repeated.eq(has_run & (self.byte == last_run))
                    with m.Case(1):
                        m.d.sync += [operation.eq(self.byte), is_unknown.eq(self.byte[3:].any())]
                    with m.Case(2, 3, 4):
                        m.d.comb += target.load.eq(1)
                    with m.Default():
                        m.d.comb += advance.eq(0)
                        m.d.sync += left.eq(Mux(is_write, self.length[1:], self.byte))
                        m.next = "judge"
                        with m.If(passed):
                            m.next = "words"
            with m.State("judge"):
                m.next = "turn"
                least = Mux(is_write, 3, 1)
                with m.If(is_unknown | (operation == 0) | (operation > Operation.RESET)):
                    m.d.sync += status.eq(Status.UNKNOWN)
                with m.Elif(Mux(is_burst, (left < least) | (left >= least + MOST_WORDS), self.length != 2)):
                    m.d.sync += status.eq(Status.LENGTH)
                with m.Elif(is_burst & Mux(is_write, ~self.length[0], self.length != 6)):
                    m.d.sync += status.eq(Status.LENGTH)
                with m.Elif(is_run & ~is_repeated & ~self.idle):
                    m.d.sync += status.eq(Status.BUSY)
                with m.Elif(is_burst):
                    m.next = "check"
            with m.State("check"):
                m.d.comb += count.eq(1)
                with m.If(is_last):
                    m.next = "turn"
                with m.If(target.is_beyond | ~target.is_inside):
                    m.d.sync += status.eq(Status.ADDRESS)
                    m.next = "turn"
                with m.Elif(~is_link & ~self.idle):
                    m.d.sync += status.eq(Status.BUSY)
            with m.State("turn"):
                m.d.comb += [target.clear.eq(1), target.identity.eq(is_identity), target.run.eq(is_run)]
                m.d.sync += [self.place.eq(0), is_there.eq(0), passed.eq(1)]
                with m.If(is_identity):
                    # A host that has just come knows nothing of the run of the one before.
                    m.d.sync += [left.eq(self._identity_words), has_run.eq(0)]
                with m.If(self.silence):
                    m.next = "answer"

            # Sequence number, operation and status, at their places.
            with m.State("answer"):
                is_status = self.place[1]
                # An operation that is not known is not repeated: with bit 7 it may be that of another answer, or event.
                repeated = Mux(self.place[0] & (status == Status.UNKNOWN), 0, self.byte)
                has_words = is_good & (is_identity | is_burst)
                m.d.comb += [
                    self.o.valid.eq(is_there),
                    body.data.eq(Mux(is_status, status, repeated | (self.place[0] << 7))),
                    body.last.eq(is_status & ~(has_words & ~is_write)),
                    # The address of a burst begins where the status is in the answer.
                    advance.eq(self.o.valid & self.o.ready & ~is_status),
                ]
                with m.If(is_run & is_good & is_there & (self.place[:2] == 0)):
                    m.d.sync += [last_run.eq(self.byte), has_run.eq(1)]
                with m.If(self.o.valid & self.o.ready & is_status):
                    m.next = "end"
                    with m.If(is_run & is_good & ~is_repeated):
                        m.next = "run"
                    with m.If(has_words):
                        m.next = "header"
                        with m.If(is_identity):
                            m.next = "words"

            # Reading, a word is fetched, and answered; writing, it is taken, and stored.
            with m.State("words"):
                m.d.comb += self.access.eq(is_link)
                m.d.sync += waits.eq(self._read_latency - 1)
                with m.If(~is_write):
                    m.d.comb += self.read.eq(~is_link)
                    with m.If(~is_link | self.ready):
                        m.next = "fetch"
                with m.Elif(is_there):
                    m.d.comb += advance.eq(1)
                    m.d.sync += [word.eq(Cat(word[8:], self.byte)), is_high.eq(~is_high)]
                    with m.If(is_high):
                        m.next = "store"
            with m.State("store"):
                m.d.comb += [
                    self.access.eq(is_link),
                    self.write.eq(~is_link),
                    self.link_write.eq(is_link & self.ready),
                    count.eq(~is_link | self.ready),
                ]
                with m.If(count):
                    m.next = "words"
                    with m.If(is_last):
                        m.next = "end"
            with m.State("fetch"):
                m.d.comb += self.access.eq(is_link)
                m.d.sync += [waits.eq(waits - 1), word.eq(Mux(is_link, self.link_q, self.q))]
                with m.If(waits == 0):
                    m.next = "word"
            with m.State("word"):
                m.d.comb += [
                    self.access.eq(is_link),
                    self.o.valid.eq(1),
                    body.last.eq(is_last & (is_high | is_identity)),  # the identity has an odd number of bytes
                ]
                with m.If(self.o.ready):
                    m.d.sync += [word.eq(Cat(word[8:], self.byte)), is_high.eq(~is_high)]
                    with m.If(is_high):
                        m.d.comb += count.eq(1)
                        m.next = "words"
                    with m.If(body.last):
                        m.next = "end"

            with m.State("run"):
                m.d.comb += self.write.eq(1)
                m.next = "end"
            with m.State("end"):
                m.d.comb += [self.release.eq(1), self.refused.eq(~is_good)]
                m.d.sync += [self.place.eq(0), self.reset.eq(is_good & (operation == Operation.RESET))]
                m.next = "idle"
                with m.If(self.answer_pending):
                    m.next = "drain"
            with m.State("drain"), m.If(self.sent):
                m.d.comb += self.settle.eq(1)
                m.next = "idle"
            quiet = ("idle", "judge", "check")
            m.d.comb += self.speaks.eq(
                ~Cat(fsm.ongoing(state) for state in quiet).any() & ~(fsm.ongoing("header") & ~passed)
            )
        return m
