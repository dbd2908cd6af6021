"""Groups of HDF5 files: what `h5py` reads of honest files, and a line for every other."""

import io
import os
import struct
import tracemalloc
import zlib

import h5py
import numpy as np
import pytest
from h5py import h5d, h5p, h5s, h5t

from memtwin.nir import hdf5
from memtwin.nir.hdf5 import read_group
from memtwin.sim.errors import InputError
from tests.refusal import refusal


def file(fill, **options):
    """Bytes of a file whose group 'node' was filled by a function."""
    out = io.BytesIO()
    with h5py.File(out, "w", **options) as top:
        fill(top.create_group("node"))
    return out.getvalue()


def read(data):
    """Read a file; what there is in it is looked up in this process, whose coverage and memory are watched."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hdf5, "isolated", lambda call, **_: call())
        return read_group(data, "net.nir", "node", "a NIR file")


def honest(group):
    rng = np.random.default_rng(5)
    for name in ("f2", "f4", "f8", ">f4", "i1", "u2", "i8", ">u4", "?"):
        group[name] = rng.integers(0, 2, (3, 5)).astype(name)
    group["text"] = "NIRGraph"
    group["accents"] = "größe"
    group["bytes"] = np.bytes_(b"LIF")
    group["fixed"] = np.array([b"a", b"bcd"])
    group["empty"] = ""
    group["texts"] = np.array([["input", "fc"], ["fc", "lif"]], object)
    group["number"] = 3.5
    group["none"] = np.zeros((0, 4))
    group.create_dataset("zipped", data=rng.normal(size=(70, 33)), chunks=(16, 16), compression="gzip")
    group.create_dataset("shuffled", data=np.arange(1000), compression="gzip", shuffle=True)
    partly = group.create_dataset("partly", shape=(8,), dtype="<u2", chunks=(4,), compression="gzip", shuffle=True)
    words = np.arange(300, 304, dtype="<u2")
    partly.id.write_direct_chunk((0,), words.tobytes(), filter_mask=0b11)  # that was packed by no filter
    partly.id.write_direct_chunk((4,), zlib.compress(words.tobytes()), filter_mask=0b01)  # by one of the two
    group.create_dataset("edges", data=[[b"a", b"b"]] * 40, dtype=h5py.string_dtype(), compression="gzip")
    group.create_dataset("grows", data=np.arange(10), maxshape=(None,), chunks=(4,))
    space, layout = h5s.create_simple((3,)), h5p.create(h5p.DATASET_CREATE)
    layout.set_layout(h5d.CONTIGUOUS)
    h5d.create(group.id, b"early", h5t.NATIVE_INT32, space, layout).write(h5s.ALL, h5s.ALL, np.arange(3, dtype="i4"))
    group.create_group("metadata")["memtwin"] = "{}"


@pytest.mark.parametrize("options", [{}, {"libver": "latest"}])
def test_honest_files_are_read_as_by_h5py(options):
    data = file(honest, **options)
    found = read(data)
    with h5py.File(io.BytesIO(data)) as top:
        node = top["node"]
        assert found.keys() == node.keys()
        assert found.pop("metadata") == {"memtwin": b"{}"}
        for name, values in found.items():
            np.testing.assert_array_equal(values, node[name][()])
            assert np.asarray(values).dtype == np.asarray(node[name][()]).dtype or name in ("text", "accents", "empty")


def external_data(group):
    group.create_dataset("secret", shape=(4,), dtype="u1", external=[("/etc/passwd", 0, 4)])


def virtual_data(group):
    layout = h5py.VirtualLayout((4,), dtype="i8")
    layout[:] = h5py.VirtualSource("other.h5", "d", shape=(4,))
    group.create_virtual_dataset("secret", layout)


def external_link(group):
    group["secret"] = h5py.ExternalLink("other.h5", "/d")


def soft_link(group):
    group["secret"] = h5py.SoftLink("/node")


def shared_groups(group):
    """Twelve levels of ten names, each of the ten for one group: 10**12 paths."""
    for _ in range(12):
        below = group.create_group("0")
        for number in range(1, 10):
            group[str(number)] = below
        group = below


def loop(group):
    group["again"] = group


def nested(group, depth=3000):
    for _ in range(depth):
        group = group.create_group("g")


def many_links(group):
    group["x"] = 1
    for number in range(2**14):
        group[str(number)] = group["x"]


def many_arrays(group):
    packed = zlib.compress(bytes(2**20))
    for number in range(200):
        array = group.create_dataset(str(number), shape=(2**17,), chunks=(2**17,), dtype="f8", compression="gzip")
        array.id.write_direct_chunk((0,), packed)


def large_chunk(group):
    group.create_dataset("x", shape=(4,), maxshape=(None,), chunks=(2**25,), dtype="f8", compression="gzip")
    group["x"].id.write_direct_chunk((0,), zlib.compress(bytes(8)))


def long_texts(group):
    array = group.create_dataset("x", shape=(2,), chunks=(2,), dtype=f"S{2**30 - 1}", compression="gzip")
    array.id.write_direct_chunk((0,), zlib.compress(b"x"))


def never_written(group):
    group.create_dataset("x", shape=(2**20,), dtype="f8")


def half_written(group):
    group.create_dataset("x", shape=(8,), chunks=(4,), dtype="u1")[:4] = 1


def inflates(group):
    group.create_dataset("x", shape=(16,), chunks=(16,), dtype="u1", compression="gzip")
    group["x"].id.write_direct_chunk((0,), zlib.compress(bytes(2**26)))


def with_filter(group):
    group.create_dataset("x", data=np.arange(100), compression="lzf")


def checksums(group):
    group.create_dataset("x", data=np.arange(100), fletcher32=True)


def of_type(dtype):
    return lambda group: group.create_dataset("x", shape=(2,), dtype=dtype)


def no_data(group):
    group["x"] = h5py.Empty("f4")


def named_type(group):
    group["x"] = np.dtype("f4")


HOSTILE = {
    "external data": (external_data, "net.nir: secret: expected data in this file, not in another one"),
    "virtual data": (virtual_data, "net.nir: secret: expected data in this file, not in another one"),
    "external link": (external_link, "net.nir: secret: expected data in this file, not a link by name"),
    "soft link": (soft_link, "net.nir: secret: expected data in this file, not a link by name"),
    "shared groups": (shared_groups, "net.nir: 0/0/0/0/0/0/0/0/0/0/0/1/: expected one name for each group"),
    "loop": (loop, "net.nir: again/: expected one name for each group, not several"),
    "many links": (many_links, "expected at most 16384 links in all"),
    "nested": (nested, "expected groups in at most 64 others"),
    "many arrays": (many_arrays, "expected at most 16777216 numbers in all"),
    "large chunk": (large_chunk, "expected at most 16777216 numbers in all"),
    "long texts": (long_texts, "expected at most 16777216 numbers in all, not 268435456"),
    "never written": (never_written, "net.nir: x: expected data of its own in the file"),
    "half written": (half_written, "net.nir: x: expected all chunks, at most 16384, not 1 of 2"),
    "inflates": (inflates, "net.nir: x: expected an undamaged array (a chunk that unpacks to another size)"),
    "filter": (with_filter, "net.nir: x: expected no filter but gzip and shuffle, not number 32000"),
    "checksums": (checksums, "net.nir: x: expected no filter but gzip and shuffle, not number 3"),
    "complex": (of_type("c16"), "net.nir: x: expected plain numbers or texts"),
    "structure": (of_type("i4,f4"), "net.nir: x: expected plain numbers or texts"),
    "references": (of_type(h5py.ref_dtype), "net.nir: x: expected plain numbers or texts"),
    "lists": (of_type(h5py.vlen_dtype("f8")), "net.nir: x: expected plain numbers or texts"),
    "nothing": (no_data, "net.nir: x: expected data, not nothing"),
    "a type": (named_type, "net.nir: x: expected a group or an array"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("options", [{}, {"libver": "latest"}], ids=["early", "latest"])
def test_what_is_refused_before_any_of_it_is_read(name, options):
    fill, message = HOSTILE[name]
    data = file(fill, **options)
    tracemalloc.start()
    try:
        said = refusal(read, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert said is not None
    assert message in said
    assert peak < 2**22 + 3 * len(data)


def test_limits_are_met_exactly(monkeypatch):
    for name in ("_LINKS", "LARGEST_NUMBERS", "_CHUNKS"):
        monkeypatch.setattr(hdf5, name, 100)

    def links(count):
        def fill(group):
            group["x"] = 1
            for number in range(count - 1):
                group[str(number)] = group["x"]

        return fill

    def numbers(count):
        # Two arrays, one of them in two chunks of which the second is half outside.
        def fill(group):
            group["a"] = np.zeros(count - 8, "u1")
            group.create_dataset("b", data=np.zeros(6, "u1"), chunks=(4,))

        return fill

    def chunks(count):
        return lambda group: group.create_dataset("x", data=np.zeros(count, "u1"), chunks=(1,))

    for fill in (links, numbers, chunks):
        assert read(file(fill(100)))
        assert "at most 100" in refusal(read, file(fill(101)))
    assert read(file(lambda group: nested(group, 64)))
    assert "in at most 64 others" in refusal(read, file(lambda group: nested(group, 65)))


def test_no_other_file_is_opened(tmp_path, monkeypatch):
    """Also not to find out what there is: HDF5 opens the sources of virtual data when it looks at their shape."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo(tmp_path / "other.h5")  # a reader would wait for ever

    def fill(group):
        layout = h5py.VirtualLayout((4,), maxshape=(None,), dtype="i8")
        source = h5py.VirtualSource("other.h5", "d", shape=(4,), maxshape=(None,))
        layout[: h5s.UNLIMITED] = source[: h5s.UNLIMITED]
        group.create_virtual_dataset("secret", layout)

    out = io.BytesIO()
    with h5py.File(out, "w", libver="latest") as top:
        fill(top.create_group("node"))
    assert "not in another one" in refusal(read, out.getvalue())


