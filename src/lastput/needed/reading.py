"""What names and conditions of one model function mean under the configuration in force."""

from __future__ import annotations

import ast
import enum
import linecache
import operator
import types
from collections.abc import Callable, Iterator
from typing import Any

from lastput.compiler import tree
from lastput.compiler.conditions import reads_only
from lastput.compiler.source import Source
from lastput.lang.options import OptionGroup

Function = Callable[..., Any]
Typed = dict[Function, tree.Function]

UNKNOWN = object()
"""The value of what differs between two states."""

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_EFFECTS = ("choose", "kmalloc", "kzalloc", "kfree", "await_", "WARN_ON", "BUG_ON", "violation")


class Reader:
    """One function, as the finders of removals look at it."""

    def __init__(self, source: Source, typed: Typed) -> None:
        self.source = source
        self.file = source.function.__code__.co_filename
        self.body = source.tree.body
        self._typed = typed
        self._text = "".join(linecache.getlines(self.file))
        code = source.function.__code__
        self._locals = {*code.co_varnames, *code.co_cellvars}
        self._statements = {
            (node.at.line, node.at.column): node for node in _typed_statements(typed[source.function].body)
        }

    # -- names ------------------------------------------------------------------------------------

    def meaning(self, node: ast.expr) -> Any:
        """What a name, or a chain such as `Group.option`, means outside of the function; or UNKNOWN."""
        if isinstance(node, ast.Name):
            found, value = (False, None) if node.id in self._locals else self.source.lookup(node.id)
            return value if found else UNKNOWN
        if isinstance(node, ast.Attribute):
            owner = self.meaning(node.value)
            if isinstance(owner, (types.ModuleType, OptionGroup, enum.EnumMeta)):
                return getattr(owner, node.attr, UNKNOWN)
        return UNKNOWN

    def constant(self, node: ast.expr) -> Any:
        """The value of a condition that options decide; else UNKNOWN."""
        match node:
            case ast.Constant(value=value):
                return value
            case ast.Name() | ast.Attribute():
                value = self.meaning(node)
                return value if isinstance(value, (int, str)) else UNKNOWN
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                value = self.constant(operand)
                return value if value is UNKNOWN else not value
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in _COMPARE:
                both = self.constant(left), self.constant(right)
                return UNKNOWN if UNKNOWN in both else _COMPARE[type(op)](*both)
            case ast.BoolOp():
                return self._logic(node)
        return UNKNOWN

    def _logic(self, node: ast.BoolOp) -> Any:
        decides = isinstance(node.op, ast.Or)
        values = [self.constant(operand) for operand in node.values]
        if any(value is not UNKNOWN and bool(value) is decides for value in values):
            return decides
        return UNKNOWN if UNKNOWN in values else not decides

    # -- statements -------------------------------------------------------------------------------

    def flat(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """The statements of a block, with what an option decides already decided."""
        out: list[ast.stmt] = []
        for node in body:
            value = self.constant(node.test) if isinstance(node, ast.If) else UNKNOWN
            if value is UNKNOWN:
                out.append(node)
            elif isinstance(node, ast.If):
                out += self.flat(node.body if value else node.orelse)
        return out

    def blocks(self, node: ast.stmt) -> Iterator[list[ast.stmt]]:
        """The blocks inside a statement."""
        for name in ("body", "orelse"):
            block = getattr(node, name, None)
            if block:
                yield self.flat(block)

    def statements(self, body: list[ast.stmt] | None = None) -> Iterator[ast.stmt]:
        """Every statement of a block and below, in order; of the whole function without one."""
        for node in self.flat(self.body) if body is None else body:
            yield node
            for block in self.blocks(node):
                yield from self.statements(block)

    def typed(self, node: ast.stmt) -> Any:
        """What the compiler made of a statement; None if it makes nothing of it."""
        return self._statements.get((node.lineno, node.col_offset))

    # -- calls ------------------------------------------------------------------------------------

    def call_of(self, node: ast.stmt) -> ast.Call | None:
        """The call, if the statement is just a call."""
        return node.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None

    def calls(self, node: ast.stmt) -> Iterator[ast.Call]:
        """The calls in a statement's own expressions, not in its blocks."""
        blocks = (getattr(node, name, []) for name in ("body", "orelse"))
        inside = {id(child) for block in blocks for part in block for child in ast.walk(part)}
        for child in ast.walk(node):
            if isinstance(child, ast.Call) and id(child) not in inside:
                yield child

    def callee(self, call: ast.Call) -> Function | None:
        """The model function or the intrinsic that is called by its name."""
        value = self.meaning(call.func)
        return value if isinstance(value, types.FunctionType) else None

    def only_reads(self, node: ast.expr) -> bool:
        """Whether evaluating an expression changes nothing."""
        return all(self._call_reads(child) for child in ast.walk(node) if isinstance(child, ast.Call))

    def _call_reads(self, call: ast.Call) -> bool:
        called = self.meaning(call.func)
        if called in self._typed:
            return reads_only(self._typed[called], self._typed.__getitem__)
        # What is called through a pointer may be anything; the rest are intrinsics, and min, max and len.
        return called is not UNKNOWN and getattr(called, "__name__", "") not in _EFFECTS

    def text(self, node: ast.AST) -> str:
        """The source of `node` on one line."""
        found = ast.get_source_segment(self._text, node) or ast.unparse(node)
        return " ".join(found.split())


def _typed_statements(body: list[tree.Stmt]) -> Iterator[tree.Stmt]:
    for node in body:
        yield node
        for name in ("then", "other", "body"):
            yield from _typed_statements(getattr(node, name, []))
