"""Proofs of the frame decoder and its buffers, most of them from any state, and proofs that the proofs can fail."""

import inspect

import pytest
from amaranth.hdl import Array, Assert, Assume, Const, Cover, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from memtwin.hdl.link import frame_buffers, frame_decoder
from memtwin.hdl.link.frame_buffers import FrameBuffers
from memtwin.hdl.link.frame_decoder import FrameDecoder
from tests.formal import prove
from tests.hdl.link.frame_reference import encode

pytestmark = pytest.mark.formal

STROBES = ("malformed", "oversized", "crc_error", "overrun")


class OneGoodFrame(wiring.Component):
    """A decoder in any state is given a zero byte, while what waits is released, and a good frame.

    The zero byte is taken after 8 clocks at most, the frame is accepted, and its bytes are there.
    """

    BODY = b"\0o"
    DEPTH = 8 + 9 * (len(BODY) + 4) + 4 + len(BODY) + 2

    def __init__(self, dut):
        self.dut = dut
        super().__init__({})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        given = b"\0" + encode(self.BODY) + b"\0"
        at = Signal(range(len(given) + 1))
        is_given = at == len(given)
        m.d.comb += [
            dut.i.valid.eq(~is_given),
            dut.i.payload.eq(Array([*given, 0])[at]),
            dut.release.eq(at <= 1),
        ]
        with m.If(dut.i.valid & dut.i.ready):
            m.d.sync += at.eq(at + 1)

        clocks = Signal(7)
        m.d.sync += clocks.eq(clocks + 1)
        with m.If(clocks == 9):
            m.d.comb += Assert(at != 0)
        address = Signal(range(len(self.BODY) + 1))
        asked = Signal(range(len(self.BODY) + 2))  # address of the clock before, plus 1
        m.d.comb += dut.address.eq(address)
        with m.If(is_given):
            m.d.comb += Assert(dut.frame_valid & (dut.length == len(self.BODY)))
            m.d.sync += asked.eq(address + 1)
            with m.If(address != len(self.BODY)):
                m.d.sync += address.eq(address + 1)
        with m.Switch(asked):
            for number, byte in enumerate(self.BODY, 1):
                with m.Case(number):
                    m.d.comb += Assert(dut.data == byte)
        with m.If(clocks == self.DEPTH - 1):
            m.d.comb += Assert(address == len(self.BODY))
        return m


