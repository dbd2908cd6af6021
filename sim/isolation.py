"""Calls in a process of their own: a C library that crashes, hangs or fills the memory takes nothing else with it."""

import faulthandler
import os
import pickle
import resource
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn, TypeVar

__all__ = ["isolated"]

_Result = TypeVar("_Result")


def isolated(call: Callable[[], _Result], *, seconds: int, memory: int) -> _Result:
    """Return what `call` returns, or raise the exception that it raises.

    The process is a copy of this one, so the call sees what it has, and changes nothing in it. On systems without
    ``/proc`` the memory is not limited.

    Parameters
    ----------
    call : callable
        Its result and its exceptions can be pickled.
    seconds : int
        Processor time that it may take.
    memory : int
        Bytes that it may take beyond what there is.

    Raises
    ------
    ChildProcessError
        If the process ended otherwise; says how.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Python warns of locks that threads may hold in the copy. The call runs alone there, and takes none of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        _answer(call, writing, seconds, memory)
    os.close(writing)
    try:
        with os.fdopen(reading, "rb") as pipe:
            answer = pipe.read()
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise ChildProcessError(f"ended with {signal.Signals(-status).name if status < 0 else status}")
    returned, result = pickle.loads(answer)
    if not returned:
        raise result
    return result


def _answer(call: Callable[[], object], writing: int, seconds: int, memory: int) -> NoReturn:
    """Make the call, send what came of it, and end this process without any of its other business."""
    status = 1
    try:
        faulthandler.disable()  # a crash is an answer
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if sys.platform == "linux":
            now = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
            resource.setrlimit(resource.RLIMIT_AS, (now + memory, now + memory))
        try:
            answer = pickle.dumps((True, call()))
        except Exception as error:
            answer = pickle.dumps((False, error))
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
        status = 0
    finally:
        os._exit(status)
