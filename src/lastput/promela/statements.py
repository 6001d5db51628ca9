"""LLVM code for what a statement does to a packed state; where control goes is the business of `code`."""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir as ll

from lastput.promela.fields import FALSE, I32, I64, TRUE, Int, Site, View, i32, i64
from lastput.promela.layout import Cells, Queue
from lastput.promela.state import MOST_IN_ONE_STEP, MOST_PROCESSES
from lastput.promela.tree import (
    Assertion,
    Assign,
    Block,
    Condition,
    Else,
    Receive,
    Reference,
    Run,
    Send,
    Statement,
    Type,
)
from lastput.promela.values import Values


class Statements(Values):
    """Guards and effects. `failed` settles the faults so far, in an order that the interpreter shares."""

    function: ll.Function
    failed: Callable[[], None]

    def local(self, kind: ll.Type) -> ll.Value:
        """Fresh memory of this call."""
        raise NotImplementedError

    def enabled(self, view: View, statement: Statement) -> ll.Value:
        """Whether a statement can be executed, as i1."""
        match statement:
            case Condition(expression=Run()):
                return TRUE
            case Condition(expression=expression):
                return self.boolean(view, expression)
            case Send(channel=channel):
                return self.over(
                    view, channel, len(statement.arguments), lambda n: self._has_room(view, n), FALSE
                )
            case Receive(channel=channel):
                fields = len(statement.arguments)
                return self.over(view, channel, fields, lambda n: self.receives(view, statement, n), FALSE)
            case Block(body=body):
                inner = self.layout.automata[view.process].inner[statement]
                able: ll.Value = FALSE
                for edge in inner[body.statements[0]]:
                    other = TRUE if isinstance(edge.statement, Else) else self.enabled(view, edge.statement)
                    able = self.builder.or_(able, other)
                return able
        return TRUE

    def _has_room(self, view: View, number: int) -> ll.Value:
        capacity = self.layout.channels[number].capacity
        return self.builder.icmp_unsigned("<", self.length(view.words, number), i32(capacity))

    def perform(self, view: View, statement: Statement) -> None:
        """Change the state as an enabled statement does, but for the position."""
        match statement:
            case Condition(expression=Run() as run):
                self._run(view, run)
            case Assign(target=target, value=Run() as run):
                pid = self._run(view, run)
                self.store(view, target, Int(pid, 0, 255))
                self.failed()
            case Assign(target=target, value=value):
                self.store(view, target, self.integer(view, value))
                self.failed()
            case Assertion(condition=condition, text=text):
                holds = self.boolean(view, condition)
                self.failed()
                site = Site("assertion", f"assertion violated: {text} (line {statement.line})")
                self.fault(self.builder.not_(holds), site)
                self.failed()
            case Send():
                self._send(view, statement)
            case Receive():
                self._receive(view, statement)
            case Block():
                self._d_step(view, statement)

    def move(self, view: View, target: Statement | None) -> None:
        """Put the process where it is next."""
        slot = self.layout.slots[view.slot]
        self.put(view.words, slot.position, i64(slot.numbers[view.process, target]))

    def cut_to(self, value: Int, kind: Type) -> Int:
        """A value as a field of a message stores it."""
        return self.cut(value, Cells(kind, 1, kind.bits, 0, 1, (), None, False))

    # -- processes -----------------------------------------------------------------------------------

    def _run(self, view: View, run: Run) -> ll.Value:
        """Begin a process in the first free slot; its number."""
        b, layout = self.builder, self.layout
        arguments = [self.integer(view, argument) for argument in run.arguments]
        self.failed()
        pid = self.local(I32)
        done = self.function.append_basic_block("began")
        for number in range(view.slot + 1, len(layout.slots) + 1):
            if number == len(layout.slots):
                self._not_foreseen(number, run.process)
                break
            free, taken = (self.function.append_basic_block(name) for name in ("free", "taken"))
            here = self.get(view.words, layout.slots[number].position)
            b.cbranch(b.icmp_unsigned("==", here, i64(0)), free, taken)
            b.position_at_end(free)
            if run.process in layout.assumed.slots[number]:
                self._begin(view, number, run.process, arguments)
            else:
                self._not_foreseen(number, run.process)
            b.store(i32(number), pid)
            b.branch(done)
            b.position_at_end(taken)
        b.branch(done)
        b.position_at_end(done)
        return b.load(pid, typ=I32)

    def _not_foreseen(self, number: int, process: str) -> None:
        site = Site("slots", "more processes than assumed", slot=(number, process))
        if number >= MOST_PROCESSES:
            site = Site("processes", f"more than {MOST_PROCESSES} processes")
        self.fault(TRUE, site)
        self.failed()

    def _begin(self, view: View, number: int, name: str, arguments: list[Int]) -> None:
        layout = self.layout
        process = layout.model.processes[name]
        new = View(view.words, number, name, FALSE)
        self.move(new, layout.automata[name].start)
        cells = layout.slots[number].variables[name]
        for variable in process.locals:
            for element in range(variable.elements):
                self.store_element(view.words, cells[variable], i32(element), Int(i32(0), 0, 0))
        for variable, value in zip(process.parameters, arguments, strict=True):
            self.store_element(view.words, cells[variable], i32(0), value)
            self.failed()
        for variable in process.locals:
            if variable.initial is not None:
                value = self.integer(new, variable.initial)
                for element in range(variable.elements):
                    self.store_element(view.words, cells[variable], i32(element), value)
                self.failed()

    def clear(self, words: ll.Value, slot: int, process: str) -> None:
        """Take a process away: all its bits become 0."""
        place = self.layout.slots[slot]
        masks: dict[int, int] = {}
        fields = [place.position]
        fields += [chunk for cells in place.variables[process].values() for chunk in cells.chunks]
        for field in fields:
            masks[field.word] = masks.get(field.word, 0) | field.mask << field.shift
        for word, mask in masks.items():
            address = self.word(words, word)
            self.builder.store(self.builder.and_(self.builder.load(address, typ=I64), i64(~mask)), address)

    # -- messages ------------------------------------------------------------------------------------

    def _each(self, view: View, reference: Reference, fields: int, make: Callable[[Queue], None]) -> None:
        """Code for the channel that a reference names, where it is not known before one of several."""
        b = self.builder
        number, numbers = self.candidates(view, reference, fields)
        self.failed()
        done = self.function.append_basic_block("done")
        for candidate in numbers:
            body, other = (self.function.append_basic_block(name) for name in ("channel", "other"))
            b.cbranch(b.icmp_unsigned("==", number, i32(candidate)), body, other)
            b.position_at_end(body)
            if candidate in self.layout.queues:
                make(self.layout.queues[candidate])
            b.branch(done)
            b.position_at_end(other)
        b.branch(done)
        b.position_at_end(done)

    def _send(self, view: View, send: Send) -> None:
        values = [self.integer(view, argument) for argument in send.arguments]
        self.failed()

        def into(queue: Queue) -> None:
            message = [self.cut_to(v, c.type) for v, c in zip(values, queue.fields, strict=True)]
            length = self.length(view.words, queue.channel.first)
            length = self.builder.trunc(self.get(view.words, queue.length), I32)
            if send.ordered and queue.channel.capacity > 1:
                self._insert(view.words, queue, message, length)
            else:
                for cells, value in zip(queue.fields, message, strict=True):
                    self.store_element(view.words, cells, self._inside(cells, length), value)
            self.put(view.words, queue.length, self.builder.zext(self.builder.add(length, i32(1)), I64))
            self.failed()

        self._each(view, send.channel, len(send.arguments), into)

    @staticmethod
    def _inside(cells: Cells, length: ll.Value) -> ll.Value:
        """The place for a new last message; a channel for one has only the first."""
        return i32(0) if cells.size == 1 else length

    def _insert(self, words: ll.Value, queue: Queue, message: list[Int], length: ll.Value) -> None:
        """Put a message before the first that is not less."""
        b = self.builder
        capacity = queue.channel.capacity
        old = [[Int(self.element(words, c, i), *c.limits) for c in queue.fields] for i in range(capacity)]
        before: list[ll.Value] = []
        for place in range(capacity):
            less = self._less(old[place], message)
            here = b.and_(b.icmp_unsigned("<", i32(place), length), less)
            before.append(b.and_(before[-1], here) if before else here)
        for place in range(capacity):
            for f, cells in enumerate(queue.fields):
                shifted = message[f] if place == 0 else old[place - 1][f]
                moved = shifted.value
                if place:
                    moved = b.select(before[place - 1], message[f].value, old[place - 1][f].value)
                value = b.select(before[place], old[place][f].value, moved)
                beyond = b.icmp_unsigned(">", i32(place), length)
                value = b.select(beyond, old[place][f].value, value)
                self.store_element(words, cells, i32(place), Int(value))

    def _less(self, one: list[Int], two: list[Int]) -> ll.Value:
        """Whether a message comes before another: by its first field that differs."""
        b = self.builder
        less: ll.Value = FALSE
        for a, c in reversed(list(zip(one, two, strict=True))):
            equal = b.icmp_signed("==", a.value, c.value)
            less = b.select(equal, less, b.icmp_signed("<", a.value, c.value))
        return less

    def _receive(self, view: View, receive: Receive) -> None:
        def out_of(queue: Queue) -> None:
            b = self.builder
            capacity = queue.channel.capacity
            messages = [
                [Int(self.element(view.words, c, place), *c.limits) for c in queue.fields]
                for place in range(capacity if receive.anywhere else 1)
            ]
            length = b.trunc(self.get(view.words, queue.length), I32)
            place: ll.Value = i32(0)
            message = list(messages[0])
            if receive.anywhere:
                for number in reversed(range(capacity)):
                    there = b.icmp_unsigned(">", length, i32(number))
                    fits = b.select(there, self.matches(view, receive, messages[number]), FALSE)
                    place = b.select(fits, i32(number), place)
                    message = [
                        Int(b.select(fits, new.value, old.value), *cells.limits)
                        for new, old, cells in zip(messages[number], message, queue.fields, strict=True)
                    ]
            self.faults = []  # those of the guard, which was asked before
            if not receive.keep:
                self._remove(view.words, queue, place)
                self.put(view.words, queue.length, b.zext(b.sub(length, i32(1)), I64))
            for argument, value in zip(receive.arguments, message, strict=True):
                if isinstance(argument, Reference):
                    self.store(view, argument, value)
                    self.failed()

        self._each(view, receive.channel, len(receive.arguments), out_of)

    def _remove(self, words: ll.Value, queue: Queue, place: ll.Value) -> None:
        """Take a message out: those after it move up, and the last place becomes 0."""
        b = self.builder
        capacity = queue.channel.capacity
        for cells in queue.fields:
            if isinstance(place, ll.Constant) and len(cells.chunks) == 1 and cells.low == 0 and cells.width:
                chunk = cells.chunks[0]
                self.put(
                    words, chunk, b.lshr(self.get(words, chunk), i64(cells.width)) if capacity > 1 else i64(0)
                )
                continue
            old = [self.element(words, cells, i) for i in range(capacity)]
            zero = i32(0)
            for i in range(capacity):
                following = old[i + 1] if i + 1 < capacity else zero
                kept = b.select(b.icmp_unsigned("<", i32(i), place), old[i], following)
                self.put(words, cells.at(i), self._bits(kept, cells))

    # -- d_step --------------------------------------------------------------------------------------

    def _d_step(self, view: View, block: Block) -> None:
        """The statements of a d_step one after the other; of several options the first that can be taken."""
        b = self.builder
        inner = self.layout.automata[view.process].inner[block]
        first = block.body.statements[0]
        done = self.function.append_basic_block("d_step_done")
        blocks = {position: self.function.append_basic_block("d_step") for position in inner}
        steps = None
        if any(e.target is not None and _backward(e.target, p) for p, out in inner.items() for e in out):
            steps = self.local(I32)
            b.store(i32(0), steps)
        b.branch(blocks[first])
        for position, edges in inner.items():
            b.position_at_end(blocks[position])
            if steps is not None:
                self._counted(steps)
            for edge in edges:
                taken, other = (self.function.append_basic_block(name) for name in ("taken", "other"))
                able = TRUE if isinstance(edge.statement, Else) else self.enabled(view, edge.statement)
                self.failed()
                b.cbranch(able, taken, other)
                b.position_at_end(taken)
                self.perform(view, edge.statement)
                b.branch(done if edge.target is None else blocks[edge.target])
                b.position_at_end(other)
            self.fault(TRUE, Site("d_step", f"a d_step blocks in line {position.line}"))
            self.failed()
            b.unreachable() if not b.block.is_terminated else None
        b.position_at_end(done)

    def _counted(self, steps: ll.Value) -> None:
        b = self.builder
        now = b.load(steps, typ=I32)
        b.store(b.add(now, i32(1)), steps)
        site = Site("endless", f"a d_step of more than {MOST_IN_ONE_STEP} statements")
        self.fault(b.icmp_unsigned(">=", now, i32(MOST_IN_ONE_STEP)), site)
        self.failed()


def _backward(target: Statement, position: Statement) -> bool:
    """Whether a jump may be one of a loop."""
    return (target.token.line, target.token.column) <= (position.token.line, position.token.column)
