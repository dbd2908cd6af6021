"""What a twin says by itself, against a twin in pure Python that loses events."""

import pytest

from memtwin.link import Link, LinkError, LinkEvent
from tests.fake_twin import served
from tests.memtwin.link.words import IMAGE


def event(kind: int, delta: int, index: int, layer: int = 0) -> bytes:
    return bytes([layer << 4 | kind, delta]) + index.to_bytes(2, "little")


def trace(kind: int, delta: int, index: int, value: int, layer: int = 0) -> bytes:
    return bytes([0x80 | layer << 4 | kind, delta]) + index.to_bytes(2, "little") + value.to_bytes(6, "little")


DONE = event(3, 0, 9)


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
