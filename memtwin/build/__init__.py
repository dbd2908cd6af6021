"""Bitstreams of designs, what fits which board, and programming."""

# Asked for before the rest: whoever lacks it lacks the tools of the same extra, too.
import amaranth_boards  # noqa: F401
