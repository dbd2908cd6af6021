"""Virtual board behind a TCP port: ``memtwin serve``. It speaks the bytes of the UART, as a board does."""

import ipaddress
import os
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from memtwin.boards import registry
from memtwin.design import Design
from memtwin.hdl.link.port import LinkPort
from memtwin.link.design_maps import design_map, host_of
from memtwin.link.maps import write_map
from memtwin.sim.engines import virtual_board
from memtwin.sim.engines.virtual_board import VirtualBoard
from memtwin.sim.errors import InputError

__all__ = ["CLOCK_BOARD", "DIVIDER", "BuiltBoard", "Server", "build", "serving"]

CLOCK_BOARD = "icebreaker"  # at whose clock the twin says that it runs
# The least, and of what a host may write the least too, for a simulator takes its time for every clock.
DIVIDER = 4
DIVIDER_BITS = 7
TRIAL_BITS = 8

_LARGEST_PORT = 2**16 - 1
_CHUNK = 4096
# Bytes that wait, above which no more are taken. A client that hangs up is noticed behind the bytes that it had sent.
_FULL_TO_CLIENT, _FULL_TO_TWIN = 1 << 16, 1 << 22
_LONGEST = 512  # bytes without a zero byte, of which the twin has long seen that they are no frame
_LINGER_S = 2.0  # for what a client that has left still had to say
_LOOK_S = 0.01  # between two looks at a board that a client has left


@dataclass(frozen=True)
class BuiltBoard:
    """A compiled virtual board.

    Attributes
    ----------
    design : str
        Name of the design.
    program : Path
        Its binary.
    map_path : Path
        Its map, beside the binary.
    """

    design: str
    program: Path
    map_path: Path


def build(design: Design) -> BuiltBoard:
    """Compile the virtual board of a design, or find it in the cache.

    Raises
    ------
    InputError
        If it cannot be reached over a link, a value does not fit its word, or a tool is missing.
    """
    host = host_of(design)
    document = design_map(design.name, host, traces=True)
    link = LinkPort(
        host,
        clock_hz=round(registry.board(CLOCK_BOARD).clock_hz),
        divider=DIVIDER,
        divider_bits=DIVIDER_BITS,
        trial_bits=TRIAL_BITS,
        map_digest=bytes.fromhex(document["map_digest"]),
        design_digest=bytes.fromhex(document["design_digest"]),
        traces=True,
    )
    program = virtual_board.binary(virtual_board.SerialTop(link, host.idle, link.on_trial))
    return BuiltBoard(design.name, program, write_map(document, program.with_suffix(".map.json")))


class _Frames:
    """Bytes for a twin. Of what is too long for a frame it gets no more than it takes to see that.

    Attributes
    ----------
    data : bytearray
        Bytes that wait.
    """

    def __init__(self) -> None:
        self.data = bytearray()
        self._length = 0  # since the last zero byte

    def feed(self, data: bytes) -> None:
        """Add what a client sends."""
        *ends, rest = data.split(b"\0")
        for part in ends:
            self._add(part)
            self.data += b"\0"
            self._length = 0
        self._add(rest)

    def _add(self, part: bytes) -> None:
        self.data += part[: max(0, _LONGEST - self._length)]
        self._length += len(part)


