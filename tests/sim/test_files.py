import numpy as np
import pytest

from memtwin.sim.errors import InputError
from memtwin.sim.files import read_arrays, whole, write_arrays, write_whole


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
        with pytest.raises(InputError, match=r"file .*arrays\.npz: expected a file of something$"):
            read_arrays(path, "a file of something")
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(InputError, match="expected a file of something"):
        read_arrays(tmp_path / "one.npy", "a file of something")
    with pytest.raises(InputError, match="cannot be read"):
        read_arrays(tmp_path / "missing.npz", "a file of something")
