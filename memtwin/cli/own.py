"""Commands on files of networks of one's own, TOML or NIR, and ``memtwin new``, which writes one to start from."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from memtwin.cli.options import Asked
from memtwin.console import (
    notice,
    print_json,
    print_table,
    progress,
    quantised_line,
    summarise,
    tell_comparison,
    warn,
)
from memtwin.sim.errors import InputError
from memtwin.sim.files import write_arrays, write_whole
from memtwin.sim.kinds import KINDS
from memtwin.sim.recording import acceleration_of

if TYPE_CHECKING:
    from memtwin.design import Design
    from memtwin.own.network import Network
    from memtwin.own.simulation import Simulation

__all__ = [
    "Bits",
    "Input",
    "Steps",
    "compare",
    "design_of",
    "export_recording",
    "is_file",
    "netlist",
    "refuse",
    "register",
    "report",
    "run",
]

Input = Annotated[
    Path | None,
    typer.Option(
        "--input", help="Network file: spikes it is shown, .csv (step,address or time_s,address), .npz or .nir (data)."
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", help="Network file: steps of the input.")]
Bits = Annotated[int | None, typer.Option("--bits", help="Network file: bits of a weight, 2 to 16.")]

_MOST_SHOWN = 100_000  # spikes in a JSON document


def is_file(name: str) -> bool:
    """Whether a user means a file, not the name of an experiment or design."""
    return Path(name).suffix.lower() in (".toml", ".nir")


def register(app: typer.Typer) -> None:
    """Add the command that only files have to those of ``memtwin``."""
    app.command("new")(new)


def new(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"{', '.join(KINDS)}.")],
    out: Annotated[Path, typer.Option("-o", help="File (.toml) that is not there yet.")],
) -> None:
    """Write a network file to start from, with every option and what it means; it runs as it is."""
    from memtwin.own.files import template

    text = template(kind)
    if out.suffix.lower() != ".toml":
        raise InputError(f"option -o: expected a file .toml, not {out}")
    if out.exists():
        raise InputError(f"option -o: {out} is there already; expected a new file")
    write_whole(out, text.encode())
    notice(f"wrote {out}")


def _load(name: str, asked: Asked, bits: int | None) -> "Network":
    """Read a network file with what a user asks; refuse options that are for experiments."""
    from memtwin.own.files import load_network

    for_experiments = {name: getattr(asked, name) for name in ("spread", "order", "patterns", "net", "data", "images")}
    for option, value in for_experiments.items():
        if value not in (None, False):
            raise InputError(f"option --{option}: is for experiments; a network file says it itself, or --set")
    return load_network(name, settings=asked.assignment or (), cards=asked.cards, bits=bits)


def refuse(options: Mapping[str, Any]) -> None:
    """Refuse options that are for network files.

    Raises
    ------
    InputError
        If one of them is given.
    """
    for name, value in options.items():
        if value is not None:
            option = name.removesuffix("_file")
            raise InputError(f"option --{option}: is for network files, FILE.toml or FILE.nir")


def design_of(
    name: str,
    asked: Asked,
    *,
    seed: int,
    allow_clipping: bool,
    bits: int | None,
    input_file: Path | None = None,
    steps: int | None = None,
) -> "Design":
    """Return the design that is shipped under a name, or that of a network file, as a user asks for it.

    Raises
    ------
    InputError
        If there is no such design or file, or what is asked for does not fit it.
    """
    if not is_file(name):
        from memtwin.designs import find_design

        refuse({"input_file": input_file, "steps": steps, "bits": bits})
        return find_design(name, asked.changes(seed=seed, allow_clipping=allow_clipping))
    from memtwin.own.design import OwnDesign

    network = _load(name, asked, bits)
    shown = None if input_file is steps is None else _shown(network, input_file, steps)
    return OwnDesign(network, shown, seed=seed, allow_clipping=allow_clipping)


def _shown(network: "Network", input_file: Path | None, steps: int | None) -> Any:
    """Read what a network is shown."""
    from memtwin.own.inputs import load_spikes
    from memtwin.sim.own.sources import Cut

    source = network.input if input_file is None else load_spikes(input_file)
    if source is None:
        raise InputError(f"network {network.name}: expected spikes; give --input FILE")
    return source if steps is None else Cut(source, steps)


def run(
    name: str,
    asked: Asked,
    backend: str,
    *,
    input_file: Path | None,
    steps: int | None,
    bits: int | None,
    seed: int,
    trials: int | None,
    board: str | None,
    port: str | None,
    baud: int | None,
    map_file: Path | None,
    start: Path | None,
    save: Path | None,
    out: Path | None,
    allow_clipping: bool,
    as_json: bool,
) -> None:
    """Run a network file on one backend."""
    from memtwin.api import CLOCK_BOARD
    from memtwin.boards.registry import board as find_board
    from memtwin.own.run import simulate

    network = _load(name, asked, bits)
    shown = _shown(network, input_file, steps)
    clock_hz = find_board(board or CLOCK_BOARD).clock_hz
    with progress() as report:
        simulation = simulate(
            network,
            shown,
            backend,
            trials=1 if trials is None else trials,
            seed=seed,
            port=port,
            baud=baud,
            map_file=map_file,
            start=start,
            save=save,
            allow_clipping=allow_clipping,
            report=report,
        )
    results = _results(simulation)
    files = [] if out is None else _write(simulation, out)
    if results["spikes"] is None:
        results["spikes_file"] = None if out is None else str(files[0])
        if out is None:
            simulation.warnings.append(f"more than {_MOST_SHOWN} spikes; -o DIRECTORY writes them to a file")
    warn(simulation.warnings)
    for path in files:
        notice(f"wrote {path}")
    if not as_json:
        summarise({key: value for key, value in results.items() if key not in ("spikes", "warnings")})
        return
    acceleration = acceleration_of([simulation.recording], clock_hz)
    print_json(
        {
            "experiment": network.name,
            "backend": backend,
            "seed": seed,
            "results": results,
            "acceleration": acceleration,
            "clock_hz": None if acceleration is None else clock_hz,
            "warnings": simulation.warnings,
        }
    )


def _results(simulation: "Simulation") -> dict[str, Any]:
    """Spikes and counts of the first trial, by layer, as JSON values; of several trials the counts of each."""
    names = simulation.network.names
    spikes = {name: simulation.spikes_of(name)[0] for name in names}
    counts = {name: simulation.counts_of(name) for name in names}
    events = {name: np.repeat(np.argwhere(own), own[own > 0], axis=0) for name, own in spikes.items()}
    is_short = sum(len(own) for own in events.values()) <= _MOST_SHOWN
    out: dict[str, Any] = {
        "spikes": {name: own.tolist() for name, own in events.items()} if is_short else None,
        "counts": {name: own[0].tolist() for name, own in counts.items()},
        "steps": simulation.steps,
        "dt_s": simulation.network.step,
        "warnings": simulation.warnings,
    }
    if simulation.network.weights is not None:
        out["weights"] = simulation.network.weights
    if simulation.trials > 1:
        out["counts_by_trial"] = {name: own.tolist() for name, own in counts.items()}
    return out


def _write(simulation: "Simulation", out: Path) -> list[Path]:
    """Write spikes and traces of all layers as arrays, and waves."""
    from memtwin.sim.waves import write_waves

    arrays: dict[str, Any] = {"step_s": simulation.step_s}
    for name, layer in zip(simulation.network.names, simulation.recording.layers, strict=True):
        arrays[f"{name}.spikes"] = simulation.spikes_of(name)
        arrays[f"{name}.conductance"] = layer.conductance
        for trial, wave in enumerate(layer.waveform):
            arrays |= {f"{name}.{signal}.{trial}": values for signal, values in wave.signals.items()}
            arrays[f"{name}.time_s.{trial}"] = wave.time_s
    stem = "".join(mark if mark.isalnum() or mark in "-_" else "_" for mark in simulation.network.name)
    return [write_arrays(out / f"{stem}.npz", arrays), *write_waves(simulation.recording, out / stem)]


def compare(
    name: str,
    asked: Asked,
    pair: list[str],
    *,
    input_file: Path | None,
    steps: int | None,
    bits: int | None,
    seed: int,
    trials: int | None,
    port: str | None,
    baud: int | None,
    map_file: Path | None,
    allow_clipping: bool,
    as_json: bool,
) -> None:
    """Compare two backends on a network file."""
    from memtwin.own.run import compare_network

    network = _load(name, asked, bits)
    shown = _shown(network, input_file, steps)
    with progress() as report:
        found = compare_network(
            network,
            shown,
            *pair,
            trials=1 if trials is None else trials,
            seed=seed,
            port=port,
            baud=baud,
            map_file=map_file,
            allow_clipping=allow_clipping,
            report=report,
        )
    tell_comparison({"experiment": found.pop("network"), **found}, as_json)


def report(name: str, asked: Asked, *, bits: int | None, seed: int, as_json: bool) -> None:
    """Show what quantisation changed in a network file."""
    from memtwin.own.design import OwnDesign

    network = _load(name, asked, bits)
    design = OwnDesign(network, seed=seed, allow_clipping=True)
    warn(design.warnings)
    rows = [
        {"layer": layer, **entry.json()}
        for layer, own in zip(network.names, design.coefficients, strict=True)
        for entry in own.report
    ]
    if as_json:
        print_json(rows)
    else:
        print_table([quantised_line(row) for row in rows], ("layer", "name", "asked", "got", "error", "saturated"))


def netlist(name: str, asked: Asked, *, seed: int, input_file: Path | None, steps: int | None) -> str:
    """Return the netlist of the circuit of a network file for ngspice."""
    from memtwin.sim.kinds import kind_of

    network = _load(name, asked, None)
    return kind_of(network.spec).netlist(network.job(_shown(network, input_file, steps), seed=seed))


def export_recording(
    name: str,
    asked: Asked,
    backend: str,
    out: Path,
    *,
    input_file: Path | None,
    steps: int | None,
    bits: int | None,
    seed: int,
    trials: int | None,
) -> None:
    """Run a network file and write what was recorded as NIR data."""
    from memtwin.nir.networks import StoredNetwork
    from memtwin.nir.recording import write_recording
    from memtwin.own.run import simulate
    from memtwin.sim.kinds import kind_of

    network = _load(name, asked, bits)
    if not kind_of(network.spec).in_nir:
        raise InputError(f"network {network.name}: expected one of LIF neurons; NIR data is of networks of them")
    shown = _shown(network, input_file, steps)
    with progress() as report:
        found = simulate(network, shown, backend, trials=1 if trials is None else trials, seed=seed, report=report)
    warn(found.warnings)
    write_recording(StoredNetwork(spec=network.spec, names=network.names), found.recording, out)
    notice(f"wrote {out}")
