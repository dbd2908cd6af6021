"""Measures which designs fit which boards: ``python -m memtwin.build.fits``; ``memtwin boards`` shows what it found.

Every design is built for every board, or those that are asked for. That takes minutes to hours; what was measured
before and is not measured now stays.
"""

import argparse
import datetime
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from memtwin import designs
from memtwin.boards import fits
from memtwin.boards.build import DoesNotFit, TooSlow, build
from memtwin.boards.registry import BOARDS
from memtwin.boards.registry import board as find_board
from memtwin.boards.twins import TWINS
from memtwin.build import bitstreams
from memtwin.sim.files import write_whole

__all__ = ["LINKED_MATRIX", "MATRIX", "main", "matrix", "measure", "record"]

# Designs whose numbers on all boards are in the documentation, alone and with the link.
MATRIX = ("ts-neuron", "digits", "mnist")
LINKED_MATRIX = MATRIX[1:]


def measure(design: str, name: str, out: Path, *, linked: bool = False) -> dict[str, Any]:
    """Build a design for a board.

    Parameters
    ----------
    design, name : str
        Design, board.
    out : Path
        Folder of the bitstream.
    linked : bool
        With the link to a host.

    Returns
    -------
    dict
        An entry of `memtwin.boards.fits.fits`.

    Raises
    ------
    InputError, ToolError
        If it cannot be built for another reason than its size or its speed.
    """
    entry: dict[str, Any] = {"clock_hz": find_board(name).clock_hz}
    began = time.monotonic()
    try:
        if linked:
            report = bitstreams.build(designs.find_design(design), name, out, linked=True)
        else:
            report = build(design, name, out, designs.board_content(design))
    except DoesNotFit as error:
        entry |= {"fits": False, "needs": error.needs}
    except TooSlow as error:
        entry |= {"fits": False, "fmax_hz": error.fmax_hz, "utilisation": _used(error.utilisation)}
    else:
        entry |= {"fits": True, **{key: report[key] for key in ("fmax_hz", "seed", "digest")}}
        entry["utilisation"] = _used(report["utilisation"])
    return entry | {"seconds": round(time.monotonic() - began, 1), "date": datetime.date.today().isoformat()}


def _used(utilisation: dict[str, list[int]]) -> dict[str, list[int]]:
    """Cells that are used, of the kinds of which a chip has many."""
    return {cell: [n, of] for cell, (n, of) in utilisation.items() if n and of > 1}


def record(name: str, design: str, entry: dict[str, Any], file: Path = fits.FILE) -> None:
    """Put an entry among what was measured before."""
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    found.setdefault(name, {})[design] = entry
    boards = [board for board in BOARDS if board in found]
    ordered = {board: {twin: found[board][twin] for twin in TWINS if twin in found[board]} for board in boards}
    write_whole(file, (json.dumps(ordered, indent=1) + "\n").encode())


# What place and route calls a logic cell.
_CELLS = {"ice40": "ICESTORM_LC", "ecp5": "TRELLIS_COMB", "gowin": "LUT4"}


def matrix(found: dict[str, dict[str, dict]] | None = None, twins: Sequence[str] = MATRIX) -> str:
    """Return a table in Markdown: logic cells and Fmax of some designs on all boards.

    Parameters
    ----------
    found : dict, optional
        As `memtwin.boards.fits.fits` returns; that without it.
    twins : sequence of str
        Designs.
    """
    found = fits.fits() if found is None else found
    lines = [f"| board | chip | clock (MHz) | {' | '.join(f'`{design}`' for design in twins)} |", "|---" * 3 + "|"]
    lines[1] += "---|" * len(twins)
    for name, entry in BOARDS.items():
        cells = [_brief(found.get(name, {}).get(design), _CELLS[entry.family]) for design in twins]
        lines.append(f"| `{name}` | {entry.chip} | {entry.clock_hz / 1e6:g} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _brief(entry: dict[str, Any] | None, cell: str) -> str:
    """Say in a few words what was measured."""
    if entry is None:
        return ""
    if "needs" in entry:
        return "does not fit: " + ", ".join(f"{n} of {of} {what}" for what, (n, of) in entry["needs"].items())
    used, available = entry["utilisation"][cell]
    text = f"{used} ({100 * used / available:.0f} %), {entry['fmax_hz'] / 1e6:.1f} MHz"
    return text if entry["fits"] else f"too slow: {text}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and record it."""
    parser = argparse.ArgumentParser(prog="python -m memtwin.build.fits", description=main.__doc__)
    parser.add_argument("--board", action="append", choices=list(BOARDS), help="boards; all without it")
    parser.add_argument("--design", action="append", choices=list(TWINS), help="designs; all without it")
    parser.add_argument("--link", action="store_true", help="networks with the link to a host")
    parser.add_argument("-o", dest="out", type=Path, default=Path("out/fits"), help="folder of the bitstreams")
    parser.add_argument("--table", action="store_true", help="measure nothing; print a table of what was measured")
    chosen = parser.parse_args(arguments)
    if chosen.table:
        print(matrix(fits.fits(linked=True), LINKED_MATRIX) if chosen.link else matrix(), end="")
        return
    file = fits.LINKED_FILE if chosen.link else fits.FILE
    networks = [design for design in TWINS if designs.find_design(design).is_network]
    for design in chosen.design or (networks if chosen.link else TWINS):
        for name in chosen.board or BOARDS:
            entry = measure(design, name, chosen.out, linked=chosen.link)
            record(name, design, entry, file)
            print(f"{design} on {name}: {json.dumps(entry)}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
