"""Options of layers and networks: each is declared once, as a field of a dataclass with its unit, range and meaning.

A value may be given as a Python number, as an SI string, or, where it is an array or a card, as the name of a file. The
same declarations check what comes from Python and from a TOML file, and write the file that a user starts from.
"""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card, load_card
from memtwin.sim.errors import InputError
from memtwin.sim.files import read_arrays, read_bytes, read_text
from memtwin.sim.parsers import parse_npy, parsing
from memtwin.sim.units import RANGES, check_range, format_si, parse_si

__all__ = ["Array", "CardName", "Choice", "Flag", "Options", "Quantity", "Rule", "Whole", "option", "rules"]

_ARRAYS = (".csv", ".npy", ".npz")
_LARGEST = 2**26  # bytes of a text with numbers


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What an option may be; `read` returns the value that is kept, or raises `InputError`."""

    meaning: str

    @property
    def expected(self) -> str:
        """What may be given, in words."""
        raise NotImplementedError

    def read(self, name: str, value: Any) -> Any:
        """Check a value."""
        raise NotImplementedError

    def text(self, value: Any) -> str:
        """Write a value in TOML."""
        return f'"{value}"' if isinstance(value, str) else str(value)

    def parse(self, text: str) -> Any:
        """Take the text of ``--set NAME=TEXT`` for what it is; `read` checks it."""
        return text

    def refuse(self, name: str, value: Any) -> InputError:
        """Say what was expected."""
        return InputError(f"{name}: expected {self.expected}, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class Whole(Rule):
    """A whole number."""

    least: int = 1
    most: int = 1_000_000

    @property
    def expected(self) -> str:
        """What may be given, in words."""
        return f"a whole number from {self.least} to {self.most}"

    def read(self, name: str, value: Any) -> int:
        """Check a value."""
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or not self.least <= value <= self.most:
            raise self.refuse(name, value)
        return int(value)

    def parse(self, text: str) -> int | str:
        """Take the text of ``--set NAME=TEXT`` for what it is; `read` checks it."""
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 19 else text


@dataclass(frozen=True, kw_only=True)
class Flag(Rule):
    """On or off."""

    expected = "true or false"

    def read(self, name: str, value: Any) -> bool:
        """Check a value."""
        if not isinstance(value, bool | np.bool_):
            raise self.refuse(name, value)
        return bool(value)

    def text(self, value: Any) -> str:
        """Write a value in TOML."""
        return str(value).lower()

    def parse(self, text: str) -> bool | str:
        """Take the text of ``--set NAME=TEXT`` for what it is; `read` checks it."""
        return {"on": True, "true": True, "off": False, "false": False}.get(text, text)


@dataclass(frozen=True, kw_only=True)
class Choice(Rule):
    """One of some words."""

    choices: tuple[str, ...]

    @property
    def expected(self) -> str:
        """What may be given, in words."""
        return f"one of {', '.join(self.choices)}"

    def read(self, name: str, value: Any) -> str:
        """Check a value."""
        if value not in self.choices:
            raise self.refuse(name, value)
        return value


@dataclass(frozen=True, kw_only=True)
class CardName(Rule):
    """A card: its name, the path of its file, or a `Card`; with `optional` none, as an empty name."""

    kind: str
    optional: bool = False

    @property
    def expected(self) -> str:
        """What may be given, in words."""
        return f"a card of kind {self.kind}, by its name or the path of its file"

    def read(self, name: str, value: Any) -> Card | None:
        """Load a card."""
        if self.optional and value in (None, ""):
            return None
        if not isinstance(value, Card):
            if not isinstance(value, str | Path):
                raise self.refuse(name, value)
            value = load_card(value)
        if value.kind != self.kind:
            raise InputError(f"{name}: expected {self.expected}; {value.name} is of kind {value.kind}")
        return value

    def text(self, value: Any) -> str:
        """Write a value in TOML."""
        return f'"{value.name if isinstance(value, Card) else value or ""}"'


@dataclass(frozen=True, kw_only=True)
class Quantity(Rule):
    """A number with a unit, as a float in SI units or an SI string; positive unless `signed`."""

    unit: str
    zero: bool = False
    signed: bool = False
    least: float | None = None
    most: float | None = None
    infinite: bool = False  # may be infinity
    optional: bool = False  # may be left out, for what the meaning says

    @property
    def expected(self) -> str:
        """What may be given, in words."""
        what = f'a quantity such as "2{self.unit}"' if self.unit else "a number"
        if self.signed:
            return what
        lowest, highest = RANGES[self.unit]
        bounds = [format_si(own if own is not None else bound, self.unit) for own, bound in
                  ((self.least, lowest), (self.most, highest))]  # fmt: skip
        return f"{what}, {'0 or ' if self.zero else ''}{' to '.join(bounds)}"

    def read(self, name: str, value: Any) -> float | None:
        """Check a value."""
        if value is None and self.optional:
            return None
        if isinstance(value, str):
            number = np.inf if self.infinite and value == "inf" else parse_si(value, self.unit, name)
        elif isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.integer | np.floating):
            raise self.refuse(name, value)
        else:
            with parsing(name, self.expected):  # a whole number may be beyond all floats
                number = float(value)
        if self.infinite and number == np.inf:
            return number
        if self.signed:
            if not np.isfinite(number):
                raise self.refuse(name, value)
            return number
        check_range(number, self.unit, name, zero=self.zero, least=self.least, most=self.most)
        return number

    def text(self, value: Any) -> str:
        """Write a value in TOML."""
        if isinstance(value, str) or not self.unit or value == np.inf:
            return super().text(value)
        return f'"{format_si(value, self.unit, 12)}"'


@dataclass(frozen=True, kw_only=True)
class Array(Rule):
    """Quantities: one for all, an array of the shape that is named, or a file of it (CSV, NPY, NPZ)."""

    of: Quantity
    shape: tuple[str, ...]  # names of the options that give its size

    @property
    def expected(self) -> str:
        """What may be given, in words."""
        files = ", ".join(_ARRAYS)
        return f"{self.of.expected}; an array of ({', '.join(self.shape)}); or a file of one ({files})"

    def read(self, name: str, value: Any) -> float | NDArray[np.float64] | None:
        """Read numbers; their shape is checked by `Options`."""
        if value is None:
            return self.of.read(name, value)
        if isinstance(value, str | Path) and Path(value).suffix.lower() in _ARRAYS:
            value = _file(Path(value), name)
        if isinstance(value, str) and value.lstrip().startswith("["):  # --set
            with parsing(name, self.expected):
                value = json.loads(value)
        if isinstance(value, np.ndarray) and value.ndim == 0:
            value = value.item()
        if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
            return self.of.read(name, value)
        with parsing(name, self.expected):
            entries = np.array(value, dtype=object)
            if any(isinstance(entry, str) for entry in entries.flat):
                entries = np.array([self.of.read(name, entry) for entry in entries.flat]).reshape(entries.shape)
            table = entries.astype(float)
        for number in (table.min(), table.max()) if table.size else ():
            self.of.read(name, float(number))
        if np.isnan(table).any():
            raise InputError(f"{name}: expected numbers; {np.count_nonzero(np.isnan(table))} are none")
        return table

    def text(self, value: Any) -> str:
        """Write a value in TOML."""
        return self.of.text(value)


def _file(path: Path, name: str) -> NDArray:
    """Read the array of a file: an NPZ file has one array, or one called as the option is."""
    where = f"{name}: file {path}"
    if path.suffix.lower() == ".csv":
        text = read_text(path, where, _LARGEST)
        with parsing(where, "numbers, a row of the array in each line"):
            return np.loadtxt(text.splitlines(), delimiter=",", ndmin=1)
    if path.suffix.lower() == ".npz":
        arrays = read_arrays(path, "an NPZ file of arrays")
        own = name.rpartition(".")[2]
        if own in arrays or len(arrays) == 1:
            return arrays.get(own, next(iter(arrays.values())))
        raise InputError(f"{where}: expected one array, or one called {own}, not {', '.join(arrays) or 'none'}")
    return parse_npy(read_bytes(path, where, _LARGEST), where, "an array of NumPy")


def option(rule: Rule, default: Any = dataclasses.MISSING) -> Any:
    """Declare an option as a field of a dataclass; without a default it must be given."""
    return field(default=default, metadata={"rule": rule})


def rules(options: type) -> Iterator[tuple[str, Rule, Any]]:
    """Yield name, rule and default of every option; `dataclasses.MISSING` where there is no default."""
    for own in dataclasses.fields(options):
        yield own.name, own.metadata["rule"], own.default


@dataclass(frozen=True, kw_only=True, eq=False)
class Options:
    """Base of dataclasses whose fields are all declared by `option`: values are read and checked when it is made.

    Raises
    ------
    InputError
        If a value is not what its rule expects, or an array has another shape than its rule names.
    """

    def __post_init__(self) -> None:
        for name, rule, _ in rules(type(self)):
            object.__setattr__(self, name, rule.read(name, getattr(self, name)))
        for name, rule, _ in rules(type(self)):
            value = getattr(self, name)
            if isinstance(rule, Array) and isinstance(value, np.ndarray):
                wanted = tuple(getattr(self, size) for size in rule.shape)
                if value.shape != wanted:
                    sizes = ", ".join(rule.shape)
                    raise InputError(f"{name}: expected the shape ({sizes}), here {wanted}, not {value.shape}")

    def told(self) -> Iterator[tuple[str, str]]:
        """Yield name and value of every option that is not left out, in words."""
        for name, rule, _ in rules(type(self)):
            value = getattr(self, name)
            if isinstance(rule, Array) and isinstance(value, np.ndarray):
                lowest, highest = (format_si(float(end), rule.of.unit) for end in (value.min(), value.max()))
                yield name, lowest if lowest == highest else f"{lowest} to {highest}"
            elif value is not None:
                yield name, rule.text(value).strip('"')

    @classmethod
    def given(cls, where: str, values: dict[str, Any]) -> "Options":
        """Make options of values by name.

        Raises
        ------
        InputError
            If a name is unknown, one is missing, or a value is not possible; `where` begins the message.
        """
        known = {name: default for name, _, default in rules(cls)}
        for name in values:
            if name not in known:
                raise InputError(f"{where}: unknown option {name}; expected {', '.join(known)}")
        for name, default in known.items():
            if default is dataclasses.MISSING and name not in values:
                raise InputError(f"{where}: option {name} is missing")
        try:
            return cls(**values)
        except InputError as error:
            raise InputError(f"{where}, {error}") from None