def text_file():
    """A file with one text, and where its reference and its heap are."""
    data = file(lambda group: group.create_dataset("type", data="LIF"))
    heap = data.index(b"GCOL")
    return bytearray(data), data.index(struct.pack("<IQI", 3, heap, 1)), heap


def test_damaged_texts():
    """HDF5 2.0.0 loops for ever in such a heap, and asks for as many bytes as a text says it has."""
    data, reference, heap = text_file()
    assert read(bytes(data)) == {"type": b"LIF"}
    changes = {
        "more than 16777216 bytes of texts": (reference, struct.pack("<I", 2**31 - 1)),
        "a text of 100 bytes where there are 3": (reference, struct.pack("<I", 100)),
        "no heap of texts at": (reference + 4, struct.pack("<Q", heap + 8)),
        "bytes from 4294967295 on are not in the file": (reference + 4, struct.pack("<Q", 2**32 - 1)),
        "7": (reference + 12, struct.pack("<I", 7)),
        "heaps of texts that overlap": (heap + 8, struct.pack("<Q", 2**63)),
    }
    for message, (at, new) in changes.items():
        damaged = bytearray(data)
        damaged[at : at + len(new)] = new
        said = refusal(read, bytes(damaged))
        assert said.startswith("net.nir: type: expected an undamaged array (")
        assert message in said
    # The size of an object is such that the next one would be where this one is.
    data[heap + 24 : heap + 32] = struct.pack("<q", -16)
    assert read(bytes(data)) == {"type": b"LIF"} or refusal(read, bytes(data))


