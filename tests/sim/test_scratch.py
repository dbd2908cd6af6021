"""Directories of work in progress."""

import contextlib
import subprocess
import sys

import pytest

from memtwin.sim.scratch import scratch

HOLD = """
import sys
from memtwin.sim.scratch import scratch
with scratch() as path:
    (path / "half").write_text("done")
    print(path, flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt, SystemExit])
def test_directory_is_removed_whatever_happens(error):
    with pytest.raises(error) if error else contextlib.nullcontext(), scratch() as path:
        (path / "below").mkdir()
        (path / "below" / "file").write_text("")
        if error is not None:
            raise error
    assert not path.exists()


@pytest.mark.parametrize("name", ["with space", "with $dollar", "with 'quotes\"", "Umläute", "hash#", "p%cent"])
def test_path_is_plain_where_that_of_temporary_files_is_not(name, monkeypatch, tmp_path):
    (tmp_path / name).mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
    with scratch() as path:
        assert str(path).replace("/", "").replace("-", "").replace("_", "").isalnum()
        assert str(path).isascii()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch() as path:
        assert path.parent == tmp_path


def test_what_was_killed_is_swept_and_what_runs_stays(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "of another program").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        left = tmp_path / process.stdout.readline().strip()
        with scratch() as mine:
            assert {path.name for path in tmp_path.iterdir()} == {left.name, mine.name, "of another program"}
        assert (left / "half").read_text() == "done"
        process.kill()
        process.wait()
    assert left.exists()
    with scratch() as mine:
        assert {path.name for path in tmp_path.iterdir()} == {mine.name, "of another program"}
