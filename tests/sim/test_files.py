import os
import re
from pathlib import Path

import numpy as np
import pytest

from memtwin.link.maps import read_map
from memtwin.link.snapshot import Snapshot
from memtwin.nir.nir_io import read_nir
from memtwin.sim.cards import load_card
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.patterns import load_patterns
from memtwin.sim.files import read_arrays, read_bytes, read_text, whole, write_arrays, write_whole
from memtwin.train.data import read_idx
from tests.refusal import refusal


def test_a_file_and_its_directories(tmp_path):
    path = tmp_path / "new" / "deep" / "file.bin"
    assert write_whole(path, b"first") == path
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_what_is_broken_off_leaves_the_file_as_it_was(tmp_path, error):
    path = write_whole(tmp_path / "file.txt", b"before")

    def write():
        with whole(path) as partial:
            partial.write_text("half", encoding="utf-8")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_unwritable_file_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match=r"file .*file/below: cannot be written \("):
        write_whole(tmp_path / "file" / "below", b"")
    (tmp_path / "directory").mkdir()
    with pytest.raises(InputError, match=r"file .*directory: cannot be written \(Is a directory\)"):
        write_whole(tmp_path / "directory", b"")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["directory", "file"]


@pytest.mark.parametrize("path", [".", "..", ""])
def test_a_directory_without_a_name_is_no_file_to_write(path, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(InputError, match="cannot be written"):
        write_whole(path, b"")
    assert [entry.name for entry in tmp_path.rglob("*")] == ["here"]


def test_arrays(tmp_path):
    arrays = {"a/b": np.arange(6, dtype=np.uint16).reshape(2, 3), "name": np.array("text")}
    found = read_arrays(write_arrays(tmp_path / "arrays.npz", arrays), "arrays")
    assert found.keys() == arrays.keys()
    np.testing.assert_array_equal(found["a/b"], arrays["a/b"])
    assert found["a/b"].dtype == np.uint16
    assert str(found["name"]) == "text"


def test_files_that_hold_no_arrays(tmp_path):
    path = write_arrays(tmp_path / "arrays.npz", {"a": np.zeros(100), "b": np.ones(3)})
    content = path.read_bytes()
    for broken in (b"", b"text", content[: len(content) // 2], b"PK\x03\x04" + bytes(50)):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=r"file .*arrays\.npz: expected a file of something \("):
            read_arrays(path, "a file of something")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(InputError, match="expected a file of something"):
        read_arrays(tmp_path / "one.npy", "a file of something")
    with pytest.raises(InputError, match="cannot be read"):
        read_arrays(tmp_path / "missing.npz", "a file of something")


def test_only_regular_files_of_a_bounded_size_are_read(tmp_path):
    path = write_whole(tmp_path / "file", b"12345678")
    (tmp_path / "link").symlink_to(path)
    assert read_bytes(tmp_path / "link", "x", 8) == b"12345678"
    os.mkfifo(tmp_path / "pipe")  # nobody writes to it: a read would wait for ever
    refused = {
        "/dev/zero": "expected a regular file, not a device or a pipe",
        tmp_path / "pipe": "expected a regular file, not a device or a pipe",
        tmp_path: "Is a directory",
        tmp_path / "none": "No such file",
        "a\0b": "embedded null byte",
    }
    for wrong, said in refused.items():
        assert said in refusal(read_bytes, wrong, "card file x", 8)
    assert refusal(read_bytes, path, "x", 7) == "x: expected a file of at most 7 bytes, not 8"
    assert "x: expected a file of at most 7 bytes, not 8" in refusal(read_bytes, "/proc/self/status", "x", 7)  # says 0
    assert "cannot be read" in refusal(read_text, tmp_path, "x", 7)
    path.write_bytes(b"\xff\xfe")
    assert refusal(read_text, path, "x", 7).startswith("x: expected UTF-8 text (")


READERS = {  # with the limits of docs/files.md
    "card": (load_card, "x.toml", 2**17),
    "patterns": (load_patterns, "x.txt", 2**20),
    "map": (read_map, "x.json", 2**20),
    "network": (read_nir, "x.nir", 2**26),
    "IDX": (lambda path: read_idx(path, 3), "x", 2**28),
    "arrays": (lambda path: read_arrays(path, "arrays"), "x.npz", 2**28),
    "snapshot": (Snapshot.load, "x.npz", 2**28),
}


@pytest.mark.parametrize("kind", READERS)
def test_every_reader_refuses_what_is_no_regular_file_of_its_size(tmp_path, kind):
    read, name, most = READERS[kind]
    path = tmp_path / name
    os.mkfifo(path)
    assert "not a device or a pipe" in refusal(read, path)
    path.unlink()
    path.symlink_to("/dev/zero")
    assert "not a device or a pipe" in refusal(read, path)
    path.unlink()
    path.mkdir()
    assert "Is a directory" in refusal(read, path)
    path.rmdir()
    with path.open("wb") as file:
        file.truncate(most + 1)  # takes no room on the disk
    assert f"expected a file of at most {most} bytes, not {most + 1}" in refusal(read, path)


def test_no_module_reads_a_file_of_a_user_past_the_border():
    """Whoever opens a file in another way stands here, with the reason."""
    allowed = {
        "boards/build.py": "reports of place and route that it has just run",
        "boards/fits.py": "package data",
        "boards/registry.py": "package data",
        "memtwin/benches/common.py": "a variable of the parent process",
        "memtwin/benches/runner.py": "a request of the parent process, and a log that it has just written",
        "memtwin/bench/lif.py": "a log that it has just written",
        "memtwin/cli/main.py": "the null device, to write to",
        "memtwin/train/data.py": "bytes that were read before",
        "memtwin/build/fits.py": "package data",
        "memtwin/nir/hdf5.py": "bytes that were read before",
        "memtwin/verify.py": "files that it has just written",
        "sim/cache.py": "programs that it has built, and their checksums",
        "sim/cards.py": "package data",
        "sim/experiments/patterns.py": "package data",
        "sim/files.py": "the border",
        "sim/isolation.py": "what the system says of its memory",
        "sim/own/options.py": "texts that were read before",
        "memtwin/own/inputs.py": "texts that were read before",
        "sim/parsers.py": "texts that were read before",
        "sim/engines/ngspice.py": "a table that ngspice has just written",
        "sim/engines/synthesis.py": "a netlist that Yosys has just written, and package data",
        "sim/engines/verilator.py": "files that it has just written",
    }
    opens = re.compile(
        r"(?<!os\.)\bopen\((?!\"w)|\.read_text\(|\.read_bytes\(|np\.load|loadtxt|fromfile|genfromtxt"
        r"|h5py\.File|tomllib\.|json\.loads?\(|ZipFile\(|nir\.read\w*\("
    )
    root = Path(__file__).parents[2]
    found = {
        str(path.relative_to(root))
        for folder in ("hdl", "sim", "memtwin", "boards")
        for path in (root / folder).rglob("*.py")
        if opens.search(path.read_text(encoding="utf-8"))
    }
    assert found == set(allowed)
