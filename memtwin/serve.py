"""Virtual board behind a TCP port: ``memtwin serve``. It speaks the bytes of the UART, as a board does."""

import os
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from memtwin import designs
from memtwin.boards import registry
from memtwin.hdl.link_port import LinkPort
from memtwin.link.design_maps import design_map, host_of
from memtwin.link.maps import write_map
from memtwin.sim import virtual_board
from memtwin.sim.errors import InputError
from memtwin.sim.virtual_board import VirtualBoard

__all__ = ["CLOCK_BOARD", "DIVIDER", "BuiltBoard", "Server", "build", "serving"]

CLOCK_BOARD = "icebreaker"  # at whose clock the twin says that it runs
DIVIDER = 4  # the least, for a simulator takes its time for every clock

_LARGEST_PORT = 2**16 - 1
_CHUNK = 4096
_FULL = 1 << 16  # bytes that wait, above which no more are taken


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


def build(design: str, changes: designs.Changes | None = None) -> BuiltBoard:
    """Compile the virtual board of a design, or find it in the cache.

    Raises
    ------
    InputError
        If there is no such design, it cannot be reached over a link, or a tool is missing.
    """
    host = host_of(design, changes)
    document = design_map(design, host, traces=True)
    link = LinkPort(
        host,
        clock_hz=round(registry.board(CLOCK_BOARD).clock_hz),
        divider=DIVIDER,
        map_digest=bytes.fromhex(document["map_digest"]),
        design_digest=bytes.fromhex(document["design_digest"]),
        traces=True,
    )
    program = virtual_board.binary(virtual_board.Twin(link, host.idle))
    return BuiltBoard(design, program, write_map(document, program.with_suffix(".map.json")))


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
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        if not 0 <= port <= _LARGEST_PORT:
            raise InputError(f"port {port}: expected 0 to {_LARGEST_PORT}")
        try:
            self._listener = socket.create_server((host, port), family=family)
        except OSError as error:
            reason = str(error.strerror).partition(" (")[0]  # Python repeats the address
            raise InputError(f"port {port} of {host}: cannot listen ({reason}); choose others") from None
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"socket://{f'[{host}]' if family == socket.AF_INET6 else host}:{self.port}"
        self._client: socket.socket | None = None
        self._name = ""
        self._to_twin, self._to_client = bytearray(), bytearray()
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
        # Who does not take what it is sent is not listened to, which in the end holds the other side.
        sources: list[Any] = [self._wake, self._listener]
        if len(self._to_client) < _FULL:
            sources.append(board.from_twin)
        if client is not None and len(self._to_twin) < _FULL:
            sources.append(client)
        sinks: list[Any] = [board.to_twin] if self._to_twin else []
        if client is not None and self._to_client:
            sinks.append(client)
        readable, writable, _ = select.select(sources, sinks, [])

        if self._wake in readable:
            return False
        if board.from_twin in readable:
            data = os.read(board.from_twin, _CHUNK)
            if not data:
                raise RuntimeError(f"the virtual board has stopped: {board.failure()}")
            if client is not None:  # else the line leads nowhere
                self._to_client += data
        if board.to_twin in writable:
            try:
                del self._to_twin[: os.write(board.to_twin, self._to_twin)]
            except BrokenPipeError:
                raise RuntimeError(f"the virtual board has stopped: {board.failure()}") from None
        if client in writable:
            self._send()
        if client in readable:
            self._receive()
        if self._listener in readable:
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
        if self._client is None:  # has just left
            return
        try:
            data = self._client.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._to_twin += data
        if not data:
            self._leave()

    def _leave(self) -> None:
        """Let a client go; what is still to come is not for the next one."""
        assert self._client is not None
        self._client.close()
        self._client = None
        self._to_client.clear()
        self._log(f"{self._name} has left")

    def _accept(self) -> None:
        try:
            other, address = self._listener.accept()
        except OSError:  # it has given up already
            return
        # The client before may have left at the same time.
        while self._client is not None and len(self._to_twin) < _FULL:
            if not select.select([self._client], [], [], 0)[0]:
                break
            self._receive()
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
