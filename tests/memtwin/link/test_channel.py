"""The line to a twin in pure Python that loses, damages and delays frames, and throws clients out."""

import os
import socket

import numpy as np
import pytest

from memtwin.link import BAUD, Link, LinkError
from memtwin.link.maps import LARGEST_BURST
from tests import fake_twin
from tests.fake_twin import a_map, on_a_line, served
from tests.memtwin.link.words import CONDUCTANCE, HANG_S, IMAGE, TIMEOUT


@pytest.mark.parametrize("lost", [2, 3, 5])
def test_lost_request_is_repeated(link, twin, lost):
    link._channel._patience = TIMEOUT
    first = len(twin.requests)
    twin.lose = lambda count: count == first + lost
    link.load(IMAGE)
    assert np.array_equal(link.read("layer1.conductance"), CONDUCTANCE)
    assert link.read("layer1.theta").tolist() == list(range(300))
    sent = twin.requests[first:]
    assert len(set(sent)) < len(sent)  # the same frame, with the same sequence number


@pytest.mark.parametrize("lost", [1, 4, 7])
def test_lost_answer_is_asked_for_again(link, twin, lost):
    link._channel._patience = TIMEOUT
    first = twin.answers
    twin.mangle = lambda count, frame: b"" if count == first + lost else frame
    link.load(IMAGE)
    assert np.array_equal(link.read("layer1.conductance"), CONDUCTANCE)


@pytest.mark.parametrize("at", [0, 1, 5, -2, -1])
def test_damaged_answer_is_asked_for_again(link, twin, at):
    link._channel._patience = TIMEOUT
    link.load(IMAGE)
    first = twin.answers

    def mangle(count: int, frame: bytes) -> bytes:
        if count != first + 2:
            return frame
        damaged = bytearray(frame)
        damaged[at] ^= 0x55
        return bytes(damaged)

    twin.mangle = mangle
    assert link.read("layer1.theta").tolist() == list(range(300))


def test_noise_between_answers_does_no_harm(link, twin):
    twin.mangle = lambda count, frame: os.urandom(count % 40).replace(b"\0", b"\1") + b"\0" + frame
    link.load(IMAGE)
    assert link.read("layer1.theta").tolist() == list(range(300))


def test_random_losses_in_both_directions(link, twin):
    rng = np.random.default_rng(1)
    twin.lose = lambda count: rng.random() < 0.1
    twin.mangle = lambda count, frame: b"" if rng.random() < 0.1 else frame
    link._channel._attempts = 20
    link._channel._patience = 0.02
    for _ in range(3):
        values = rng.integers(0, 65536, 300)
        link.load(IMAGE | {"layer1.theta": values})
        assert np.array_equal(link.read("layer1.theta"), values)


def test_late_answer_is_not_taken_for_another(link, twin):
    link.load(IMAGE)
    held = []

    def mangle(count: int, frame: bytes) -> bytes:
        # Every answer comes after the time-out, together with the one to the repetition.
        if not held:
            held.append(frame)
            return b""
        return held.pop() + frame

    twin.mangle = mangle
    link._channel._patience = 0.03
    assert link.read("layer1.theta", 0, 1).tolist() == [0]
    assert link.read("layer1.theta", 1, 1).tolist() == [1]
    assert link.read("layer1.theta", 2, 1).tolist() == [2]


def test_no_answer_at_all_says_what_to_check(server, twin):
    twin.lose = lambda count: True
    with pytest.raises(LinkError) as error:
        Link(server.url, map=twin.map, timeout=0.05)
    assert str(error.value) == (
        f"no answer from {server.url} in 0.05 s, 3 attempts: is the design flashed and the baud rate right ({BAUD})?"
    )
    assert len(twin.requests) == 3
    assert len(set(twin.requests)) == 1


def test_endless_noise_is_no_answer(server, twin):
    twin.lose = lambda count: True
    taken = []
    twin.receive = lambda data: taken.append(data) or b"\x11" * 2000
    with pytest.raises(LinkError, match="no answer from"):
        Link(server.url, map=twin.map, timeout=0.05)
    assert len(b"".join(taken).replace(b"\0\0", b"\0").strip(b"\0").split(b"\0")) == 3


