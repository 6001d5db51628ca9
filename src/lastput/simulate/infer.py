"""Types of pointers in a model function: just enough to know which pointer type a bare NULL has."""

from __future__ import annotations

import ast
import inspect
import typing
from collections.abc import Callable
from typing import Any

from lastput.lang.errors import UsageError
from lastput.lang.intrinsics import Static
from lastput.lang.layout import Layout
from lastput.lang.types import (
    ArrayType,
    CellType,
    FieldKind,
    FnType,
    PtrType,
    StructDef,
    resolve,
    struct_of,
)
from lastput.simulate.names import Names, is_model_function
from lastput.simulate.pointer import Pointer

MADE_FROM_FIRST = ("kmalloc", "kzalloc", "this_task", "reinterpret")


class Types:
    """Types of one function's parameters, result and locals, from annotations and assignments."""

    def __init__(
        self, function: Callable[..., Any], tree: ast.FunctionDef, names: Names, layout: Layout
    ) -> None:
        self.tree = tree
        self._names = names
        self._layout = layout
        hints = hints_of(function)
        self.parameters = {
            name: _annotated(hints.get(name)) for name in inspect.signature(function).parameters
        }
        self.result = _annotated(hints.get("return"))
        self._locals = dict(self.parameters)
        assignments = [node for node in ast.walk(tree) if isinstance(node, (ast.AnnAssign, ast.Assign))]
        changed = True
        while changed:
            changed = False
            for node in assignments:
                changed |= self._learn(node)

    def _learn(self, node: ast.AnnAssign | ast.Assign) -> bool:
        if isinstance(node, ast.AnnAssign):
            target: ast.expr = node.target
            found = self._annotation(node.annotation)
        else:
            target = node.targets[0]
            found = self.of(node.value)
        if found is None or not isinstance(target, ast.Name) or self._locals.get(target.id) is not None:
            return False
        self._locals[target.id] = found
        return True

    def _annotation(self, node: ast.expr) -> FieldKind | None:
        try:
            return _annotated(eval(ast.unparse(node), self._names.namespace))
        except (NameError, TypeError, AttributeError):
            return None

    def local(self, name: str) -> FieldKind | None:
        """Type of a local variable; None if it is not known to be a pointer."""
        return self._locals.get(name)

    def of(self, node: ast.expr) -> FieldKind | None:
        """Type of an expression; None for NULL and for what is not known."""
        match node:
            case ast.Name(id=name) if name in self._names.locals:
                return self._locals.get(name)
            case ast.Name():
                return self._global(node)
            case ast.NamedExpr():
                return self.of(node.value)
            case ast.IfExp():
                return self.of(node.body) or self.of(node.orelse)
            case ast.Attribute():
                return self._global(node) or self._field(self.of(node.value), node.attr)
            case ast.Subscript():
                array = self.of(node.value)
                return _held(array.element) if isinstance(array, ArrayType) else None
            case ast.Call():
                return self._call(node)
        return None

    def _field(self, base: FieldKind | None, name: str) -> FieldKind | None:
        if isinstance(base, CellType):
            return base.target
        struct = base.target if isinstance(base, PtrType) else base
        if not isinstance(struct, StructDef):
            return None
        field = self._layout.fields(struct).get(name)
        return None if field is None else _held(field.type)

    def _global(self, node: ast.expr) -> FieldKind | None:
        found, value = self._names.python_value(node)
        if not found:
            return None
        if isinstance(value, Static):
            return PtrType(value.__dict__["_struct"])
        if isinstance(value, Pointer):
            return PtrType(value._struct)
        # Which function type does not matter: only that it is not a bare NULL.
        return FnType((), None) if is_model_function(value) else None

    def _call(self, node: ast.Call) -> FieldKind | None:
        name, args = self._names.intrinsic(node.func), node.args
        if name in MADE_FROM_FIRST or name == "container_of":
            struct = struct_of(self._names.python_value(args[1 if name == "container_of" else 0])[1])
            return None if struct is None else PtrType(struct)
        if name == "at":
            return self.of(args[0])
        if name == "ref" and isinstance(args[0], ast.Lambda):
            cell = self.of(args[0].body)
            return None if cell is None or isinstance(cell, (StructDef, ArrayType)) else CellType(cell)
        found, function = self._names.python_value(node.func)
        if found and is_model_function(function):
            return _annotated(hints_of(function).get("return"))
        pointer = self.of(node.func)
        return pointer.result if isinstance(pointer, FnType) else None


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The evaluated annotations of a model function; UsageError if one has no meaning."""
    code, cells = function.__code__, function.__closure__ or ()
    closure = {name: cell.cell_contents for name, cell in zip(code.co_freevars, cells, strict=True)}
    try:
        return typing.get_type_hints(function, localns=closure, include_extras=True)
    except (NameError, TypeError, AttributeError) as error:
        raise UsageError(f"{code.co_filename}:{code.co_firstlineno}: {error}") from None


def _annotated(hint: Any) -> FieldKind | None:
    """The type of a value that is annotated with `hint`."""
    try:
        return None if hint is None else _held(resolve(hint))
    except TypeError:
        return None


def _held(kind: FieldKind | None) -> FieldKind | None:
    """The type of a value made from a field of type `kind`: a struct is held by address."""
    return PtrType(kind) if isinstance(kind, StructDef) else kind
