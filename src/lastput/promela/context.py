"""Values as one process sees them: what the interpreter needs of expressions, variables and channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lastput.promela.control import guards
from lastput.promela.expressions import as_int, fold
from lastput.promela.state import Fault, Message, State
from lastput.promela.tree import (
    Binary,
    Block,
    Condition,
    Conditional,
    Constant,
    Else,
    Expr,
    Match,
    Named,
    Probe,
    Receivable,
    Receive,
    Reference,
    Run,
    Send,
    Statement,
    Unary,
    Variable,
)

if TYPE_CHECKING:
    from lastput.promela.interpreter import Interpreter


class Context:
    """Values as one process sees them in one state."""

    def __init__(self, interpreter: Interpreter, state: State, pid: int, timeout: bool) -> None:
        self.interpreter, self.state, self.pid, self.timeout = interpreter, state, pid, timeout

    def _cells(self, variable: Variable) -> list[int]:
        if not variable.kept:
            return [0] * variable.elements
        place = self.interpreter.place[id(variable)]
        return (self.state.processes[self.pid].values if variable.owner else self.state.values)[place]

    def _index(self, reference: Reference) -> int:
        index = 0 if reference.index is None else self.value(reference.index)
        if not 0 <= index < reference.variable.elements:
            name = reference.variable.name
            raise Fault("index", f"{name}[{index}], but {name} has {reference.variable.elements} elements")
        return index

    def store(self, target: Reference, value: int) -> None:
        """Assign, cut to the variable's type."""
        self._cells(target.variable)[self._index(target)] = target.variable.stored.cut(value)

    def channel(self, reference: Reference) -> int:
        """The number of a channel, from 0."""
        value = self.value(reference)
        if not 1 <= value <= len(self.interpreter.capacity):
            raise Fault("channel", f"{reference.variable.name} is no channel yet")
        return value - 1

    def value(self, expression: Expr) -> int:
        """The value of an expression, a C int."""
        match expression:
            case Constant(value=value):
                return value
            case Reference(variable=variable):
                index = self._index(expression)
                if variable.channel is not None:
                    return variable.channel.first + index
                return self._cells(variable)[index]
            case Unary(operator=operator, operand=operand):
                value = self.value(operand)
                return int(not value) if operator == "!" else as_int(-value if operator == "-" else ~value)
            case Binary():
                return self._binary(expression)
            case Conditional(condition=condition, then=then, otherwise=otherwise):
                return self.value(then if self.value(condition) else otherwise)
            case Probe(what=what, channel=reference):
                return self._probe(what, self.channel(reference))
            case Receivable(receive=receive):
                return int(self.found(receive, self.channel(receive.channel)) is not None)
            case Named(what=what):
                return {"timeout": int(self.timeout), "_pid": self.pid, "_nr_pr": len(self.state.processes)}[
                    what
                ]
        raise AssertionError("`run` is no value")

    def _binary(self, expression: Binary) -> int:
        left = self.value(expression.left)
        if expression.operator == "&&" and not left:
            return 0
        if expression.operator == "||" and left:
            return 1
        value = fold(expression.operator, left, self.value(expression.right))
        if value is None:
            kind = "division" if expression.operator in "/%" else "shift"
            raise Fault(
                kind, "division by zero" if kind == "division" else "shift by less than 0 or more than 31"
            )
        return value

    def _probe(self, what: str, channel: int) -> int:
        length, capacity = len(self.state.channels[channel]), self.interpreter.capacity[channel]
        if what == "len":
            return length
        return int(
            {"empty": length == 0, "nempty": length > 0}.get(what, (length == capacity) == (what == "full"))
        )

    def found(self, receive: Receive, channel: int) -> int | None:
        """Where in the channel the message is that a receive would take."""
        queue = self.state.channels[channel]
        places = range(len(queue) if receive.anywhere else min(1, len(queue)))
        return next((i for i in places if self.matches(receive, queue[i])), None)

    def matches(self, receive: Receive, message: Message) -> bool:
        """Whether every constant of a receive is the message's field."""
        if len(receive.arguments) != len(message):
            raise Fault("channel", "a receive of the wrong number of fields")
        pairs = zip(receive.arguments, message, strict=True)
        return all(self.value(a.value) == field for a, field in pairs if isinstance(a, Match))

    def assign(self, receive: Receive, message: Message) -> None:
        """Put a message's fields into the variables of a receive."""
        for argument, field in zip(receive.arguments, message, strict=True):
            if isinstance(argument, Reference):
                self.store(argument, field)

    def enabled(self, statement: Statement) -> bool:
        """Whether a statement can be executed; a rendezvous is asked for elsewhere."""
        match statement:
            case Condition(expression=expression):
                return isinstance(expression, Run) or self.value(expression) != 0
            case Send(channel=channel):
                number = self.channel(channel)
                return len(self.state.channels[number]) < self.interpreter.capacity[number]
            case Receive(channel=channel):
                return self.found(statement, self.channel(channel)) is not None
            case Block(body=body):
                options = guards(body.statements[0])
                return any(isinstance(s, Else) or self.enabled(s) for s in options)
        return True
