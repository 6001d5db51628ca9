"""Calls: model functions, function pointers and the language's own intrinsics."""

from __future__ import annotations

import ast
import types
from abc import ABC, abstractmethod
from typing import Any

from lastput.compiler import tree
from lastput.compiler.source import Source, source_of, span_of
from lastput.compiler.tree import BOOL, INT, Expr, Function, Place, ValueType
from lastput.compiler.values import ArrayPlace, fits, value_type
from lastput.lang import intrinsics
from lastput.lang.layout import Layout
from lastput.lang.types import (
    ArrayType,
    CellType,
    Field,
    FnType,
    IntType,
    PtrType,
    ScalarType,
    StructDef,
    resolve,
    struct_of,
)
from lastput.lang.world import World

STATEMENTS = ("await_", "kfree", "violation", "BUG_ON", "atomic")
"""Intrinsics that stand as statements only; `statements.py` types them."""


class CallTyper(ABC):
    """Types calls. The expression typer extends it, and types the arguments."""

    @abstractmethod
    def expression(self, node: ast.expr) -> Expr: ...
    @abstractmethod
    def integer(self, node: ast.expr) -> Expr: ...
    @abstractmethod
    def truth(self, node: ast.expr) -> Expr: ...
    @abstractmethod
    def pointer(self, node: ast.expr) -> Expr: ...
    @abstractmethod
    def place(self, node: ast.expr) -> Place | Expr | ArrayPlace: ...
    @abstractmethod
    def python_value(self, node: ast.expr) -> Any: ...
    @abstractmethod
    def boolean_value(self, node: ast.expr, found: Expr) -> None: ...

    def __init__(self, source: Source, world: World, function: Function) -> None:
        self.source, self.world, self.function = source, world, function
        self.layout: Layout = world.space.layout
        self.locals: dict[str, ValueType] = {}
        self.assigned: set[str] = set()
        self.local_names: set[str] = set()

    # -- signatures ----------------------------------------------------------------------------

    def signatures(self, function: types.FunctionType) -> FnType:
        """Parameter and result types of a model function, from its annotations."""
        return signature(source_of(function))

    def fields(self, node: ast.AST, struct: StructDef) -> dict[str, Field]:
        """Fields of `struct`; a wrong declaration is the user's mistake, shown where it is used."""
        try:
            return self.layout.fields(struct)
        except TypeError as error:
            self.source.fail(node, str(error), "mend the declaration of the struct")

    def returns_nothing(self, found: Expr) -> bool:
        """True for a call of a function without a result."""
        if isinstance(found, tree.Call):
            return source_result(found.function) is None
        return isinstance(found, tree.CallPointer) and found.signature.result is None

    # -- calls ---------------------------------------------------------------------------------

    def call(self, node: ast.Call) -> Expr:
        """A call as an expression."""
        target = self.python_value(node.func)
        name = getattr(target, "__name__", "")
        if getattr(target, "__module__", None) == intrinsics.__name__:
            return self._intrinsic(node, name)
        if target in (min, max, len):
            return self._builtin(node, name)
        if target is range:
            self.source.fail(node, "range stands only in `for ... in range(...)`", "write a for loop")
        if isinstance(target, types.FunctionType):
            return self._model_call(node, target)
        if target is not None:
            self.source.fail(
                node,
                f"{ast.unparse(node.func)} is not a model function",
                "call model functions and intrinsics",
            )
        if isinstance(node.func, ast.Name) and node.func.id not in self.local_names:
            self.source.fail(node.func, f"{node.func.id} is not defined", "define or import it")
        return self._pointer_call(node)

    def _plain_arguments(self, node: ast.Call) -> list[ast.expr]:
        if node.keywords:
            self.source.fail(node, "keyword arguments are not in the language", "pass arguments by position")
        for arg in node.args:
            if isinstance(arg, ast.Starred):
                self.source.fail(arg, "`*` is not in the language", "pass the arguments one by one")
        return node.args

    def _arguments(
        self,
        node: ast.Call,
        name: str,
        wanted: list[ValueType],
    ) -> list[Expr]:
        given = self._plain_arguments(node)
        if len(given) != len(wanted):
            self.source.fail(
                node, f"{name} takes {len(wanted)} arguments, not {len(given)}", f"pass {len(wanted)}"
            )
        return [
            self.converted(a, w, f"argument {i + 1} of {name}")
            for i, (a, w) in enumerate(zip(given, wanted, strict=True))
        ]

    def converted(self, node: ast.expr, want: ValueType, what: str) -> Expr:
        """`node` as a value of type `want`."""
        found = self.expression(node)
        if self.returns_nothing(found):
            self.source.fail(node, "this call returns nothing", "give it a result")
        self.boolean_value(node, found)
        if not fits(found.type, want):
            remedy = "compare it: `x != 0`" if want == BOOL and found.type == INT else f"give a {want}"
            self.source.fail(node, f"{what} is {want}, this is {found.type}", remedy)
        return found

    def _model_call(self, node: ast.Call, target: types.FunctionType) -> Expr:
        declared = self.signatures(target)
        args = self._arguments(node, target.__name__, [value_type(p) for p in declared.params])
        self.function.calls.append(target)
        kind = INT if declared.result is None else value_type(declared.result)
        return tree.Call(span_of(node), kind, target, args)

    def _pointer_call(self, node: ast.Call) -> Expr:
        function = self.expression(node.func)
        if not isinstance(function.type, FnType):
            self.source.fail(node.func, f"this is {function.type}, not a function", "call a function")
        declared = function.type
        args = self._arguments(node, ast.unparse(node.func), [value_type(p) for p in declared.params])
        kind = INT if declared.result is None else value_type(declared.result)
        return tree.CallPointer(span_of(node), kind, function, declared, args)

    def _builtin(self, node: ast.Call, name: str) -> Expr:
        at, given = span_of(node), self._plain_arguments(node)
        if name == "len":
            found = self.place(given[0]) if len(given) == 1 else None
            if not isinstance(found, ArrayPlace):
                self.source.fail(node, "len takes an array field", "use len(p.array)")
            return tree.Const(at, INT, found.type.count)
        if len(given) != 2:
            self.source.fail(node, f"{name} takes two ints here", f"nest calls of {name}")
        return tree.Binary(at, INT, name, self.integer(given[0]), self.integer(given[1]))

    # -- intrinsics ----------------------------------------------------------------------------

    def _intrinsic(self, node: ast.Call, name: str) -> Expr:
        if name in STATEMENTS:
            self.source.fail(node, f"{name} stands on a line of its own", f"make `{name}(...)` a statement")
        handler = getattr(self, f"_do_{name}", None)
        if handler is None:
            remedy = "declare it at module level" if name == "static" else "use it in the scenario's set-up"
            self.source.fail(node, f"{name} cannot be used inside a model function", remedy)
        found: Expr = handler(node)
        return found

    def _count(self, node: ast.Call, name: str, count: int) -> list[ast.expr]:
        given = self._plain_arguments(node)
        if len(given) != count:
            self.source.fail(node, f"{name} takes {count} arguments, not {len(given)}", f"pass {count}")
        return given

    def _struct_argument(self, node: ast.expr) -> StructDef:
        found = struct_of(self.python_value(node))
        if found is None:
            self.source.fail(node, "a struct is needed here", "name a class declared with @struct")
        return found

    def _struct_pointer(self, node: ast.expr) -> tuple[Expr, StructDef]:
        found = self.pointer(node)
        if not isinstance(found.type, PtrType):
            self.source.fail(node, f"a pointer to a struct is needed, this is {found.type}", "pass a pointer")
        return found, found.type.target

    def _do_choose(self, node: ast.Call) -> Expr:
        return tree.Choose(span_of(node), INT, self.integer(self._count(node, "choose", 1)[0]))

    def _do_kmalloc(self, node: ast.Call) -> Expr:
        struct = self._struct_argument(self._count(node, "kmalloc", 1)[0])
        return tree.Allocate(span_of(node), PtrType(struct), struct, zero=False)

    def _do_kzalloc(self, node: ast.Call) -> Expr:
        struct = self._struct_argument(self._count(node, "kzalloc", 1)[0])
        return tree.Allocate(span_of(node), PtrType(struct), struct, zero=True)

    def _do_this_thread(self, node: ast.Call) -> Expr:
        self._count(node, "this_thread", 0)
        return tree.ThisThread(span_of(node), INT)

    def _do_this_task(self, node: ast.Call) -> Expr:
        struct = self._struct_argument(self._count(node, "this_task", 1)[0])
        return tree.ThisTask(span_of(node), PtrType(struct))

    def _do_nr_threads(self, node: ast.Call) -> Expr:
        self._count(node, "nr_threads", 0)
        return tree.Const(span_of(node), INT, len(self.world.threads))

    def _do_WARN_ON(self, node: ast.Call) -> Expr:
        return tree.Warn(span_of(node), BOOL, self.truth(self._count(node, "WARN_ON", 1)[0]))

    def _do_wrap(self, node: ast.Call) -> Expr:
        to, value = self._count(node, "wrap", 2)
        try:
            kind = resolve(self.python_value(to))
        except TypeError:
            kind = None
        if not isinstance(kind, IntType) or kind.limit is not None:
            self.source.fail(to, "wrap needs an integer type", "use u8, u16, u32, u64, s8, s16, s32 or s64")
        return tree.Wrap(span_of(node), INT, kind, self.integer(value))

    def _do_at(self, node: ast.Call) -> Expr:
        base, index = self._count(node, "at", 2)
        pointer, struct = self._struct_pointer(base)
        stride = self.layout.size(struct)
        return tree.Index(span_of(node), pointer.type, pointer, self.integer(index), stride, None)

    def _do_reinterpret(self, node: ast.Call) -> Expr:
        to, value = self._count(node, "reinterpret", 2)
        struct = self._struct_argument(to)
        pointer, old = self._struct_pointer(value)
        self.function.casts.add((old, struct))
        return tree.Offset(span_of(node), PtrType(struct), pointer, 0)

    def _do_ref(self, node: ast.Call) -> Expr:
        body = self._lambda(self._count(node, "ref", 1)[0], "ref", 0)
        found = self.place(body)
        if not isinstance(found, Place):
            self.source.fail(body, "ref needs a scalar field", "structs are passed by address anyway")
        if found.owner is not None:
            self.function.refs.add((found.owner, found.field))
        if found.silent:
            self.source.fail(body, "a const or ghost field has no address", "take another field")
        moved = found.address
        return tree.Offset(span_of(node), CellType(found.type), moved, 0)

    def _do_container_of(self, node: ast.Call) -> Expr:
        value, to, member = self._count(node, "container_of", 3)
        struct = self._struct_argument(to)
        pointer, inner = self._struct_pointer(value)
        body = self._lambda(member, "container_of", 1)
        kind, cells = self._member_path(body, member, struct)
        if kind != inner:
            self.source.fail(
                body, f"this member is {kind}, the pointer is to {inner}", "name the member that it points at"
            )
        return tree.Offset(span_of(node), PtrType(struct), pointer, -cells)

    def _member_path(
        self,
        body: ast.expr,
        member: ast.expr,
        struct: StructDef,
    ) -> tuple[StructDef | ScalarType | ArrayType, int]:
        assert isinstance(member, ast.Lambda)
        names: list[str] = []
        while isinstance(body, ast.Attribute):
            names.append(body.attr)
            body = body.value
        if not isinstance(body, ast.Name) or body.id != member.args.args[0].arg or not names:
            self.source.fail(member, "the member is a path of fields", "write lambda k: k.field")
        cells = 0
        kind: StructDef | ScalarType | ArrayType = struct
        for name in reversed(names):
            if not isinstance(kind, StructDef) or name not in self.fields(member, kind):
                self.source.fail(member, f"{kind} has no embedded field {name}", "mend the path")
            cells += self.layout.offset(kind, name)
            kind = self.fields(member, kind)[name].type
        return kind, cells

    def _lambda(self, node: ast.expr, name: str, params: int) -> ast.expr:
        """Body of the lambda argument of an intrinsic."""
        if not isinstance(node, ast.Lambda) or len(node.args.args) != params:
            how = "lambda: p.field" if params == 0 else "lambda k: k.field"
            self.source.fail(node, f"{name} takes a lambda with {params} parameters", f"write {how}")
        return node.body


