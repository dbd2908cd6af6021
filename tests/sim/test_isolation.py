"""Calls in a process of their own: results, exceptions, and every way not to come back."""

import os
import signal

import pytest

from memtwin.sim.errors import InputError
from memtwin.sim.isolation import isolated


def call(what, seconds=1):
    return isolated(what, seconds=seconds, memory=2**28)


def fails(error):
    raise error


def test_a_result_and_an_exception_come_back():
    assert call(lambda: {"pid": os.getpid()})["pid"] != os.getpid()
    large = "x" * 10**6  # more than a pipe holds
    assert call(lambda: large) == large
    with pytest.raises(InputError, match="file x: expected less"):
        call(lambda: fails(InputError("file x: expected less")))
    with pytest.raises(MemoryError):
        call(lambda: bytearray(2**30))


def forever():
    while True:
        pass


@pytest.mark.parametrize(
    ("what", "said"),
    [
        (os.abort, "ended with SIGABRT"),
        (lambda: os.kill(os.getpid(), signal.SIGSEGV), "ended with SIGSEGV"),
        (forever, "ended with SIGXCPU"),
        (lambda: os._exit(3), "ended with 3"),
        (lambda: lambda: None, "pickle"),
    ],
)
def test_what_does_not_come_back_is_told(what, said):
    with pytest.raises((ChildProcessError, AttributeError), match=said):
        call(what)
    with pytest.raises(ChildProcessError):  # no process is left
        os.waitpid(-1, os.WNOHANG)


def test_a_wait_that_is_broken_off_leaves_no_process(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(KeyboardInterrupt):
            call(signal.pause)
    finally:
        signal.signal(signal.SIGALRM, before)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
