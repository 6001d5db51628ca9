"""LLVM code for steps: from a position over its edges, atomic blocks and rendezvous to what is handed out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir as ll

from lastput.promela.fields import FALSE, I1, I64, TRUE, Int, Site, View, i32, i64
from lastput.promela.flow import Edge
from lastput.promela.function_code import CHOICE, DEPTH, TIMEOUT, Function
from lastput.promela.state import MOST_IN_ONE_STEP
from lastput.promela.tree import (
    Else,
    Receive,
    Reference,
    Send,
    Statement,
)

if TYPE_CHECKING:
    from lastput.promela.code import Module


_INLINE = 6
"""Statements of an atomic block that are followed in place."""


class StepCode(Function):
    """The steps of one process, or what an atomic block or rendezvous goes on with."""

    def __init__(self, module: Module, function: ll.Function) -> None:
        super().__init__(module, function)
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

    # -- the functions -------------------------------------------------------------------------------

    def _view(self, slot: int, process: str, timeout: ll.Value) -> View:
        return View(self._copy(0, self.function.args[0]), slot, process, timeout)

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
