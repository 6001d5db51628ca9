"""A run that counts what functions of threads cost.

What is counted, from entry to exit of the function:

* loads and stores of the kernel's memory (book-keeping of the model costs nothing), and branches:
  conditions evaluated that no option decides, each operand of `and` and `or` for itself;
* an atomic operation for a primitive that is one, and for an atomic block that loads and stores; a block
  that only stores is one store (a machine word that the model splits), one that only loads its loads;
* a lock, a read section, a grace period for a primitive that takes, enters or waits for one. What the
  primitive does inside is not counted again, nor what gives back.

Waiting costs nothing, nor does what other threads do meanwhile.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from lastput.lang import intrinsics, roles
from lastput.lang.edits import NONE
from lastput.lang.types import ScalarType, View
from lastput.lang.world import World
from lastput.simulate.instrument import Rewriter, definition
from lastput.simulate.names import Names, is_model_function
from lastput.simulate.program import HELPERS, Function, Program, Rewritten, original
from lastput.simulate.scheduler import Atomic, Scheduler, Thread

NAMES = (
    "loads",
    "stores",
    "branches",
    "atomic operations",
    "locks",
    "read sections",
    "grace periods",
)
"""What is counted, in the order of a vector."""

Vector = tuple[int, ...]
ZERO: Vector = (0,) * len(NAMES)

_COSTS: dict[roles.Kind, str] = {
    "atomic operation": "atomic operations",
    "lock": "locks",
    "read section": "read sections",
    "grace period": "grace periods",
}
_FREE: tuple[roles.Kind, ...] = ("wait", "deferral", "assertion", "barrier", "primitive")
_BRANCH = "_branch"


class Counting(Rewriter):
    """Rewrites a function so that the conditions that it evaluates can be counted."""

    def visit_If(self, node: ast.If) -> ast.stmt:
        node.test = self._counted(self._visit(node.test))
        node.body = [self.visit(statement) for statement in node.body]
        node.orelse = [self.visit(statement) for statement in node.orelse]
        return node

    def visit_While(self, node: ast.While) -> ast.stmt:
        made = super().visit_While(node)
        node.test = self._counted(node.test)
        return made

    def _loop_body(self, node: ast.stmt, body: list[ast.stmt]) -> list[ast.stmt]:
        made = super()._loop_body(node, body)
        if not isinstance(node, ast.For):
            return made
        again = self._helper(node, _BRANCH, ast.copy_location(ast.Constant(True), node))
        return [ast.copy_location(ast.Expr(again), node), *made]

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        made = super().visit_IfExp(node)
        node.test = self._counted(node.test)
        return made

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        made = super().visit_BoolOp(node)
        node.values = [self._counted(value) for value in node.values]
        return made

    def _counted(self, node: ast.expr) -> ast.expr:
        """`node`, counted when it is evaluated; of `and` and `or` the operands are already."""
        match node:
            case ast.UnaryOp(op=ast.Not()):
                node.operand = self._counted(node.operand)
                return node
            case ast.BoolOp():
                return node
            case ast.Call(func=ast.Name(id=name)) if name == _BRANCH:
                return node
        return node if _decided(self.names, node) else self._helper(node, _BRANCH, node)


def _decided(names: Names, node: ast.expr) -> bool:
    """Whether options decide a condition, so that the kernel has no branch there."""
    match node:
        case ast.Constant():
            return True
        case ast.Name() | ast.Attribute():
            found, value = names.python_value(node)
            return found and isinstance(value, (int, str))
        case ast.Compare(left=left, comparators=right):
            return all(_decided(names, part) for part in (left, *right))
        case ast.BoolOp(values=values):
            return all(_decided(names, part) for part in values)
        case ast.UnaryOp(operand=operand):
            return _decided(names, operand)
        case ast.Call(func=func, args=[], keywords=[]):
            found, function = names.python_value(func)
            return found and is_model_function(function) and _is_choice(names, original(function))
    return False


def _is_choice(names: Names, function: Function) -> bool:
    """Whether a function only says what options decide."""
    body = [s for s in definition(function, NONE).body if not _is_docstring(s)]
    if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
        return False
    return _decided(Names(function, names.world, {}), body[0].value)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _branch(value: Any) -> Any:
    machine = intrinsics.machine()
    if isinstance(machine, Meter):
        machine.count("branches")
    return value


class MeteredProgram(Program):
    """A world's functions, of which those that matter tell a Meter when they begin and end."""

    rewriter = Counting

    def __init__(self, world: World, watched: Sequence[tuple[int, Function]]) -> None:
        self.watched = watched
        super().__init__(world)

    def helpers(self) -> dict[str, Any]:
        return {**HELPERS, _BRANCH: _branch}

    def _rewrite(self, function: Function) -> Rewritten:
        found = super()._rewrite(function)
        cost = _cost_of(function)
        if any(function is watched for _, watched in self.watched):
            begin, end = (functools.partial(how, function=function) for how in (Meter.enter, Meter.leave))
            found.function = _telling(found.function, begin, end)
        elif cost is not None:
            found.function = _telling(found.function, functools.partial(_begin, cost=cost), _end)
        return found


