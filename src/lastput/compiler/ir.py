"""The intermediate representation: one control-flow graph per thread, all calls inlined.

Legal IR: every block ends in exactly one terminator, which `verify` checks; an operand is a register or
an int; a register is written before it is read on every path; after `points.py` every access that is a
step follows a `Point` or belongs to the step of one, and `Guard` comes before anything the step changes.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from lastput.lang.types import IntType, ScalarType, StructDef, View


@dataclass(frozen=True)
class Frame:
    """A place in the source: a function, and the line in it."""

    function: str
    file: str
    line: int


@dataclass(frozen=True)
class Where:
    """A source position; `stack` is the call stack, innermost frame first."""

    stack: tuple[Frame, ...]
    column: int = 0

    @property
    def frame(self) -> Frame:
        return self.stack[0]


class Reg:
    """A virtual register: a 64-bit integer.

    `loop` is set for a loop's counter: (start, stop, step). Inside the loop, which is all that
    matters to a packed state, it is below `stop`.
    """

    def __init__(self, name: str, index: int) -> None:
        self.name, self.index = name, index
        self.loop: tuple[Operand, Operand, int] | None = None

    def __repr__(self) -> str:
        return f"%{self.index}.{self.name}"


Operand = Reg | int


@dataclass
class Instr:
    where: Where


@dataclass
class Move(Instr):
    dst: Reg
    src: Operand


@dataclass
class Binary(Instr):
    """add sub mul div mod and or xor shl shr min max; eq ne lt le gt ge give 0 or 1."""

    dst: Reg
    op: str
    a: Operand
    b: Operand


@dataclass
class Wrap(Instr):
    dst: Reg
    a: Operand
    type: IntType


@dataclass
class Element(Instr):
    """dst = base + index * stride. With `count`, an index outside 0..count-1 is out of bounds."""

    dst: Reg
    base: Operand
    index: Operand
    stride: int
    count: int | None
    checked: bool = False
    """The result may leave memory, which is out of bounds at once: pointer arithmetic."""


@dataclass
class Load(Instr):
    dst: Reg
    address: Operand
    type: ScalarType
    view: View
    name: str


@dataclass
class Store(Instr):
    address: Operand
    value: Operand
    type: ScalarType
    view: View
    name: str


@dataclass
class Alloc(Instr):
    dst: Reg
    struct: StructDef
    zero: bool


@dataclass
class Free(Instr):
    address: Operand
    struct: StructDef


@dataclass
class Choose(Instr):
    dst: Reg
    count: Operand


@dataclass
class Guard(Instr):
    """The step is possible only if `condition` holds."""

    condition: Operand


@dataclass
class MaybePoint(Instr):
    """A step begins here unless an atomic block has begun its step already."""

    kind: str


@dataclass
class Enter(Instr):
    """An atomic block begins."""


@dataclass
class Leave(Instr):
    """An atomic block ends."""


@dataclass
class Point(Instr):
    """A switch point: the thread can be interrupted before what follows."""

    kind: str


@dataclass
class Cover(Instr):
    """Coverage place `place` runs."""

    place: int


@dataclass
class Jump(Instr):
    target: Block


@dataclass
class Branch(Instr):
    condition: Operand
    then: Block
    other: Block


@dataclass
class Fail(Instr):
    """The path ends with a violation."""

    kind: str
    message: str


@dataclass
class End(Instr):
    """The thread has finished, or the property has the value `result`."""

    result: Operand | None = None


TERMINATORS = (Jump, Branch, Fail, End)


@dataclass(eq=False)
class Block:
    """Straight-line code; the last instruction is a terminator."""

    label: str
    code: list[Instr] = field(default_factory=list)

    def successors(self) -> list[Block]:
        """Blocks that can run next."""
        last = self.code[-1]
        if isinstance(last, Jump):
            return [last.target]
        return [last.then, last.other] if isinstance(last, Branch) else []


@dataclass
class Flow:
    """Control flow of one thread or property."""

    name: str
    entry: Block

    def blocks(self) -> list[Block]:
        """Blocks reachable from the entry, in depth-first order."""
        seen: dict[Block, None] = {}
        stack = [self.entry]
        while stack:
            block = stack.pop()
            if block not in seen:
                seen[block] = None
                stack += reversed(block.successors())
        return list(seen)


def reads(instr: Instr) -> Iterator[Reg]:
    """Registers that `instr` reads."""
    kind: Any = type(instr)
    for name in _operands(kind):
        value = getattr(instr, name)
        if isinstance(value, Reg):
            yield value


@functools.cache
def _operands(kind: Any) -> tuple[str, ...]:
    """Names of the fields of a class of instructions that may have a register to read."""
    return tuple(f.name for f in fields(kind) if f.name not in ("where", "dst"))


def writes(instr: Instr) -> Reg | None:
    """The register that `instr` writes."""
    return getattr(instr, "dst", None)


def verify(flow: Flow) -> None:
    """Raise AssertionError if a block of `flow` does not end in its one terminator."""
    for block in flow.blocks():
        assert block.code, f"{block.label} is empty"
        assert isinstance(block.code[-1], TERMINATORS), f"{block.label} has no terminator"
        for instr in block.code[:-1]:
            assert not isinstance(instr, TERMINATORS), f"{block.label}: {instr} is not last"


def show(flow: Flow) -> str:
    """The IR as text, for `lastput compile --emit ir`."""
    lines = [f"flow {flow.name}"]
    for block in flow.blocks():
        lines.append(f"{block.label}:")
        lines += [f"    {show_instr(i)}" for i in block.code]
    return "\n".join(lines)


def show_instr(instr: Instr) -> str:
    """One instruction as text, with its source line."""
    parts = []
    for f in fields(instr):
        value = getattr(instr, f.name)
        if f.name in ("where", "dst", "view") or value is None:
            continue
        parts.append(value.label if isinstance(value, Block) else str(value))
    target = f"{instr.dst!r} = " if writes(instr) is not None else ""  # type: ignore[attr-defined]
    name = type(instr).__name__.lower()
    return (
        f"{target}{name} {', '.join(parts)}".ljust(56)
        + f" ; {instr.where.frame.function}:{instr.where.frame.line}"
    )
