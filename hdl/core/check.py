"""Check of a parameter with which gateware is generated."""

__all__ = ["check_integer"]


def check_integer(name: str, value: object, low: int, high: int | None = None) -> None:
    """Refuse a parameter that is not an integer of at least `low` and, unless None, at most `high`.

    Raises
    ------
    TypeError
        If it is no integer; True and False are none.
    ValueError
        If it is out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if high is None and value < low:
        raise ValueError(f"{name} must be at least {low}, not {value!r}")
    if high is not None and not low <= value <= high:
        raise ValueError(f"{name} must be in {low}..{high}, not {value!r}")
