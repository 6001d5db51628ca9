"""LLVM code for Promela's steps: one function per process number, those that atomic blocks go on with, those
that take a rendezvous, and `expand`, which the engine calls (`engine.model`).

A step copies the packed state, changes the copy and hands it out. The copies are local memory that LLVM turns
into registers. Atomic blocks are followed depth first: in place where that is short, by a call otherwise; so
a step may have several ends, and each is a successor, as in Spin.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir as ll

from lastput.engine.model import STATE_EVENT
from lastput.promela.flow import Edge
from lastput.promela.interpreter import MOST_IN_ONE_STEP
from lastput.promela.layout import Layout
from lastput.promela.statements import Statements
from lastput.promela.tree import (
    Block,
    Break,
    Condition,
    Constant,
    Else,
    Expr,
    Goto,
    Match,
    Named,
    Print,
    Receive,
    Reference,
    Send,
    Statement,
    walk,
)
from lastput.promela.values import FALSE, I1, I8, I32, I64, TRUE, Int, Site, Sites, View, i32, i64

WORD = I64.as_pointer()
MADE, FOUND, LABEL, CHOICE, LIMIT, EVENTS, DEPTH, TIMEOUT = range(8)
"""What the words of a context hold: successors and events so far, the label without its choice, the choice,
the most successors and events there may be, statements executed in this step, whether `timeout` holds."""
CONTEXT = 8
_INLINE = 6
"""Statements of an atomic block that are followed in place."""


@dataclass(frozen=True)
class Built:
    """A module, and what the engine must know of it."""

    module: ll.Module
    sites: Sites
    deadlock: int


def build(layout: Layout) -> Built:
    """The LLVM module of a model."""
    return Module(layout).build()


class Module:
    """Makes the functions, each when it is first asked for."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.sites = layout, Sites()
        self.module = ll.Module("promela")
        self.state = ll.ArrayType(I64, layout.words)
        self.made: dict[object, ll.Function] = {}
        self.work: list[tuple[Function, object]] = []
        self.timeouts = any(_asks_timeout(p.body) for p in layout.model.processes.values())

    def build(self) -> Built:
        """Everything."""
        deadlock = self.sites.code(Site("deadlock", "invalid end state: no process can go on"))
        self._expand(deadlock)
        while self.work:
            function, what = self.work.pop()
            function.generate(what)
        return Built(self.module, self.sites, deadlock)

    def slot(self, number: int) -> ll.Function:
        """void slot(words, context, successors, labels, events): every step of one process."""
        return self._function(("slot", number), f"slot_{number}", [])

    def resume(self, slot: int, process: str, position: Statement) -> ll.Function:
        """The same of a process that goes on inside an atomic block."""
        number = self.layout.slots[slot].numbers[process, position]
        return self._function(("resume", slot, process, position), f"resume_{slot}_{number}", [])

    def take(self, slot: int, channel: int) -> ll.Function:
        """The same of a process that takes a rendezvous; the message's fields are arguments."""
        fields = len(self.layout.channels[channel].fields)
        return self._function(("take", slot, channel), f"take_{slot}_{channel}", [I32] * fields)

    def emitter(self) -> ll.Function:
        """Hands out a successor; see Output."""
        if "emit" not in self.made:
            kind = ll.FunctionType(ll.VoidType(), [*[WORD] * 4, *[I64] * self.layout.words])
            self.made["emit"] = function = ll.Function(self.module, kind, "emit")
            function.linkage = "internal"
            for argument in function.args[:4]:
                argument.add_attribute("noalias")
            Output(self, function).emitter()
        return self.made["emit"]

    def reporter(self) -> ll.Function:
        """Reports an event; see Output."""
        if "report" not in self.made:
            kind = ll.FunctionType(ll.VoidType(), [WORD, WORD, I64, I64])
            self.made["report"] = function = ll.Function(self.module, kind, "report")
            function.linkage = "internal"
            function.attributes.add("noinline")
            function.attributes.add("cold")
            Output(self, function).reporter()
        return self.made["report"]

    def _function(self, what: object, name: str, more: list[ll.Type]) -> ll.Function:
        if what not in self.made:
            kind = ll.FunctionType(ll.VoidType(), [self.state.as_pointer(), *[WORD] * 4, *more])
            function = ll.Function(self.module, kind, name)
            function.linkage = "internal"
            for argument in function.args[:5]:
                argument.add_attribute("noalias")
            self.made[what] = function
            self.work.append((Function(self, function), what))
        return self.made[what]

    def _expand(self, deadlock: int) -> None:
        kind = ll.FunctionType(I64, [WORD, I64, WORD, WORD, WORD, WORD, I8.as_pointer()])
        function = ll.Function(self.module, kind, "expand")
        Expand(self, function).generate(deadlock)


