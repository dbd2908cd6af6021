"""SI quantities as strings: ``"250us"``, ``"1.8V"``, ``"400uS"``, ``"10kOhm"``, ``"195/s"``, ``"0.05"``.

Cards and the command line speak strings with units; everything else speaks floats in SI units.
"""

import math
import re

from memtwin.sim.errors import InputError

__all__ = ["RANGES", "check_range", "format_si", "parse_si"]

RANGES: dict[str, tuple[float, float]] = {
    "s": (1e-12, 1e9),
    "Hz": (1e-9, 1e12),
    "/s": (1e-30, 1e12),
    "V": (1e-9, 1e3),
    "A": (1e-15, 1e3),
    "S": (1e-15, 1e3),
    "Ohm": (1e-3, 1e15),
    "": (1e-9, 1e9),
}
"""Magnitudes that a quantity of each unit may have: far beyond any device, so that what lies outside is a slip.

Within them no product or quotient of two quantities leaves the range of float64 (docs/howto-simulate.md).
"""

_PREFIXES = {
    "f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "µ": 1e-6, "m": 1e-3,
    "": 1.0, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12,
}  # fmt: skip
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(\S*)\s*\Z")


def parse_si(text: str, unit: str, where: str) -> float:
    """Parse `text` as a quantity in `unit` (``""`` for a plain number).

    Parameters
    ----------
    text : str
        Number, optional SI prefix, unit: ``"250us"``.
    unit : str
        Expected unit without prefix: ``"s"``, ``"V"``, ``"S"``, ``"Ohm"``, ``"Hz"``, ``"/s"`` or ``""``.
    where : str
        What the quantity is, for the message: ``"card ag-sio2, field tau_leak"``.

    Raises
    ------
    InputError
        If the text is no quantity, has another unit, or is beyond the range of float64.
    """
    example = f'"2{unit}"' if unit else '"0.5"'
    match = _QUANTITY.match(text)
    if match is None:
        raise InputError(f"{where}: expected a quantity such as {example}, not {text!r}")
    number, suffix = float(match[1]), match[2]
    prefix = suffix[: len(suffix) - len(unit)]
    if suffix != unit and not (unit and suffix.endswith(unit) and prefix in _PREFIXES and not unit.startswith("/")):
        wanted = f"unit {unit}" if unit else "a plain number without unit"
        raise InputError(f"{where}: expected {wanted}, such as {example}, not {text!r}")
    value = number * _PREFIXES[prefix]
    if not math.isfinite(value):
        raise InputError(f"{where}: expected a finite quantity, not {text!r}")
    return value


def check_range(
    value: float, unit: str, where: str, *, zero: bool = False, least: float | None = None, most: float | None = None
) -> None:
    """Refuse a quantity out of its range.

    Parameters
    ----------
    value : float
        In SI units.
    unit, where : str
        As in `parse_si`.
    zero : bool
        Zero is allowed, beside the range.
    least, most : float, optional
        Bounds, both allowed; those of `RANGES` without them.

    Raises
    ------
    InputError
        If it is out of range, or not a number.
    """
    if zero and value == 0:
        return
    if not value > 0 and (least is None or least > 0):
        raise InputError(
            f"{where}: expected {'zero or more' if zero else 'more than zero'}, not {format_si(value, unit)}"
        )
    lowest, highest = RANGES[unit]
    lowest, highest = (lowest if least is None else least), (highest if most is None else most)
    if not lowest <= value <= highest:
        words, bound = ("at most", highest) if value > highest else ("at least", lowest)
        expected, got = format_si(bound, unit), format_si(value, unit)
        if got == expected:
            got = f"{value!r}{unit}"
        raise InputError(f"{where}: expected {words} {expected}, not {got}")


def format_si(value: float, unit: str, digits: int = 4) -> str:
    """Format `value` with the SI prefix that leaves one to three digits before the point."""
    if unit in ("", "/s") or value == 0:
        return f"{value:.{digits}g}{unit}"
    for prefix, scale in sorted(((p, s) for p, s in _PREFIXES.items() if p != "µ"), key=lambda item: -item[1]):
        if abs(value) >= scale * (1 - 1e-12):
            return f"{value / scale:.{digits}g}{prefix}{unit}"
    return f"{value:.{digits}g}{unit}"
