"""Plugin of mypy: the ports of a component are typed attributes, by the signature that declares them.

Amaranth makes an attribute of each member of the signature that a component gives to its base, which a type checker
does not see. Here the dictionary `super().__init__({"start": In(1), ...})` is read as the declaration that it is: a
port with a shape is a `Signal`, one with a signature is what `create` of that signature returns. The members of a
signature become attributes of what its `create` returns in the same way. A name that is written in the class body has
the type that is written there, such as `data.View`; a name that is computed is not seen.
"""

from collections.abc import Callable, Iterator

from mypy.nodes import (
    AssignmentStmt,
    CallExpr,
    ConditionalExpr,
    DictExpr,
    DictionaryComprehension,
    Expression,
    ExpressionStmt,
    FuncDef,
    MypyFile,
    NameExpr,
    RefExpr,
    StarExpr,
    StrExpr,
    SuperExpr,
    TupleExpr,
    TypeInfo,
)
from mypy.plugin import ClassDefContext, FunctionContext, MethodSigContext, Plugin
from mypy.plugins.common import add_attribute_to_class
from mypy.types import CallableType, FunctionLike, Instance, Type, UnboundType, get_proper_type

_COMPONENT = "amaranth.lib.wiring.Component"
_SIGNATURE = "amaranth.lib.wiring.Signature"
_SIGNAL = "amaranth.hdl._ast.Signal"
_FLOW = "amaranth.lib.wiring.Flow"
_LAYOUT = "amaranth.lib.data.Layout"
_VIEW = "amaranth.lib.data.View"


def _dictionaries(constructor: FuncDef) -> Iterator[DictExpr]:
    """Dictionaries among the arguments of `super().__init__(...)`, a statement of a constructor."""
    for statement in constructor.body.body:
        call = statement.expr if isinstance(statement, ExpressionStmt) else None
        if isinstance(call, CallExpr) and isinstance(call.callee, SuperExpr) and call.callee.name == "__init__":
            yield from (argument for argument in call.args if isinstance(argument, DictExpr))


def _members(expression: Expression, module: MypyFile) -> Iterator[tuple[str, CallExpr]]:
    """Names and `In(...)` or `Out(...)` of the members that a dictionary spells out."""
    match expression:
        case DictExpr():
            for key, value in expression.items:
                if key is None:
                    yield from _members(value, module)
                elif isinstance(key, StrExpr) and _is_member(value):
                    yield key.value, value
        case ConditionalExpr():
            yield from _members(expression.if_expr, module)
            yield from _members(expression.else_expr, module)
        case DictionaryComprehension(value=CallExpr() as member) if _is_member(member):
            for name in _strings(expression.sequences[0], module):
                yield name, member


def _is_member(value: Expression) -> bool:
    return isinstance(value, CallExpr) and isinstance(value.callee, NameExpr) and value.callee.name in ("In", "Out")


def _strings(expression: Expression, module: MypyFile) -> Iterator[str]:
    """Strings of a tuple, which may be the constant of that name in `module`."""
    match expression:
        case StrExpr():
            yield expression.value
        case TupleExpr():
            for item in expression.items:
                yield from _strings(item, module)
        case StarExpr():
            yield from _strings(expression.expr, module)
        case NameExpr():
            for statement in module.defs:
                match statement:
                    case AssignmentStmt(lvalues=[NameExpr(name=expression.name)]):
                        yield from _strings(statement.rvalue, module)


def _interface(signature: TypeInfo, context: ClassDefContext) -> Type | None:
    """Return the type of the interface that a signature creates."""
    create = signature.get_method("create")
    if not isinstance(create, FuncDef) or not isinstance(create.type, CallableType):
        return None
    created = create.type.ret_type
    # One that is not analysed yet is of this module, so that its name means here what it means there.
    return context.api.anal_type(created) if isinstance(created, UnboundType) else created


def _port(member: CallExpr, context: ClassDefContext) -> Type | None:
    """Return the type of the attribute that a member becomes."""
    described = member.args[0]
    if isinstance(described, CallExpr) and isinstance(described.callee, RefExpr):
        context.api.accept(described.callee)
        node = described.callee.node
        if isinstance(node, TypeInfo) and node.has_base(_SIGNATURE):
            return _interface(node, context)
    return context.api.named_type_or_none(_SIGNAL)


def _declare(context: ClassDefContext) -> None:
    """Add the members that a class declares to itself, or for a signature to what its `create` returns."""
    info = context.cls.info
    holder: TypeInfo | None = info
    if info.has_base(_SIGNATURE):
        interface = _interface(info, context) if "create" in info.names else None
        holder = interface.type if isinstance(interface, Instance) else None
    constructor = info.names.get("__init__")
    if holder is None or constructor is None or not isinstance(constructor.node, FuncDef):
        return
    module = context.api.modules[info.module_name]
    for dictionary in _dictionaries(constructor.node):
        for name, member in _members(dictionary, module):
            port = None if name in holder.names else _port(member, context)
            if port is not None:
                add_attribute_to_class(context.api, holder.defn, name, port)


def _with_init(context: MethodSigContext) -> FunctionLike:
    signature = context.default_signature
    names = ["init" if name == "reset" else name for name in signature.arg_names]
    return signature.copy_modified(arg_names=names)


class PortTypes(Plugin):
    """Declares the ports of classes that derive from a component or a signature."""

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        """Return what gives the type of `Signal(shape)`."""
        return self._signal if fullname == _SIGNAL else None

    def _signal(self, context: FunctionContext) -> Type:
        """Return the type of a signal, which is a view if it has a layout."""
        shapes = [get_proper_type(shape) for shape in context.arg_types[0]]
        view = self.lookup_fully_qualified(_VIEW)
        if view and isinstance(view.node, TypeInfo):
            for shape in shapes:
                if isinstance(shape, Instance) and shape.type.has_base(_LAYOUT):
                    return Instance(view.node, [shape])
        return context.default_return_type

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], FunctionLike] | None:
        """Return what gives the signature of `In(shape, init=...)`, in which the stubs have the old name `reset`."""
        return _with_init if fullname == _FLOW + ".__call__" else None

    def get_base_class_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        """Return what declares the ports of a class with this base, if it is a component or a signature."""
        base = self.lookup_fully_qualified(fullname)
        info = base.node if base else None
        if isinstance(info, TypeInfo) and any(info.has_base(root) for root in (_COMPONENT, _SIGNATURE)):
            return _declare
        return None


def plugin(version: str) -> type[Plugin]:
    """Entry point of mypy."""
    return PortTypes
