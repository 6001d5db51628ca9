"""The model's functions, made to tell when they are entered and left.

Only what a tracer would record is told, and only what threads do: the set-up, properties and conditions
of `await_` tell nothing, and neither does a thread that is run again to where it stood.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable
from types import CodeType
from typing import Any, NamedTuple, Protocol, cast

from lastput.lang import intrinsics
from lastput.lang.world import World
from lastput.simulate.fault import Frame
from lastput.simulate.names import Names
from lastput.simulate.program import Function, Program, Rewritten, typed_value
from lastput.validate.names import name_of
from lastput.validate.seen import At, Observable

MARK = "_mark"
"""Name that rewritten code calls with the mark of a statement."""


class Emission(NamedTuple):
    """A thread came to one end of a function that a tracer records."""

    function: str
    at: At
    args: tuple[Any, ...]
    result: Any
    parameters: tuple[str, ...]
    """What the model's function calls its arguments."""


class Listener(Protocol):
    """A machine that is told."""

    def emit(self, emission: Emission) -> None: ...


def _tell(told: Told, at: At, args: tuple[Any, ...], result: Any) -> None:
    typed = tuple(a if k is None else typed_value(k, a) for k, a in zip(told.kinds, args, strict=True))
    cast(Listener, intrinsics.machine()).emit(Emission(told.name, at, typed, result, told.parameters))


class Told(NamedTuple):
    """A function that tells."""

    name: str
    parameters: tuple[str, ...]
    kinds: tuple[Any, ...]
    """Types of those parameters that are pointers."""


class EmittingProgram(Program):
    """A program whose functions tell what is `observable`, and mark the statements that run."""

    def __init__(self, world: World, observable: Observable) -> None:
        self.observable = observable
        self.marks: list[Frame] = []
        """Where the statements are, by mark."""
        self.passed: set[int] = set()
        """Marks that stand for a condition without `else` which is false, or is so at last."""
        self.ran: set[int] = set()
        """Marks of the statements that ran since this was emptied."""
        super().__init__(world)

    def helpers(self) -> dict[str, Any]:
        """What rewritten code calls."""
        return {**super().helpers(), MARK: self.ran.add}

    def _rewrite(self, function: Function) -> Rewritten:
        found = super()._rewrite(function)
        name = name_of(function)
        if name is not None:
            told = Told(name, tuple(found.kinds.parameters), tuple(found.kinds.parameters.values()))
            found.function = self._telling(told, found.function)  # type: ignore[assignment]
        return found

    def finished(self, names: Names, tree: ast.FunctionDef) -> ast.FunctionDef:
        """A function with a mark before each of its statements, and one where a condition is false."""
        tree.body = _Marker(names.filename, tree.name, self.marks, self.passed).marked(tree.body)
        return tree

    def _telling(self, told: Told, function: Function) -> Function:
        enter, leave = (told.name, "enter") in self.observable, (told.name, "return") in self.observable
        if leave:
            return _telling_return(told, function, enter)
        return _telling_entry(told, function) if enter else function


class _Marker:
    """Puts a mark before each statement of a function, and behind each condition that is false."""

    def __init__(self, file: str, function: str, marks: list[Frame], passed: set[int]) -> None:
        self.file, self.function, self.marks, self.passed = file, function, marks, passed

    def marked(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Statements, and those inside of them, each with a mark before it."""
        made = []
        for statement in body:
            for field in ("body", "orelse"):
                inside = getattr(statement, field, None)
                if inside:
                    setattr(statement, field, self.marked(inside))
            if isinstance(statement, (ast.If, ast.While)) and not statement.orelse:
                statement.orelse = [self._mark(statement)]
                self.passed.add(len(self.marks) - 1)
            made += [self._mark(statement), statement]
        return made

    def _mark(self, statement: ast.stmt) -> ast.stmt:
        self.marks.append(Frame(self.function, self.file, statement.lineno))
        call = ast.Call(ast.Name(MARK, ast.Load()), [ast.Constant(len(self.marks) - 1)], [])
        mark = ast.Expr(call)
        for node in (mark, call, call.func, *call.args):
            ast.copy_location(node, statement)
        return mark


def _telling_entry(entry: Told, function: Function) -> Function:
    @functools.wraps(function)
    def told(*args: Any) -> Any:
        _tell(entry, "enter", args, None)
        return function(*args)

    return told


def _telling_return(entry: Told, function: Function, enter: bool) -> Function:
    @functools.wraps(function)
    def told(*args: Any) -> Any:
        if enter:
            _tell(entry, "enter", args, None)
        result = function(*args)
        _tell(entry, "return", args, result)
        return result

    return told


def _code(make: Callable[[], Function]) -> CodeType:
    return make().__code__


RETURN_CODE = _code(lambda: _telling_return(Told("", (), ()), lambda: None, False))
"""The code that waits for a function to return: its `args` are part of where a thread stands."""
