"""The client against a twin in pure Python that loses, damages and delays frames, and throws clients out."""

import os
import socket
import time

import numpy as np
import pytest

from memtwin.link import BAUD, Identity, Link, LinkError, LinkEvent, Snapshot
from memtwin.link.maps import LARGEST_BURST
from memtwin.sim.errors import InputError
from tests import fake_twin
from tests.fake_twin import FakeTwin, a_map, on_a_line, served

HANG_S = 120.0  # a guard against a hang, no limit
TIMEOUT = 0.5  # of answers that do not come; long against those that do

CONDUCTANCE = np.arange(15, dtype=np.uint16).reshape(3, 5) + 1000
IMAGE = {"layer1.conductance": CONDUCTANCE, "layer1.leak_half": [7], "layer1.leak": [6], "layer1.theta": range(300)}


@pytest.fixture
def twin():
    return FakeTwin()


@pytest.fixture
def server(twin):
    with served(twin) as server:
        yield server


@pytest.fixture
def link(server, twin):
    with Link(server.url, map=twin.map, timeout=HANG_S) as link:
        yield link


def event(kind: int, delta: int, index: int, layer: int = 0) -> bytes:
    return bytes([layer << 4 | kind, delta]) + index.to_bytes(2, "little")


def trace(kind: int, delta: int, index: int, value: int, layer: int = 0) -> bytes:
    return bytes([0x80 | layer << 4 | kind, delta]) + index.to_bytes(2, "little") + value.to_bytes(6, "little")


DONE = event(3, 0, 9)

# What a twin is


def test_identity(link, twin):
    digest = twin.map["map_digest"]
    assert link.identity == Identity(2, fake_twin.DESIGN_DIGEST, digest, fake_twin.CLOCK_HZ)
    assert link.map.design == "toy"


def test_first_byte_ends_what_another_host_left(server, twin):
    twin.receive(b"\x20half a frame")
    with Link(server.url, map=twin.map, timeout=TIMEOUT):
        pass
    assert twin.counters["malformed"] == 1
    assert len(twin.requests) == 1  # the very first was understood


def test_map_is_looked_up_by_its_digest(server, twin):
    others = [a_map("other"), twin.map, a_map("later")]
    asked = []

    def maps():
        for document in others:
            asked.append(document["design"])
            yield document

    with Link(server.url, maps=maps) as link:
        assert link.map.design == "toy"
    assert asked == ["other", "toy"]  # no further: a map takes time to make
    with (
        Link(server.url, maps=lambda: [a_map("other")]) as link,
        pytest.raises(LinkError, match=rf"map {twin.map['map_digest']} is that of no design as shipped; give the JSON"),
    ):
        link.snapshot()


def test_what_every_twin_has_needs_no_map(server, twin):
    with Link(server.url, maps=lambda: pytest.fail("a map is made")) as link:
        assert link.status().idle
        link.clear_counters()
        assert set(link.counters().values()) == {0}


@pytest.mark.parametrize("length", [-1, 1])
def test_registers_of_the_wrong_length_are_a_version_mismatch(link, monkeypatch, length):
    honest = link._channel.exchange

    def other(requests):
        return [answer[:length] if length < 0 else answer + b"\0" for answer in honest(requests)]

    monkeypatch.setattr(link._channel, "exchange", other)
    with pytest.raises(LinkError, match="an answer of the wrong length; version mismatch between bitstream and host"):
        link.status()


def test_map_of_another_twin_is_refused(server, twin):
    with pytest.raises(
        LinkError, match=rf"expected its own map {twin.map['map_digest']}, not [0-9a-f]{{16}} \(other\)"
    ):
        Link(server.url, map=a_map("other"))


def test_operation_that_the_twin_does_not_know(link, twin, monkeypatch):
    monkeypatch.setattr(twin, "_carry_out", lambda body: twin._send(bytes([body[0], 0x80, 1])))
    with pytest.raises(
        LinkError, match="refuses to run: it does not know the operation; version mismatch between bitstream and host"
    ):
        link.run()


def test_twin_of_another_protocol_is_refused(server, twin):
    twin.protocol = 1
    with pytest.raises(LinkError, match="expected protocol 2, not 1; version mismatch between bitstream and host"):
        Link(server.url, map=twin.map)