class Function(Statements):
    """One function of the module."""

    def __init__(self, module: Module, function: ll.Function) -> None:
        entry = function.append_basic_block("entry")
        body = function.append_basic_block("body")
        super().__init__(module.layout, module.sites, ll.IRBuilder(entry))
        self.builder.branch(body)
        self.builder.position_at_end(body)
        self.module, self.function, self.entry = module, function, entry
        self.pools: dict[int, ll.Value] = {}
        if not isinstance(self, Expand | Output):
            self.context, self.successors, self.labels, self.events = function.args[1:5]

    def generate(self, what: object) -> None:
        """The body of what was asked for."""
        match what:
            case ("slot", int(slot)):
                self._slot(slot)
            case ("resume", int(slot), str(process), Statement() as position):
                view = self._view(slot, process, FALSE)
                self._deeper(lambda: self._position(view, position, True, 1, [position]))
            case ("take", int(slot), int(channel)):
                self._take(slot, channel)
        self.builder.ret_void()

    # -- scratch -------------------------------------------------------------------------------------

    def local(self, kind: ll.Type) -> ll.Value:
        """Fresh memory of this call."""
        with self.builder.goto_block(self.entry):
            return self.builder.alloca(kind)

    def _copy(self, depth: int, words: ll.Value) -> ll.Value:
        """A copy of a state, in memory that other steps of the same depth use, too."""
        if depth not in self.pools:
            self.pools[depth] = self.local(self.module.state)
        target = self.pools[depth]
        for number in range(self.layout.words):
            self.builder.store(
                self.builder.load(self.word(words, number), typ=I64), self.word(target, number)
            )
        return target

    def _view(self, slot: int, process: str, timeout: ll.Value) -> View:
        return View(self._copy(0, self.function.args[0]), slot, process, timeout)

    def _cell(self, number: int) -> ll.Value:
        return self.builder.gep(self.context, [i32(number)], inbounds=True)

    def _context(self, number: int) -> ll.Value:
        return self.builder.load(self._cell(number), typ=I64)

    def _add(self, number: int, amount: int = 1) -> None:
        self.builder.store(self.builder.add(self._context(number), i64(amount)), self._cell(number))

    # -- the functions -------------------------------------------------------------------------------

    def _slot(self, number: int) -> None:
        b = self.builder
        slot = self.layout.slots[number]
        timeout = b.icmp_unsigned("!=", self._context(TIMEOUT), i64(0)) if self.module.timeouts else FALSE
        view = self._view(number, "", timeout)
        after = self.function.append_basic_block("after")
        switch = b.switch(self.get(view.words, slot.position), after)
        for (process, position), code in slot.numbers.items():
            block = self.function.append_basic_block(f"at_{code}")
            switch.add_case(i64(code).constant if slot.position.width == 0 else i64(code), block)
            b.position_at_end(block)
            view.process = process
            if position is None:
                self._end(view)
            else:
                self._position(view, position, False, 1, [position])
            b.branch(after)
        b.position_at_end(after)

    def _end(self, view: View) -> None:
        """The last process may go; with it goes all that it had."""
        b = self.builder
        last: ll.Value = TRUE
        if view.slot + 1 < len(self.layout.slots):
            next_position = self.layout.slots[view.slot + 1].position
            last = b.icmp_unsigned("==", self.get(view.words, next_position), i64(0))
        with b.if_then(last):
            words = self._copy(1, view.words)
            self.clear(words, view.slot, view.process)
            self._emit(words)

    def _take(self, number: int, channel: int) -> None:
        b = self.builder
        slot = self.layout.slots[number]
        view = self._view(number, "", FALSE)
        kinds = self.layout.channels[channel].fields
        message = []
        for argument, kind in zip(self.function.args[5:], kinds, strict=True):
            low = -(1 << (kind.bits - 1)) if kind.signed else 0
            message.append(Int(argument, low, low + (1 << kind.bits) - 1))
        after = self.function.append_basic_block("after")
        switch = b.switch(self.get(view.words, slot.position), after)
        for (process, position), code in slot.numbers.items():
            edges = self.layout.automata[process].edges[position] if position is not None else ()
            ready = [
                e for e in edges if isinstance(e.statement, Receive) and self._may_take(e.statement, channel)
            ]
            if not ready:
                continue
            block = self.function.append_basic_block(f"at_{code}")
            switch.add_case(i64(code), block)
            b.position_at_end(block)
            view.process = process
            for edge in ready:
                self._taken(view, edge, channel, message)
            b.branch(after)
        b.position_at_end(after)

    def _may_take(self, receive: Receive, channel: int) -> bool:
        declared = receive.channel.variable.channel
        fits = len(receive.arguments) == len(self.layout.channels[channel].fields) and not receive.keep
        if declared is None:
            return fits
        return fits and declared.first <= channel < declared.first + declared.count

    def _taken(self, view: View, edge: Edge, channel: int, message: list[Int]) -> None:
        """One receive of a rendezvous, if its channel and constants are those of the message."""
        b = self.builder
        receive = edge.statement
        assert isinstance(receive, Receive)
        end = self.function.append_basic_block("end")
        number, _ = self.candidates(view, receive.channel, len(receive.arguments))
        same = b.icmp_unsigned("==", number, i32(channel))
        same = b.and_(same, self.matches(view, receive, message))
        self._settle(end)
        body = self.function.append_basic_block("body")
        b.cbranch(same, body, end)
        b.position_at_end(body)
        inner = View(self._copy(1, view.words), view.slot, view.process, FALSE)
        for argument, value in zip(receive.arguments, message, strict=True):
            if isinstance(argument, Reference):
                self.store(inner, argument, value)
                self._settle(end)
        self._arrive(inner, edge, 2, [])
        b.branch(end)
        b.position_at_end(end)

    # -- positions and edges -------------------------------------------------------------------------

    def _position(
        self, view: View, position: Statement, atomic: bool, depth: int, path: list[Statement]
    ) -> None:
        """Every step from a position; inside an atomic block the state itself where there is none."""
        b = self.builder
        edges = self.layout.automata[view.process].edges[position]
        moved = None
        if atomic or any(isinstance(e.statement, Else) for e in edges):
            moved = self.local(I1)
            b.store(FALSE, moved)
        for edge in edges:
            self._edge(view, edge, depth, path, moved)
        if atomic:
            assert moved is not None
            with b.if_then(b.not_(b.load(moved, typ=I1))):
                self._emit(view.words)

    def _edge(
        self, view: View, edge: Edge, depth: int, path: list[Statement], moved: ll.Value | None
    ) -> None:
        """One statement: its guard, what it does, and where that leads."""
        b = self.builder
        end = self.function.append_basic_block("end")
        statement = edge.statement
        if isinstance(statement, Send) and self._is_rendezvous(statement):
            self._handshake(view, edge, depth, moved, end)
            b.position_at_end(end)
            return
        body = self.function.append_basic_block("body")
        if isinstance(statement, Else):
            assert moved is not None
            b.cbranch(b.load(moved, typ=I1), end, body)
        else:
            able = self.enabled(view, statement)
            self._settle(end, moved)
            b.cbranch(able, body, end)
        b.position_at_end(body)
        if moved is not None:
            b.store(TRUE, moved)
        inner = View(self._copy(depth, view.words), view.slot, view.process, view.timeout)
        self.failed = lambda: self._settle(end)
        self.perform(inner, statement)
        self._arrive(inner, edge, depth + 1, path)
        b.branch(end)
        b.position_at_end(end)

    def _arrive(self, view: View, edge: Edge, depth: int, path: list[Statement]) -> None:
        """The state after a statement: hand it out, or go on in the atomic block."""
        self.move(view, edge.target)
        if not edge.on:
            self._emit(view.words)
            return
        assert edge.target is not None
        later = View(view.words, view.slot, view.process, FALSE)
        edges = self.layout.automata[view.process].edges[edge.target]
        if len(path) < _INLINE and edge.target not in path and len(edges) <= 2:
            self._position(later, edge.target, True, depth, [*path, edge.target])
        else:
            self._call(self.module.resume(view.slot, view.process, edge.target), view.words)

    def _is_rendezvous(self, send: Send) -> bool:
        """Whether the channel of a send holds no messages. One that is not known before may do both."""
        declared = send.channel.variable.channel
        if declared is not None:
            return declared.capacity == 0
        kinds = {
            c.capacity == 0 for c in self.layout.channels.values() if len(c.fields) == len(send.arguments)
        }
        if len(kinds) > 1:
            send.token.refuse(
                "this may be a rendezvous or a channel that holds messages",
                "channels of one kind in one variable",
            )
        return kinds == {True}

    def _handshake(self, view: View, edge: Edge, depth: int, moved: ll.Value | None, end: ll.Block) -> None:
        """A send to whoever can take it now."""
        b = self.builder
        send = edge.statement
        assert isinstance(send, Send)
        number, numbers = self.candidates(view, send.channel, len(send.arguments))
        values = [self.integer(view, argument) for argument in send.arguments]
        self._settle(end, moved)
        words = self._copy(depth, view.words)
        self.move(View(words, view.slot, view.process, FALSE), edge.target)
        before = self._context(CHOICE)
        for channel in numbers:
            after = self.function.append_basic_block("after")
            body = self.function.append_basic_block("channel")
            b.cbranch(b.icmp_unsigned("==", number, i32(channel)), body, after)
            b.position_at_end(body)
            kinds = self.layout.channels[channel].fields
            message = [self.cut_to(value, kind).value for value, kind in zip(values, kinds, strict=True)]
            for other in range(len(self.layout.slots)):
                if other != view.slot and self._takers(other, channel):
                    self._call(self.module.take(other, channel), words, message)
            b.branch(after)
            b.position_at_end(after)
        if moved is not None:
            with b.if_then(b.icmp_unsigned("!=", before, self._context(CHOICE))):
                b.store(TRUE, moved)
        b.branch(end)

    def _takers(self, slot: int, channel: int) -> bool:
        return any(
            isinstance(edge.statement, Receive) and self._may_take(edge.statement, channel)
            for process, position in self.layout.slots[slot].numbers
            if position is not None
            for edge in self.layout.automata[process].edges[position]
        )

    def _call(self, function: ll.Function, words: ll.Value, more: list[ll.Value] | None = None) -> None:
        own = self.local(self.module.state)
        for number in range(self.layout.words):
            self.builder.store(self.builder.load(self.word(words, number), typ=I64), self.word(own, number))
        arguments = [own, self.context, self.successors, self.labels, self.events, *(more or [])]
        self.builder.call(function, arguments)

    def _deeper(self, make) -> None:  # type: ignore[no-untyped-def]
        """Count the calls that follow an atomic block, and cut one off that has no end."""
        b = self.builder
        depth = self._context(DEPTH)
        with b.if_else(b.icmp_unsigned("<", depth, i64(MOST_IN_ONE_STEP)), likely=True) as (good, endless):
            with good:
                self._add(DEPTH)
                make()
                self._add(DEPTH, -1)
            with endless:
                message = f"an atomic block of more than {MOST_IN_ONE_STEP} statements"
                self.event(i64(self.sites.code(Site("endless", message))))

    # -- what comes out ------------------------------------------------------------------------------

    def _settle(self, end: ll.Block, moved: ll.Value | None = None) -> None:
        """Make events of the faults so far: each ends the step."""
        b = self.builder
        for condition, code in self.faults:
            bad, good = (self.function.append_basic_block(name) for name in ("bad", "good"))
            b.cbranch(condition, bad, good)
            b.position_at_end(bad)
            if moved is not None:
                b.store(TRUE, moved)
            self.event(i64(code))
            b.branch(end)
            b.position_at_end(good)
        self.faults = []

    def _emit(self, words: ll.Value) -> None:
        """Hand out a state."""
        values = [self.builder.load(self.word(words, n), typ=I64) for n in range(self.layout.words)]
        given = [self.context, self.successors, self.labels, self.events]
        self.builder.call(self.module.emitter(), [*given, *values])

    def event(self, code: ll.Value, label: ll.Value | None = None) -> None:
        """Report a step that broke a rule, or a state; `label` is that of a state."""
        told = label if label is not None else self.builder.or_(self._context(LABEL), self._context(CHOICE))
        self.builder.call(self.module.reporter(), [self.context, self.events, told, code])


