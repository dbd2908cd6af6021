"""Pictures of digits that the tests show: MNIST where MEMTWIN_DATA names it, else drawn ones, which prove less."""

import os

__all__ = ["LEAST_DRAWN", "LEAST_MNIST", "least", "mnist", "summary"]

# Part of the pictures that the shipped network must answer rightly. It was not trained with drawn digits.
LEAST_MNIST, LEAST_DRAWN = 0.9, 0.3


def mnist() -> str | None:
    """Folder of MNIST's files, if there is one."""
    return os.environ.get("MEMTWIN_DATA") or None


def least() -> float:
    """Least accuracy of the shipped network on the pictures that are shown."""
    return LEAST_DRAWN if mnist() is None else LEAST_MNIST


def summary() -> str:
    """Say which pictures the tests showed, and what they proved with them."""
    if mnist() is None:
        return (
            f"pictures: drawn digits, accuracy at least {LEAST_DRAWN}; "
            f"set MEMTWIN_DATA to the folder of MNIST's files for at least {LEAST_MNIST}"
        )
    return f"pictures: MNIST in {mnist()}, accuracy at least {LEAST_MNIST}"