def test_status_and_counters(link, twin):
    twin.counters["malformed"] = 3
    twin.counters["dropped"] = 70000
    status = link.status()
    assert (status.idle, status.powered, status.runs, status.clocks) == (True, True, 0, twin.clocks)
    counters = link.counters()
    assert counters == dict.fromkeys(fake_twin.COUNTERS, 0) | {"malformed": 3, "dropped": 65535}
    link.clear_counters()
    assert set(link.counters().values()) == {0}


# What a twin holds


def test_image_is_loaded_in_bursts_of_neighbours(link, twin):
    del twin.requests[:]
    link.load(IMAGE)
    assert [twin.words[address] for address in (0, 1)] == [6, 7]
    for row in range(3):
        assert [twin.words[128 + 8 * row + column] for column in range(5)] == CONDUCTANCE[row].tolist()
    assert [twin.words[512 + index] for index in range(300)] == list(range(300))
    assert not set(range(133, 136)) & set(twin.words)  # between the rows
    sizes = [(len(body) - 5) // 2 for body in twin.requests]
    assert sizes == [2, 5, 5, 5, 120, 120, 60]


def test_words_come_back_in_their_shape(link):
    link.load(IMAGE)
    assert np.array_equal(link.read("layer1.conductance"), CONDUCTANCE)
    assert link.read("layer1.conductance").dtype == np.uint16
    assert link.read("layer1.theta").tolist() == list(range(300))
    assert link.read("layer1.theta", 118, 5).tolist() == [118, 119, 120, 121, 122]
    assert link.read("layer1.conductance", 4, 3).tolist() == [1004, 1005, 1006]  # over the end of a row
    assert link.read("runs").tolist() == [0, 0]


def test_part_of_a_window_is_written(link):
    link.load(IMAGE)
    link.write("layer1.conductance", [1, 2], first=9)
    assert link.read("layer1.conductance")[1:].ravel().tolist() == [
        1005,
        1006,
        1007,
        1008,
        1,
        2,
        1011,
        1012,
        1013,
        1014,
    ]


def test_words_are_written_by_their_addresses(link, twin):
    del twin.requests[:]
    link.write_words([600, 601, 602, 0, 1, 520], [9, 8, 7, 6, 5, 4])
    assert [twin.words[address] for address in (600, 601, 602, 0, 1, 520)] == [9, 8, 7, 6, 5, 4]
    assert len(twin.requests) == 3
    for addresses, words, said in (
        ([1 << 24], [0], "address: expected 0 to 16777215"),
        ([0], [1 << 16], "word: expected 0 to 65535, not 65536"),
        ([0, 1], [0], "words: expected 2, as there are addresses, not 1"),
    ):
        with pytest.raises(InputError, match=said):
            link.write_words(addresses, words)


def test_integer_fills_a_register_of_several_words(link, twin):
    link.show(pixels=0x12345, periods=20)
    assert [twin.words[fake_twin.REGISTERS + at] for at in range(3)] == [0x2345, 1, 20]


MISTAKES = {
    "no such name": (
        lambda link: link.read("layer9.leak"),
        "layer9.leak: not in the map of design toy; it has layer1.",
    ),
    "coefficient": (
        lambda link: link.read("layer1.leak"),
        r"layer1.leak: cannot be read; expected a window of state \(layer1.conductance, layer1.theta\)",
    ),
    "part": (lambda link: link.read("layer1.theta", 299, 2), "expected a part of its 300 words, not 299 to 300"),
    "nothing": (lambda link: link.read("layer1.theta", 0, 0), "expected a part of its 300 words"),
    "first": (lambda link: link.write("layer1.theta", [1], first=300), "expected a first word of 0 to 299, not 300"),
    "too many": (lambda link: link.write("layer1.theta", [1, 2], first=299), "expected up to 1 words from word 299"),
    "no word": (lambda link: link.write("layer1.theta", [65536]), "expected integers of 0 to 65535, not 65536"),
    "negative": (lambda link: link.write("layer1.theta", [-1]), "expected integers of 0 to 65535, not -1"),
    "fraction": (lambda link: link.write("layer1.theta", [0.5]), "expected integers"),
    "ragged": (lambda link: link.write("layer1.conductance", [[1, 2], [3]]), "expected words, or rows of equal length"),
    "shape": (
        lambda link: link.write("layer1.conductance", CONDUCTANCE.T),
        r"expected 3 x 5 words, not the shape \(5, 3\)",
    ),
    "short words": (lambda link: link.load({"layer1.theta": [1]}), "expected 300 words from word 0 on, not 1"),
    "words": (lambda link: link.load({"layer2.theta": [1]}), "layer2.theta: not in the map"),
    "register": (lambda link: link.show(pixels=1 << 32), "pixels: expected 0 to 4294967295, not 4294967296"),
    "field": (
        lambda link: link.show(learn=1),
        "learn: expected a field of a presentation, one of pixels, periods, init",
    ),
    "kind": (lambda link: link.stream(trace_kinds=[16]), "trace_kinds: expected 0 to 65535"),
}


@pytest.mark.parametrize(("mistake", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_before_anything_is_sent(link, twin, mistake, said):
    before = dict(twin.words)
    with pytest.raises(InputError, match=said) as error:
        mistake(link)
    assert "\n" not in str(error.value)
    assert twin.words == before
    assert not twin.options


def test_what_the_twin_refuses_is_told_with_the_reason(link, twin):
    twin.run_s = HANG_S
    link.run()
    with pytest.raises(LinkError, match=r"refuses to write: a presentation is going on; wait for its end"):
        link.load(IMAGE)
    assert link.status().idle is False  # the link's registers are there meanwhile
    twin.busy_until = 0.0
    with pytest.raises(LinkError, match="refuses to write: an address is outside its map"):
        link.write_words([2000], [1])
    link.load(IMAGE)  # goes on as if nothing had been
    assert link.counters()["refused"] >= 2


# A line that is not perfect


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


# Presentations


def test_run_is_carried_out_once_though_its_answer_is_lost(link, twin):
    link._channel._patience = TIMEOUT
    link.run_until_done()
    assert twin.runs == 1
    first = twin.answers
    twin.mangle = lambda count, frame: b"" if count in (first + 1, first + 2) else frame
    link.run()
    assert twin.runs == 2
    assert [body[1] for body in twin.requests[-3:]] == [4, 4, 4]


def test_every_run_is_carried_out(link, twin):
    for _ in range(300):
        link.run()
    assert twin.runs == 300
    # The numbers of 255 other requests lie between two runs: the sequence comes round to that of the last one.
    for _ in range(255):
        link.identify()
    link.run()
    assert twin.runs == 301


def test_first_run_is_carried_out_whatever_the_host_before_it_did(server, twin):
    for number in range(1, 301):  # every sequence number is drawn by some host, also that of the last run
        with Link(server.url, map=twin.map, timeout=TIMEOUT) as link:
            link.run()
        assert twin.runs == number


def test_end_of_a_presentation_is_waited_for(link, twin):
    twin.run_s = 0.2
    began = time.monotonic()
    status = link.run_until_done()
    assert time.monotonic() - began >= 0.2
    assert (status.idle, status.runs) == (True, 1)
    twin.run_s = HANG_S
    with pytest.raises(LinkError, match=r"expected the presentation to end in 0\.1 s; reset ends it"):
        link.run_until_done(timeout=0.1)
    with pytest.raises(LinkError, match="refuses to run: a presentation is going on"):
        link.run()
    link.reset()
    assert link.status().idle


def test_power_up_shows_nothing_and_leaves_no_init(link, twin):
    link.show(pixels=3, periods=9)
    seen = []
    run = twin._run
    twin._run = lambda *arguments: seen.append(dict(twin.words)) or run(*arguments)
    link.power_up()
    base = fake_twin.REGISTERS
    assert [seen[0][base + at] for at in range(4)] == [0, 0, 0, 1]
    assert [twin.words[base + at] for at in range(4)] == [0, 0, 0, 0]


# Events


def test_events_of_a_presentation(link, twin):
    twin.script = [
        event(0, 3, 4) + event(1, 0, 2, layer=1) + trace(2, 1, 5, 0xABC_DEF0_1234, layer=2),
        event(2, 255, 0) + event(0, 10, 7) + event(3, 2, 9),
    ]
    link.stream(spikes=True, fires=True, trace_kinds=[2, 9], wait=True)
    assert (twin.options, twin.trace_kinds) == (0b1111, 1 << 2 | 1 << 9)
    link.run()
    assert list(link.events()) == [
        LinkEvent("spike", 3, 1, 4),
        LinkEvent("fire", 3, 2, 2),
        LinkEvent("trace", 4, 3, 5, 0xABC_DEF0_1234 << 20 | 5 << 4 | 2),
        LinkEvent("spike", 269, 1, 7),
        LinkEvent("done", 271, 1, 9),
    ]
    link.run()
    assert next(link.events()).step == 3  # counted anew


def test_events_are_kept_while_requests_are_answered(link, twin):
    twin.script = [event(0, at, at) for at in range(20)] + [DONE]
    link.stream()
    link.run_until_done()
    link.load(IMAGE)
    assert [found.index for found in link.events()] == [*range(20), 9]


def test_presentations_do_not_run_into_each_other(link, twin):
    twin.script = [event(0, 1, 5) + DONE + event(0, 2, 6)]
    link.stream()
    link.run()
    assert [(found.kind, found.step) for found in link.events()] == [("spike", 1), ("done", 1)]
    link.run()
    assert [(found.kind, found.step) for found in link.events()] == [("spike", 2), ("spike", 3), ("done", 3)]


def test_lost_frame_of_events_is_noticed(link, twin):
    twin.script = [event(0, 1, at) for at in range(10)] + [DONE]
    link.stream()
    link.run()
    assert len(list(link.events())) == 11
    first = twin.answers
    twin.mangle = lambda count, frame: b"" if count - first in (4, 5) else frame
    link.run()
    events = link.events()
    assert [next(events).index for _ in range(3)] == [0, 1, 2]
    with pytest.raises(LinkError, match="2 frames of events were lost on the line"):
        next(events)
    assert [found.index for found in link.events()] == [*range(5, 10), 9]  # the rest is there


def test_sequence_of_event_frames_goes_round(link, twin):
    twin.script = [event(0, 1, at) for at in range(150)] + [DONE]
    link.stream()
    for _ in range(4):
        link.run()
        assert len(list(link.events())) == 151


def test_dropped_events_are_an_error(link, twin):
    twin.script = [DONE]
    twin.counters["dropped"] = 5  # of somebody else
    link.stream()
    link.run()
    assert len(list(link.events())) == 1
    twin.drops = 3
    link.run()
    with pytest.raises(LinkError, match="dropped 3 events or more; choose fewer kinds, or let the network wait"):
        list(link.events())
    with pytest.raises(LinkError, match="dropped 3 events"):
        link.run_until_done()
    twin.drops = 0
    link.run_until_done()


def test_counters_that_were_cleared_count_from_zero(link, twin):
    twin.script = [DONE]
    twin.counters["dropped"] = 5  # of somebody else
    link.stream()
    link.clear_counters()
    link.run_until_done()  # nothing was dropped, which a count from 5 would deny
    twin.drops = 7
    with pytest.raises(LinkError, match="dropped 7 events or more"):
        link.run_until_done()


def test_events_that_do_not_come(link, twin):
    with pytest.raises(LinkError, match="expected a choice of events first; call stream"):
        next(link.events())
    link.stream()
    with pytest.raises(LinkError, match=r"no event in 0\.05 s; is a presentation going on\?"):
        next(link.events(timeout=0.05))


@pytest.mark.parametrize("body", [event(4, 0, 0), event(0, 0, 0)[:3], trace(1, 0, 0, 0)[:9]])
def test_event_that_is_none_is_an_error(link, twin, body):
    twin.script = [event(0, 1, 8) + body]
    link.stream()
    link.run()
    events = link.events()
    assert next(events).index == 8
    with pytest.raises(LinkError, match=f"event {body.hex()}: not one of docs/link.md"):
        next(events)


def test_events_of_the_host_before_are_none_of_ours(twin):
    twin.options = 1
    twin.script = [event(0, 1, 8), DONE]
    twin.queued = [event(0, 7, 8), event(0, 7, 9)]
    with served(twin) as server, Link(server.url, map=twin.map) as link:
        link.run()  # shows events that nobody asked for
        link.stream()
        twin.script = [event(0, 1, 4), DONE]
        link.run()
        assert [(found.index, found.step) for found in link.events()] == [(4, 1), (9, 1)]
        assert not twin.queued


# State


def test_snapshot_continues_in_another_twin(link, twin, tmp_path):
    link.load(IMAGE)
    link.write("layer1.theta", np.arange(300) + 5000)  # what the network remembers now
    link.snapshot().save(tmp_path / "deep" / "run.npz")
    other = FakeTwin()
    with served(other) as server, Link(server.url, map=other.map) as second:
        second.restore(Snapshot.load(tmp_path / "deep" / "run.npz"))
    assert other.runs == 1  # power-up
    network = {address: word for address, word in twin.words.items() if address < 1024}
    assert {address: word for address, word in other.words.items() if address < 1024} == network
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run.npz"]


def test_snapshot_after_a_reset_has_no_coefficients_that_are_gone(link, twin):
    link.load(IMAGE)
    assert link.snapshot().coefficients.keys() == IMAGE.keys()
    link.reset()
    assert link.snapshot().coefficients == {}
    link.load({"layer1.leak": [7]})
    assert link.snapshot().coefficients.keys() == {"layer1.leak"}


def test_snapshot_of_another_design_is_refused(link, tmp_path):
    Snapshot("other", "ab" * 8, {}).save(tmp_path / "other.npz")
    with pytest.raises(InputError, match=rf"with the map {link.map.digest} \(toy\), not (ab){{8}} \(other\)"):
        link.restore(Snapshot.load(tmp_path / "other.npz"))
    with pytest.raises(InputError, match=r"it lacks layer1\.conductance, layer1\.theta"):
        link.restore(Snapshot("toy", link.map.digest, {}))


def test_network_without_state_has_no_snapshot():
    twin = FakeTwin(a_map(state=False))
    with (
        served(twin) as server,
        Link(server.url, map=twin.map) as link,
        pytest.raises(InputError, match="snapshot: design toy has no windows of state; expected hybrid or LIF neurons"),
    ):
        link.snapshot()


def test_file_that_is_no_snapshot(tmp_path):
    path = tmp_path / "run.npz"
    with pytest.raises(InputError, match=r"run\.npz: cannot be read"):
        Snapshot.load(path)
    Snapshot("toy", "ab" * 8, {"layer1.theta": np.arange(9, dtype=np.uint16)}).save(path)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"run\.npz: (expected a snapshot|cannot be read)"):
            Snapshot.load(path)
    np.savez(path, design=np.array("toy"), map_digest=np.array("ab"), other=np.zeros(3))
    with pytest.raises(InputError, match="array other"):
        Snapshot.load(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(InputError, match="expected a snapshot"):
        Snapshot.load(tmp_path / "array.npy")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Snapshot("toy", "ab", {}).save(tmp_path / "file" / "run.npz")


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


def test_baud_rate_changes_on_both_sides_and_back(twin):
    rates = []
    with on_a_line(twin) as device, Link(device, map=twin.map, timeout=TIMEOUT) as link:
        change = link._channel.set_baud
        link._channel.set_baud = lambda baud: rates.append((baud, twin.divider)) or change(baud)
        link.set_baud(500_000)
        link.set_baud(115_200)
        assert rates == [(500_000, 24), (115_200, 104)]
        for baud in (0, -5, 100, 2_300_000, 4_000_000):
            with pytest.raises(LinkError, match=f"{baud} baud: expected a rate that the twin's clock of 12000000 Hz"):
                link.set_baud(baud)
        assert twin.divider == 104
    assert twin.divider == fake_twin.DIVIDER


def test_baud_rate_that_the_line_does_not_do_is_given_up(twin, monkeypatch):
    monkeypatch.setattr("memtwin.link.client._REVERT_CLOCKS", 600_000)  # 50 ms
    # A line that is deaf at any but the first rate; the twin goes back by itself.
    twin.lose = lambda count: twin.divider != fake_twin.DIVIDER
    monkeypatch.setattr(time, "sleep", lambda seconds: setattr(twin, "divider", fake_twin.DIVIDER))
    with on_a_line(twin) as device, Link(device, map=twin.map, timeout=0.05) as link:
        with pytest.raises(
            LinkError, match=rf"3000000 baud: the line to {device} does not work with it; stays at {BAUD}"
        ):
            link.set_baud(3_000_000)
        assert link.identify() == link.identity
        assert link._channel.baud == BAUD


def test_lost_answer_to_a_new_baud_rate_is_no_failure(link, twin):
    link._channel._patience = 0.05
    first = twin.answers
    twin.mangle = lambda count, frame: b"" if count == first + 2 else frame
    link.set_baud(3_000_000)
    assert twin.divider == 4
    assert link.identify() == link.identity