def test_two_requests_are_in_flight(twin):
    # A twin that answers only when it has two requests: it would wait for ever for the second.
    with served(twin) as server, Link(server.url, map=twin.map, timeout=HANG_S) as link:
        held = []

        def mangle(count: int, frame: bytes) -> bytes:
            held.append(frame)
            if len(held) < 2:
                return b""
            out = b"".join(held)
            held.clear()
            return out

        twin.mangle = mangle
        before = len(twin.requests)
        link.write("layer1.theta", np.arange(2 * LARGEST_BURST))
        assert len(twin.requests) == before + 2
        twin.mangle = lambda count, frame: frame


# Connections


def test_second_client_is_told(server, twin):
    with (
        Link(server.url, map=twin.map),
        pytest.raises(LinkError, match=f"the twin at {server.url} is in use by another client"),
    ):
        Link(server.url, map=twin.map)


def test_client_may_be_thrown_out_at_any_byte_and_come_back(server, twin):
    def work() -> None:
        with Link(server.url, map=twin.map, timeout=1.0) as link:
            link.load(IMAGE)
            assert link.read("layer1.theta").tolist() == list(range(300))

    for limit in range(1, 120):
        server.sent_limit, server.received_limit = (limit // 2 + 1, None) if limit % 2 else (None, limit // 2)
        with pytest.raises(LinkError, match=r"has gone|in use by another client"):
            work()
        work()


def test_twin_may_be_left_at_any_byte(server, twin):
    frame = fake_twin.stuff(b"\x01\x02\x00\x02\x00\x20" + b"\x12\x34\x56\x78")
    host, port = server.url.removeprefix("socket://").split(":")
    for size in range(1, len(frame)):
        with socket.create_connection((host, int(port))) as raw:
            raw.sendall(frame[:size])
        with Link(server.url, map=twin.map, timeout=1.0) as link:
            link.write("layer1.theta", [size])
            assert link.read("layer1.theta", 0, 1).tolist() == [size]


PORTS = {
    "nobody": ("socket://127.0.0.1:1", r"port socket://127\.0\.0\.1:1: cannot connect .*is memtwin serve running\?"),
    "no number": ("socket://localhost", "expected socket://HOST:NUMBER"),
    "large number": ("socket://localhost:99999", "expected socket://HOST:NUMBER"),
    "path": ("socket://localhost:5000/x", "expected socket://HOST:NUMBER"),
    "no device": ("/dev/nowhere", "port /dev/nowhere: cannot be opened (.*); is it there, yours and free"),
    "no line": ("/dev/null", r"port /dev/null: cannot be opened \([^()]+\); is it there, yours and free"),
    "no scheme": ("bogus://host", "port bogus://host: cannot be opened"),
}


@pytest.mark.parametrize(("port", "said"), PORTS.values(), ids=PORTS)
def test_port_that_cannot_be_opened(port, said):
    with pytest.raises(LinkError, match=said) as error:
        Link(port, map=a_map())
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("baud", [0, -9600])
def test_baud_rate_that_is_none(baud):
    with pytest.raises(LinkError, match=f"expected a baud rate of more than 0, not {baud}"):
        Link("socket://localhost:5000", baud=baud, map=a_map())


def test_serial_port(twin):
    with on_a_line(twin) as device:
        with Link(device, map=twin.map, timeout=TIMEOUT) as link:
            link.load(IMAGE)
            assert link.read("layer1.theta").tolist() == list(range(300))
            with pytest.raises(LinkError, match=r"cannot be opened .*free"):
                Link(device, map=twin.map)
            twin.lose = lambda count: True
            with pytest.raises(LinkError, match=rf"no answer from {device} in 0\.5 s, 3 attempts"):
                link.identify()
        twin.lose = lambda count: False
        with Link(device, map=twin.map, baud=115200):
            pass
