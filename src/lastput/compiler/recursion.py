"""Recursion is refused: calls are inlined, so a cycle of calls would have no end.

Followed here are calls by name, in any configuration. A cycle through a function pointer depends on
what is stored there; `lower` refuses it.
"""

from __future__ import annotations

import ast
import functools
import types
from collections.abc import Callable
from typing import Any

from lastput.compiler.source import Source, has_source, source_of

Call = tuple[ast.Call, types.FunctionType]


def refuse_recursion(source: Source) -> None:
    """ModelError at the call that closes a cycle back to this function."""
    _follow(source, [source], set())


def _follow(first: Source, path: list[Source], seen: set[Callable[..., Any]]) -> None:
    for call, function in _calls(path[-1]):
        if function is first.function:
            cycle = " -> ".join([s.name for s in path] + [first.name])
            path[-1].fail(call, f"recursion: {cycle}", "write a loop; calls are inlined")
        if function not in seen:
            seen.add(function)
            _follow(first, [*path, source_of(function)], seen)


@functools.cache
def _calls(source: Source) -> list[Call]:
    """The calls of model functions by name, in the order of the text."""
    found = []
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call):
            target = _value(source, node.func)
            if isinstance(target, types.FunctionType) and _is_model(target):
                found.append((node, target))
    return found


def _is_model(function: types.FunctionType) -> bool:
    return not (function.__module__ or "").startswith("lastput.lang.") and has_source(function)


def _value(source: Source, node: ast.expr) -> Any:
    """What a name, or `module.name`, means; None for locals and all else."""
    if isinstance(node, ast.Name):
        local = node.id in source.function.__code__.co_varnames
        return None if local else source.lookup(node.id)[1]
    if isinstance(node, ast.Attribute):
        owner = _value(source, node.value)
        return getattr(owner, node.attr, None) if isinstance(owner, types.ModuleType) else None
    return None
