"""Questions put to a world from outside: is there a state in which `kvm.users_count == 0 and not pgd`?

Objects go by their names, `page#0` as `page_0` too. What somebody typed becomes a function of the model's
language, and runs nowhere before it is known to compute and nothing else: names, fields, elements, numbers,
comparisons, and calls of the model's own functions, which the compiler then holds to the rules of a property.
"""

from __future__ import annotations

import ast
import enum
import itertools
import keyword
import linecache
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, NoReturn

from lastput.lang import NULL
from lastput.lang.edits import applying
from lastput.lang.errors import ModelError, UsageError
from lastput.lang.intrinsics import Static
from lastput.lang.layout import Object
from lastput.lang.options import OptionGroup, configuration
from lastput.lang.types import PtrType, StructDef, ptr
from lastput.lang.world import Property, World
from lastput.simulate.names import is_model_function

LONGEST = 1_000
"""Characters of an expression."""

DEEPEST = 50
"""Levels of an expression's tree: Python and the compiler recurse a few times for each."""

_PLAIN = (
    *(ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.Compare, ast.Load),
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.IfExp),
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod),
    *(ast.BitAnd, ast.BitOr, ast.BitXor, ast.LShift, ast.RShift),
    *(ast.Subscript, ast.Name, ast.Attribute, ast.Constant, ast.Call),
)

_numbers = itertools.count(1)


# -- questions ------------------------------------------------------------------------------------------


def asked(world: World, text: str) -> Property:
    """Whether the expression `text` is true in some state, for a search that goes on whatever it finds.

    `world` has not been compiled yet: statics that only the expression mentions are placed in it. UsageError,
    one line, for what is no such expression.
    """
    tree = _parsed(_spelled(world, text))
    known = _known(world)
    for name in _mentioned(tree):
        if isinstance(known.get(name), Static):
            world.static_object(known[name], name)
    return _property(world, "asked", text, tree)


def never(world: World, text: str) -> Property:
    """The invariant that the expression `text` is false, for a search that ends where it is true.

    Every static of `world` is placed already. UsageError as for `asked`.
    """
    return _property(world, "invariant", text, _parsed(_spelled(world, text)))


def names(world: World) -> list[str]:
    """What an expression can name: every object, as it can be typed."""
    return list(_aliases(world))


def _property(world: World, kind: Literal["asked", "invariant"], text: str, tree: ast.Expression) -> Property:
    known, objects = _known(world), _objects(world)
    for node in ast.walk(tree):
        _allow(node, known, objects)
    used = {name: objects[name] for name in _mentioned(tree) if name in objects}
    body: ast.expr = _Counts(world, used).visit(tree).body
    if kind == "invariant":
        body = ast.UnaryOp(ast.Not(), body)
    function = _function(body, used, known)
    found = Property(kind, text, function, tuple(o.base for o in used.values()))
    _compile(world, found)
    return found


# -- names ----------------------------------------------------------------------------------------------


def _known(world: World) -> dict[str, Any]:
    """What the scenario's file defines or imports."""
    return {"NULL": NULL, **world.scenario.function.__globals__}


def _objects(world: World) -> dict[str, Object]:
    """Every object by what it can be called; a static also by what the scenario's file calls it."""
    found = _aliases(world)
    for name, value in _known(world).items():
        if isinstance(value, Static) and value in world.statics:
            found[name] = world.statics[value]
    return found


def _aliases(world: World) -> dict[str, Object]:
    """Every object by a name of its own: where two statics have the same, the second gets a number."""
    found: dict[str, Object] = {}
    for placed in world.space.objects:
        name, count = _alias(placed.name), 1
        while name in found:
            count += 1
            name = f"{_alias(placed.name)}_{count}"
        found[name] = placed
    return found


def _alias(name: str) -> str:
    """A name as Python spells one: `page#0` is `page_0`, the second `device` is `device_2`."""
    found = re.sub(r"\W", "_", name)
    return found + "_" if keyword.iskeyword(found) or not found.isidentifier() else found


# -- text -----------------------------------------------------------------------------------------------


def _spelled(world: World, text: str) -> str:
    """`text` with the objects' names as Python can read them."""
    if len(text) > LONGEST:
        raise UsageError(f"an expression has at most {LONGEST:,} characters")
    odd = [placed.name for placed in world.space.objects if placed.name != _alias(placed.name)]
    for name in sorted(odd, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.]){re.escape(name)}(?!\w)", _alias(name), text)
    return text


