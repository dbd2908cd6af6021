"""The one exception that the command line turns into a single line and exit status 2."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Bad input from a user: says which file, field or node, what was expected, and what to do."""
