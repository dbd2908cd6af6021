"""Which designs fit which boards, as measured: ``data/fits.json`` and, with the link, ``data/linked.json``."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path

__all__ = ["fits", "fitting"]

FILE = Path(str(files(__package__))) / "data/fits.json"
LINKED_FILE = FILE.with_name("linked.json")


@cache
def fits(*, linked: bool = False) -> dict[str, dict[str, dict]]:
    """Return what was measured, by board and design; of designs with the link, or of those without.

    Each entry has ``fits``, ``clock_hz`` and, if it fits, ``fmax_hz``, ``utilisation``, ``digest`` and ``seconds``;
    else ``error`` and, if the chip is too small, ``needs``.
    """
    file = LINKED_FILE if linked else FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def fitting(design: str, *, linked: bool = False) -> list[str]:
    """List the boards that hold a design at full clock."""
    return [board for board, found in fits(linked=linked).items() if found.get(design, {}).get("fits")]
