"""Where a struct's declaration is in the user's file, and how a mistake in it is shown."""

from __future__ import annotations

import ast
import inspect
import linecache
from typing import Any

from lastput.lang.errors import LastputError, ModelError, UsageError


def mistake(cls: type[Any], field: str | None, part: str, message: str, remedy: str) -> LastputError:
    """The error that shows a `part` of a struct's declaration.

    `part` is `annotation`, `value` or `line` of the field, or `base` or `line` of the class (`field` is
    None). Without source text the message stands alone.
    """
    try:
        filename = inspect.getsourcefile(cls) or ""
        node = _part(_class(cls, filename), field, part)
    except (OSError, TypeError, LookupError):
        return UsageError(f"struct {cls.__name__}: {message}; instead: {remedy}")
    return show(filename, node, message, remedy)


def show(filename: str, node: ast.AST, message: str, remedy: str) -> ModelError:
    """`message` about a node of a file's syntax tree; a node of several lines is its first line."""
    line, column = getattr(node, "lineno", 1), getattr(node, "col_offset", 0)
    text = linecache.getline(filename, line).rstrip("\r\n")
    ends_here = getattr(node, "end_lineno", line) == line
    end = getattr(node, "end_col_offset", column + 1) if ends_here else len(text.rstrip().encode())
    # The tree counts bytes of UTF-8, people count characters.
    raw = text.encode()
    column, end = len(raw[:column].decode(errors="ignore")), len(raw[:end].decode(errors="ignore"))
    return ModelError(message, remedy, filename, line, column, end, text)


def _class(cls: type[Any], filename: str) -> ast.ClassDef:
    _, first = inspect.getsourcelines(cls)
    tree = ast.parse("".join(linecache.getlines(filename)), filename)
    for node in ast.walk(tree):
        if not isinstance(node, ast.ClassDef) or node.name != cls.__name__:
            continue
        if first in (node.lineno, *(d.lineno for d in node.decorator_list)):
            return node
    raise LookupError(cls.__name__)


def _part(node: ast.ClassDef, field: str | None, part: str) -> ast.AST:
    if field is None:
        return node.bases[0] if part == "base" else node
    for statement in node.body:
        if field in _names(statement):
            found = getattr(statement, part, None)
            return found if isinstance(found, ast.AST) else statement
    raise LookupError(field)


def _names(statement: ast.stmt) -> list[str]:
    """What a statement of a class body defines."""
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            return [t.id for t in targets if isinstance(t, ast.Name)]
    return []
