import ast
import importlib.util
from pathlib import Path

import pytest

_SPEC = importlib.util.spec_from_file_location("sites", Path(__file__).with_name("sites.py"))
sites = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(sites)

SOURCE = '''"""Module."""


def limit(value: int, most: int = 3) -> int:
    """Docstring with 1 number."""
    if value < 0 or any(most > 0 for _ in ()):
        raise ValueError("must be at least 0")
    elif value <= most:
        return value + 1
    table = [1.5]
    table[0] += 2
    print(table)
    return min(value, most)
'''


def _what(source):
    return [mutant.what for mutant in sites.mutants(source)]


@pytest.mark.parametrize(
    "what",
    [
        "value < 0 -> value <= 0",
        "value <= most -> value < most",
        "value + 1 -> value - 1",
        "1 -> 2",
        "1 -> 0",
        "3 -> 4",
        "1.5 -> 1.6500000000000001",
        "any -> all",
        "min -> max",
        "left out",
        "If -> test not value <= most",
    ],
)
def test_every_kind_of_fault_is_found(what):
    assert what in _what(SOURCE)


def test_every_fault_changes_the_program_and_nothing_else_than_one_statement():
    tree = ast.dump(ast.parse(SOURCE))
    for mutant in sites.mutants(SOURCE):
        changed = mutant.source
        compile(changed, "mutant", "exec")
        assert ast.dump(ast.parse(changed)) != tree, mutant.what
        assert changed.splitlines()[: mutant.line - 1] == SOURCE.splitlines()[: mutant.line - 1]


def test_a_fault_in_an_elif_leaves_it_one():
    mutant = next(m for m in sites.mutants(SOURCE) if m.what == "value <= most -> value < most")
    assert "    elif value < most:" in mutant.source


def test_strings_annotations_and_docstrings_stay():
    assert all('"""Docstring with 1 number."""' in mutant.source for mutant in sites.mutants(SOURCE))
    assert _what('x: "int" = "a"\nfrom a import b\n') == []


def test_calls_errors_and_assignments_to_parts_are_left_out():
    assert _what("f()\nx = 'a'\na.b = x\nraise E\n") == ["left out"] * 3
