"""Client and compiled gateware together, over TCP, against the integer model."""

import contextlib
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest

from memtwin import api
from memtwin.cli.main import app
from memtwin.designs import Changes, find_design
from memtwin.link import Link, LinkError, Snapshot
from memtwin.link.backend import run as run_on_board
from memtwin.link.frames import encode
from memtwin.serve import DIVIDER, build, serving
from memtwin.sim import backends
from memtwin.sim.compare import compare
from memtwin.sim.engines import gateware
from memtwin.sim.errors import InputError
from memtwin.sim.hybrid import trace
from memtwin.sim.lif import trace as lif_trace
from memtwin.sim.lif.quantize import image_words, power_up_words
from tests.memtwin.cli.test_cli import memtwin

# Two patterns: layers of 6 x 2 and 2 x 2 neurons, which compile and run fast.
PATTERNS = "#.#\n.#.\n\n.#.\n#.#\n"
PRESENTATIONS = 4
HANG_S = 120  # a guard against a hang, no limit


@pytest.fixture(scope="module")
def lif():
    return build(find_design("lif"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small network of hybrid neurons, as a virtual board, and its first presentations as a job of the model."""
    path = tmp_path_factory.mktemp("patterns") / "two.txt"
    path.write_text(PATTERNS)
    changes = Changes(assignments=(f"patterns={path}",))
    design = find_design("digits", changes)
    job = design.job
    program = replace(job.shown, **{name: own[:, :PRESENTATIONS] for name, own in vars(job.shown).items()})
    return build(design), replace(job, shown=program, record=True)


@contextlib.contextmanager
def board(built):
    """Virtual board that is served; yields its URL and itself."""
    with serving(built.program) as (server, board):
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield server.url, board
        finally:
            server.stop()
            thread.join()


def show_image(link: Link, job, presentation: int) -> None:
    """Put the image of a presentation, and for how long, into the registers of a LIF network."""
    words = image_words(job.shown, 0, presentation)
    if presentation == 0:
        words = power_up_words(job.sample(), job.shown, 0) | words
    for name, values in words.items():
        link.write(name, values)
    link.show(steps=int(job.shown.steps[0, presentation]), init=presentation == 0)


def show_pixels(link: Link, job, presentation: int) -> None:
    """As `show_image`, of a network of hybrid neurons."""
    program = job.shown
    bits = {
        name: sum(int(bit) << at for at, bit in enumerate(getattr(program, name)[0, presentation]))
        for name in ("pixels", "gates", "learn")
    }
    numbers = {name: int(getattr(program, name)[0, presentation]) for name in ("until", "fires", "periods", "rest")}
    link.show(**bits, **numbers, init=int(presentation == 0))


def shown(link: Link, words: list[list[int]]) -> None:
    """Run a presentation, and append its trace words to those of each layer."""
    link.run()
    for event in link.events():
        if event.kind == "trace":
            words[event.layer - 1].append(event.word)


def test_map_of_a_shipped_design_is_found_by_the_digest(lif):
    with board(lif) as (url, _), Link(url) as link:
        assert link.map.design == "lif"
        assert link.identity.design_digest == json.loads(lif.map_path.read_text())["design_digest"]
        assert link.identity.clock_hz == 30_000_000
        assert link.status().powered
        assert set(link.counters().values()) == {0}


def test_trace_over_the_link_is_that_of_the_model(lif):
    job = replace(find_design("lif").job, record=True)
    expected = backends.run(job, "model").layers[0].words[0]
    with board(lif) as (url, virtual), Link(url, map=lif.map_path) as link:
        link.stream(trace_kinds=lif_trace.KINDS, spikes=False, wait=True)
        words: list[list[int]] = [[]]
        before = virtual.counts
        for presentation in range(job.shown.presentations):
            show_image(link, job, presentation)
            shown(link, words)
        after = virtual.counts
        assert words[0] == expected.tolist()
        # Of the time on the line, this much was taken by trace words, 10 bytes each.
        used = 10 * len(words[0]) * 10 * DIVIDER / (after.clocks - before.clocks)
        assert used > 0.8
        assert link.status().runs == job.shown.presentations


def test_physics_is_compared_with_the_trace_over_the_link(lif, small):
    with board(lif) as (url, _):
        found = api.compare("lif", "physics", "board", port=url)
    assert found["within"], found["outside"]
    assert found["errors"]["bounds"]["membrane"] > 0.1
    built, job = small
    with board(built) as (url, _), Link(url, map=built.map_path) as link:
        there = run_on_board(job, link)
    found = compare(job, backends.run(job, "physics"), there)
    assert found["within"], found["outside"]
    assert found["errors"]["bounds"]["filament"] > 0.1


def test_spikes_over_the_link_are_those_of_the_model(lif):
    job = replace(find_design("lif").job, record=True)
    expected = lif_trace.read(backends.run(job, "model").layers[0].words[0], job.spec.layers[0].neurons).spike
    with board(lif) as (url, _), Link(url, map=lif.map_path) as link:
        link.stream(wait=True)
        show_image(link, job, 0)
        link.run()
        *spikes, done = link.events()
    steps, neurons = np.nonzero(expected)
    assert [(event.step - 1, event.index) for event in spikes] == list(zip(steps, neurons, strict=True))
    assert (done.kind, done.step) == ("done", len(expected))


def test_run_goes_on_in_another_twin_from_a_snapshot(small, tmp_path):
    built, job = small
    expected = backends.run(job, "model")
    words: list[list[int]] = [[], []]
    with board(built) as (url, _), Link(url, map=built.map_path) as link:
        link.stream(trace_kinds=trace.KINDS, spikes=False, wait=True)
        for presentation in range(2):
            show_pixels(link, job, presentation)
            shown(link, words)
        link.snapshot().save(tmp_path / "half.npz")
        show_pixels(link, job, 3)  # this one's own future does not matter
        shown(link, [[], []])
    with board(built) as (url, _), Link(url, map=built.map_path) as link:
        link.restore(Snapshot.load(tmp_path / "half.npz"))
        link.stream(trace_kinds=trace.KINDS, spikes=False, wait=True)
        for presentation in range(2, PRESENTATIONS):
            show_pixels(link, job, presentation)
            shown(link, words)
        state = link.snapshot().state
    for number, layer in enumerate(expected.layers):
        assert words[number] == layer.words[0].tolist()
    assert {name: own.ravel().tolist() for name, own in state.items()} == {
        name: own[0].tolist() for name, own in expected.state.items()
    }


def test_coefficients_are_loaded_and_take_effect(small):
    built, job = small
    other = replace(job, seed=7)
    expected = backends.run(other, "model")
    words = gateware.words_of(other.coefficients(), 0)
    assert words != gateware.words_of(job.coefficients(), 0)
    values: list[list[int]] = [[], []]
    with board(built) as (url, _), Link(url, map=built.map_path) as link:
        link.load(words)
        link.stream(trace_kinds=trace.KINDS, spikes=False, wait=True)
        show_pixels(link, job, 0)
        shown(link, values)
    for number, layer in enumerate(expected.layers):
        assert values[number] == layer.words[0].tolist()[: len(values[number])]
        assert len(values[number]) > 100


def test_dropped_events_are_told(small):
    built, job = small
    with board(built) as (url, _), Link(url, map=built.map_path) as link:
        link.stream(trace_kinds=trace.KINDS)
        show_pixels(link, job, 0)
        with pytest.raises(LinkError, match=r"dropped \d+ events or more; choose fewer kinds, or let the network wait"):
            link.run_until_done()
        link.clear_counters()
        link.reset()
        assert link.status().idle
        assert set(link.counters().values()) == {0}


def test_baud_rate_may_change_at_any_time(lif):
    with board(lif) as (url, virtual):
        with Link(url, map=lif.map_path) as link:
            link.set_baud(1_000_000)
            assert link.read("divider").tolist() == [30]
            before = virtual.counts
            for _ in range(10):
                link.identify()
            after = virtual.counts
            assert (after.clocks - before.clocks) / (after.sent - before.sent) > 10 * 30
        with Link(url, map=lif.map_path) as link:
            assert link.read("divider").tolist() == [DIVIDER]


def test_neither_junk_nor_leaving_at_any_byte_harms_the_twin(lif):
    rng = random.Random(5)
    frame = encode(b"\x07\x03\x01\x00\xc0\x0f\x00")  # would write the options
    with board(lif) as (url, _):
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        for size in range(len(frame)):
            with socket.create_connection(address) as raw:
                raw.sendall(frame[:size])
        with socket.create_connection(address) as raw:
            raw.sendall(rng.randbytes(20_000))
        with Link(url, map=lif.map_path) as link:
            assert link.read("options").tolist() == [0]
            assert link.status().idle
            counters = link.counters()
        assert counters["malformed"] + counters["oversized"] + counters["crc_errors"] > 50
        assert counters["refused"] == counters["framing_errors"] == 0


def test_no_word_that_a_host_writes_locks_the_next_one_out(lif):
    rng = random.Random(3)
    with board(lif) as (url, board_):
        for words in ([0xFFFF], [0xFFFF, 0xFFFF, 0xFFFF], [127, 15, 0xFFFF], [0], [rng.randrange(1 << 16), 15]):
            with Link(url, map=lif.map_path) as link:
                link.write_words([link.map["divider"].base + at for at in range(len(words))], words)
                link.show(steps=0xFFFF, init=1)
                link.run()
            with Link(url, map=lif.map_path) as link:
                assert link.read("divider")[0] <= 127
                link.reset()
                assert link.status().idle
        # What nobody speaks is given up, though there is nothing to do that would keep the clock running.
        before = board_.counts.clocks
        with Link(url, map=lif.map_path) as link:
            link.write("divider", 0xFFFF)
        while not board_.counts.asleep:
            time.sleep(0.01)
        assert board_.counts.clocks > before + (2048 << 7)
        with Link(url, map=lif.map_path) as link:
            assert link.read("divider").tolist() == [DIVIDER]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_server_ends_when_told(lif, number):
    command = [sys.executable, "-m", "memtwin", "serve", "lif"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with Link(url, map=lif.map_path) as link:
            process.send_signal(number)
            _, errors = process.communicate(timeout=HANG_S)
            assert process.returncode == 0
            assert errors.splitlines()[-1] == "stopped"
            assert "Traceback" not in errors
            with pytest.raises(LinkError, match=f"the twin at {url} has gone"):
                link.identify()
        with pytest.raises(LinkError, match="is memtwin serve running"):
            Link(url, map=lif.map_path)


def test_commands(lif, tmp_path):
    command = [sys.executable, "-m", "memtwin", "serve", "lif", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
        assert said["design"] == "lif"
        port = ("--port", f"socket://127.0.0.1:{said['port']}")
        found = json.loads(memtwin("connect", *port, "--json", "--snapshot", tmp_path / "run.npz").stdout)
        assert found["design"] == found["network"] == "lif"
        assert found["map_digest"] == json.loads(lif.map_path.read_text())["map_digest"]
        assert found["clock_hz"] == 30_000_000
        assert found["idle"] is True
        assert set(found["counters"].values()) == {0}

        done = memtwin("connect", *port, "--counters", "--restore", tmp_path / "run.npz", "--map", said["map"])
        assert done.returncode == 0, done.stderr
        assert "crc_errors  0" in done.stdout.splitlines()
        assert "clock_hz" not in done.stdout

        Snapshot("other", "ab" * 8, {}).save(tmp_path / "other.npz")
        done = memtwin("connect", *port, "--restore", tmp_path / "other.npz", "--map", said["map"])
        assert done.returncode == 2
        assert done.stderr.startswith("memtwin: snapshot: expected one of a twin with the map")
        assert len(done.stderr.splitlines()) == 1

        process.terminate()
        process.communicate(timeout=HANG_S)


MISTAKES = {
    "no link": (["serve", "lia"], "design lia: cannot be reached over a link; expected a network, such as digits"),
    "no design": (["serve", "nothing"], "design nothing: unknown; expected one of"),
    "no port": (["connect", "--port", "socket://127.0.0.1:1"], "cannot connect (Connection refused); is memtwin serve"),
    "no device": (["connect", "--port", "/dev/nowhere"], "port /dev/nowhere: cannot be opened (No such file"),
    "no map": (["connect", "--port", "x", "--map", "nowhere.json"], "file nowhere.json: cannot be read (No such file"),
}


@pytest.mark.parametrize(("arguments", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told(arguments, said):
    with pytest.raises(InputError) as error:
        app(arguments, standalone_mode=False)
    assert said in str(error.value)
    assert "\n" not in str(error.value)
