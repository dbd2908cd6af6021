"""Options of experiments: default, unit, meaning and range of what a user may set."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from memtwin.sim.errors import InputError
from memtwin.sim.units import RANGES, check_range, format_si, parse_si

__all__ = ["AMPLITUDE", "MOST", "Option", "check_times"]

MOST = 1_000_000
"""Largest whole number that an option may be, if it does not say otherwise: a run must come to its end."""

MOST_SHOWN = 100_000
"""Presentations of a trial, where an option multiplies them: all are planned, in memory, before a run is looked at."""

AMPLITUDE: Mapping[str, Any] = {"zero": True, "most": 3.9}
"""Range of the amplitude of an input pulse, V: that of the word `v_in` of the gateware."""


@dataclass(frozen=True)
class Option:
    """An option of an experiment: its default (SI float, int, bool or str), unit, meaning, and what it may be.

    Quantities have the range of their unit (`memtwin.sim.units.RANGES`), numbers are 1 to `MOST`, unless `least` and
    `most` say otherwise; with `zero`, zero is allowed beside it. A text is one of `choices`, if there are any.
    """

    default: float | int | bool | str
    unit: str
    meaning: str
    zero: bool = False
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()

    def parse(self, name: str, text: str) -> float | int | bool | str:
        """Parse the text of ``--set NAME=TEXT``.

        Raises
        ------
        InputError
            If the text is not of the option's kind, or out of its range.
        """
        where = f"option {name}"
        if isinstance(self.default, bool):
            if text not in ("on", "off"):
                raise InputError(f"{where}: expected on or off, not {text!r}")
            return text == "on"
        if isinstance(self.default, int):
            return self._whole(where, text)
        if isinstance(self.default, str):
            if self.choices and text not in self.choices:
                raise InputError(f"{where}: expected one of {', '.join(self.choices)}, not {text!r}")
            return text
        value = parse_si(text, self.unit, where)
        check_range(value, self.unit, where, zero=self.zero, least=self.least, most=self.most)
        return value

    def words(self, value: Any) -> str:
        """Return a value as it is written on the command line."""
        if isinstance(value, bool):
            return "on" if value else "off"
        return format_si(value, self.unit) if isinstance(value, float) else str(value)

    @property
    def range(self) -> str:
        """What it may be, in words; empty where anything may be given."""
        if isinstance(self.default, bool):
            return "on, off"
        if isinstance(self.default, str):
            return ", ".join(self.choices)
        if isinstance(self.default, int):
            return "{} to {}".format(*self._bounds)
        lowest, highest = RANGES[self.unit]
        lowest, highest = self.least or lowest, self.most or highest
        return f"{'0, ' if self.zero else ''}{format_si(lowest, self.unit)} to {format_si(highest, self.unit)}"

    @property
    def _bounds(self) -> tuple[int, int]:
        """Least and largest whole number."""
        least = 0 if self.zero else 1 if self.least is None else int(self.least)
        return least, MOST if self.most is None else int(self.most)

    def _whole(self, where: str, text: str) -> int:
        if not re.fullmatch("[-+]?[0-9]{1,18}", text):
            raise InputError(f"{where}: expected a whole number, not {text!r}")
        (least, most), value = self._bounds, int(text)
        if not least <= value <= most:
            expected = f"at least {least}" if value < least else f"at most {most}"
            raise InputError(f"{where}: expected {expected}, not {value}")
        return value


def check_times(where: str, times: int, shown: int) -> None:
    """Refuse to show so many presentations so many times, before arrays of them are made; `where` names the options.

    Raises
    ------
    InputError
        If they are more than `MOST_SHOWN`.
    """
    if times * shown > MOST_SHOWN:
        raise InputError(f"{where}: expected at most {MOST_SHOWN // shown}, not {times}; ask for a shorter run")
