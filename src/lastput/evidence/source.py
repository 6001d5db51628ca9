"""What the source says at a line: the statement to show for it, and a name for its file."""

from __future__ import annotations

import ast
import functools
import linecache
import os
from collections.abc import Sequence
from pathlib import Path

from lastput.lang import roles
from lastput.simulate.fault import Frame

_PACKAGE = Path(__file__).resolve().parent.parent


def short(file: str) -> str:
    """`file` as a report names it: from lastput's own directory, else from the working directory."""
    return _short(file, os.getcwd())


@functools.cache
def _short(file: str, working: str) -> str:
    path = Path(file).resolve()
    for root in (_PACKAGE, Path(working)):
        if path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return file


def line_text(file: str, line: int) -> str:
    """The source line, stripped; empty if nobody knows it."""
    return linecache.getline(file, line).strip()


def shown(stack: Sequence[Frame], *, inner: int = 0) -> tuple[str, str]:
    """Function and statement to show for a thread that stands at `stack` (outermost first).

    A function that touches memory in atomic blocks only (`spin_lock`) is what its caller takes for
    one statement: the step is shown as the call. `inner` functions are passed over in any case.
    """
    if not stack:
        return "", ""
    level = max(0, len(stack) - 1 - inner)
    while level > 0 and _is_primitive(stack[level]):
        level -= 1
    frame = stack[level]
    return frame.function, statement(frame.file, frame.line)


def statement(file: str, line: int) -> str:
    """The statement at `line` on one line; of a compound statement its head, of `with atomic():` its body."""
    return _statement(_parsed(file), line)


@functools.cache
def _statement(parsed: _Parsed, line: int) -> str:
    found = [node for node in parsed.nodes if isinstance(node, ast.stmt) and _head_holds(node, line)]
    if not found:
        return parsed.lines[line - 1].strip() if 0 < line <= len(parsed.lines) else ""
    return _text(parsed.text, max(found, key=lambda n: n.lineno))


def is_alarm(file: str, line: int, what: str) -> bool:
    """Whether the place is there to report a violation: `violation(...)`, or the branch to it."""
    for node in _nodes(file):
        if isinstance(node, ast.Expr) and _is_violation(node) and _spans(node, line):
            return what == "line"
        if isinstance(node, ast.If) and node.lineno == line and what == "branch taken":
            return any(_is_violation(part) for part in node.body)
    return False


def _is_violation(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Call)
        and isinstance(node.value.func, ast.Name)
        and node.value.func.id == "violation"
    )


def blocks(file: str, line: int, what: str) -> range:
    """Lines that run only if the branch at `line` goes the way that `what` says."""
    for node in _nodes(file):
        if isinstance(node, (ast.If, ast.While)) and _head_holds(node, line):
            block = node.body if what == "branch taken" else node.orelse
            if what in ("branch taken", "branch not taken") and block:
                return range(block[0].lineno, (block[-1].end_lineno or block[-1].lineno) + 1)
    return range(0)


def _text(whole: str, node: ast.stmt) -> str:
    """The statement `node` of a file whose text is `whole`."""
    match node:
        case ast.If(test=test):
            return f"if {_source(whole, test)}:"
        case ast.While(test=test):
            return f"while {_source(whole, test)}:"
        case ast.For(target=target, iter=over):
            return f"for {_source(whole, target)} in {_source(whole, over)}:"
        case ast.With(body=body):
            return "; ".join(_text(whole, part) for part in body)
    return _source(whole, node)


def _source(whole: str, node: ast.AST) -> str:
    """The text of `node` on one line."""
    found = ast.get_source_segment(whole, node) or ast.unparse(node)
    return " ".join(found.split())


def _head_holds(node: ast.stmt, line: int) -> bool:
    """Whether `line` belongs to the statement itself, not to a block inside it."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return False
    if isinstance(node, ast.With):  # an atomic block is one step: every line of it is the statement
        return node.lineno <= line <= (node.end_lineno or node.lineno)
    body = getattr(node, "body", None)
    end = body[0].lineno - 1 if body else node.end_lineno or node.lineno
    return node.lineno <= line <= max(node.lineno, end)


def _is_primitive(frame: Frame) -> bool:
    """Whether the function of `frame` has atomic blocks, and outside of them touches no memory.

    What a lock, or a read section, does there is its own affair (`down_read` looks at its options).
    """
    locks = _is_lock(frame.function, frame.file)
    return _has_primitive(_parsed(frame.file), frame.function, frame.line, locks)


def _is_lock(function: str, file: str) -> bool:
    """Whether the model has declared that the function takes or gives back a lock, or a read section."""
    return any(
        found.__name__ == function and found.__code__.co_filename == file
        for found in roles.declared("lock", "read section")
    )


@functools.cache
def _has_primitive(parsed: _Parsed, function: str, line: int, locks: bool) -> bool:
    for node in parsed.nodes:
        if isinstance(node, ast.FunctionDef) and node.name == function and _spans(node, line):
            inside = {id(n) for part in ast.walk(node) if isinstance(part, ast.With) for n in ast.walk(part)}
            return bool(inside) and (locks or not _touches(node, inside))
    return False


def _touches(node: ast.FunctionDef, inside: set[int]) -> bool:
    """Whether a function may touch memory outside of its atomic blocks, which are the nodes `inside`."""
    return any(
        isinstance(part, ast.Attribute) and id(part) not in inside
        for statement in node.body
        for part in ast.walk(statement)
    )


def _spans(node: ast.stmt, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or node.lineno)


class _Parsed:
    """The text of a file, and every node of its syntax tree: none where there is no such text."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.text = "".join(lines)
        try:
            self.nodes = tuple(ast.walk(ast.parse(self.text)))
        except (SyntaxError, ValueError):
            self.nodes = ()


_read: dict[str, _Parsed] = {}


def _parsed(file: str) -> _Parsed:
    lines = linecache.getlines(file)
    known = _read.get(file)
    # A file may be edited, and checked again, while we run: it then has other lines.
    if known is None or (known.lines is not lines and known.lines != lines):
        known = _read[file] = _Parsed(lines)
    return known


def _nodes(file: str) -> tuple[ast.AST, ...]:
    return _parsed(file).nodes
