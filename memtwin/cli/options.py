"""Options that several commands have, and what a user asks of an experiment with them."""

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from memtwin.designs import Changes

__all__ = [
    "MOST_BAUD",
    "Asked",
    "Baud",
    "Board",
    "Clipping",
    "Design",
    "Json",
    "Linked",
    "MapFile",
    "Name",
    "OutFile",
    "Port",
    "Seed",
    "Trials",
    "asking",
]

MOST_BAUD = 100_000_000
"""Largest baud rate that can be asked for; what an adapter can do is less."""

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Name = Annotated[str, typer.Argument(metavar="EXPERIMENT")]
Design = Annotated[str, typer.Argument(metavar="DESIGN")]
Seed = Annotated[
    int, typer.Option("--seed", min=0, max=2**63 - 1, help="Seed of the first trial; trial t uses seed + t.")
]
Trials = Annotated[int | None, typer.Option("--trials", help="Number of trials.")]
Clipping = Annotated[
    bool, typer.Option("--allow-clipping", help="Clip coefficients that do not fit their words; else they are refused.")
]
OutFile = Annotated[Path | None, typer.Option("-o", help="File; standard output without it.")]
Port = Annotated[
    str | None,
    typer.Option("--port", help="Of the backend board: /dev/ttyUSB1, or socket://HOST:NUMBER of memtwin serve."),
]
Baud = Annotated[
    int | None, typer.Option("--baud", min=1, max=MOST_BAUD, help="Baud rate of a serial port; 1000000 without it.")
]
MapFile = Annotated[
    Path | None, typer.Option("--map", help="Map of a twin that was changed, as written beside its bitstream.")
]
Board = Annotated[str, typer.Option("--board", help="Board; see memtwin boards.")]
Linked = Annotated[
    bool | None,
    typer.Option(
        "--link/--alone",
        help="A host drives the design over the serial port, or it plays for itself. "
        "Networks have the link by default where it fits.",
    ),
]

_Cards = Annotated[list[str] | None, typer.Option("--card", help="Card name or file; replaces the card of its kind.")]
_Sets = Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE: an option or a card field, as SI string.")]
_Spread = Annotated[bool, typer.Option("--spread", help="Apply the cards' spreads to experiments on a single device.")]
_Order = Annotated[str | None, typer.Option("--order", help="digits: shuffled or blocked.")]
_Patterns = Annotated[str | None, typer.Option("--patterns", help="digits: file of patterns, # black, . white.")]
_Net = Annotated[str | None, typer.Option("--net", help="mnist: NIR file, or a network that is shipped.")]
_Data = Annotated[Path | None, typer.Option("--data", help="mnist: directory of its files; or MEMTWIN_DATA.")]
_Images = Annotated[int | None, typer.Option("--images", help="mnist: images of the test set.")]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a user asks of an experiment, or of the design that is a twin of one."""

    card: _Cards = None
    assignment: _Sets = None
    spread: _Spread = False
    order: _Order = None
    patterns: _Patterns = None
    net: _Net = None
    data: _Data = None
    images: _Images = None

    @property
    def cards(self) -> tuple[str, ...]:
        """Names or files of cards."""
        return tuple(self.card or ())

    @property
    def assignments(self) -> tuple[str, ...]:
        """All that is set, as ``NAME=VALUE``: ``--order X`` is short for ``--set order=X``, and so on."""
        short = {name: getattr(self, name) for name in ("order", "patterns", "net", "data", "images")}
        given = (f"{name}={value}" for name, value in short.items() if value is not None)
        return (*(self.assignment or ()), *given)

    def changes(self, *, seed: int = 0, allow_clipping: bool = False) -> "Changes":
        """What differs from a design as it is shipped."""
        from memtwin.designs import Changes

        return Changes(
            cards=self.cards,
            assignments=self.assignments,
            spread=self.spread,
            seed=seed,
            allow_clipping=allow_clipping,
        )


def asking(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options of `Asked`, all of which it gets as its argument `asked`."""
    own = inspect.signature(command).parameters
    shared = inspect.signature(Asked).parameters

    @functools.wraps(command)
    def asked(**given: Any) -> None:
        command(**{name: given[name] for name in own if name != "asked"}, asked=Asked(**{n: given[n] for n in shared}))

    parameters = {**own, **shared}
    del parameters["asked"]
    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters.values()]
    asked.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    asked.__annotations__ = {parameter.name: parameter.annotation for parameter in keywords}
    return asked
