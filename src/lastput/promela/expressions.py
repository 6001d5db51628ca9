"""Reading expressions: precedences as in C, names resolved as they are met."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

from lastput.promela.tokens import Token
from lastput.promela.tree import (
    CHAN,
    Binary,
    Conditional,
    Constant,
    Expr,
    Match,
    Model,
    Named,
    Probe,
    Receivable,
    Receive,
    Reference,
    Run,
    Unary,
    Variable,
)

_LEVELS = (
    ("||",), ("&&",), ("|",), ("^",), ("&",), ("==", "!="), ("<", "<=", ">", ">="), ("<<", ">>"), ("+", "-"),
    ("*", "/", "%"),
)  # fmt: skip
_PROBES = ("len", "empty", "nempty", "full", "nfull")
REFUSED = {
    "typedef": "one variable or array for each field",
    "unless": "the escape as an option of each `if` and `do` that it guards",
    "never": "an assertion; for progress see `lastput check --progress`",
    "ltl": "an assertion; for progress see `lastput check --progress`",
    "trace": "an assertion",
    "notrace": "an assertion",
    "provided": "the condition as a guard of each statement",
    "priority": "the model without priorities: every process may always run",
    "D_proctype": "proctype",
    "c_code": "the same in Promela",
    "c_expr": "the same in Promela",
    "c_decl": "the same in Promela",
    "c_state": "the same in Promela",
    "c_track": "the same in Promela",
    "for": "do :: i <= last -> ...; i++ :: else -> break od",
    "select": "do :: x < last -> x++ :: break od",
    "enabled": "the condition itself",
    "pc_value": "a variable that tells where the process is",
    "get_priority": "the model without priorities",
    "set_priority": "the model without priorities",
    "hidden": "a variable without `hidden`",
    "np_": "an assertion; for progress see `lastput check --progress`",
    "_last": "a variable that each process writes",
}
"""Words of Promela that are outside, and what to write instead."""


def fold(operator: str, left: int, right: int) -> int | None:
    """A binary operation on ints, as C does it on 32 bits; None where C gives nothing."""
    match operator:
        case "+" | "-" | "*":
            value = {"+": left + right, "-": left - right, "*": left * right}[operator]
        case "/" | "%":
            if right == 0:
                return None
            value = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
            value = value if operator == "/" else left - value * right
        case "<<" | ">>":
            if not 0 <= right < 32:
                return None
            value = left << right if operator == "<<" else left >> right
        case "&" | "|" | "^":
            value = {"&": left & right, "|": left | right, "^": left ^ right}[operator]
        case _:
            value = int(_COMPARED[operator](left, right))
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "&&": lambda a, b: bool(a) and bool(b),
    "||": lambda a, b: bool(a) or bool(b),
}  # fmt: skip


@dataclass
class Stream:
    """Tokens, and a place among them."""

    tokens: list[Token]
    at: int = 0

    @property
    def token(self) -> Token:
        return self.tokens[self.at]

    def peek(self, further: int = 1) -> str:
        """The value of a later token."""
        return self.tokens[min(self.at + further, len(self.tokens) - 1)].value

    def here(self, *values: str) -> bool:
        """Whether the next token is one of these names or operators."""
        return self.token.kind in ("operator", "name") and self.token.value in values

    def take(self) -> Token:
        """The next token; afterwards the one after it is next."""
        token = self.token
        if token.kind != "end":
            self.at += 1
        return token

    def accept(self, value: str) -> bool:
        """Take the next token if it is this one."""
        found = self.here(value)
        if found:
            self.at += 1
        return found

    def expect(self, value: str) -> Token:
        """Take the next token, which must be this one."""
        if not self.here(value):
            self.wrong(f"`{value}`")
        return self.take()

    def name(self, what: str) -> Token:
        """Take a name."""
        if self.token.kind != "name":
            self.wrong(what)
        return self.take()

    def wrong(self, wanted: str) -> NoReturn:
        """Refuse the next token."""
        token = self.token
        shown = "the end of the file" if token.kind == "end" else f"`{token.value}`"
        if token.value in REFUSED:
            token.refuse(f"`{token.value}` is outside the part of Promela that is read", REFUSED[token.value])
        token.refuse(f"{shown} where {wanted} should be", wanted)


class Expressions:
    """Reads expressions of a model. A parser of the rest adds scopes."""

    def __init__(self, stream: Stream, model: Model) -> None:
        self.stream, self.model = stream, model
        self.scopes: list[dict[str, Variable]] = [{}]
        self.silent = False
        """Whether what is read does not count as read: arguments of printf."""

    def expression(self) -> Expr:
        """A whole expression."""
        return self._binary(0)

    def constant(self) -> int:
        """An expression that is a constant."""
        token = self.stream.token
        found = self.expression()
        if not isinstance(found, Constant):
            token.refuse("this is no constant", "a number, or a macro that is one")
        return found.value

    def _binary(self, level: int) -> Expr:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self.stream.here(*_LEVELS[level]):
            token = self.stream.take()
            right = self._binary(level + 1)
            left = self._folded(token, left, right)
        return left

    def _folded(self, token: Token, left: Expr, right: Expr) -> Expr:
        if isinstance(left, Constant) and isinstance(right, Constant):
            value = fold(token.value, left.value, right.value)
            if value is not None:
                return Constant(value)
        return Binary(token.value, left, right, token)

    def _unary(self) -> Expr:
        stream = self.stream
        if stream.here("!", "-", "~", "!!"):
            operator = stream.take().value
            operand = self._unary()
            if operator == "!!":
                operator, operand = "!", self._negated("!", operand)
            return self._negated(operator, operand)
        return self._primary()

    @staticmethod
    def _negated(operator: str, operand: Expr) -> Expr:
        if isinstance(operand, Constant):
            value = operand.value
            return Constant({"!": int(not value), "-": as_int(-value), "~": ~value}[operator])
        return Unary(operator, operand)

    def _primary(self) -> Expr:
        stream = self.stream
        if stream.accept("("):
            inner = self.expression()
            if stream.accept("->"):
                then = self.expression()
                stream.expect(":")
                inner = Conditional(inner, then, self.expression())
            stream.expect(")")
            return inner
        token = stream.token
        if token.kind == "number":
            stream.take()
            if int(token.value) > (1 << 31) - 1:
                token.refuse("this number is no int", "a number below 2147483648")
            return Constant(int(token.value))
        if token.kind != "name" or token.value in REFUSED:
            stream.wrong("an expression")
        return self._word(token)

    def _word(self, token: Token) -> Expr:
        stream = self.stream
        if token.value in ("true", "false", "skip"):
            stream.take()
            return Constant(int(token.value != "false"))
        if token.value in ("timeout", "_pid", "_nr_pr"):
            stream.take()
            return Named(token.value)  # type: ignore[arg-type]
        if token.value in self.model.mtypes:
            stream.take()
            return Constant(self.model.mtypes.index(token.value) + 1)
        if token.value in _PROBES:
            stream.take()
            stream.expect("(")
            channel = self.channel()
            stream.expect(")")
            return Probe(token.value, channel)
        if token.value == "run":
            return self._run()
        reference = self.reference()
        if self.stream.here("?", "??") and self.stream.peek() == "[":
            return self._receivable(reference)
        return reference

    def _run(self) -> Run:
        token = self.stream.take()
        name = self.stream.name("the name of a proctype")
        self.stream.expect("(")
        arguments: list[Expr] = []
        while not self.stream.here(")"):
            arguments.append(self.expression())
            if not self.stream.accept(","):
                break
        self.stream.expect(")")
        if self.stream.here("priority"):
            self.stream.wrong("`;`")
        return Run(name.value, tuple(arguments), token)

    def _receivable(self, channel: Reference) -> Receivable:
        token = self.stream.take()
        self.stream.expect("[")
        arguments = self.patterns(token, channel)
        self.stream.expect("]")
        return Receivable(Receive(token, channel, arguments, token.value == "??", True))

    def patterns(self, token: Token, channel: Reference) -> tuple[Reference | Match, ...]:
        """The arguments of a receive."""
        found = [self._pattern()]
        while self.stream.here(",", "("):
            opened = self.stream.take().value == "("
            found.append(self._pattern())
            if opened:
                while self.stream.accept(","):
                    found.append(self._pattern())
                self.stream.expect(")")
        self.counted(token, channel, len(found))
        return tuple(found)

    def _pattern(self) -> Reference | Match:
        stream = self.stream
        if stream.accept("eval"):
            stream.expect("(")
            value = self.expression()
            stream.expect(")")
            return Match(value)
        name = stream.token
        if (
            name.kind == "name"
            and name.value not in self.model.mtypes
            and name.value not in ("true", "false")
        ):
            return self.reference()
        return Match(self._unary())

    def counted(self, token: Token, channel: Reference, given: int) -> None:
        """Refuse a message with more or fewer fields than its channel has."""
        declared = channel.variable.channel
        if declared is not None and len(declared.fields) != given:
            token.refuse(
                f"{declared.name} has {len(declared.fields)} fields, not {given}", "as many values as fields"
            )

    def channel(self) -> Reference:
        """A reference to a channel."""
        token = self.stream.token
        found = self.reference()
        if found.variable.type is not CHAN:
            token.refuse(f"{found.variable.name} is no channel", "the name of a `chan`")
        return found

    def reference(self) -> Reference:
        """A variable, or an element of one; counts as read."""
        token = self.stream.name("the name of a variable")
        variable = self.lookup(token)
        index = None
        if self.stream.accept("["):
            index = self.expression()
            self.stream.expect("]")
            if variable.size is None:
                token.refuse(f"{token.value} is no array", f"{token.value} without [...]")
            if isinstance(index, Constant) and not 0 <= index.value < variable.elements:
                token.refuse(f"{token.value} has {variable.elements} elements", "an index below that")
        if self.stream.here("."):
            self.stream.token.refuse(
                "structures are outside the part of Promela that is read", REFUSED["typedef"]
            )
        if not self.silent:
            variable.read = True
        return Reference(variable, index, token)

    def lookup(self, token: Token) -> Variable:
        """The variable of this name, innermost scope first."""
        for scope in reversed(self.scopes):
            if token.value in scope:
                return scope[token.value]
        if token.value in REFUSED:
            self.stream.at -= 1
            self.stream.wrong("a variable")
        token.refuse(f"no variable is called {token.value}", "a name that is declared before")


def as_int(value: int) -> int:
    """`value` as a C int."""
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


def constant(word: Token, condition: list[Token]) -> int:
    """The value of the condition of an #if; a name that is no macro is 0."""
    zeros = [
        Token("number", "0", t.source, t.line, t.column) if t.kind == "name" else t for t in condition
    ]  # fmt: skip
    end = Token("end", "", word.source, word.line, word.column)
    reader = Expressions(Stream([*zeros, end]), Model("", [], [], {}, [], []))
    value = reader.constant()
    if reader.stream.token.kind != "end":
        reader.stream.wrong("the end of the line")
    return value


def parts(expression: Expr) -> list[Expr]:
    """An expression and everything in it."""
    match expression:
        case Reference(index=index) if index is not None:
            below = [index]
        case Unary(operand=operand):
            below = [operand]
        case Binary(left=left, right=right):
            below = [left, right]
        case Conditional(condition=a, then=b, otherwise=c):
            below = [a, b, c]
        case Run(arguments=arguments):
            below = list(arguments)
        case _:
            below = []
    return [expression, *(part for one in below for part in parts(one))]
