"""What can go wrong between a host and a twin."""

from memtwin.sim.errors import InputError

__all__ = ["MISMATCH", "LinkError"]

MISMATCH = "version mismatch between bitstream and host; update memtwin, or the bitstream"


class LinkError(InputError):
    """The link does not do what was asked; one line that says what was expected, and what to do."""
