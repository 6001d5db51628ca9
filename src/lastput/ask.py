"""A question put to a world from outside: is there a state in which this expression is true?"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable
from typing import Any

from lastput.lang.errors import UsageError
from lastput.lang.intrinsics import Static
from lastput.lang.layout import Object
from lastput.lang.types import ptr
from lastput.lang.world import Property, World


def ask(world: World, expression: str) -> None:
    """Let the search look for `expression`, under its own text as name; UsageError if it is none."""
    used = _names(expression)
    known = world.scenario.function.__globals__
    # An object that was given no name has its struct's: here it is the object that is meant.
    objects = [o for o in world.space.objects if o.name in used and not isinstance(known.get(o.name), Static)]
    function = _function(expression, objects, known)
    world.properties.append(Property("asked", expression, function, tuple(o.base for o in objects)))


def _names(expression: str) -> set[str]:
    try:
        tree = ast.parse(expression, mode="eval")
    except (SyntaxError, ValueError) as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise UsageError(f"{expression!r} is no expression: {said}") from None
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def _function(expression: str, objects: list[Object], known: dict[str, Any]) -> Callable[..., Any]:
    """A model function that returns the expression, with a parameter for each object."""
    parameters = ", ".join(f"{o.name}: ptr" for o in objects)
    # In brackets, an expression may run over several lines.
    head = "from __future__ import annotations"  # they are replaced below
    source = f"{head}\n\n\ndef expression({parameters}) -> bool:\n    return ({expression})\n"
    file = f"<{' '.join(expression.split())}>"
    # Compiler and simulator read a function's text from here, as a debugger would.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    made: dict[str, Any] = {}
    exec(compile(source, file, "exec", dont_inherit=True), known, made)
    function: Callable[..., Any] = made["expression"]
    pointers: Any = ptr  # to a type checker `ptr[T]` is `T`
    function.__annotations__ = {o.name: pointers[o.struct.cls] for o in objects} | {"return": bool}
    return function
