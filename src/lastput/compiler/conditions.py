"""Conditions only read: what `await_` waits for, and the properties of a scenario.

A condition is evaluated whenever somebody asks, not when a thread steps, so that a store, a choice or
an allocation in it would have no place in any interleaving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields
from typing import Any

from lastput.compiler import tree
from lastput.compiler.source import Source
from lastput.compiler.tree import Expr, Function, Place, Stmt

Typed = Callable[[Callable[..., Any]], Function]
"""Gives the typed tree of a function."""

EFFECTS: dict[type, str] = {
    tree.Store: "a store",
    tree.Update: "a store",
    tree.Await: "await_",
    tree.Free: "kfree",
    tree.Choose: "choose",
    tree.CallPointer: "a call through a function pointer",
}


def refuse_effects(function: Function, typed: Typed, *, is_property: bool) -> None:
    """ModelError for a condition in `function`, or for the whole of a property, that does more than read."""
    if is_property:
        told = "a property only reads", "read only; move what writes into a thread"
        _check(function.source, function.body, typed, told, is_property)
    told = "a condition only reads", "do it on a line before or after"
    for node in _nodes(function.body):
        if isinstance(node, tree.Await):
            _check(function.source, node.condition, typed, told, False)


def _check(source: Source, root: object, typed: Typed, told: tuple[str, str], is_property: bool) -> None:
    message, remedy = told
    for node in _nodes(root):
        effect = EFFECTS.get(type(node))
        if isinstance(node, tree.Allocate):
            effect = "kzalloc" if node.zero else "kmalloc"
        if effect:
            source.fail(node.at, f"{message}, this is {effect}", remedy)
        if is_property and isinstance(node, (tree.ThisThread, tree.ThisTask)):
            source.fail(node.at, "no thread runs in a property", "pass what it needs as an argument")
        if isinstance(node, tree.Call):
            called = typed(node.function)
            _check(called.source, called.body, typed, told, is_property)


def reads_only(function: Function, typed: Typed) -> bool:
    """Whether a call of `function` leaves everything as it was, but for book-keeping of the model."""
    for node in _nodes(function.body):
        if isinstance(node, (tree.Store, tree.Update)) and node.place.silent:
            continue
        if type(node) in EFFECTS or isinstance(node, (tree.Allocate, tree.Fail)):
            return False
        if isinstance(node, tree.Call) and not reads_only(typed(node.function), typed):
            return False
    return True


def _nodes(root: object) -> Iterator[Any]:
    """`root` and everything below it, in the order of the text."""
    if isinstance(root, list):
        for child in root:
            yield from _nodes(child)
    elif isinstance(root, (Expr, Stmt, Place)):
        yield root
        for f in fields(root):
            yield from _nodes(getattr(root, f.name))
