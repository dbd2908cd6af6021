"""Verilog of the gateware, for simulators and for designs of others."""

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

from amaranth.back import verilog
from amaranth.lib import wiring

__all__ = ["convert"]

# What Yosys writes so that combinational processes run at time zero: a variable that they wait for.
_STARTER = re.compile(r"\\\$auto\$verilog_backend\.cc:\d+:dump_module\$\d+ ")
# What Yosys calls wires of its own: a file of its source and a line.
_AUTO = re.compile(r"\\\$auto\$[\w.]+:\d+:(\w+\$\d+) ")


def convert(component: wiring.Component, name: str) -> str:
    """Return the Verilog of `component` as module `name`.

    The same component always gives the same text; it holds no path and no date. The language is Verilog 2005.

    A simulator of SystemVerilog gives variables their first values before any process waits for them, so that what
    Yosys writes starts nothing there (Icarus with ``-g2012``: outputs stay unknown until an input changes). Here an
    ``initial`` statement gives that value, which starts the processes in either language.
    """
    with _own_yosys():
        text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    text = _STARTER.sub("start_of_time", text)
    text = _AUTO.sub(r"\\$\1 ", text)
    return text.replace("  reg start_of_time = 0;\n", "  reg start_of_time;\n  initial start_of_time = 0;\n")


@contextmanager
def _own_yosys() -> Iterator[None]:
    """Let Amaranth use its own Yosys: another one, from YOSYS or the path, writes another text."""
    name = "AMARANTH_USE_YOSYS"
    before = os.environ.get(name)
    os.environ[name] = "builtin"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
