"""Benchmarks: ``make bench``. Clocks, synaptic operations, speed, area and Fmax, beside the peers' published figures.

Clocks are counted, so they are the same on every machine; seconds are not, and are shown for orientation only.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from memtwin import api, designs
from memtwin.boards.build import build
from memtwin.boards.registry import BOARDS
from memtwin.boards.tools import ToolError
from memtwin.sim import backends
from memtwin.sim.network import NetworkSpec
from memtwin.sim.opamp.stimulus import Stimulus

__all__ = ["main"]

# Published, or measured by synthesis, as of 2026; the names are those of the projects.
PEERS = (
    ("tinyODIN on iCE40UP5K", "3742 LC, 12.9 MHz, 2 clocks per synaptic operation, no learning"),
    ("ODIN (28 nm)", "3-bit weights, SDSP learning, no open FPGA flow"),
    ("NeuroCoreX (Artix-7)", "6981 LUT, on-chip STDP, 8x8 digits 68 %"),
)


def main() -> None:
    """Run the benchmarks and print a table each."""
    parser = argparse.ArgumentParser(prog="python -m memtwin.bench", description=main.__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--quick", action="store_true", help="no place and route")
    parser.add_argument("-o", dest="out", type=Path, default=Path("out/bench"), help="directory for bitstreams")
    arguments = parser.parse_args()
    found: dict[str, Any] = {"gateware": gateware(), "opamp": opamp(), "model": model()}
    if not arguments.quick:
        found["boards"] = boards(arguments.out)
    if arguments.json:
        partial = arguments.json.with_name(arguments.json.name + ".part")
        partial.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        partial.replace(arguments.json)


def gateware() -> dict[str, Any]:
    """Clocks of the digits network in the gateware: one seed, training and inference in all modes."""
    chosen = api.experiment("digits")
    settings = chosen.settings(trials=1)
    clocks, simulated, operations, periods = 0, 0.0, 0, 0
    began = time.monotonic()
    for job in chosen.plan(settings).values():
        recording = backends.run(job, "rtl")
        assert recording.clocks is not None
        assert isinstance(job.spec, NetworkSpec)
        clocks += int(recording.clocks.sum())
        simulated += float(recording.time_s.sum())
        periods += round(float(recording.time_s.sum()) / (2 * job.spec.half_period))
        operations += synaptic_operations(job, recording.periods, recording.layers[0].spikes)
    seconds = time.monotonic() - began
    found: dict[str, Any] = {
        "clocks": clocks,
        "clocks_per_clock_period": clocks / periods,
        "synaptic_operations": operations,
        "synaptic_operations_per_clock": operations / clocks,
        "acceleration": {board.name: simulated / (clocks / board.clock_hz) for board in BOARDS.values()},
        "verilator_s": seconds,
    }
    rows = [
        ("clocks, train and infer, all modes", f"{clocks}"),
        ("clocks per period of CLK (500 us)", f"{found['clocks_per_clock_period']:.1f}"),
        ("synaptic operations per clock, whole run", f"{found['synaptic_operations_per_clock']:.3f}"),
        ("seconds under Verilator, compile included", f"{seconds:.1f}"),
    ]
    rows += [
        (f"acceleration on {name} at {BOARDS[name].clock_hz / 1e6:.0f} MHz", f"{value:.1f}")
        for name, value in found["acceleration"].items()
    ]
    _table("digits, gateware (the device is updated 16 times per half-period)", rows)
    return found


def opamp() -> dict[str, Any]:
    """Clocks of the designs made of op-amp neurons, each on the stimulus that it plays on a board."""
    found, rows = {}, []
    for name, design in designs.DESIGNS.items():
        job = design.job
        if not isinstance(job.program, Stimulus):
            continue
        recording = backends.run(job, "rtl")
        assert recording.clocks is not None
        clocks = int(recording.clocks[0])
        substeps = int((job.program.on + job.program.off).sum())
        per_substep = clocks / substeps
        per_neuron = per_substep / sum(layer.neurons for layer in job.spec.layers)
        acceleration = {board.name: float(recording.time_s[0]) / (clocks / board.clock_hz) for board in BOARDS.values()}
        found[name] = {
            "clocks": clocks,
            "substeps": substeps,
            "clocks_per_substep": per_substep,
            "clocks_per_substep_and_neuron": per_neuron,
            "acceleration": acceleration,
        }
        speeds = ", ".join(f"{value:.1f} on {board}" for board, value in acceleration.items())
        what = f"{per_substep:.1f} clocks per substep, {per_neuron:.1f} per neuron; acceleration {speeds}"
        rows.append((name, what))
    _table("op-amp neurons, gateware", rows)
    return found


def synaptic_operations(job: backends.Run, periods: np.ndarray, spikes: np.ndarray) -> int:
    """Count what the crossbars add up: one operation for each active input of each neuron in each period."""
    first, *later = job.spec.layers
    pulses = (job.program.pixels.sum(axis=2, dtype=np.int64) * periods).sum()
    operations = int(pulses) * first.neurons
    if later:
        operations += int(spikes.sum()) * later[0].neurons
    return operations


def model() -> dict[str, Any]:
    """Time of the integer model over 100 trials."""
    began = time.monotonic()
    api.run("digits", backend="model", trials=100)
    seconds = time.monotonic() - began
    _table("digits, integer model", [("seconds, 100 trials, all modes", f"{seconds:.1f}")])
    return {"trials": 100, "seconds": seconds}


def boards(out: Path) -> dict[str, Any]:
    """Area and Fmax of every design on every board."""
    found, rows = {}, []
    for name in designs.DESIGNS:
        for board in BOARDS:
            try:
                report = build(name, board, out, designs.board_image)
            except ToolError as error:  # it does not fit, or misses the clock
                found[f"{name} {board}"] = {"error": str(error)}
                rows.append((f"{name} on {board}", str(error)))
                continue
            found[f"{name} {board}"] = {key: report[key] for key in ("fmax_hz", "clock_hz", "utilisation")}
            used = ", ".join(f"{cell} {n}/{of}" for cell, (n, of) in report["utilisation"].items() if n and of > 1)
            speed = f"Fmax {report['fmax_hz'] / 1e6:.1f} MHz, runs at {report['clock_hz'] / 1e6:.0f} MHz"
            rows.append((f"{name} on {board}", f"{speed}; {used}"))
    _table("Area and speed", rows)
    _table("Peers", list(PEERS))
    return found


def _table(title: str, rows: list[tuple[str, str]]) -> None:
    table = Table(title=title, show_header=False, box=None, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)


if __name__ == "__main__":
    main()
