"""Where the bytes of the link go: a serial port, or a TCP connection to a virtual board."""

import socket
import time
from typing import Protocol
from urllib.parse import urlsplit

import serial

from memtwin.link.errors import LinkError

__all__ = ["Port", "PortClosedError", "open_port"]

_CHUNK = 4096
_CONNECT_S = 5.0
_POLL_S = 0.02  # longest time that a read of a serial port oversleeps
_WRITE_S = 5.0  # after which a port that takes no bytes is dead


class PortClosedError(Exception):
    """The other end is gone."""


class Port(Protocol):
    """A stream of bytes in both directions.

    Attributes
    ----------
    patience_s : float
        Time in which a twin behind this kind of port answers.
    """

    patience_s: float

    def read(self, timeout_s: float) -> bytes:
        """Return what has come, at least one byte; nothing if none comes in that time."""
        ...

    def write(self, data: bytes) -> None:
        """Send all of `data`."""
        ...

    def set_baud(self, baud: int) -> None:
        """Go on with another baud rate, when everything has been sent."""
        ...

    def close(self) -> None:
        """Leave."""
        ...


class SocketPort:
    """TCP connection.

    PySerial has one too, which leaves a socket open when the other end goes first, drops the bytes that come just
    before that, and waits 0.3 s at the end.
    """

    # Behind it is a simulator, which may be slow, but no line that loses bytes.
    patience_s = 5.0

    def __init__(self, url: str) -> None:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if host is None or port is None or parts.path or parts.query:
            raise LinkError(f"port {url}: expected socket://HOST:NUMBER")
        try:
            self._socket = socket.create_connection((host, port), timeout=_CONNECT_S)
        except OSError as error:
            reason = error.strerror or str(error)
            raise LinkError(f"port {url}: cannot connect ({reason}); is memtwin serve running?") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def read(self, timeout_s: float) -> bytes:
        try:
            self._socket.settimeout(max(timeout_s, 1e-3))  # 0 would mean not to block
            data = self._socket.recv(_CHUNK)
        except TimeoutError:
            return b""
        except OSError as error:
            raise PortClosedError from error
        if not data:
            raise PortClosedError
        return data

    def write(self, data: bytes) -> None:
        try:
            self._socket.settimeout(_WRITE_S)
            self._socket.sendall(data)
        except OSError as error:
            raise PortClosedError from error

    def set_baud(self, baud: int) -> None:
        """Do nothing: there is no baud rate."""

    def close(self) -> None:
        self._socket.close()


class SerialPort:
    """Serial port, by its device or a URL of PySerial."""

    # A USB bridge keeps bytes for up to 16 ms, a busy host for longer.
    patience_s = 0.5

    def __init__(self, name: str, baud: int) -> None:
        # Two hosts on one line would take each other's answers.
        exclusive = None if "://" in name else True
        try:
            self._port = serial.serial_for_url(
                name, baudrate=baud, timeout=_POLL_S, write_timeout=_WRITE_S, exclusive=exclusive
            )
        except serial.SerialException as error:
            raise LinkError(f"port {name}: cannot be opened ({_reason(error)}); is it there, yours and free?") from None
        except (ValueError, OSError) as error:
            raise LinkError(f"port {name}: cannot be opened at {baud} baud ({error})") from None

    def read(self, timeout_s: float) -> bytes:
        end = time.monotonic() + timeout_s
        try:
            while not (data := self._port.read(1)):
                if time.monotonic() >= end:
                    return b""
            return data + self._port.read(self._port.in_waiting)
        except (serial.SerialException, OSError, TypeError) as error:  # TypeError: the port was closed meanwhile
            raise PortClosedError from error

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except (serial.SerialException, OSError) as error:
            raise PortClosedError from error

    def set_baud(self, baud: int) -> None:
        try:
            self._port.flush()
            self._port.baudrate = baud
        except (ValueError, OSError) as error:
            raise LinkError(f"port {self._port.name}: does not do {baud} baud ({error})") from None

    def close(self) -> None:
        self._port.close()


def _reason(error: serial.SerialException) -> str:
    """Shorten what PySerial says, which repeats the name of the port and shows a tuple."""
    # Errors of the system, and of termios, are (number, text).
    match getattr(error.__context__, "args", ()):
        case (int(), str(reason)):
            return reason
    return " ".join(str(error).split())


def open_port(name: str, baud: int) -> Port:
    """Open ``socket://HOST:NUMBER``, the device of a serial port, or another URL of PySerial.

    Raises
    ------
    LinkError
        If it cannot be opened.
    """
    if baud < 1:
        raise LinkError(f"port {name}: expected a baud rate of more than 0, not {baud}")
    return SocketPort(name) if name.startswith("socket://") else SerialPort(name, baud)
