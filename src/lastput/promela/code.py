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
from lastput.promela.expressions import parts
from lastput.promela.fields import I8, I32, I64, TRUE, Site, Sites, i64
from lastput.promela.function_code import (
    CHOICE,
    CONTEXT,
    DEPTH,
    EVENTS,
    FOUND,
    LABEL,
    LIMIT,
    MADE,
    TIMEOUT,
    WORD,
    Function,
)
from lastput.promela.layout import Layout
from lastput.promela.step_code import StepCode
from lastput.promela.tree import (
    Expr,
    Match,
    Named,
    Statement,
    walk,
)


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
        self.work: list[tuple[StepCode, object]] = []
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
            self.work.append((StepCode(self, function), what))
        return self.made[what]

    def _expand(self, deadlock: int) -> None:
        kind = ll.FunctionType(I64, [WORD, I64, WORD, WORD, WORD, WORD, I8.as_pointer()])
        function = ll.Function(self.module, kind, "expand")
        Expand(self, function).generate(deadlock)


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

    def generate(self, deadlock: int) -> None:
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
