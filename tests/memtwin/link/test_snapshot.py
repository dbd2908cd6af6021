"""Snapshots of what a network remembers, against a twin in pure Python."""

import numpy as np
import pytest

from memtwin.link import Link, Snapshot
from memtwin.sim.errors import InputError
from tests.fake_twin import FakeTwin, a_map, served
from tests.memtwin.link.words import IMAGE


def test_snapshot_continues_in_another_twin(link, twin, tmp_path):
    link.load(IMAGE)
    link.write("layer1.theta", np.arange(300) + 5000)  # what the network remembers now
    link.snapshot().save(tmp_path / "deep" / "run.npz")
    other = FakeTwin()
    with served(other) as server, Link(server.url, map=other.map) as second:
        second.restore(Snapshot.load(tmp_path / "deep" / "run.npz"))
    assert other.runs == 1  # power-up
    network = {address: word for address, word in twin.words.items() if address < 1024}
    assert {address: word for address, word in other.words.items() if address < 1024} == network
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["run.npz"]


def test_snapshot_after_a_reset_has_no_coefficients_that_are_gone(link, twin):
    link.load(IMAGE)
    assert link.snapshot().coefficients.keys() == IMAGE.keys()
    link.reset()
    assert link.snapshot().coefficients == {}
    link.load({"layer1.leak": [7]})
    assert link.snapshot().coefficients.keys() == {"layer1.leak"}


def test_snapshot_of_another_design_is_refused(link, tmp_path):
    Snapshot("other", "ab" * 8, {}).save(tmp_path / "other.npz")
    with pytest.raises(InputError, match=rf"with the map {link.map.digest} \(toy\), not (ab){{8}} \(other\)"):
        link.restore(Snapshot.load(tmp_path / "other.npz"))
    with pytest.raises(InputError, match=r"it lacks layer1\.conductance, layer1\.theta"):
        link.restore(Snapshot("toy", link.map.digest, {}))


def test_network_without_state_has_no_snapshot():
    twin = FakeTwin(a_map(state=False))
    with (
        served(twin) as server,
        Link(server.url, map=twin.map) as link,
        pytest.raises(InputError, match="snapshot: design toy has no windows of state; expected hybrid or LIF neurons"),
    ):
        link.snapshot()


def test_file_that_is_no_snapshot(tmp_path):
    path = tmp_path / "run.npz"
    with pytest.raises(InputError, match=r"run\.npz: cannot be read"):
        Snapshot.load(path)
    Snapshot("toy", "ab" * 8, {"layer1.theta": np.arange(9, dtype=np.uint16)}).save(path)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(InputError, match=r"run\.npz: (expected a snapshot|cannot be read)"):
            Snapshot.load(path)
    np.savez(path, design=np.array("toy"), map_digest=np.array("ab"), other=np.zeros(3))
    with pytest.raises(InputError, match="array other"):
        Snapshot.load(path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    with pytest.raises(InputError, match="expected a snapshot"):
        Snapshot.load(tmp_path / "array.npy")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        Snapshot("toy", "ab", {}).save(tmp_path / "file" / "run.npz")
