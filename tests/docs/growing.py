"""A Python file that grows from block to block, as a reader would edit it."""

from __future__ import annotations

import ast


def _names(statement: ast.stmt) -> set[str]:
    """What a top-level statement defines; an import from a module counts as one thing."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return {name}
        case ast.Assign(targets=[ast.Name(id=name)]):
            return {name}
        case ast.ImportFrom(module=str(module)):
            return {f"from {module}"}
        case ast.Import(names=[alias]):
            return {f"import {alias.name}"}
        case _:
            return {ast.unparse(statement)}


def _pieces(source: str) -> list[tuple[set[str], str]]:
    """The statements of a file, each with what it defines."""
    lines, found = source.splitlines(), []
    for statement in ast.parse(source).body:
        decorators = getattr(statement, "decorator_list", [])
        first = min([statement.lineno, *(d.lineno for d in decorators)])
        found.append((_names(statement), "\n".join(lines[first - 1 : statement.end_lineno])))
    return found


def added(source: str, block: str) -> str:
    """`source` with the definitions of `block`: in the place of those of the same name, or at the end."""
    if not source:
        return block
    kept = _pieces(source)
    for defined, text in _pieces(block):
        places = [i for i, (old, _) in enumerate(kept) if old == defined]
        if places:
            kept[places[0]] = (defined, text)
        else:
            kept.append((defined, text))
    out, before = "", ""
    for _, text in kept:
        out += "\n" * _blank_lines(before, text) + text + "\n"
        before = text
    return out


def _blank_lines(before: str, text: str) -> int:
    """Blank lines between two statements: as a formatter has them."""
    imports = ("from ", "import ")
    if not before:
        return 0
    if text.startswith(imports):
        return 0 if before.startswith(imports) and "__future__" not in before else 1
    return 2
