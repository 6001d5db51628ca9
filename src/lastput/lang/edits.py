"""A model with a piece of its text replaced, so that one can ask what that piece is for.

An edit replaces statements or expressions of model functions; nothing else of the file changes, line
numbers and columns stay. Compiler and simulator both consult the edits of the world where they take a
function's syntax tree. The set-up of a scenario runs as written: it is where the model begins.
"""

from __future__ import annotations

import ast
import contextlib
import contextvars
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, order=True)
class Edit:
    """One node of a file's syntax tree, replaced by `text`. Lines count from 1, columns from 0."""

    file: str
    """As in the functions' `co_filename`."""
    line: int
    column: int
    end_line: int
    end_column: int
    what: Literal["statement", "expression"]
    text: str

    def is_for(self, node: ast.AST) -> bool:
        """Whether this is the node to replace."""
        kind = ast.stmt if self.what == "statement" else ast.expr
        return isinstance(node, kind) and _extent(node) == self.extent

    @property
    def extent(self) -> tuple[int, int, int, int]:
        """Where the node begins and ends."""
        return self.line, self.column, self.end_line, self.end_column


Edits = tuple[Edit, ...]

NONE: Edits = ()


def replace(file: str, node: ast.stmt | ast.expr, text: str) -> Edit:
    """The edit that puts `text` in place of `node`."""
    return Edit(file, *_extent(node), "statement" if isinstance(node, ast.stmt) else "expression", text)


def _extent(node: ast.stmt | ast.expr) -> tuple[int, int, int, int]:
    return node.lineno, node.col_offset, node.end_lineno or node.lineno, node.end_col_offset or 0


def inside(edits: Edits, file: str, tree: ast.FunctionDef) -> Edits:
    """Those of `edits` that change the function `tree` of `file`."""
    end = tree.end_lineno or tree.lineno
    return tuple(edit for edit in edits if edit.file == file and tree.lineno <= edit.line <= end)


def edited(edits: Edits, file: str, tree: ast.FunctionDef) -> ast.FunctionDef:
    """`tree` with the edits that concern it: a changed copy, or itself when there are none."""
    wanted = inside(edits, file, tree)
    return _Editor(wanted).applied(copy.deepcopy(tree)) if wanted else tree


class _Editor(ast.NodeTransformer):
    def __init__(self, edits: Edits) -> None:
        self.edits = edits
        self.done: set[Edit] = set()

    def applied(self, tree: ast.FunctionDef) -> ast.FunctionDef:
        """`tree`, changed. KeyError for an edit that fits no node: the file is not the one it is for."""
        self.generic_visit(tree)
        missing = set(self.edits) - self.done
        if missing:
            raise KeyError(f"{tree.name}: nothing to replace at {sorted(missing)[0]}")
        return tree

    def visit(self, node: ast.AST) -> ast.AST:
        for edit in self.edits:
            if edit.is_for(node):
                self.done.add(edit)
                return _made(edit, node)
        return self.generic_visit(node)


def _made(edit: Edit, old: ast.AST) -> ast.AST:
    new: ast.AST = ast.parse(edit.text).body[0]
    if isinstance(new, ast.Expr) and edit.what == "expression":
        new = new.value
    for node in ast.walk(new):
        ast.copy_location(node, old)
    return new


_active: contextvars.ContextVar[Edits] = contextvars.ContextVar("edits", default=NONE)


def active() -> Edits:
    """The edits in force."""
    return _active.get()


@contextlib.contextmanager
def applying(edits: Edits) -> Iterator[None]:
    """Inside, model functions are compiled with `edits`."""
    token = _active.set(edits)
    try:
        yield
    finally:
        _active.reset(token)
