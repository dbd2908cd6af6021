"""What a client asks of a twin, against a twin in pure Python."""

import time

import numpy as np
import pytest

from memtwin.link import BAUD, Identity, Link, LinkError
from memtwin.sim.errors import InputError
from tests import fake_twin
from tests.fake_twin import a_map, on_a_line
from tests.memtwin.link.words import CONDUCTANCE, HANG_S, IMAGE, TIMEOUT


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
        pytest.raises(LinkError, match=rf"map {twin.map['map_digest']} is not of what is asked for; .* give the JSON"),
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