def source_result(function: Any) -> ScalarType | None:
    """Result type of a model function; None when it returns nothing."""
    return signature(source_of(function)).result


def signature(source: Source) -> FnType:
    """Types of a model function, from its annotations; ModelError if one is missing or wrong."""
    arguments, hints = source.tree.args, source.hints()
    if arguments.vararg or arguments.kwarg or arguments.kwonlyargs or arguments.defaults:
        source.fail(
            source.tree, "defaults, * and ** parameters are not in the language", "use plain parameters"
        )
    params = []
    for arg in arguments.posonlyargs + arguments.args:
        if arg.arg not in hints:
            source.fail(arg, f"parameter {arg.arg} has no type", f"write {arg.arg}: int, or ptr[...]")
        params.append(_scalar(source, arg, hints[arg.arg]))
    if source.tree.returns is None:
        source.fail(source.tree, f"{source.name} has no result type", "write `-> None` or `-> int`")
    hint = hints.get("return")
    result = None if hint in (None, type(None)) else _scalar(source, source.tree.returns, hint)
    return FnType(tuple(params), result)


def _scalar(source: Source, node: ast.AST, hint: Any) -> ScalarType:
    try:
        kind = resolve(hint)
    except TypeError as error:
        source.fail(node, str(error), "use int, bool, ptr[...], cell[...] or Callable[...]")
    if isinstance(kind, StructDef):
        source.fail(node, "structs are passed by address", f"write ptr[{kind.name}]")
    if kind is None or isinstance(kind, ArrayType):
        source.fail(node, "an array is not passed", "pass a pointer to the struct that holds it")
    return kind
