"""Bitstreams of designs and networks, what fits which board, and programming.

As `memtwin.build` is also what users call, the package is a function: ``mt.build(network, "ulx3s-85f")``.
"""

import sys
from types import ModuleType
from typing import Any

from memtwin.sim.extras import extra_for

# Asked for before the rest: whoever lacks it lacks the tools of the same extra, too.
with extra_for("a bitstream"):
    import amaranth_boards  # noqa: F401


class _Build(ModuleType):
    """Builds the bitstream of a network of one's own when it is called."""

    def __call__(self, *arguments: Any, **options: Any) -> dict[str, Any]:
        """Do what `memtwin.own.hardware.build` says."""
        from memtwin.own.hardware import build

        return build(*arguments, **options)


sys.modules[__name__].__class__ = _Build
