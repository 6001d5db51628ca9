"""Which statements of the model's functions a world can run: those that no option of its version cuts off.

Where a test is decided by options alone, the other arm is code of other versions. What is behind an arm that
always leaves is, too, and so are functions that only such code mentions. Values that a function gets from
its callers are not followed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lastput.lang.world import World
from lastput.simulate.program import Function, Program, Rewritten, original

CALLERS = {"kvm_mmu_notifier_change_pte": "__mmu_notifier_change_pte"}
"""Callbacks that are set up for every version, and the function without which nothing calls them."""


class Reached(NamedTuple):
    """Lines of one function."""

    lines: set[int]
    """Of the statements that can run."""
    passed: set[int]
    """Of the conditions among them without `else` that can be false."""


def reached(world: World) -> dict[tuple[str, str], Reached]:
    """By file and function, what threads and callbacks can run."""
    callbacks = list(world.functions)  # before the program is made, which adds all that is mentioned
    program = Program(world)
    found: dict[tuple[str, str], Reached] = {}
    late = [function for function in callbacks if function.__name__ in CALLERS]
    _follow(program, [thread.function for thread in world.threads], found)
    _follow(program, [function for function in callbacks if function not in late], found)
    names = {name for _, name in found}
    _follow(program, [function for function in late if CALLERS[function.__name__] in names], found)
    return found


def _follow(program: Program, roots: list[Function], found: dict[tuple[str, str], Reached]) -> None:
    while roots:
        function = program.rewritten(original(roots.pop()))
        key = (function.names.filename, function.tree.name)
        if key not in found:
            body = function.tree.body
            found[key] = Reached({s.lineno for s in live(body)}, {s.lineno for s in open_ended(body)})
            roots += mentioned(function)


def mentioned(function: Rewritten) -> list[Function]:
    """The functions that the live statements of one name."""
    names = {name for statement in live(function.tree.body) for name in _names(statement)}
    return [wanted for name, wanted in function.names.wanted.items() if name in names]


def open_ended(block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The conditions among them without `else` that can be false."""
    for statement in live(block):
        condition = isinstance(statement, (ast.If, ast.While)) and not statement.orelse
        if condition and decided(statement.test) is None:  # type: ignore[attr-defined]
            yield statement


def live(block: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a block that can run, those inside of them included."""
    for statement in block:
        yield statement
        for inner in arms(statement):
            yield from live(inner)
        if leaves(statement):
            return


def arms(statement: ast.stmt) -> list[list[ast.stmt]]:
    """The blocks of a statement that can run."""
    if isinstance(statement, (ast.If, ast.While)):
        value = decided(statement.test)
        both = ((True, statement.body), (False, statement.orelse))
        return [arm for when, arm in both if value in (None, when)]
    return [statement.body] if isinstance(statement, (ast.For, ast.With)) else []


def leaves(statement: ast.stmt) -> bool:
    """Nothing behind the statement can run."""
    if isinstance(statement, ast.If):
        return all(any(leaves(s) for s in arm) for arm in arms(statement))
    if isinstance(statement, ast.With):
        return any(leaves(s) for s in statement.body)
    return isinstance(statement, (ast.Return, ast.Raise, ast.Break, ast.Continue))


def decided(test: ast.expr) -> bool | None:
    """The value of a test that is made of constants; None if it depends on anything else."""
    if isinstance(test, ast.Constant):
        return bool(test.value)
    if isinstance(test, ast.NamedExpr):
        return decided(test.value)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        value = decided(test.operand)
        return None if value is None else not value
    if isinstance(test, ast.BoolOp):
        strong = isinstance(test.op, ast.Or)
        values = {decided(value) for value in test.values}
        return strong if strong in values else None if None in values else not strong
    return _compared(test) if isinstance(test, ast.Compare) else None


def _compared(test: ast.Compare) -> bool | None:
    """The value of `constant == constant` or `!=`."""
    try:
        left, right = (ast.literal_eval(part) for part in (test.left, *test.comparators))
    except ValueError:
        return None
    known = {ast.Eq: left == right, ast.NotEq: left != right}
    return known.get(type(test.ops[0]))


def _names(statement: ast.stmt) -> Iterator[str]:
    """Names in a statement's own expressions, without operands that are never evaluated."""
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, ast.stmt):
            yield from _inside(child)


def _inside(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Name):
        yield node.id
    children = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.BoolOp):
        children = list(_evaluated(node))
    elif isinstance(node, ast.IfExp) and (value := decided(node.test)) is not None:
        children = [node.body if value else node.orelse]
    for child in children:
        yield from _inside(child)


def _evaluated(node: ast.BoolOp) -> Iterator[ast.expr]:
    for value in node.values:
        yield value
        if decided(value) is isinstance(node.op, ast.Or):
            return