def _cost_of(function: Function) -> str | None:
    """What a primitive counts as; "" for nothing, None if it is not taken as a whole."""
    for kind, cost in _COSTS.items():
        if roles.begins(function, kind):
            return cost
    free = roles.begins(function, *_FREE) or roles.ends(function, "lock", "read section")
    return "" if free else None


def _begin(meter: Meter, cost: str) -> None:
    meter.primitive(cost)


def _end(meter: Meter) -> None:
    meter.primitive_ends()


def _telling(function: Any, begin: Callable[[Meter], None], end: Callable[[Meter], None]) -> Any:
    @functools.wraps(function)
    def told(*args: Any) -> Any:
        machine = intrinsics.machine()
        if not isinstance(machine, Meter) or machine.quiet or machine.current is None:
            return function(*args)
        begin(machine)
        result = function(*args)
        end(machine)
        return result

    return told


@dataclass
class Stretch:
    """What one step did inside the function: its cost, whether it came in, whether it went out."""

    cost: list[int] = field(default_factory=lambda: list(ZERO))
    enters: bool = False
    leaves: bool = False


@dataclass
class Watch:
    """One function of one thread: where the thread is in it, and what its last step did there."""

    thread: int
    function: Function
    depth: int = 0
    stretches: list[Stretch] = field(default_factory=list)

    @property
    def inside(self) -> bool:
        """The function is running."""
        return self.depth > 0


@dataclass
class _Thread:
    muted: int = 0
    """How many primitives are running."""
    block: list[str] | None = None
    """What the open atomic block has done."""


class Meter(Scheduler):
    """A run that counts."""

    def __init__(self, program: MeteredProgram) -> None:
        super().__init__(program)
        self.watches = [Watch(thread, function) for thread, function in program.watched]
        self._threads = [_Thread() for _ in program.world.threads]

    def step(self, thread: int, choice: int = 0) -> None:
        """One step, counted anew."""
        for watch in self.watches:
            watch.stretches = [Stretch()] if watch.inside and watch.thread == thread else []
        super().step(thread, choice)

    def count(self, what: str) -> None:
        """The running thread has done this, once."""
        if self.quiet or self.current is None or self._mine.muted:
            return
        block = self._mine.block
        if block is not None and what in ("loads", "stores"):
            block.append(what)
            return
        for watch in self.watches:
            if watch.inside and watch.thread == self.current.spec.index:
                watch.stretches[-1].cost[NAMES.index(what)] += 1

    @property
    def _mine(self) -> _Thread:
        assert self.current is not None
        return self._threads[self.current.spec.index]

    # -- functions --------------------------------------------------------------------------------

    def enter(self, function: Function) -> None:
        """A function is called; it may be so again further in."""
        for watch in self._watches_of(function):
            if not watch.inside:
                watch.stretches.append(Stretch(enters=True))
            watch.depth += 1

    def leave(self, function: Function) -> None:
        """It returns."""
        for watch in self._watches_of(function):
            watch.depth -= 1
            if not watch.inside:
                watch.stretches[-1].leaves = True

    def _watches_of(self, function: Function) -> list[Watch]:
        me = None if self.current is None else self.current.spec.index
        return [w for w in self.watches if w.thread == me and w.function is function]

    def primitive(self, cost: str) -> None:
        """A primitive begins that costs this, as a whole."""
        if cost:
            self.count(cost)
        self._mine.muted += 1

    def primitive_ends(self) -> None:
        """It is done."""
        self._mine.muted -= 1

    # -- memory -----------------------------------------------------------------------------------

    def load(self, address: int, kind: ScalarType, silent: bool, view: View = None) -> Any:
        """Read a cell."""
        value = super().load(address, kind, silent, view)
        self._access("loads", address)
        return value

    def store(
        self, address: int, kind: ScalarType, value: Any, silent: bool, const: bool, view: View = None
    ) -> None:
        """Write a cell."""
        super().store(address, kind, value, silent, const, view)
        self._access("stores", address)

    def _access(self, what: str, address: int) -> None:
        if not self.memory.cells[address].field.ghost:
            self.count(what)

    def atomic(self) -> Any:
        """An atomic block: what it does is one operation if it both loads and stores."""
        if self.current is None or self._mine.muted or self._mine.block is not None:
            return super().atomic()
        return _Block(self.current, self)

    def begin_block(self) -> None:
        """Collect loads and stores."""
        self._mine.block = []

    def end_block(self) -> None:
        """Count what was collected."""
        done, self._mine.block = self._mine.block or [], None
        if "loads" in done and "stores" in done:
            self.count("atomic operations")
        elif "stores" in done:
            self.count("stores")
        else:
            for what in done:
                self.count(what)


class _Block(Atomic):
    def __init__(self, thread: Thread, meter: Meter) -> None:
        super().__init__(thread)
        self._meter = meter

    def __enter__(self) -> None:
        super().__enter__()
        self._meter.begin_block()

    def __exit__(self, *how: Any) -> None:
        super().__exit__(*how)
        self._meter.end_block()
