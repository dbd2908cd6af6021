"""The one exception that the command line turns into a single line and exit status 2, and the text that it may hold."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["InputError", "Mistakes", "printable"]

_LONGEST = 2000  # characters of a message; a name in a file may be as long as the file


def printable(text: str) -> str:
    """Return `text` with an escape for whatever a terminal would obey, hide or turn around instead of showing it.

    Names of nodes and cards come from files of others, and end up in messages and tables.
    """
    return "".join(mark if mark.isprintable() else mark.encode("unicode_escape").decode() for mark in text)


class InputError(ValueError):
    """Bad input from a user: says which file, field or node, what was expected, and what to do.

    Parameters
    ----------
    message : str
        Becomes one `printable` line; the middle of a very long one is left out.
    """

    def __init__(self, message: str = "") -> None:
        line = printable(" ".join(message.splitlines()))
        if len(line) > _LONGEST:
            line = f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"
        super().__init__(line)


class Mistakes:
    """Collects what is wrong with one input, so that a user is told all of it at once.

    Parameters
    ----------
    where : str
        The input, with which every message begins.
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._found: list[str] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an `InputError` that is raised within, and go on behind it."""
        try:
            yield
        except InputError as error:
            self._found.append(str(error))

    def refuse(self) -> None:
        """Raise what was collected, as one line that names the input once.

        Raises
        ------
        InputError
            If there was anything.
        """
        if self._found:
            first, *others = self._found
            raise InputError("; ".join([first, *(other.removeprefix(self._where).lstrip(",: ") for other in others)]))
