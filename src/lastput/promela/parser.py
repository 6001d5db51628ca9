"""Reading a model: declarations, processes, statements. What is outside the part that is read is refused
with its place and a remedy; nothing is passed over that would change a state or a step.

Grammar: G. J. Holzmann, "The Spin Model Checker" (Addison-Wesley 2003), appendix A, and the manual pages
of Spin 6.5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from lastput.promela.expressions import REFUSED, Expressions, Stream
from lastput.promela.macros import expanded
from lastput.promela.tokens import Token
from lastput.promela.tree import (
    CHAN,
    INT,
    TYPES,
    Assertion,
    Assign,
    Binary,
    Block,
    Break,
    Channel,
    Choice,
    Condition,
    Constant,
    Else,
    Expr,
    Goto,
    Match,
    Model,
    Print,
    Process,
    Receive,
    Reference,
    Run,
    Send,
    Sequence,
    Statement,
    Type,
    Variable,
    walk,
)

_MOST_PROCESSES = 255
_MOST_ELEMENTS = 1 << 16
_END_OF_SEQUENCE = ("}", "fi", "od", "::")
_DECLARES = (*TYPES, "unsigned", "local", "show", "hidden")


def parse(path: Path, defines: dict[str, str] | None = None) -> Model:
    """Read a model. ModelError with the place for what is wrong or outside; UsageError for no file."""
    found = expanded(path, defines)
    last = found[-1] if found else None
    if last is None:
        from lastput.promela.tokens import Text

        last = Token("end", "", Text(str(path), ("",)), 1, 0)
    return _Parser(Stream([*found, replace(last, kind="end", value="")]), path.name).model_()


class _Parser(Expressions):
    def __init__(self, stream: Stream, name: str) -> None:
        super().__init__(stream, Model(name, [], [], {}, [], []))
        self.inlines: dict[str, tuple[list[str], list[Token]]] = {}
        self.process: Process | None = None
        self.sequence = Sequence(None)
        self.loops: list[Choice] = []
        self.prologue = False
        """Whether declarations still initialise, as at the beginning of a body, rather than assign."""
        self.checks: list[Callable[[], None]] = []
        """What can only be said when all is read."""

    def model_(self) -> Model:
        """The whole file."""
        while self.stream.token.kind != "end":
            self._unit()
        if not self.model.processes:
            self.stream.token.refuse(
                "this model has no process", "init { ... } or active proctype NAME() { ... }"
            )
        if not self.model.begin:
            self.stream.token.refuse("no process is active", "init { ... } or active proctype")
        for check in self.checks:
            check()
        hidden = [v.name for v in self.model.variables if not v.kept and v.channel is None]
        if hidden:
            self.model.notes.append(f"never read, so not part of a state: {', '.join(hidden)}")
        return self.model

    # -- units ---------------------------------------------------------------------------------------

    def _unit(self) -> None:
        stream = self.stream
        if stream.here(";"):
            stream.take()
        elif stream.here("mtype") and stream.peek() in ("=", "{"):
            self._mtypes()
        elif stream.here(*_DECLARES):
            self._declarations()
        elif stream.here("inline"):
            self._inline()
        elif stream.here("init"):
            token = stream.take()
            self._process(Process("init", token, active=1))
        elif stream.here("active", "proctype"):
            self._proctype()
        else:
            stream.wrong("a declaration, proctype or init")

    def _mtypes(self) -> None:
        self.stream.take()
        self.stream.accept("=")
        self.stream.expect("{")
        names = [self.stream.name("a name").value]
        while self.stream.accept(",") or not self.stream.here("}"):
            names.append(self.stream.name("a name").value)
        self.stream.expect("}")
        # Spin numbers a list from its end.
        self.model.mtypes += reversed(names)

    def _inline(self) -> None:
        stream = self.stream
        stream.take()
        name = stream.name("a name")
        stream.expect("(")
        parameters = []
        while not stream.here(")"):
            parameters.append(stream.name("a parameter").value)
            if not stream.accept(","):
                break
        stream.expect(")")
        if not stream.here("{"):
            stream.wrong("`{`")
        begin, depth = stream.at, 0
        while True:
            token = stream.take()
            if token.kind == "end":
                name.refuse("this inline has no end", "}")
            depth += token.kind == "operator" and token.value == "{"
            depth -= token.kind == "operator" and token.value == "}"
            if depth == 0:
                break
        self.inlines[name.value] = parameters, stream.tokens[begin : stream.at]

    def _proctype(self) -> None:
        stream = self.stream
        count = 0
        if stream.accept("active"):
            count = 1
            if stream.accept("["):
                count = self.constant()
                stream.expect("]")
        if not stream.here("proctype"):
            stream.wrong("proctype")
        stream.take()
        name = stream.name("the name of a proctype")
        if name.value in self.model.processes:
            name.refuse(f"there are two proctypes {name.value}", "another name")
        process = Process(name.value, name, active=count)
        if count + len(self.model.begin) > _MOST_PROCESSES:
            name.refuse(f"more than {_MOST_PROCESSES} processes", "fewer")
        self.process = process
        self.scopes.append({})
        stream.expect("(")
        while not stream.here(")"):
            self._declarations(parameters=True)
            if not stream.accept(";") and not stream.accept(","):
                break
        stream.expect(")")
        process.parameters = list(process.locals)
        self._process(process)
        self.scopes.pop()

    def _process(self, process: Process) -> None:
        stream = self.stream
        if stream.here("priority", "provided"):
            stream.wrong("`{`")
        self.model.processes[process.name] = self.process = process
        self.sequence, self.loops, self.prologue = process.body, [], True
        stream.expect("{")
        self.scopes.append({})
        self._sequence()
        self.scopes.pop()
        stream.expect("}")
        for statement in walk(process.body):
            for label in statement.labels:
                if label in process.labels:
                    statement.token.refuse(f"label {label} is there twice", "another name")
                process.labels[label] = statement
        for statement in walk(process.body):
            if isinstance(statement, Goto) and statement.label not in process.labels:
                statement.token.refuse(
                    f"no label {statement.label} in {process.name}", "a label of this process"
                )
        self.process = None

    # -- declarations --------------------------------------------------------------------------------

    def _declarations(self, parameters: bool = False) -> None:
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
            self._add(Assign(name, Reference(variable, None, name), value))

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
        self._plain(variable.initial, token)
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

    # -- statements ----------------------------------------------------------------------------------

    def _sequence(self) -> None:
        """Statements up to the end of what is around them."""
        stream = self.stream
        begin = len(self.sequence.statements)
        free = True  # whether another statement may follow
        while not stream.here(*_END_OF_SEQUENCE) and stream.token.kind != "end":
            if stream.here(";", "->"):
                stream.take()
                free = True
                continue
            if not free:
                stream.wrong("`;`")
            if stream.here("xr", "xs"):
                self._exclusive()
            elif stream.here(*_DECLARES) and not (stream.here("mtype") and stream.peek() == "="):
                self._declarations()
            else:
                self._statement()
            free = stream.tokens[stream.at - 1].value in ("}", "fi", "od")
        if len(self.sequence.statements) == begin:
            stream.wrong("a statement")
        self._without_skips()

    def _exclusive(self) -> None:
        word = self.stream.take().value
        self.channel()
        while self.stream.accept(","):
            self.channel()
        self.model.notes.append(f"`{word}` has no effect here: it is for partial-order reduction")

    def _without_skips(self) -> None:
        """Spin drops every `skip` after a skip inside an option, unless it is labelled or the last."""
        if not isinstance(self.sequence.owner, Choice):
            return
        kept: list[Statement] = []
        run = 0
        for place, statement in enumerate(self.sequence.statements):
            skip = isinstance(statement, Condition) and isinstance(statement.expression, Constant)
            skip = skip and statement.expression.value == 1  # type: ignore[attr-defined]
            run = run + 1 if (skip or isinstance(statement, Print)) and not statement.labels else 0
            if run > 1 and skip and 0 < place < len(self.sequence.statements) - 1:
                continue
            kept.append(statement)
        self.sequence.statements = []
        for statement in kept:
            self.sequence.add(statement)

    def _add(self, statement: Statement) -> None:
        self.prologue = False
        self.sequence.add(statement)

    def _statement(self) -> None:
        labels = []
        while self.stream.token.kind == "name" and self.stream.peek() == ":":
            labels.append(self.stream.take())
            self.stream.take()
        before = len(self.sequence.statements)
        if labels and (self.stream.here(";", *_END_OF_SEQUENCE) or self.stream.token.kind == "end"):
            self._add(Condition(labels[-1], Constant(1)))
        elif labels and self.stream.here(*_DECLARES):
            labels[0].refuse("a label stands before a declaration", "the label before a statement")
        else:
            self._unlabelled()
        if not labels:
            return
        self._label(labels, before)

    def _label(self, labels: list[Token], before: int) -> None:
        statement = self.sequence.statements[before]
        names = [t.value for t in labels]
        special = any(name.startswith(("end", "progress", "accept")) for name in names)
        owner = self.sequence.owner
        if before == 0 and (isinstance(owner, Block | Choice)):
            labels[0].refuse(
                "a label stands before the first statement of a block or option", "the label before the block"
            )
        if special and isinstance(statement, Goto | Break):
            # Spin puts a skip there, so that the label has a state of its own.
            del self.sequence.statements[before]
            skip = Condition(labels[0], Constant(1))
            self._add(skip)
            self._add(statement)
            statement = skip
        statement.labels += names
        for name in names:
            if name.startswith(("progress", "accept")):
                self.model.notes.append(f"label {name} has no effect here")

    def _unlabelled(self) -> None:
        stream, token = self.stream, self.stream.token
        if token.value in self.inlines and token.kind == "name":
            self._call(token)
        elif stream.here("if", "do"):
            self._choice(token)
        elif stream.here("{", "atomic", "d_step"):
            self._block(token)
        elif stream.accept("goto"):
            self._add(Goto(token, stream.name("a label").value))
        elif stream.accept("break"):
            if not self.loops:
                token.refuse("break outside a loop", "break inside do ... od")
            self._add(Break(token, self.loops[-1]))
        elif stream.accept("else"):
            if self.sequence.statements or not isinstance(self.sequence.owner, Choice):
                token.refuse("else is not the guard of an option", ":: else -> ...")
            self._add(Else(token))
        elif stream.accept("assert"):
            self._assertion(token)
        elif stream.here("printf", "printm"):
            self._print(token)
        elif stream.here("skip") and not stream.here("skip" + "("):
            stream.take()
            self._add(Condition(token, Constant(1)))
        else:
            self._simple(token)
        if stream.here("unless"):
            stream.wrong("`;`")

    def _call(self, name: Token) -> None:
        """An inline, as the text that it is, with its arguments in place of its parameters."""
        stream = self.stream
        parameters, body = self.inlines[name.value]
        begin = stream.at
        stream.take()
        stream.expect("(")
        given: list[list[Token]] = [[]] if not stream.here(")") else []
        depth = 0
        while depth or not stream.here(")"):
            token = stream.take()
            if token.kind == "end":
                name.refuse("this call has no end", ")")
            depth += token.kind == "operator" and token.value in "(["
            depth -= token.kind == "operator" and token.value in ")]"
            if token.value == "," and depth == 0:
                given.append([])
            else:
                given[-1].append(token)
        stream.expect(")")
        if len(given) != len(parameters):
            name.refuse(f"{name.value} takes {len(parameters)} arguments, not {len(given)}", "as many")
        named = dict(zip(parameters, given, strict=True))
        placed: list[Token] = []
        for token in body:
            placed += named.get(token.value, [token]) if token.kind == "name" else [token]
        if len(stream.tokens) > 2_000_000:
            name.refuse("inlines call each other without end", "a loop")
        stream.tokens[begin : stream.at] = placed
        stream.at = begin
        self._block(stream.token)

    def _choice(self, token: Token) -> None:
        stream = self.stream
        repeats = stream.take().value == "do"
        choice = Choice(token, repeats)
        self._add(choice)
        if repeats:
            self.loops.append(choice)
        if not stream.here("::"):
            stream.wrong("`::`")
        while stream.accept("::"):
            option = Sequence(choice)
            self._inside(option)
            choice.options.append(option)
        stream.expect("od" if repeats else "fi")
        if repeats:
            self.loops.pop()
        elses = [o for o in choice.options if isinstance(o.statements[0], Else)]
        if len(elses) > 1:
            elses[1].statements[0].token.refuse("a second else", "one else")
        choice.options.sort(key=lambda option: option in elses)

    def _block(self, token: Token) -> None:
        kind = "plain" if token.value == "{" else token.value
        if kind != "plain":
            self.stream.take()
        block = Block(token, kind)  # type: ignore[arg-type]
        self._add(block)
        block.body = Sequence(block)
        self.stream.expect("{")
        self.scopes.append({})
        self._inside(block.body)
        self.scopes.pop()
        self.stream.expect("}")
        if kind == "d_step":
            self.checks.append(lambda: self._d_step(block))

    def _inside(self, sequence: Sequence) -> None:
        outer, self.sequence = self.sequence, sequence
        self.prologue = False
        self._sequence()
        self.sequence = outer

    def _d_step(self, block: Block) -> None:
        """Refuse what a d_step must not have: a rendezvous, or a way out but its end."""
        inner = list(walk(block.body))
        for statement in inner:
            if isinstance(statement, Send | Receive):
                channel = statement.channel.variable.channel
                if channel is None or channel.capacity == 0:
                    statement.token.refuse(
                        "a rendezvous in a d_step", "atomic, or a channel that holds messages"
                    )
            if isinstance(statement, Break) and statement.loop not in inner:
                statement.token.refuse("a break out of a d_step", "atomic")
            if isinstance(statement, Goto) and not any(statement.label in other.labels for other in inner):
                statement.token.refuse("a goto out of a d_step", "the goto after the d_step, or atomic")

    def _assertion(self, token: Token) -> None:
        begin = self.stream.at
        condition = self.expression()
        text = _shown(self.stream.tokens[begin : self.stream.at])
        self._plain(condition, token)
        self._add(Assertion(token, condition, text))

    def _print(self, token: Token) -> None:
        self.stream.take()
        self.stream.expect("(")
        self.silent = True
        if self.stream.token.kind == "string":
            self.stream.take()
        else:
            self.expression()
        while self.stream.accept(","):
            self.expression()
        self.silent = False
        self.stream.expect(")")
        self._add(Print(token))

    def _simple(self, token: Token) -> None:
        """An assignment, a send, a receive, or an expression."""
        if token.kind == "name" and self._is_variable(token):
            begin = self.stream.at
            read = self.lookup(token).read
            reference = self.reference()
            if self.stream.here("=", "++", "--"):
                reference.variable.read = read
                self._assignment(token, reference)
                return
            if self.stream.here("!", "!!"):
                self._send(token, reference)
                return
            if self.stream.here("?", "??") and self.stream.peek() != "[":
                self._receive(token, reference)
                return
            self.stream.at = begin
        condition = self.expression()
        if not isinstance(condition, Run):
            self._plain(condition, token)
        else:
            self._checked(condition)
        self._add(Condition(token, condition))

    def _is_variable(self, token: Token) -> bool:
        return any(token.value in scope for scope in self.scopes)

    def _assignment(self, token: Token, target: Reference) -> None:
        operator = self.stream.take().value
        if target.variable.channel is not None:
            token.refuse(f"{token.value} is a channel for good", "a `chan` variable without initialiser")
        value: Expr
        if operator == "=":
            if self.stream.token.value in self.inlines:
                self.stream.token.refuse("an inline that returns a value", "an inline that assigns it")
            value = self.expression()
            if isinstance(value, Run):
                self._checked(value)
            else:
                self._plain(value, token)
        else:
            value = Binary(operator[0], target, Constant(1), token)
        self._add(Assign(token, target, value))

    def _send(self, token: Token, channel: Reference) -> None:
        ordered = self.stream.take().value == "!!"
        self._is_channel(channel)
        found = [self.expression()]
        while self.stream.here(",", "("):
            opened = self.stream.take().value == "("
            found.append(self.expression())
            if opened:
                while self.stream.accept(","):
                    found.append(self.expression())
                self.stream.expect(")")
        self.counted(token, channel, len(found))
        for value in found:
            self._plain(value, token)
        self._add(Send(token, channel, tuple(found), ordered))

    def _receive(self, token: Token, channel: Reference) -> None:
        anywhere = self.stream.take().value == "??"
        self._is_channel(channel)
        keep = self.stream.accept("<")
        found = self.patterns(token, channel)
        if keep:
            self.stream.expect(">")
        for pattern in found:
            if isinstance(pattern, Reference) and pattern.variable.channel is not None:
                pattern.token.refuse("a channel for good receives nothing", "a `chan` without initialiser")
            if isinstance(pattern, Match):
                self._plain(pattern.value, token)
        self._add(Receive(token, channel, found, anywhere, keep))

    @staticmethod
    def _is_channel(reference: Reference) -> None:
        if reference.variable.type is not CHAN:
            reference.token.refuse(f"{reference.variable.name} is no channel", "the name of a `chan`")

    def _checked(self, run: Run) -> None:
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
            self._plain(argument, run.token)
        self.checks.append(check)

    @staticmethod
    def _plain(expression: Expr, token: Token) -> None:
        """Refuse a `run` inside a larger expression."""
        if any(isinstance(part, Run) for part in parts(expression)):
            token.refuse("`run` inside an expression", "run NAME(...) as a statement, or x = run NAME(...)")


def _shown(tokens: list[Token]) -> str:
    """An expression as text, on one line, without the brackets around it."""
    text = " ".join(token.value for token in tokens)
    for tight in ("[ ", "( ", " ]", " )", " [", "! "):
        text = text.replace(tight, tight.strip())
    inner = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    return inner if ")" not in inner.partition("(")[0] else text


def parts(expression: Expr) -> list[Expr]:
    """An expression and everything in it."""
    from lastput.promela import tree

    match expression:
        case tree.Reference(index=index) if index is not None:
            below = [index]
        case tree.Unary(operand=operand):
            below = [operand]
        case tree.Binary(left=left, right=right):
            below = [left, right]
        case tree.Conditional(condition=a, then=b, otherwise=c):
            below = [a, b, c]
        case tree.Run(arguments=arguments):
            below = list(arguments)
        case _:
            below = []
    return [expression, *(part for one in below for part in parts(one))]


__all__ = ["REFUSED", "parse", "parts"]
