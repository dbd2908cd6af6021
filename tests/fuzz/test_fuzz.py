"""Some mutants of every format; ``make fuzz N=20000`` reads more of them."""

import random
from pathlib import Path

import pytest

from tests.fuzz.formats import FORMATS
from tests.fuzz.run import run
from tests.fuzz.worker import attempt

COUNT = 200  # of each format
FOUND = sorted((Path(__file__).parent / "found").iterdir())


def test_mutants_are_read_or_refused_in_one_line(tmp_path):
    """No other exception, no crash, no warning, 20 s of processor time and 1 GiB each at most."""
    for kind, found in run({kind: range(COUNT) for kind in FORMATS}, tmp_path).items():
        assert found.faults == {}, kind
        assert found.count == COUNT
        assert found.accepted > 0, f"no mutant of {kind} gets past its parser"
        assert found.refused > 0 or kind == "frames"


@pytest.mark.parametrize("kind", FORMATS)
def test_good_files_are_accepted(tmp_path, kind):
    path = tmp_path / FORMATS[kind].name
    for content in FORMATS[kind].seeds:
        path.write_bytes(content)
        FORMATS[kind].read(path)


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.name)
def test_what_was_found_before(tmp_path, path):
    """Mutants, by the name of their format and a number, that were not handled once."""
    kind = path.name.partition("-")[0]
    copy = tmp_path / FORMATS[kind].name
    copy.write_bytes(path.read_bytes())
    assert attempt(kind, copy) in ("accepted", "refused")


def test_mutants_can_be_drawn_again():
    for kind, own in FORMATS.items():
        first, second = (own.mutant(random.Random(f"{kind} 7")) for _ in range(2))
        assert first == second


BROKEN = """
import dataclasses, os, sys
from tests.fuzz import formats, worker

def read(path):
    {fault}

worker.SECONDS = 0.2
formats.FORMATS["idx"] = dataclasses.replace(formats.FORMATS["idx"], read=read)
worker.main(*sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("raise KeyError('other')", "fault: KeyError 'other' at "),
        ("os.abort()", "the process ended with -6"),
        ("bytearray(2**31)", "fault: MemoryError"),
        ("while True: pass", "the process ended with -27"),
        ("raise worker.InputError('x: Unable to allocate 1 GiB')", "fault: x: Unable to allocate"),
        ("raise ValueError('first' + chr(10) + 'second')", "fault: ValueError first second at "),
    ],
)
def test_what_the_net_is_for_is_noticed(tmp_path, monkeypatch, fault, said):
    """A reader that raises, crashes, fills the memory or never ends; what comes before and after it is read as ever."""
    (tmp_path / "broken.py").write_text(BROKEN.format(fault=fault))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    found = run({"map": range(2), "idx": range(1), "patterns": range(2)}, tmp_path, "broken")
    assert found["idx"].faults[0].startswith(said)
    assert (found["map"].count, found["patterns"].count) == (2, 2)
