"""Promela executed from its parse tree, one step at a time: the oracle, and what replays a counterexample.

It shares the tree with the compiler and nothing else. What a step is: the manual pages of Spin 6.5, and how
Spin's verifier behaves without reductions or statement merging (`spin -a -o1 -o3`, pan compiled with
-DNOREDUCE): a statement is a step; `goto`, `break` and the ends of blocks are none, unless they are the guard
of an option; an atomic block runs on until it ends, blocks, or sends a rendezvous to a process that is not in
an atomic block; a d_step is one step, in which the first option that can be executed is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lastput.promela.expressions import fold
from lastput.promela.tree import (
    Assertion,
    Assign,
    Binary,
    Block,
    Break,
    Choice,
    Condition,
    Conditional,
    Constant,
    Else,
    Expr,
    Goto,
    Match,
    Model,
    Named,
    Print,
    Probe,
    Process,
    Receivable,
    Receive,
    Reference,
    Run,
    Send,
    Sequence,
    Statement,
    Unary,
    Variable,
    block_of,
)

MOST_PROCESSES = 255
MOST_IN_ONE_STEP = 2_000
"""Statements that one step may execute: an atomic block without end is a fault, not a hang."""

Position = Statement | None
"""The statement that a process is at; None: its end."""
Message = tuple[int, ...]
Trail = tuple[tuple[int, Statement | None], ...]
"""What a step executed: (process, statement), in order; None is the end of a process."""


class Fault(Exception):
    """A step breaks a rule: `kind` is assertion, index, division, shift, channel, d_step, endless or
    processes."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Running:
    """One process: its type, where it is, its variables' elements."""

    process: Process
    position: Position
    values: list[list[int]]


@dataclass
class State:
    """A state; `key()` tells states apart."""

    values: list[list[int]]
    channels: list[list[Message]]
    processes: list[Running]

    def copy(self) -> State:
        """A state that can be changed without changing this one."""
        return State(
            [list(v) for v in self.values],
            [list(c) for c in self.channels],
            [Running(p.process, p.position, [list(v) for v in p.values]) for p in self.processes],
        )

    def key(self) -> object:
        """Equal for equal states only."""
        return (
            tuple(map(tuple, self.values)),
            tuple(map(tuple, self.channels)),
            tuple((p.process.name, id(p.position), tuple(map(tuple, p.values))) for p in self.processes),
        )


@dataclass(frozen=True)
class Step:
    """A step: of which process, which of its steps in this state, what it executed, and its end: a state,
    or the fault that it came to."""

    pid: int
    choice: int
    trail: Trail
    state: State | None
    fault: Fault | None


@dataclass
class _Open:
    """A statement of an atomic block that was executed, with what can follow."""

    rest: Iterator[tuple[Trail, State | None, int | None, Fault | None]]
    trail: Trail
    blocked: State | None
    """The state that it led to: a state of its own if nothing can follow."""
    moved: bool = False


