"""How the command line starts: at once, whatever it is asked that needs no run."""

import subprocess
import sys

import pytest

import memtwin
from tests.fake_twin import FakeTwin, a_map, served

# What takes long to import, or may be missing.
HEAVY = ("amaranth", "cocotb", "h5py", "matplotlib", "nir", "scipy")
PROGRAM = f"""
import sys
from memtwin.__main__ import main
try:
    main()
except SystemExit as end:
    print(end.code, *(name for name in {HEAVY} if name in sys.modules))
"""


def start(*arguments):
    """Run the command line; returns its last line: exit status, and what of HEAVY is loaded."""
    command = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--help"], "0"),
        (["run", "--help"], "0"),
        (["--bogus"], "2"),
        (["run", "digit"], "2"),
        (["run", "lia", "--set", "tau=1ms"], "2"),
        (["boards"], "0"),
        (["verilog", "lion"], "2"),
        (["verify", "lion"], "2"),
        (["serve", "lion"], "2"),
        (["build", "lion", "--board", "icebreaker"], "2"),
        (["build", "lia", "--board", "arty"], "2"),
        (["flash", "lia", "--board", "arty"], "2"),
    ],
    ids=" ".join,
)
def test_help_mistakes_and_lists_load_nothing_heavy(arguments, status):
    assert start(*arguments) == status


def test_counters_of_a_twin_need_no_gateware():
    twin = FakeTwin(a_map())
    twin.counters["malformed"] = 3
    with served(twin) as server:
        told = start("connect", "--port", server.url, "--counters")
    assert told == "0"


def test_version():
    command = [sys.executable, "-m", "memtwin", "--version"]
    assert (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout == f"memtwin {memtwin.__version__}\n"
    )
