"""Command line: ``memtwin COMMAND ...`` (design, section 9).

With ``--json`` exactly one JSON document goes to standard output and everything else to standard error. Exit status:
0 done, 1 a comparison or check failed, 2 bad input, with one line that says what was expected and what to do.

What not every command needs is imported by the command that does, so that help and a mistake are answered at once, and
so that a command asks only for the optional packages that it uses.
"""

import os
import re
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import memtwin
from memtwin import api
from memtwin.boards import registry
from memtwin.boards.fits import fits
from memtwin.boards.tools import ToolError
from memtwin.cli.link import MOST_BAUD, MapFile
from memtwin.cli.link import register as register_link
from memtwin.cli.networks import register as register_networks
from memtwin.console import (
    HELP_ALONE,
    Clipping,
    notice,
    print_json,
    print_line,
    print_table,
    printable_lines,
    progress,
    quantised_line,
    show_help_alone,
    warn,
)
from memtwin.sim.cards import card_names, load_card
from memtwin.sim.errors import InputError, printable
from memtwin.sim.extras import extra_for
from memtwin.sim.files import write_whole
from memtwin.sim.run_warnings import warnings_of_jobs
from memtwin.sim.units import format_si

if TYPE_CHECKING:
    from memtwin.designs import Changes

__all__ = ["app", "main"]

app = typer.Typer(name="memtwin", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
export_app = typer.Typer(help="Write what other programs read.", **HELP_ALONE)
app.add_typer(export_app, name="export")
register_networks(app, export_app)
register_link(app)
_LISTS = ("--card", "--set")  # may be given several times
_OPPOSITES = {"--alone": "--link"}
# Click's UsageError, wherever this release of typer keeps it.
_UsageError: type[Any] = typer.BadParameter.__bases__[0]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Name = Annotated[str, typer.Argument(metavar="EXPERIMENT")]
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of the first trial; trial t uses seed + t.")
]
Trials = Annotated[int | None, typer.Option("--trials", help="Number of trials.")]
Spread = Annotated[bool, typer.Option("--spread", help="Apply the cards' spreads to experiments on a single device.")]
Cards = Annotated[list[str] | None, typer.Option("--card", help="Card name or file; replaces the card of its kind.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE: an option or a card field, as SI string.")]
Order = Annotated[str | None, typer.Option("--order", help="digits: shuffled or blocked.")]
Patterns = Annotated[str | None, typer.Option("--patterns", help="digits: file of patterns, # black, . white.")]
Net = Annotated[str | None, typer.Option("--net", help="mnist: NIR file, or a network that is shipped.")]
Data = Annotated[Path | None, typer.Option("--data", help="mnist: directory of its files; or MEMTWIN_DATA.")]
Count = Annotated[int | None, typer.Option("--images", help="mnist: images of the test set.")]
Port = Annotated[
    str | None,
    typer.Option("--port", help="Of the backend board: /dev/ttyUSB1, or socket://HOST:NUMBER of memtwin serve."),
]
TwinBaud = Annotated[
    int | None, typer.Option("--baud", min=1, max=MOST_BAUD, help="Baud rate of a serial port; 1000000 without it.")
]
Board = Annotated[str, typer.Option("--board", help="Board; see memtwin boards.")]
Design = Annotated[str, typer.Argument(metavar="DESIGN")]
Linked = Annotated[
    bool | None,
    typer.Option(
        "--link/--alone",
        help="A host drives the design over the serial port, or it plays for itself. "
        "Networks have the link by default where it fits.",
    ),
]


