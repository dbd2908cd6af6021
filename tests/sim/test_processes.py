"""Programs that start others."""

import os
import signal
import subprocess
import threading
import time

import pytest

from memtwin.sim import processes

# A program that starts another one, which would run for long, and waits for it.
NEST = "sleep 1000 & echo $! > pid; wait"


def ended(pid: int) -> bool:
    """Whether a process is gone, or has only not been fetched yet."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def until(happens) -> None:
    for _ in range(6000):  # a guard against a hang, no limit
        if happens():
            return
        time.sleep(0.01)
    raise AssertionError("never happens")


def written(path) -> bool:
    return path.exists() and path.read_text().endswith("\n")


def test_what_it_says_and_its_status(tmp_path):
    done = processes.run(["sh", "-c", "pwd; echo $SOME; echo wrong >&2; exit 3"], tmp_path, os.environ | {"SOME": "x"})
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path.resolve()}\nx\n", "wrong\n")


def test_programs_end_with_the_time(tmp_path):
    with pytest.raises(subprocess.TimeoutExpired):
        processes.run(["sh", "-c", NEST], tmp_path, timeout=1)
    until(lambda: ended(int((tmp_path / "pid").read_text())))


def test_programs_end_with_an_exception_of_a_signal(tmp_path):
    def interrupt() -> None:
        until(lambda: written(tmp_path / "pid"))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        processes.run(["sh", "-c", NEST], tmp_path)
    thread.join()
    until(lambda: ended(int((tmp_path / "pid").read_text())))
