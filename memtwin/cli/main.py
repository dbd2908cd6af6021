"""Command line: ``memtwin COMMAND ...`` (docs/design.md).

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
from typing import Annotated, Any

import typer

import memtwin
from memtwin.boards.tools import ToolError
from memtwin.cli import designs, link, lists, networks, own, runs
from memtwin.console import HELP_ALONE, printable_lines, show_help_alone
from memtwin.sim.errors import InputError, printable
from memtwin.sim.extras import extra_for

__all__ = ["app", "main"]

app = typer.Typer(name="memtwin", add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
export_app = typer.Typer(help="Write what other programs read.", **HELP_ALONE)
app.add_typer(export_app, name="export")
runs.register(app, export_app)
lists.register(app)
networks.register(app, export_app)
designs.register(app)
link.register(app)
own.register(app)
_LISTS = ("--card", "--set")  # may be given several times
_OPPOSITES = {"--alone": "--link"}
# Click's UsageError, wherever this release of typer keeps it.
_UsageError: type[Any] = typer.BadParameter.__bases__[0]


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
