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

from lastput.promela.context import Context
from lastput.promela.control import follow, guards, resolved, within
from lastput.promela.state import (
    MOST_IN_ONE_STEP,
    MOST_PROCESSES,
    Fault,
    Message,
    Position,
    Running,
    State,
    Step,
    Trail,
)
from lastput.promela.tree import (
    Assertion,
    Assign,
    Block,
    Condition,
    Constant,
    Else,
    Model,
    Process,
    Receive,
    Run,
    Send,
    Statement,
)


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
        running = Running(process, resolved(process.body.statements[0], process), [])
        state.processes.append(running)
        running.values = [[0] * v.elements for v in process.locals]
        for values, variable, value in zip(running.values, process.parameters, arguments, strict=False):
            values[0] = variable.stored.cut(value)
        context = Context(self, state, pid, False)
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
        context = Context(self, state, pid, timeout)
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
        context = Context(self, state, pid, timeout)
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

    def _run(self, context: Context, run: Run) -> int:
        arguments = [context.value(a) for a in run.arguments]
        return self._start(context.state, self.model.processes[run.process], arguments)

    def _send(self, context: Context, statement: Send) -> None:
        channel = context.channel(statement.channel)
        message = self._message(context, statement, channel)
        queue = context.state.channels[channel]
        place = len(queue)
        if statement.ordered:
            place = next((i for i, other in enumerate(queue) if other >= message), place)
        queue.insert(place, message)

    def _message(self, context: Context, statement: Send, channel: int) -> Message:
        values = [context.value(a) for a in statement.arguments]
        if len(values) != len(self.fields[channel]):
            raise Fault("channel", "a message of the wrong number of fields")
        return tuple(field.cut(v) for field, v in zip(self.fields[channel], values, strict=True))

    def _receive(self, context: Context, statement: Receive) -> None:
        channel = context.channel(statement.channel)
        place = context.found(statement, channel)
        assert place is not None, "an enabled receive finds a message"
        message = context.state.channels[channel][place]
        if not statement.keep:
            del context.state.channels[channel][place]
        context.assign(statement, message)

    def _handshakes(
        self, state: State, pid: int, statement: Send, channel: int, context: Context
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
                there = Context(self, sent, other, False)
                if there.channel(receive.channel) != channel or not there.matches(receive, message):
                    continue
                after = sent.copy()
                Context(self, after, other, False).assign(receive, message)
                after.processes[other].position, on = follow(receive, running.process)
                yield after, other, on, ((pid, statement), (other, receive))

    def _d_step(self, state: State, pid: int, block: Block, timeout: bool) -> None:
        position: Position = block.body.statements[0]
        process = state.processes[pid].process
        context = Context(self, state, pid, timeout)
        for _ in range(MOST_IN_ONE_STEP):
            if position is None or not within(position, block):
                return
            options = guards(position)
            taken = next((s for s in options if context.enabled(s) and not isinstance(s, Else)), None)
            taken = taken or next((s for s in options if isinstance(s, Else)), None)
            if taken is None:
                raise Fault("d_step", f"a d_step blocks in line {position.line}")
            self._perform(state, pid, taken, timeout)
            position, _ = follow(taken, process)
        raise Fault("endless", f"a d_step of more than {MOST_IN_ONE_STEP} statements")
