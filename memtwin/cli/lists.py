"""Commands that list what there is: ``memtwin devices``, ``memtwin experiments``, ``memtwin boards``; or show one."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from memtwin import api
from memtwin.boards import registry
from memtwin.boards.fits import fits
from memtwin.cli.options import Json
from memtwin.console import notice, print_json, print_line, print_table
from memtwin.sim.cards import card_names, load_card
from memtwin.sim.experiments.base import Experiment
from memtwin.sim.units import format_si

__all__ = ["register"]

_MHZ = 1e6


def register(app: typer.Typer) -> None:
    """Add the commands to those of ``memtwin``."""
    app.command("devices")(devices)
    app.command("experiments")(experiments)
    app.command("boards")(boards)


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


def experiments(
    name: Annotated[str | None, typer.Argument(metavar="EXPERIMENT")] = None, as_json: Json = False
) -> None:
    """List the experiments, or show one with all its options."""
    if name is None:
        _show([_experiment(chosen) for chosen in api.EXPERIMENTS.values()], as_json, ("name", "title"))
        return
    chosen = api.experiment(name)
    if as_json:
        print_json(_experiment(chosen))
        return
    notice(f"{chosen.title}\n{chosen.source}")
    options = [
        {
            "option": name,
            "default": rule.words(rule.default),
            "unit": rule.unit,
            "range": rule.range,
            "meaning": rule.meaning,
        }
        for name, rule in chosen.all_options.items()
    ]
    print_table(options, ("option", "default", "unit", "range", "meaning"))
    print()
    cards = [
        {"card": card, "is its": role, "fields": ", ".join(load_card(card).fields)}
        for role, card in chosen.cards.items()
    ]
    print_table(cards, ("card", "is its", "fields"))


def _experiment(chosen: Experiment) -> dict[str, Any]:
    """Describe an experiment and its options, as JSON values."""
    options = {
        option: {"default": rule.default, "unit": rule.unit, "meaning": rule.meaning, "range": rule.range}
        for option, rule in chosen.all_options.items()
    }
    return {"name": chosen.name, "title": chosen.title, "source": chosen.source, "options": options}


def boards(name: Annotated[str | None, typer.Argument(metavar="BOARD")] = None, as_json: Json = False) -> None:
    """List the boards, and which designs fit them as measured, alone and with the link; or show one board.

    Designs in brackets do not fit.
    """
    if name is not None:
        _board(registry.board(name), as_json)
        return
    rows = [_measured(entry) for entry in registry.BOARDS.values()]
    if as_json:
        print_json(rows)
        return
    shown = []
    for row in rows:
        found = {
            key: ", ".join(design if entry["fits"] else f"({design})" for design, entry in row[key].items())
            for key in ("fits", "linked")
        }
        shown.append({**_words(row), **found})
    _show(shown, False, ("name", "title", "chip", "cells", "memory", "clock", "uart", "fits", "linked"))


def _measured(entry: registry.Board) -> dict[str, Any]:
    """Describe a board and what was measured on it, as JSON values."""
    return entry.json() | {"fits": fits().get(entry.name, {}), "linked": fits(linked=True).get(entry.name, {})}


def _words(row: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers of a board as a table has them."""
    return {
        **row,
        "cells": row["cells"]["LUT4"],
        "memory": f"{row['memory_bits'] // 1024} kbit",
        "clock": format_si(row["clock_hz"], "Hz"),
        "uart": f"{row['uart']['baud']} baud" + (" (adapter)" if row["uart"]["adapter"] else ""),
    }


def _board(board: registry.Board, as_json: bool) -> None:
    """Show one board, and what every design takes on it."""
    found = _measured(board)
    if as_json:
        print_json(found)
        return
    notice(found["title"])
    for key, value in _words(found).items():
        if key in ("chip", "memory", "clock", "uart"):
            print_line(f"{key}  {value}")
        elif key == "cells":
            print_line("cells  " + ", ".join(f"{count} {cell}" for cell, count in board.size.items()))
    if found["revisions"]:
        print_line("revisions  " + ", ".join(found["revisions"]))
    print_line("loads  " + (f"no: {board.by_hand}" if board.by_hand else " ".join(["openFPGALoader", *board.loader])))
    print()
    rows = [
        {"design": design, "link": "yes" if linked else "no", **_taken(entry)}
        for linked in (False, True)
        for design, entry in found["linked" if linked else "fits"].items()
    ]
    print_table(rows, ("design", "link", "fits", "Fmax", "cells"))


def _taken(entry: Mapping[str, Any]) -> dict[str, str]:
    """What a design takes on a board as measured, or needs."""
    cells = entry.get("utilisation") or entry.get("needs") or {}
    taken = ", ".join(f"{cell} {used} of {there}" for cell, (used, there) in cells.items())
    return {
        "fits": "yes" if entry["fits"] else "no",
        "Fmax": f"{entry['fmax_hz'] / _MHZ:.1f} MHz" if "fmax_hz" in entry else "",
        "cells": taken or entry.get("error", ""),
    }


def _show(rows: list[dict[str, Any]], as_json: bool, columns: tuple[str, ...]) -> None:
    if as_json:
        print_json(rows)
    else:
        print_table(rows, columns)
