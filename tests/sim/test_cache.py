"""The cache of compiled programs."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from memtwin.sim import cache
from memtwin.sim.errors import InputError
from tests.sim.test_processes import ended, until, written


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MEMTWIN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / "cache"


class Builder:
    def __init__(self, text="#!/bin/sh\necho right\n"):
        self.text, self.built = text, 0

    def __call__(self, directory: Path) -> Path:
        self.built += 1
        made = directory / "made"
        made.write_text(self.text)
        made.chmod(0o755)
        return made


def said(path):
    return subprocess.run([path], capture_output=True, text=True, check=True).stdout


def test_built_once(folder):
    build = Builder()
    path = cache.cached("program", build)
    assert path == folder / "program"
    assert said(path) == "right\n"
    assert cache.cached("program", build) == path
    assert build.built == 1
    assert {entry.name for entry in folder.iterdir()} == {"program", "program.sha256", "program.lock"}


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(path.read_bytes()[:-7]),
        lambda path: path.write_bytes(path.read_bytes().replace(b"right", b"wrong")),
        lambda path: path.chmod(0o644),
        lambda path: path.unlink(),
        lambda path: path.with_name("program.sha256").unlink(),
        lambda path: path.with_name("program.sha256").write_bytes(b"\xff\xfe"),
    ],
    ids=["empty", "truncated", "changed", "not executable", "missing", "no checksum", "damaged checksum"],
)
def test_damaged_program_is_built_again(damage):
    build = Builder()
    path = cache.cached("program", build)
    damage(path)
    assert said(cache.cached("program", build)) == "right\n"
    assert build.built == 2
    cache.cached("program", build)
    assert build.built == 2


def test_several_at_once_build_once():
    build, go = Builder(), threading.Event()

    def slow(directory):
        go.wait()
        return build(directory)

    threads = [threading.Thread(target=cache.cached, args=("program", slow)) for _ in range(4)]
    for thread in threads:
        thread.start()
    time.sleep(0.05)  # for those that would not wait for the others
    go.set()
    for thread in threads:
        thread.join()
    assert build.built == 1


def test_failed_build_leaves_nothing(folder):
    def fail(directory):
        (directory / "half").write_text("")
        raise RuntimeError("failed")

    with pytest.raises(RuntimeError, match="failed"):
        cache.cached("program", fail)
    assert [entry.name for entry in folder.iterdir()] == ["program.lock"]
    assert [entry.name for entry in folder.parent.iterdir()] == ["cache"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT])
def test_cache_that_takes_nothing_is_one_line(number, monkeypatch):
    def full(*args):
        raise OSError(number, os.strerror(number), "somewhere")

    monkeypatch.setattr("shutil.copy", full)
    with pytest.raises(InputError, match=rf"{os.strerror(number)}\).*make room there, or set MEMTWIN_CACHE|cannot be"):
        cache.cached("program", Builder())


def test_read_only_cache_gives_what_it_has(folder):
    path = cache.cached("program", Builder())
    (folder / "program.lock").unlink()
    (folder / "program.lock").mkdir()  # cannot be opened, not even by root
    assert cache.cached("program", Builder()) == path
    path.unlink()
    with pytest.raises(InputError, match=r"^cache .*program\.lock cannot be written \(Is a directory\); make"):
        cache.cached("program", Builder())


SLOW = """
import signal, sys
signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # as memtwin.cli.main does
from pathlib import Path
from memtwin.sim import cache, processes
cache.cached("program", lambda folder: processes.run(["sh", "-c", sys.argv[1]], folder))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopped_build_leaves_neither_programs_nor_files(number, folder, monkeypatch, tmp_path):
    pid = tmp_path / "pid"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    script = f"sleep 1000 & echo $! > {pid}; wait"
    with subprocess.Popen([sys.executable, "-c", SLOW, script], stderr=subprocess.DEVNULL) as process:
        until(lambda: written(pid))
        process.send_signal(number)
    until(lambda: ended(int(pid.read_text())))
    assert {entry.name for entry in tmp_path.iterdir()} == {"cache", "pid"}
    assert [entry.name for entry in folder.iterdir()] == ["program.lock"]
    assert said(cache.cached("program", Builder())) == "right\n"


def test_killed_build_is_swept_by_the_next(folder, monkeypatch, tmp_path):
    pid = tmp_path / "pid"
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    script = f"sleep 1000 & echo $! > {pid}; wait"
    with subprocess.Popen([sys.executable, "-c", SLOW, script]) as process:
        until(lambda: written(pid))
        process.kill()
    assert len(list(tmp_path.glob("memtwin-work-*"))) == 1
    assert said(cache.cached("program", Builder())) == "right\n"
    assert not list(tmp_path.glob("memtwin-work-*"))
    with contextlib.suppress(ProcessLookupError):  # a kill cannot be answered
        os.kill(int(pid.read_text()), signal.SIGKILL)


def test_cache_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.delenv("MEMTWIN_CACHE", raising=False)
    assert cache.cache_directory() == tmp_path / "xdg" / "memtwin"
    monkeypatch.setenv("MEMTWIN_CACHE", str(tmp_path / "own"))
    assert cache.cache_directory() == tmp_path / "own"
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MEMTWIN_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="MEMTWIN_CACHE"):
        cache.cache_directory()