def _parsed(text: str) -> ast.Expression:
    try:
        tree = ast.parse(text.strip(), "<expression>", mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise UsageError(f"not an expression: {said}") from None
    if _depth(tree) > DEEPEST:
        raise UsageError(f"an expression has at most {DEEPEST} levels: split it, or call a function")
    return tree


def _depth(tree: ast.AST) -> int:
    level, depth = [tree], 0
    while level:
        level, depth = [child for node in level for child in ast.iter_child_nodes(node)], depth + 1
    return depth


def _mentioned(tree: ast.Expression) -> list[str]:
    """The names in an expression, each once."""
    return list(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))


# -- what may stand in an expression ----------------------------------------------------------------------


def _allow(node: ast.AST, known: dict[str, Any], objects: dict[str, Object]) -> None:
    """UsageError for what is not there to compute a condition."""
    if not isinstance(node, _PLAIN):
        _refuse(node, "only names, fields, numbers and comparisons")
    if isinstance(node, ast.Constant) and not isinstance(node.value, int):
        _refuse(node, "use a number, True, False or NULL")
    if isinstance(node, ast.Attribute) and node.attr.startswith("__"):
        _refuse(node, "that is no field")
    if isinstance(node, ast.Name) and node.id not in objects and not _is_usable(known.get(node.id)):
        near = ", ".join(objects) or "none"
        raise UsageError(f"no object is called {node.id}: use one of {near}")
    if isinstance(node, ast.Call) and not (
        isinstance(node.func, ast.Name) and is_model_function(known.get(node.func.id)) and not node.keywords
    ):
        _refuse(node, "only functions of the model can be called")


def _is_usable(value: object) -> bool:
    """Whether what the scenario's file has by some name is something for an expression."""
    constants = isinstance(value, (int, OptionGroup, enum.EnumMeta)) or value is NULL
    return constants or is_model_function(value)


def _refuse(node: ast.AST, why: str) -> NoReturn:
    what = ast.unparse(node) or type(node).__name__  # operators alone have no text
    raise UsageError(f"`{what}`: {why}")


def _compile(world: World, found: Property) -> None:
    """UsageError where the expression leaves the language."""
    from lastput.compiler.statements import type_function

    with configuration(world.configuration), applying(world.edits):
        try:
            type_function(found.function, replace(world, properties=[found]))
        except ModelError as error:
            raise UsageError(f"{error.message}; instead: {error.remedy}") from None


# -- from an expression to a function of the model ----------------------------------------------------------


class _Counts(ast.NodeTransformer):
    """Compares the one number of a struct where the struct is compared: `kvm.users_count == 0`."""

    def __init__(self, world: World, objects: dict[str, Object]) -> None:
        self.layout, self.objects = world.space.layout, objects

    def visit_Compare(self, node: ast.Compare) -> ast.Compare:
        node.left, *node.comparators = map(self._number, (node.left, *node.comparators))
        return node

    def _number(self, node: ast.expr) -> ast.expr:
        kind = self._type(node)
        while isinstance(node, ast.Attribute) and isinstance(kind, StructDef):
            fields = self.layout.fields(kind)
            if len(fields) != 1:
                break
            (name,) = fields
            node, kind = ast.Attribute(node, name, ast.Load()), fields[name].type
        return node

    def _type(self, node: ast.expr) -> object:
        """The type of a chain of fields; None for all else."""
        if isinstance(node, ast.Name):
            return self.objects[node.id].struct if node.id in self.objects else None
        base = self._type(node.value) if isinstance(node, ast.Attribute) else None
        struct = base.target if isinstance(base, PtrType) else base
        if not isinstance(node, ast.Attribute) or not isinstance(struct, StructDef):
            return None
        found = self.layout.fields(struct).get(node.attr)
        return found.type if found else None


def _function(body: ast.expr, objects: dict[str, Object], known: dict[str, Any]) -> Callable[..., bool]:
    """The model function that returns `body`; its parameters are the objects."""
    parameters = ", ".join(f"{name}: ptr" for name in objects)
    head = "from __future__ import annotations"  # they are replaced below
    source = f"{head}\n\n\ndef expression({parameters}) -> bool:\n    return {ast.unparse(body)}\n"
    file = f"<expression {next(_numbers)}>"
    # Compiler and simulator read the text from here, as they do that of a file.
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    made: dict[str, Any] = {}
    exec(compile(source, file, "exec", dont_inherit=True), known, made)
    function: Callable[..., bool] = made["expression"]
    pointers: Any = ptr  # to a type checker `ptr[T]` is `T`
    function.__annotations__ = {name: pointers[o.struct.cls] for name, o in objects.items()}
    function.__annotations__["return"] = bool
    return function
