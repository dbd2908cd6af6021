"""Commands on experiments: ``memtwin run``, ``memtwin compare``, ``memtwin report``, ``memtwin export spice``."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from memtwin import api
from memtwin.cli import own
from memtwin.cli.options import Asked, Baud, Clipping, Json, MapFile, Name, OutFile, Port, Seed, Trials, asking
from memtwin.console import (
    notice,
    print_json,
    print_table,
    progress,
    quantised_line,
    summarise,
    tell_comparison,
    warn,
    write_text,
)
from memtwin.sim.errors import InputError
from memtwin.sim.run_warnings import warnings_of_jobs
from memtwin.sim.units import format_si

__all__ = ["register"]


def register(app: typer.Typer, export_app: typer.Typer) -> None:
    """Add the commands to those of ``memtwin`` and ``memtwin export``."""
    app.command("run")(run)
    app.command("compare")(compare)
    app.command("report")(report)
    export_app.command("spice")(export_spice)


@asking
def run(
    name: Name,
    asked: Asked,
    backend: Annotated[str, typer.Option("--backend", help="physics, model, rtl, netlist, ngspice, board.")] = "model",
    seed: Seed = 0,
    trials: Trials = None,
    board: Annotated[
        str | None, typer.Option("--board", help="Board whose clock rtl is taken to have; iCEBreaker without it.")
    ] = None,
    port: Port = None,
    baud: Baud = None,
    map_file: MapFile = None,
    start: Annotated[Path | None, typer.Option("--start", help="Go on from the states in a file of --save.")] = None,
    save: Annotated[Path | None, typer.Option("--save", help="File for the states at the end (.npz).")] = None,
    out: Annotated[Path | None, typer.Option("-o", help="Directory for figures (PNG) and waves (VCD, gtkw).")] = None,
    input_file: own.Input = None,
    steps: own.Steps = None,
    bits: own.Bits = None,
    allow_clipping: Clipping = False,
    as_json: Json = False,
) -> None:
    """Run an experiment, or a network file, on one backend."""
    shown: dict[str, Any] = {"input_file": input_file, "steps": steps, "bits": bits}
    if own.is_file(name):
        others: dict[str, Any] = {"port": port, "baud": baud, "map_file": map_file, "start": start, "save": save}
        rest: dict[str, Any] = {"seed": seed, "trials": trials, "board": board, "out": out, "as_json": as_json}
        own.run(name, asked, backend, **shown, **rest, allow_clipping=allow_clipping, **others)
        return
    own.refuse(shown)
    with progress() as report:
        outcome = api.run(
            name,
            backend=backend,
            seed=seed,
            trials=trials,
            spread=asked.spread,
            cards=asked.cards,
            assignments=asked.assignments,
            out=out,
            clock_board=board,
            port=port,
            baud=baud,
            map_file=map_file,
            start=start,
            save=save,
            allow_clipping=allow_clipping,
            report=report,
        )
    warn(outcome.warnings)
    for path in outcome.files:
        notice(f"wrote {path}")
    if as_json:
        print_json(outcome.json())
        return
    summarise(outcome.results)
    if outcome.acceleration is not None and outcome.clock_hz is not None:
        clock = format_si(outcome.clock_hz, "Hz")
        where = "the board" if backend == "board" else board or api.CLOCK_BOARD
        print(f"acceleration  {outcome.acceleration:.1f} times real time, at the {clock} of {where}")


@asking
def compare(
    name: Name,
    asked: Asked,
    backends: Annotated[
        str, typer.Option("--backends", help="Two backends: model,rtl; physics,model; physics,ngspice; model,board.")
    ],
    seed: Seed = 0,
    trials: Trials = None,
    port: Port = None,
    baud: Baud = None,
    map_file: MapFile = None,
    input_file: own.Input = None,
    steps: own.Steps = None,
    bits: own.Bits = None,
    allow_clipping: Clipping = False,
    as_json: Json = False,
) -> None:
    """Run an experiment, or a network file, on two backends and compare every word, or events and traces."""
    pair = backends.split(",")
    if len(pair) != 2:
        raise InputError(f"option --backends: expected two names such as model,rtl, not {backends!r}")
    shown: dict[str, Any] = {"input_file": input_file, "steps": steps, "bits": bits}
    if own.is_file(name):
        others: dict[str, Any] = {"port": port, "baud": baud, "map_file": map_file}
        rest: dict[str, Any] = {"seed": seed, "trials": trials, "as_json": as_json}
        own.compare(name, asked, pair, **shown, **rest, allow_clipping=allow_clipping, **others)
        return
    own.refuse(shown)
    with progress() as report:
        findings = api.compare(
            name,
            pair[0],
            pair[1],
            seed=seed,
            trials=trials,
            spread=asked.spread,
            cards=asked.cards,
            assignments=asked.assignments,
            port=port,
            baud=baud,
            map_file=map_file,
            allow_clipping=allow_clipping,
            report=report,
        )
    tell_comparison(findings, as_json)


@asking
def report(name: Name, asked: Asked, seed: Seed = 0, bits: own.Bits = None, as_json: Json = False) -> None:
    """Show what quantisation changed: asked, got and error of every parameter of the networks."""
    if own.is_file(name):
        own.report(name, asked, bits=bits, seed=seed, as_json=as_json)
        return
    own.refuse({"bits": bits})
    chosen = api.experiment(name)
    settings = chosen.settings(cards=asked.cards, assignments=asked.assignments, seed=seed, spread=asked.spread)
    rows: list[dict[str, Any]] = []
    jobs = {name: replace(job, allow_clipping=True) for name, job in chosen.plan(settings).items()}
    warn([*warnings_of_jobs(jobs.items(), "model"), *settings.warnings])
    for label, job in jobs.items():
        for number, layer in enumerate(job.coefficients(), 1):
            rows += [{"run": label, "layer": number, **entry.json()} for entry in layer.report]
    if as_json:
        print_json(rows)
        return
    print_table([quantised_line(row) for row in rows], ("run", "layer", "name", "asked", "got", "error", "saturated"))


@asking
def export_spice(
    name: Name,
    asked: Asked,
    run: Annotated[
        str | None, typer.Option("--run", help="Run of the experiment, such as B; the first without it.")
    ] = None,
    seed: Seed = 0,
    input_file: own.Input = None,
    steps: own.Steps = None,
    out: OutFile = None,
) -> None:
    """Write the netlist of the circuit of an experiment, or of a network file, for ngspice."""
    shown: dict[str, Any] = {"input_file": input_file, "steps": steps}
    if own.is_file(name):
        if run is not None:
            raise InputError("option --run: is for experiments; a network file has one run")
        write_text(own.netlist(name, asked, seed=seed, **shown), out)
        return
    own.refuse(shown)
    write_text(
        api.netlist(name, run=run, cards=asked.cards, assignments=asked.assignments, seed=seed, spread=asked.spread),
        out,
    )
