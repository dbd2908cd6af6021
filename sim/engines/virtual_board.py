"""Virtual board: the compiled gateware of a twin, reached over the bytes of its UART."""

import fcntl
import os
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from amaranth.hdl import Module, Signal, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.verilog import convert
from memtwin.sim.engines import verilator

__all__ = ["Counts", "SerialTop", "VirtualBoard", "binary", "running"]

_COUNTS = struct.Struct("<5Q")
_PIPE_BYTES = 4096  # the least: what waits there is lost to nobody else


class SerialTop(wiring.Component):
    """What the harness sees of a twin.

    Parameters
    ----------
    link : Component
        The twin with its UART: `rx`, `tx` and `divider`, as in `LinkPort`.
    idle : ValueLike
        Signal in it that tells that nothing is being shown.
    awake : ValueLike
        Signal in it that tells that its clock must run on, though it has nothing to do.

    Members
    -------
    rx : In(1)
        Line from the host.
    tx : Out(1)
        Line to the host.
    divider : Out(16)
        Clocks of a bit.
    idle : Out(1)
        Nothing is being shown.
    awake : Out(1)
        The clock must not stand still.
    """

    rx: Signal
    tx: Signal
    divider: Signal
    idle: Signal
    awake: Signal

    def __init__(self, link: Any, idle: ValueLike, awake: ValueLike = 0) -> None:
        self._link = link
        self._idle, self._awake = idle, awake
        super().__init__({"rx": In(1), "tx": Out(1), "divider": Out(16), "idle": Out(1), "awake": Out(1)})

    def elaborate(self, platform: object) -> Module:
        """Join the ports."""
        m = Module()
        m.submodules.link = link = self._link
        m.d.comb += [
            link.rx.eq(self.rx),
            self.tx.eq(link.tx),
            self.divider.eq(link.divider),
            self.idle.eq(self._idle),
            self.awake.eq(self._awake),
        ]
        return m


def binary(twin: SerialTop) -> Path:
    """Compile a virtual board, or find it in the cache.

    Raises
    ------
    InputError
        If a tool is missing.
    """
    return verilator.compiled(convert(twin, "top"), verilator.harness_source("virtual_board.cpp"))


@dataclass(frozen=True)
class Counts:
    """What has gone over the line of a virtual board.

    Attributes
    ----------
    clocks : int
        Clocks of the twin so far; its clock stands still while there is nothing to do.
    received, sent : int
        Bytes from and to the host.
    quiet : int
        1 while it has nothing to do.
    asleep : int
        1 while its clock stands still.
    """

    clocks: int
    received: int
    sent: int
    quiet: int
    asleep: int


class VirtualBoard:
    """A virtual board that runs.

    Parameters
    ----------
    process : Popen
        Its process, with pipes.
    counts : file
        What it counts in.

    Attributes
    ----------
    to_twin, from_twin : int
        File descriptors of the bytes that a host sends, which does not block, and of those that the twin sends.
    """

    def __init__(self, process: subprocess.Popen[bytes], counts: IO[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process, self._counts = process, counts
        self.to_twin, self.from_twin = process.stdin.fileno(), process.stdout.fileno()
        os.set_blocking(self.to_twin, False)
        fcntl.fcntl(self.to_twin, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    @property
    def counts(self) -> Counts:
        """What has gone over the line so far."""
        return Counts(*_COUNTS.unpack(os.pread(self._counts.fileno(), _COUNTS.size, 0)))

    def is_quiet(self, given: int) -> bool:
        """Whether the twin has nothing more to do, after the `given` bytes that it was given so far."""
        counts = self.counts
        return counts.received == given and bool(counts.quiet)

    def failure(self) -> str:
        """Say why the board has stopped by itself."""
        assert self._process.stderr is not None
        said = self._process.stderr.read().decode(errors="replace").strip()
        return said or f"exit status {self._process.wait()}"


@contextmanager
def running(program: Path) -> Iterator[VirtualBoard]:
    """Run a virtual board, from `binary`, until the end of a ``with`` statement."""
    with tempfile.TemporaryFile(prefix="memtwin-") as counts:
        counts.write(bytes(_COUNTS.size))
        counts.flush()
        process = subprocess.Popen(
            [str(program), str(counts.fileno())],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=[counts.fileno()],
            process_group=0,  # Ctrl-C on a terminal is for the server alone
        )
        with process:
            try:
                yield VirtualBoard(process, counts)
            finally:
                process.kill()
