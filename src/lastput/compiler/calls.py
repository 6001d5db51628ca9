"""Calls: model functions, function pointers and the language's own intrinsics."""

from __future__ import annotations

import ast
import inspect
import types
from abc import ABC, abstractmethod
from typing import Any, NoReturn

from lastput.compiler import tree
from lastput.compiler.source import Source, has_source, source_of, span_of
from lastput.compiler.tree import BOOL, INT, Expr, Function, Place, ValueType
from lastput.compiler.values import ArrayPlace, article, fits, value_type
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
    TypeMistake,
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
    def integer(self, node: ast.expr, remedy: str = ...) -> Expr: ...
    @abstractmethod
    def truth(self, node: ast.expr) -> Expr: ...
    @abstractmethod
    def pointer(self, node: ast.expr) -> Expr: ...
    @abstractmethod
    def place(self, node: ast.expr) -> Place | Expr | ArrayPlace: ...
    @abstractmethod
    def python_value(self, node: ast.expr) -> Any: ...

    def __init__(self, source: Source, world: World, function: Function) -> None:
        self.source, self.world, self.function = source, world, function
        self.layout: Layout = world.space.layout
        self.locals: dict[str, ValueType] = {}
        self.assigned: set[str] = set()
        self.local_names: set[str] = set()

    # -- signatures ----------------------------------------------------------------------------

    def signatures(self, node: ast.expr, function: types.FunctionType) -> FnType:
        """Parameter and result types of a model function, from its annotations; `node` names it."""
        name = ast.unparse(node.func if isinstance(node, ast.Call) else node)
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            self.source.fail(node, f"{name} is an async function", "use threads of the scenario")
        if function.__name__ == "<lambda>":
            self.source.fail(node, f"{name} is a lambda", "write a function, with def")
        if not has_source(function):
            self.source.fail(node, f"{name} has no source to compile", "write it in a file, with def")
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
            self._not_a_function(node, target)
        if isinstance(node.func, ast.Name) and node.func.id not in self.local_names:
            self.source.fail(node.func, f"{node.func.id} is not defined", "define or import it")
        return self._pointer_call(node)

    def _not_a_function(self, node: ast.Call, target: Any) -> NoReturn:
        name, struct = ast.unparse(node.func), struct_of(target)
        if struct is not None:
            remedy = f"use kzalloc({name}), kmalloc({name}), or s.new({name}) in the scenario"
            self.source.fail(node, f"struct {name} is not made by a call", remedy)
        remedy = {
            int: "a bool is an int already: write it as it is",
            bool: "compare: `x != 0`, `p != NULL`",
        }.get(target, "call model functions and intrinsics")
        self.source.fail(node, f"{name} is not a model function", remedy)

    def _plain_arguments(self, node: ast.Call) -> list[ast.expr]:
        for keyword in node.keywords:
            if keyword.arg is None:
                self.source.fail(keyword, "`**` is not in the language", "pass the arguments one by one")
            self.source.fail(
                keyword, "keyword arguments are not in the language", "pass arguments by position"
            )
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
            self._wrong_count(node, name, len(wanted), len(given))
        return [
            self.converted(a, w, f"argument {i + 1} of {name}")
            for i, (a, w) in enumerate(zip(given, wanted, strict=True))
        ]

    def converted(self, node: ast.expr, want: ValueType, what: str) -> Expr:
        """`node` as a value of type `want`."""
        found = self.expression(node)
        if not fits(found.type, want):
            self.source.fail(node, f"{what} is {want}, this is {found.type}", self._remedy(node, found, want))
        return found

    def _remedy(self, node: ast.expr, found: Expr, want: ValueType) -> str:
        if want == BOOL:
            return "compare it: `x != 0`" if found.type == INT else "compare it: `p != NULL`"
        if isinstance(found, tree.Const):
            if isinstance(found.type, FnType) and not isinstance(want, FnType):
                return f"call it: {ast.unparse(node)}(...)"
            if found.value == 0 and found.type == INT:
                return "use NULL for a pointer"
        return f"give {article(want)}"

    def _model_call(self, node: ast.Call, target: types.FunctionType) -> Expr:
        declared = self.signatures(node, target)
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
                wrong = given[0] if len(given) == 1 else node
                self.source.fail(wrong, "len takes an array field", "use len(p.array)")
            return tree.Const(at, INT, found.type.count)
        if len(given) != 2:
            remedy = f"nest calls of {name}" if len(given) > 2 else f"write {name}(a, b)"
            self.source.fail(node, f"{name} takes two ints here, not {len(given)}", remedy)
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
            self._wrong_count(node, name, count, len(given))
        return given

    def _wrong_count(self, node: ast.Call, name: str, wanted: int, given: int) -> NoReturn:
        plural = "" if wanted == 1 else "s"
        self.source.fail(node, f"{name} takes {wanted} argument{plural}, not {given}", f"pass {wanted}")

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
        python_type = self.python_value(to)
        if not isinstance(kind, IntType) or kind.limit is not None or python_type is int:
            self.source.fail(
                to, "wrap needs an integer type of C", "use u8, u16, u32, u64, s8, s16, s32 or s64"
            )
        return tree.Wrap(span_of(node), INT, kind, self.integer(value))

    def _do_at(self, node: ast.Call) -> Expr:
        base, index = self._count(node, "at", 2)
        pointer, struct = self._struct_pointer(base)
        stride = self.layout.size(struct)
        return tree.Index(span_of(node), pointer.type, pointer, self.integer(index), stride, None)

    def _do_reinterpret(self, node: ast.Call) -> Expr:
        to, value = self._count(node, "reinterpret", 2)
        struct = self._struct_argument(to)
        pointer, _ = self._struct_pointer(value)
        return tree.Offset(span_of(node), PtrType(struct), pointer, 0)

    def _do_ref(self, node: ast.Call) -> Expr:
        body = self._lambda(self._count(node, "ref", 1)[0], "ref", 0)
        found = self.place(body)
        if not isinstance(found, Place):
            self._no_cell(body, found)
        if found.silent:
            self.source.fail(body, "a const or ghost field has no address", "take another field")
        return tree.Offset(span_of(node), CellType(found.type), found.address, 0)

    def _no_cell(self, node: ast.expr, found: Expr | ArrayPlace) -> NoReturn:
        remedy = "structs are passed by address anyway"
        if isinstance(found, tree.Local):
            remedy = "a local has no address: put it into a struct"
        elif isinstance(found, ArrayPlace):
            remedy = "name an element: array[i]"
        self.source.fail(node, "ref needs a scalar field", remedy)

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
            self.source.fail(member.body, "the member is a path of fields", "write lambda k: k.field")
        cells = 0
        kind: StructDef | ScalarType | ArrayType = struct
        for name in reversed(names):
            assert isinstance(kind, StructDef)
            declared = self.fields(member, kind)
            if name not in declared:
                known = f"use one of {', '.join(declared)}"
                self.source.fail(member.body, f"struct {kind} has no field {name}", known)
            owner, kind = kind, declared[name].type
            if not isinstance(kind, StructDef):
                remedy = "name a field that is a struct"
                self.source.fail(member.body, f"{owner}.{name} is not embedded, it is {kind}", remedy)
            cells += self.layout.offset(owner, name)
        return kind, cells

    def _lambda(self, node: ast.expr, name: str, params: int) -> ast.expr:
        """Body of the lambda argument of an intrinsic."""
        if not isinstance(node, ast.Lambda) or len(node.args.args) != params:
            how = {"await_": "lambda: condition", "holders": "lambda: mask", "ref": "lambda: p.field"}
            wanted = "a lambda without parameters" if params == 0 else "a lambda with one parameter"
            self.source.fail(node, f"{name} takes {wanted}", f"write {how.get(name, 'lambda k: k.field')}")
        return node.body