class Interpreter:
    """Executes one model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.kept = [v for v in model.variables if v.kept]
        self.place = {id(v): i for i, v in enumerate(self.kept)}
        for process in model.processes.values():
            self.place |= {id(v): i for i, v in enumerate(process.locals)}
        self.capacity = [c.capacity for c in model.channels for _ in range(c.count)]
        self.fields = [c.fields for c in model.channels for _ in range(c.count)]

    # -- states --------------------------------------------------------------------------------------

    def initial(self) -> State:
        """The state before any step."""
        state = State([], [[] for _ in self.capacity], [])
        for variable in self.kept:
            value = variable.initial.value if isinstance(variable.initial, Constant) else 0
            state.values.append([variable.stored.cut(value)] * variable.elements)
        for process in self.model.begin:
            self._start(state, process, [0] * len(process.parameters))
        return state

    def _start(self, state: State, process: Process, arguments: list[int]) -> int:
        """Begin a process; its number."""
        pid = len(state.processes)
        if pid >= MOST_PROCESSES:
            raise Fault("processes", f"more than {MOST_PROCESSES} processes")
        running = Running(process, _resolved(process.body.statements[0], process), [])
        state.processes.append(running)
        running.values = [[0] * v.elements for v in process.locals]
        for values, variable, value in zip(running.values, process.parameters, arguments, strict=False):
            values[0] = variable.stored.cut(value)
        context = _Context(self, state, pid, False)
        for values, variable in zip(running.values, process.locals, strict=True):
            if variable.initial is not None:
                values[:] = [variable.stored.cut(context.value(variable.initial))] * variable.elements
        return pid

    def steps(self, state: State) -> list[Step]:
        """Every step that is possible in a state, by process, in the order of the text."""
        found = list(self._steps(state, False))
        return found or list(self._steps(state, True))

    def _steps(self, state: State, timeout: bool) -> Iterator[Step]:
        for pid in range(len(state.processes)):
            moves = self._moves(state, pid, timeout)
            for choice, (trail, after, fault) in enumerate(moves):
                yield Step(pid, choice, trail, after, fault)

    def stuck(self, state: State) -> list[int]:
        """The processes that may not stop where they are: a state without steps is a deadlock if there are
        any. A process may stop at its end, and where a label begins with `end`."""
        return [
            pid
            for pid, running in enumerate(state.processes)
            if running.position is not None
            and not any(label.startswith("end") for label in running.position.labels)
        ]

    # -- steps ---------------------------------------------------------------------------------------

    def _moves(
        self, state: State, pid: int, timeout: bool
    ) -> Iterator[tuple[Trail, State | None, Fault | None]]:
        """All that a process can do from a state, atomic blocks to their ends, depth first."""
        # Each open atomic step: what is still to try, the state and trail it began with, whether it went on.
        open_steps = [_Open(self._once(state, pid, timeout), (), None)]
        while open_steps:
            last = open_steps[-1]
            found = next(last.rest, None)
            if found is None:
                open_steps.pop()
                if last.blocked is not None and not last.moved:
                    yield last.trail, last.blocked, None
                continue
            last.moved = True
            done, after, mover, fault = found
            trail = (*last.trail, *done)
            if after is None or mover is None:
                yield trail, after, fault
            elif len(trail) > MOST_IN_ONE_STEP:
                told = f"an atomic block of more than {MOST_IN_ONE_STEP} statements"
                yield trail, None, Fault("endless", told)
            else:
                open_steps.append(_Open(self._once(after, mover, False), trail, after))

    def _once(
        self, state: State, pid: int, timeout: bool
    ) -> Iterator[tuple[Trail, State | None, int | None, Fault | None]]:
        """What a process can do next: what is executed, the state, which process goes on at once if any."""
        running = state.processes[pid]
        if running.position is None:
            if pid == len(state.processes) - 1:
                after = state.copy()
                after.processes.pop()
                yield ((pid, None),), after, None, None
            return
        moved = False
        for statement in guards(running.position):
            if isinstance(statement, Else) and moved:
                continue
            try:
                for after, mover, on, done in self._executed(state, pid, statement, timeout):
                    moved = True
                    yield done, after, mover if on else None, None
            except Fault as fault:
                moved = True
                yield ((pid, statement),), None, None, fault

    def _executed(
        self, state: State, pid: int, statement: Statement, timeout: bool
    ) -> Iterator[tuple[State, int, bool, Trail]]:
        """What comes of one statement: the state, whose turn it is, whether it goes on at once."""
        context = _Context(self, state, pid, timeout)
        if isinstance(statement, Send):
            channel = context.channel(statement.channel)
            if self.capacity[channel] == 0:
                yield from self._handshakes(state, pid, statement, channel, context)
                return
        if not context.enabled(statement):
            return
        after = state.copy()
        self._perform(after, pid, statement, timeout)
        process = after.processes[pid].process
        after.processes[pid].position, on = follow(statement, process)
        yield after, pid, on, ((pid, statement),)

    def _perform(self, state: State, pid: int, statement: Statement, timeout: bool) -> None:
        """Change `state` as an enabled statement does; not the position."""
        context = _Context(self, state, pid, timeout)
        match statement:
            case Condition(expression=Run() as run):
                self._run(context, run)
            case Assign(target=target, value=value):
                new = self._run(context, value) if isinstance(value, Run) else context.value(value)
                context.store(target, new)
            case Assertion(condition=condition):
                if not context.value(condition):
                    raise Fault("assertion", f"assertion violated: {statement.text}")
            case Send():
                self._send(context, statement)
            case Receive():
                self._receive(context, statement)
            case Block():
                self._d_step(state, pid, statement, timeout)

    def _run(self, context: _Context, run: Run) -> int:
        arguments = [context.value(a) for a in run.arguments]
        return self._start(context.state, self.model.processes[run.process], arguments)

    def _send(self, context: _Context, statement: Send) -> None:
        channel = context.channel(statement.channel)
        message = self._message(context, statement, channel)
        queue = context.state.channels[channel]
        place = len(queue)
        if statement.ordered:
            place = next((i for i, other in enumerate(queue) if other >= message), place)
        queue.insert(place, message)

    def _message(self, context: _Context, statement: Send, channel: int) -> Message:
        values = [context.value(a) for a in statement.arguments]
        if len(values) != len(self.fields[channel]):
            raise Fault("channel", "a message of the wrong number of fields")
        return tuple(field.cut(v) for field, v in zip(self.fields[channel], values, strict=True))

    def _receive(self, context: _Context, statement: Receive) -> None:
        channel = context.channel(statement.channel)
        place = context.found(statement, channel)
        assert place is not None, "an enabled receive finds a message"
        message = context.state.channels[channel][place]
        if not statement.keep:
            del context.state.channels[channel][place]
        context.assign(statement, message)

    def _handshakes(
        self, state: State, pid: int, statement: Send, channel: int, context: _Context
    ) -> Iterator[tuple[State, int, bool, Trail]]:
        """A rendezvous: the sender's statement with that of each process that can receive."""
        message = self._message(context, statement, channel)
        sent = state.copy()
        sent.processes[pid].position, _ = follow(statement, sent.processes[pid].process)
        for other, running in enumerate(sent.processes):
            if other == pid or running.position is None:
                continue
            for receive in guards(running.position):
                if not isinstance(receive, Receive) or receive.keep:
                    continue
                there = _Context(self, sent, other, False)
                if there.channel(receive.channel) != channel or not there.matches(receive, message):
                    continue
                after = sent.copy()
                _Context(self, after, other, False).assign(receive, message)
                after.processes[other].position, on = follow(receive, running.process)
                yield after, other, on, ((pid, statement), (other, receive))

    def _d_step(self, state: State, pid: int, block: Block, timeout: bool) -> None:
        position: Position = block.body.statements[0]
        process = state.processes[pid].process
        context = _Context(self, state, pid, timeout)
        for _ in range(MOST_IN_ONE_STEP):
            if position is None or not _within(position, block):
                return
            options = guards(position)
            taken = next((s for s in options if context.enabled(s) and not isinstance(s, Else)), None)
            taken = taken or next((s for s in options if isinstance(s, Else)), None)
            if taken is None:
                raise Fault("d_step", f"a d_step blocks in line {position.line}")
            self._perform(state, pid, taken, timeout)
            position, _ = follow(taken, process)
        raise Fault("endless", f"a d_step of more than {MOST_IN_ONE_STEP} statements")


