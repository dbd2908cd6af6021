"""Boards as data: what a design needs to know of the board that it runs on (``data/boards.toml``)."""

import importlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING

from memtwin.boards.pll import Ecp5Pll, GowinPll, Ice40Pll, Limits, Pll, find_pll
from memtwin.sim.errors import InputError

if TYPE_CHECKING:
    from amaranth.build import Pins, Platform

__all__ = ["BOARDS", "CHIPS", "Board", "Chip", "board"]

_PLLS: dict[str, type[Pll]] = {"ice40": Ice40Pll, "ecp5": Ecp5Pll, "gowin": GowinPll}
_LIMITS = {"ice40": Ice40Pll.LIMITS, "ecp5": Ecp5Pll.LIMITS}
_MHZ = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Chip:
    """One chip.

    Parameters
    ----------
    name, family : str
        Part without package; ``"ice40"``, ``"ecp5"`` or ``"gowin"``.
    LUT4, BRAM, DSP : int
        Cells: logic cells with four inputs, block RAMs, multipliers.
    kbit : int
        Size of a block RAM.
    clock_mhz : int
        Designs run at the highest whole number of megahertz up to this that the PLL makes.
    synthesis : str
        Options of Yosys.
    limits_mhz : (int, int, int, int), optional
        Limits of the PLL where they differ within the family: lowest and highest frequency at the phase detector, and
        of the oscillator.
    """

    name: str
    family: str
    LUT4: int
    BRAM: int
    DSP: int
    kbit: int
    clock_mhz: int
    synthesis: str = ""
    limits_mhz: tuple[int, int, int, int] | None = None

    @property
    def size(self) -> dict[str, int]:
        """Cells by name."""
        return {"LUT4": self.LUT4, "BRAM": self.BRAM, "DSP": self.DSP}

    @property
    def memory_bits(self) -> int:
        """Bits in all block RAMs."""
        return 1024 * self.kbit * self.BRAM

    @property
    def limits(self) -> Limits:
        """Limits of the PLL."""
        if self.limits_mhz:
            return Limits(detector=self.limits_mhz[:2], vco=self.limits_mhz[2:])
        return _LIMITS[self.family]


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board. LEDs, buttons and other resources are in the words of amaranth-boards: ``"RESOURCE NUMBER [MEMBER]"``.

    Parameters
    ----------
    name, title : str
        Name on the command line, name in a sentence.
    path : str
        Module and class in amaranth-boards, with a dot between.
    silicon : Chip
        Chip.
    chip : str
        Part with its package and speed.
    oscillator : str
        Resource of the clock.
    oscillator_mhz : int
        Its frequency.
    pad : bool
        The PLL of an iCE40 takes the pin of the oscillator itself; without it, the pin is an input as any other.
    extension : str
        Attribute of the platform that holds the resources of an attached section, or nothing.
    winner : sequence of str
        LEDs of the answer, least significant bit first; four, or as many as there are.
    training, spike : str
        LED that is on while the network trains, LED that flashes with the output; or nothing.
    button, button2 : str
        Buttons, or nothing.
    scope : mapping of str to str
        Eight pins of a header, in the order of `memtwin.boards.base.BoardDemo.signals`: ``pins``, ``connector``
        (without it, the pins are those of the chip).
    attributes : mapping of str to str
        Electrical attributes of the header's pins.
    uart : str or mapping of str to str
        Resource of the serial port; or ``rx`` and ``tx`` (and ``connector``) on a header.
    adapter : bool
        The serial port has no bridge to USB on the board.
    baud : int
        Rate that its bridge is known to bear.
    loader : sequence of str
        Arguments of openFPGALoader before the bitstream.
    revisions : mapping of str to sequence of str
        The same for a later revision of the board, which has the same chip and pins: ``NAME-REVISION`` on the command
        line.
    by_hand : str
        What to do with a bitstream where openFPGALoader cannot load it.
    """

    name: str
    title: str
    path: str
    silicon: Chip
    chip: str
    oscillator: str
    oscillator_mhz: int
    scope: Mapping[str, str]
    attributes: Mapping[str, str]
    uart: str | Mapping[str, str]
    baud: int
    pad: bool = False
    extension: str = ""
    winner: tuple[str, ...] = ()
    training: str = ""
    spike: str = ""
    button: str = ""
    button2: str = ""
    adapter: bool = False
    loader: tuple[str, ...] = ()
    revisions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    by_hand: str = ""

    @property
    def family(self) -> str:
        """Family of the chip."""
        return self.silicon.family

    @property
    def size(self) -> dict[str, int]:
        """Cells of the chip."""
        return self.silicon.size

    @property
    def oscillator_hz(self) -> int:
        """Frequency of the oscillator."""
        return self.oscillator_mhz * _MHZ

    @cached_property
    def pll(self) -> Pll:
        """Settings that make the clock that designs run at."""
        chip = self.silicon
        return _find_pll(chip.family, self.oscillator_hz, chip.clock_mhz * _MHZ, chip.limits)

    @property
    def clock_hz(self) -> float:
        """Clock that designs run at."""
        return self.pll.output_hz(self.oscillator_hz)

    def platform(self) -> "Platform":
        """Make the platform of amaranth-boards, with all resources that designs ask for."""
        # Only now: a listing of boards, and the clock of one, need no Amaranth.
        from amaranth.build import Attrs, Resource, Subsignal

        module, name = self.path.rsplit(".", 1)
        platform = getattr(importlib.import_module(f"amaranth_boards.{module}"), name)()
        if self.extension:
            platform.add_resources(getattr(platform, self.extension))
        attributes = Attrs(**self.attributes)
        platform.add_resources([Resource("scope", 0, _pins(self.scope, "pins", "o"), attributes)])
        if not isinstance(self.uart, str):
            rx, tx = _pins(self.uart, "rx", "i"), _pins(self.uart, "tx", "o")
            lines = [Subsignal("rx", rx), Subsignal("tx", tx)]
            platform.add_resources([Resource("uart", 0, *lines, attributes)])
        return platform

    def json(self) -> dict:
        """Return what a listing of boards shows, as JSON values."""
        return {
            "name": self.name,
            "title": self.title,
            "chip": self.chip,
            "cells": self.size,
            "memory_bits": self.silicon.memory_bits,
            "clock_hz": self.clock_hz,
            "uart": {"baud": self.baud, "adapter": self.adapter},
            "loads": not self.by_hand,
            "revisions": [f"{self.name}-{revision}" for revision in self.revisions],
        }


def resource(words: str) -> tuple[str, int, str]:
    """Split the words for a LED, a button or another resource: name, number, and member or nothing."""
    name, number, *member = words.split()
    return name, int(number), "".join(member)


@cache
def _find_pll(family: str, input_hz: int, most_hz: int, limits: Limits) -> Pll:
    """Return the settings of a PLL, which boards with one chip and one oscillator share."""
    return find_pll(_PLLS[family], input_hz, most_hz, limits)


def _pins(where: Mapping[str, str], name: str, direction: str) -> "Pins":
    """Return pins of a header, or of the chip."""
    from amaranth.build import Pins

    connector = where.get("connector")
    if connector is None:
        return Pins(where[name], dir=direction)
    kind, number = connector.split()
    return Pins(where[name], dir=direction, conn=(kind, number))


def _read() -> tuple[dict[str, Chip], dict[str, Board]]:
    """Read all chips and boards."""
    table = tomllib.loads((files(__package__) / "data/boards.toml").read_text(encoding="utf-8"))
    chips = {}
    for name, entry in table["chip"].items():
        if "limits_mhz" in entry:
            entry["limits_mhz"] = tuple(entry["limits_mhz"])
        chips[name] = Chip(name=name, **entry)
    boards = {}
    for name, entry in table["board"].items():
        entry |= {key: tuple(entry.get(key, ())) for key in ("winner", "loader")}
        silicon, chip, path = chips[entry.pop("chip")], entry.pop("part"), entry.pop("platform")
        # Pins of a header go to an adapter of the user's own.
        entry.setdefault("adapter", not isinstance(entry["uart"], str))
        boards[name] = Board(name=name, path=path, silicon=silicon, chip=chip, **entry)
    return chips, boards


CHIPS, BOARDS = _read()


def board(name: str) -> Board:
    """Return the board of that name, or of its revision: ``ecpix5-r03``.

    Raises
    ------
    InputError
        If there is none.
    """
    if name in BOARDS:
        return BOARDS[name]
    first, _, revision = name.rpartition("-")
    if first in BOARDS and revision in BOARDS[first].revisions:
        return replace(BOARDS[first], loader=tuple(BOARDS[first].revisions[revision]))
    known = [each for own in BOARDS.values() for each in (own.name, *(f"{own.name}-{r}" for r in own.revisions))]
    raise InputError(f"board {name}: unknown; expected one of {', '.join(known)}")
