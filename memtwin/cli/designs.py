"""Commands on designs: ``memtwin verilog``, ``memtwin build``, ``memtwin flash``, ``memtwin verify``."""

from pathlib import Path
from typing import Annotated, Any

import typer

from memtwin.boards.registry import board as find_board
from memtwin.cli import own
from memtwin.cli.options import Asked, Board, Clipping, Design, Json, Linked, OutFile, Seed, asking
from memtwin.console import notice, print_json, progress, tell, warn, write_text

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to those of ``memtwin``."""
    app.command("verilog")(verilog)
    app.command("verify")(verify)
    app.command("build")(build)
    app.command("flash")(flash)


@asking
def verilog(
    design: Design,
    asked: Asked,
    seed: Seed = 0,
    bits: own.Bits = None,
    allow_clipping: Clipping = False,
    out: OutFile = None,
    as_json: Json = False,
) -> None:
    """Write the Verilog of a design, or of a network file; with -o, beside it the map of what has a host port."""
    chosen = own.design_of(design, asked, seed=seed, allow_clipping=allow_clipping, bits=bits)
    from memtwin.link.design_maps import write_design_map

    built = chosen.build()
    text, warnings = chosen.verilog(built), chosen.warnings
    warn(warnings)
    if out is not None or not as_json:
        write_text(text, out)
    written = None if out is None else write_design_map(chosen.name, built[0], out)
    if written is not None:
        notice(f"wrote {written}")
    if as_json:
        files = {"verilog": out and str(out), "map": written and str(written)}
        print_json({"design": chosen.name, **files, **({"text": text} if out is None else {}), "warnings": warnings})


@asking
def verify(
    design: Design,
    asked: Asked,
    simulator: Annotated[str, typer.Option("--sim", help="icarus, verilator or netlist.")] = "verilator",
    out: Annotated[Path, typer.Option("-o", help="Directory for waves and logs.")] = Path("out/verify"),
    seed: Seed = 0,
    input_file: own.Input = None,
    steps: own.Steps = None,
    bits: own.Bits = None,
    allow_clipping: Clipping = False,
    as_json: Json = False,
) -> None:
    """Run the cocotb bench of a design, or a network file, on its Verilog or its netlist; leaves VCD and gtkw."""
    shown: dict[str, Any] = {"input_file": input_file, "steps": steps}
    chosen = own.design_of(design, asked, seed=seed, allow_clipping=allow_clipping, bits=bits, **shown)
    from memtwin.verify import verify as verify_design

    with progress(f"{chosen.name} on {simulator}"):
        report = verify_design(chosen, simulator, out, seed=seed)
    tell(report, as_json)
    if report["failed"] or not report["passed"]:
        raise typer.Exit(1)


@asking
def build(
    design: Design,
    asked: Asked,
    board: Board,
    seed: Seed = 0,
    bits: own.Bits = None,
    allow_clipping: Clipping = False,
    linked: Linked = None,
    out: Annotated[Path, typer.Option("-o", help="Directory for the bitstream and its report.")] = Path("out"),
    as_json: Json = False,
) -> None:
    """Build the bitstream of a design, or a network file, for a board; with the link, the map of its addresses too."""
    chosen = own.design_of(design, asked, seed=seed, allow_clipping=allow_clipping, bits=bits)
    find_board(board)
    from memtwin.build.bitstreams import build as build_bitstream

    tell(build_bitstream(chosen, board, out, linked=linked), as_json)


@asking
def flash(
    design: Design,
    asked: Asked,
    board: Board,
    seed: Seed = 0,
    bits: own.Bits = None,
    allow_clipping: Clipping = False,
    linked: Linked = None,
    port: Annotated[str | None, typer.Option("--port", help="Serial port of the board, to ask the twin at.")] = None,
    out: Annotated[Path, typer.Option("-o", help="Directory of the bitstream.")] = Path("out"),
) -> None:
    """Build a design, or a network file, if needed, and program a board with it; with --port, ask if it is there."""
    chosen = own.design_of(design, asked, seed=seed, allow_clipping=allow_clipping, bits=bits)
    find_board(board)
    from memtwin.build.programming import greeting, program

    report = program(chosen, board, out, port=port, linked=linked)
    warn(report["warnings"])
    notice(f"{board} runs {chosen.name}" if port is None else greeting(port, board, report))
