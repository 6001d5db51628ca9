"""Reading declarations of variables and channels."""

from __future__ import annotations

from collections.abc import Callable

from lastput.promela.expressions import Expressions, Stream, parts
from lastput.promela.tokens import Token
from lastput.promela.tree import (
    CHAN,
    INT,
    TYPES,
    Assign,
    Channel,
    Choice,
    Constant,
    Expr,
    Model,
    Process,
    Reference,
    Run,
    Sequence,
    Statement,
    Type,
    Variable,
)

DECLARES = (*TYPES, "unsigned", "local", "show", "hidden")
"""Words that begin a declaration."""
_MOST_ELEMENTS = 1 << 16


class Declarations(Expressions):
    """Reads declarations; knows the process and the sequence that it is in."""

    def __init__(self, stream: Stream, name: str) -> None:
        super().__init__(stream, Model(name, [], [], {}, [], []))
        self.inlines: dict[str, tuple[list[str], list[Token]]] = {}
        self.depth = 0
        """Calls of inlines that are being read, one inside of the other."""
        self.process: Process | None = None
        self.sequence = Sequence(None)
        self.loops: list[Choice] = []
        self.prologue = False
        """Whether declarations still initialise, as at the beginning of a body, rather than assign."""
        self.checks: list[Callable[[], None]] = []
        """What can only be said when all is read."""

    def declarations(self, parameters: bool = False) -> None:
        stream = self.stream
        if stream.here("local", "show"):
            self.model.notes.append(f"`{stream.take().value}` has no effect here")
        if stream.here("hidden"):
            stream.wrong("a type")
        unsigned = stream.here("unsigned")
        declared = TYPES["int"] if unsigned else TYPES.get(stream.name("a type").value, INT)
        if unsigned:
            stream.take()
        while True:
            self._declaration(declared, unsigned, parameters)
            if parameters and stream.here(",") and stream.peek() in (*TYPES, "unsigned"):
                return
            if not stream.accept(","):
                return

    def _declaration(self, declared: Type, unsigned: bool, parameters: bool) -> None:
        stream = self.stream
        name = stream.name("the name of a variable")
        if name.value in self.scopes[-1]:
            name.refuse(f"{name.value} is declared twice", "another name")
        if unsigned:
            stream.expect(":")
            bits = self.constant()
            if not 1 <= bits <= 31:
                name.refuse("an unsigned variable has 1 to 31 bits", f"unsigned {name.value} : 8")
            declared = Type("unsigned", bits)
        size = None
        if stream.accept("["):
            size = self.constant()
            if not 1 <= size <= _MOST_ELEMENTS or parameters:
                name.refuse("an array has 1 to 65536 elements, and is no parameter", "another size")
            stream.expect("]")
        owner = self.process.name if self.process else None
        variable = Variable(name.value, declared, size, name, owner)
        if stream.accept("="):
            self._initial(variable, parameters)
        self.scopes[-1][name.value] = variable
        if variable.channel is None:
            (self.process.locals if self.process else self.model.variables).append(variable)
        if self.process and not parameters and not self.prologue:
            # In the middle of a body a declaration is a statement, and so a step (Spin 6.5).
            if variable.size is not None and variable.initial is not None:
                name.refuse(
                    "an array is initialised in the middle of a body", "its declaration at the beginning"
                )
            value, variable.initial = variable.initial or Constant(0), None
            self.add(Assign(name, Reference(variable, None, name), value))

    def _initial(self, variable: Variable, parameters: bool) -> None:
        token = self.stream.token
        if parameters:
            token.refuse("a parameter has no initial value", "its value in `run`")
        if self.stream.here("[") and variable.type is CHAN:
            self._channel(variable)
            return
        if self.stream.here("{"):
            token.refuse("lists of initial values are not read", "assignments in a d_step of init")
        variable.initial = self.expression()
        self.plain(variable.initial, token)
        if self.process is None and not isinstance(variable.initial, Constant):
            token.refuse("the initial value of a global is a constant", "an assignment in init")

    def _channel(self, variable: Variable) -> None:
        token = self.stream.take()
        if self.process is not None:
            token.refuse(
                "a channel of a process is outside the part of Promela that is read", "a global channel"
            )
        capacity = self.constant()
        if not 0 <= capacity <= 255:
            token.refuse("a channel holds 0 to 255 messages", "another number")
        self.stream.expect("]")
        self.stream.expect("of")
        self.stream.expect("{")
        fields = []
        while True:
            name = self.stream.name("a type")
            if name.value not in TYPES:
                name.refuse("this is no type of a field", f"one of {', '.join(TYPES)}")
            fields.append(TYPES[name.value])
            if not self.stream.accept(","):
                break
        self.stream.expect("}")
        first = 1 + sum(c.count for c in self.model.channels)
        variable.channel = Channel(variable.name, capacity, tuple(fields), first, variable.elements)
        self.model.channels.append(variable.channel)

    def add(self, statement: Statement) -> None:
        self.prologue = False
        self.sequence.add(statement)

    def checked(self, run: Run) -> None:
        """A run must name a proctype and give it as many arguments as it has parameters."""

        def check() -> None:
            process = self.model.processes.get(run.process)
            if process is None or process.name == "init":
                run.token.refuse(f"no proctype is called {run.process}", "the name of a proctype")
            elif len(process.parameters) != len(run.arguments):
                run.token.refuse(
                    f"{run.process} takes {len(process.parameters)} arguments, not {len(run.arguments)}",
                    f"{run.process}({', '.join(p.name for p in process.parameters)})",
                )

        for argument in run.arguments:
            self.plain(argument, run.token)
        self.checks.append(check)

    @staticmethod
    def plain(expression: Expr, token: Token) -> None:
        """Refuse a `run` inside a larger expression."""
        if any(isinstance(part, Run) for part in parts(expression)):
            token.refuse("`run` inside an expression", "run NAME(...) as a statement, or x = run NAME(...)")
