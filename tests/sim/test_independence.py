"""Physics and integers are written apart: what modules of both reach holds data, and computes nothing."""

import ast
from pathlib import Path

import pytest

SIM = Path(__file__).parents[2] / "sim"

# What is simulated, what is shown, what is recorded, what is said of it: docs/compare.md, "What two levels share".
DATA = {
    "hybrid": {"backends", "recording", "hybrid.shown", "hybrid.spec", "hybrid", "cards", "hybrid.ceiling"},
    "opamp": {"backends", "recording", "opamp.shown", "opamp.spec", "opamp", "cards"},
    "lif": {"backends", "recording", "lif.shown", "lif.spec", "lif.trains", "lif.recording", "lif.trace", "lif"},
    "stdp": {"backends", "recording", "stdp.shown", "stdp.spec", "stdp.recording", "stdp"},
    "izhikevich": {"backends", "recording", "izhikevich.shown", "izhikevich.spec", "izhikevich", "cards"},
}


def reached(module, data, seen):
    """Add to `seen` what a module of `sim` imports, and what that does; nothing behind modules that hold data."""
    if module in seen:
        return seen
    seen.add(module)
    file = SIM.joinpath(*module.split(".")).with_suffix(".py")
    if module in data or not file.exists():
        return seen
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("memtwin.sim"):
            parent = node.module.removeprefix("memtwin.sim").lstrip(".")
            for alias in node.names:
                inner = f"{parent}.{alias.name}".lstrip(".")
                is_module = SIM.joinpath(*inner.split(".")).with_suffix(".py").exists()
                reached(inner if is_module else parent, data, seen)
    return seen


@pytest.mark.parametrize("kind", DATA)
def test_physics_and_integers_share_data_only(kind):
    sides = [reached(f"{kind}.{name}", DATA[kind], set()) for name in ("physics", "model")]
    assert len(sides[0]) > 3
    assert len(sides[1]) > 3
    assert sides[0] & sides[1] - DATA[kind] <= {"errors"}