class OneVerdict(wiring.Component):
    """A decoder in any state under any bytes, framing errors and releases.

    From the first zero byte on, a frame begins with its first other byte and ends with the next zero byte. A verdict
    comes one clock after the end of a frame, and at no other time: one strobe, or a body that waits where none did. A
    frame with a framing error has none. The decoder is back at the beginning one clock after every zero byte.
    """

    DEPTH = 24

    def __init__(self, dut, property_):
        self.dut = dut
        self.property = property_
        super().__init__({"valid": In(1), "byte": In(8), "framing_error": In(1), "release": In(1), "address": In(8)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        m.d.comb += [
            dut.i.valid.eq(self.valid),
            dut.i.payload.eq(self.byte),
            dut.framing_error.eq(self.framing_error),
            dut.release.eq(self.release),
            dut.address.eq(self.address),
        ]
        self.take = take = self.valid & dut.i.ready
        self.is_zero = is_zero = self.byte == 0
        self.known = Signal()
        self.begun = Signal()
        self.first = Signal()  # the byte before was the first one of a frame
        self.ended = Signal()  # it was the end of one
        spoiled = Signal()
        waited = Signal()
        self.rose = dut.frame_valid & ~waited
        m.d.sync += [
            waited.eq(dut.frame_valid),
            self.first.eq(self.known & take & ~is_zero & ~self.begun),
            self.ended.eq(self.known & take & is_zero & self.begun & ~spoiled),
        ]
        with m.If(take):
            m.d.sync += [self.begun.eq(~is_zero), spoiled.eq(spoiled & ~is_zero)]
            with m.If(is_zero):
                m.d.sync += self.known.eq(1)
        with m.If(self.framing_error):
            m.d.sync += spoiled.eq(1)
        self.property(m, dut, self)
        return m


def one_verdict(m, dut, top):
    """No verdict but one for each frame, and none for anything else."""
    was_known = Signal()
    m.d.sync += was_known.eq(top.known)
    verdicts = sum((getattr(dut, name) for name in STROBES), top.rose)
    with m.If(was_known):
        m.d.comb += Assert(verdicts <= Mux(top.ended, 1, 0))


def idle_after_a_zero_byte(m, dut, top):
    """After a zero byte the next byte is taken at once, and the first byte of a frame, a code, is never stored."""
    ready_next = Signal()
    m.d.sync += ready_next.eq(top.take & top.is_zero)
    m.d.comb += Assert(~(ready_next | top.first) | dut.i.ready)


def never_long(m, dut, top):
    """The decoder is never busy for more than the 8 bits of a byte."""
    clocks = Signal(5)
    m.d.sync += clocks.eq(Mux(dut.i.ready, 0, clocks + 1))
    m.d.comb += Assert(clocks <= 8)


def reachable(m, dut, top):
    """What the properties speak of does happen."""
    ended = Signal()
    m.d.sync += ended.eq(top.take & top.is_zero)
    m.d.comb += [
        *(Cover(ended & getattr(dut, name)) for name in STROBES),
        Cover(ended & top.rose),
        Cover(top.ended & dut.malformed),
        Cover(top.ended & dut.overrun),
        Cover(top.first & dut.frame_valid),
    ]


class Kept(wiring.Component):
    """Buffers under any writes, ends, releases and addresses, with one byte that is followed.

    What was written last at its address before a frame was whole is read there while that frame waits, whatever is
    written meanwhile; frames keep their order; only two wait.
    """

    DEPTH = 9

    def __init__(self, dut, property_):
        self.dut = dut
        self.property = property_
        super().__init__(
            {
                "address": In(8),
                "write_address": In(8),
                "write_data": In(8),
                "write": In(1),
                "done": In(1),
                "release": In(1),
            }
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.dut = dut = self.dut
        m.d.comb += [getattr(dut, name).eq(getattr(self, name)) for name in self.signature.members]
        # The address is the solver's choice, but does not change.
        past = Signal()
        before = Signal(8)
        m.d.sync += [past.eq(1), before.eq(self.address)]
        m.d.comb += Assume(~past | (before == self.address))

        # The values there: of the frame that is filled, if it was written, and of those that wait.
        self.values = values = [Signal(9, name=f"value_{k}") for k in range(3)]  # the last one is being filled
        self.number = number = Signal(2)
        written = Signal(9)
        m.d.comb += written.eq(values[2])
        with m.If(self.write & (self.write_address == self.address) & (number != 2)):
            m.d.comb += written.eq(self.write_data | 0x100)
        m.d.sync += values[2].eq(written)
        is_done = self.done & (number != 2)
        is_released = self.release & (number != 0)
        left = Signal(2)
        m.d.comb += left.eq(number - is_released)
        m.d.sync += number.eq(left + is_done)
        with m.If(is_released):
            m.d.sync += values[0].eq(values[1])
        with m.If(is_done):
            m.d.sync += values[2].eq(0)
            with m.Switch(left):
                for k in range(2):
                    with m.Case(k):
                        m.d.sync += values[k].eq(written)

        # What is read belongs to the frame of the clock before.
        self.expected = Signal(9)
        m.d.sync += self.expected.eq(Mux(number == 0, 0, values[0]))
        self.property(m, dut, self)
        return m


def kept(m, dut, top):
    """The byte that is followed is what it was, and as many frames wait as should."""
    m.d.comb += [
        Assert(~top.expected[8] | (dut.data == top.expected[:8])),
        Assert((dut.waits == (top.number != 0)) & (dut.full == (top.number == 2))),
    ]


def both_kept(m, dut, top):
    """What the property speaks of does happen: two frames wait, and the second one is read after the first one."""
    releases = Signal(3)
    with m.If(dut.full & top.release):
        m.d.sync += releases.eq(releases + 1)
    m.d.comb += [
        Cover(dut.full & top.values[0][8] & top.values[1][8] & (top.values[0] != top.values[1])),
        Cover((releases == 2) & top.expected[8] & (dut.data == Const(0x5A, 8))),
    ]


def mutant(module, name, old, new):
    """Component built from the source of its module with one thing wrong."""
    source = inspect.getsource(module)
    assert source.count(old) == 1, f"the module no longer has {old!r} once"
    names = {}
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    return names[name]()


def test_a_good_frame_is_taken_in_any_state(tmp_path):
    assert prove(OneGoodFrame(FrameDecoder()), OneGoodFrame.DEPTH, "good", tmp_path, anything_in="dut") is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("is_spoiled.eq(0)", "is_spoiled.eq(is_spoiled)"),
        ("ResetInserter(is_first)(crc)", "crc"),
    ],
)
def test_a_state_that_a_frame_cannot_leave_is_caught(old, new, tmp_path):
    dut = mutant(frame_decoder, "FrameDecoder", old, new)
    assert prove(OneGoodFrame(dut), OneGoodFrame.DEPTH, "good", tmp_path, anything_in="dut") is not None


def holds(m, dut, top):
    """All properties in one proof, which costs less than one proof each."""
    one_verdict(m, dut, top)
    idle_after_a_zero_byte(m, dut, top)
    never_long(m, dut, top)


def test_one_verdict_for_each_frame_in_any_state(tmp_path):
    assert prove(OneVerdict(FrameDecoder(), holds), OneVerdict.DEPTH, "verdict", tmp_path, anything_in="dut") is None


def test_every_verdict_is_reachable(tmp_path):
    top = OneVerdict(FrameDecoder(), reachable)
    assert prove(top, OneVerdict.DEPTH, "verdict", tmp_path, anything_in="dut", cover=True) is None


@pytest.mark.parametrize(
    ("property_", "old", "new"),
    [
        (one_verdict, "with m.Elif(is_malformed)", "with m.If(is_malformed)"),
        (one_verdict, "is_zero & is_begun & ~is_spoiled", "is_zero & is_begun"),
        (one_verdict, "is_zero & is_begun & ~is_spoiled", "is_zero & ~is_spoiled"),
        (one_verdict, "self.crc_error.eq(0)]", "self.crc_error.eq(self.crc_error)]"),
        (idle_after_a_zero_byte, "(is_joined | ~is_begun)", "is_joined"),
        (never_long, "word.eq(word[1:])", "word.eq(word)"),
    ],
)
def test_a_wrong_verdict_is_caught(property_, old, new, tmp_path):
    top = OneVerdict(mutant(frame_decoder, "FrameDecoder", old, new), property_)
    assert prove(top, OneVerdict.DEPTH, "verdict", tmp_path, anything_in="dut") is not None


def test_a_frame_that_waits_is_never_written(tmp_path):
    assert prove(Kept(FrameBuffers(), kept), Kept.DEPTH, "kept", tmp_path) is None


def test_two_frames_that_wait_are_reachable(tmp_path):
    assert prove(Kept(FrameBuffers(), both_kept), Kept.DEPTH, "kept", tmp_path, cover=True) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("front ^ self.waits", "front"),
        ("self.write & ~self.full", "self.write"),
        ("second.eq(0)", "second.eq(second)"),
        ("self.release & self.waits", "self.release"),
    ],
)
def test_a_frame_that_is_lost_is_caught(old, new, tmp_path):
    assert prove(Kept(mutant(frame_buffers, "FrameBuffers", old, new), kept), Kept.DEPTH, "kept", tmp_path) is not None
