"""Single faults of a source file, found in its syntax tree."""

import ast
import copy
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Mutant", "mutants"]

_COMPARISONS: dict[type, type] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
_OPERATORS: dict[type, type] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitOr,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
_NAMES = {
    "any": "all",
    "min": "max",
    "floor": "ceil",
    "argmin": "argmax",
    "rint": "floor",
    "If": "Elif",
    "comb": "sync",
}
_NAMES |= {other: name for name, other in _NAMES.items()}


@dataclass(frozen=True)
class Mutant:
    """One fault: where it is, what it does, and the whole source with it in."""

    line: int
    last_line: int
    what: str
    source: str


def mutants(source: str) -> list[Mutant]:
    """List every single fault of a module, in the order of its syntax tree.

    Comparisons and operators are swapped, conditions turned around, numbers moved by one, `any` becomes `all` and so
    on, and statements that are calls, assignments to attributes, or raise an error are left out. Annotations, strings
    and imports stay.
    """
    tree = ast.parse(source)
    out = []
    for node, position, field, fault, what in _sites(tree):
        statement = _with(tree, node, position, field, fault)
        changed = _replaced(source, node, statement)
        out.append(Mutant(node.lineno, node.end_lineno or node.lineno, what, changed))
    return out


def _sites(tree: ast.Module) -> Iterator[tuple]:
    """Statements that can be changed: statement, number of the node in it, its field, new value, description."""
    for statement in ast.walk(tree):
        if not isinstance(statement, ast.stmt) or isinstance(statement, ast.Import | ast.ImportFrom):
            continue
        if _is_call(statement) or _sets_attribute(statement) or isinstance(statement, ast.Raise):
            yield statement, None, None, ast.Pass(), "left out"
        for position, node in enumerate(_own_nodes(statement)):
            for field, fault in _faults(node):
                yield statement, position, field, fault, _describe(node, field, fault)


def _is_call(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)


def _sets_attribute(statement: ast.stmt) -> bool:
    """An assignment that later code does not need as a name."""
    if isinstance(statement, ast.AugAssign):
        return True
    return isinstance(statement, ast.Assign) and not any(isinstance(t, ast.Name | ast.Tuple) for t in statement.targets)


def _own_nodes(statement: ast.stmt) -> list[ast.AST]:
    """Nodes of the expressions of a statement, without those of statements in it, and without annotations."""
    out: list[ast.AST] = []
    waiting: list[ast.AST] = [statement]
    while waiting:
        node = waiting.pop(0)
        out.append(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list", "type_params"):
                continue
            children = value if isinstance(value, list) else [value]
            waiting += [
                c for c in children if isinstance(c, ast.AST) and not isinstance(c, ast.stmt | ast.excepthandler)
            ]
    return out


def _faults(node: ast.AST) -> Iterator[tuple[str, object]]:
    """Fields of a node and what a fault makes of them."""
    match node:
        case ast.Compare(ops=ops):
            for number, op in enumerate(ops):
                yield "ops", [*ops[:number], _COMPARISONS[type(op)](), *ops[number + 1 :]]
        case ast.BinOp(op=op) | ast.BoolOp(op=op) | ast.AugAssign(op=op) if type(op) in _OPERATORS:
            yield "op", _OPERATORS[type(op)]()
        case ast.UnaryOp(op=ast.USub() | ast.Invert()):
            yield "op", ast.UAdd()
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            yield "test", ast.UnaryOp(ast.Not(), test)
        case ast.Constant(value=bool(value)):
            yield "value", not value
        case ast.Constant(value=int(value)):
            yield "value", value + 1
            if value:
                yield "value", value - 1
        case ast.Constant(value=float(value)) if value:
            yield "value", value * 1.1
        case ast.Name(id=name) if name in _NAMES:
            yield "id", _NAMES[name]
        case ast.Attribute(attr=name) if name in _NAMES:
            yield "attr", _NAMES[name]


def _describe(node: ast.AST, field: str, fault: object) -> str:
    before = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
    changed = copy.copy(node)
    setattr(changed, field, fault)
    after = ast.unparse(changed) if isinstance(node, ast.expr) else f"{field} {_name(fault)}"
    return f"{before} -> {after}"


def _name(fault: object) -> str:
    return ast.unparse(fault) if isinstance(fault, ast.expr) else type(fault).__name__


def _with(tree: ast.Module, statement: ast.stmt, position: int | None, field: str | None, fault: object) -> ast.stmt:
    """The statement with the fault in; the tree stays as it is."""
    if position is None or field is None:
        assert isinstance(fault, ast.stmt)
        return fault
    changed = copy.deepcopy(statement)
    setattr(_own_nodes(changed)[position], field, fault)
    return changed


def _replaced(source: str, statement: ast.stmt, changed: ast.stmt) -> str:
    """The source with one statement in another form; line numbers before it stay."""
    lines = source.splitlines(keepends=True)
    first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
    decorated = getattr(statement, "decorator_list", [])
    if decorated:
        first = decorated[0].lineno - 1
    indent = " " * statement.col_offset
    code = ast.unparse(ast.fix_missing_locations(changed))
    if lines[first].lstrip().startswith("elif"):
        code = f"el{code}"
    text = "".join(f"{indent}{line}\n" for line in code.splitlines())
    return "".join([*lines[:first], text, *lines[last:]])