def _show_version(asked: bool) -> None:
    if asked:
        print(f"memtwin {memtwin.__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def start(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """A digital twin of memristive spiking neurons on FPGAs."""
    show_help_alone(context)


@app.command("devices")
def devices(card: Annotated[str | None, typer.Argument()] = None, as_json: Json = False) -> None:
    """List the cards, or show one with the source of every value."""
    if card is None:
        cards = [load_card(name) for name in card_names()]
        rows = [{"name": c.name, "kind": c.kind, "title": c.title, "citation": c.citation} for c in cards]
        _show(rows, as_json, ("name", "kind", "title"))
        return
    chosen = load_card(card)
    fields: list[dict[str, Any]] = [
        {"name": name, "value": field.value, "unit": field.unit, "source": field.source}
        for name, field in chosen.fields.items()
    ]
    if as_json:
        print_json(fields)
        return
    notice(f"{chosen.title}\n{chosen.citation}")
    _show([{**row, "value": str(chosen.fields[row["name"]])} for row in fields], False, ("name", "value", "source"))


@app.command("experiments")
def experiments(as_json: Json = False) -> None:
    """List the experiments and their options."""
    rows = [
        {
            "name": name,
            "title": chosen.title,
            "source": chosen.source,
            "options": {
                option: {"default": rule.default, "unit": rule.unit, "meaning": rule.meaning, "range": rule.range}
                for option, rule in chosen.all_options.items()
            },
        }
        for name, chosen in api.EXPERIMENTS.items()
    ]
    if as_json:
        print_json(rows)
        return
    _show(
        [{**row, "options": ", ".join(row["options"])} for row in rows], False, ("name", "title", "source", "options")
    )


@app.command("run")
def run(
    name: Name,
    backend: Annotated[str, typer.Option("--backend", help="physics, model, rtl, ngspice or board.")] = "model",
    seed: Seed = 0,
    trials: Trials = None,
    spread: Spread = False,
    card: Cards = None,
    assignment: Sets = None,
    order: Order = None,
    patterns: Patterns = None,
    net: Net = None,
    data: Data = None,
    images: Count = None,
    board: Annotated[
        str | None, typer.Option("--board", help="Board whose clock rtl is taken to have; iCEBreaker without it.")
    ] = None,
    port: Port = None,
    baud: TwinBaud = None,
    map_file: MapFile = None,
    start: Annotated[Path | None, typer.Option("--start", help="Go on from the states in a file of --save.")] = None,
    save: Annotated[Path | None, typer.Option("--save", help="File for the states at the end (.npz).")] = None,
    out: Annotated[Path | None, typer.Option("-o", help="Directory for figures (PNG) and waves (VCD, gtkw).")] = None,
    allow_clipping: Clipping = False,
    as_json: Json = False,
) -> None:
    """Run an experiment on one backend."""
    with progress() as report:
        outcome = api.run(
            name,
            backend=backend,
            seed=seed,
            trials=trials,
            spread=spread,
            cards=card or (),
            assignments=_assignments(assignment, order=order, patterns=patterns, net=net, data=data, images=images),
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
    _summary(outcome.results)
    if outcome.acceleration is not None and outcome.clock_hz is not None:
        clock = format_si(outcome.clock_hz, "Hz")
        where = "the board" if backend == "board" else board or api.CLOCK_BOARD
        print(f"acceleration  {outcome.acceleration:.1f} times real time, at the {clock} of {where}")


@app.command("compare")
def compare(
    name: Name,
    backends: Annotated[
        str, typer.Option("--backends", help="Two backends: model,rtl; physics,model; physics,ngspice; model,board.")
    ],
    seed: Seed = 0,
    trials: Trials = None,
    spread: Spread = False,
    card: Cards = None,
    assignment: Sets = None,
    order: Order = None,
    patterns: Patterns = None,
    net: Net = None,
    data: Data = None,
    images: Count = None,
    port: Port = None,
    baud: TwinBaud = None,
    map_file: MapFile = None,
    allow_clipping: Clipping = False,
    as_json: Json = False,
) -> None:
    """Run an experiment on two backends and compare every state word, or events and traces in continuous time."""
    pair = backends.split(",")
    if len(pair) != 2:
        raise InputError(f"option --backends: expected two names such as model,rtl, not {backends!r}")
    with progress() as report:
        findings = api.compare(
            name,
            pair[0],
            pair[1],
            seed=seed,
            trials=trials,
            spread=spread,
            cards=card or (),
            assignments=_assignments(assignment, order=order, patterns=patterns, net=net, data=data, images=images),
            port=port,
            baud=baud,
            map_file=map_file,
            allow_clipping=allow_clipping,
            report=report,
        )
    _tell(findings, as_json)
    if not findings.get("equal", findings.get("within", False)):
        raise typer.Exit(1)


@app.command("report")
def report(
    name: Name,
    card: Cards = None,
    assignment: Sets = None,
    spread: Spread = False,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Show what quantisation changed: asked, got and error of every parameter of an experiment's networks."""
    chosen = api.experiment(name)
    settings = chosen.settings(cards=tuple(card or ()), assignments=tuple(assignment or ()), seed=seed, spread=spread)
    rows: list[dict[str, Any]] = []
    jobs = {name: replace(job, allow_clipping=True) for name, job in chosen.plan(settings).items()}
    warn([*warnings_of_jobs(jobs.items(), "model"), *settings.warnings])
    for label, job in jobs.items():
        for number, layer in enumerate(job.coefficients(), 1):
            rows += [{"run": label, "layer": number, **entry.json()} for entry in layer.report]
    if as_json:
        print_json(rows)
        return
    _show([quantised_line(row) for row in rows], False, ("run", "layer", "name", "asked", "got", "error", "saturated"))


@export_app.command("spice")
def export_spice(
    name: Name,
    run: Annotated[
        str | None, typer.Option("--run", help="Run of the experiment, such as B; the first without it.")
    ] = None,
    card: Cards = None,
    assignment: Sets = None,
    seed: Seed = 0,
    out: Annotated[Path | None, typer.Option("-o", help="File; standard output without it.")] = None,
) -> None:
    """Write the netlist of an experiment's circuit for ngspice."""
    _write_text(api.netlist(name, run=run, cards=card or (), assignments=assignment or (), seed=seed), out)


@app.command("verilog")
def verilog(
    design: Design,
    card: Cards = None,
    assignment: Sets = None,
    spread: Spread = False,
    allow_clipping: Clipping = False,
    out: Annotated[Path | None, typer.Option("-o", help="File; standard output without it.")] = None,
    as_json: Json = False,
) -> None:
    """Write the Verilog of a design; with -o, beside it the map of a design with a host port."""
    from memtwin import designs
    from memtwin.link.design_maps import write_design_map

    changes = _changes(card, assignment, spread=spread, allow_clipping=allow_clipping)
    text, warnings = designs.verilog(design, changes), designs.find_design(design, changes).warnings
    warn(warnings)
    if out is not None or not as_json:
        _write_text(text, out)
    written = None if out is None else write_design_map(design, out, changes)
    if written is not None:
        notice(f"wrote {written}")
    if as_json:
        files = {"verilog": out and str(out), "map": written and str(written)}
        print_json({"design": design, **files, **({"text": text} if out is None else {}), "warnings": warnings})


@app.command("boards")
def boards(as_json: Json = False) -> None:
    """List the boards, and which designs fit them as measured, alone and with the link; those in brackets do not."""
    rows = [
        entry.json() | {"fits": fits().get(entry.name, {}), "linked": fits(linked=True).get(entry.name, {})}
        for entry in registry.BOARDS.values()
    ]
    if as_json:
        print_json(rows)
        return
    shown = []
    for row in rows:
        uart = f"{row['uart']['baud']} baud" + (" (adapter)" if row["uart"]["adapter"] else "")
        found = {
            key: ", ".join(design if entry["fits"] else f"({design})" for design, entry in row[key].items())
            for key in ("fits", "linked")
        }
        memory, clock = f"{row['memory_bits'] // 1024} kbit", format_si(row["clock_hz"], "Hz")
        cells = row["cells"]["LUT4"]
        shown.append(row | {"cells": cells, "memory": memory, "clock": clock, "uart": uart} | found)
    _show(shown, False, ("name", "title", "chip", "cells", "memory", "clock", "uart", "fits", "linked"))


@app.command("build")
def build(
    design: Design,
    board: Board,
    card: Cards = None,
    assignment: Sets = None,
    spread: Spread = False,
    allow_clipping: Clipping = False,
    linked: Linked = None,
    out: Annotated[Path, typer.Option("-o", help="Directory for the bitstream and its report.")] = Path("out"),
    as_json: Json = False,
) -> None:
    """Build the bitstream of a design for a board; with the link, the map of its addresses too."""
    from memtwin.build.bitstreams import build as build_bitstream

    changes = _changes(card, assignment, spread=spread, allow_clipping=allow_clipping)
    _tell(build_bitstream(design, board, out, changes, linked=linked), as_json)


@app.command("flash")
def flash(
    design: Design,
    board: Board,
    linked: Linked = None,
    port: Annotated[str | None, typer.Option("--port", help="Serial port of the board, to ask the twin at.")] = None,
    out: Annotated[Path, typer.Option("-o", help="Directory of the bitstream.")] = Path("out"),
) -> None:
    """Build a design if needed, and program a board with it; with --port, ask it over the link whether it is there."""
    from memtwin.build.programming import greeting, program

    report = program(design, board, out, port=port, linked=linked)
    warn(report["warnings"])
    notice(f"{board} runs {design}" if port is None else greeting(port, board, report))


@app.command("verify")
def verify(
    design: Design,
    simulator: Annotated[str, typer.Option("--sim", help="icarus, verilator or netlist.")] = "verilator",
    out: Annotated[Path, typer.Option("-o", help="Directory for waves and logs.")] = Path("out/verify"),
    card: Cards = None,
    assignment: Sets = None,
    spread: Spread = False,
    allow_clipping: Clipping = False,
    order: Order = None,
    patterns: Patterns = None,
    seed: Seed = 0,
    as_json: Json = False,
) -> None:
    """Run the cocotb bench of a design on its Verilog, or on its netlist; leaves VCD and gtkw."""
    from memtwin.verify import verify as verify_design

    assignments = _assignments(assignment, order=order, patterns=patterns)
    changes = _changes(card, assignments, spread=spread, allow_clipping=allow_clipping)
    report = verify_design(design, simulator, out, seed=seed, changes=changes)
    _tell(report, as_json)
    if report["failed"] or not report["passed"]:
        raise typer.Exit(1)


def main() -> None:
    """Entry point; turns every mistake of a user into one line and exit status 2."""
    # As Ctrl-C does: what is unfinished is removed, and what was started is ended.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    if sys.stderr is None:  # closed; what is for it must not go to standard output
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    status = 0
    try:
        _check_repeats(sys.argv[1:])
        command = typer.main.get_command(app)
        # By hand, because what typer makes of faults is neither one line nor a status of ours.
        with command.make_context("memtwin", sys.argv[1:]) as context, extra_for(" ".join(["command", *sys.argv[1:2]])):
            command.invoke(context)
    except typer.Exit as error:
        status = error.exit_code
    except InputError as error:
        status = _failed(error)
    except ToolError as error:
        # The tool's own last lines are part of the message.
        _complain(printable_lines(f"memtwin: {error}"))
        status = 1
    except _UsageError as error:
        status = _failed(f"{' '.join(error.format_message().split()).rstrip('.')}. See memtwin --help.")
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    except OSError as error:
        status = _give_up(error)
    except MemoryError as error:
        status = _failed(f"not enough memory ({error or 'of this machine'}); ask for less, or for a shorter run")
    try:
        print(end="", flush=True)  # the rest of what was written
    except OSError as error:
        status = _give_up(error) or status
    sys.exit(status)


def _give_up(error: OSError) -> int:
    """Say what the system refuses, and write no more to standard output; returns the exit status."""
    _silence(1)
    if isinstance(error, BrokenPipeError):  # the reader of our output went away, as `head` does
        return 0
    return _failed(f"{error.filename or 'standard output'}: {error.strerror or error}")


def _check_repeats(arguments: list[str]) -> None:
    """Refuse an option that is given twice, of which only the last would count."""
    seen: set[str] = set()
    for argument in arguments:
        name = argument.partition("=")[0]
        if not re.fullmatch("-o|--[a-z][a-z-]*", name) or name in _LISTS:
            continue
        option = _OPPOSITES.get(name, name)
        if option in seen:
            raise InputError(f"option {name}: expected once, not twice or with its opposite")
        seen.add(option)


def _silence(descriptor: int) -> None:
    """Let nothing come of what is still written to standard output (1) or standard error (2)."""
    with suppress(OSError), open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), descriptor)


