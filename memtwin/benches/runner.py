"""Compiles a design for a simulator and runs a cocotb bench on it: ``python -m memtwin.benches.runner``, in its folder.

It is a process of its own, as cocotb's runner looks for its tools in the environment of the process, changes it, and
starts compilers that would outlive a runner that is stopped. What to do is in `REQUEST`; the results are in `RESULTS`.
"""

import contextlib
import json
import sys
from pathlib import Path

from cocotb_tools import config
from cocotb_tools.runner import get_runner

__all__ = ["LOG", "REQUEST", "RESULTS"]

REQUEST, RESULTS, LOG = "request.json", "results.xml", "simulation.log"

# Amaranth's output is correct, but not in the style that Verilator's lint wants.
_VERILATOR = ["-Wno-fatal", "-Wno-lint"]


def _run(sources: list[str], top: str, bench: str, simulator: str, env: dict[str, str]) -> None:
    here = Path.cwd()
    is_verilator = simulator == "verilator"
    runner = get_runner("verilator" if is_verilator else "icarus")
    built = here / "build.log"
    try:
        runner.build(
            sources=[here / source for source in sources],
            hdl_toplevel=top,
            build_dir=here / "build",
            build_args=_VERILATOR if is_verilator else ["-s", "waves"],
            # Icarus 11 has no ports with default values.
            defines={"NO_ICE40_DEFAULT_ASSIGNMENTS": 1} if simulator == "netlist" else {},
            timescale=("1ns", "1ps"),
            waves=is_verilator,
            log_file=built,
        )
    except RuntimeError:
        sys.exit(f"{simulator} cannot compile {top}:\n{built.read_text()}")
    # Under pytest the runner ends the process when a test fails, else not; the results say what happened.
    with contextlib.suppress(RuntimeError, SystemExit):
        runner.test(
            test_module=bench,
            hdl_toplevel=top,
            test_dir=here,
            results_xml=str(here / RESULTS),
            extra_env=env,
            waves=is_verilator,
            log_file=here / LOG,
        )


def main() -> None:
    """Do what the request says."""
    # cocotb's libraries are found by links in the folder: Verilator's makefiles take no path with a space.
    for name in ("libs_dir", "share_dir"):
        link = Path(f"cocotb_{name}").absolute()
        link.symlink_to(getattr(config, name), target_is_directory=True)
        setattr(config, name, link)
    _run(**json.loads(Path(REQUEST).read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
