"""What can go wrong between a host and a twin."""

from memtwin.sim.errors import InputError

__all__ = ["LinkError"]


class LinkError(InputError):
    """The link does not do what was asked; one line that says what was expected, and what to do."""
