"""Where a model function's text is, and how a mistake in it is shown."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn

from lastput.lang import edits
from lastput.lang.declared import show
from lastput.lang.edits import Edits
from lastput.lang.errors import UsageError


@dataclass(frozen=True)
class Span:
    """A stretch of one source line: 1-based line, 0-based columns."""

    line: int
    column: int
    end_column: int


def span_of(node: ast.AST) -> Span:
    """The first line of `node`, as a Span."""
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    same_line = getattr(node, "end_lineno", line) == line
    return Span(line, column, getattr(node, "end_col_offset", column + 1) if same_line else column + 1)


class Source:
    """One model function: its syntax tree, and what the names in it mean."""

    def __init__(self, function: types.FunctionType, changes: Edits = edits.NONE) -> None:
        self.function = function
        self._hints: dict[str, Any] | None = None
        self.name = function.__name__
        self.filename = inspect.getsourcefile(function) or function.__code__.co_filename
        written = _definition(self.filename, function)
        self.tree = edits.edited(changes, function.__code__.co_filename, written)

    def fail(self, node: ast.AST | Span, message: str, remedy: str) -> NoReturn:
        """Refuse `node`: raise the ModelError that shows it."""
        if isinstance(node, Span):
            line = ast.expr(
                lineno=node.line, end_lineno=node.line, col_offset=node.column, end_col_offset=node.end_column
            )
            raise show(self.filename, line, message, remedy)
        raise show(self.filename, node, message, remedy)

    def lookup(self, name: str) -> tuple[bool, Any]:
        """(found, value) of a name that is not a local: closure, module, then builtins."""
        code = self.function.__code__
        if name in code.co_freevars and self.function.__closure__:
            return True, self.function.__closure__[code.co_freevars.index(name)].cell_contents
        if name in self.function.__globals__:
            return True, self.function.__globals__[name]
        builtin = vars(__import__("builtins"))
        return (True, builtin[name]) if name in builtin else (False, None)

    def hints(self) -> dict[str, Any]:
        """Annotations of parameters and result, evaluated."""
        if self._hints is None:
            self._hints = self._evaluated_hints()
        return self._hints

    def _evaluated_hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self.function, localns=self._closure(), include_extras=True)
        except Exception as error:  # annotations are the user's code
            args = self.tree.args
            for arg in [*args.posonlyargs, *args.args]:
                if arg.annotation is not None:
                    self.evaluate(arg.annotation)
            if self.tree.returns is not None:
                self.evaluate(self.tree.returns)
            self.fail(self.tree, f"an annotation has no meaning: {error}", "import or mend the name")

    def evaluate(self, node: ast.expr) -> Any:
        """Value of an annotation inside the function."""
        text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else node
        expression = ast.unparse(text) if isinstance(text, ast.AST) else text
        try:
            return eval(expression, self.function.__globals__, self._closure())
        except Exception as error:  # annotations are the user's code
            self.fail(node, f"this annotation has no meaning: {error}", "import or mend the name")

    def _closure(self) -> dict[str, Any]:
        code, cells = self.function.__code__, self.function.__closure__ or ()
        return {name: c.cell_contents for name, c in zip(code.co_freevars, cells, strict=True)}


def _module_tree(filename: str) -> ast.Module:
    return _parsed("".join(linecache.getlines(filename)), filename)


@functools.cache
def _parsed(text: str, filename: str) -> ast.Module:
    # By text: a file may be edited, and loaded again, while we run.
    return ast.parse(text, filename)


def _definition(filename: str, function: types.FunctionType) -> ast.FunctionDef:
    first = function.__code__.co_firstlineno
    for node in ast.walk(_module_tree(filename)):
        if isinstance(node, ast.FunctionDef) and node.name == function.__name__:
            start = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            if start == first:
                return node
    raise UsageError(
        f"{function.__name__}: no source found in {filename} (lambdas, coroutines and exec are not models)"
    )


def has_source(function: types.FunctionType) -> bool:
    """Whether a function's text can be found: lambdas, `async def` and what exec made have none."""
    try:
        source_of(function)
    except (UsageError, OSError, SyntaxError):
        return False
    return True


def source_of(function: Callable[..., Any]) -> Source:
    """The Source of a model function, as edited; UsageError if there is no text to compile."""
    if not isinstance(function, types.FunctionType):
        raise UsageError(f"{function!r} is not a function written in Python")
    as_written = _source(function, edits.NONE)
    changes = edits.inside(edits.active(), function.__code__.co_filename, as_written.tree)
    return _source(function, changes) if changes else as_written


@functools.cache
def _source(function: types.FunctionType, changes: Edits) -> Source:
    return Source(function, changes)
