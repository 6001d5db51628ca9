"""Reading statements, the sequences that they stand in, and calls of inlines, which are text."""

from __future__ import annotations

from lastput.promela.declarations import DECLARES, Declarations
from lastput.promela.tokens import Token
from lastput.promela.tree import (
    CHAN,
    Assertion,
    Assign,
    Binary,
    Block,
    Break,
    Choice,
    Condition,
    Constant,
    Else,
    Expr,
    Goto,
    Match,
    Print,
    Receive,
    Reference,
    Run,
    Send,
    Sequence,
    Statement,
    walk,
)

MOST_INLINES = 50
"""Calls inside of calls; Spin allows 16 (`MAXINL`)."""
_END_OF_SEQUENCE = ("}", "fi", "od", "::")


class Sentences(Declarations):
    """Reads sequences of statements."""

    def sequence_(self) -> None:
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
            elif stream.here(*DECLARES) and not (stream.here("mtype") and stream.peek() == "="):
                self.declarations()
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

    def _statement(self) -> None:
        labels = []
        while self.stream.token.kind == "name" and self.stream.peek() == ":":
            labels.append(self.stream.take())
            self.stream.take()
        before = len(self.sequence.statements)
        if labels and (self.stream.here(";", *_END_OF_SEQUENCE) or self.stream.token.kind == "end"):
            self.add(Condition(labels[-1], Constant(1)))
        elif labels and self.stream.here(*DECLARES):
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
            self.add(skip)
            self.add(statement)
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
            self.add(Goto(token, stream.name("a label").value))
        elif stream.accept("break"):
            if not self.loops:
                token.refuse("break outside a loop", "break inside do ... od")
            self.add(Break(token, self.loops[-1]))
        elif stream.accept("else"):
            if self.sequence.statements or not isinstance(self.sequence.owner, Choice):
                token.refuse("else is not the guard of an option", ":: else -> ...")
            self.add(Else(token))
        elif stream.accept("assert"):
            self._assertion(token)
        elif stream.here("printf", "printm"):
            self._print(token)
        elif stream.here("skip") and not stream.here("skip" + "("):
            stream.take()
            self.add(Condition(token, Constant(1)))
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
        if self.depth == MOST_INLINES or len(stream.tokens) > 2_000_000:
            name.refuse("inlines call each other without end", "a loop")
        stream.tokens[begin : stream.at] = placed
        stream.at = begin
        self.depth += 1
        self._block(stream.token)
        self.depth -= 1

    def _choice(self, token: Token) -> None:
        stream = self.stream
        repeats = stream.take().value == "do"
        choice = Choice(token, repeats)
        self.add(choice)
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
        self.add(block)
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
        self.sequence_()
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
        self.plain(condition, token)
        self.add(Assertion(token, condition, text))

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
        self.add(Print(token))

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
            self.plain(condition, token)
        else:
            self.checked(condition)
        self.add(Condition(token, condition))

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
                self.checked(value)
            else:
                self.plain(value, token)
        else:
            value = Binary(operator[0], target, Constant(1), token)
        self.add(Assign(token, target, value))

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
            self.plain(value, token)
        self.add(Send(token, channel, tuple(found), ordered))

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
                self.plain(pattern.value, token)
        self.add(Receive(token, channel, found, anywhere, keep))

    @staticmethod
    def _is_channel(reference: Reference) -> None:
        if reference.variable.type is not CHAN:
            reference.token.refuse(f"{reference.variable.name} is no channel", "the name of a `chan`")


def _shown(tokens: list[Token]) -> str:
    """An expression as text, on one line, without the brackets around it."""
    text = " ".join(token.value for token in tokens)
    for tight in ("[ ", "( ", " ]", " )", " [", "! "):
        text = text.replace(tight, tight.strip())
    inner = text[1:-1] if text.startswith("(") and text.endswith(")") else text
    return inner if ")" not in inner.partition("(")[0] else text