class Server:
    """Passes bytes between a virtual board and one client at a time.

    Parameters
    ----------
    board : VirtualBoard
        The board.
    host, port
        Where to listen; port 0 chooses a free one.
    log : callable
        Is told of clients that come, leave and are sent away, a line each.

    Attributes
    ----------
    port : int
        Port that it listens to.
    url : str
        For clients.

    Raises
    ------
    InputError
        If it cannot listen there.
    """

    def __init__(self, board: VirtualBoard, host: str, port: int, log: Callable[[str], None]) -> None:
        self._board, self._log = board, log
        host = host or "0.0.0.0"
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        if not 0 <= port <= _LARGEST_PORT:
            raise InputError(f"port {port}: expected 0 to {_LARGEST_PORT}")
        try:
            self._listener = socket.create_server((host, port), family=family)
        except OSError as error:
            reason = str(error.strerror).partition(" (")[0]  # Python repeats the address
            raise InputError(f"port {port} of {host}: cannot listen ({reason}); choose others") from None
        self._listener.setblocking(False)
        address, self.port = self._listener.getsockname()[:2]
        if ipaddress.ip_address(address).is_unspecified:
            log(f"warning: {host} is every address of this machine: whoever reaches it may drive the twin")
            host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        self.url = f"socket://{f'[{host}]' if family == socket.AF_INET6 else host}:{self.port}"
        self._client: socket.socket | None = None
        self._name = ""
        self._left_at: float | None = None
        self._to_twin, self._to_client = _Frames(), bytearray()
        self._given = 0  # bytes that the board was given
        self._wake, self._woken = os.pipe()

    def run(self) -> None:
        """Serve until `stop`.

        Raises
        ------
        RuntimeError
            If the board stops by itself.
        """
        while self._step():
            pass

    def stop(self) -> None:
        """End `run`, from another thread or a signal handler."""
        os.write(self._woken, b".")

    def close(self) -> None:
        """Send the client away and stop listening."""
        if self._client is not None:
            self._client.close()
        self._listener.close()
        os.close(self._wake)
        os.close(self._woken)

    def _step(self) -> bool:
        """Wait for something, and do it; False at the end."""
        board, client = self._board, self._client
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        # Who does not take what it is sent is not listened to, which in the end holds the other side.
        if len(self._to_client) < _FULL_TO_CLIENT:
            poll.register(board.from_twin, select.POLLIN)
        if self._to_twin.data:
            poll.register(board.to_twin, select.POLLOUT)
        if client is None or self._left_at is None:  # who comes next waits until the one before is gone
            poll.register(self._listener, select.POLLIN)
        if client is not None:
            # That a client has hung up is heard before what it had sent has been taken.
            hears = select.POLLRDHUP if self._left_at is None else 0
            takes = select.POLLIN if self._left_at is None and len(self._to_twin.data) < _FULL_TO_TWIN else 0
            poll.register(client, hears | takes | (select.POLLOUT if self._to_client else 0))
        happened = dict(poll.poll(None if self._left_at is None else 1000 * _LOOK_S))

        if self._wake in happened:
            return False
        if board.from_twin in happened:
            data = os.read(board.from_twin, _CHUNK)
            if not data:
                raise RuntimeError(f"the virtual board has stopped: {board.failure()}")
            if client is not None:  # else the line leads nowhere
                self._to_client += data
        if board.to_twin in happened:
            try:
                given = os.write(board.to_twin, self._to_twin.data)
            except BrokenPipeError:
                raise RuntimeError(f"the virtual board has stopped: {board.failure()}") from None
            del self._to_twin.data[:given]
            self._given += given
        if client is not None:
            seen = happened.get(client.fileno(), 0)
            if seen & (select.POLLOUT | select.POLLERR):
                self._send()
            if seen & select.POLLIN:
                self._receive()
            if seen & (select.POLLRDHUP | select.POLLHUP) and self._client is not None and self._left_at is None:
                self._left_at = time.monotonic()
            if self._left_at is not None:
                self._linger(self._left_at)
        if self._listener.fileno() in happened and not self._is_left():
            self._accept()
        return True

    def _send(self) -> None:
        assert self._client is not None
        try:
            del self._to_client[: self._client.send(self._to_client)]
        except BlockingIOError:
            pass
        except OSError:
            self._leave()

    def _receive(self) -> None:
        """Take what a client sends; where it ends, the client has left, or has no more to say."""
        if self._client is None:  # has just left
            return
        try:
            data = self._client.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._leave()
            return
        self._to_twin.feed(data)
        if not data and self._left_at is None:
            self._left_at = time.monotonic()

    def _linger(self, since: float) -> None:
        """Take what a client that has hung up had sent, and give it its answers, for it may listen still; a while."""
        if self._client is None:
            return
        if len(self._to_twin.data) < _FULL_TO_TWIN:
            self._receive()
        if self._client is None:
            return
        board = self._board
        is_done = not self._to_twin.data and not self._to_client and board.is_quiet(self._given)
        if (is_done and not select.select([board.from_twin], [], [], 0)[0]) or time.monotonic() - since > _LINGER_S:
            self._leave()

    def _is_left(self) -> bool:
        """Whether the client has hung up, as it may have done just before the next one came."""
        for _ in range(_FULL_TO_TWIN // _CHUNK):
            if self._client is None or self._left_at is not None or len(self._to_twin.data) >= _FULL_TO_TWIN:
                break
            if not select.select([self._client], [], [], 0)[0]:
                break
            self._receive()
        return self._left_at is not None

    def _leave(self) -> None:
        """Let a client go; what is still to come is not for the next one, nor is what it had still to say."""
        assert self._client is not None
        self._client.close()
        self._client = self._left_at = None
        self._to_client.clear()
        self._to_twin = _Frames()
        self._log(f"{self._name} has left")

    def _accept(self) -> None:
        try:
            other, address = self._listener.accept()
        except OSError:  # it has given up already
            return
        name = f"{address[0]} port {address[1]}"
        if self._client is not None:
            self._log(f"{name} sent away: {self._name} is connected")
            other.close()
            return
        other.setblocking(False)
        other.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._client, self._name = other, name
        self._log(f"{name} has connected")


@contextmanager
def serving(
    program: Path, *, host: str = "127.0.0.1", port: int = 0, log: Callable[[str], None] = lambda line: None
) -> Iterator[tuple[Server, VirtualBoard]]:
    """Run a virtual board and listen, until the end of a ``with`` statement; `Server.run` serves.

    Raises
    ------
    InputError
        If it cannot listen there.
    """
    with virtual_board.running(program) as board:
        server = Server(board, host, port, log)
        try:
            yield server, board
        finally:
            server.close()
