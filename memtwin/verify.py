"""Runs cocotb benches: of the shipped designs, on their Verilog or on their netlist after synthesis."""

import json
import os
import pickle
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cocotb_tools.check_results import get_results
from vcd.gtkw import GTKWSave

from memtwin.benches import runner
from memtwin.benches.runner import LOG, REQUEST, RESULTS
from memtwin.design import Design
from memtwin.sim import processes
from memtwin.sim.engines import verilator
from memtwin.sim.engines.synthesis import cells, synthesise
from memtwin.sim.errors import InputError
from memtwin.sim.files import whole
from memtwin.sim.scratch import scratch

__all__ = ["SIMULATORS", "run_bench", "verify"]

SIMULATORS = ("icarus", "verilator", "netlist")


def run_bench(
    verilog: str,
    *,
    top: str,
    bench: str,
    simulator: str,
    out: Path,
    name: str,
    env: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run a cocotb bench on a design.

    Parameters
    ----------
    verilog : str
        The design.
    top : str
        Its top module.
    bench : str
        Python module with the cocotb tests.
    simulator : str
        One of `SIMULATORS`; ``"netlist"`` is the synthesised design under Icarus.
    out : Path
        Directory; gets ``NAME.vcd``, ``NAME.gtkw`` and ``NAME.log``.
    name : str
        Stem of these files.
    env : mapping, optional
        Environment variables for the bench.

    Returns
    -------
    dict
        ``passed`` and ``failed`` (numbers of tests), ``waves`` (path of the VCD).

    Raises
    ------
    InputError
        If a tool is missing, or a file cannot be written.
    """
    if simulator not in SIMULATORS:
        raise InputError(f"option --sim: expected one of {', '.join(SIMULATORS)}, not {simulator!r}")
    verilator.require(*(("g++", "make", "perl") if simulator == "verilator" else ("iverilog", "vvp")))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"option -o: cannot make the directory {out} ({error.strerror})") from None
    ports = _ports(verilog, top)
    waves = out / f"{name}.vcd"
    with scratch() as directory:
        if simulator == "verilator":
            settings = verilator.environment(directory)
        else:
            # The last option wins: the runner, which knows nothing of `_waves`, asks for no waves.
            settings = {**os.environ, "SIM_CMD_SUFFIX": "-vcd"}
        files = {f"{top}.v": verilog}
        if simulator == "netlist":
            files = {"cells.v": cells(), f"{top}.v": synthesise(verilog, top)}
        if simulator != "verilator":
            # A name that is escaped ends with a space.
            scope = [f"{top}.{port} " for port in ports] if simulator == "netlist" else [top]
            files["waves.v"] = _waves(directory / "waves.vcd", scope)
        for file, text in files.items():
            (directory / file).write_text(text, encoding="utf-8")
        request = {"sources": [*files], "top": top, "bench": bench, "simulator": simulator, "env": dict(env or {})}
        (directory / REQUEST).write_text(json.dumps(request), encoding="utf-8")
        log = directory / LOG
        try:
            passed, failed = _simulate(directory, simulator, settings)
        finally:
            if log.exists():
                _take(log, out / f"{name}.log")
        _take(directory / ("dump.vcd" if simulator == "verilator" else "waves.vcd"), waves)
    _write_gtkw(waves, top, ports)
    return {"passed": passed, "failed": failed, "waves": str(waves)}


def _take(made: Path, path: Path) -> None:
    with whole(path) as partial:
        shutil.copyfile(made, partial)


def _ports(verilog: str, top: str) -> list[str]:
    """Names of the ports of a module, clock and reset first."""
    found = re.search(rf"^module {top}\((.*?)\);", verilog, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ValueError(f"verilog must have a module {top}")
    ports = [port.strip() for port in found[1].split(",")]
    return [*(port for port in ("clk", "rst") if port in ports), *sorted(set(ports) - {"clk", "rst"})]


def _waves(vcd: Path, scope: Sequence[str]) -> str:
    """Return a module that dumps waves under Icarus."""
    return f"""module waves;
  initial begin
    $dumpfile("{vcd}");
    $dumpvars(0, {", ".join(scope)});
  end
endmodule
"""


def _simulate(directory: Path, simulator: str, settings: Mapping[str, str]) -> tuple[int, int]:
    """Run the request in `directory`; returns how many tests passed and failed."""
    env = {**settings, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = processes.run([sys.executable, "-m", runner.__name__], directory, env)
    if done.returncode:
        raise RuntimeError(done.stderr)
    try:
        tests, failed = get_results(directory / RESULTS)
    except RuntimeError:
        log = directory / LOG
        said = log.read_text(encoding="utf-8", errors="replace")[-2000:] if log.exists() else ""
        raise RuntimeError(f"{simulator} ended without results:\n{said}") from None
    return tests - failed, failed


def _write_gtkw(waves: Path, top: str, ports: Sequence[str]) -> None:
    """Write the view of the waves: the ports of the top, and nothing of the machinery inside."""
    found = {}
    with waves.open(encoding="utf-8") as file:
        scopes: list[str] = []
        for line in file:
            words = line.split()
            if words[:1] == ["$scope"]:
                scopes.append(words[2])
            elif words[:1] == ["$upscope"]:
                scopes.pop()
            elif words[:1] == ["$var"] and scopes and scopes[-1] == top:
                width = "" if words[2] == "1" else f"[{int(words[2]) - 1}:0]"
                found[words[4].lstrip("\\")] = ".".join([*scopes, words[4]]) + width
            elif words[:1] == ["$enddefinitions"]:
                break
    with whole(waves.with_suffix(".gtkw")) as partial, partial.open("w", encoding="utf-8") as view:
        save = GTKWSave(view)
        save.dumpfile(waves.name, abspath=False)
        for port in ports:
            save.trace(found[port.lstrip("\\")])


def verify(design: Design, simulator: str, out: Path, *, seed: int = 0) -> dict[str, Any]:
    """Run the bench of a design, which compares it with the integer model word by word.

    Parameters
    ----------
    design : Design
        Design, as shipped or of a network of one's own.
    simulator : str
        One of `SIMULATORS`.
    out : Path
        Directory; gets ``DESIGN-SIMULATOR.vcd``, ``.gtkw`` and ``.log``.
    seed : int
        Seed of the stimulus.

    Returns
    -------
    dict
        ``design``, ``simulator``, ``seed``; ``passed`` and ``failed`` (numbers of tests), ``waves`` (path of the VCD),
        ``warnings``.

    Raises
    ------
    InputError
        If the simulator is unknown, a value does not fit its word, a tool is missing, or a file cannot be written.
    """
    # Worked out now: the simulator runs in a folder of its own, where paths of files would mean other ones.
    _ = design.job, design.bare_job
    with scratch() as folder:
        stored = folder / "design.pickle"
        stored.write_bytes(pickle.dumps(design))
        report = run_bench(
            design.verilog(),
            top=design.top,
            bench=f"memtwin.benches.{design.bench}",
            simulator=simulator,
            out=out,
            name=f"{design.name}-{simulator}",
            env={"MEMTWIN_DESIGN": str(stored), "MEMTWIN_SEED": str(seed)},
        )
    return {"design": design.name, "simulator": simulator, "seed": seed, **report, "warnings": design.warnings}
