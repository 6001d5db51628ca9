"""What a function takes and gives back: locks, read sections, references; and what it waits for.

A pair is removed as a whole: a call that takes, and every call of the same function that gives the same
thing back. Between the two other ways out may give it back, too, and a lock may be dropped and taken.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from lastput.lang import roles
from lastput.lang.roles import Role
from lastput.needed.reading import Function, Reader

PAIRS: tuple[roles.Kind, ...] = ("lock", "read section", "reference")
WAITS: tuple[roles.Kind, ...] = ("grace period", "wait", "deferral")


@dataclass(frozen=True)
class Pair:
    """What to remove: `statements`, each replaced by `texts`; or why that cannot be tried."""

    kind: str
    at: ast.stmt
    text: str
    statements: tuple[ast.stmt, ...] = ()
    texts: tuple[str, ...] = ()
    refused: str = ""


def pairs(reader: Reader) -> Iterator[Pair]:
    """The pairs of a function, in the order of what takes."""
    taken: set[int] = set()
    for node in reader.statements():
        if id(node) in taken:
            continue
        for call in reader.calls(node):
            role = roles.begins(reader.callee(call), *PAIRS)
            if role is not None:
                yield _pair(reader, node, call, role, taken)


def waits(reader: Reader) -> Iterator[Pair]:
    """The grace periods of a function, and whatever else it only waits for."""
    for node in reader.statements():
        for call in reader.calls(node):
            role = roles.begins(reader.callee(call), *WAITS)
            if role is None:
                continue
            text = reader.text(call)
            kind = "grace period" if role.kind == "deferral" else role.kind
            if reader.call_of(node) is None:
                yield Pair(kind, node, text, refused=f"the result of {_name(role.begins)} is used")
            elif role.kind == "deferral":
                what, function = call.args[-2:]
                yield Pair(kind, node, text, (node,), (f"{reader.text(function)}({reader.text(what)})",))
            else:
                yield Pair(kind, node, text, (node,), ("pass",))


def _pair(reader: Reader, node: ast.stmt, call: ast.Call, role: Role, taken: set[int]) -> Pair:
    text = reader.text(call)
    if reader.call_of(node) is None:
        what = "is tested" if isinstance(node, (ast.If, ast.While)) else "is used"
        return Pair(role.kind, node, text, refused=f"the result of {_name(role.begins)} {what}")
    key = _key(reader, call)
    given = _until_given(reader, node, role, key, taken)
    if not given:
        names = " or ".join(map(_name, role.ends))
        return Pair(role.kind, node, text, refused=f"{names} is not called for it in this function")
    gone = (node, *given)
    taken |= {id(part) for part in gone}
    return Pair(role.kind, node, text, gone, ("pass",) * len(gone))


def _until_given(
    reader: Reader, node: ast.stmt, role: Role, key: str, taken: set[int]
) -> tuple[ast.stmt, ...]:
    """The statements that give back what `node` takes, and those between that drop and take it again."""
    block = next(b for b in _blocks(reader) if any(part is node for part in b))
    behind = block[[part is node for part in block].index(True) + 1 :]
    own = (role.begins, *role.ends)
    found: list[ast.stmt] = []
    for part in behind:
        if _is_call(reader, part, role.ends, key):
            return (*found, part)
        found += [inner for inner in reader.statements([part]) if _is_call(reader, inner, own, key)]
    if not any(_is_call(reader, part, role.ends, key) for part in found):
        # Taken under a condition, and given back under the same one.
        later = [part for part in reader.statements() if part.lineno > node.lineno and id(part) not in taken]
        found = [part for part in later if _is_call(reader, part, own, key)]
    return tuple(found) if any(_is_call(reader, part, role.ends, key) for part in found) else ()


def _blocks(reader: Reader) -> Iterator[list[ast.stmt]]:
    yield reader.flat(reader.body)
    for node in reader.statements():
        yield from reader.blocks(node)


def _is_call(reader: Reader, node: ast.stmt, functions: tuple[Function, ...], key: str) -> bool:
    call = reader.call_of(node)
    return call is not None and reader.callee(call) in functions and _key(reader, call) == key


def _key(reader: Reader, call: ast.Call) -> str:
    """What is taken: the text of the first argument."""
    return reader.text(call.args[0]) if call.args else ""


def _name(function: Function) -> str:
    return function.__name__
