"""The house of docs/design.md: what is above the kinds of neurons does not know which there are; long files say why."""

import ast
from pathlib import Path

import pytest

from memtwin.sim.kinds import KINDS

ROOT = Path(__file__).parents[1]
# What is for one kind by its nature: its demonstrations on boards, its benches, the experiments; NIR files, their
# commands and training are of LIF networks; bench prints what its peers measure; the designs are a list.
OF_A_KIND = (
    "boards/lesson.py",
    "boards/lif_twin.py",
    "boards/opamp_twin.py",
    "boards/twins.py",
    "memtwin/__init__.py",
    "memtwin/bench/",
    "memtwin/benches/",
    "memtwin/cli/networks.py",
    "memtwin/designs.py",
    "memtwin/nir/",
    "memtwin/own/nir_file.py",
    "memtwin/train/",
    "sim/experiments/",
    *(f"{folder}/{kind}/" for folder in ("sim", "hdl") for kind in KINDS),
)


def modules():
    for folder in ("sim", "hdl", "boards", "memtwin"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith(OF_A_KIND):
                yield pytest.param(path, id=name)


def imported(tree):
    """Modules that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.parametrize("path", list(modules()))
def test_imports_no_kind(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    of_kinds = tuple(f"memtwin.{folder}.{kind}." for folder in ("sim", "hdl") for kind in KINDS)
    assert [name for name in imported(tree) if name.startswith(of_kinds)] == []


@pytest.mark.parametrize("path", list(modules()))
def test_asks_for_no_kind_by_name(path):
    """No table of kinds, no comparison with the name of one, and no probe for what only some of them have."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    asked = []
    for node in ast.walk(tree):
        names = [*node.keys] if isinstance(node, ast.Dict) else []
        if isinstance(node, ast.Compare):
            names = [node.left, *node.comparators]
        asked += [name.value for name in names if isinstance(name, ast.Constant) and name.value in KINDS]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "hasattr":
            asked.append(f"hasattr, line {node.lineno}")
    assert asked == []


def test_a_long_file_says_why():
    """A file of more than 400 lines says at its head that it "is long because ..."."""
    unsaid = []
    for folder in ("sim", "hdl", "boards", "memtwin", "tests"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if text.count("\n") > 400 and "is long because" not in (ast.get_docstring(ast.parse(text)) or ""):
                unsaid.append(path.relative_to(ROOT).as_posix())
    assert not unsaid
