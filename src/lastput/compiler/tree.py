"""The typed tree: a model function with every name resolved and every expression typed.

What is legal: children of an `int` operation are int or bool; an address is a pointer; every
`Place` is one scalar cell. Options, constants and statics have become `Const`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from lastput.compiler.source import Source, Span
from lastput.lang.types import BoolType, CellType, FnType, IntType, PtrType, ScalarType, StructDef

INT = IntType(64, signed=True)
BOOL = BoolType()


@dataclass(frozen=True)
class NullType:
    """Type of NULL: any pointer."""

    def __str__(self) -> str:
        return "NULL"


ValueType = IntType | BoolType | PtrType | CellType | FnType | NullType


@dataclass
class Expr:
    at: Span
    type: ValueType


@dataclass
class Const(Expr):
    value: int


@dataclass
class Local(Expr):
    name: str


@dataclass
class Place:
    """One scalar cell of memory. `silent`: const or ghost, so that an access is no step."""

    at: Span
    address: Expr
    type: ScalarType
    silent: bool
    const: bool
    name: str
    owner: StructDef | None
    """Struct that declares the field; None behind a cell pointer."""
    field: str


@dataclass
class Load(Expr):
    place: Place


@dataclass
class Offset(Expr):
    """`base` moved by a constant number of cells; when it is below 0, the result may leave memory."""

    base: Expr
    cells: int


@dataclass
class Index(Expr):
    """Address of element `index`; `count` is None for unchecked pointer arithmetic (`at`)."""

    base: Expr
    index: Expr
    stride: int
    count: int | None


@dataclass
class Binary(Expr):
    op: str
    left: Expr
    right: Expr


@dataclass
class Not(Expr):
    operand: Expr


@dataclass
class Logic(Expr):
    """Short-circuit `and` / `or` over truth values."""

    op: str
    operands: list[Expr]


@dataclass
class Choice(Expr):
    """`a if test else b`."""

    test: Expr
    then: Expr
    other: Expr


@dataclass
class Wrap(Expr):
    to: IntType
    operand: Expr


@dataclass
class Call(Expr):
    """Call of a model function; `type` is meaningless when it returns nothing."""

    function: Callable[..., Any]
    args: list[Expr]


@dataclass
class CallPointer(Expr):
    """Call through a function pointer."""

    function: Expr
    signature: FnType
    args: list[Expr]


@dataclass
class Choose(Expr):
    count: Expr


@dataclass
class Allocate(Expr):
    struct: StructDef
    zero: bool


@dataclass
class ThisThread(Expr):
    pass


@dataclass
class ThisTask(Expr):
    pass


@dataclass
class Warn(Expr):
    """WARN_ON: a violation when `test` holds, else False."""

    test: Expr


@dataclass
class Stmt:
    at: Span


@dataclass
class Assign(Stmt):
    name: str
    value: Expr


@dataclass
class Store(Stmt):
    place: Place
    value: Expr


@dataclass
class Update(Stmt):
    """`place op= value`: a load, then a store."""

    place: Place
    op: str
    value: Expr


@dataclass
class Evaluate(Stmt):
    value: Expr


@dataclass
class If(Stmt):
    test: Expr
    then: list[Stmt]
    other: list[Stmt]


@dataclass
class While(Stmt):
    test: Expr
    body: list[Stmt]


@dataclass
class For(Stmt):
    name: str
    start: Expr
    stop: Expr
    step: int
    body: list[Stmt]
    escapes: bool
    """The loop variable is read outside the loop, so it needs a place of its own."""


@dataclass
class Return(Stmt):
    value: Expr | None


@dataclass
class Break(Stmt):
    pass


@dataclass
class Continue(Stmt):
    pass


@dataclass
class Atomic(Stmt):
    body: list[Stmt]


@dataclass
class Await(Stmt):
    condition: Expr


@dataclass
class Free(Stmt):
    pointer: Expr
    struct: StructDef


@dataclass
class Fail(Stmt):
    """A violation when `test` is true (or false, with `unless`); None: always."""

    kind: str
    message: str
    test: Expr | None
    unless: bool = False


@dataclass
class Function:
    """A model function, typed."""

    source: Source
    params: list[tuple[str, ValueType]]
    result: ValueType | None
    body: list[Stmt]
    single: set[str] = field(default_factory=set)
    """Locals that are assigned at one place only."""
    calls: list[Callable[..., Any]] = field(default_factory=list)
    """Functions called or named, in order."""
    returns: int = 0
    """Number of return statements."""


def show(function: Function) -> str:
    """The tree as indented text, for `lastput compile --emit tree`."""
    params = ", ".join(f"{name}: {kind}" for name, kind in function.params)
    head = f"function {function.source.name}({params}) -> {function.result}"
    return "\n".join([head, *_lines(function.body, 1)])


def _lines(node: object, depth: int, label: str = "") -> list[str]:
    pad = "  " * depth
    if isinstance(node, list):
        return [line for child in node for line in _lines(child, depth, label)]
    if not isinstance(node, (Expr, Stmt, Place)):
        return []
    parts, children = [], []
    for f in fields(node):
        value = getattr(node, f.name)
        if isinstance(value, (Expr, Stmt, Place, list)):
            children.append((f.name, value))
        elif f.name != "at" and value is not None:
            parts.append(f"{f.name}={getattr(value, '__name__', value)}")
    head = f"{pad}{label}{type(node).__name__} {' '.join(parts)}".rstrip()
    lines = [f"{head}  @{node.at.line}"]
    for name, value in children:
        lines += _lines(value, depth + 1, f"{name}: ")
    return lines