class _Context:
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
                return int(not value) if operator == "!" else _int(-value if operator == "-" else ~value)
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


# -- where control goes ------------------------------------------------------------------------------


def guards(position: Statement) -> list[Statement]:
    """The statements that may come next where a process is at `position`."""
    match position:
        case Choice(options=options):
            return [s for option in options for s in guards(option.statements[0])]
        case Block(kind=kind, body=body) if kind != "d_step":
            return guards(body.statements[0])
    return [position]


def follow(statement: Statement, process: Process) -> tuple[Position, bool]:
    """Where a process is after a statement, and whether it is still in an atomic block that it has not
    left on the way."""
    atomic = block_of(statement, "atomic")
    here: Statement = statement
    for _ in range(MOST_IN_ONE_STEP):
        if isinstance(here, Goto):
            to: Position = process.labels[here.label]
            if atomic is not None:
                atomic = block_of(process.labels[here.label], "atomic")
        elif isinstance(here, Break):
            to = _beyond(here.loop)
        else:
            to = _beyond(here)
        if atomic is not None and (to is None or not _within(to, atomic)):
            atomic = None
        if to is None or not isinstance(to, Goto | Break):
            return to, atomic is not None
        here = to
    raise AssertionError("the parser refuses a goto to itself")


def _beyond(statement: Statement) -> Position:
    """The statement after one that is done, without regard to what it is."""
    sequence: Sequence = statement.parent
    if statement.place + 1 < len(sequence.statements):
        return sequence.statements[statement.place + 1]
    owner = sequence.owner
    if owner is None:
        return None
    if isinstance(owner, Choice) and owner.repeats:
        return owner
    return _beyond(owner)


def _resolved(statement: Statement, process: Process) -> Position:
    """Where a process is that would be at `statement`."""
    return follow(statement, process)[0] if isinstance(statement, Goto | Break) else statement


def _within(statement: Statement, block: Block) -> bool:
    owner = statement.parent.owner
    while owner is not None and owner is not block:
        owner = owner.parent.owner
    return owner is block


def _int(value: int) -> int:
    return (value + (1 << 31)) % (1 << 32) - (1 << 31)


__all__ = ["Fault", "Interpreter", "Print", "State", "Step", "Trail"]
