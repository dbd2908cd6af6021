"""Hostile texts and archives: every one is refused in one line, at once and in little memory."""

import io
import json
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from memtwin.sim.errors import InputError, printable
from memtwin.sim.parsers import parse_json, parse_npy, parse_npz, parse_toml, parsing
from tests.refusal import refusal


def test_whatever_a_parser_raises_is_one_line_with_its_reason():
    for error in (RecursionError("too deep"), MemoryError(), OverflowError("too\nlarge"), NotImplementedError("zstd")):
        with pytest.raises(InputError) as caught, parsing("file x", "a thing"):
            raise error
        said = str(caught.value)
        assert said.startswith("file x: expected a thing (")
        assert "\n" not in said
        assert (str(error).split("\n")[0] or "MemoryError") in said
    with pytest.raises(KeyboardInterrupt), parsing("file x", "a thing"):
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = " + "[" * 50_000, "recursion"),
        ("a = " + "1" * 5000, "digits"),
        ("a\0b = 1", "Expected '=' after a key"),
        (".".join("a" * 50_000) + " = 1", "line 1: expected at most 256 dots, not 49999"),
        ("[x]\n[" + ".".join("a" * 300) + "]", "line 2: expected at most 256 dots, not 299"),
        ("a = 1\na = 2", "Cannot overwrite a value"),
    ],
)
def test_toml(text, message):
    said = refusal(parse_toml, text, "card file x")
    assert said.startswith("card file x")
    assert message in said


def test_a_dotted_key_of_fair_length_is_read():
    assert parse_toml("a.b.c = 1\n# " + 256 * ".", "x") == {"a": {"b": {"c": 1}}}
    assert "line 2: expected at most 256 dots, not 257" in refusal(parse_toml, "a.b.c = 1\n# " + 257 * ".", "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 200_000, "recursion"),
        ("1" * 5000, "digits"),
        ('{"a": NaN}', "NaN is not finite"),
        ('{"a": -Infinity}', "-Infinity is not finite"),
        ('{"a": 1e400}', "1e400 is not finite"),
        ('{"a": {"b": 1, "c": 2, "b": 3}}', "'b' twice in an object"),
        ("", "Expecting value"),
    ],
)
def test_json(text, message):
    said = refusal(parse_json, text, "file x", "a map")
    assert said.startswith("file x: expected a map (")
    assert message in said