def _failed(message: object) -> int:
    """Write the one line of a mistake; returns the exit status."""
    _complain(f"memtwin: {printable(str(message))}")
    return 2


def _complain(text: str) -> None:
    """Write to standard error, if it takes anything: the exit status does not depend on it."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:
        _silence(2)


def _write_text(text: str, out: Path | None) -> None:
    """Write to a file, whole or not at all, or to standard output."""
    if out is None:
        print(text, end="")
        return
    write_whole(out, text.encode())
    notice(f"wrote {out}")


def _changes(cards: list[str] | None, assignments: list[str] | None, **flags: bool) -> "Changes":
    from memtwin.designs import Changes

    return Changes(cards=tuple(cards or ()), assignments=tuple(assignments or ()), **flags)


def _assignments(assignments: list[str] | None, **short: Any) -> list[str]:
    """``--order X`` is short for ``--set order=X``, and so on."""
    return [*(assignments or ()), *(f"{name}={value}" for name, value in short.items() if value is not None)]


def _show(rows: list[dict[str, Any]], as_json: bool, columns: tuple[str, ...]) -> None:
    if as_json:
        print_json(rows)
    else:
        print_table(rows, columns)


def _tell(findings: dict[str, Any], as_json: bool) -> None:
    """Write what a command found, and its warnings."""
    warn(findings["warnings"])
    if as_json:
        print_json(findings)
    else:
        _summary({name: value for name, value in findings.items() if name != "warnings"})


def _summary(results: dict[str, Any], prefix: str = "") -> None:
    """Print nested results, one line a leaf; long lists are shortened."""
    for key, value in results.items():
        if isinstance(value, dict):
            _summary(value, f"{prefix}{key}.")
        else:
            print_line(f"{prefix}{key}  {_brief(value)}")


def _brief(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list) and value and isinstance(value[0], list):
        return f"{len(value)} x {len(value[0])} (see --json)"
    if isinstance(value, list):
        shown = [_brief(item) for item in value]
        return ", ".join(shown if len(shown) <= 12 else [*shown[:5], "...", *shown[-5:]])
    return str(value)
