"""Which locals and waiting values matter at each place where a thread can stand.

A backward walk over a thread's rewritten functions in evaluation order, calls followed into the
callee (Kildall 1973, on syntax trees: a loop is walked until nothing changes). Copying is no use by
itself: an argument matters only if the parameter does, `y = x` needs x only if y matters.

A call is walked once, however often the loops around it are: what is live after it passes through
unchanged, so a stand-in (`AFTER`) takes its place until all is known (a function summary, as in Sharir
and Pnueli 1981).
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from lastput.lang.types import BoolType, CellType, FnType, PtrType
from lastput.lang.world import ThreadSpec
from lastput.simulate.constants import Context, Folding, Unknown
from lastput.simulate.instrument import CAST, CHECK, LOOP
from lastput.simulate.program import Program, Rewritten

Variable = tuple[int, str]
"""Depth of its frame, 0 for the outermost, and its name."""

Live = frozenset[Variable]

Position = tuple[Callable[..., Any], int, int]
"""A function of the model, and the end (line, column) of the expression that it has come to."""

Place = tuple[tuple[Position, ...], str]
"""Call stack, outermost first, and the kind of the pending operation."""

NOTHING: Live = frozenset()

AFTER: Live = frozenset({(-1, "")})
"""Stands for all that is live after the call that is being walked."""

INTRINSIC_POINTS = {
    "await_": "await",
    "choose": "choose",
    "kfree": "free",
    "kmalloc": "alloc",
    "kzalloc": "alloc",
}
SAME_VALUE = {"reinterpret": 1, CAST: 1}
"""Calls that only pass on an argument: its position."""


def _put(live: Live, after: Live) -> Live:
    """`live` with the stand-in replaced."""
    return (live - AFTER) | after if live >= AFTER else live


@dataclass
class Walk:
    """What is known of one call: what is live before it, at its own places, and after its own calls."""

    before: Live = NOTHING
    places: dict[Place, Live] = field(default_factory=dict)
    calls: dict[tuple[Position, Callable[..., Any]], tuple[Walk, Live]] = field(default_factory=dict)


@dataclass(frozen=True)
class Scope:
    """What the walk knows about the call that it is in."""

    context: Context
    stack: tuple[Position, ...]
    walk: Walk
    wanted: bool
    """The caller needs the result."""
    breaking: Live = NOTHING
    continuing: Live = NOTHING
    quiet: bool = False
    """Inside an await_ condition: nothing there is a step."""

    @property
    def depth(self) -> int:
        return len(self.stack)

    def variable(self, name: str) -> Variable:
        return (self.depth, name)

    def position(self, node: ast.expr) -> Position:
        return (self.context.rewritten.original, node.end_lineno or 0, node.end_col_offset or 0)


@dataclass
class Liveness:
    """`places` tells, for each place of one thread, the variables that are live there."""

    program: Program
    spec: ThreadSpec
    places: dict[Place, Live] = field(default_factory=dict)
    _contexts: dict[tuple[tuple[Position, ...], Callable[..., Any]], Context] = field(default_factory=dict)
    _walks: dict[tuple[object, ...], Walk] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._machine = Folding(self.program, self.spec)
        rewritten = self.program.rewritten(self.spec.function)
        context = Context(self._machine, self.program, rewritten, list(self.spec.args))
        walk = Walk()
        self._block(Scope(context, (), walk, True), rewritten.tree.body, AFTER)
        self._fill_in(walk, NOTHING)

    def _fill_in(self, walk: Walk, after: Live) -> None:
        """Put what is live after the call in place of its stand-in, everywhere."""
        self.places.update((place, _put(live, after)) for place, live in walk.places.items())
        for inner, then in walk.calls.values():
            self._fill_in(inner, _put(then, after))

    # -- statements: each gives what is live before it ---------------------------------------------

    def _block(self, scope: Scope, body: list[ast.stmt], after: Live) -> Live:
        for statement in reversed(body):
            after = self._statement(scope, statement, after)
        return after

    def _statement(self, scope: Scope, node: ast.stmt, after: Live) -> Live:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]):
                variable = scope.variable(name)
                return self._expr(scope, node.value, after - {variable}, variable in after)
            case ast.Assign(targets=[target]):
                self._record(scope, target, "store", after)
                assert isinstance(target, (ast.Attribute, ast.Subscript))
                parts = [node.value, target.value, *_index(target)]
                return self._operands(scope, parts, after)
            case ast.Expr():
                return self._expr(scope, node.value, after, False)
            case ast.If():
                goes, skips = self._sides(scope, node.test)
                then = self._block(scope, node.body, after) if goes else NOTHING
                otherwise = self._block(scope, node.orelse, after) if skips else NOTHING
                return self._test(scope, node.test, then, otherwise)
            case ast.While():
                return self._while(scope, node, after)
            case ast.For():
                return self._for(scope, node, after)
            case ast.Return(value=None):
                return AFTER
            case ast.Return(value=value):
                assert value is not None
                return self._expr(scope, value, AFTER, scope.wanted)
            case ast.Assert():
                return self._test(scope, node.test, after, NOTHING)
            case ast.With():
                return self._block(scope, node.body, after)
            case ast.Break():
                return scope.breaking
            case ast.Continue():
                return scope.continuing
        return after

    def _while(self, scope: Scope, node: ast.While, after: Live) -> Live:
        if not self._sides(scope, node.test)[0]:
            return self._test(scope, node.test, NOTHING, after)
        head = NOTHING
        while True:
            inside = replace(scope, breaking=after, continuing=head)
            found = head | self._test(scope, node.test, self._block(inside, node.body, head), after)
            if found == head:
                return head
            head = found

    def _for(self, scope: Scope, node: ast.For, after: Live) -> Live:
        assert isinstance(node.target, ast.Name)
        assert isinstance(node.iter, ast.Call)
        variable = scope.variable(node.target.id)
        bounds = node.iter.args
        stop = self._held(scope, bounds[0 if len(bounds) == 1 else 1])
        head = after | stop | {variable}
        while True:
            inside = replace(scope, breaking=after, continuing=head)
            body = self._block(inside, node.body, head)
            found = head | (body - {variable})
            if found == head:
                return self._operands(scope, bounds, (body - {variable}) | after | stop)
            head = found

    # -- expressions --------------------------------------------------------------------------------

    def _expr(self, scope: Scope, node: ast.expr, after: Live, wanted: bool = True) -> Live:
        """Live before `node`, given what is live after it besides its value."""
        match node:
            case ast.Name(id=name):
                local = name in scope.context.rewritten.names.locals
                return after | {scope.variable(name)} if local and wanted else after
            case ast.NamedExpr(target=ast.Name(id=name)):
                variable = scope.variable(name)
                return self._expr(scope, node.value, after - {variable}, wanted or variable in after)
            case ast.Attribute() | ast.Subscript():
                self._record(scope, node, "load", after)
                return self._operands(scope, [node.value, *_index(node)], after)
            case ast.BinOp():
                return self._operands(scope, [node.left, node.right], after)
            case ast.Compare():
                return self._operands(scope, [node.left, *node.comparators], after)
            case ast.BoolOp() | ast.UnaryOp(op=ast.Not()):
                return self._test(scope, node, after, after)
            case ast.UnaryOp():
                return self._operands(scope, [node.operand], after)
            case ast.IfExp():
                goes, skips = self._sides(scope, node.test)
                then = self._expr(scope, node.body, after, wanted) if goes else NOTHING
                otherwise = self._expr(scope, node.orelse, after, wanted) if skips else NOTHING
                return self._test(scope, node.test, then, otherwise)
            case ast.Lambda():
                return self._lambda(scope, node, after)
            case ast.Call():
                return self._call(scope, node, after, wanted)
        return after

    def _lambda(self, scope: Scope, node: ast.Lambda, after: Live) -> Live:
        inner = {arg.arg for arg in node.args.args}
        found = self._expr(replace(scope, quiet=True), node.body, after)
        return frozenset(v for v in found if v in after or v[1] not in inner)

    def _sides(self, scope: Scope, node: ast.expr) -> tuple[bool, bool]:
        """Whether a condition can come out true, and whether it can come out false."""
        known = scope.context.value(node)
        return (True, True) if isinstance(known, Unknown) else (bool(known), not known)

    def _test(self, scope: Scope, node: ast.expr, true: Live, false: Live) -> Live:
        """Live before a condition that leads to `true` or `false`."""
        match node:
            case ast.UnaryOp(op=ast.Not()):
                return self._test(scope, node.operand, false, true)
            case ast.BoolOp():
                last = true if isinstance(node.op, ast.And) else false
                for operand in reversed(node.values):
                    if isinstance(node.op, ast.And):
                        last = self._test(scope, operand, last, false)
                    else:
                        last = self._test(scope, operand, true, last)
                return last
        known = scope.context.value(node)
        if not isinstance(known, Unknown):
            # Walked all the same: a call with a known result may have effects.
            return self._expr(scope, node, true if known else false, False)
        return self._expr(scope, node, true | false)

    def _operands(
        self, scope: Scope, parts: list[ast.expr], after: Live, wanted: list[bool] | None = None
    ) -> Live:
        """Live before `parts`, evaluated in order and used together; `wanted` tells which are."""
        needs = wanted or [True] * len(parts)
        for part, need in zip(parts, needs, strict=True):
            after |= self._held(scope, part) if need else NOTHING
        for part, need in zip(reversed(parts), reversed(needs), strict=True):
            after = self._expr(scope, part, after, need)
        return after

    def _held(self, scope: Scope, node: ast.expr) -> Live:
        """The variable that keeps the value of `node` while it waits."""
        name = node.target if isinstance(node, ast.NamedExpr) else node
        if isinstance(node, ast.NamedExpr) and isinstance(node.value, ast.Constant):
            return NOTHING
        if not isinstance(name, ast.Name):
            return NOTHING
        if isinstance(node, ast.Name) and name.id not in scope.context.rewritten.names.locals:
            return NOTHING
        return frozenset({scope.variable(name.id)})

    def _record(self, scope: Scope, node: ast.expr, kind: str, after: Live) -> None:
        if not scope.quiet:
            scope.walk.places[(*scope.stack, scope.position(node)), kind] = after

    # -- calls --------------------------------------------------------------------------------------

    def _call(self, scope: Scope, node: ast.Call, after: Live, wanted: bool) -> Live:
        name = scope.context.rewritten.names.intrinsic(node.func)
        if name is None and isinstance(node.func, ast.Name) and node.func.id in (CAST, CHECK, LOOP):
            name = node.func.id
        args = [*node.args, *(k.value for k in node.keywords)]
        if name == "await_":
            assert isinstance(args[0], ast.Lambda)
            condition = self._test(replace(scope, quiet=True), args[0].body, after, after)
            self._record(scope, node, "await", condition)
            return condition
        if name == "violation":
            return NOTHING
        if name in ("BUG_ON", "WARN_ON"):
            return self._test(scope, args[0], NOTHING, after)
        if name in INTRINSIC_POINTS:
            self._record(scope, node, INTRINSIC_POINTS[name], after)
        if name in SAME_VALUE:
            wants = [wanted if i == SAME_VALUE[name] else True for i in range(len(args))]
            return self._operands(scope, args, after, wants)
        callees = [] if name else self._callees(scope, node)
        if not callees:
            return self._operands(scope, args if name else [node.func, *args], after)
        return self._inline(scope, node, callees, after, wanted)

    def _inline(
        self, scope: Scope, node: ast.Call, callees: list[Rewritten], after: Live, wanted: bool
    ) -> Live:
        stack = (*scope.stack, scope.position(node))
        before, wants = NOTHING, [False] * len(node.args)
        for callee in callees:
            walk = self._walk(scope, node, callee, stack, wanted)
            if not scope.quiet:
                scope.walk.calls[stack[-1], callee.original] = walk, after
            for i, parameter in enumerate(callee.kinds.parameters):
                wants[i] = wants[i] or (len(stack), parameter) in walk.before
            before |= {v for v in _put(walk.before, after) if v[0] <= scope.depth}
        return self._operands(scope, [node.func, *node.args], before, [True, *wants])

    def _walk(
        self, scope: Scope, node: ast.Call, callee: Rewritten, stack: tuple[Position, ...], wanted: bool
    ) -> Walk:
        key = (stack, callee.original, wanted, scope.quiet)
        if key not in self._walks:
            walk = self._walks[key] = Walk()
            inside = Scope(self._context(scope, node, callee, stack), stack, walk, wanted, quiet=scope.quiet)
            walk.before = self._block(inside, callee.tree.body, AFTER)
        return self._walks[key]

    def _context(
        self, scope: Scope, node: ast.Call, callee: Rewritten, stack: tuple[Position, ...]
    ) -> Context:
        key = (stack, callee.original)
        if key not in self._contexts:
            self._contexts[key] = scope.context.inside(node, callee)
        return self._contexts[key]

    def _callees(self, scope: Scope, node: ast.Call) -> list[Rewritten]:
        """The functions that `node` may call: one, or all that fit a function pointer's type."""
        certain = scope.context.target(node)
        if certain is not None:
            return [certain]
        kind = scope.context.rewritten.kinds.of(node.func)
        if not isinstance(kind, FnType):
            return []
        running = {position[0] for position in scope.stack} | {scope.context.rewritten.original}
        found = (self.program.rewritten(f) for f in self.program.world.functions)
        return [f for f in found if f.original not in running and _fits(f, kind)]


def _index(node: ast.Attribute | ast.Subscript) -> list[ast.expr]:
    return [node.slice] if isinstance(node, ast.Subscript) else []


def _fits(function: Rewritten, kind: FnType) -> bool:
    have = list(function.kinds.parameters.values())
    return [_value(k) for k in have] == [_value(k) for k in kind.params] and (
        _value(function.kinds.result) == _value(kind.result)
    )


def _value(kind: Any) -> Any:
    """The type of a value: all integers are one."""
    return kind if kind is None or isinstance(kind, (PtrType, CellType, FnType, BoolType)) else int
