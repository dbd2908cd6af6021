"""SI quantities as strings: ``"250us"``, ``"1.8V"``, ``"400uS"``, ``"10kOhm"``, ``"195/s"``, ``"0.05"``.

Cards and the command line speak strings with units; everything else speaks floats in SI units.
"""

import re

from memtwin.sim.errors import InputError

__all__ = ["format_si", "parse_si"]

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
        If the text is no quantity or has another unit.
    """
    example = f'"2{unit}"' if unit else '"0.5"'
    match = _QUANTITY.match(text)
    if match is None:
        raise InputError(f"{where}: expected a quantity such as {example}, not {text!r}")
    number, suffix = float(match[1]), match[2]
    if suffix == unit:
        return number
    prefix = suffix[: len(suffix) - len(unit)]
    if unit and suffix.endswith(unit) and prefix in _PREFIXES and not unit.startswith("/"):
        return number * _PREFIXES[prefix]
    wanted = f"unit {unit}" if unit else "a plain number without unit"
    raise InputError(f"{where}: expected {wanted}, such as {example}, not {text!r}")


def format_si(value: float, unit: str, digits: int = 4) -> str:
    """Format `value` with the SI prefix that leaves one to three digits before the point."""
    if unit in ("", "/s") or value == 0:
        return f"{value:.{digits}g}{unit}"
    for prefix, scale in sorted(((p, s) for p, s in _PREFIXES.items() if p != "µ"), key=lambda item: -item[1]):
        if abs(value) >= scale * (1 - 1e-12):
            return f"{value / scale:.{digits}g}{prefix}{unit}"
    return f"{value:.{digits}g}{unit}"