class Output(Function):
    """The two functions by which everything comes out."""

    def emitter(self) -> None:
        """void emit(context, successors, labels, events, word 0, ...): one successor."""
        b = self.builder
        self.context, self.successors, self.labels, self.events, *words = self.function.args
        made = self._context(MADE)
        room = b.icmp_unsigned("<", made, self._context(LIMIT))
        with b.if_else(room, likely=True) as (fits, full):
            with fits:
                row = b.gep(self.successors, [b.mul(made, i64(self.layout.words))], inbounds=True)
                for number, value in enumerate(words):
                    b.store(value, b.gep(row, [i64(number)], inbounds=True))
                choice = self._context(CHOICE)
                label = b.or_(self._context(LABEL), choice)
                b.store(label, b.gep(self.labels, [made], inbounds=True))
                b.store(b.add(made, i64(1)), self._cell(MADE))
                b.store(b.add(choice, i64(1)), self._cell(CHOICE))
            with full:
                self.event(i64(self.sites.code(Site("successors", "more steps of a state than assumed"))))
        b.ret_void()

    def reporter(self) -> None:
        """void report(context, events, label, code): one event. A state whose share of the buffer is full has
        others already."""
        b = self.builder
        self.context, self.events, label, code = self.function.args
        found = self._context(FOUND)
        with b.if_then(b.icmp_unsigned("<", found, self._context(EVENTS))):
            at = b.mul(found, i64(2))
            b.store(label, b.gep(self.events, [at], inbounds=True))
            b.store(code, b.gep(self.events, [b.add(at, i64(1))], inbounds=True))
            b.store(b.add(found, i64(1)), self._cell(FOUND))
            self._add(CHOICE)
        b.ret_void()


