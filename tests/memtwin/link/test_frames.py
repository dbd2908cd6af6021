"""Frames against a stuffing of the test's own, and whatever a line makes of them."""

import zlib

import pytest
from cobs import cobs
from hypothesis import given
from hypothesis import strategies as st

from memtwin.link.frames import LARGEST_BODY, FrameReader, encode
from tests.fake_twin import stuff, unstuff

bodies = st.binary(min_size=2, max_size=LARGEST_BODY)


def whole(body: bytes) -> bytes:
    return body + zlib.crc32(body).to_bytes(4, "little")


@given(bodies)
def test_frame_is_that_of_the_contract(body):
    frame = encode(body)
    assert frame == stuff(whole(body))
    assert frame.find(b"\0") == len(frame) - 1
    assert len(frame) == len(body) + 6
    assert unstuff(frame[:-1]) == whole(body)


def test_longest_frame_has_one_code_byte_in_front():
    body = next(body for byte in range(1, 256) if 0 not in whole(body := bytes([byte]) * LARGEST_BODY))
    assert encode(body) == b"\xff" + whole(body) + b"\0"


@pytest.mark.parametrize("size", [0, 1, LARGEST_BODY + 1])
def test_body_of_another_length_is_refused(size):
    with pytest.raises(ValueError, match=f"not {size}"):
        encode(bytes(size))


@given(st.lists(bodies, max_size=5), st.randoms(use_true_random=False))
def test_frames_are_found_however_they_are_cut(sent, random):
    stream = b"".join(encode(body) for body in sent)
    reader, found = FrameReader(), []
    while stream:
        size = random.randint(1, 300)
        found += reader.feed(stream[:size])
        stream = stream[size:]
    assert found == sent
    assert reader.damaged == 0


@given(bodies, st.data())
def test_a_damaged_byte_costs_no_other_frame(body, data):
    frame = bytearray(encode(body))
    at = data.draw(st.integers(0, len(frame) - 1))
    frame[at] ^= data.draw(st.integers(1, 255))
    reader = FrameReader()
    # The zero byte ends a frame that has lost its own.
    assert list(reader.feed(bytes(frame) + b"\0" + encode(b"next"))) == [b"next"]
    assert reader.damaged >= 1


@given(st.binary(max_size=2000))
def test_junk_is_no_frame_and_does_not_hang(junk):
    reader = FrameReader()
    assert list(reader.feed(junk)) == []  # by chance, once in 2**32 frames
    assert list(reader.feed(b"\0" + encode(b"next"))) == [b"next"]


def test_a_line_that_never_is_zero_fills_no_memory():
    reader = FrameReader()
    for _ in range(100):
        assert list(reader.feed(b"\x55" * 1000)) == []
        assert len(reader._codes) <= 255
    assert list(reader.feed(b"\0" + encode(b"next"))) == [b"next"]
    assert reader.damaged == 1


def test_the_longest_frame_is_taken_and_no_longer_one():
    longest = next(body for byte in range(1, 256) if 0 not in whole(body := bytes([byte]) * LARGEST_BODY))
    reader = FrameReader()
    assert list(reader.feed(encode(longest))) == [longest]
    longer = cobs.encode(whole(bytes(LARGEST_BODY + 1))) + b"\0"
    assert list(reader.feed(longer)) == []
    assert reader.damaged == 1


def test_zero_bytes_are_no_frames():
    reader = FrameReader()
    assert list(reader.feed(b"\0\0\0")) == []
    assert reader.damaged == 0
