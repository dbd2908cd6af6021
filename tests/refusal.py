"""What a call says when it refuses what a user gave."""

from collections.abc import Callable
from typing import Any

from memtwin.sim.errors import InputError


def refusal(call: Callable[..., Any], *arguments: Any, **named: Any) -> str | None:
    """Return the line with which `call` refuses its arguments, or None if it takes them; other errors pass."""
    try:
        call(*arguments, **named)
    except InputError as error:
        return str(error)
    return None