def archive(content=b"", *, name="a.npy", **changes):
    """A zip file of one member, with fields of its entry changed in both places where they are."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    data = bytearray(out.getvalue())
    places = {"flags": (6, 8, "<H"), "method": (8, 10, "<H"), "size": (22, 24, "<I")}
    for field, value in changes.items():
        local, central, form = places[field]
        struct.pack_into(form, data, local, value)
        struct.pack_into(form, data, data.rindex(b"PK\x01\x02") + central, value)
    return bytes(data)


def npy(values, **options):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.asarray(values), **options)
    return out.getvalue()


def header(text, data=b""):
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + data


GOOD = npy(np.arange(5))
HOSTILE = {
    "6 GiB": (archive(GOOD, size=2**32 - 2), "4294967294 bytes of arrays; at most 268435456 are read"),
    "encrypted": (archive(GOOD, flags=1), "encrypted"),
    "patch data": (archive(GOOD, flags=0x20), "compressed patched data"),
    "lzma": (archive(GOOD, method=14), ", array a: expected arrays (compressed by method 14, not by deflate"),
    "bzip2": (archive(GOOD, method=12), ", array a: expected arrays (compressed by method 12, not by deflate"),
    "unknown method": (archive(GOOD, method=99), ", array a: expected arrays (compressed by method 99, not by deflate"),
    "no array": (archive(b"text"), ", array a: expected arrays (EOF: reading magic string"),
    "objects": (
        archive(npy(np.array([{}], object), allow_pickle=True)),
        "(an array of object",
    ),
    "structure": (archive(npy(np.zeros(2, "u1,u2"))), ", array a: expected arrays (an array of"),
    "complex": (archive(npy(np.zeros(2, complex))), ", array a: expected arrays (an array of complex128"),
    "huge shape": (
        archive(header("{'descr': '<u2', 'fortran_order': False, 'shape': (10**12, 4294967296)}")),
        ", array a: expected arrays (malformed node",
    ),
    "shape beyond the data": (
        archive(header("{'descr': '<u2', 'fortran_order': False, 'shape': (4294967296, 4294967296)}\n")),
        ", array a: expected arrays (0 bytes for uint16 of the shape (4294967296, 4294967296)",
    ),
    "negative shape": (
        archive(header("{'descr': '<u2', 'fortran_order': False, 'shape': (-2, -2)}\n", bytes(8))),
        ", array a: expected arrays (8 bytes for uint16 of the shape (-2, -2)",
    ),
    "deep header": (archive(header("(" * 4000)), ", array a: expected arrays ("),
    "long header": (archive(header("{'descr': '<u2'," + " " * 11_000)), "Header info length (11016) is large"),
    "no character": (
        archive(npy(np.array("a")).replace(b"a\0\0\0", b"\xff\xff\xff\xff")),
        "(a text with",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_npz(name):
    content, message = HOSTILE[name]
    said = refusal(parse_npz, content, "file x", "arrays")
    assert said.startswith("file x")
    assert ": expected arrays (" in said
    assert message in said


def test_more_members_or_names_than_honest_files_have():
    many = io.BytesIO()
    with zipfile.ZipFile(many, "w") as file:
        for number in range(4097):
            file.writestr(f"{number}.npy", b"")
    assert "4097 arrays; at most 4096 are read" in refusal(parse_npz, many.getvalue(), "x", "arrays")
    both = io.BytesIO(archive(GOOD, name="a.npy"))
    with zipfile.ZipFile(both, "a") as file, pytest.warns(UserWarning, match="Duplicate name"):
        file.writestr("a.npy", GOOD)
    assert "two arrays of one name" in refusal(parse_npz, both.getvalue(), "x", "arrays")


def test_a_member_that_unpacks_to_more_than_it_says_fills_no_memory():
    bomb = archive(bytes(2**26), size=100)
    tracemalloc.start()
    try:
        assert refusal(parse_npz, bomb, "file x", "arrays")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20


@pytest.mark.parametrize(
    "values",
    [np.zeros((2, 0, 3), np.uint16), np.array(3.5), np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array("text")],
)
def test_arrays_come_back_and_can_be_written(values):
    for version in ((1, 0), (2, 0)):
        (found,) = parse_npz(archive(npy(values, version=version)), "x", "arrays").values()
        np.testing.assert_array_equal(found, values)
        assert found.dtype == values.dtype
        assert found.flags.writeable


def test_what_a_terminal_would_obey_is_escaped():
    assert printable("a\x1b[31mb\n\x07\u202e\x9b2J") == r"a\x1b[31mb\n\x07\u202e\x9b2J"
    assert printable("Größe 3 µS \\ 'x'") == "Größe 3 µS \\ 'x'"
    assert str(InputError("node \x1b]0;title\x07:\nexpected")) == r"node \x1b]0;title\x07: expected"
    said = str(InputError("name " + "x" * 10**6 + ": expected less"))
    assert len(said) < 2100
    assert said.endswith(": expected less")
    assert json.loads(json.dumps(said)) == said


def test_an_array_of_numpy_is_read_from_memory():
    def content(array):
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=True)
        return stream.getvalue()

    values = np.arange(6.0).reshape(2, 3)
    assert np.array_equal(parse_npy(content(values), "file a.npy", "an array"), values)
    for data in (
        b"",
        b"\x93NUMPY",
        content(values)[:-1],
        content(values) + b"\0",
        content(np.array([{}], dtype=object)),
    ):
        with pytest.raises(InputError, match=r"^file a\.npy: expected an array"):
            parse_npy(data, "file a.npy", "an array")
