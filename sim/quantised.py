"""What quantisation changed, and the one rule by which a user is told of it, or refused.

The words of a parameter stand for other values than those asked for. A value is *moved* by the difference: of a scalar
as a part of itself, of an entry of an array as a part of the largest entry, each within its trial. A move of more than
`TOLERANCE` is warned of; if it comes from the end of a word, which *clips*, it is refused unless the user allows it. A
smaller one that an end clips is warned of, too: no limit of a comparison counts with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memtwin.sim.errors import InputError
from memtwin.sim.units import format_si

__all__ = [
    "TOLERANCE",
    "QuantisedParameter",
    "Quantiser",
    "Reports",
    "moved",
    "quantisation_warnings",
    "refuse_clipped",
]

TOLERANCE = 0.02

_FULL_SCALE = 2.0**-15  # a word of 16 bits ends a unit below its full scale, which is as good as rounded

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class QuantisedParameter:
    """What quantisation made of one parameter, in all trials.

    Attributes
    ----------
    name, unit : str
        What it is.
    asked, got : float
        Of the value that moved most: as it was asked for, and as the words have it.
    saturated : int
        How many values are beyond the ends of their word.
    moved, clipped : float
        How far the worst of all values moved, and the worst of those beyond the ends of their word; see the module.
    advice : str
        What a user can do about values that do not fit.
    """

    name: str
    unit: str
    asked: float
    got: float
    saturated: int = 0
    moved: float = 0.0
    clipped: float = 0.0
    advice: str = ""

    @property
    def error(self) -> float:
        """Relative error (absolute where the asked value is zero); zero where an infinite value is infinite."""
        if self.got == self.asked:
            return 0.0
        return (self.got - self.asked) / self.asked if self.asked else self.got

    def json(self) -> dict[str, Any]:
        """Line of a report; None where a number is infinite, which JSON does not have."""
        with np.errstate(invalid="ignore"):
            numbers = {"asked": self.asked, "got": self.got, "error": float(self.error)}
        finite = {name: number if np.isfinite(number) else None for name, number in numbers.items()}
        return {"name": self.name, "unit": self.unit, **finite, "saturated": self.saturated}

    def __str__(self) -> str:
        """Say what was asked for and what the words have."""
        asked, got = (
            format_si(value, self.unit) if np.isfinite(value) else "infinite" for value in (self.asked, self.got)
        )
        return f"{self.name}: asked {asked}, got {got}"


# Lines of reports, by what they are of: a layer, a node of a file.
Reports = Mapping[str, Sequence[QuantisedParameter]]


class Quantiser:
    """Rounds the values of one layer into words, and keeps the report.

    Values are scalars or arrays whose first axis is the trials; its length is 1 where all trials have the same.

    Attributes
    ----------
    words : dict of str to int64 array
        Words of 16 bits by name, signed ones in two's complement; (trials,) or (trials, entries).
    outside : dict of str to bool array
        Which values are beyond the ends of their word.
    report : list of QuantisedParameter
        What quantisation changed.
    """

    def __init__(self, trials: int) -> None:
        self.trials = trials
        self.words: dict[str, Ints] = {}
        self.report: list[QuantisedParameter] = []
        self.outside: dict[str, NDArray[np.bool_]] = {}

    def put(self, name: str, values: ArrayLike, scale: ArrayLike, bits: int = 16, *, signed: bool = False) -> Ints:
        """Round ``values * scale`` into words of `bits` bits, clipping; return them in the shape of `values`."""
        ideal = np.rint(np.atleast_1d(np.asarray(values, dtype=float) * scale))
        bottom, top = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        numbers = np.clip(ideal, bottom, top).astype(np.int64)
        self.outside[name] = ideal != numbers
        words = (numbers if numbers.ndim == 1 else numbers.reshape(len(numbers), -1)) & 0xFFFF
        self.words[name] = np.broadcast_to(words, (self.trials, *words.shape[1:]))
        return numbers

    def put_decay(self, name: str, label: str, seconds: float, tau: ArrayLike, bits: int) -> Ints:
        """Round ``1 - exp(-seconds / tau)`` to `bits` fraction bits, and tell it as the time constant `label`.

        What moves is the decay: a time constant far below `seconds` forgets everything, whatever the word makes of it.
        """
        tau = np.atleast_1d(np.asarray(tau, dtype=float))
        decay = -np.expm1(-seconds / tau)
        numbers = self.put(name, decay, 2.0**bits)
        with np.errstate(divide="ignore"):
            got = seconds / np.abs(np.log1p(-numbers * 2.0**-bits))
        self.tell(label, "s", tau, got, of=name, parts=moved(decay, numbers * 2.0**-bits))
        return numbers

    def tell(
        self,
        name: str,
        unit: str,
        asked: ArrayLike,
        got: ArrayLike,
        *,
        of: str | None = None,
        parts: NDArray[np.floating] | None = None,
        advice: str = "",
        is_refused: bool = True,
    ) -> None:
        """Add a line to the report: of all values in all trials the one that moved most.

        Parameters
        ----------
        name, unit, asked, got, advice
            See `QuantisedParameter`; of every value.
        of : str, optional
            Name of the word of the values, if it is another.
        parts : float array, optional
            How far each value moved, where `asked` and `got` are not to be compared as they are.
        is_refused : bool
            Values that are clipped are refused; else they are told only.
        """
        asked, got = np.broadcast_arrays(np.atleast_1d(asked).astype(float), np.atleast_1d(got).astype(float))
        parts = moved(asked, got) if parts is None else parts
        outside = self.outside.get(of or name, np.zeros(1, dtype=bool)) & (parts > _FULL_SCALE)
        worst = np.unravel_index(np.argmax(parts), parts.shape)
        self.report.append(
            QuantisedParameter(
                name=name,
                unit=unit,
                asked=float(asked[worst]),
                got=float(got[worst]),
                saturated=int(np.count_nonzero(outside)),
                moved=float(parts[worst]),
                clipped=float(parts[outside].max(initial=0.0)) if is_refused else 0.0,
                advice=advice,
            )
        )


def moved(asked: NDArray[np.floating], got: NDArray[np.floating]) -> NDArray[np.floating]:
    """How far each value moved, as a part of the largest that is asked for in its trial (first axis)."""
    finite = np.where(np.isfinite(asked), np.abs(asked), 0.0)
    largest = finite.max(axis=tuple(range(1, asked.ndim)), keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        return np.where(got == asked, 0.0, np.abs(got - asked) / largest)


def refuse_clipped(reports: Reports) -> None:
    """Refuse values that do not fit their words.

    Raises
    ------
    InputError
        If a value is clipped by more than `TOLERANCE`; the message names the worst.
    """
    found = _beyond(reports, _clipped, TOLERANCE)
    if found:
        where, line = found[0]
        advice = line.advice or "choose another value"
        raise InputError(
            f"{where}, {line}, which is the end of its word; {advice}, or clip it with --allow-clipping "
            "(allow_clipping=True)"
        )


def quantisation_warnings(reports: Reports) -> list[str]:
    """Say, in a line each, what the end of a word clipped most, and what rounding moved most beyond `TOLERANCE`."""
    out = []
    for verb, key, least in (("clips", _clipped, 0.0), ("moves", _rounded, TOLERANCE)):
        found = _beyond(reports, key, least)
        if found:
            where, line = found[0]
            others = sorted({own.name for _, own in found} - {line.name})
            more = f"; also {', '.join(others)}" if others else ""
            out.append(f"quantisation {verb} {line} ({where}){more}")
    return out


def _clipped(line: QuantisedParameter) -> float:
    return line.clipped


def _rounded(line: QuantisedParameter) -> float:
    return 0.0 if line.clipped else line.moved


def _beyond(
    reports: Reports, key: Callable[[QuantisedParameter], float], least: float
) -> list[tuple[str, QuantisedParameter]]:
    """Lines whose `key` is more than `least` and where they are from, the worst first."""
    found = [(where, line) for where, lines in reports.items() for line in lines if key(line) > least]
    return sorted(found, key=lambda item: -key(item[1]))