def source_result(function: Any) -> ScalarType | None:
    """Result type of a model function; None when it returns nothing."""
    return signature(source_of(function)).result


def signature(source: Source) -> FnType:
    """Types of a model function, from its annotations; ModelError if one is missing or wrong."""
    arguments = source.tree.args
    _refuse_parameters(source, arguments)
    hints = source.hints()
    params = []
    for arg in arguments.posonlyargs + arguments.args:
        if arg.annotation is None:
            source.fail(
                arg, f"parameter {arg.arg} has no type", f"write {arg.arg}: int, or {arg.arg}: ptr[...]"
            )
        params.append(_scalar(source, arg.annotation, hints[arg.arg], "parameters"))
    if source.tree.returns is None:
        source.fail(source.tree, f"{source.name} has no result type", "write `-> None` or `-> int`")
    hint = hints.get("return")
    result = None if hint in (None, type(None)) else _scalar(source, source.tree.returns, hint, "results")
    return FnType(tuple(params), result)


def _refuse_parameters(source: Source, arguments: ast.arguments) -> None:
    plain = arguments.posonlyargs + arguments.args
    if arguments.defaults:
        arg = plain[len(plain) - len(arguments.defaults)]
        remedy = f"write `{ast.unparse(arg)}`, and pass it in every call"
        source.fail(arguments.defaults[0], "default values are not in the language", remedy)
    for what, arg_or_none in (("`*`", arguments.vararg), ("`**`", arguments.kwarg)):
        if arg_or_none is not None:
            source.fail(arg_or_none, f"{what} parameters are not in the language", "use plain parameters")
    if arguments.kwonlyargs:
        only = arguments.kwonlyargs[0]
        source.fail(only, "keyword-only parameters are not in the language", "use plain parameters")


def _scalar(source: Source, node: ast.AST, hint: Any, what: str) -> ScalarType:
    try:
        kind = resolve(hint)
    except TypeMistake as error:
        message, remedy = error.about(ast.unparse(node))
        plain = "use int, bool, ptr[...], cell[...] or Callable[...]"
        source.fail(node, message, remedy if error.message else plain)
    if isinstance(kind, StructDef):
        source.fail(node, "structs are passed by address", f"write ptr[{kind.name}]")
    if kind is None or isinstance(kind, ArrayType):
        source.fail(node, "an array is not passed", "pass a pointer to the struct that holds it")
    if value_type(kind) == INT and kind != INT:
        # Python would not wrap it, and C would: the model has to say which.
        source.fail(node, f"{what} are plain ints", "write int, and wrap(u8, x) where C would wrap")
    return kind
