"""The virtual board's harness and its server, around a toy that answers every byte with the next one."""

import contextlib
import select
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from amaranth.hdl import Const, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin import serve
from memtwin.hdl.link.uart import UartReceiver, UartTransmitter
from memtwin.serve import Server, serving
from memtwin.sim.engines import virtual_board
from memtwin.sim.errors import InputError

DIVIDER = 7
BYTE_CLOCKS = 10 * DIVIDER
HANG_S = 120  # a guard against a hang, no limit


class Successor(wiring.Component):
    """A UART that sends every byte back, plus 1."""

    def __init__(self) -> None:
        super().__init__({"rx": In(1), "tx": Out(1), "divider": Out(16)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.receiver = receiver = UartReceiver()
        m.submodules.transmitter = transmitter = UartTransmitter()
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            *(port.eq(DIVIDER) for port in (self.divider, receiver.divider, transmitter.divider)),
        ]
        with m.If(receiver.o.valid):
            m.d.sync += [transmitter.i.valid.eq(1), transmitter.i.payload.eq(receiver.o.payload + 1)]
        with m.Elif(transmitter.i.ready):
            m.d.sync += transmitter.i.valid.eq(0)
        return m


@pytest.fixture(scope="module")
def program():
    return virtual_board.binary(virtual_board.SerialTop(Successor(), Const(1)))


@contextlib.contextmanager
def served(program):
    """Server, board, and the lines that are logged."""
    lines: list[str] = []
    failures: list[BaseException] = []
    with serving(program, log=lines.append) as (server, board):

        def run() -> None:
            try:
                server.run()
            except RuntimeError as error:
                failures.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield server, board, lines, failures
        finally:
            server.stop()
            thread.join()


def connected(server: Server) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", server.port), timeout=HANG_S)
    assert server.url == f"socket://127.0.0.1:{server.port}"
    return client


def until(happens) -> None:
    end = time.monotonic() + HANG_S
    while not happens():
        assert time.monotonic() < end, "never happens"
        time.sleep(0.01)


def answer(client: socket.socket, size: int) -> bytes:
    out = b""
    while len(out) < size:
        data = client.recv(4096)
        assert data, "thrown out"
        out += data
    return out


def test_every_byte_goes_both_ways_and_takes_its_time_on_the_line(program):
    sent = bytes(range(256)) * 8
    with served(program) as (server, board, *_), connected(server) as client:
        client.sendall(sent)
        assert answer(client, len(sent)) == bytes(byte + 1 & 255 for byte in sent)
        counts = board.counts
        assert counts.received == counts.sent == len(sent)
        # Bytes follow each other without a gap; before the first and after the last there is time to fall asleep.
        assert BYTE_CLOCKS * len(sent) < counts.clocks < BYTE_CLOCKS * (len(sent) + 40) + (1 << 16)


def test_board_sleeps_while_there_is_nothing_to_do(program):
    with served(program) as (server, board, *_), connected(server) as client:
        for byte in (b"\x05", b"\x80"):
            client.sendall(byte)
            assert answer(client, 1) == bytes([byte[0] + 1])
            until(lambda: board.is_quiet(board.counts.received))
            clocks = board.counts.clocks
            time.sleep(0.1)
            assert board.counts.clocks == clocks > 0


def test_answer_to_one_byte_does_not_wait_for_more(program):
    with served(program) as (server, board, *_), connected(server) as client:
        for _ in range(100):
            client.sendall(b"\xff")  # answered with a zero byte, which ends a frame
            assert answer(client, 1) == b"\0"
        # None has waited for the write that comes every 4096 clocks at the latest.
        assert board.counts.clocks < 100 * 4096


def test_second_client_is_sent_away_and_the_first_stays(program):
    with served(program) as (server, _, lines, _), connected(server) as first:
        first.sendall(b"a")
        assert answer(first, 1) == b"b"
        with connected(server) as second:
            assert second.recv(1) == b""
        first.sendall(b"c")
        assert answer(first, 1) == b"d"
        assert [line.split(" port ")[0] for line in lines] == ["127.0.0.1", "127.0.0.1"]
        assert lines[0].endswith("has connected")
        assert "sent away: 127.0.0.1 port" in lines[1]
        assert lines[1].endswith("is connected")


def test_clients_come_and_go_at_any_time(program):
    with served(program) as (server, _, lines, failures):
        for size in (0, 1, 3, 1000):
            with connected(server) as client:
                client.sendall(b"\x01" * size)
            with connected(server) as client:  # at once: the one before has hardly left
                client.sendall(b"\x20\x21")
                got = b""
                while not got.endswith(b"\x21\x22"):  # behind what was still on the line
                    got += client.recv(4096)
                assert set(got[:-2]) <= {2}
        assert not failures
    assert sum(line.endswith("has connected") for line in lines) == 8
    assert not any("sent away" in line for line in lines)


def test_client_that_does_not_listen_fills_no_memory_and_holds_nobody_up(program):
    with served(program) as (server, _, lines, failures), connected(server) as deaf:
        deaf.setblocking(False)
        sent = 0
        # More than all buffers hold, or until none takes any more.
        while sent < 1 << 25 and select.select([], [deaf], [], 0.3)[1]:
            sent += deaf.send(b"\x11\0" * 2048)
        assert 1 << 16 < sent < 1 << 25
        assert len(server._to_client) + len(server._to_twin.data) < 5 << 20
        with connected(server) as second:
            assert second.recv(1) == b""
        assert "sent away" in lines[-1]
        assert not failures


def test_flood_that_is_no_frame_is_dropped_and_the_next_client_is_heard(program):
    with served(program) as (server, board, lines, failures):
        with connected(server) as client:
            client.sendall(b"\x11" * (1 << 20))
        with connected(server) as client:
            client.sendall(b"\0\x20\0")
            got = b""
            while not got.endswith(b"\x01\x21\x01"):
                got += answer(client, 1)
            assert set(got[:-3]) <= {0x12}
        assert board.counts.received <= 512 + 3
        assert not failures
    assert not any("sent away" in line for line in lines)


def test_client_that_hangs_up_in_a_flood_of_frames_is_let_go(program, monkeypatch):
    monkeypatch.setattr(serve, "_LINGER_S", 0.2)
    with served(program) as (server, board, lines, failures):
        with connected(server) as client:
            client.sendall(b"\x11\0" * (1 << 19))
        with connected(server) as client:
            client.sendall(b"\x40\x41")
            got = b""
            while not got.endswith(b"\x41\x42"):
                got += answer(client, 1)
        assert board.counts.received < 1 << 19
        assert not failures
    assert not any("sent away" in line for line in lines)


def test_client_that_has_no_more_to_say_hears_its_answers(program):
    with served(program) as (server, _, lines, failures):
        for size in (1, 300, 20_000):
            sent = bytes(number % 255 + 1 for number in range(size - 1)) + b"\0"
            frames = b"\0".join(sent[at : at + 100] for at in range(0, size, 100))
            with connected(server) as client:
                client.sendall(frames)
                client.shutdown(socket.SHUT_WR)
                assert answer(client, len(frames)) == bytes(byte + 1 & 255 for byte in frames)
                assert client.recv(1) == b""
        assert not failures
    assert sum(line.endswith("has left") for line in lines) == 3


@pytest.mark.parametrize(("host", "url"), [("", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]")])
def test_every_address_is_warned_of_and_the_url_can_be_used(program, host, url):
    if host == "::" and not Path("/proc/net/if_inet6").exists():
        url, host = "127.0.0.1", ""  # a machine without IPv6
    lines = []
    with serving(program, host=host, log=lines.append) as (server, _):
        assert server.url == f"socket://{url}:{server.port}"
        socket.create_connection((url.strip("[]"), server.port), timeout=HANG_S).close()
    assert lines == [
        f"warning: {host or '0.0.0.0'} is every address of this machine: whoever reaches it may drive the twin"
    ]


def test_board_that_stops_by_itself_is_an_error(program):
    with served(program) as (server, board, _, failures), connected(server) as client:
        board._process.send_signal(signal.SIGTERM)
        board._process.wait()
        with contextlib.suppress(OSError):
            client.sendall(b"a")
        until(lambda: failures)
    assert "the virtual board has stopped: exit status" in str(failures[0])


def test_board_ends_with_its_server(program):
    with virtual_board.running(program) as board:
        process = board._process
        assert process.poll() is None
    assert process.returncode is not None
    # A server that dies closes the pipe, and does no more.
    with virtual_board.running(program) as board:
        assert board._process.stdin is not None
        board._process.stdin.close()
        assert board._process.wait() == 0


def test_port_that_is_taken(program):
    with served(program) as (server, *_):
        with (
            pytest.raises(InputError, match=rf"port {server.port} of 127\.0\.0\.1: cannot listen \([^()]+\); choose"),
            serving(program, port=server.port),
        ):
            pass
        with (
            pytest.raises(InputError, match="port 99999: expected 0 to 65535"),
            serving(program, port=99999),
        ):
            pass
        with (
            pytest.raises(InputError, match=r"of nowhere\.invalid: cannot listen \([^()]+\); choose"),
            serving(program, host="nowhere.invalid"),
        ):
            pass