class Expand(Function):
    """The function that the engine calls: each state of a batch, each process, and whether nothing moved."""

    def generate(self, deadlock: int) -> None:  # type: ignore[override]
        """Emit it."""
        b, layout = self.builder, self.layout
        states, n, self.successors, self.labels, self.events, event_count, _ = self.function.args
        self.context = b.bitcast(self.local(ll.ArrayType(I64, CONTEXT)), WORD)
        for cell in (MADE, FOUND, DEPTH):
            b.store(i64(0), self._cell(cell))
        index = self.local(I64)
        b.store(i64(0), index)
        head, body, done = (self.function.append_basic_block(x) for x in ("head", "state", "done"))
        b.branch(head)
        b.position_at_end(head)
        now = b.load(index, typ=I64)
        b.cbranch(b.icmp_unsigned("<", now, n), body, done)
        b.position_at_end(body)
        row = b.bitcast(
            b.gep(states, [b.mul(now, i64(layout.words))], inbounds=True), self.module.state.as_pointer()
        )
        self._state(row, now, deadlock)
        b.store(b.add(now, i64(1)), index)
        b.branch(head)
        b.position_at_end(done)
        b.store(self._context(FOUND), event_count)
        b.ret(self._context(MADE))

    def _state(self, row: ll.Value, now: ll.Value, deadlock: int) -> None:
        b, most = self.builder, self.layout.assumed.successors
        made, found = self._context(MADE), self._context(FOUND)
        b.store(b.add(made, i64(most)), self._cell(LIMIT))
        b.store(b.add(found, i64(most)), self._cell(EVENTS))
        b.store(i64(0), self._cell(TIMEOUT))
        base = b.shl(now, i64(32))
        again, stuck, after = (self.function.append_basic_block(x) for x in ("again", "stuck", "after"))
        b.branch(again)
        b.position_at_end(again)
        for number in range(len(self.layout.slots)):
            b.store(b.or_(base, i64(number << 16)), self._cell(LABEL))
            b.store(i64(0), self._cell(CHOICE))
            b.call(self.module.slot(number), [row, self.context, self.successors, self.labels, self.events])
        same = b.and_(
            b.icmp_unsigned("==", made, self._context(MADE)),
            b.icmp_unsigned("==", found, self._context(FOUND)),
        )
        b.cbranch(same, stuck, after)
        b.position_at_end(stuck)
        if self.module.timeouts:
            first = b.icmp_unsigned("==", self._context(TIMEOUT), i64(0))
            final = self.function.append_basic_block("final")
            b.store(i64(1), self._cell(TIMEOUT))
            b.cbranch(first, again, final)
            b.position_at_end(final)
        with b.if_then(b.not_(self._may_stop(row))):
            self.event(i64(deadlock), b.or_(base, i64(STATE_EVENT << 16)))
        b.branch(after)
        b.position_at_end(after)

    def _may_stop(self, row: ll.Value) -> ll.Value:
        """Whether every process is at a valid end."""
        fine: ll.Value = TRUE
        for slot in self.layout.slots:
            here = self.get(row, slot.position)
            fine = self.builder.and_(fine, self.builder.icmp_unsigned("<=", here, i64(slot.stops)))
        return fine


def _asks_timeout(sequence) -> bool:  # type: ignore[no-untyped-def]
    from lastput.promela.parser import parts

    def asks(expression: Expr) -> bool:
        return any(isinstance(part, Named) and part.what == "timeout" for part in parts(expression))

    for statement in walk(sequence):
        for value in vars(statement).values():
            values = value if isinstance(value, tuple) else (value,)
            if any(isinstance(v, Expr) and asks(v) for v in values):
                return True
            if any(isinstance(v, Match) and asks(v.value) for v in values):
                return True
    return False


__all__ = ["Block", "Break", "Built", "Condition", "Constant", "Goto", "Print", "build"]