def test_texts_that_share_a_heap_are_counted_each():
    data = bytearray(file(lambda group: group.create_dataset("x", data=["y" * 70_001] + [""] * 999)))
    first = data.index(struct.pack("<I", 70_001))
    data[first : first + 16_000] = data[first : first + 16] * 1000  # 1000 references to one text
    assert "more than 16777216 bytes of texts" in refusal(read, bytes(data))


def names_and_chunks(group):
    for number in range(20):
        group[str(number)] = number
    group.create_dataset("x", data=np.arange(100), chunks=(10,), compression="gzip")


def looped_trees():
    """Yield files whose tree of names or of chunks has a loop, and how HDF5 2.0.0 ends in it."""
    data = file(names_and_chunks)
    names, chunks = (data.rindex(b"TREE" + bytes([kind, 0])) for kind in (0, 1))
    for node, first, step in ((names, 32, 16), (chunks, 48, 32)):
        for level in (1, 200):
            child = bytearray(data)
            child[node + 5] = level
            for number in range(int.from_bytes(data[node + 6 : node + 8], "little")):
                struct.pack_into("<Q", child, node + first + step * number, node)
            yield bytes(child), "SIGSEGV"
    sibling = bytearray(data)
    struct.pack_into("<QQ", sibling, names + 8, names, names)
    yield bytes(sibling), "SIGXCPU"


def test_a_library_that_crashes_or_hangs_is_one_line(monkeypatch):
    monkeypatch.setattr(hdf5, "_SECONDS", 1)
    for data, end in looped_trees():
        said = refusal(read_group, data, "net.nir", "node", "a NIR file")
        assert said == f"net.nir: expected a NIR file, undamaged (HDF5's library ended with {end})"


def test_no_group():
    out = io.BytesIO()
    with h5py.File(out, "w") as top:
        top["other"] = 1
        top["elsewhere"] = h5py.SoftLink("/other")
    for name, data in {"node": out.getvalue(), "other": out.getvalue(), "elsewhere": out.getvalue()}.items():
        with pytest.raises(InputError, match=rf"net\.nir: expected a NIR file, with a group '{name}' at the top"):
            read_group(data, "net.nir", name, "a NIR file")
    assert "expected a NIR file, undamaged (" in refusal(read, b"weights")
    user_block = io.BytesIO()
    with h5py.File(user_block, "w", userblock_size=512) as top:
        top.create_group("node")
    assert "expected addresses of 8 bytes from the first byte on" in refusal(read, user_block.getvalue())
