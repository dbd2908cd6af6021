"""Programs that start others."""

import os
import signal
import subprocess
import threading

import pytest

from memtwin.sim import processes
from tests.programs import NEST, ended, until, written


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
