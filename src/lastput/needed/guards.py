"""The checks in a function: conditions under which it leaves, or under which it does something.

    if not kvm.arch.pgd: return       removed: never leaves
    if page: put_page(page)           removed: always does it
    while node and not found: ...     each operand removed: the others decide

A condition that has effects is none of these, nor one that only reports a violation or only guards
book-keeping of the model. What a role calls a recheck is one wherever it stands; removed, it is false.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass

from lastput.compiler import tree
from lastput.lang import roles
from lastput.lang.edits import Edit, replace
from lastput.needed.reading import UNKNOWN, Reader

_LEAVE = (ast.Return, ast.Break, ast.Continue)


@dataclass(frozen=True)
class Guard:
    """A check, and the edit that removes it."""

    kind: str
    at: ast.stmt
    text: str
    edit: Edit
    fires: bool | None = None
    """It makes a difference when the condition of its statement has this value; None: cannot be told."""


def guards(reader: Reader) -> Iterator[Guard]:
    """The checks of a function, in order."""
    again = _lines_after_a_break(reader)
    for node in reader.statements():
        found = list(_rechecks(reader, node)) or list(_guards(reader, node))
        for guard in found:
            late = guard.fires is True and node.lineno in again
            yield dataclasses.replace(guard, kind="recheck") if late else guard


def _rechecks(reader: Reader, node: ast.stmt) -> Iterator[Guard]:
    for call in reader.calls(node):
        if roles.begins(reader.callee(call), "recheck"):
            yield Guard("recheck", node, _head(reader, node), replace(reader.file, call, "False"))


def _guards(reader: Reader, node: ast.stmt) -> Iterator[Guard]:
    match node:
        case ast.While(test=ast.BoolOp(op=ast.And()) as test):
            yield from _operands(reader, node, test, "True")
    if not isinstance(node, ast.If) or _is_aside(reader, node):
        return
    if _leaves(reader, node.body):
        yield from _one_or_each(reader, node, ast.Or, "False")
    elif not node.orelse:
        yield from _one_or_each(reader, node, ast.And, "True")


def _one_or_each(reader: Reader, node: ast.If, joined: type[ast.boolop], value: str) -> Iterator[Guard]:
    """The whole test, or each operand where each alone decides."""
    test = node.test
    if isinstance(test, ast.BoolOp) and isinstance(test.op, joined):
        yield from _operands(reader, node, test, value)
    elif reader.only_reads(test):
        text = f"if {reader.text(_undecided(reader, test))}: {_first(reader, node.body)}"
        yield Guard("guard", node, text, replace(reader.file, test, value), value == "False")


def _operands(reader: Reader, node: ast.If | ast.While, test: ast.BoolOp, value: str) -> Iterator[Guard]:
    open_ = [part for part in test.values if reader.constant(part) is UNKNOWN]
    for part in open_:
        if not reader.only_reads(part):
            continue
        edit = replace(reader.file, part, value)
        if len(open_) == 1 and isinstance(node, ast.If):
            text = f"if {reader.text(part)}: {_first(reader, node.body)}"
            yield Guard("guard", node, text, edit, value == "False")
        else:
            yield Guard("guard", node, f"{reader.text(part)}, of: {_head(reader, node)}", edit)


def _undecided(reader: Reader, test: ast.expr) -> ast.expr:
    """`test` without operands that an option has decided."""
    if not isinstance(test, ast.BoolOp):
        return test
    parts = [part for part in test.values if reader.constant(part) is UNKNOWN]
    if len(parts) == len(test.values):
        return test
    return parts[0] if len(parts) == 1 else ast.BoolOp(test.op, parts)


def _leaves(reader: Reader, body: list[ast.stmt]) -> bool:
    """Whether a block only leaves; what it has taken it may give back before."""
    *before, last = reader.flat(body)
    if not isinstance(last, _LEAVE):
        return False
    if isinstance(last, ast.Return) and last.value is not None and not reader.only_reads(last.value):
        return False
    return all(_is_small(reader, node) for node in before)


def _is_small(reader: Reader, node: ast.stmt) -> bool:
    call = reader.call_of(node)
    if call is not None:
        return roles.ends(reader.callee(call)) is not None
    if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
        return reader.only_reads(node.value)
    return _is_silent(reader.typed(node))


def _is_aside(reader: Reader, node: ast.If) -> bool:
    """Whether the body only reports a violation, or only keeps books."""
    made = reader.typed(node)
    return isinstance(made, tree.If) and all(_is_silent(s) or isinstance(s, tree.Fail) for s in made.then)


def _is_silent(made: object) -> bool:
    return isinstance(made, (tree.Store, tree.Update)) and made.place.silent


def _lines_after_a_break(reader: Reader) -> set[int]:
    """Lines that run after a lock was dropped and taken again: behind the break, or in a loop around it."""
    found: set[int] = set()
    end = reader.source.tree.end_lineno or 0
    for node in reader.statements():
        if any(roles.begins(reader.callee(call), "lock break") for call in reader.calls(node)):
            found |= set(range(node.lineno + 1, end + 1))
            for loop in reader.statements():
                if isinstance(loop, (ast.While, ast.For)) and _spans(loop, node):
                    found |= set(range(loop.lineno, (loop.end_lineno or 0) + 1))
    return found


def _spans(outer: ast.stmt, inner: ast.stmt) -> bool:
    return outer.lineno <= inner.lineno <= (outer.end_lineno or outer.lineno)


def _head(reader: Reader, node: ast.stmt) -> str:
    match node:
        case ast.If(test=test):
            return f"if {reader.text(_undecided(reader, test))}"
        case ast.While(test=test):
            return f"while {reader.text(_undecided(reader, test))}"
    return reader.text(node)


def _first(reader: Reader, body: list[ast.stmt]) -> str:
    """What a guard does, or holds back."""
    body = reader.flat(body)
    first = body[0]
    if hasattr(first, "body"):
        return f"{_head(reader, first)}: ..." if isinstance(first, (ast.If, ast.While)) else "..."
    return reader.text(first) if len(body) == 1 else f"{reader.text(first)}; ..."
