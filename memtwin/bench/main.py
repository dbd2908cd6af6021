"""Benchmarks: ``make bench``. Clocks, synaptic operations, speed, area and Fmax, beside the peers' published figures.

Clocks are counted, so they are the same on every machine; seconds are not, and are shown for orientation only. What
needs MNIST is left out where MNIST cannot be had.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from memtwin import api, designs
from memtwin.bench import brian as bench_brian
from memtwin.bench import lif as bench_lif
from memtwin.bench import sweep as bench_sweep
from memtwin.boards.registry import BOARDS
from memtwin.boards.tools import ToolError
from memtwin.boards.twins import TWINS
from memtwin.build import fits
from memtwin.console import notice
from memtwin.sim import backends
from memtwin.sim.errors import InputError
from memtwin.sim.files import write_whole
from memtwin.sim.opamp.shown import Stimulus
from memtwin.train.data import load_mnist

__all__ = ["main"]

# Published, or measured by synthesis, as of 2026; the names are those of the projects.
PEERS = (
    ("tinyODIN on iCE40UP5K", "3742 LC, 12.9 MHz, 2 clocks per synaptic operation: 6.5e6 per second, no learning"),
    ("ODIN (28 nm)", "3-bit weights, SDSP learning, no open FPGA flow"),
    ("NeuroCoreX (Artix-7)", "6981 LUT, on-chip STDP, 8x8 digits 68 %"),
)
_MNIST_PEERS = (
    ("yu-tio2, 784x10 (the paper)", "91.57 %"),
    ("Spiker+, 784x128x10", "93.85 %, 780 us per image, 7612 cells, 18 block RAMs"),
    ("im-afan snn-fpga", "520 us per image, 6358 LUT, 40.5 block RAMs"),
    ("tinyODIN on iCE40UP5K", "6.5e6 synaptic operations per second, 3742 LC"),
)
_PLACED = ("icebreaker", "ulx3s-85f")  # the reference boards, on which everything is placed
_PERCENT = 100.0
_SAME = 0.99  # of the spike counts; an event on a threshold may fall to either side


def main() -> None:
    """Run the benchmarks and print a table each."""
    parser = argparse.ArgumentParser(prog="python -m memtwin.bench", description=main.__doc__)
    parser.add_argument("--json", type=Path, help="file for the numbers")
    parser.add_argument("--quick", action="store_true", help="no place and route")
    parser.add_argument("-o", dest="out", type=Path, default=Path("out/bench"), help="directory for bitstreams")
    parser.add_argument("--net", type=Path, help="NIR file of a 784x128x10 network; trained without it, a minute")
    parser.add_argument(
        "--sweep", action="store_true", help="only accuracy against bits, steps and encoding: minutes; a figure in OUT"
    )
    arguments = parser.parse_args()
    try:
        found = sweep(arguments.out) if arguments.sweep else _all(arguments)
        if arguments.json:
            write_whole(arguments.json, (json.dumps(found, indent=2) + "\n").encode())
    except InputError as error:
        parser.exit(2, f"{error}\n")


def _all(arguments: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {"gateware": gateware(), "opamp": opamp(), "model": model()}
    try:
        load_mnist("test")
    except InputError as error:
        notice(f"LIF networks left out: {error}")
    else:
        nets = bench_lif.networks(arguments.out, arguments.net)
        found["lif"] = lif(nets, arguments.out, place=not arguments.quick)
        found["lif_model"] = lif_model(nets["784x10"])
    if not arguments.quick:
        found["boards"] = boards(arguments.out)
    return found


def sweep(out: Path) -> dict[str, Any]:
    """Train and try the networks of `memtwin.bench.sweep`; write ``mnist-accuracy.json`` and ``.png``."""
    found = bench_sweep.sweep(load_mnist("train"), say=notice)
    write_whole(out / "mnist-accuracy.json", (json.dumps(found, indent=2) + "\n").encode())
    write_whole(out / "mnist-accuracy.png", bench_sweep.png(found))
    columns = ("network", "encoding", "varied", "at", "%", "standard error", "difference", "its error")
    keys = ("accuracy", "standard_error", "difference", "difference_error")
    rows = []
    for point in found["points"]:
        numbers = [f"{_PERCENT * point[key]:.2f}" if key in point else "" for key in keys]
        rows.append((point["net"], point["encoding"], point["sweep"], str(point["at"] or ""), *numbers))
    _table(f"Accuracy on {found['held_out']} pictures that are held out", rows, columns)
    return found


def lif(nets: dict[str, str], out: Path, *, place: bool, images: int = 10000, compared: int = 1000) -> dict[str, Any]:
    """LIF networks on MNIST: accuracy, clocks, gateware against model; area and speed on two boards if `place`."""
    found, rows, placed = {}, [], []
    for name, net in nets.items():
        own = found[name] = bench_lif.gateware(net, images=images, compared=compared)
        rows.append(
            (
                name,
                f"{_PERCENT * own['accuracy']:.2f} % of {images}",
                f"{own['clocks_per_image']:.0f}",
                f"{own['sops_per_image']:.0f}",
                f"{own['sops_per_clock']:.2f}",
                f"{'yes' if own['equal'] else 'NO'}, {own['words']} words of {compared} images",
            )
        )
        for board in _PLACED if place else ():
            try:
                area = bench_lif.area(net, BOARDS[board], out / name)
            except ToolError as error:  # it does not fit
                own[board] = {"error": str(error)}
                placed.append((f"{name} on {board}", str(error)))
                continue
            speed = bench_lif.speed(own, area)
            own[board] = area | speed
            placed.append((f"{name} on {board}", _placed(own[board])))
    columns = ("network", "accuracy", "clocks per image", "operations", "per clock", "gateware is the model")
    _table("LIF networks on MNIST", rows, columns)
    if placed:
        _table("Design mnist, with the pins of the board; Fmax of three seeds, speed at their median", placed)
    _table("Published", list(_MNIST_PEERS))
    return found


def _placed(own: dict[str, Any]) -> str:
    fmax = ", ".join(f"{hz / 1e6:.1f}" for hz in own["fmax_hz"])
    cells = ", ".join(f"{count} {cell}" for cell, count in own["cells"].items())
    return (
        f"{cells}; Fmax {fmax} MHz; {own['images_per_s']:.0f} images/s, {own['us_per_image']:.1f} us per image, "
        f"{own['sops_per_s']:.2e} synaptic operations/s"
    )


def lif_model(net: str, *, images: int = 10000) -> dict[str, Any]:
    """Speed of the integer model on a network of one layer, and of Brian2 on the same events if it is there.

    Seconds are of processor time, so that they depend less on what else runs.
    """
    job = bench_lif.job_of(net, images)
    began = time.process_time()
    recording = backends.run(job, "model")
    seconds = time.process_time() - began
    operations = len(bench_brian.encoded(job)) * job.spec.layers[0].neurons
    found: dict[str, Any] = {"images": images, "synaptic_operations": operations, "seconds": seconds}
    rows = [("integer model, encoder included", f"{operations / seconds:.2e} synaptic operations/s")]
    if bench_brian.available():
        spikes, seconds = bench_brian.simulate(job)
        same = float((spikes == recording.layers[0].spikes[0]).mean())
        if same < _SAME:
            raise RuntimeError(f"Brian2 counts other spikes than the model: {_PERCENT * same:.2f} % are equal")
        found["brian2"] = {"seconds": seconds, "equal_counts": same}
        counts = f"{_PERCENT * same:.2f} % of the spike counts are equal"
        rows.append(("Brian2, runtime mode", f"{operations / seconds:.2e} synaptic operations/s; {counts}"))
    else:
        rows.append(("Brian2", "it cannot be imported"))
    _table(f"Speed of simulation, {images} images of MNIST on the shipped network, in processor time", rows)
    return found


def gateware() -> dict[str, Any]:
    """Clocks of the digits network in the gateware: one seed, training and inference in all modes."""
    chosen = api.experiment("digits")
    settings = chosen.settings(trials=1)
    clocks, simulated, operations, periods = 0, 0.0, 0, 0
    began = time.monotonic()
    for job in chosen.plan(settings).values():
        recording = backends.run(job, "rtl")
        assert recording.clocks is not None
        clocks += int(recording.clocks.sum())
        simulated += float(recording.time_s.sum())
        periods += round(float(recording.time_s.sum()) / (2 * job.spec.half_period))
        operations += synaptic_operations(job, recording.duration, recording.layers[0].spikes)
    seconds = time.monotonic() - began
    found: dict[str, Any] = {
        "clocks": clocks,
        "clocks_per_clock_period": clocks / periods,
        "synaptic_operations": operations,
        "synaptic_operations_per_clock": operations / clocks,
        "acceleration": {name: simulated / (clocks / BOARDS[name].clock_hz) for name in _PLACED},
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
        if not isinstance(job.shown, Stimulus):
            continue
        recording = backends.run(job, "rtl")
        assert recording.clocks is not None
        clocks = int(recording.clocks[0])
        substeps = int((job.shown.on + job.shown.off).sum())
        per_substep = clocks / substeps
        per_neuron = per_substep / sum(layer.neurons for layer in job.spec.layers)
        acceleration = {board: float(recording.time_s[0]) / (clocks / BOARDS[board].clock_hz) for board in _PLACED}
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


def synaptic_operations(job: backends.Job, periods: np.ndarray, spikes: np.ndarray) -> int:
    """Count what the crossbars add up: one operation for each active input of each neuron in each period."""
    first, *later = job.spec.layers
    pulses = (job.shown.pixels.sum(axis=2, dtype=np.int64) * periods).sum()
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
    """Area and Fmax: every design on the reference boards, and some on all boards; `memtwin boards` shows them."""
    found, rows = {}, []
    for name in TWINS:
        for board in BOARDS if name in fits.MATRIX else _PLACED:
            entry = fits.measure(name, board, out)
            fits.record(board, name, entry)
            found[f"{name} {board}"] = entry
            if "needs" in entry:
                what = ", ".join(f"{cell} {n}/{of}" for cell, (n, of) in entry["needs"].items())
                rows.append((f"{name} on {board}", f"does not fit: {what}"))
                continue
            used = ", ".join(f"{cell} {n}/{of}" for cell, (n, of) in entry["utilisation"].items())
            speed = f"Fmax {entry['fmax_hz'] / 1e6:.1f} MHz, runs at {entry['clock_hz'] / 1e6:.0f} MHz"
            rows.append((f"{name} on {board}", f"{speed}; {used}"))
    _table("Area and speed", rows)
    _table("Peers", list(PEERS))
    return found


def _table(title: str, rows: Sequence[tuple[str, ...]], columns: Sequence[str] = ()) -> None:
    table = Table(*columns, title=title, show_header=bool(columns), box=None, title_justify="left")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False).print(table)
