"""The parse tree of a Promela model: what interpreter and compiler share, and all that they share.

Names are resolved: a variable is an object, not a string. Meaning is given where trees are used; this page
says only what was written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from lastput.promela.tokens import Token


@dataclass(frozen=True)
class Type:
    """A scalar type: `bits` as declared; a value is cut to them when it is stored, as in C."""

    name: str
    bits: int
    signed: bool = False

    def cut(self, value: int) -> int:
        """`value` as this type stores it."""
        low = value & ((1 << self.bits) - 1)
        return low - (1 << self.bits) if self.signed and low >> (self.bits - 1) else low


BIT, BYTE, MTYPE, CHAN, PID = (
    Type("bit", 1),
    Type("byte", 8),
    Type("mtype", 8),
    Type("chan", 8),
    Type("pid", 8),
)
SHORT, INT = Type("short", 16, True), Type("int", 32, True)
TYPES = {
    "bit": BIT,
    "bool": BIT,
    "byte": BYTE,
    "pid": PID,
    "mtype": MTYPE,
    "chan": CHAN,
    "short": SHORT,
    "int": INT,
}


@dataclass(eq=False)
class Variable:
    """A variable: global, or of every process of one type (`owner`)."""

    name: str
    type: Type
    size: int | None
    """Elements of an array; None: a scalar."""
    token: Token
    owner: str | None = None
    initial: Expr | None = None
    """Of every element; None: 0. Evaluated when the process begins."""
    channel: Channel | None = None
    """Of a `chan` with an initialiser: what it is, for good."""
    read: bool = False
    """Whether it is read anywhere. A global that never is, is no part of a state (Spin's -o2)."""

    @property
    def stored(self) -> Type:
        """Its type in memory: Spin keeps an array of bits in bytes, and cuts its elements to those."""
        return BYTE if self.type.bits == 1 and self.size is not None else self.type

    @property
    def elements(self) -> int:
        return 1 if self.size is None else self.size

    @property
    def kept(self) -> bool:
        """Whether it is part of a state."""
        return self.channel is None and (self.owner is not None or self.read or self.type is CHAN)


@dataclass(eq=False)
class Channel:
    """Channels with one declaration: of a scalar or an array, numbered from `first` on."""

    name: str
    capacity: int
    """Messages; 0: a rendezvous."""
    fields: tuple[Type, ...]
    first: int
    count: int


# -- expressions -------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Constant:
    value: int


@dataclass(frozen=True, eq=False)
class Reference:
    """A variable, or an element of one. An array without an index is its element 0."""

    variable: Variable
    index: Expr | None
    token: Token


@dataclass(frozen=True, eq=False)
class Unary:
    operator: str
    operand: Expr


@dataclass(frozen=True, eq=False)
class Binary:
    operator: str
    left: Expr
    right: Expr
    token: Token


@dataclass(frozen=True, eq=False)
class Conditional:
    condition: Expr
    then: Expr
    otherwise: Expr


@dataclass(frozen=True, eq=False)
class Probe:
    """len, empty, nempty, full or nfull of a channel."""

    what: str
    channel: Reference


@dataclass(frozen=True, eq=False)
class Receivable:
    """`q?[...]`: whether this receive could be executed."""

    receive: Receive


@dataclass(frozen=True, eq=False)
class Named:
    """timeout, _pid or _nr_pr."""

    what: Literal["timeout", "_pid", "_nr_pr"]


@dataclass(frozen=True, eq=False)
class Run:
    """`run NAME(...)`; its value is the new process's number."""

    process: str
    arguments: tuple[Expr, ...]
    token: Token


Expr = Constant | Reference | Unary | Binary | Conditional | Probe | Receivable | Named | Run


# -- statements --------------------------------------------------------------------------------------


@dataclass(eq=False)
class Statement:
    """A statement. `parent` is the sequence that it stands in, `place` where in it."""

    token: Token
    labels: list[str] = field(default_factory=list, init=False)
    parent: Sequence = field(init=False)
    place: int = field(init=False)

    @property
    def line(self) -> int:
        return self.token.line


@dataclass(eq=False)
class Condition(Statement):
    """An expression as a statement: it waits until the expression is not 0."""

    expression: Expr


@dataclass(eq=False)
class Assign(Statement):
    target: Reference
    value: Expr


@dataclass(eq=False)
class Send(Statement):
    channel: Reference
    arguments: tuple[Expr, ...]
    ordered: bool
    """`!!`: into its place by size, not to the end."""


@dataclass(eq=False)
class Match:
    """An argument of a receive that must be equal: a constant or eval(...)."""

    value: Expr


@dataclass(eq=False)
class Receive(Statement):
    channel: Reference
    arguments: tuple[Reference | Match, ...]
    anywhere: bool
    """`??`: the first message that matches, not only the first."""
    keep: bool
    """`?<...>`: the message stays."""


@dataclass(eq=False)
class Assertion(Statement):
    condition: Expr
    text: str


@dataclass(eq=False)
class Print(Statement):
    """printf: a step that does nothing."""


@dataclass(eq=False)
class Else(Statement):
    pass


@dataclass(eq=False)
class Goto(Statement):
    label: str


@dataclass(eq=False)
class Break(Statement):
    loop: Choice


@dataclass(eq=False)
class Choice(Statement):
    """`if` or `do`."""

    repeats: bool
    options: list[Sequence] = field(default_factory=list)


@dataclass(eq=False)
class Block(Statement):
    """{...}, atomic {...} or d_step {...}."""

    kind: Literal["plain", "atomic", "d_step"]
    body: Sequence = field(init=False)


@dataclass(eq=False)
class Sequence:
    """Statements one after the other; `owner` is the statement around them, None for a body."""

    owner: Statement | None
    statements: list[Statement] = field(default_factory=list)

    def add(self, statement: Statement) -> None:
        """Put a statement at the end."""
        statement.parent, statement.place = self, len(self.statements)
        self.statements.append(statement)


@dataclass(eq=False)
class Process:
    """A proctype, or init."""

    name: str
    token: Token
    parameters: list[Variable] = field(default_factory=list)
    locals: list[Variable] = field(default_factory=list)
    """All its variables, parameters first."""
    body: Sequence = field(default_factory=lambda: Sequence(None))
    labels: dict[str, Statement] = field(default_factory=dict)
    active: int = 0
    """How many of it there are at the beginning."""


@dataclass
class Model:
    """A whole model. `notes` are remarks for the user: what was read and has no effect here."""

    name: str
    variables: list[Variable]
    channels: list[Channel]
    processes: dict[str, Process]
    mtypes: list[str]
    notes: list[str]

    @property
    def begin(self) -> list[Process]:
        """The processes of the initial state, in the order of their numbers."""
        return [p for p in self.processes.values() for _ in range(p.active)]


def walk(sequence: Sequence) -> Iterator[Statement]:
    """Every statement below `sequence`, in the order of the text."""
    for statement in sequence.statements:
        yield statement
        match statement:
            case Choice():
                for option in statement.options:
                    yield from walk(option)
            case Block():
                yield from walk(statement.body)


def block_of(statement: Statement, kind: str) -> Block | None:
    """The outermost block of this kind around a statement (itself not counted); None if there is none."""
    found: Block | None = None
    owner = statement.parent.owner
    while owner is not None:
        if isinstance(owner, Block) and owner.kind == kind:
            found = owner
        owner = owner.parent.owner
    return found
