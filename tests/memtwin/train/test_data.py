"""Pictures of digits: every damaged file gives one line that names it, and a download is checked."""

import gzip
import itertools
import struct
import threading
import tracemalloc
import urllib.error
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from memtwin.sim.errors import InputError
from memtwin.train import data
from memtwin.train.data import Digits, draw_digits, load_mnist, read_idx


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


IMAGES = np.random.default_rng(1).integers(0, 256, (7, 28, 28), dtype=np.uint8)
LABELS = np.arange(7, dtype=np.uint8)
NAMES = ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


@pytest.fixture
def folder(tmp_path):
    (tmp_path / NAMES[0]).write_bytes(idx(IMAGES))
    (tmp_path / f"{NAMES[1]}.gz").write_bytes(gzip.compress(idx(LABELS)))
    return tmp_path


@settings(max_examples=30, deadline=None)
@given(array=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=1, max_dims=3)), zipped=st.booleans())
def test_what_an_idx_file_holds_is_read(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "file"
    path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    read = read_idx(path, array.ndim)
    assert read.dtype == np.uint8
    assert np.array_equal(read, array)


def test_plain_and_compressed_files_of_a_directory(folder):
    digits = load_mnist("test", folder)
    assert np.array_equal(digits.images, IMAGES.reshape(7, 784))
    assert np.array_equal(digits.labels, LABELS)


def test_files_may_be_named_with_a_dot(tmp_path):
    (tmp_path / "t10k-images.idx3-ubyte").write_bytes(idx(IMAGES))
    (tmp_path / "t10k-labels.idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    assert np.array_equal(load_mnist("test", tmp_path).labels, LABELS)


def test_the_directory_may_come_from_the_environment(folder, monkeypatch):
    monkeypatch.setenv("MEMTWIN_DATA", str(folder))
    assert len(load_mnist("test")) == 7


good = idx(IMAGES)
DAMAGED = {
    "empty": (b"", "expected an IDX file of bytes, which begins with 00 00 08, not nothing"),
    "not IDX": (b"\x89PNG and so on", "expected an IDX file of bytes, which begins with 00 00 08, not 89 50 4e"),
    "floats": (b"\x00\x00\x0d" + good[3:], "expected an IDX file of bytes"),
    "rank": (idx(IMAGES[0]), "expected an IDX file of rank 3, not 2"),
    "header": (good[:9], "expected a header of 16 bytes, not 9"),
    "truncated": (good[:-10], "expected 5488 bytes after the header (7 x 28 x 28), not 5478"),
    "too long": (good + b"x", "expected 5488 bytes after the header (7 x 28 x 28), not 5489"),
    "huge": (good[:4] + b"\xff" * 12, "268435456 bytes after the header, not 4294967295 x 4294967295 x 4294967295"),
    "none, but huge": (good[:4] + bytes(4) + b"\xff" * 8, "after the header, not 0 x 4294967295 x 4294967295"),
    "truncated gzip": (gzip.compress(good)[:-20], "damaged gzip data"),
    "damaged gzip": (b"\x1f\x8b" + bytes(40), "damaged gzip data"),
    "small pictures": (idx(IMAGES[:, :8, :8]), "expected pictures of 28 x 28 pixels, not the shape (7, 8, 8)"),
    "no pictures": (idx(IMAGES[:0]), "expected pictures of 28 x 28 pixels"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named(folder, name):
    content, message = DAMAGED[name]
    path = folder / NAMES[0]
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_mnist("test", folder)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [(LABELS[:5], "expected 7 labels"), (LABELS + 4, "expected labels from 0 to 9, not 10")],
)
def test_labels_that_do_not_belong_to_the_pictures(folder, labels, message):
    (folder / f"{NAMES[1]}.gz").write_bytes(idx(labels))
    with pytest.raises(InputError, match=message) as caught:
        load_mnist("test", folder)
    assert f"{NAMES[1]}.gz" in str(caught.value)


def test_the_label_9_is_taken(folder):
    (folder / f"{NAMES[1]}.gz").write_bytes(idx(LABELS + 3))
    assert load_mnist("test", folder).labels.max() == 9


def test_a_gzip_bomb_is_unpacked_up_to_the_limit(tmp_path, monkeypatch):
    monkeypatch.setattr(data, "_LARGEST", 2**20)
    packed = gzip.compress(bytes(2**26))
    (tmp_path / "bomb").write_bytes(packed)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="expected at most 1048576 bytes when unpacked"):
            read_idx(tmp_path / "bomb", 3)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**22


def test_a_missing_file_says_what_was_expected(folder):
    with pytest.raises(InputError, match=r"expected train-images-idx3-ubyte or train-images-idx3-ubyte\.gz there"):
        load_mnist("train", folder)
    with pytest.raises(InputError, match="expected the part train or test, not 'all'"):
        load_mnist("all", folder)


def test_a_download_is_checked_and_kept(monkeypatch, tmp_path):
    monkeypatch.delenv("MEMTWIN_DATA", raising=False)
    monkeypatch.setenv("MEMTWIN_CACHE", str(tmp_path))
    files = {f"{NAMES[0]}.gz": gzip.compress(idx(IMAGES)), f"{NAMES[1]}.gz": gzip.compress(idx(LABELS))}
    asked = []

    def fetch(url):
        asked.append(url)
        return files[url.rsplit("/", 1)[1]]

    with pytest.raises(InputError, match="expected the SHA-256 8d422c7b"):
        load_mnist("test", fetch=fetch)
    assert not (tmp_path / "mnist").exists()  # nothing half-done is left
    monkeypatch.setattr(data, "_SHA256", {name: data.hashlib.sha256(own).hexdigest() for name, own in files.items()})
    assert np.array_equal(load_mnist("test", fetch=fetch).labels, LABELS)
    assert np.array_equal(load_mnist("test", fetch=fetch).labels, LABELS)
    assert len(asked) == 3  # the second time from the cache


def test_without_a_network_the_message_says_what_to_do(monkeypatch, tmp_path):
    monkeypatch.delenv("MEMTWIN_DATA", raising=False)
    monkeypatch.setenv("MEMTWIN_CACHE", str(tmp_path))

    def fetch(url):
        raise urllib.error.URLError("no route to host")

    with pytest.raises(InputError, match=r"cannot be downloaded \(no route to host\); give the directory"):
        load_mnist("test", fetch=fetch)


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """Function that serves a generator of bytes as the answer to every request, as if it were the mirror."""
    monkeypatch.delenv("MEMTWIN_DATA", raising=False)
    monkeypatch.setenv("MEMTWIN_CACHE", str(tmp_path))
    servers, over = [], threading.Event()

    def serve(parts, head=b"HTTP/1.0 200 OK\r\n\r\n"):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                try:
                    self.wfile.write(head)
                    for part in parts(over):
                        self.wfile.write(part)
                except OSError:
                    pass  # the client is gone

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        url = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(data, "_MIRROR", url)
        return url

    yield serve
    over.set()
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join()


def drip(over):
    """One byte, and another, and never an end."""
    while not over.wait(0.02):
        yield b"x"


def flood(over):
    """More, as fast as it is taken."""
    yield from itertools.takewhile(lambda _: not over.is_set(), itertools.repeat(bytes(2**16)))


def limited(**limits):
    return lambda url: data._download(url, **limits)


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.0 200 OK\r\nslow: "])
def test_a_download_that_drips_is_given_up(mirror, tmp_path, head):
    mirror(drip, head)
    with pytest.raises(InputError, match=r"cannot be downloaded \(not all there after 0\.3 s\); give the directory"):
        load_mnist("test", fetch=limited(seconds=0.3))
    assert not list(tmp_path.iterdir())


def test_a_download_that_floods_is_cut_off(mirror, tmp_path):
    mirror(flood)
    with pytest.raises(InputError, match=r"cannot be downloaded \(more than 1000000 bytes\); give the directory"):
        load_mnist("test", fetch=limited(most=1_000_000))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("head", [b"no answer at all\r\n\r\n", b"HTTP/1.0 200 OK\r\n" + b"x" * 70_000, b""])
def test_an_answer_that_is_none_of_http_is_one_line(mirror, head):
    mirror(lambda _: (), head)
    with pytest.raises(InputError, match="cannot be downloaded") as error:
        load_mnist("test")
    assert "\n" not in str(error.value)


def test_a_download_over_http_is_whole(mirror, monkeypatch):
    files = {f"{NAMES[0]}.gz": gzip.compress(idx(IMAGES)), f"{NAMES[1]}.gz": gzip.compress(idx(LABELS))}
    monkeypatch.setattr(data, "_SHA256", {name: data.hashlib.sha256(own).hexdigest() for name, own in files.items()})
    contents = iter(files.values())
    mirror(lambda _: iter([next(contents)]))
    assert np.array_equal(load_mnist("test").images, IMAGES.reshape(7, -1))


def test_the_limits_hold_the_real_files():
    # 9 912 422 bytes, the training pictures, are the largest of the four.
    assert 9_912_422 < data._MOST_DOWNLOAD < 20_000_000
    assert data._LONGEST_DOWNLOAD_S <= 600


def test_drawn_digits_are_seeded_and_differ_by_class():
    digits = draw_digits(400, seed=5)
    again, other = draw_digits(400, seed=5), draw_digits(400, seed=6)
    assert np.array_equal(digits.images, again.images)
    assert not np.array_equal(digits.images, other.images)
    assert digits.images.shape == (400, 784)
    assert np.bincount(digits.labels).tolist() == [40] * 10
    brightest = digits.images.max(axis=1)
    assert (brightest.min(), brightest.max()) == (161, 255)
    # The nearest mean of a class says what is drawn: labels belong to the pictures.
    mean = np.stack([digits.images[digits.labels == n].mean(axis=0) for n in range(10)])
    distance = ((other.images[:, None] - mean) ** 2).sum(axis=2)
    assert (distance.argmin(axis=1) == other.labels).mean() > 0.7


def test_split_keeps_every_picture_once():
    digits = Digits(np.arange(50, dtype=np.uint8)[:, None], np.arange(50, dtype=np.uint8))
    train, held = digits.split(12, seed=3)
    assert (len(train), len(held)) == (38, 12)
    assert sorted([*train.labels, *held.labels]) == list(range(50))
    assert np.array_equal(train.images[:, 0], train.labels)
    with pytest.raises(InputError, match="expected 1 to 49 pictures to hold out, not 50"):
        digits.split(50, seed=3)
