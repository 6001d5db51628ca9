"""What is known before a thread runs: values that cannot differ between two of its states.

A branch on such a value goes one way only, so the variables that only the other way needs are dead.
Known are numbers, options, a thread's arguments, `this_thread()`, addresses made of those, `const`
fields at such addresses, and locals and parameters that are assigned once, to something known.
"""

from __future__ import annotations

import ast
import copy
import functools
import types
from collections.abc import Callable
from typing import Any, NoReturn

from lastput.lang.intrinsics import running_on
from lastput.lang.types import ScalarType, StructDef, View
from lastput.lang.world import ThreadSpec
from lastput.simulate.machine import Machine, Operation
from lastput.simulate.names import is_model_function
from lastput.simulate.pointer import FunctionPointer, Pointer, lift
from lastput.simulate.program import HELPERS, Program, Rewritten


class Unknown(Exception):
    """A value that is not known before the run."""


UNKNOWN = Unknown()


class Folding(Machine):
    """Evaluates expressions of known values; everything that may differ between states is unknown."""

    def __init__(self, program: Program, spec: ThreadSpec) -> None:
        super().__init__(program.world, program.memory)
        self.spec = spec

    def point(self, operation: Operation) -> None:
        """No operation has a known result."""
        raise UNKNOWN

    def load(self, address: int, kind: ScalarType, silent: bool, view: View = None) -> Any:
        """Only `const` fields that the set-up filled in are known."""
        cell = self.memory.cells.get(address)
        if cell is None or not cell.field.const or address not in self.world.memory:
            raise UNKNOWN
        return lift(kind, self.world.memory[address])

    def store(self, *_: Any) -> None:
        """A store has no value."""
        raise UNKNOWN

    def call(self, function: int, args: tuple[Any, ...]) -> Any:
        """Calls are looked into by `Context`."""
        raise UNKNOWN

    def violation(self, kind: str, message: str) -> NoReturn:
        """A violation has no value."""
        raise UNKNOWN

    def this_thread(self) -> int:
        """A thread knows its number."""
        return self.spec.index

    def this_task(self, struct: StructDef) -> Any:
        """A thread knows its task."""
        return Pointer(struct, self.spec.task)


ROOM = 1 << 15
"""Of so many pieces of syntax it is remembered what they come to: a function is called in many places."""


class Context:
    """One call of a function: what is known of its arguments, and so of its expressions."""

    def __init__(self, machine: Folding, program: Program, rewritten: Rewritten, args: list[Any]) -> None:
        self.machine = machine
        self.program = program
        self.rewritten = rewritten
        self._known: dict[str, Any] = {}
        self._values: dict[ast.expr, Any] = {}
        self._assigned = _single_assignments(rewritten.tree)
        cast: Callable[..., Any] = HELPERS["_cast"]
        with running_on(machine):
            for (name, kind), value in zip(rewritten.kinds.parameters.items(), args, strict=True):
                if name not in _assigned_names(rewritten.tree):
                    self._known[name] = value if isinstance(value, Unknown) else cast(kind, value)

    def value(self, node: ast.expr) -> Any:
        """The value of `node`, or UNKNOWN."""
        if node not in self._values:
            self._values[node] = self._value(node)
        return self._values[node]

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return node.value
            case ast.Name():
                return self._name(node.id)
            case ast.NamedExpr():
                return self.value(node.value)
            case ast.BoolOp():
                return self._logic(node)
            case ast.IfExp():
                test = self.value(node.test)
                return test if isinstance(test, Unknown) else self.value(node.body if test else node.orelse)
            case ast.Lambda():
                return self._evaluate(node, [])
            case ast.Call():
                return self._call(node)
        return self._evaluate(node, [child for child in ast.iter_child_nodes(node) if _is_expr(child)])

    def _name(self, name: str) -> Any:
        if name not in self.rewritten.names.locals:
            return self.rewritten.names.namespace.get(name, UNKNOWN)
        if name not in self._known:
            self._known[name] = UNKNOWN
            if name in self._assigned:
                self._known[name] = self.value(self._assigned[name])
        return self._known[name]

    def _logic(self, node: ast.BoolOp) -> Any:
        decides = isinstance(node.op, ast.Or)
        known: Any = not decides
        for operand in node.values:
            value = self.value(operand)
            if isinstance(value, Unknown):
                known = UNKNOWN
            elif bool(value) is decides:
                return decides
        return known

    def target(self, node: ast.Call) -> Rewritten | None:
        """The model function that a call certainly calls; None for others."""
        function = self.value(node.func)
        if isinstance(function, FunctionPointer):
            number = function._address
            known = 1 <= number <= len(self.program.world.functions)
            function = self.program.world.functions[number - 1] if known else None
        return self.program.rewritten(function) if is_model_function(function) else None

    def inside(self, node: ast.Call, callee: Rewritten) -> Context:
        """The context of a call."""
        args = [self.value(arg) for arg in node.args]
        return Context(self.machine, self.program, callee, args)

    def _call(self, node: ast.Call) -> Any:
        callee = self.target(node)
        if callee is None:
            return self._evaluate(node, [node.func, *node.args, *(k.value for k in node.keywords)])
        returns = [n for n in ast.walk(callee.tree) if isinstance(n, ast.Return)]
        last = callee.tree.body[-1]
        if len(returns) != 1 or returns[0] is not last or returns[0].value is None:
            return UNKNOWN
        return self.inside(node, callee).value(returns[0].value)

    def _evaluate(self, node: ast.expr, parts: list[Any]) -> Any:
        """Run `node`, whose parts are known, as Python."""
        if any(isinstance(self.value(part), Unknown) for part in parts):
            return UNKNOWN
        names = {n.id: self._name(n.id) for n in ast.walk(node) if isinstance(n, ast.Name)}
        bound = {name: value for name, value in names.items() if not isinstance(value, Unknown)}
        code = _code(node)
        try:
            with running_on(self.machine):
                return eval(code, {**self.rewritten.names.namespace, **bound})
        except Exception:
            return UNKNOWN


def _is_expr(node: ast.AST) -> bool:
    return isinstance(node, ast.expr)


class _Unnamed(ast.NodeTransformer):
    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        value: ast.expr = self.visit(node.value)
        return value


@functools.lru_cache(ROOM)
def _code(node: ast.expr) -> types.CodeType:
    plain: ast.expr = _Unnamed().visit(copy.deepcopy(node))
    return compile(ast.Expression(plain), "<known>", "eval")


@functools.lru_cache(ROOM)
def _assigned_names(tree: ast.FunctionDef) -> list[str]:
    """Every assignment of a local, by name."""
    return [
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and not node.id.startswith("_wait")
    ]


@functools.lru_cache(ROOM)
def _single_assignments(tree: ast.FunctionDef) -> dict[str, ast.expr]:
    """The locals that are assigned by one statement, and what it assigns."""
    names = _assigned_names(tree)
    return {
        node.targets[0].id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and names.count(node.targets[0].id) == 1
    }
