"""What the global names of a model function mean, and the namespace in which it runs rewritten."""

from __future__ import annotations

import ast
import contextlib
import enum
import types
from collections.abc import Callable, Iterator
from typing import Any

from lastput.lang.intrinsics import Static
from lastput.lang.options import OptionGroup
from lastput.lang.world import World
from lastput.simulate.pointer import Pointer

Function = Callable[..., Any]


def is_model_function(value: object) -> bool:
    """A function that a model defines, as opposed to an intrinsic of the language or one of ours."""
    ours = ("lastput.lang.", "lastput.simulate.")
    return isinstance(value, types.FunctionType) and not (value.__module__ or "").startswith(ours)


def is_intrinsic(value: object) -> bool:
    """A function of `lastput.lang`."""
    return isinstance(value, types.FunctionType) and (value.__module__ or "").startswith("lastput.lang.")


class Names:
    """Names of one function. `wanted` collects the model functions that it mentions, by their names."""

    def __init__(self, function: Function, world: World, helpers: dict[str, Any]) -> None:
        code = function.__code__
        cells = function.__closure__ or ()
        closure = {
            name: cell.cell_contents
            for name, cell in zip(code.co_freevars, cells, strict=True)
            if _full(cell)
        }
        self.filename = code.co_filename
        self.locals = set(code.co_varnames) | set(code.co_cellvars)
        self.namespace: dict[str, Any] = {**function.__globals__, **closure, **helpers}
        self.wanted: dict[str, Function] = {}
        self.world = world

    @contextlib.contextmanager
    def parameters(self, args: ast.arguments) -> Iterator[None]:
        """Inside a lambda its parameters are locals too."""
        old = self.locals
        self.locals = old | {arg.arg for arg in args.args}
        yield
        self.locals = old

    def python_value(self, node: ast.expr) -> tuple[bool, Any]:
        """(found, value) of a chain of global names: a name, `module.name`, `Group.option`, `Enum.NAME`."""
        if isinstance(node, ast.Name):
            if node.id in self.locals or node.id not in self.namespace:
                return False, None
            return True, self.namespace[node.id]
        if isinstance(node, ast.Attribute):
            found, owner = self.python_value(node.value)
            if found and isinstance(owner, (types.ModuleType, OptionGroup, enum.EnumMeta)):
                return True, getattr(owner, node.attr)
        return False, None

    def intrinsic(self, node: ast.expr) -> str | None:
        """Name of the language's function that `node` means, if it does."""
        found, value = self.python_value(node)
        return value.__name__ if found and is_intrinsic(value) else None

    def mention(self, node: ast.Name | ast.Attribute, value: Any, called: bool) -> str | None:
        """Name under which rewritten code finds a static or a model function; None for other values.

        A function that is not just `called` is a value: it gets its number.
        """
        name = node.id if isinstance(node, ast.Name) else ast.unparse(node).replace(".", "__")
        if isinstance(value, Static):
            placed = self.world.static_object(value, name.rpartition("__")[2] or name)
            self.namespace[name] = Pointer(placed.struct, placed.base)
            return name
        if is_model_function(value):
            if not called:
                self.world.function_id(value)
            self.wanted[name] = self.namespace[name] = value
        return name if is_model_function(value) or isinstance(value, Pointer) else None

    def constant(self, value: object) -> str:
        """A fresh global name for `value`."""
        name = f"_type{len(self.namespace)}"
        self.namespace[name] = value
        return name


def _full(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False
