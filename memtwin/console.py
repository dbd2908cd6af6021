"""What commands write: one JSON document or a table on standard output, notices and progress on standard error."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from memtwin.sim.errors import printable
from memtwin.sim.files import write_whole
from memtwin.sim.units import format_si

__all__ = [
    "HELP_ALONE",
    "notice",
    "print_json",
    "print_line",
    "print_table",
    "printable_lines",
    "progress",
    "quantised_line",
    "show_help_alone",
    "summarise",
    "tell",
    "tell_comparison",
    "warn",
    "write_text",
]


def show_help_alone(context: typer.Context) -> None:
    """Show the help of a group of commands where none of them is given."""
    if context.invoked_subcommand is None:
        print(context.get_help())


HELP_ALONE: dict[str, Any] = {"callback": show_help_alone, "invoke_without_command": True}
"""Settings of a group of commands that shows its help alone."""

_err = Console(stderr=True, highlight=False)
_PIPE_WIDTH = 1 << 16  # more than any row has


def notice(text: str) -> None:
    """Write a line to standard error."""
    _err.print(printable_lines(text), soft_wrap=True, markup=False)


def print_line(text: str) -> None:
    """Write a line to standard output."""
    print(printable(text))


def printable_lines(text: str) -> str:
    """Return `text` with every line `printable`."""
    return "\n".join(map(printable, text.split("\n")))


def quantised_line(line: dict[str, Any]) -> dict[str, Any]:
    """Line of a quantisation report (`QuantisedParameter.json`), with its numbers as a table has them."""
    asked, got = (
        "infinite" if line[name] is None else format_si(line[name], line["unit"], 6) for name in ("asked", "got")
    )
    error = "" if line["error"] is None else f"{line['error']:+.4%}".replace("%", " %")
    return {**line, "asked": asked, "got": got, "error": error}


def warn(lines: Iterable[str]) -> None:
    """Write warnings to standard error, a line each."""
    for line in lines:
        notice(f"warning: {line}")


def print_json(document: Any) -> None:
    """Write the one JSON document of a command."""
    print(json.dumps(document, indent=2, allow_nan=False))


def print_table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> None:
    """Write some columns of rows as a table; in a pipe every row is one line."""
    table = Table(box=None, pad_edge=False)
    for column in columns:
        # A name that is folded cannot be copied.
        table.add_column(column, overflow="fold", no_wrap=column == columns[0])
    for row in rows:
        table.add_row(*(Text(printable(str(row[column]))) for column in columns))  # a name is no markup
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = _PIPE_WIDTH
    console.print(table)


def tell(findings: dict[str, Any], as_json: bool) -> None:
    """Write what a command found, and its warnings."""
    warn(findings["warnings"])
    if as_json:
        print_json(findings)
    else:
        summarise({name: value for name, value in findings.items() if name != "warnings"})


def tell_comparison(findings: dict[str, Any], as_json: bool) -> None:
    """Write what a comparison found; the command ends with status 1 if the two are not equal, or not within."""
    tell(findings, as_json)
    if not findings.get("equal", findings.get("within", False)):
        raise typer.Exit(1)


def summarise(results: dict[str, Any], prefix: str = "") -> None:
    """Print nested results, one line a leaf; long lists are shortened."""
    for key, value in results.items():
        if isinstance(value, dict):
            summarise(value, f"{prefix}{key}.")
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


def write_text(text: str, out: Path | None) -> None:
    """Write to a file, whole or not at all, or to standard output."""
    if out is None:
        print(text, end="")
        return
    write_whole(out, text.encode())
    notice(f"wrote {out}")


@contextmanager
def progress(label: str = "preparing") -> Iterator[Callable[[str, float], None] | None]:
    """Progress bars on a terminal, by label; nothing in a pipe.

    From the first moment on there is a bar that only moves, `label`, until the first part of the work is reported.
    """
    if not _err.is_terminal:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=_err, transient=True) as bars:
        first = bars.add_task(label, total=None)
        tasks: dict[str, Any] = {}

        def report(label: str, done: float) -> None:
            if label not in tasks:
                bars.update(first, visible=False)
                tasks[label] = bars.add_task(label, total=1.0)
            bars.update(tasks[label], completed=done)

        yield report
